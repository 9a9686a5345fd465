"""Polymarket's instruments: none without its fee, with an impossible tick or an invented end."""

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

from nautilus_trader.adapters.polymarket.common.gamma_markets import fetch_fee_schedules
from nautilus_trader.adapters.polymarket.common.parsing import parse_polymarket_instrument
from nautilus_trader.adapters.polymarket.providers import PolymarketInstrumentProvider
from nautilus_trader.model.instruments import BinaryOption

from positions.model.durations import SECOND
from positions.model.foreign_text import clean
from positions.model.venue_rules import EXPONENT_MAX
from venues.polymarket.api import parsing
from venues.polymarket.api.bounded_http import Answer, PublicClient
from venues.polymarket.api.gamma import GammaMarket
from venues.polymarket.api.pages import ListTooLong
from venues.polymarket.api.parsing import Unreadable
from venues.polymarket.api.protocol import Protocol
from venues.polymarket.api.ticks import ImpossibleTick, tick_of

_ENDS_MIN, _ENDS_MAX = datetime(2020, 1, 1, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC)
"""An end that is stated to be outside of this is none: years 1 and 9999 stand for not known."""
_UNKNOWN = 0
_SHORT_SECONDS = 3.0
"""The longest that a load waits for what only simulations need."""
_FEE_MAX = 1
_MINIMUM, _MINIMUM_MAX = 5, 1_000_000
"""The venue's own minimum, and more shares than any market asks for."""


def end_of(value: Any) -> int:
    """When a market states to end, in nanoseconds; 0 where it states nothing that can be."""
    try:
        end = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return _UNKNOWN
    end = end if end.tzinfo is not None else end.replace(tzinfo=UTC)
    return int(end.timestamp()) * SECOND if _ENDS_MIN <= end < _ENDS_MAX else _UNKNOWN


def _sound(market_info: dict[str, Any]) -> dict[str, Any]:
    """A description whose numbers and names can be those of a market: the shares of one that states
    a fee that cannot be are protected all the same, and nothing is bought too cheaply."""
    schedule = market_info.get("feeSchedule")
    rate = schedule.get("rate") if isinstance(schedule, dict) else schedule
    fees = None
    if rate is not None:
        exponent = _exponent(schedule.get("exponent") if isinstance(schedule, dict) else None)
        fees = {"rate": _number(rate, _FEE_MAX, _FEE_MAX), "exponent": exponent}
    minimum = market_info.get("minimum_order_size", _MINIMUM)
    return market_info | {
        "feeSchedule": fees,
        "minimum_order_size": _number(minimum, _MINIMUM_MAX, _MINIMUM),
        "question": clean(market_info.get("question") or "").strip() or "?",
    }


def _exponent(value: Any) -> int | None:
    """A fee's exponent: 1 where none is stated, None where it is none that the fee rule knows."""
    if value is None:
        return 1
    try:
        stated = parsing.number({"exponent": value}, "exponent", EXPONENT_MAX + 1)
    except Unreadable:
        return None
    return int(stated) if stated >= 1 and stated == int(stated) else None


def _number(value: Any, below: int, otherwise: int) -> str:
    """A number as it is stated, as plain text; another one where it is none, or out of bounds."""
    try:
        return f"{parsing.number({'stated': value}, 'stated', below):f}"
    except Unreadable:
        return str(otherwise)


MARKET_PAGES_MAX = 20
"""Pages of one list of markets; what is asked for are some hundred at most."""


class MarketListClient(PublicClient):
    """Asks for lists of markets, and follows none that has no end."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: WeakKeyDictionary[asyncio.Task[Any], set[str]] = WeakKeyDictionary()
        """Cursors of the list that a task reads."""

    async def get(self, url: str, params: dict[str, Any] | None = None, **options: Any) -> Answer:
        """Ask for an address.

        Raises
        ------
        ListTooLong
            If it is a further page of a list that goes round, or on and on.
        httpx.RequestError
            If there is no whole answer in time, or it is too large.
        """
        cursor, task = (params or {}).get("after_cursor"), asyncio.current_task()
        assert task is not None
        if cursor is None:
            self._seen.pop(task, None)
        else:
            seen = self._seen.setdefault(task, set())
            if cursor in seen or len(seen) >= MARKET_PAGES_MAX:
                raise ListTooLong(f"the list of markets has no end after {len(seen)} pages")
            seen.add(cursor)
        return await super().get(url, params, **options)


def _fee_schedule(told: Any) -> dict[str, Any] | None:
    """Gamma's form of the order book's short description of a fee."""
    if not isinstance(told, dict) or "r" not in told:
        return None
    return {"rate": told["r"], "exponent": told.get("e", 1), "takerOnly": told.get("to", True)}


class HardenedProvider(PolymarketInstrumentProvider):
    """Loads markets with what they cost, or not at all."""

    def _load_instrument(
        self, market_info: dict[str, Any], token_id: str, outcome: str
    ) -> BinaryOption:
        """Defects: a market that states no end is taken to end in ten years, one that ends in the
        year 1 or 9999 is an error; any tick, fee and minimum is believed. Can go when the adapter
        tells that no end is known, and refuses such numbers.

        Raises
        ------
        ImpossibleTick
            If no market can have its tick.
        """
        tick = tick_of(market_info.get("minimum_tick_size"))
        market_info = _sound(market_info)
        sound = market_info | {"end_date_iso": None, "minimum_tick_size": f"{tick:f}"}
        now = self._clock.timestamp_ns()
        name = (clean(outcome).strip() if isinstance(outcome, str) else "") or token_id
        values = BinaryOption.to_dict(parse_polymarket_instrument(sound, token_id, name, now))
        end = end_of(market_info.get("end_date_iso"))
        instrument = BinaryOption.from_dict(values | {"expiration_ns": end, "info": market_info})
        self.add(instrument)
        return instrument

    async def load_positions(self, market: GammaMarket) -> None:
        """Load both outcomes of a market of Protocol V2.

        Whether the order book's long description knows such a market is not documented; its short
        one does, and its tick is never stale.

        Raises ValueError if what is told of it does not agree.
        """
        told = await self._short(market.condition_id)
        tokens = {str(t["t"]) for t in told["t"]}
        fee = _fee_schedule(told.get("fd")) or market.fee
        if told.get("v", Protocol.V2) != Protocol.V2 or tokens != {
            o.token_id for o in market.outcomes
        }:
            raise ValueError(f"the order book tells another version or outcomes of {market.slug}")
        if fee is None:
            return  # a market of which the fee is not told is not traded
        info = {
            "condition_id": market.condition_id,
            "question": market.question,
            "market_slug": market.slug,
            "minimum_tick_size": told["mts"],
            "minimum_order_size": told.get("mos"),
            "end_date_iso": market.ends_at,
            "neg_risk": bool(told.get("nr")),
            "feeSchedule": fee,
            "taker_delay": told.get("itode") is True,
            "version": str(Protocol.V2),
        }
        for outcome in market.outcomes:
            self._load_instrument(info, outcome.token_id, outcome.name)

    async def _enrich_with_gamma_fee_schedules(self, market_infos: list[dict[str, Any]]) -> None:
        """Defect: where Gamma does not answer, a market is taken to be free of fees, for as long as
        the node runs. Can go when the adapter lets the load fail.
        """
        schedules = await fetch_fee_schedules(
            http_client=self._http_client,
            condition_ids=[market["condition_id"] for market in market_infos],
        )
        for market in market_infos:
            if market["condition_id"] in schedules:
                market["feeSchedule"] = schedules[market["condition_id"]]
        await self._enrich_with_short_descriptions(market_infos)

    async def _enrich_with_short_descriptions(self, market_infos: list[dict[str, Any]]) -> None:
        """Take the tick, which is stale at times in the long descriptions, and whether the venue
        holds what takes, which they do not tell. A start does not wait long for either."""
        asked = [asyncio.create_task(self._short(m["condition_id"])) for m in market_infos]
        if not asked:
            return
        await asyncio.wait(asked, timeout=_SHORT_SECONDS)
        for market, task in zip(market_infos, asked, strict=True):
            if not task.done() or task.exception() is not None:
                task.cancel()
                continue
            told = task.result()
            if told.get("c") != market["condition_id"]:
                continue
            market["taker_delay"] = told.get("itode") is True
            with contextlib.suppress(ImpossibleTick):
                market["minimum_tick_size"] = f"{tick_of(told.get('mts')):f}"

    async def _short(self, condition_id: str) -> dict[str, Any]:
        """The order book's short description of a market; {} where it makes no sense."""
        address = f"{self._client.host}/clob-markets/{condition_id}"
        told = await asyncio.to_thread(self._client._get, address)
        return told if isinstance(told, dict) else {}
