"""Commands that ask something of the node: they are checked here, queued, and answered by it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.flags import as_typed
from cli.holdings import of_wallet
from cli.option_groups import (
    Delivery,
    with_delivery,
    with_terms,
    with_terms_of_what_is_held,
)
from cli.options import Now, default_config, state_dir
from cli.position_argument import PositionId, resolve
from cli.sending import send, take_back
from positions.commands import files
from positions.model.errors import InputError, RecordError
from positions.storage.locks import holder

_DRY_RUN_WAIT = "10s"
Market = Annotated[
    str | None, typer.Argument(help="A slug, an id, a token id or a polymarket.com address.")
]
Outcome = Annotated[
    str | None, typer.Argument(help="A name such as Yes, or a token id; none after a token id.")
]
MaxBid = Annotated[str | None, typer.Option(help="The most to pay per share.")]
Floor = Annotated[str | None, typer.Option(help="Never sell below this price.")]
Targets = Annotated[
    list[str] | None,
    typer.Option(help="Sell here, or +20% above the entry; several with parts: 0.60:50%."),
]
Stop = Annotated[
    str | None, typer.Option(help="Sell when the bid is here, or 10% below the entry price.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only show what would be sent, won and lost.")
]
PreviewOnly = Annotated[
    bool, typer.Option("--dry-run", help="Only tell what would change and be sold, and for what.")
]
File = Annotated[Path | None, typer.Option(help="Many at once: JSON lines, or CSV with a header.")]
Again = Annotated[
    bool, typer.Option("--again", help="Also what was just asked for, or a file sent before.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("submit", epilog=_SUBMIT)(submit)
    app.command("adopt", epilog=_ADOPT)(adopt)
    app.command("sell", epilog="Example: polybracket sell 9c3e0123 --fraction 50% --wait 70s")(sell)
    app.command("cancel", epilog="Example: polybracket cancel 9c3e0123 --wait 10s")(cancel)
    app.command("close", epilog="Example: polybracket close 9c3e0123 --price 0.61 --wait 10s")(
        close
    )
    app.command("release", epilog="Example: polybracket release 9c3e0123 12.5 --wait 10s")(release)
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

_ADOPT = "Example: polybracket adopt rain-in-london Yes --stop 0.45 --target 0.70 --wait 60s"


@with_terms
@with_delivery
def submit(
    terms: dict[str, Any],
    delivery: Delivery,
    market: Market = None,
    outcome: Outcome = None,
    max_bid: MaxBid = None,
    size: Annotated[str | None, typer.Option(help="Shares to buy.")] = None,
    stake: Annotated[str | None, typer.Option(help="USDC to spend instead.")] = None,
    risk: Annotated[str | None, typer.Option(help="Or USDC that the stop may lose.")] = None,
    target: Targets = None,
    stop: Stop = None,
    floor: Floor = None,
    post_only: Annotated[bool, typer.Option("--post-only", help="Never take liquidity.")] = False,
    expires: Annotated[str | None, typer.Option(help="Take the unfilled entry back: 2h.")] = None,
    dry_run: DryRun = False,
    at: Annotated[str | None, typer.Option(help="Act at this market time (ISO 8601).")] = None,
    file: File = None,
    again: Again = False,
) -> None:
    """Queue a position. Buys at no more than the max bid, sells at the target or at the stop."""
    values = {
        "market": market,
        "outcome": outcome,
        "max_bid_price": max_bid,
        "size": size,
        "stake": stake,
        "risk": risk,
        "stop_loss_price": stop,
        "floor_price": floor,
        "post_only": post_only or None,
        "expires": expires,
        "at": at,
        "dry_run": dry_run or None,
    }
    request = _without_none(values) | _target(target) | terms
    if dry_run:
        delivery = _for_dry_run(delivery)
    if file is None:
        send([{"command": "submit", **request}], delivery, again=again)
        return
    request.pop("dry_run", None)
    if request:
        raise InputError(as_typed(f"{next(iter(request))} must not be given together with --file"))
    read = files.read if again or dry_run else files.read_once
    asked = {"dry_run": True} if dry_run else {}
    send([fields | asked for fields in read(file)], delivery, file=file)


@with_terms_of_what_is_held
@with_delivery
def adopt(
    terms: dict[str, Any],
    delivery: Delivery,
    market: Market = None,
    outcome: Outcome = None,
    shares: Annotated[str | None, typer.Option(help="So many; else all that are free.")] = None,
    entry_price: Annotated[
        str | None, typer.Option(help="What a share cost; else as the venue's trades have it.")
    ] = None,
    target: Targets = None,
    stop: Stop = None,
    floor: Floor = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All that the wallet holds and no position protects.")
    ] = False,
    config: Annotated[
        Path | None, typer.Option(help="With --all: the settings; config/live.toml by default.")
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Protect shares that the wallet holds already, bought on the website or left over."""
    values = {
        "market": market,
        "outcome": outcome,
        "shares": shares,
        "entry_price": entry_price,
        "stop_loss_price": stop,
        "floor_price": floor,
        "dry_run": dry_run or None,
    }
    request = _without_none(values) | _target(target) | terms
    delivery = _for_dry_run(delivery) if dry_run else delivery
    if everything:
        requests = _of_all(request, config, delivery)
        send(requests, delivery)
        return
    send([{"command": "adopt", **request}], delivery)


def _of_all(
    request: dict[str, Any], config: Path | None, delivery: Delivery
) -> list[dict[str, Any]]:
    """A request for each holding that no position protects."""
    named = {"market", "outcome", "shares", "entry_price"} & request.keys()
    if named:
        raise InputError(f"{min(named)} must not be given together with --all")
    rows = of_wallet(config or default_config("live"), state_dir(delivery.state))
    free = [r for r in rows if r["free"] > 0]
    if not free:
        raise InputError("--all names nothing: the wallet holds nothing that is not protected")
    about = ({"market": r["market_id"], "outcome": r["outcome_id"]} for r in free)
    return [{"command": "adopt", **one, **request} for one in about]


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _for_dry_run(delivery: Delivery) -> Delivery:
    """The delivery of what is only asked: by a node that runs, and with its answer."""
    if holder(state_dir(delivery.state)) is None:
        why = "a dry run is answered by the node, with its limits and prices"
        raise RecordError(f"no node is running; {why}")
    return delivery._replace(wait=delivery.wait or _DRY_RUN_WAIT)


def _target(values: list[str] | None) -> dict[str, Any]:
    """One price as such, several or parts as a list."""
    if not values:
        return {}
    one = len(values) == 1 and ":" not in values[0]
    return {"sell_price": values[0]} if one else {"targets": values}


@with_delivery
def sell(
    delivery: Delivery,
    position: PositionId,
    shares: Annotated[str | None, typer.Option(help="So many shares; without it, all.")] = None,
    fraction: Annotated[str | None, typer.Option(help="This part of what is held: 50%.")] = None,
    min_price: Annotated[str | None, typer.Option(help="At this price or better.")] = None,
    dry_run: PreviewOnly = False,
) -> None:
    """Cash out by hand, all or part. What cannot be sold in a minute is protected again."""
    fields: dict[str, Any] = {"shares": shares, "fraction": fraction, "min_price": min_price}
    fields["dry_run"] = dry_run or None
    _about("sell", position, fields, delivery)


@with_delivery
def cancel(delivery: Delivery, position: PositionId) -> None:
    """Take the unfilled entry back. What was bought stays protected.

    A request that waits for a node is taken out of the queue.
    """
    if take_back(position, delivery.state):
        return
    _about("cancel", position, {}, delivery)


@with_delivery
def close(
    delivery: Delivery,
    position: PositionId,
    price: Annotated[str, typer.Option(help="What a share was sold at.")],
    dry_run: DryRun = False,
) -> None:
    """State that you sold elsewhere what the venue lacks of a position. Nothing is sold by it."""
    fields = {"price": price, "dry_run": dry_run or None}
    _about("close", position, fields, delivery)


@with_delivery
def release(
    delivery: Delivery,
    position: PositionId,
    shares: Annotated[str, typer.Argument(help="How many shares.")],
    dry_run: DryRun = False,
) -> None:
    """Take shares out of a position: they are yours again, neither sold nor protected."""
    fields = {"shares": shares, "dry_run": dry_run or None}
    _about("release", position, fields, delivery)


@with_terms
@with_delivery
def amend(
    terms: dict[str, Any],
    delivery: Delivery,
    position: PositionId,
    max_bid: MaxBid = None,
    target: Annotated[
        list[str] | None, typer.Option(help="A price, +20%, several with parts, or none.")
    ] = None,
    stop: Annotated[
        str | None, typer.Option(help="A price, 10% below the entry price, or none.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Shares to buy in all; not less than are on order.")
    ] = None,
    floor: Annotated[str | None, typer.Option(help="Never sell below this; or none.")] = None,
    post_only: Annotated[
        bool | None, typer.Option("--post-only/--may-take", help="Whether the entry only rests.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="Take the unfilled entry back after 2h; or none.")
    ] = None,
    now: Now = False,
    dry_run: PreviewOnly = False,
) -> None:
    """Change max bid, targets, stop, floor, expiry or other terms. `none` removes what was asked.

    What would sell at once is refused, unless `--now` is given.
    """
    fields: dict[str, Any] = {
        "max_bid_price": max_bid,
        "stop_loss_price": stop,
        "size": size,
        "floor_price": floor,
        "post_only": post_only,
        "expires": expires,
    }
    fields |= _target(target) | terms | {"now": now or None, "dry_run": dry_run or None}
    _about("amend", position, fields, delivery)


@with_delivery
def halt(delivery: Delivery) -> None:
    """Let no new entries in. Resting ones are taken off the book; targets and stops stay."""
    send([{"command": "halt"}], delivery)


@with_delivery
def resume(delivery: Delivery) -> None:
    """Let entries in again."""
    send([{"command": "resume"}], delivery)


@with_delivery
def flatten(delivery: Delivery) -> None:
    """Halt, take all entries back, and sell all that is held."""
    send([{"command": "flatten"}], delivery)


def _about(
    kind: str,
    position: str,
    fields: dict[str, Any],
    delivery: Delivery,
) -> None:
    request = _without_none(fields)
    if request.get("dry_run"):
        delivery = _for_dry_run(delivery)
    position_id = resolve(state_dir(delivery.state), position)
    send([{"command": kind, "position_id": position_id, **request}], delivery)
