"""One list of quotes and commands tells one story: live on the loopback venue and in a backtest.

A recording is replayed, backtested and traded on paper alike elsewhere; here the real adapter and
the second engine are held against the first. What may differ is declared: ids, times of a wall
clock, and the split of a fill into parts; and, since a live book shows what the node itself does to
it, the size that is displayed. Cases that a race of the venue's two channels decides are not drawn.
`make parity` plays more.
"""

import os
import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import recorded
import stories
from essence import essence, money
from lockstep import Ask, Quote, Resolved, Step, told_by_backtest, told_live
from loopback.server import LoopbackPolymarket
from trading import Session, trade

from positions.model.formatting import plain

D = Decimal
CENT = D("0.01")
SEEDS = range(1, 1 + int(os.environ.get("PARITY", "1")))
MARKETS = 14 if "PARITY" in os.environ else 8
OUTCOMES, ROWS = (6, 150) if "PARITY" in os.environ else (3, 25)
"""Outcomes of each recording, and quotes of each."""


def _compare(
    folder: Path, steps: list[Step], look: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
) -> list[str]:
    """Play the steps in both and look at the stories; all their kinds, once nothing differs."""
    live, tested = told_live(folder, steps), told_by_backtest(folder, steps)
    seen = [
        stories.Stories({i: look(e) for i, e in s.events.items()}, dict.fromkeys(s.refused, ""))
        for s in (live, tested)
    ]
    assert stories.differences(*seen) == []
    return [e["kind"] for events in tested.events.values() for e in events]


class Drawn:
    """Seeded steps: in each market the price wanders by cents, and one position is asked for."""

    def __init__(self, seed: int, *, is_thin: bool) -> None:
        self._chance = random.Random(seed)
        self._is_thin = is_thin
        self._ids = iter(f"00000000-0000-7000-8000-{n:012}" for n in range(1, 10_000))

    def steps(self) -> list[Step]:
        """All markets' steps, mixed."""
        waiting = [self._market(number) for number in range(MARKETS)]
        mixed = []
        while waiting:
            one = self._chance.choice(waiting)
            step = next(one, None)
            if step is None:
                waiting.remove(one)
            else:
                mixed.append(step)
        return mixed

    def _market(self, number: int) -> Iterator[Step]:
        slug = f"market-{number}"
        cents = self._chance.randint(40, 60)
        spread = self._chance.choice((1, 1, 2))
        yield self._quote(slug, cents, spread)
        submitted = self._submit(slug, cents, spread)
        yield submitted
        # The loopback venue fills a level up anew with each quote, which a recording does not say
        # of a price that was shown before: in a thin book no price comes twice.
        moves = (self._chance.choice((-1, 1)),) if self._is_thin else (-1, -1, 0, 1, 1)
        for _ in range(self._chance.randint(8, 20)):
            cents += self._chance.choice(moves)
            yield self._quote(slug, cents, spread)
            if self._chance.random() < 0.06:
                yield self._about(submitted)
        if number % 3 == 0:
            yield Resolved(slug, D(self._chance.choice((0, 1))))

    def _quote(self, slug: str, cents: int, spread: int) -> Quote:
        bid, ask = cents * CENT, (cents + spread) * CENT
        least, most = (5, 60) if self._is_thin else (400, 900)
        sizes = [D(self._chance.randint(least, most)) for _ in range(2)]
        has_bid, has_ask = (not self._is_thin or self._chance.random() > 0.05 for _ in range(2))
        return Quote(slug, bid if has_bid else None, sizes[0], ask if has_ask else None, sizes[1])

    def _submit(self, slug: str, cents: int, spread: int) -> Ask:
        chance = self._chance
        max_bid = (cents + chance.choice((-1, 0, spread, spread, spread + 1))) * CENT
        fields = {
            "id": next(self._ids),
            "command": "submit",
            "market": slug,
            "outcome": "Yes",
            "max_bid": f"{max_bid}",
            "size": chance.choice(("5", "20", "31.5", "100")),
            "stop": f"{max_bid - chance.choice((4, 4, 5)) * CENT}",
        }
        match chance.choice(("target", "steps", "trail", "plain", "relative")):
            case "relative":
                fields |= {"target": "+6%", "stop": "9%"}
            case "target":
                fields["target"] = f"{max_bid + chance.choice((1, 2, 3)) * CENT}"
            case "steps" if fields["size"] == "100":
                fields["target"] = f"{max_bid + 2 * CENT}:40% {max_bid + 4 * CENT}"
            case "trail" if max_bid >= (cents + spread) * CENT and not self._is_thin:
                # One that rests may be filled before the bid of that moment is seen, or after.
                fields["trail"] = "0.03"
        return Ask(fields)

    def _about(self, submitted: Ask) -> Ask:
        about = {"id": next(self._ids), "position_id": submitted.fields["id"]}
        what = (
            {"command": "sell", "fraction": "0.5"},
            {"command": "sell"},
            {"command": "cancel"},
            {"command": "amend", "stop": "none"},
            {"command": "amend", "target": "0.9", "stop": "0.2"},
        )
        return Ask(about | self._chance.choice(what))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_live_node_and_a_backtest_tell_one_story(tmp_path: Path, seed: int) -> None:
    kinds = _compare(tmp_path, Drawn(seed, is_thin=False).steps(), essence)
    assert kinds.count("opened") >= MARKETS - 2
    assert {"triggered", "settled", "order_filled", "cancel_sent"} <= set(kinds)


@pytest.mark.parametrize("seed", SEEDS)
def test_in_a_thin_book_the_same_changes_hands(tmp_path: Path, seed: int) -> None:
    """There the node's own orders are much of the book, and a live node sees what it does to it: it
    waits for a bid where a backtest tries again, and the order of what is told differs."""
    kinds = _compare(tmp_path, Drawn(seed, is_thin=True).steps(), money)
    assert kinds.count("order_filled") >= MARKETS


def _stretches(name: str) -> list[Step]:
    """Of some outcomes of a recording a stretch each, mixed, with a position in it."""
    chance = random.Random(name)
    by_token: dict[str, list[dict[str, Any]]] = {}
    for row in recorded.quotes(name):
        if _is_whole(row):
            by_token.setdefault(row["token_id"], []).append(row)
    ids = iter(f"00000000-0000-7000-8000-{n:012}" for n in range(1, 1_000))
    found = []
    calm = {t: [i for i in range(len(r) - ROWS) if _is_calm(r[i])] for t, r in by_token.items()}
    usable = sorted(token for token, starts in calm.items() if starts)
    for number, token in enumerate(chance.sample(usable, min(OUTCOMES, len(usable)))):
        first = chance.choice(calm[token])
        rows = by_token[token][first : first + ROWS]
        found.append(_stretch(f"{name}-{number}", rows, next(ids), chance))
    return [step for steps in zip(*found, strict=True) for step in steps]


def _stretch(
    slug: str, rows: list[dict[str, Any]], position_id: str, chance: random.Random
) -> list[Step]:
    bid, max_bid = rows[0]["bid"], rows[0]["ask"]
    fields = {
        "id": position_id,
        "command": "submit",
        "market": slug,
        "outcome": "Yes",
        "max_bid": plain(max_bid),
        "size": chance.choice(("5", "20", "50")),
        "stop": plain(bid - 2 * CENT),
        "target": plain(max_bid + 2 * CENT),
    }
    steps: list[Step] = [
        Quote(slug, r["bid"], r["bid_size"] or D(0), r["ask"], r["ask_size"] or D(0)) for r in rows
    ]
    return [steps[0], Ask(fields), *steps[1:]]


def _is_whole(row: dict[str, Any]) -> bool:
    """Whether a row's sizes are known, and its prices on the tick of a cent."""
    sides = [(row["bid"], row["bid_size"]), (row["ask"], row["ask_size"])]
    return all(p is None or (p % CENT == 0 and size) for p, size in sides)


def _is_calm(row: dict[str, Any]) -> bool:
    """Whether a position can be bought whole, at a price from which there is a way to go."""
    if row["bid"] is None or row["ask"] is None:
        return False
    return bool(D("0.3") < row["bid"] < D("0.7") and row["ask_size"] >= 50)


@pytest.mark.skipif(not recorded.FOLDER.is_dir(), reason="the shared recordings are not here")
@pytest.mark.parametrize("name", recorded.NAMES[: 3 if "PARITY" in os.environ else 1])
def test_on_a_recording_the_same_changes_hands(tmp_path: Path, name: str) -> None:
    kinds = _compare(tmp_path, _stretches(name), money)
    assert kinds.count("opened") >= min(OUTCOMES, 3)
    assert "order_filled" in kinds


def test_a_bid_that_is_ours_alone_neither_holds_a_stop_nor_raises_one(tmp_path: Path) -> None:
    with LoopbackPolymarket() as venue:
        market = venue.add_market("will-it-rain")
        yes, no = market.tokens
        venue.quote(yes, "0.50", "100", "0.52", "100")

        async def script(s: Session) -> None:
            stopped = await s.submit(market, "0.52", "20", stop="0.45")
            trailed = await s.submit(market, "0.52", "20", stop="0.40", trail="0.08")
            for p in (stopped, trailed):
                await s.held(p, "20")
            seen = s.node.strategy.engine.markets
            venue.quote(yes, "0.46", "100", "0.60", "100")
            await s.until(lambda: seen[yes].bid == D("0.46"), "the bid has fallen")
            waiting = await s.submit(market, "0.55", "20")
            await s.until(lambda: bool(venue.orders(s.funder)), "an entry rests at 0.55")
            await s.until(lambda: s.positions[waiting].phase == "entering", "it rests")
            venue.quote(yes, "0.44", "100", "0.60", "100")
            await s.phase(stopped, "closed")
            assert (seen[yes].bid, seen[no].ask) == (D("0.44"), D("0.56"))
            assert s.positions[trailed].stop_in_force == D("0.42")  # 0.50 was bid

        trade(venue, tmp_path, script)
