"""What Polymarket's Data API tells of markets of Protocol V2: what resolved ones pay.

Foreign data: each field is checked, and what makes no sense is left out.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from positions.commands.market_names import condition_id_of, is_token_id
from positions.model.errors import VenueFailure
from positions.model.foreign_text import clean
from venues.polymarket.api.bounded_http import PublicClient
from venues.polymarket.api.parsing import Unreadable, number, text
from venues.polymarket.api.protocol import position_ids

_MILLION = 10**6
_PAGE = 100
_PAGES_MAX = 20
_SHARES_MAX = 10**12
_PAYING_MAX = 30


class DataApiError(VenueFailure, RuntimeError):
    """The Data API does not answer now."""


class DataApi:
    """The public interface.

    Parameters
    ----------
    address
        Such as "https://data-api.polymarket.com".
    """

    def __init__(self, address: str) -> None:
        self._client = PublicClient(address)

    async def close(self) -> None:
        """Give the connections up."""
        await self._client.close()

    async def payouts(self, condition_ids: Iterable[str]) -> dict[str, Decimal]:
        """What the outcomes of the resolved ones among these markets of Protocol V2 pay, by id.

        Raises DataApiError if it does not answer.
        """
        paid: dict[str, Decimal] = {}
        problem: DataApiError | None = None
        for condition_id in condition_ids:  # how several are asked for at once is not documented
            try:
                reply = await self._get("/v2/resolutions", {"condition": condition_id})
            except DataApiError as e:
                problem = e
                continue
            for row in rows_of(reply):
                if condition_id_of(str(row.get("condition_id"))) == condition_id:
                    paid |= dict(zip(position_ids(condition_id), payouts_of(row), strict=False))
        if problem is not None and not paid:
            raise problem
        return paid

    async def holdings(self, address: str) -> list[dict[str, Any]]:
        """What a wallet holds of markets that are not resolved, the most shares first.

        Rows have `market`, `market_id`, `outcome`, `outcome_id`, `shares`, `cost` and `price`, the
        last two in USDC per share. Raises DataApiError if it does not answer.
        """
        found: list[dict[str, Any]] = []
        for page in range(_PAGES_MAX):
            query = {"user": address, "sizeThreshold": "0", "limit": str(_PAGE)}
            rows = rows_of(await self._get("/positions", query | {"offset": str(page * _PAGE)}))
            found += [h for row in rows if (h := _holding(row)) is not None]
            if len(rows) < _PAGE:
                break
        return found

    async def paying(self, address: str) -> dict[str, Decimal]:
        """What a share pays, in USDC, of each outcome that a wallet can redeem, by id: of the 30
        whose shares are worth most. Raises DataApiError if it does not answer.
        """
        query = {"user": address, "status": "REDEEMABLE", "filter_amount": "0", "limit": str(_PAGE)}
        found: dict[str, tuple[Decimal, Decimal]] = {}
        for _ in range(_PAGES_MAX):
            reply = await self._get("/v2/positions", query)
            found |= {p[0]: p[1:] for row in rows_of(reply) if (p := _paying(row)) is not None}
            pages = reply.get("pagination") if isinstance(reply, dict) else None
            cursor = pages.get("next_cursor") if isinstance(pages, dict) else None
            if not cursor:
                break
            query["cursor"] = str(cursor)
        most = sorted(found, key=lambda token: found[token], reverse=True)[:_PAYING_MAX]
        return {token: found[token][1] for token in most}

    async def _get(self, path: str, query: dict[str, Any]) -> Any:
        def failed(why: str) -> DataApiError:
            return DataApiError(f"the Data API does not answer: {why}")

        return await self._client.get_json(path, query, failed)


async def holdings_of(address: str, wallet: str) -> list[dict[str, Any]]:
    """What a wallet holds, asked once; see `DataApi.holdings`."""
    api = DataApi(address)
    try:
        return await api.holdings(wallet)
    finally:
        await api.close()


def _holding(row: dict[str, Any]) -> dict[str, Any] | None:
    """One holding that can be sold; None of what is resolved, or makes no sense."""
    if row.get("redeemable"):
        return None
    try:
        shares = number(row, "size", _SHARES_MAX)
        cost, price = number(row, "avgPrice", 2), number(row, "curPrice", 2)
        token, slug, outcome = (text(row, name) for name in ("asset", "slug", "outcome"))
        market_id = condition_id_of(text(row, "conditionId"))
    except Unreadable:
        return None
    known = {"market": clean(slug), "market_id": market_id, "outcome": clean(outcome)}
    amounts = {"shares": shares, "cost": cost, "price": price}
    return {**known, "outcome_id": token, **amounts} if shares > 0 else None


def _paying(row: dict[str, Any]) -> tuple[str, Decimal, Decimal] | None:
    """An outcome's id, what the wallet's shares of it pay, and one share; None where none does."""
    try:
        token, shares = text(row, "token_id"), number(row, "current_size", _SHARES_MAX)
        payout = number(row, "current_price", 2)
    except Unreadable:
        return None
    is_sound = is_token_id(token) and row.get("redeemable") is True and 0 < payout <= 1
    return (token, shares * payout, payout) if is_sound else None


def rows_of(reply: Any) -> list[dict[str, Any]]:
    """The objects of a reply, whether it is a list or has one."""
    rows = reply.get("data") if isinstance(reply, dict) else reply
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def payouts_of(row: dict[str, Any]) -> tuple[Decimal, ...]:
    """What both outcomes of a resolved market pay, in USDC per share; () for any other."""
    if row.get("status") != "resolved":
        return ()
    told = row.get("payouts")
    if not isinstance(told, list) or len(told) != 2:
        return ()
    if not all(isinstance(p, int) and not isinstance(p, bool) and p >= 0 for p in told):
        return ()
    return tuple(Decimal(p) / _MILLION for p in told) if sum(told) == _MILLION else ()
