"""Messages to the owner: what is told, to stand-ins of ntfy and Telegram, and never in the way."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import MessageBus, TestClock
from nautilus_trader.model.identifiers import TraderId
from nautilus_trader.portfolio.portfolio import Portfolio
from stage import Stage, filled, quote, submit
from typer.testing import CliRunner

from actors.notifier import NOTIFY_ALARM, Notifier
from bridge.messages import ALARMS, STORY
from cli.main import app
from positions.engine.effects import Alarm, Step
from positions.model.position import Role
from positions.operations import notifying
from positions.operations.bell import Bell
from positions.operations.doctor import Level, check_alarms, check_notify
from positions.operations.notices import is_over, notices
from positions.operations.wallet import NOTIFY

ALL = ("filled", "target", "stop", "closed", "alarm", "node")


class Service:
    """A stand-in for a service on this machine: takes messages, refuses them, or hangs."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str]] = []
        self.status = 200
        self.go = threading.Event()
        self.go.set()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                service.go.wait(60)
                if service.status == 200:
                    service.got.append((self.path, body))
                self.send_response(service.status)
                self.end_headers()
                self.wfile.write(b'{"ok": true, "result": {"message_id": 1}}')

            def log_message(self, *_: Any) -> None:
                """Keep the tests' output clean."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def ntfy(self) -> str:
        """Its address as a ntfy of one's own."""
        return f"ntfy://127.0.0.1:{self._server.server_port}/a-topic"

    @property
    def webhook(self) -> str:
        """Its address as a webhook."""
        return f"json://127.0.0.1:{self._server.server_port}/hook"

    def close(self) -> None:
        """Take no more."""
        self.go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    yield made
    made.close()


def until(condition: Any) -> None:
    """Wait for a condition."""
    given_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < given_up
        time.sleep(0.02)


# -- what is told ----------------------------------------------------------------------------------


class Told(Stage):
    """A stage that remembers what a person is told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, str]] = []
        self._was_over = False

    def note(self, effect: object) -> None:
        if isinstance(effect, Step):
            self.told += notices(effect, was_over=self._was_over)
            self._was_over = is_over(effect.position)


NAME = "rain-in-london Yes"
DAYS = {
    "a target": (
        [
            *(quote("0.54", "0.56"), submit()),
            *(filled(Role.ENTRY, "60", "0.55"), filled(Role.ENTRY, "40", "0.54")),
            filled(Role.TARGET, "100", "0.70"),
        ],
        [
            ("filled", f"{NAME}: bought 60 at 0.55"),
            ("filled", f"{NAME}: bought 40 at 0.54"),
            ("target", f"{NAME}: the target sold 100 at 0.7"),
            # 100 * 0.70 - 60 * 0.55 - 40 * 0.54
            ("closed", f"{NAME}: closed (target), bought at 0.546: profit +15.40 USDC after fees"),
        ],
    ),
    "a stop": (
        [
            *(quote("0.54", "0.56"), submit(sell_price=None), filled(Role.ENTRY, "100", "0.55")),
            *(quote("0.44", "0.46"), filled(Role.EXIT, "100", "0.44", fee="0.5")),
        ],
        [
            ("filled", f"{NAME}: bought 100 at 0.55"),
            ("stop", f"{NAME}: stop triggered, bid 0.44"),
            ("stop", f"{NAME}: stop: sold 100 at 0.44"),
            # 100 * (0.44 - 0.55) - 0.5
            ("closed", f"{NAME}: closed (stop), bought at 0.55: profit -11.50 USDC after fees"),
        ],
    ),
    "an entry that is never filled": ([quote("0.54", "0.56"), submit()], []),
}


@pytest.mark.parametrize("name", DAYS)
def test_a_position_tells_its_day(name: str) -> None:
    cues, expected = DAYS[name]
    stage = Told()
    for cue in cues:
        cue(stage)
    assert stage.told == expected


# -- how it is sent --------------------------------------------------------------------------------


class Sender:
    """A notifier on a message bus of its own."""

    def __init__(self, *addresses: str, events: tuple[str, ...] = ALL) -> None:
        self.troubles: list[str] = []
        clock = TestClock()
        self.bus, cache = MessageBus(TraderId("TESTER-000"), clock), Cache()
        program = notifying._PROGRAM
        self.bells = [
            Bell(program, self.troubles.append, pauses=(0.01,), given={NOTIFY: a})
            for a in addresses
        ]
        self.actor = Notifier(self.bells, events, "paper")
        self.actor.register_base(Portfolio(self.bus, cache, clock), self.bus, cache, clock)
        self.actor.start()

    def alarm(self, text: str, kind: str = "stuck") -> None:
        self.bus.publish(ALARMS, Alarm(1, "P", kind, text, is_open=True))

    def close(self) -> None:
        for bell in self.bells:
            bell.close(0)
            bell.thread.join(60)


def test_messages_reach_a_service_and_many_are_one(service: Service) -> None:
    sender = Sender(service.ntfy)
    for number in range(30):
        sender.alarm(f"alarm {number}", f"kind {number}")
    sender.alarm("messages cannot be sent", NOTIFY_ALARM)
    until(lambda: "and " in "".join(body for _, body in service.got))
    sender.close()
    text = "\n".join(json.loads(body)["message"] for _, body in service.got)
    assert "the node has started, mode paper" in text
    assert "ALARM: alarm 3" in text
    assert "messages cannot be sent" not in text
    assert len(service.got) < 5
    assert sender.troubles == []


def test_only_what_is_asked_for_is_sent(service: Service) -> None:
    sender = Sender(service.webhook, events=("closed",))
    sender.alarm("not asked for")
    stage = Told()
    stage.note = lambda e: sender.bus.publish(STORY, e) if isinstance(e, Step) else None  # type: ignore[method-assign]
    for cue in DAYS["a target"][0]:
        cue(stage)
    until(lambda: service.got)
    sender.close()
    ((_, body),) = service.got
    assert json.loads(body)["message"].startswith("rain-in-london Yes: closed (target)")


def test_a_service_that_refuses_is_tried_again(service: Service) -> None:
    service.status = 503
    sender = Sender(service.ntfy, events=("alarm",))
    sender.alarm("one")
    until(lambda: sender.troubles)
    service.status = 200
    until(lambda: service.got)
    until(lambda: sender.troubles[-1] == "")
    sender.close()
    assert [json.loads(body)["message"] for _, body in service.got] == ["ALARM: one"]


def test_a_service_that_hangs_keeps_neither_another_nor_the_node(service: Service) -> None:
    other = Service()
    other.go.clear()
    sender = Sender(other.ntfy, service.ntfy, events=("alarm",))
    for number in range(3_000):
        sender.alarm(f"alarm {number}", f"kind {number}")
    until(lambda: service.got)
    assert not other.got
    other.close()
    sender.close()


# -- what is typed and shown -----------------------------------------------------------------------

RUN = CliRunner()


def test_notify_tries_each_address_and_shows_no_token(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    secret = "tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2"
    port = service.ntfy.rpartition(":")[2]
    known = f"ntfy://{secret}@127.0.0.1:{port} nonsense json://127.0.0.1:1/{secret}"
    done = RUN.invoke(app, ["notify", "--test"], env={NOTIFY: known})
    assert done.exit_code == 1
    assert "ntfy://… sent" in done.stdout
    assert "(no address) is no address that apprise knows" in done.stderr
    assert "json://… was not taken" in done.stderr
    assert secret not in done.output
    assert len(service.got) == 1
    assert RUN.invoke(app, ["notify"], env={NOTIFY: service.ntfy}).exit_code == 0
    assert len(service.got) == 1


def test_notify_without_an_address_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = RUN.invoke(app, ["notify", "--test"], env={NOTIFY: ""})
    assert done.exit_code != 0
    assert done.stderr.count("\n") == 1
    assert "no address is known: set POLYBRACKET_NOTIFY" in done.stderr


def test_telegram_gets_its_message(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    from apprise.plugins.telegram import NotifyTelegram

    host = service.ntfy.removeprefix("ntfy").rpartition("/")[0]
    monkeypatch.setattr(NotifyTelegram, "notify_url", f"http{host}/bot")
    token = "123456789:abcdefghijklmnopqrstuvwxyz-ABCDEFGH"
    assert notifying.send(f"tgram://{token}/42", "rain: bought") == ""
    ((path, body),) = service.got
    assert path == f"/bot{token}/sendMessage"
    assert "rain: bought" in json.loads(body)["text"]


def test_the_doctor_says_whether_anybody_is_told() -> None:
    assert check_notify(["closed"], []).level is Level.FAILED
    assert check_notify([], ["ntfy://x"]).level is Level.WARNING
    found = check_notify(["closed", "alarm"], ["tgram://token/chat", "ntfy://topic"])
    assert (found.level, "closed, alarm to tgram://…, ntfy://…" in found.found) == (Level.OK, True)
    assert check_alarms((), is_notified=True).level is Level.OK
    assert check_alarms(()).level is Level.WARNING
