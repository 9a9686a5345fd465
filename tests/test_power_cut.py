"""A power cut takes the end of `sent.log`, or all of it: the venue tells what the log would have.

The record ends where its last commit ended, which is anywhere; the log is not flushed to the disk.
A sale is then known by what it looks like, or by its trades, and is never made twice.
"""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from loopback.server import LoopbackPolymarket, MarketHandle
from test_fault_crashes import Mortal, _dead, _is_done, _is_safe, _of
from test_faults import crash
from trading import Session

from positions.storage.store import Store

pytestmark = pytest.mark.xdist_group("power-cuts")
D = Decimal
Rows = list[tuple[str, Any]]


def its_hash(rows: Rows) -> int | None:
    """From what a sale was signed as on: a turn of its own, with its position and event."""
    signed = (i for i, (table, row) in enumerate(rows) if table == "hashes" and row[1][-2:] != "-1")
    found = next(signed, None)
    return None if found is None else found - 2


def all_of_it(rows: Rows) -> int | None:
    """All of the commit in which a sale is."""
    is_there = any(table == "orders" and row[2] in ("target", "exit") for table, row in rows)
    return 0 if is_there else None


def removed(log: Path) -> None:
    log.unlink()


def torn(log: Path) -> None:
    log.write_bytes(log.read_bytes()[:-9])


def whole(_: Path) -> None: ...


class Cut(NamedTuple):
    """What is not written any more, what becomes of the log, and whether a target is offered."""

    lost: Callable[[Rows], int | None]
    log: Callable[[Path], None]
    offers: bool


# fmt: off
CUTS: dict[str, Cut] = {
    "an offer, its hash, and the log": Cut(its_hash, removed, offers=True),
    "an offer's hash, and the log is torn": Cut(its_hash, torn, offers=True),
    "all of an offer, and the log": Cut(all_of_it, removed, offers=True),
    "all of an offer but the log": Cut(all_of_it, whole, offers=True),
    "an exit's hash, and the log": Cut(its_hash, removed, offers=False),
    "an exit's hash, and the log is torn": Cut(its_hash, torn, offers=False),
    "all of an exit but the log": Cut(all_of_it, whole, offers=False),
}
# fmt: on


def cut_off(store: Store, lost: Callable[[Rows], int | None]) -> None:
    """From these rows on the disk takes nothing."""
    write = store._write

    def until(rows: Rows) -> None:
        last = lost(rows)
        write(rows[:last])
        if last is not None:
            store._write = _dead  # type: ignore[method-assign]
            _dead(rows)

    store._write = until  # type: ignore[method-assign]


@pytest.mark.parametrize("name", CUTS)
def test_what_a_power_cut_took_is_found_at_the_venue(name: str, tmp_path: Path) -> None:
    cut = CUTS[name]
    rested: list[str] = []
    with LoopbackPolymarket() as venue:
        m = venue.add_market("rain")
        venue.quote(m.tokens[0], "0.50", "100", "0.52", "100")
        mortal = Mortal(venue, tmp_path)

        async def first(s: Session) -> None:
            cut_off(s.node.store, cut.lost)
            target = {"sell_price": "0.70"} if cut.offers else {}
            p = await s.submit(m, "0.55", "20", stop_loss_price="0.45", **target)
            await s.held(p, "20")
            if cut.offers:
                await s.until(lambda: bool(venue.orders(s.funder)), "the target rests")
                rested.extend(o.id for o in venue.orders(s.funder))
            else:
                crash(s, m)
                await s.until(lambda: _sold(s, m) == 20, "the exit sells")
            await s.until(lambda: bool(s.node.store.failure), "the disk is gone")
            await s.settled()  # a machine that was without power is not back before

        async def second(s: Session) -> None:
            await s.until(lambda: all(map(_is_safe, _of(s, m))), "what is held is protected")
            assert [o.id for o in venue.orders(s.funder)] == rested
            if cut.offers:
                crash(s, m)
            await s.until(lambda: all(map(_is_done, _of(s, m))), "all of it is over")
            await s.agrees(m)
            assert (_sold(s, m), s.alarms) == (20, [])

        mortal.run(first)
        cut.log(tmp_path / "sent.log")
        mortal.run(second)


def _sold(s: Session, m: MarketHandle) -> Decimal:
    return sum((leg.shares for leg in s._legs(m.tokens[0]) if leg.side == "SELL"), D(0))
