"""How the command line hands requests to the node: checked, queued, and their answers awaited."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import typer

from cli.flags import as_typed
from cli.option_groups import Delivery
from cli.options import state_dir
from cli.output import ask, complain, is_asked, print_as_json, say
from cli.requested import words
from positions.commands.age import id_time
from positions.commands.doubts import SAME_WITHIN, doubts
from positions.commands.fields import Malformed, waiting
from positions.commands.files import checked
from positions.commands.market_names import nearest
from positions.commands.messages import (
    ACCEPTED,
    BUY_VALID_FOR,
    Adopt,
    Command,
    Reply,
    Sell,
    Submit,
    decode,
    decode_reply,
)
from positions.commands.position_names import PART_LENGTH_MIN
from positions.model.durations import MINUTE, SECOND
from positions.model.errors import InputError, RecordError
from positions.operations.health import health_of
from positions.storage.locks import holder
from positions.storage.outcomes import Outcome, entry_outcome, sale_outcome
from positions.storage.sending import answer, queue
from positions.storage.snapshot import Snapshot
from positions.storage.spool import Spool, uuid7

_POLL = 0.01
_SHOWN_SECONDS = 3.0
"""How long after its answer what came of a request is waited for; copies are made each second."""
_START_SECONDS = 10.0
"""How long a node that was begun just before is waited for: it takes seconds to load Nautilus."""


def send(
    requests: list[dict[str, Any]],
    delivery: Delivery,
    *,
    file: Path | None = None,
    again: bool = False,
) -> None:
    """Check all, then queue all: a file with one bad line queues nothing.

    What a person may not have meant is asked first, unless `again`.
    """
    folder = state_dir(delivery.state)
    seconds = 0.0 if delivery.wait is None else waiting("wait", delivery.wait) / 1e9
    as_json = delivery.as_json
    now = datetime.fromtimestamp(time.time(), UTC).isoformat()
    fields = [{"created_at": now, "id": uuid7(), **request} for request in requests]
    try:
        commands = checked(fields, str(file or ""))
    except InputError as e:
        raise e if file is not None else InputError(as_typed(str(e))) from None
    if not delivery.queue:
        _wait_for_a_start(folder, min(seconds, _START_SECONDS))
    later = _when_acted_on(folder, is_queued=delivery.queue)
    spool = open_spool(folder)
    if file is None and not again:
        _ask_about(commands[0], spool, folder)
    queued = list(zip(fields, commands, strict=True))
    _queue(queued, spool, folder, later, as_json=as_json and not seconds, err=as_json)
    if not seconds:
        return
    until = time.monotonic() + seconds
    replies = _await(commands, spool, until, folder, as_json=as_json, is_file=file is not None)
    market = _choose(replies) if len(requests) == 1 and not as_json else None
    if market is not None:
        send([requests[0] | {"market": market}], delivery)
    elif any(reply is None or reply.status != ACCEPTED for reply in replies):
        raise typer.Exit(1)
    elif not as_json and len(commands) == 1 and replies[0] is not None:
        _follow(commands[0], replies[0], folder, until)


def ask_node(request: dict[str, Any], folder: Path, wait: str) -> Reply | None:
    """The node's answer to one request; None if there is none in time."""
    asked = {"id": uuid7(), **request}
    try:
        (command,) = checked([asked], "")
    except InputError as e:
        raise InputError(as_typed(str(e))) from None
    spool = open_spool(folder)
    queue(spool, asked, command)
    return _reply(command.id, spool, time.monotonic() + waiting("wait", wait) / 1e9)


def open_spool(folder: Path) -> Spool:
    """The queue of a state folder, made where it is missing."""
    try:
        return Spool(folder)
    except OSError as e:
        raise RecordError(f"{folder}: cannot be written: {e.strerror}") from None


def take_back(part: str, state: Path | None) -> bool:
    """Take a request out of the queue of a node that is down; whether one was named."""
    folder = state_dir(state)
    if holder(folder) is not None or not folder.is_dir():
        return False
    found = [path for path in open_spool(folder).waiting() if path.stem.endswith(part)]
    if len(part) < PART_LENGTH_MIN or len(found) != 1:
        return False
    found[0].unlink(missing_ok=True)
    say(f"taken back {found[0].stem}: it was not acted on")
    return True


def _ask_about(asked: Command, spool: Spool, folder: Path) -> None:
    """Ask whether a request is meant that may be a slip of the hand; exits where it is not."""
    if not isinstance(asked, Submit) or asked.dry_run:
        return
    rows: list[dict[str, Any]] = []
    with suppress(RecordError), Snapshot(folder) as copy:
        rows = copy.positions()
    found = doubts(asked, _recent(spool), rows)
    if not found:
        return
    text = "; ".join(found)
    if not is_asked():
        raise InputError(f"{text}: give --again if it is meant")
    if ask(f"{text}. Do it? (yes or no)").lower() not in ("y", "yes"):
        raise InputError("nothing was asked for")


def _recent(spool: Spool) -> Iterator[tuple[Submit, int]]:
    """The requests of the last minute that were not refused, with their age in seconds."""
    now = time.time_ns()
    for command_id in spool.since(now - SAME_WITHIN * SECOND):
        content, told = spool.read_old(command_id), spool.read_reply(command_id)
        with suppress(Malformed, msgspec.MsgspecError):
            command = decode(content or b"", command_id)
            is_refused = told is not None and decode_reply(told).status != ACCEPTED
            if isinstance(command, Submit) and not command.dry_run and not is_refused:
                yield command, (now - (id_time(command_id) or now)) // SECOND


def _follow(command: Command, reply: Reply, folder: Path, until: float) -> None:
    """Say what came of an entry, or of a sale by hand, as far as that shows in the time given."""
    if not isinstance(command, Submit | Sell) or command.dry_run:
        return
    shown_until = min(until, time.monotonic() + _SHOWN_SECONDS)
    told = None
    while True:
        outcome = _outcome(command, reply, folder)
        if outcome is not None:
            told = outcome
        is_over = outcome is not None and outcome.is_final
        if is_over or time.monotonic() >= shown_until:
            break
        time.sleep(_POLL)
    if told is not None:
        say(told.text)


def _outcome(command: Command, reply: Reply, folder: Path) -> Outcome | None:
    with suppress(RecordError), Snapshot(folder) as copy:
        row, story = copy.position(reply.position_id), copy.story(reply.position_id)
        if isinstance(command, Sell):
            return sale_outcome(row, story, command.id)
        return entry_outcome(row, story)
    return None


def _choose(replies: list[Reply | None]) -> str | None:
    """The market that a person chooses where several were named; None = there is nobody to ask."""
    choices = replies[0].choices if replies[0] is not None else ()
    if not choices or not is_asked():
        return None
    for number, (slug, outcomes) in enumerate(choices, start=1):
        say(f"{number:>3}  {slug}  {outcomes}")
    answer = ask("which one? (number, Enter for none)")
    is_one = answer.isascii() and answer.isdigit() and 0 < int(answer) <= len(choices)
    return choices[int(answer) - 1][0] if is_one else None


def _queue(
    requests: list[tuple[dict[str, Any], Command]],
    spool: Spool,
    folder: Path,
    later: str,
    *,
    as_json: bool,
    err: bool,
) -> None:
    """Queue requests, and say each at once: whatever ends this, what was queued is known."""
    done = 0
    try:
        for fields, command in requests:
            status = queue(spool, fields, command)
            done += 1
            with suppress(BrokenPipeError):  # nobody listens any more: what was begun is finished
                say(f"{status} {command.id}  {words(command)}{later}", err=err)
                if as_json:
                    print(json.dumps({"id": command.id, "status": status}))
    except OSError as e:
        _cut_short(f"{folder}: cannot be written: {e.strerror}", done, len(requests), 1)
    except KeyboardInterrupt:
        _cut_short("interrupted", done, len(requests), 130)


def _cut_short(why: str, done: int, count: int, code: int) -> NoReturn:
    rest = "nothing is queued"
    if done:
        rest = f"{done} of {count} are queued; the same file sent again queues the others alone"
    complain(f"{why}; {rest}")
    raise typer.Exit(code)


def _wait_for_a_start(folder: Path, seconds: float) -> None:
    """Wait for a node that was begun a moment ago, as by `run &`, to take its state folder."""
    until = time.monotonic() + seconds
    while health_of(folder).word == "NOT RUNNING" and time.monotonic() < until:
        time.sleep(0.1)


def _when_acted_on(folder: Path, *, is_queued: bool) -> str:
    """When a request is acted on, if not at once. Raises RecordError if that is not asked for."""
    state = health_of(folder).word
    if state == "NOT RUNNING":
        if not is_queued:
            rule = "start it, or give --queue to have this done at its next start"
            raise RecordError(f"no node is running in {folder}: {rule}")
        life = f"a buy that waits for more than {BUY_VALID_FOR // MINUTE} minutes lapses"
        return f"; no node is running in {folder}: it is acted on at the next start; {life}"
    if state == "NOT RESPONDING":
        return f"; the node in {folder} does not respond: it is acted on once it does"
    return ""


def _await(
    commands: list[Command],
    spool: Spool,
    until: float,
    folder: Path,
    *,
    as_json: bool,
    is_file: bool,
) -> list[Reply | None]:
    """The replies, each said once it is there; None for one that did not come in time."""
    replies: list[Reply | None] = []
    for command in commands:
        reply = _reply(command.id, spool, until)
        replies.append(reply)
        if reply is None:
            say(f"{command.id}: no answer yet; it stays queued", err=True)
        elif as_json:
            print_as_json(msgspec.json.encode(reply).decode())
        else:
            text = f"{reply.status}: {reply.message}{_meant(command, reply, folder)}"
            is_done = reply.status == ACCEPTED
            say(text if is_done or is_file else as_typed(text), err=not is_done)
    return replies


def _meant(command: Command, reply: Reply, folder: Path) -> str:
    """What may have been meant by the name of a market that the node does not know."""
    if reply.code != "UNKNOWN_MARKET" or not isinstance(command, Submit | Adopt):
        return ""
    with suppress(RecordError), Snapshot(folder) as copy:
        found = nearest(command.market, (str(m["slug"]) for m in copy.markets()))
        return f"; did you mean {', '.join(found)}?" if found else ""
    return ""


def _reply(command_id: str, spool: Spool, until: float) -> Reply | None:
    reply = None
    while True:
        reply = answer(spool, command_id) or reply
        if reply is not None and reply.done:
            return reply
        if time.monotonic() >= until:
            return reply
        time.sleep(_POLL)
