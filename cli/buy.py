"""A guided bet: asks for what `submit` is told by options, shows what follows, asks once more."""

from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

import typer

from cli.flags import as_typed
from cli.market_search import search_markets
from cli.option_groups import Delivery
from cli.options import State, default_config, state_dir
from cli.output import ask, is_asked, number, say
from cli.sending import ask_node, send
from positions.commands import fields
from positions.commands.fields import Malformed
from positions.commands.messages import ACCEPTED
from positions.model.errors import InputError, RecordError
from positions.model.formatting import plain
from positions.storage.locks import holder
from positions.storage.snapshot import Snapshot

_TRIES = 3
_SHOWN = 15
_WAIT = "15s"
_Row = dict[str, Any]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("buy", epilog="Example: polybracket buy --state state/paper")(buy)


def buy(state: State = None) -> None:
    """Be asked for a bet, step by step: market, outcome, price, amount, target and stop.

    What it would do is shown, and asked once more, before anything is bought.
    """
    if not is_asked():
        raise InputError("buy asks questions, must be typed in a terminal; `submit` takes options")
    folder = state_dir(state)
    if holder(folder) is None:
        raise RecordError(f"no node is running in {folder}: start it first")
    outcome = _choose_outcome(folder)
    say(f"{outcome['question'] or outcome['slug']}  {outcome['outcome']}: {_touch(outcome)}")
    request = {
        "command": "submit",
        "market": outcome["market_id"],
        "outcome": outcome["outcome"],
        **_terms(outcome),
    }
    reply = ask_node(request | {"dry_run": True}, folder, _WAIT)
    if reply is None or reply.status != ACCEPTED:
        why = "the node does not answer" if reply is None else as_typed(reply.message)
        raise RecordError(f"nothing was bought: {why}")
    for line in reply.message.removeprefix("dry run: ").split("; "):
        say(f"  {line}")
    if ask("Buy it? (yes or no)").lower() not in ("y", "yes"):
        raise InputError("nothing was bought")
    send([request], Delivery(wait=_WAIT, state=folder))


def _choose_outcome(folder: Path) -> _Row:
    """The outcome that is chosen by words and numbers."""
    for _ in range(_TRIES):
        text = ask("Which market? (words, a slug or an address; Enter lists those of the node)")
        found = [list(rows) for _, rows in groupby(_found(folder, text), lambda r: r["market_id"])]
        if not found:
            say(f"no open market is found for {text!r}", err=True)
            continue
        market = found[0]
        if len(found) > 1:
            lines = (f"{rows[0]['slug']}  {_outcomes(rows)}" for rows in found)
            market = found[_chosen("Which one?", lines, len(found))]
        lines = (f"{row['outcome']}  {_touch(row)}" for row in market)
        return market[_chosen("Which outcome?", lines, len(market))]
    raise InputError("nothing was bought: no market was chosen")


def _found(folder: Path, text: str) -> list[_Row]:
    """The outcomes of the markets that the node knows by these words, or else of Polymarket's."""
    words = text.lower().split()
    with Snapshot(folder) as copy:
        mode = copy.node()["mode"]
        rows = [r for r in copy.markets() if r["payout"] is None]
    known = [r for r in rows if all(w in f"{r['slug']} {r['question']}".lower() for w in words)]
    if not known and words and mode != "replay":
        known = search_markets(default_config("paper"), text)
    kept = list(dict.fromkeys(r["market_id"] for r in known))[:_SHOWN]
    return [r for r in known if r["market_id"] in kept]


def _chosen(question: str, lines: Iterable[str], count: int) -> int:
    """The place of what is chosen by its number."""
    for place, line in enumerate(lines, start=1):
        say(f"{place:>3}  {line}")
    for _ in range(_TRIES):
        text = ask(f"{question} (1 to {count})")
        if text.isascii() and text.isdigit() and 0 < int(text) <= count:
            return int(text) - 1
    raise InputError("nothing was bought: no number was chosen")


def _terms(outcome: _Row) -> dict[str, str]:
    """Price, amount, target and stop as they are answered, each checked at once."""
    best = "" if outcome["ask"] is None else f"; Enter = the ask, {number(outcome['ask'])}"
    max_bid = _answer(
        f"The most to pay for a share{best}", fields.price, number(outcome["ask"]), "max_bid"
    )
    amount = _answer(
        "How many shares, or dollars such as $5; Enter = the default stake", fields.amount
    )
    target = _answer("Sell at which target, such as 0.70 or +20%; Enter = none", fields.level)
    stop = _answer("Sell at which stop, such as 0.45 or 10%; Enter = none", fields.level)
    kind = "stake" if "$" in amount else "size"
    given = {"max_bid": max_bid, kind: amount, "target": target, "stop": stop}
    return {name: text for name, text in given.items() if text}


def _answer(
    question: str,
    parse: Callable[[str, object], Any],
    default: str = "",
    name: str = "answer",
) -> str:
    """An answer that can be understood; `default` is that of an empty one."""
    for _ in range(_TRIES):
        text = ask(f"{question}:") or default
        if not text and name == "answer":
            return ""
        try:
            parse(name, text)
        except Malformed as e:
            say(as_typed(str(e)), err=True)
            continue
        return text
    raise InputError("nothing was bought: the answers could not be understood")


def _outcomes(rows: list[_Row]) -> str:
    return ", ".join(f"{r['outcome']} {_touch(r)}" for r in rows)


def _touch(row: _Row) -> str:
    sides = (("bid", row["bid"]), ("ask", row["ask"]))
    told = (f"no {name}" if price is None else f"{name} {plain(price)}" for name, price in sides)
    return ", ".join(told)
