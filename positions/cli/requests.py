"""Commands that ask something of the node: they are checked here, queued, and answered by it."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from positions import request_files
from positions.cli.options import Json, State, Wait, state_dir
from positions.cli.output import fail, short
from positions.commands import (
    ACCEPTED,
    Command,
    Malformed,
    Percent,
    Reply,
    Submit,
    decode_reply,
    duration,
    from_fields,
)
from positions.locks import holder
from positions.published import NotPublished, Published
from positions.request_files import UnreadableRequests
from positions.spool import Spool, uuid7

_POLL = 0.05
PositionId = Annotated[str, typer.Argument(metavar="ID", help="The position; its end is enough.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("submit", epilog=_SUBMIT)(submit)
    app.command("sell", epilog="Example: polybracket sell 9c3e0123 --fraction 0.5 --wait 70s")(sell)
    app.command("cancel", epilog="Example: polybracket cancel 9c3e0123 --wait 10s")(cancel)
    app.command("amend", epilog="Example: polybracket amend 9c3e0123 --stop 0.48 --target none")(
        amend
    )
    app.command("halt", epilog="Example: polybracket halt")(halt)
    app.command("resume", epilog="Example: polybracket resume")(resume)
    app.command("flatten", epilog="Example: polybracket flatten --wait 10s")(flatten)


_SUBMIT = (
    "Example: polybracket submit rain-in-london Yes --max-bid 0.55 --size 100 --target 0.70"
    " --stop 0.45 --wait 10s"
)


def submit(
    market: Annotated[
        str | None, typer.Argument(help="A slug, a condition id or a polymarket.com address.")
    ] = None,
    outcome: Annotated[
        str | None, typer.Argument(help="A name such as Yes, or a token id.")
    ] = None,
    max_bid: Annotated[str | None, typer.Option(help="The most to pay per share.")] = None,
    size: Annotated[str | None, typer.Option(help="Shares to buy.")] = None,
    stake: Annotated[str | None, typer.Option(help="USDC to spend instead.")] = None,
    target: Annotated[str | None, typer.Option(help="Sell at this price, or +20%.")] = None,
    stop: Annotated[str | None, typer.Option(help="Sell when the bid is here, or 10%.")] = None,
    floor: Annotated[str | None, typer.Option(help="Never sell below this price.")] = None,
    post_only: Annotated[bool, typer.Option("--post-only", help="Never take liquidity.")] = False,
    expires: Annotated[str | None, typer.Option(help="Take the unfilled entry back: 2h.")] = None,
    at: Annotated[str | None, typer.Option(help="Act at this market time (ISO 8601).")] = None,
    file: Annotated[
        Path | None, typer.Option(help="Many at once: JSON lines, TOML, or CSV with a header.")
    ] = None,
    wait: Wait = None,
    as_json: Json = False,
    state: State = None,
) -> None:
    """Queue a position. Buys at no more than the max bid, sells at the target or at the stop."""
    asked = {
        "market": market,
        "outcome": outcome,
        "max_bid_price": max_bid,
        "size": size,
        "stake": stake,
        "sell_price": target,
        "stop_loss_price": stop,
        "floor_price": floor,
        "post_only": post_only or None,
        "expires": expires,
        "at": at,
    }
    given = {name: value for name, value in asked.items() if value is not None}
    if file is None:
        _send([{"command": "submit", **given}], wait, state, as_json=as_json)
    elif given:
        fail(f"{next(iter(given))} must not be given together with --file", 2)
    else:
        _send(list(_from_file(file)), wait, state, as_json=as_json, file=file)


def sell(
    position: PositionId,
    shares: Annotated[str | None, typer.Option(help="So many shares; without it, all.")] = None,
    fraction: Annotated[str | None, typer.Option(help="This part of what is held: 0.5.")] = None,
    min_price: Annotated[str | None, typer.Option(help="At this price or better.")] = None,
    wait: Wait = None,
    as_json: Json = False,
    state: State = None,
) -> None:
    """Cash out by hand, all or part. What cannot be sold in a minute is protected again."""
    fields = {"shares": shares, "fraction": fraction, "min_price": min_price}
    _about("sell", position, fields, wait, state, as_json=as_json)


def cancel(
    position: PositionId, wait: Wait = None, as_json: Json = False, state: State = None
) -> None:
    """Take the unfilled entry back. What was bought stays protected."""
    _about("cancel", position, {}, wait, state, as_json=as_json)


def amend(
    position: PositionId,
    max_bid: Annotated[str | None, typer.Option(help="The most to pay per share.")] = None,
    target: Annotated[str | None, typer.Option(help="A price, or none.")] = None,
    stop: Annotated[str | None, typer.Option(help="A price, or none.")] = None,
    wait: Wait = None,
    as_json: Json = False,
    state: State = None,
) -> None:
    """Change max bid, target or stop. `none` removes a target or a stop."""
    fields = {"max_bid_price": max_bid, "sell_price": target, "stop_loss_price": stop}
    _about("amend", position, fields, wait, state, as_json=as_json)


def halt(wait: Wait = None, as_json: Json = False, state: State = None) -> None:
    """Let no new entries in. Resting ones are taken off the book; targets and stops stay."""
    _send([{"command": "halt"}], wait, state, as_json=as_json)


def resume(wait: Wait = None, as_json: Json = False, state: State = None) -> None:
    """Let entries in again."""
    _send([{"command": "resume"}], wait, state, as_json=as_json)


def flatten(wait: Wait = None, as_json: Json = False, state: State = None) -> None:
    """Halt, take all entries back, and sell all that is held."""
    _send([{"command": "flatten"}], wait, state, as_json=as_json)


def resolve(state: Path, part: str) -> str:
    """The full id that a part names."""
    if len(part) == 36:
        return part
    if len(part) < 4:
        fail(f"ID was {part!r}, must be at least 4 characters", 2)
    try:
        with Published(state) as copy:
            found = copy.find(part)
    except NotPublished as e:
        fail(str(e))
    if len(found) != 1:
        which = ", ".join(short(i) for i in found[:5]) or "none"
        fail(f"ID was {part!r}, must name one position; found: {which}", 2)
    return found[0]


def _about(
    kind: str,
    position: str,
    fields: dict[str, Any],
    wait: str | None,
    state: Path | None,
    *,
    as_json: bool,
) -> None:
    named = {name: value for name, value in fields.items() if value is not None}
    position_id = resolve(state_dir(state), position)
    _send([{"command": kind, "position_id": position_id, **named}], wait, state, as_json=as_json)


def _from_file(path: Path) -> Iterator[dict[str, Any]]:
    try:
        yield from request_files.read(path)
    except UnreadableRequests as e:
        fail(str(e), 2)


def _send(
    requests: list[dict[str, Any]],
    wait: str | None,
    state: Path | None,
    *,
    as_json: bool,
    file: Path | None = None,
) -> None:
    """Check all, then queue all: a file with one bad line queues nothing."""
    folder = state_dir(state)
    try:
        seconds = 0.0 if wait is None else duration("wait", wait) / 1e9
    except Malformed as e:
        fail(str(e), 2)
    now = datetime.fromtimestamp(time.time(), UTC).isoformat()
    checked: list[tuple[dict[str, Any], Command]] = []
    errors = []
    for number, request in enumerate(requests, start=1):
        try:
            fields = {"created_at": now, "id": uuid7(), **request}
            checked.append((fields, from_fields(fields)))
        except Malformed as e:
            errors.append(f"{file}: entry {number}: {e}" if file else str(e))
    if errors:
        fail("\npolybracket: ".join(errors), 2)
    if not checked:
        fail(f"{file}: holds no request", 2)
    try:
        spool = Spool(folder)
        for fields, command in checked:
            spool.put(msgspec.json.encode(fields), command.id)
    except FileExistsError as e:
        fail(f"id was {Path(str(e.filename2)).stem}, is queued already", 1)
    except OSError as e:
        fail(f"{folder}: cannot be written: {e.strerror}")
    running = holder(folder) is not None
    for _, command in checked:
        line = f"queued {command.id}  {_words(command)}"
        if not running:
            line += "; no node is running: it is acted on at the next start"
        typer.echo(line, err=as_json)
    if seconds:
        _await([command for _, command in checked], spool, seconds, as_json=as_json)
    elif as_json:
        for _, command in checked:
            print(json.dumps({"id": command.id, "status": "queued"}))


def _words(c: Command) -> str:
    if not isinstance(c, Submit):
        about = getattr(c, "position_id", "")
        return f"{type(c).__name__.lower()} {short(about)}".rstrip()
    much = (
        f"{c.size} shares of" if c.size else f"{c.stake} USDC of" if c.stake else "default stake of"
    )
    target, stop = _level(c.sell_price), _level(c.stop_loss_price)
    limits = f"at {c.max_bid_price} or less, target {target}, stop {stop}"
    return f"buy {much} {c.market} {c.outcome} {limits}"


def _level(value: Decimal | Percent | None) -> str:
    if value is None:
        return "none"
    return f"{value.value}%" if isinstance(value, Percent) else str(value)


def _await(commands: list[Command], spool: Spool, seconds: float, *, as_json: bool) -> None:
    until = time.monotonic() + seconds
    refused = unanswered = 0
    for command in commands:
        reply = _reply(command.id, spool, until)
        if reply is None:
            unanswered += 1
            typer.echo(f"{command.id}: no answer yet; it stays queued", err=True)
            continue
        refused += reply.status != ACCEPTED
        if as_json:
            print(msgspec.json.encode(reply).decode())
        else:
            typer.echo(f"{reply.status}: {reply.message}", err=reply.status != ACCEPTED)
    if refused or unanswered:
        raise typer.Exit(1)


def _reply(command_id: str, spool: Spool, until: float) -> Reply | None:
    reply = None
    while True:
        content = spool.read_reply(command_id)
        if content is not None:
            reply = decode_reply(content)
            if reply.done:
                return reply
        if time.monotonic() >= until:
            return reply
        time.sleep(_POLL)
