"""Groups of options that many commands take, declared once and given to them as one value."""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from cli.options import Json, State, Wait
from positions.commands.messages import OF_ENTRIES

_TEXT = {
    "trail": "The stop follows so far below the best price: 0.05, 5%.",
    "trail_from": "It follows from this price on.",
    "break_even_after": "Stop to break-even after so many targets.",
    "break_even_at": "Stop to break-even once this price is bid.",
    "break_even_offset": "So much above break-even.",
    "stop_confirm": "Sell once the price stayed at the stop for 3s, or 5quotes.",
    "stop_hard": "Sell at this bid without waiting for that.",
    "trigger": "What the stop watches: bid, size or last.",
    "after_floor": "With only bids below the floor: hold, rest or anything.",
    "exit_at": "Sell everything at this time (ISO 8601).",
    "exit_before_end": "Sell everything so long before the market ends: 10m.",
    "name": "Call the position so, in place of its id.",
    "if_taken_off": "An entry that the venue takes off its book: replace or end.",
}
_KEEP = typer.Option(
    "--keep-if-stop-trades/--leave-if-stop-trades",
    help="Keep an unfilled entry when the price is at its stop.",
)
_TERMS: dict[str, Any] = {
    **{name: Annotated[str | None, typer.Option(help=text)] for name, text in _TEXT.items()},
    "keep_if_stop_trades": Annotated[bool | None, _KEEP],
}


class Delivery(NamedTuple):
    """How requests reach the node, and how its answers are shown."""

    wait: str | None = None
    as_json: bool = False
    state: Path | None = None
    queue: bool = False
    """Also where no node runs: they are acted on at its next start."""


_DELIVERY: dict[str, Any] = {
    "queue": Annotated[
        bool, typer.Option("--queue", help="Also where no node runs: it acts at its next start.")
    ],
    "wait": Wait,
    "as_json": Json,
    "state": State,
}
_DEFAULTS = {"queue": False, "as_json": False}
_Command = Callable[..., None]


def with_terms(command: _Command) -> _Command:
    """The command with an option for each term; it gets those that are given as `terms`."""
    return _with(command, "terms", _TERMS, _given)


def with_terms_of_what_is_held(command: _Command) -> _Command:
    """The same, without the terms about what is still to be bought."""
    options = {n: o for n, o in _TERMS.items() if n not in OF_ENTRIES}
    return _with(command, "terms", options, _given)


def with_delivery(command: _Command) -> _Command:
    """The command with the options of a request's way to the node, which it gets as `delivery`."""
    return _with(command, "delivery", _DELIVERY, lambda values: Delivery(**values))


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _with(
    command: _Command,
    group: str,
    options: Mapping[str, Any],
    make: Callable[[Mapping[str, Any]], Any],
) -> _Command:
    @wraps(command)
    def wrapper(**values: Any) -> None:
        made = make({name: values.pop(name) for name in options})
        command(**values, **{group: made})

    keyword = inspect.Parameter.KEYWORD_ONLY
    own = [
        p.replace(kind=keyword)
        for name, p in inspect.signature(command).parameters.items()
        if name != group
    ]
    added = [
        inspect.Parameter(name, keyword, default=_DEFAULTS.get(name), annotation=option)
        for name, option in options.items()
    ]
    wrapper.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in (*own, *added)}
    return wrapper
