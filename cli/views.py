"""Commands that show what the node has published."""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.options import Json, State, state_dir
from cli.output import (
    local_time,
    money,
    position_lines,
    print_json,
    say,
)
from cli.position_argument import resolve
from cli.requested import words
from cli.tables import NARROWEST, middle, terminal_width
from positions.commands.fields import Malformed
from positions.commands.messages import decode
from positions.model.durations import SECOND
from positions.model.errors import InputError
from positions.model.foreign_text import clean
from positions.model.formatting import TIMES, iso, to_json
from positions.operations.health import health
from positions.storage.locks import holder
from positions.storage.private_files import owner_only
from positions.storage.snapshot import RECENT_POSITIONS, Snapshot, history
from positions.storage.spool import Spool
from positions.storage.story import sentence

SEEN = "seen.txt"
"""In the state folder: the disputes that the owner has seen."""


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("positions", epilog="Example: polybracket positions --all")(positions)
    app.command("show", epilog="Example: polybracket show 9c3e0123 --json")(show_position)
    app.command("status", epilog="Example: polybracket status")(status)


def whole(folder: Path) -> Snapshot:
    """Everything: a stopped node's copy has it; a running one is asked for it."""
    return Snapshot(folder) if holder(folder) is None else history(folder)


def age_line(state: Path, node: Mapping[str, Any]) -> str:
    """As of when a view is, and whether a node does its work."""
    heartbeat = iso(node["heartbeat"])[11:19]
    market = iso(node["market_time"])[:19].replace("T", " ")
    kind = ", SYNTHETIC data" if node["is_synthetic"] else ""
    old = (time.time_ns() - node["heartbeat"]) // SECOND
    age = f" ({old} s ago)" if old > 3 else ""
    return f"as of {heartbeat}{age}, market time {market}, node {health(state, node)}{kind}"


def positions(
    everything: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="A live table; Ctrl-C ends it.")] = False,
    as_json: Json = False,
    state: State = None,
) -> None:
    """List positions, their prices and their profit after fees."""
    folder = state_dir(state)
    if watch:
        _watch(folder, everything=everything)
        return
    with Snapshot(folder) as copy:
        rows, line = copy.positions(everything=everything), age_line(folder, copy.node())
    if everything and len(rows) >= RECENT_POSITIONS:
        with whole(folder) as copy:
            rows = copy.positions(everything=True)
    if as_json:
        print_json(rows)
        return
    for text in position_lines(rows, terminal_width(), is_dated=everything):
        say(text)
    say(line if rows else f"no {'' if everything else 'open '}positions; {line}", err=True)
    for text in waiting(folder):
        say(text, err=True)


def waiting(folder: Path) -> list[str]:
    """A line for each of the first requests that wait in the queue."""
    files = _waiting_files(folder)
    told = [f"queued {path.stem[-8:]}: {_queued(path)}" for path in files[:_QUEUED]]
    rest = len(files) - len(told)
    return [*told, f"and {rest} more are queued"] if rest else told


def _waiting_files(folder: Path) -> list[Path]:
    return Spool(folder).waiting() if (folder / "spool").is_dir() else []


def _queued(path: Path) -> str:
    try:
        command = decode(path.read_bytes(), path.stem)
    except (Malformed, OSError):
        return "cannot be read"
    due = "" if command.at is None else f", at {iso(command.at)}"
    return f"{words(command)}{due}; `cancel {path.stem[-8:]}` takes it back while no node runs"


def _watch(folder: Path, *, everything: bool) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Snapshot(folder) as copy:
        begun = copy.node()["market_time"]

    def view() -> Text:
        width, height = shutil.get_terminal_size((NARROWEST, 24))
        told = _watched(folder, begun, width, height, everything=everything)
        return Text("\n".join(told))

    try:
        with Live(view(), console=Console(), refresh_per_second=2) as live:
            while True:
                time.sleep(1)
                live.update(view())
    except KeyboardInterrupt:
        return


_JUST_CLOSED = 3
_QUEUED = 10
_ALARMS = 3


def _watched(folder: Path, begun: int, width: int, height: int, *, everything: bool) -> list[str]:
    """What a terminal of this size shows: what is wrong and what just closed is never left out."""
    with Snapshot(folder) as copy:
        known, node, alarms = copy.positions(everything=True), copy.node(), copy.open_alarms()
        line = age_line(folder, node)
    rows = known if everything else [r for r in known if r["status"] == "open"]
    over = [r for r in known if r["status"] != "open" and r["updated_at"] >= begun]
    ended = [] if everything else sorted(over, key=lambda r: int(r["updated_at"]))[-_JUST_CLOSED:]
    told = ["HALTED: no new entries"] if node["is_halted"] else []
    told += [f"ALARM: {a['text']}" for a in alarms[:_ALARMS]]
    if len(alarms) > _ALARMS:
        told.append(f"and {len(alarms) - _ALARMS} more alarms: polybracket status")
    room = max(1, height - len(told) - len(ended) - 4)
    if len(rows) > room:
        told.append(f"and {len(rows) - room} more positions: polybracket top")
    table = position_lines([*rows[:room], *ended], width)
    return [*table, *(middle(clean(text), width) for text in told), line]


def show_position(
    position: Annotated[
        str | None, typer.Argument(metavar="ID", help="The end of its id, its name, or its market.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every position, with --json.")] = False,
    as_json: Json = False,
    state: State = None,
) -> None:
    """Show one position and its story, event by event."""
    folder = state_dir(state)
    if everything and as_json:
        _print_all(folder)
        return
    if position is None:
        raise InputError("ID was empty, must name a position; or give --all --json")
    position_id = resolve(folder, position)
    with _with_story(folder, position_id) as copy:
        row = copy.position(position_id)
        fills, story = copy.fills(position_id), copy.story(position_id)
        line = age_line(folder, copy.node())
    if as_json:
        print_json([row | {"fills": fills, "events": story}])
        return
    terms = row.pop("terms")
    values = to_json(row | terms)
    width = max(map(len, values))
    for name, value in values.items():
        if value is not None:
            told = f"{local_time(row[name])}  ({value})" if name in TIMES else value
            say(f"{name:>{width}}  {told}")
    say("")
    for event in story:
        say(
            f"{local_time(event['time'])}  ({event['time'][11:23].rstrip('Z')}Z)  {sentence(event)}"
        )
    say(line, err=True)


def _print_all(folder: Path) -> None:
    """Every position with its story, one a line, from one copy."""
    with whole(folder) as copy:
        for row in copy.positions(everything=True):
            fills, story = copy.fills(row["id"]), copy.story(row["id"])
            print_json([row | {"fills": fills, "events": story}])


def _with_story(folder: Path, position_id: str) -> Snapshot:
    """The copy with the story of a position: an older one is asked of the running node."""
    copy = Snapshot(folder)
    return copy if copy.has_story(position_id) else whole(folder)


def status(
    seen: Annotated[
        bool, typer.Option("--seen", help="You know the open disputes: they count no more.")
    ] = False,
    as_json: Json = False,
    state: State = None,
) -> None:
    """Tell whether a node does its work, its money, and what is wrong.

    Exits with 1 while no node runs, while it does not respond, or while an alarm is open. A dispute
    that you said you have seen is shown, and counts no more unless it changes.
    """
    folder = state_dir(state)
    with Snapshot(folder) as copy:
        node, alarms, outcomes = copy.node(), copy.open_alarms(), copy.markets()
        trailing = [p for p in copy.positions() if p["waiting_for"] == "trail_from"]
    state_of = health(folder, node)
    quoted = max((m["quoted_at"] for m in outcomes if m["quoted_at"]), default=None)
    values: dict[str, Any] = {
        "running": state_of.is_well,
        "health": state_of.word,
        "why": list(state_of.why),
        **{name: node[name] for name in ("mode", "started_at", "heartbeat", "market_time")},
        "quoted_at": quoted,
        "catalog": node["catalog"],
        "synthetic": node["is_synthetic"],
        "halted": node["is_halted"],
        **{name: node[name] for name in ("cash", "redeemable", "open_positions")},
        "without_stop_yet": len(trailing),
        "rate_limit": node.get("rate_limit") or "",
        "queued": len(_waiting_files(folder)),
        "alarms": [a["text"] for a in alarms],
    }
    if as_json:
        print_json([values])
    else:
        _print_status(values)
        for text in waiting(folder):
            say(text)
    if _count_alarms(folder, alarms, is_seen=seen) or not state_of.is_well:
        raise typer.Exit(1)


def _count_alarms(folder: Path, alarms: list[dict[str, Any]], *, is_seen: bool) -> int:
    """The open alarms without the disputes that the owner has seen, as they stand."""
    disputes = {f"{a['position_id']} {a['text']}" for a in alarms if a["kind"] == "disputed"}
    path = folder / SEEN
    if is_seen:
        with owner_only():
            path.write_text("\n".join(sorted(disputes)), encoding="utf-8")
    known = set(path.read_text(encoding="utf-8").splitlines()) if path.exists() else set()
    return len(alarms) - len(disputes & known)


def _print_status(values: dict[str, Any]) -> None:
    word = values["health"]
    kind = ", SYNTHETIC data" if values["synthetic"] else ""
    say(f"node {word}, mode {values['mode']}{kind}, since {iso(values['started_at'])}")
    for text in values["why"]:
        say(f"NOT WELL: {text}")
    say(f"last heartbeat {iso(values['heartbeat'])}")
    quoted = values["quoted_at"]
    fresh = "no price yet"
    if quoted is not None:
        behind = max(0, values["market_time"] - quoted) / 1e9
        fresh = f"newest price {behind:.1f} s old"
    say(f"market time {iso(values['market_time'])}, {fresh}")
    halted = ", HALTED: no new entries" if values["halted"] else ""
    count = values["open_positions"]
    say(f"{count} open position{'' if count == 1 else 's'}{halted}")
    if values["without_stop_yet"]:
        say(f"NO STOP until their trail begins: {values['without_stop_yet']} of them")
    cash, owed = money(values["cash"]).lstrip("+"), money(values["redeemable"]).lstrip("+")
    say(f"cash {cash} USDC, redeemable {owed} USDC")
    if values["rate_limit"]:
        say(f"rate limit: {values['rate_limit']}")
    for text in values["alarms"]:
        say(f"ALARM: {text}")
