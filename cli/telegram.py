"""The command that serves a phone by a Telegram bot."""

import os

import typer

from cli.options import ReplayConfig, State, state_dir
from cli.output import say
from positions.model.errors import ConfigurationError
from positions.operations.settings import load
from positions.operations.wallet import TELEGRAM_TOKEN, environment


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    example = "Example: polybracket telegram --config config/paper.toml --state state/paper"
    app.command("telegram", epilog=example)(telegram)


def telegram(config: ReplayConfig, state: State = None) -> None:
    """Answer the owner's phone by a Telegram bot: status, positions, and if allowed commands.

    Its token is POLYBRACKET_TELEGRAM_TOKEN, in the environment or a .env; the chats that it answers
    are those under [telegram]. It only reads unless may_trade = true stands there, and then asks
    for a number to be typed before anything trades. It is a process of its own.
    """
    settings = load(config).telegram
    token = environment().get(TELEGRAM_TOKEN, "")
    if not token:
        raise ConfigurationError(f"{TELEGRAM_TOKEN} is not set: @BotFather gives one to a bot")
    os.environ.pop(TELEGRAM_TOKEN, None)
    try:
        from phone import bot
        from phone.talk import Talk
    except ImportError:
        how = "pip install 'polybracket[telegram]'"
        raise ConfigurationError(f"python-telegram-bot is not installed: {how}") from None
    if not settings.chats:
        say("no chat is allowed yet: write to the bot, and it is told here which one you are")
    talk = Talk(state_dir(state), frozenset(settings.chats), may_trade=settings.may_trade)
    say("the bot listens; Ctrl-C ends it")
    bot.run(token, settings.address, talk, lambda line: say(line, err=True))
