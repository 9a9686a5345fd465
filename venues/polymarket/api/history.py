"""What Polymarket's public interfaces tell of the past: trades page by page, and prices.

Foreign data: each field is checked, and a row that makes no sense is left out. Trades are told some
minutes late, in whole seconds; prices are those of trades, or the middle of the book, and never a
bid or an ask.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import httpx
from msgspec import Struct

from positions.commands.market_names import condition_id_of
from positions.model.errors import VenueFailure
from positions.model.foreign_text import REASON_LENGTH, clean
from venues.polymarket.api import parsing
from venues.polymarket.api.bounded_http import Answer, PublicClient
from venues.polymarket.api.data_api import rows_of
from venues.polymarket.api.parsing import Unreadable

PAGE = 1000
"""Trades of a page, the most that the venue gives."""
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before a page is asked for again."""
_TIMES = (1_500_000_000, 4_102_444_800)
_SIZE_MAX = 10**10
_POINTS = 10_000
_HASH = re.compile(r"0x[0-9a-fA-F]{1,64}")
_TOO_MANY = 429
_SERVER_ERRORS = 500


class HistoryError(VenueFailure, RuntimeError):
    """The venue does not tell of the past now; `is_refused` = asking again does not help."""

    def __init__(self, text: str, *, is_refused: bool = False) -> None:
        super().__init__(text)
        self.is_refused = is_refused


class PastTrade(Struct, frozen=True, array_like=True):
    """What changed hands; `at` in seconds, `side` of who took."""

    token_id: str
    side: str
    price: Decimal
    size: Decimal
    at: int
    transaction_hash: str


class Page(Struct, frozen=True):
    """One page of trades, newest first.

    Parameters
    ----------
    trades
        What could be read.
    left_out
        How many rows could not.
    cursor
        Of the next page; "" after the last one.
    """

    trades: list[PastTrade]
    left_out: int
    cursor: str


class Point(Struct, frozen=True):
    """A price at a time, in seconds."""

    at: int
    price: Decimal


class History:
    """Asks for the past of markets.

    Parameters
    ----------
    data, clob
        The addresses of the Data API and of the order book.
    pauses
        Seconds before each further try where the venue has no time now.
    """

    def __init__(self, data: str, clob: str, pauses: tuple[float, ...] | None = None) -> None:
        self._data, self._clob = data, clob
        self._pauses = PAUSES if pauses is None else pauses
        self._client = PublicClient()

    async def close(self) -> None:
        """Give the connections up."""
        await self._client.close()

    async def trades(self, condition_id: str, start: int, end: int, cursor: str = "") -> Page:
        """A page of a market's trades, from `start` to before `end` in seconds.

        Raises HistoryError if the venue does not tell them.
        """
        query = {"condition": condition_id, "start": start, "end": end, "limit": PAGE}
        if cursor:  # with the same filters, or it is another list
            query["cursor"] = cursor
        reply = await self._ask(f"{self._data}/v2/trades", query)
        if not isinstance(reply, dict) or not isinstance(reply.get("data"), list):
            raise HistoryError("the Data API tells no list of trades")
        rows = [_trade(row, condition_id) for row in reply["data"]]
        trades = [t for t in rows if t is not None]
        return Page(trades, len(rows) - len(trades), _next_cursor(reply))

    async def prices(self, token_id: str, start: int, end: int, bucket: int) -> list[Point]:
        """An outcome's prices from `start` to before `end`, about one each `bucket` seconds, oldest
        first; of the order book's own history where the Data API has none.

        Raises HistoryError if neither tells them.
        """
        query = {"token_id": token_id, "start": start, "end": end, "bucket_seconds": bucket}
        try:
            found = await self._points(query)
        except HistoryError:
            found = []
        if not found:
            old = {
                "market": token_id,
                "startTs": start,
                "endTs": end,
                "fidelity": max(bucket // 60, 1),
            }
            reply = await self._ask(f"{self._clob}/prices-history", old)
            listed = reply.get("history") if isinstance(reply, dict) else None
            found = [_point(row, "t", "p") for row in rows_of(listed)]
        points = {p.at: p for p in found if p is not None and start <= p.at < end}
        return [points[at] for at in sorted(points)]

    async def _points(self, query: dict[str, Any]) -> list[Point | None]:
        found: list[Point | None] = []
        cursors = {""}
        while True:
            reply = await self._ask(f"{self._data}/v2/prices-history", query | {"limit": _POINTS})
            found += [_point(row, "timestamp", "price") for row in rows_of(reply)]
            cursor = _next_cursor(reply)
            if cursor in cursors:  # there is none, or they go round
                return found
            cursors.add(cursor)
            query = query | {"cursor": cursor}

    async def _ask(self, url: str, query: dict[str, Any]) -> Any:
        """What is told there; asked for again where the venue has no time now."""
        for pause in (*self._pauses, None):
            try:
                answer = await self._client.get(url, query)
                if answer.status == httpx.codes.OK:
                    return json.loads(answer.body, parse_float=Decimal)
                error = _refusal(answer)
            except (httpx.HTTPError, ValueError, RecursionError) as e:
                error = HistoryError(f"no answer: {clean(str(e) or type(e).__name__, 200)}")
            if error.is_refused or pause is None:
                raise error
            await asyncio.sleep(pause)
        raise AssertionError("the last try raises")


def _refusal(answer: Answer) -> HistoryError:
    """What the venue says instead."""
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):
        said = None
    told: Mapping[str, Any] = said if isinstance(said, dict) else {}
    text = clean(str(told.get("error") or ""), REASON_LENGTH)
    may_pass = answer.status == _TOO_MANY or answer.status >= _SERVER_ERRORS
    return HistoryError(
        f"status {answer.status}{': ' if text else ''}{text}",
        is_refused=not may_pass or told.get("retryable") is False,
    )


def _next_cursor(reply: Any) -> str:
    pagination = reply.get("pagination") if isinstance(reply, dict) else None
    cursor = pagination.get("next_cursor") if isinstance(pagination, dict) else None
    return "" if cursor is None else str(cursor)


def _trade(row: Any, condition_id: str) -> PastTrade | None:
    """A trade of the market; None where the row makes no sense."""
    try:
        if condition_id_of(str(row.get("condition_id") or condition_id)) != condition_id:
            return None
        price = round(parsing.number(row, "price", 2), 6)
        size = round(parsing.number(row, "size", _SIZE_MAX), 6)
        at = _time(row, "timestamp")
    except (Unreadable, AttributeError):
        return None
    side, token_id = str(row.get("side")).upper(), str(row.get("token_id"))
    if not 0 < price <= 1 or not size or not (token_id.isascii() and token_id.isdigit()):
        return None
    named = str(row.get("transaction_hash") or "")
    return PastTrade(token_id, side, price, size, at, named if _HASH.fullmatch(named) else "")


def _point(row: Mapping[str, Any], at: str, price: str) -> Point | None:
    try:
        point = Point(_time(row, at), parsing.number(row, price, 2))
    except Unreadable:
        return None
    return point if point.price <= 1 else None


def _time(row: Mapping[str, Any], name: str) -> int:
    at = int(parsing.number(row, name, _TIMES[1]))
    if at < _TIMES[0]:
        raise Unreadable(f"{name} was {at}, must be a time in seconds")
    return at
