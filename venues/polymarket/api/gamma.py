"""Polymarket's own description of its markets: slugs, rules, and what resolved ones paid.

Read from the Gamma interface, which is public. Foreign data: each field is checked, and a market
that makes no sense is left out.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from msgspec import Struct

from positions.commands.market_names import (
    SeveralMarkets,
    condition_id_of,
    is_condition_id,
    is_token_id,
    market_name,
)
from positions.model.errors import VenueFailure
from positions.model.foreign_text import clean
from positions.model.formatting import plain
from venues.polymarket.api.bounded_http import PublicClient
from venues.polymarket.api.protocol import (
    Protocol,
    protocol_of,
    protocol_of_condition,
)

_BATCH = 50
_CHOICES_MAX = 50
_IDS = {Protocol.V1: "clobTokenIds", Protocol.V2: "positionIds"}
"""Which ids of a market are traded. Many have both, and a book for one kind alone."""
_RESOLVED = {Protocol.V1: "umaResolutionStatus", Protocol.V2: "resolutionStatus"}


class GammaError(VenueFailure, RuntimeError):
    """The description of the markets cannot be read now."""


class UnknownProtocol(VenueFailure, RuntimeError):
    """A market does not say which protocol it is of, or of one that is not known here."""


class Outcome(Struct, frozen=True):
    """One side of a market. `payout` in USDC per share, None before the resolution."""

    token_id: str
    name: str
    payout: Decimal | None = None


class GammaMarket(Struct, frozen=True):
    """One market as Gamma describes it. Prices in USDC per share, sizes in shares."""

    condition_id: str
    slug: str
    question: str
    outcomes: tuple[Outcome, ...]
    is_open: bool
    best_bid: Decimal | None
    best_ask: Decimal | None
    tick: Decimal | None
    minimum_size: Decimal | None
    volume: Decimal | None
    ends_at: str
    protocol: Protocol = Protocol.V1
    prices: tuple[Decimal | None, ...] = ()
    """What a share of each outcome costs about, as Gamma states it; empty if it states none."""
    fee: Mapping[str, Any] | None = None
    """Its fee schedule, as Gamma states it; None if it states none."""


def parse(values: Mapping[str, Any]) -> GammaMarket | None:
    """A market from Gamma's JSON; None where it makes no sense, or is of no protocol known here."""
    try:
        return read(values)
    except UnknownProtocol:
        return None


def read(values: Mapping[str, Any]) -> GammaMarket | None:
    """A market from Gamma's JSON; None where it makes no sense.

    Raises UnknownProtocol if it must not be traded for what its version, or the lack of one, says.
    """
    condition_id = values.get("conditionId")
    if not isinstance(condition_id, str) or not condition_id:
        return None
    condition_id = condition_id_of(condition_id)
    protocol = _protocol(values, condition_id)
    names, tokens = _texts(values.get("outcomes")), _texts(values.get(_IDS[protocol]))
    if not tokens or len(names) != len(tokens) or not all(tokens):
        return None
    if any(protocol_of(token) is not protocol for token in tokens):
        raise UnknownProtocol(f"{_named(values)} has ids of another protocol than its {protocol}")
    payouts = _payouts(values, len(tokens), protocol)
    fee = values.get("feeSchedule")
    return GammaMarket(
        condition_id=condition_id,
        protocol=protocol,
        prices=tuple(_number(p) for p in _texts(values.get("outcomePrices"))[: len(tokens)]),
        fee=fee if isinstance(fee, dict) else None,
        slug=clean(values.get("slug") or ""),
        question=clean(values.get("question") or ""),
        outcomes=tuple(
            Outcome(token, clean(name), payout)
            for token, name, payout in zip(tokens, names, payouts, strict=True)
        ),
        is_open=bool(values.get("acceptingOrders")) and not values.get("closed"),
        best_bid=_number(values.get("bestBid")),
        best_ask=_number(values.get("bestAsk")),
        tick=_number(values.get("orderPriceMinTickSize")),
        minimum_size=_number(values.get("orderMinSize")),
        volume=_number(values.get("volume")),
        ends_at=str(values.get("endDate") or ""),
    )


def _protocol(values: Mapping[str, Any], condition_id: str) -> Protocol:
    """What a market's version says; never which of the ids are there."""
    version = values.get("version")
    is_old = version is None and not values.get("positionIds")
    if is_old and protocol_of_condition(condition_id) is Protocol.V1:
        return Protocol.V1  # told by an interface of before there were two protocols
    try:
        return Protocol(str(version))
    except ValueError:
        told = "missing" if version is None else clean(repr(version), 40)
        rule = f"must be one of {', '.join(Protocol)}: not traded"
        raise UnknownProtocol(f"the version of {_named(values)} was {told}, {rule}") from None


def _named(values: Mapping[str, Any]) -> str:
    return f"market {clean(values.get('slug') or values.get('conditionId') or '', 80)}"


def _payouts(values: Mapping[str, Any], count: int, protocol: Protocol) -> list[Decimal | None]:
    """What each outcome pays. Only a closed market whose oracle has spoken is resolved: before that
    its `outcomePrices` are the last prices, which may well be 0 or 1."""
    is_resolved = values.get("closed") and values.get(_RESOLVED[protocol]) == "resolved"
    prices = [_number(p) for p in _texts(values.get("outcomePrices"))]
    if not is_resolved or len(prices) != count or any(p is None or p > 1 for p in prices):
        return [None] * count
    return prices if sum(p for p in prices if p is not None) == 1 else [None] * count


def _is_named(values: Mapping[str, Any], wanted: str) -> bool:
    """Whether a description is that of the market that was asked for."""
    ids = [*_texts(values.get("clobTokenIds")), *_texts(values.get("positionIds"))]
    slug = str(values.get("slug") or "").lower()
    return wanted in (slug, condition_id_of(str(values.get("conditionId"))), *ids)


def _prices(market: GammaMarket) -> str:
    """The outcomes of a market with what a share of each costs about."""
    prices = market.prices or (None,) * len(market.outcomes)
    return ", ".join(
        o.name if price is None else f"{o.name} {plain(price)}"
        for o, price in zip(market.outcomes, prices, strict=False)
    )


def _texts(value: Any) -> list[str]:
    """A list of texts, which Gamma writes as JSON inside of JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return []
    return [str(v) for v in value] if isinstance(value, list) else []


def _objects(value: Any) -> list[dict[str, Any]]:
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def _number(value: Any) -> Decimal | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and number >= 0 else None


def _queries(wanted: str) -> Iterator[dict[str, str]]:
    """What to ask for a market: closed ones are left out unless asked for, and whether an id of
    Protocol V2 is wanted with 62 or 64 digits is not documented."""
    key = "condition_ids" if is_condition_id(wanted) else "slug"
    key = "clob_token_ids" if is_token_id(wanted) else key
    forms = [wanted]
    if protocol_of_condition(wanted) is Protocol.V2:
        forms.append(wanted.removesuffix("00"))
    for closed in ("false", "true"):
        for form in forms:
            yield {key: form, "closed": closed}


class Gamma:
    """The public interface."""

    def __init__(self, address: str) -> None:
        self._client = PublicClient(address)

    async def close(self) -> None:
        """Give the connections up."""
        await self._client.close()

    async def find(self, name: str) -> GammaMarket | None:
        """The market of a slug, a condition id, a token id or a polymarket.com address.

        Raises GammaError if Gamma does not answer, or the market is of no protocol known here, and
        SeveralMarkets if an event of several is named.
        """
        wanted = market_name(name)
        problem: GammaError | None = None
        for query in _queries(wanted):
            try:
                listed = await self._list(query)
            except GammaError as e:  # it may take an id of another width
                problem = e
                continue
            for values in listed:
                if not _is_named(values, wanted):
                    continue
                market = read(values)
                if market is not None:
                    return market
        if problem is not None:
            raise problem
        return await self._of_event(name, wanted)

    async def _of_event(self, name: str, slug: str) -> GammaMarket | None:
        """The one open market of an event. Raises SeveralMarkets if there are more."""
        found = await self._in_event(slug)
        if len(found) > 1:
            raise SeveralMarkets(name, tuple((m.slug, _prices(m)) for m in found[:_CHOICES_MAX]))
        return found[0] if found else None

    async def _in_event(self, slug: str) -> list[GammaMarket]:
        """The open markets of an event."""
        if is_condition_id(slug) or is_token_id(slug):
            return []
        reply = await self._get("/events", {"slug": slug, "limit": "1"})
        return [
            market
            for event in _objects(reply)
            if event.get("slug") == slug
            for market in map(parse, _objects(event.get("markets")))
            if market is not None and market.is_open
        ]

    async def named(self, name: str) -> list[GammaMarket]:
        """The markets that an address, a slug or an id names: one, or all open ones of an event."""
        try:
            found = await self.find(name)
        except SeveralMarkets:
            return await self._in_event(market_name(name))
        return [] if found is None else [found]

    async def search(self, text: str, limit: int = 20) -> list[GammaMarket]:
        """The open markets that Gamma finds for a text, in its order."""
        reply = await self._get("/public-search", {"q": text, "limit_per_type": str(limit)})
        events = reply.get("events") if isinstance(reply, dict) else None
        found = [
            parse(values) for event in _objects(events) for values in _objects(event.get("markets"))
        ]
        return [m for m in found if m is not None and m.is_open][:limit]

    async def payouts(self, condition_ids: Iterable[str]) -> dict[str, Decimal]:
        """What the outcomes of the resolved ones among these markets pay, by token id."""
        wanted, paid = list(condition_ids), {}
        for start in range(0, len(wanted), _BATCH):
            batch = wanted[start : start + _BATCH]
            for values in await self._list({"condition_ids": batch, "closed": "true"}):
                market = parse(values)
                for outcome in market.outcomes if market is not None else ():
                    if outcome.payout is not None:
                        paid[outcome.token_id] = outcome.payout
        return paid

    async def _list(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        reply = await self._get("/markets", query | {"limit": str(_BATCH)})
        return _objects(reply)

    async def _get(self, path: str, query: dict[str, Any]) -> Any:
        def failed(why: str) -> GammaError:
            return GammaError(f"Gamma does not answer: {why}")

        return await self._client.get_json(path, query, failed)


async def search_rows(address: str, text: str) -> list[dict[str, Any]]:
    """The outcomes of the markets that a text names, or else of the open ones found for it, in the
    form in which a node publishes its own, with price, end and volume beside. Only the first
    outcome's bid and ask are given: the other has a book of its own.

    Raises GammaError if Gamma does not answer.
    """
    gamma = Gamma(address)
    try:
        is_name = " " not in text.strip()
        found = (await gamma.named(text) if is_name else []) or await gamma.search(text)
    finally:
        await gamma.close()
    return [_row(m, number) for m in found for number in range(len(m.outcomes))]


def _row(market: GammaMarket, number: int) -> dict[str, Any]:
    is_first = number == 0
    return {
        "market_id": market.condition_id,
        "slug": market.slug,
        "question": market.question,
        "outcome_id": market.outcomes[number].token_id,
        "outcome": market.outcomes[number].name,
        "bid": _offered(market.best_bid) if is_first else None,
        "bid_size": None,
        "ask": _offered(market.best_ask) if is_first else None,
        "ask_size": None,
        "tick": market.tick,
        "minimum_size": market.minimum_size,
        "fee_rate": None,
        "quoted_at": None,
        "payout": None,
        "price": market.prices[number] if number < len(market.prices) else None,
        "ends_at": market.ends_at,
        "volume": market.volume,
    }


def _offered(price: Decimal | None) -> Decimal | None:
    """A price somebody offers: of an empty side Gamma gives 0 or 1."""
    return price if price is not None and 0 < price < 1 else None
