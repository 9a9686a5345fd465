"""What a node needs of this machine: each thing is checked by itself and said in one line.

What the venue must grant is checked in `venues/polymarket/doctor.py`. Looking changes nothing.
"""

import importlib.metadata
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path

from msgspec import Struct
from packaging.requirements import Requirement

from positions.operations.health import health_of
from positions.operations.notifying import addresses, shown
from positions.operations.settings import Settings
from positions.operations.wallet import NOTIFY, environment
from positions.storage.locks import holder
from positions.storage.private_files import problem

_LOCK = Path(__file__).parents[2] / "requirements.lock"
_DISK_NEEDED = 200 * 10**6
_DISK_WANTED = 2 * 10**9
_PYTHON = ((3, 12), (3, 14))


class Level(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"


class Check(Struct, frozen=True):
    """One thing that was looked at: what was found, and what to do about it."""

    name: str
    level: Level
    found: str
    to_do: str = ""


def ok(name: str, found: str) -> Check:
    """All is well."""
    return Check(name, Level.OK, found)


def warning(name: str, found: str, to_do: str) -> Check:
    """A node can run, but its owner should know."""
    return Check(name, Level.WARNING, found, to_do)


def failed(name: str, found: str, to_do: str) -> Check:
    """A node cannot run so, or not safely."""
    return Check(name, Level.FAILED, found, to_do)


def check_machine(settings: Settings) -> Iterator[Check]:
    """Everything about this machine."""
    yield check_python(sys.version_info[:2])
    yield check_packages(importlib.metadata.requires("polybracket") or [], _locked(_LOCK))
    yield check_folder(settings.state_dir)
    yield check_disk(shutil.disk_usage(_nearest(settings.state_dir)).free)
    yield check_node(settings.state_dir)
    is_notified = "alarm" in settings.notify.events and bool(addresses(environment()))
    yield check_alarms(settings.alarms.command, is_notified=is_notified)
    if settings.notify.events or addresses(environment()):
        yield check_notify(settings.notify.events, addresses(environment()))


def check_python(version: tuple[int, ...]) -> Check:
    """Whether this Python is one that the node is made for."""
    found = f"{'.'.join(map(str, version))} at {sys.executable}"
    if _PYTHON[0] <= version < _PYTHON[1]:
        return ok("python", found)
    return failed("python", found, "make setup with Python 3.12 or 3.13")


def check_packages(required: list[str], locked: dict[str, str]) -> Check:
    """Whether the installed packages are those that the node was tested with."""
    wrong = [
        f"{r.name} {_version(r.name) or 'is missing'} (needs {r.specifier})"
        for r in map(Requirement, required)
        if r.marker is None and not r.specifier.contains(_version(r.name) or "0", prereleases=True)
    ]
    if wrong:
        return failed("packages", ", ".join(wrong), "rm -r .venv, then make setup")
    other = [
        f"{name} {_version(name)} (tested with {version})"
        for name, version in locked.items()
        if _version(name) not in (None, version)
    ]
    if other:
        return warning("packages", ", ".join(other), "rm -r .venv, then make setup")
    return ok("packages", f"NautilusTrader {_version('nautilus_trader')}, all as tested")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _locked(path: Path) -> dict[str, str]:
    """The versions that were tested; none where the program was installed without its sources."""
    if not path.exists():
        return {}
    pins = (line.partition("==") for line in path.read_text(encoding="utf-8").splitlines())
    return {name: rest.split()[0] for name, equals, rest in pins if equals}


def check_folder(folder: Path) -> Check:
    """Whether the record can be written, and read by its owner alone."""
    try:
        with tempfile.TemporaryFile(dir=_nearest(folder)):
            pass
    except OSError as e:
        where = f"{_nearest(folder)} cannot be written to: {e.strerror}"
        return failed("state folder", where, "name another in the configuration: state = ...")
    if folder.exists() and not folder.is_dir():
        to_do = "name another in the configuration: state = ..."
        return failed("state folder", f"{folder} is no folder", to_do)
    if not folder.exists():
        return ok("state folder", f"{folder} will be made by the first run")
    wrong = problem(folder)
    if wrong:
        return failed("state folder", *wrong.split(": ", 1))
    if folder.stat().st_mode & 0o077:
        return warning(
            "state folder", f"{folder} can be read by others", f"chmod 700 {folder.absolute()}"
        )
    return ok("state folder", f"{folder} is its owner's alone")


def check_disk(free: int) -> Check:
    """Whether the record has room to grow."""
    found = f"{free / 1e9:.1f} GB free"
    if free < _DISK_NEEDED:
        return failed("disk", found, "make room: a record that cannot be written stops all entries")
    if free < _DISK_WANTED:
        return warning("disk", found, "make room soon: record and logs grow")
    return ok("disk", found)


def check_node(folder: Path) -> Check:
    """Whether a node is at work there."""
    other = holder(folder)
    if other is None:
        return ok("node", f"none is running in {folder}")
    state = health_of(folder)
    found = f"process {other.pid} is {state.word} in {folder}, mode {other.mode}"
    if state.word == "NOT RESPONDING":
        to_do = "end it (kill -9), and start it anew: it goes on where it stopped"
        return failed("node", f"{found}: {'; '.join(state.why)}", to_do)
    return warning("node", found, "stop it before you start another")


def check_alarms(command: tuple[str, ...], *, is_notified: bool = False) -> Check:
    """Whether somebody is called when something goes wrong."""
    if not command and is_notified:
        return ok("alarms", "a message is sent with each")
    if not command:
        to_do = 'set it, such as command = ["notify-send"]'
        return warning("alarms", "nobody is called: no command is set under [alarms]", to_do)
    if shutil.which(command[0]) is None:
        return failed("alarms", f"{command[0]} cannot be run", "install it, or change [alarms]")
    return ok("alarms", f"{command[0]} is run with each")


def check_notify(events: Sequence[str], known: Sequence[str]) -> Check:
    """Whether messages are sent, of what, and to how many."""
    if not known:
        to_do = f"set {NOTIFY} in the environment or the .env, such as ntfy://a-topic-of-your-own"
        return failed("messages", f"[notify] has events, and {NOTIFY} is not set", to_do)
    if not events:
        to_do = 'say of what, as events = ["filled", "closed", "alarm"] under [notify]'
        return warning("messages", "nobody is told: [notify] has no events", to_do)
    kinds = ", ".join(map(shown, known))
    found = f"{', '.join(events)} to {kinds}; polybracket notify --test sends one"
    return ok("messages", found)


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    there = folder.absolute()
    while not there.is_dir() and there != there.parent:
        there = there.parent
    return there
