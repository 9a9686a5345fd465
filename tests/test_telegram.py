"""The phone: who is answered, what is shown, what must be confirmed, and how it travels.

Telegram is a stand-in on this machine, which has the few methods of its Bot API that are used.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from small_node import D, Node

from phone.talk import Said, Talk
from positions.commands.messages import from_fields
from positions.operations.wallet import TELEGRAM_TOKEN
from positions.storage.locks import StateLock
from positions.storage.sending import queue as queued
from positions.storage.spool import Spool, uuid7

ME, STRANGER, TOKEN = 42, 43, "123456:a-token-of-a-bot"


class Phone:
    """A phone, and a node that works while something is said."""

    def __init__(self, folder: Path, *, may_trade: bool = True) -> None:
        self.now = 0.0
        self.node = Node(folder)
        self.node.show(D("0.50"), D("0.52"))
        fields = {"command": "submit", "id": uuid7(), "market": "rain-in-london", "outcome": "Yes"}
        fields |= {"max_bid": "0.55", "size": "20", "stop": "0.45", "target": "0.70"}
        queued(Spool(self.node.state), fields, from_fields(fields))
        self.node.work()
        options: dict[str, Any] = {"clock": lambda: self.now, "code": lambda: "4821"}
        chats = frozenset([ME])
        self.talk = Talk(self.node.state, chats, may_trade=may_trade, **options)
        (self.position,) = self.node.engine.positions.values()
        self.name = self.position.id[-8:]

    def says(self, text: str, chat: int = ME) -> str:
        """What is answered."""
        said: list[Said] = []
        with working(self.node):
            said += self.talk.say(chat, text)
        return "\n".join(s.text for s in said)

    @property
    def is_ended(self) -> bool:
        """Whether the entry was taken back."""
        (p,) = self.node.engine.positions.values()
        return p.decision.entry_ended is not None


@contextmanager
def working(node: Node) -> Iterator[None]:
    """A node that runs, and acts on what is queued."""
    is_over = threading.Event()

    def work() -> None:
        while not is_over.wait(0.02):
            if node.spool.waiting():
                node.work()

    with StateLock(node.state, "replay"):
        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()


def test_what_is_there_is_shown(tmp_path: Path) -> None:
    phone = Phone(tmp_path)
    assert "1 open, cash" in phone.says("/status")
    shown = phone.says("Positions")
    assert shown.startswith("rain-in-london Yes: 0 of 20, bid 0.5, stop 0.45, target 0.7")
    assert shown.endswith(f"({phone.name})")
    (said,) = phone.talk.say(ME, "positions")
    assert said.buttons == (("cancel", f"cancel {phone.name}"),)
    for text in ("hello", "", "/start", "4821x"):
        assert "positions: what is open" in phone.says(text)


def test_who_is_not_allowed_gets_no_answer(tmp_path: Path) -> None:
    phone = Phone(tmp_path)
    for text in ("status", "flatten", "4821"):
        assert phone.talk.say(STRANGER, text) == []


@pytest.mark.parametrize("word", ["sell", "cancel", "halt", "resume", "flatten"])
def test_a_bot_that_only_reads_takes_no_command(tmp_path: Path, word: str) -> None:
    phone = Phone(tmp_path, may_trade=False)
    assert "this bot only reads" in phone.says(f"{word} {phone.name}")
    assert phone.talk.say(ME, "positions")[0].buttons == ()
    assert not Spool(phone.node.state).waiting()


def test_what_trades_is_confirmed_by_a_number(tmp_path: Path) -> None:
    phone = Phone(tmp_path)
    asked = phone.says(f"cancel {phone.name}")
    assert asked.startswith("to cancel rain-in-london Yes")
    assert asked.endswith("type 4821 within 60 s")
    assert not phone.is_ended
    assert phone.says("4821")
    assert phone.is_ended


WRONG: dict[str, Callable[[Phone], str]] = {
    "another number": lambda p: p.says("4822"),
    "too late": lambda p: (setattr(p, "now", 61.0), p.says("4821"))[1],
    "something between": lambda p: p.says("status") + p.says("4821"),
    "the number again": lambda p: p.says("4822") + p.says("4821"),
    "another chat": lambda p: p.says("4821", STRANGER) + "nothing was done",
}


@pytest.mark.parametrize("name", WRONG)
def test_another_number_does_nothing(tmp_path: Path, name: str) -> None:
    phone = Phone(tmp_path)
    phone.says(f"cancel {phone.name}")
    assert "nothing was done" in WRONG[name](phone)
    assert not phone.is_ended


def test_to_halt_needs_no_number_and_to_go_on_does(tmp_path: Path) -> None:
    phone = Phone(tmp_path)
    phone.says("halt")
    assert phone.node.engine.halted
    assert "type 4821" in phone.says("resume")
    phone.says("4821")
    assert not phone.node.engine.halted


def test_without_a_node_nothing_waits(tmp_path: Path) -> None:
    phone = Phone(tmp_path)
    assert [s.text for s in phone.talk.say(ME, "halt")] == ["nothing was done: no node is running"]
    assert not Spool(phone.node.state).waiting()


def test_a_name_of_none_or_several_is_told(tmp_path: Path) -> None:
    phone = Phone(tmp_path)
    for name in ("", "nonsense", "zz"):
        assert "no open position, or several" in phone.says(f"sell {name}")


# -- Telegram --------------------------------------------------------------------------------------


class Telegram:
    """A stand-in for the Bot API."""

    def __init__(self) -> None:
        self.sent: list[dict[str, str]] = []
        self._updates: queue.Queue[dict[str, Any]] = queue.Queue()
        self._number = 0
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                _, bot, method = self.path.split("/")
                if bot != f"bot{TOKEN}":
                    self.answer(
                        401, {"ok": False, "error_code": 401, "description": "Unauthorized"}
                    )
                    return
                fields = {name: values[0] for name, values in parse_qs(body).items()}
                self.answer(200, {"ok": True, "result": stand_in.result(method, fields)})

            def answer(self, status: int, content: object) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Keep the tests' output clean."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def result(self, method: str, fields: dict[str, str]) -> object:
        if method == "getMe":
            return {"id": 1, "is_bot": True, "first_name": "bot", "username": "a_bot"}
        if method == "getUpdates":
            try:
                return [self._updates.get(timeout=0.2)]
            except queue.Empty:
                return []
        if method == "sendMessage":
            self.sent.append(fields)
            return self._message(int(fields["chat_id"]), fields["text"])
        return True

    def _message(self, chat: int, text: str) -> dict[str, Any]:
        who = {"id": chat, "is_bot": False, "first_name": "I"}
        about = {"message_id": 1, "date": int(time.time()), "from": who}
        return about | {"chat": {"id": chat, "type": "private"}, "text": text}

    def types(self, chat: int, text: str, *, is_button: bool = False) -> None:
        """Somebody types, or presses a button."""
        self._number += 1
        message = self._message(chat, text)
        query = {"id": "1", "from": message["from"], "chat_instance": "1", "data": text}
        content = (
            {"callback_query": query | {"message": message}} if is_button else {"message": message}
        )
        self._updates.put({"update_id": self._number, **content})

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def until(condition: Callable[[], Any]) -> None:
    """Wait for a condition."""
    given_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < given_up
        time.sleep(0.02)


def test_the_story_of_an_evening_with_a_phone(tmp_path: Path) -> None:
    telegram, phone = Telegram(), Phone(tmp_path)
    config = tmp_path / "config.toml"
    allowed = f'chats = [{ME}]\nmay_trade = true\naddress = "{telegram.address}"'
    config.write_text(f'mode = "replay"\nstate = "state"\n[telegram]\n{allowed}\n')
    command = [sys.executable, "-m", "cli.main", "telegram", "--config", str(config)]
    command += ["--state", str(phone.node.state)]
    with (tmp_path / "log").open("wb") as log, working(phone.node):
        bot = subprocess.Popen(
            command, env=os.environ | {TELEGRAM_TOKEN: TOKEN}, stdout=log, stderr=log
        )
        telegram.types(STRANGER, "flatten")
        telegram.types(ME, "positions")
        until(lambda: telegram.sent)
        (button,) = json.loads(telegram.sent[0]["reply_markup"])["inline_keyboard"][0]
        telegram.types(ME, button["callback_data"], is_button=True)
        until(lambda: len(telegram.sent) == 2)
        code = telegram.sent[1]["text"].partition("type ")[2][:4]
        telegram.types(ME, code)
        until(lambda: len(telegram.sent) == 3)
        until(lambda: phone.is_ended)
        bot.send_signal(signal.SIGTERM)
        assert bot.wait(60) == 0
    telegram.close()
    assert {m["chat_id"] for m in telegram.sent} == {str(ME)}
    said = (tmp_path / "log").read_text()
    assert f"chat {STRANGER} is not among the chats" in said
    assert TOKEN not in said


@pytest.mark.parametrize(
    ("token", "said"),
    [("", "POLYBRACKET_TELEGRAM_TOKEN is not set"), ("1:other", "does not take this bot")],
)
def test_a_bot_that_cannot_be_is_one_line(tmp_path: Path, token: str, said: str) -> None:
    telegram, config = Telegram(), tmp_path / "config.toml"
    (tmp_path / "state").mkdir(mode=0o700)
    allowed = f'chats = [{ME}]\naddress = "{telegram.address}"'
    config.write_text(f'mode = "replay"\nstate = "state"\n[telegram]\n{allowed}\n')
    command = [sys.executable, "-m", "cli.main", "telegram", "--config", str(config)]
    command += ["--state", str(tmp_path / "state")]
    environment = os.environ | {TELEGRAM_TOKEN: token}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    telegram.close()
    assert done.returncode != 0
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert "1:other" not in done.stdout + done.stderr
