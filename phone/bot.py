"""Carries what is said between Telegram and `phone.talk`: a process of its own, without any key."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, Update
from telegram.error import TelegramError
from telegram.ext import Application, CallbackQueryHandler, ContextTypes, MessageHandler, filters

from phone.talk import Said, Talk
from positions.model.errors import ConfigurationError
from positions.model.foreign_text import clean

_TEXT_MAX = 4_000
Context = ContextTypes.DEFAULT_TYPE


class Unreachable(ConfigurationError):
    """Telegram refuses the bot, or does not answer."""


def run(token: str, address: str, talk: Talk, say: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises Unreachable if Telegram refuses the token, or does not answer at the start.
    """
    logging.getLogger("telegram").setLevel(logging.CRITICAL)  # its lines may hold the token
    bot = _Bot(talk, say)
    base = address.rstrip("/") + "/bot"
    app = Application.builder().token(token).base_url(base).build()
    app.add_handler(MessageHandler(filters.TEXT & filters.UpdateType.MESSAGE, bot.on_message))
    app.add_handler(CallbackQueryHandler(bot.on_button))
    asyncio.set_event_loop(asyncio.new_event_loop())
    try:
        # What was said while nobody listened is not acted on later.
        app.run_polling(drop_pending_updates=True, bootstrap_retries=3, timeout=10)
    except TelegramError as e:
        why = clean(str(e).replace(token, "…"), 200)
        raise Unreachable(f"Telegram does not take this bot: {why}") from None


class _Bot:
    """The handlers of updates."""

    def __init__(self, talk: Talk, say: Callable[[str], None]) -> None:
        self._talk, self._say = talk, say
        self._strangers: set[int] = set()

    async def on_message(self, update: Update, _: Context) -> None:
        """A text of somebody."""
        if update.effective_chat is not None and update.message is not None:
            await self._answer(update, update.effective_chat.id, update.message.text or "")

    async def on_button(self, update: Update, _: Context) -> None:
        """A button under one of our messages: what it says."""
        query = update.callback_query
        if query is not None and update.effective_chat is not None:
            await query.answer()
            await self._answer(update, update.effective_chat.id, query.data or "")

    async def _answer(self, update: Update, chat: int, text: str) -> None:
        said = await asyncio.to_thread(self._talk.say, chat, text)
        if not said and chat not in self._strangers and len(self._strangers) < 100:
            self._strangers.add(chat)
            self._say(f"chat {chat} is not among the chats under [telegram]: nothing is answered")
        for message in said:
            assert update.effective_chat is not None
            await update.effective_chat.send_message(message.text[:_TEXT_MAX], **_markup(message))


def _markup(said: Said) -> dict[str, Any]:
    if not said.buttons:
        return {}
    row = [InlineKeyboardButton(label, callback_data=text) for label, text in said.buttons]
    return {"reply_markup": InlineKeyboardMarkup([row])}
