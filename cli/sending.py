"""How the command line hands requests to the node: checked, queued, and their answers awaited."""

import json
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import typer

from cli.flags import as_typed
from cli.options import state_dir
from cli.output import ask, complain, print_as_json, say, short
from positions.commands.fields import waiting
from positions.commands.files import checked
from positions.commands.market_names import nearest
from positions.commands.messages import (
    ACCEPTED,
    Adopt,
    Command,
    Reply,
    Submit,
)
from positions.model.errors import InputError, RecordError
from positions.model.terms import Percent
from positions.operations.health import health_of
from positions.storage.sending import answer, queue
from positions.storage.snapshot import Snapshot
from positions.storage.spool import Spool, uuid7

_POLL = 0.05


def send(
    requests: list[dict[str, Any]],
    wait: str | None,
    state: Path | None,
    *,
    as_json: bool,
    file: Path | None = None,
) -> None:
    """Check all, then queue all: a file with one bad line queues nothing."""
    folder = state_dir(state)
    seconds = 0.0 if wait is None else waiting("wait", wait) / 1e9
    now = datetime.fromtimestamp(time.time(), UTC).isoformat()
    fields = [{"created_at": now, "id": uuid7(), **request} for request in requests]
    try:
        commands = checked(fields, str(file or ""))
    except InputError as e:
        raise e if file is not None else InputError(as_typed(str(e))) from None
    try:
        spool = Spool(folder)
    except OSError as e:
        raise RecordError(f"{folder}: cannot be written: {e.strerror}") from None
    queued = list(zip(fields, commands, strict=True))
    _queue(queued, spool, folder, as_json=as_json and not seconds, err=as_json)
    if seconds:
        replies = _await(
            commands, spool, seconds, folder, as_json=as_json, is_file=file is not None
        )
        market = _choose(replies) if len(requests) == 1 and not as_json else None
        if market is not None:
            send([requests[0] | {"market": market}], wait, state, as_json=as_json)
        elif any(reply is None or reply.status != ACCEPTED for reply in replies):
            raise typer.Exit(1)


def _choose(replies: list[Reply | None]) -> str | None:
    """The market that a person chooses where several were named; None = there is nobody to ask."""
    choices = replies[0].choices if replies[0] is not None else ()
    if not choices or not (sys.stdin.isatty() and sys.stdout.isatty()):
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
    *,
    as_json: bool,
    err: bool,
) -> None:
    """Queue requests, and say each at once: whatever ends this, what was queued is known."""
    later = _when_acted_on(folder)
    done = 0
    try:
        for fields, command in requests:
            status = queue(spool, fields, command)
            done += 1
            with suppress(BrokenPipeError):  # nobody listens any more: what was begun is finished
                say(f"{status} {command.id}  {_words(command)}{later}", err=err)
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


def _when_acted_on(folder: Path) -> str:
    state = health_of(folder).word
    if state == "NOT RUNNING":
        return f"; no node is running in {folder}: it is acted on at the next start"
    if state == "NOT RESPONDING":
        return f"; the node in {folder} does not respond: it is acted on once it does"
    return ""


def _words(c: Command) -> str:
    if isinstance(c, Adopt):
        much = "all free shares" if c.shares is None else f"{c.shares} shares"
        return f"adopt {much} of {c.market} {c.outcome}, {_exits(c)}"
    if not isinstance(c, Submit):
        about = getattr(c, "position_id", "")
        return f"{type(c).__name__.lower()} {short(about)}".rstrip()
    much = "default stake of"
    for value, unit in ((c.size, "shares"), (c.stake, "USDC"), (c.risk, "USDC at risk")):
        much = f"{value} {unit} of" if value else much
    return f"buy {much} {c.market} {c.outcome} at {c.max_bid_price} or less, {_exits(c)}"


def _exits(c: Submit | Adopt) -> str:
    slices = [f"{_level(t.price)}:{t.part:.0%}" for t in c.terms.targets]
    target = " ".join([*slices, _level(c.sell_price)])
    return f"target {target}, stop {_level(c.stop_loss_price)}"


def _level(value: Decimal | Percent | None) -> str:
    if value is None:
        return "none"
    return f"{value.value}%" if isinstance(value, Percent) else str(value)


def _await(
    commands: list[Command],
    spool: Spool,
    seconds: float,
    folder: Path,
    *,
    as_json: bool,
    is_file: bool,
) -> list[Reply | None]:
    """The replies, each said once it is there; None for one that did not come in time."""
    until = time.monotonic() + seconds
    replies = []
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
