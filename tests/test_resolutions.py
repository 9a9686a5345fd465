"""A resolution is believed once two sources tell the same, and none another."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from nautilus_trader.model.identifiers import InstrumentId

from venues.polymarket.api.parsing import Unreadable
from venues.polymarket.market_data.resolutions import (
    ClobMarket,
    Contradiction,
    Payouts,
    ResolutionWatch,
    believed,
    clob_market,
    won,
)

D = Decimal
YES, NO = "1", "2"
BOTH = frozenset({YES, NO})
MARKET = "0xab"
WON, LOST, SPLIT = won(BOTH, YES), won(BOTH, NO), {YES: D("0.5"), NO: D("0.5")}
OPEN = ClobMarket(False, BOTH, frozenset())
CLOSED = ClobMarket(True, BOTH, frozenset())
FLAGGED = ClobMarket(True, BOTH, frozenset({YES}))
TWO_FLAGS = ClobMarket(True, BOTH, BOTH)


@pytest.mark.parametrize(
    ("told", "gamma", "clob", "paid"),
    [
        (None, None, None, None),
        (None, None, OPEN, None),
        (WON, None, None, None),  # one source
        (WON, None, CLOSED, None),  # that it is closed does not say who won
        (None, WON, None, None),
        (None, None, FLAGGED, None),
        (WON, WON, None, WON),
        (WON, None, FLAGGED, WON),
        (None, WON, FLAGGED, WON),
        (None, WON, CLOSED, WON),
        (None, SPLIT, CLOSED, SPLIT),
        (WON, WON, FLAGGED, WON),
        (WON, None, OPEN, Contradiction),
        (None, WON, OPEN, Contradiction),
        (WON, WON, OPEN, Contradiction),
        (LOST, WON, None, Contradiction),
        (LOST, None, FLAGGED, Contradiction),
        (None, LOST, FLAGGED, Contradiction),
        (WON, SPLIT, CLOSED, Contradiction),
        ({}, None, None, Contradiction),
        ({}, WON, FLAGGED, Contradiction),
        (WON, None, TWO_FLAGS, Contradiction),
    ],
)
def test_two_sources_settle_a_market(
    told: Payouts | None, gamma: Payouts | None, clob: ClobMarket | None, paid: Any
) -> None:
    if paid is Contradiction:
        with pytest.raises(Contradiction):
            believed(told, gamma, clob)
    else:
        assert believed(told, gamma, clob) == paid


def test_a_winner_that_the_market_does_not_have_has_not_won() -> None:
    assert won(BOTH, "123") == {}
    assert WON == {YES: 1, NO: 0}


def test_the_order_books_description_is_read() -> None:
    tokens = [{"token_id": YES, "winner": True}, {"token_id": NO, "winner": False}]
    assert clob_market({"closed": True, "tokens": tokens}) == FLAGGED
    assert clob_market({"closed": "no", "tokens": tokens[1:]}).is_closed is False
    for wrong in (None, [], {"tokens": None}, {"tokens": [None]}):
        with pytest.raises(Unreadable):
            clob_market(wrong)


class Sources:
    """A watch, and what it is told."""

    def __init__(self) -> None:
        self.gamma: Mapping[str, Decimal] = {}
        self.clob: ClobMarket | None = OPEN
        self.closed: dict[str, Decimal] = {}
        self.doubts: dict[str, str] = {}
        self.warnings: list[str] = []
        self.ids = [InstrumentId.from_str(f"{MARKET}-{t}.POLYMARKET") for t in (YES, NO)]
        self.watch = ResolutionWatch(
            self._payouts, self._describe, self._followed, self._close, self._doubt, self._warn
        )

    async def _payouts(self, _: list[str]) -> dict[str, Decimal]:
        return dict(self.gamma)

    async def _describe(self, _: str) -> ClobMarket:
        if self.clob is None:
            raise OSError("no answer")
        return self.clob

    def _followed(self) -> list[InstrumentId]:
        return [i for i in self.ids if str(i) not in self.closed]

    def _close(self, instrument_id: InstrumentId, payout: Decimal) -> None:
        self.closed[str(instrument_id)] = payout

    def _doubt(self, instrument_id: InstrumentId, problem: str) -> None:
        self.doubts[str(instrument_id)] = problem

    def _warn(self, text: str) -> None:
        self.warnings.append(text)


def ask(sources: Sources, market: str = MARKET, winner: str = "") -> Sources:
    async def run() -> None:
        if winner:
            sources.watch.on_report(market, winner)
        await sources.watch.check()

    asyncio.run(run())
    return sources


def test_a_false_resolution_changes_nothing_and_is_alarmed() -> None:
    sources = ask(Sources(), winner=NO)
    assert not sources.closed
    assert set(sources.doubts.values()) == {"it is reported to be resolved, and trades on"}
    sources.clob, sources.gamma = FLAGGED, WON
    sources.watch._reported.clear()
    assert list(ask(sources).closed.values()) == [1, 0]


def test_a_resolution_that_is_told_is_settled_once_it_is_confirmed() -> None:
    sources = Sources()
    sources.clob = None
    assert not ask(sources, winner=YES).closed
    assert sources.warnings
    sources.gamma = WON
    assert list(ask(sources).closed.values()) == [1, 0]


def test_a_resolution_of_a_market_that_is_not_followed_is_nobodys() -> None:
    sources = ask(Sources(), market="0xdead", winner=YES)
    assert not sources.closed
    assert not sources.doubts


def test_of_a_market_of_which_one_outcome_is_known_the_other_may_win() -> None:
    sources = Sources()
    sources.ids, sources.clob = sources.ids[:1], None
    assert set(ask(sources, winner=NO).doubts.values()) == {""}
    sources.clob, sources.gamma = ClobMarket(True, BOTH, frozenset({NO})), LOST
    assert list(ask(sources).closed.values()) == [0]
