"""The options of a position's further terms, for `submit`, `amend` and `adopt`."""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Annotated, Any

import typer

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
_OPTIONS: dict[str, Any] = {
    **{name: Annotated[str | None, typer.Option(help=text)] for name, text in _TEXT.items()},
    "keep_if_stop_trades": Annotated[bool | None, _KEEP],
}


def with_terms(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for each term; it gets those that are given as `terms`."""
    return _with(command, _OPTIONS)


def with_terms_of_what_is_held(command: Callable[..., None]) -> Callable[..., None]:
    """The same, without the terms about what is still to be bought."""
    return _with(command, {n: o for n, o in _OPTIONS.items() if n not in OF_ENTRIES})


def _with(command: Callable[..., None], options: Mapping[str, Any]) -> Callable[..., None]:
    @wraps(command)
    def wrapper(**values: Any) -> None:
        terms = {name: values.pop(name) for name in options}
        command(**values, terms={name: value for name, value in terms.items() if value is not None})

    keyword = inspect.Parameter.KEYWORD_ONLY
    own = [
        p.replace(kind=keyword)
        for name, p in inspect.signature(command).parameters.items()
        if name != "terms"
    ]
    added = [
        inspect.Parameter(name, keyword, default=None, annotation=option)
        for name, option in options.items()
    ]
    wrapper.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in (*own, *added)}
    return wrapper
