"""Terminals, pipes and files that stand still, break or are full: a node that prints goes on."""

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from loopback.server import LoopbackPolymarket
from test_crash_live import Person
from trading import PATIENCE

from positions.operations import console
from positions.operations.console import LINES_MAX, Console, Terminal

pytestmark = pytest.mark.xdist_group("terminals")
PROGRAM = [sys.executable, "-m", "cli.main", "run", "--config"]
ROOT = Path(__file__).parents[1]


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait for something, for a while."""
    given_up = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < given_up, f"not seen: {what}"
        time.sleep(0.01)


# -- one stream ------------------------------------------------------------------------------------


@contextmanager
def printing(file: int) -> Iterator[Console]:
    """A console that prints to a file."""
    made = Console(file, None)
    yield made
    made.close(PATIENCE)


def fill(writer: int) -> int:
    """Fill a pipe; how many bytes that were."""
    os.set_blocking(writer, False)
    filled = 0
    try:
        while True:
            filled += os.write(writer, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(writer, True)
    return filled


def test_a_reader_that_stands_still_holds_up_nobody_and_is_told_what_it_missed() -> None:
    reader, writer = os.pipe()
    stuck = fill(writer)
    with printing(writer) as out:
        for number in range(LINES_MAX + 500):
            out.say(f"line {number}")
        assert not out.wait(0), "nobody reads"
        assert 0 < out.lost <= 500
        os.read(reader, stuck)
        heard = b""
        while b"line 10499\n" not in heard:
            heard += os.read(reader, 65_536)
    assert f"({out.lost} lines were not printed: it stood still)\n".encode() in heard
    assert heard.count(b"line ") == LINES_MAX + 500 - out.lost


def test_a_non_blocking_terminal_loses_nothing() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    heard = bytearray()
    with printing(writer) as out:
        for number in range(9_000):
            out.say(f"line {number} of many that fill the pipe up")
        while heard.count(b"\n") < 9_000:
            heard += os.read(reader, 4096)
    assert out.lost == 0


@pytest.mark.parametrize("kind", ["full", "broken", "closed"])
def test_what_cannot_be_printed_is_counted(kind: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    if kind == "full":
        os.dup2(os.open("/dev/full", os.O_WRONLY), writer)
    elif kind == "closed":
        os.close(writer)
    with printing(writer) as out:
        out.say("one")
        out.say("two")
        assert out.wait(PATIENCE)
    assert out.lost == (0 if kind == "closed" else 2)


def test_a_line_that_cannot_be_made_does_not_end_the_telling(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def fail() -> str:
        raise LookupError("no words")

    terminal = Terminal()
    for line in (fail, "go on", "\udcff"):
        terminal.say(line)
    terminal.close()
    said = capfd.readouterr().out
    assert said == "(a line cannot be printed: LookupError: no words)\ngo on\n\\udcff\n"


def test_what_a_library_prints_is_taken_over_and_given_back(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with Terminal() as terminal:
        os.write(2, b"as a library does\n")
        print("as Python does", flush=True)
        terminal.say("as a node does")
    os.write(1, b"afterwards\n")
    out, err = capfd.readouterr()
    assert err == "as a library does\n"
    assert sorted(out.splitlines()) == ["afterwards", "as Python does", "as a node does"]


def test_the_end_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "PATIENCE", 0.01)
    kept = os.dup(1)
    reader, writer = os.pipe()
    fill(writer)
    os.dup2(writer, 1)
    try:
        with Terminal() as terminal:
            terminal.say("nobody reads this")
            for _ in range(100):
                os.write(1, b"y" * 4096)
    finally:
        os.dup2(kept, 1)
        os.close(reader)


# -- a node ----------------------------------------------------------------------------------------


class Place:
    """Where a node prints, and what is done to it once the node holds shares."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.closing = ExitStack()

    def start(self, command: list[str], **given: object) -> subprocess.Popen[bytes]:
        """Start the node there."""
        raise NotImplementedError

    def spoil(self) -> None:
        """Break it, or have it stand still."""


class Pty(Place):
    """A terminal, in which Ctrl-S is pressed."""

    def start(self, command: list[str], **given: object) -> subprocess.Popen[bytes]:
        self.master, slave = pty.openpty()
        node = subprocess.Popen(  # type: ignore[call-overload]
            command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, **given
        )
        os.close(slave)
        threading.Thread(target=self._read, daemon=True).start()
        return node  # type: ignore[no-any-return]

    def _read(self) -> None:
        try:
            while data := os.read(self.master, 4096):
                self.heard += data
        except OSError:
            pass

    def spoil(self) -> None:
        os.write(self.master, b"\x13")


class Pipe(Place):
    """A pipe that nobody reads any more once it is spoiled."""

    streams = ("stdout", "stderr")

    def start(self, command: list[str], **given: object) -> subprocess.Popen[bytes]:
        self.reader, self.writer = os.pipe()
        ends = dict.fromkeys(("stdout", "stderr"), subprocess.DEVNULL)
        ends |= dict.fromkeys(self.streams, self.writer)
        return subprocess.Popen(command, **ends, **given)  # type: ignore[call-overload, no-any-return]

    def spoil(self) -> None:
        fill(self.writer)


class Broken(Pipe):
    """A pipe whose reader is gone, as after `| head -2`."""

    def spoil(self) -> None:
        os.close(self.writer)
        os.close(self.reader)


class Shell(Place):
    """What a shell's redirection gives."""

    def __init__(self, redirection: str) -> None:
        super().__init__()
        self.redirection = redirection

    def start(self, command: list[str], **given: object) -> subprocess.Popen[bytes]:
        line = ["sh", "-c", f'exec "$@" {self.redirection}', "sh", *command]
        return subprocess.Popen(line, **given)  # type: ignore[call-overload, no-any-return]


PLACES: dict[str, Callable[[], Place]] = {
    "a terminal that is stopped": Pty,
    "a pipe that nobody reads": Pipe,
    "a pipe without a reader": Broken,
    "a full disk": lambda: Shell(">/dev/full 2>&1"),
    "nothing at all": lambda: Shell(">&- 2>&- <&-"),
}


def environment(person: Person) -> dict[str, str]:
    plain = {n: v for n, v in os.environ.items() if not n.startswith("POLY")}
    return plain | person.keys | {"XDG_STATE_HOME": str(person.state.parent)}


@pytest.mark.parametrize("name", PLACES)
def test_a_stop_sells_and_the_node_ends_wherever_it_prints(name: str, tmp_path: Path) -> None:
    place = PLACES[name]()
    with LoopbackPolymarket() as venue:
        person = Person(venue, tmp_path, 1)
        person.submit(person.markets[0])
        token = person.markets[0].tokens[0]
        command = [*PROGRAM, str(person.config)]
        node = place.start(command, env=environment(person), cwd=ROOT)
        try:
            person.wait(lambda: set(person.phases().values()) == {"holding"}, "it holds")
            place.spoil()
            venue.quote(token, "0.44", "100", "0.47", "100")
            person.wait(lambda: venue.shares(person.funder, token) == 0, "the stop sells")
            person.submit(person.markets[1])
            held = person.markets[1].tokens[0]
            person.wait(lambda: venue.shares(person.funder, held) == 20, "it buys")
            node.send_signal(signal.SIGINT)
            assert node.wait(PATIENCE) == 0
        finally:
            if node.poll() is None:
                node.kill()
                node.wait()
        assert person.state.joinpath("positions.duckdb").read_bytes()[8:12] == b"DUCK"


@pytest.mark.parametrize("redirection", [">/dev/full 2>&1", ">&- 2>&-", "2>&1 | head -0"])
def test_a_start_that_is_refused_ends_wherever_it_prints(redirection: str, tmp_path: Path) -> None:
    config = tmp_path / "live.toml"
    config.write_text(f'mode = "live"\nstate = "{tmp_path}/state"\n')
    node = Shell(redirection).start([*PROGRAM, str(config)], cwd=ROOT)
    assert node.wait(PATIENCE) in (0, 2)  # of a pipeline, the shell tells how its last part ended
