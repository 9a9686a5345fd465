"""Descriptions of markets as the venue gives them, in our own words.

Gamma's and the CLOB's are understood, alone, in lists, in pages and in events. What is not stated
is never made up: a fee, a tick or a minimum that is missing is named.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from positions.model.durations import SECOND
from positions.model.foreign_text import clean
from recordings.reading.values import RecordingError

if TYPE_CHECKING:
    from venues.polymarket.api.gamma import GammaMarket

Market = dict[str, Any]
_YEARS = (2020, 2090)
"""An end outside of these is none: years 1 and 9999 stand for not known."""
_DEPTH_MAX = 3


class MissingField(ValueError):
    """A description lacks what cannot be guessed: the field, and where else it stands."""


def listed(value: Any, depth: int = 0) -> list[Any]:
    """The descriptions of a JSON value: one, a list, a page, or events with markets."""
    if isinstance(value, list):
        return [m for item in value for m in _inside(item, depth)]
    return _inside(value, depth) if isinstance(value, dict) else []


def _inside(value: Any, depth: int) -> list[Any]:
    if isinstance(value, dict) and depth < _DEPTH_MAX:
        for name in ("data", "markets", "events", "market"):
            inner = value.get(name)
            if isinstance(inner, list | dict) and "tokens" not in value:
                return listed(inner, depth + 1)
    return [value] if value != {} else []


def ours(value: Market) -> Market:
    """A description in our words.

    Raises MissingField if it is one of the venue's that does not say enough.
    """
    if "clobTokenIds" in value or "conditionId" in value:
        return _of_gamma(value)
    is_clob = {"minimum_tick_size", "market_slug", "minimum_order_size"} & value.keys()
    return _of_clob(value) if is_clob and "min_order_size" not in value else value


def described(market: "GammaMarket") -> Market:
    """A market that Gamma told of, in our words."""
    missing = [
        name
        for name, known in {
            "orderPriceMinTickSize": market.tick,
            "orderMinSize": market.minimum_size,
            "feeSchedule": market.fee,
        }.items()
        if known is None
    ]
    if missing or market.fee is None:
        raise MissingField(f"{missing[0]} is missing, must be stated")
    told = {
        "slug": market.slug,
        "question": market.question or market.slug,
        "condition_id": market.condition_id,
        "min_order_size": str(market.minimum_size),
        "fee_rate": str(market.fee.get("rate")),
        "end_ts_ns": _time(market.ends_at),
        "tokens": [
            {
                "token_id": o.token_id,
                "outcome": o.name,
                "tick_size": str(market.tick),
                "settlement_price_inferred": None if o.payout is None else str(o.payout),
            }
            for o in market.outcomes
        ],
    }
    return told | _exponent(market.fee)


def _exponent(schedule: Mapping[str, Any]) -> Market:
    exponent = schedule.get("exponent", 1)
    return {} if exponent == 1 else {"fee_exponent": exponent}


def _of_gamma(value: Market) -> Market:
    for name in ("conditionId", "slug", "outcomes", "clobTokenIds"):
        if not value.get(name) and not (name == "clobTokenIds" and value.get("positionIds")):
            raise MissingField(f"{name} is missing, must be stated")
    if value.get("feeSchedule") is None and value.get("feesEnabled") is False:
        value = value | {"feeSchedule": {"rate": 0, "exponent": 1}}
    if isinstance(value.get("feeSchedule"), dict) and value["feeSchedule"].get("rate") is None:
        raise MissingField("the rate of feeSchedule is missing, must be stated")
    from venues.polymarket.api import gamma  # with which httpx is loaded

    try:
        market = gamma.read(value)
    except gamma.UnknownProtocol as e:
        raise MissingField(str(e)) from None
    if market is None:
        rule = "must have a name for each of the token ids"
        raise MissingField(f"outcomes was {clean(value.get('outcomes'), 80)}, {rule}")
    told = described(market)
    flags = {"neg_risk": bool(value.get("negRisk"))}
    if value.get("secondsDelay") or value.get("takerDelay"):
        flags["taker_delay"] = True
    return told | flags | {"start_ts_ns": _time(value.get("startDate"))}


def _of_clob(value: Market) -> Market:
    def needed(name: str, *others: str) -> Any:
        stated = next((value[n] for n in (name, *others) if value.get(n) is not None), None)
        if stated is None:
            raise MissingField(f"{name} is missing, must be stated")
        return stated

    tokens = needed("tokens")
    is_list = isinstance(tokens, list) and all(isinstance(t, dict) for t in tokens)
    if not is_list:
        raise MissingField("tokens must be a list of objects")
    tick = needed("minimum_tick_size")
    is_paid = value.get("closed") and any(t.get("winner") is True for t in tokens)
    told: Market = {
        "slug": needed("market_slug", "slug", "condition_id"),
        "question": value.get("question") or value.get("market_slug"),
        "condition_id": needed("condition_id"),
        "min_order_size": str(needed("minimum_order_size")),
        "start_ts_ns": _time(value.get("game_start_time")),
        "end_ts_ns": _time(value.get("end_date_iso")),
        "neg_risk": bool(value.get("neg_risk")),
        "tokens": [
            {
                "token_id": t.get("token_id"),
                "outcome": t.get("outcome"),
                "tick_size": str(tick),
                "settlement_price_inferred": str(int(bool(t.get("winner")))) if is_paid else None,
            }
            for t in tokens
        ],
    }
    if value.get("seconds_delay"):
        told["taker_delay"] = True
    return told | _clob_fee(value)


def _clob_fee(value: Market) -> Market:
    """The fee: as it is stated, or else none at all where its base is 0. A base above 0 says that
    there is a fee and not how much of it is taken at a price."""
    schedule = value.get("feeSchedule")
    if isinstance(schedule, dict) and schedule.get("rate") is not None:
        return {"fee_rate": str(schedule["rate"])} | _exponent(schedule)
    if value.get("fee_rate") is not None:
        return {"fee_rate": str(value["fee_rate"])}
    if value.get("taker_base_fee") == 0:
        return {"fee_rate": "0"}
    rule = "must be stated as fee_rate, or in Gamma's feeSchedule of the same market"
    raise MissingField(f"feeSchedule is missing, {rule}")


def _time(value: Any) -> int | None:
    """A time of the venue's in nanoseconds; None where it states nothing that can be."""
    try:
        moment = datetime.fromisoformat(str(value).replace(" UTC", "+00:00"))
    except ValueError:
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    is_of_our_days = _YEARS[0] <= moment.year < _YEARS[1]
    return int(moment.timestamp()) * SECOND if is_of_our_days else None


# -- a file of markets -----------------------------------------------------------------------------


async def of_venue(address: str, text: str) -> tuple[list[Market], list[str]]:
    """The market of a name, closed or not, or the open ones that Gamma finds for a text; and, of
    each that does not state enough, why.

    Raises GammaError if Gamma does not answer.
    """
    from venues.polymarket.api.gamma import Gamma

    client = Gamma(address)
    try:
        named = await client.find(text) if " " not in text.strip() else None
        found = [named] if named is not None else await client.search(text)
    finally:
        await client.close()
    markets, missing = [], []
    for market in found:
        try:
            markets.append(described(market))
        except MissingField as e:
            missing.append(f"{market.slug}: {e}")
    return markets, missing


def of_node(rows: Iterable[Mapping[str, Any]]) -> list[Market]:
    """The markets of the outcomes that a node publishes."""
    markets: dict[str, Market] = {}
    for row in rows:
        market = markets.setdefault(
            row["market_id"],
            {
                "slug": row["slug"],
                "question": row.get("question") or row["slug"],
                "condition_id": row["market_id"],
                "min_order_size": str(row["minimum_size"]),
                "fee_rate": str(row["fee_rate"]),
                "tokens": [],
            },
        )
        payout = row["payout"]
        token = {"token_id": row["outcome_id"], "outcome": row["outcome"]}
        token |= {"tick_size": str(row["tick"])}
        token |= {"settlement_price_inferred": None if payout is None else str(payout)}
        market["tokens"].append(token)
    return list(markets.values())


def write(path: Path, markets: Sequence[Market]) -> None:
    """Write a file of markets that `catalog import` reads.

    Raises RecordingError if it cannot be written, or exists.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(json.dumps(markets, indent=1) + "\n")
    except FileExistsError:
        raise RecordingError(f"{path}: exists already, must be a new file") from None
    except OSError as e:
        raise RecordingError(f"{path}: cannot be written: {e.strerror}") from None
