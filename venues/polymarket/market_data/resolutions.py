"""Finds out which of the markets that are followed are resolved, and what they pay.

Three sources report it: the market channel, Gamma (of Protocol V2 the Data API, which knows each
split), and the order book's own description of the market. What is settled cannot be undone, and a
stop that was dropped is gone, so a resolution is believed once two of them report the same and none
of them something else. Until then all goes on as before, and is alarmed where they contradict one
another.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct
from nautilus_trader.adapters.polymarket.common.symbol import (
    get_polymarket_condition_id,
    get_polymarket_token_id,
)
from nautilus_trader.model.identifiers import InstrumentId

from positions.model.errors import VenueFailure
from venues.polymarket.api.parsing import Unreadable

RESOLUTION_SECONDS = 15.0
_SOON_SECONDS = 2.0
"""Seconds between two questions while a resolution of the market channel is not believed."""
_CLAIM_SECONDS = 600.0
"""How long what the channel reported counts, while the market trades on."""

Resolutions = Callable[[list[str]], Awaitable[dict[str, Decimal]]]
"""Asks what the outcomes of markets (condition ids) pay: token id -> USDC per share, of those that
are resolved."""
Payouts = Mapping[str, Decimal]
"""What all outcomes of one market pay: token id -> USDC per share."""


class Contradiction(VenueFailure, ValueError):
    """The sources do not report the same."""


class ClobMarket(Struct, frozen=True):
    """A market as the order book describes it."""

    is_closed: bool
    tokens: frozenset[str]
    winners: frozenset[str]


def clob_market(values: Any) -> ClobMarket:
    """A market from the order book's JSON; Unreadable if it makes no sense."""
    tokens = values.get("tokens") if isinstance(values, dict) else None
    if not isinstance(tokens, list) or not all(isinstance(t, dict) for t in tokens):
        raise Unreadable("tokens was no list of objects")
    return ClobMarket(
        is_closed=values.get("closed") is True,
        tokens=frozenset(str(t.get("token_id")) for t in tokens),
        winners=frozenset(str(t.get("token_id")) for t in tokens if t.get("winner") is True),
    )


def compact_market(values: Any) -> ClobMarket:
    """A market from the order book's shorter JSON, which names no winner.

    Raises Unreadable if it makes no sense.
    """
    tokens = values.get("t") if isinstance(values, dict) else None
    if not isinstance(tokens, list) or not all(isinstance(t, dict) for t in tokens):
        raise Unreadable("t was no list of objects")
    return ClobMarket(
        is_closed=values.get("ao") is not True,
        tokens=frozenset(str(t.get("t")) for t in tokens),
        winners=frozenset(),
    )


def won(tokens: Iterable[str], winner: str) -> Payouts:
    """What the outcomes pay if one of them has won; () if it is none of them."""
    outcomes = set(tokens)
    return {t: Decimal(t == winner) for t in outcomes} if winner in outcomes else {}


def believed(
    channel: Payouts | None, gamma: Payouts | None, clob: ClobMarket | None
) -> Payouts | None:
    """What a market pays; None while it is not known to be resolved.

    Parameters
    ----------
    channel
        What the market channel reported; {} if that was a winner that the market does not have.
    gamma
        What Gamma reports, None if nothing.
    clob
        What the order book reports, None if it does not answer.

    Raises Contradiction if they do not report the same.
    """
    if channel == {}:
        raise Contradiction("the winner is reported to be none of its outcomes")
    if clob is not None and not clob.is_closed:
        if channel or gamma:
            raise Contradiction("it is reported to be resolved, and trades on")
        return None
    flagged = None
    if clob is not None and clob.winners:
        flagged = won(clob.tokens, next(iter(clob.winners))) if len(clob.winners) == 1 else {}
    sources = [s for s in (channel, gamma, flagged) if s is not None]
    if any(s != sources[0] for s in sources):
        raise Contradiction(
            "its winner is reported differently by the market channel and elsewhere"
        )
    is_confirmed = len(sources) > 1 or (gamma is not None and clob is not None)
    return sources[0] if is_confirmed else None


class ResolutionWatch:
    """Asks until cancelled.

    Parameters
    ----------
    followed
        The outcomes that are followed and not known to be resolved.
    close
        Takes an outcome that is, and what it pays.
    doubt
        Takes an outcome, and what is wrong with what is reported of its resolution; "" = nothing.
    """

    def __init__(
        self,
        payouts: Resolutions,
        describe: Callable[[str], Awaitable[ClobMarket]],
        followed: Callable[[], Iterable[InstrumentId]],
        close: Callable[[InstrumentId, Decimal], None],
        doubt: Callable[[InstrumentId, str], None],
        warn: Callable[[str], None],
    ) -> None:
        self._payouts = payouts
        self._describe = describe
        self._followed = followed
        self._close = close
        self._doubt = doubt
        self._warn = warn
        self._reported: dict[str, tuple[str, float]] = {}
        """Market -> the winner that the channel reported, and when."""
        self._wake = asyncio.Event()

    def on_report(self, market: str, winner: str) -> None:
        """The market channel says that an outcome has won."""
        if any(get_polymarket_condition_id(i) == market for i in self._followed()):
            self._reported[market] = winner, asyncio.get_running_loop().time()
            self._wake.set()

    async def run(self) -> None:
        """Ask every now and then, and once the channel reported a resolution."""
        while True:
            try:
                pause = _SOON_SECONDS if self._reported else RESOLUTION_SECONDS
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                await self.check()
            except Exception as e:
                self._warn(f"the resolutions could not be read: {e!r}")

    async def check(self) -> None:
        """Ask once about all markets that are followed."""
        outcomes: dict[str, list[InstrumentId]] = {}
        for instrument_id in self._followed():
            outcomes.setdefault(get_polymarket_condition_id(instrument_id), []).append(
                instrument_id
            )
        self._reported = {m: report for m, report in self._reported.items() if m in outcomes}
        try:
            paid = await self._payouts(sorted(outcomes)) if outcomes else {}
        except Exception as e:
            self._warn(f"the resolutions could not be read: {e!r}")
            paid = {}
        for market, ids in outcomes.items():
            tokens = [get_polymarket_token_id(i) for i in ids]
            if market in self._reported or any(t in paid for t in tokens):
                await self._settle(market, ids, paid)

    async def _settle(
        self, market: str, ids: Sequence[InstrumentId], paid: Mapping[str, Decimal]
    ) -> None:
        try:
            clob = await self._describe(market)
        except Exception as e:
            self._warn(f"the description of market {market} could not be read: {e!r}")
            clob = None
        tokens = {get_polymarket_token_id(i) for i in ids}
        tokens |= set() if clob is None else clob.tokens
        gamma = {t: paid[t] for t in tokens if t in paid} or None
        channel = won(tokens, self._reported[market][0]) if market in self._reported else None
        if channel == {} and len(tokens) < 2:
            channel = None  # its other outcome is not known here
        problem, payouts = "", None
        try:
            payouts = believed(channel, gamma, clob)
        except Contradiction as e:
            problem = str(e)
        for instrument_id in ids:
            payout = (
                None if payouts is None else payouts.get(get_polymarket_token_id(instrument_id))
            )
            if payout is not None:
                self._close(instrument_id, payout)
            else:
                self._doubt(instrument_id, problem)
        self._forget(market, ids, clob)

    def _forget(self, market: str, ids: Sequence[InstrumentId], clob: ClobMarket | None) -> None:
        """What the channel reported was false, if the market trades on for long."""
        _, since = self._reported.get(market, ("", float("inf")))
        is_old = asyncio.get_running_loop().time() - since > _CLAIM_SECONDS
        if is_old and clob is not None and not clob.is_closed:
            del self._reported[market]
            for instrument_id in ids:
                self._doubt(instrument_id, "")
