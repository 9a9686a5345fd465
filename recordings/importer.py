"""Turns a recording of best bids and asks into a Nautilus catalog, exactly.

A recording is a table (see `tables`) and a JSON list of its markets.
Every price is written with four decimals, which hold every tick of the venue: a catalog whose
precision changes with the tick is read back wrongly, without a word.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import tzinfo
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from nautilus_trader.core.data import Data
from nautilus_trader.model.currencies import pUSD
from nautilus_trader.model.data import InstrumentClose, QuoteTick
from nautilus_trader.model.enums import AssetClass, InstrumentCloseType
from nautilus_trader.model.identifiers import InstrumentId, Symbol
from nautilus_trader.model.instruments import BinaryOption
from nautilus_trader.model.objects import FIXED_PRECISION, Price, Quantity
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from bridge.conversion import fee_schedule
from bridge.one_sided_book import OneSidedBook
from bridge.venue import VENUE
from positions.model.durations import SECOND
from recordings import tables
from recordings.market_list import read_markets
from recordings.reading.rows import Tick
from recordings.reading.values import PRICE_DECIMALS, SIZE_DECIMALS, RecordingError
from recordings.tables import BestPrices

ABOUT = "recording.json"
"""The file beside a catalog's data that says where it comes from."""
_FAR = 4_102_444_800 * SECOND


class Token(NamedTuple):
    """One outcome of a recorded market."""

    market: dict[str, Any]
    token: dict[str, Any]
    instrument_id: InstrumentId


class Summary(NamedTuple):
    """What was imported; times in nanoseconds."""

    markets: int
    tokens: int
    quotes: int
    one_sided: int
    settled: int
    left_out: int
    with_sizes: int
    first_ns: int
    last_ns: int


def import_recording(
    quotes: Path,
    markets: Path,
    catalog: Path,
    reject: Callable[[str], None] | None = None,
    tell: Callable[[str], None] = lambda _: None,
    form: str = "auto",
    zone: tzinfo | None = None,
) -> Summary:
    """Make a catalog of a recording.

    Parameters
    ----------
    quotes
        The table, see `tables`.
    catalog
        The folder to make; it must not exist, or be empty.
    reject
        Told, in one line, of each kind of row that is left out; None = such a row is an error.
    tell
        Told, a line each, what the table is and what was decided about it.
    form, zone
        As for `tables.read`.

    Raises
    ------
    RecordingError
        If a file cannot be read or a value breaks a rule. Nothing is left behind then.
    """
    if catalog.exists() and (not catalog.is_dir() or any(catalog.iterdir())):
        raise RecordingError(f"{catalog}: exists already, must be a new or empty folder")
    described = read_markets(markets)
    reading = tables.read(quotes, described, reject or _refuse, form, zone)
    tokens = _tokens(described, reading.ticks)
    for note in reading.notes:
        tell(note)
    unfinished = catalog.with_name(f".{catalog.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        summary = _write(unfinished, tokens, _rows(reading.quotes), reading.left_out)
        synthetic = any(market.get("synthetic") for market in described)
        about = {"source": quotes.name, **summary._asdict(), "synthetic": synthetic}
        (unfinished / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        if catalog.exists():
            catalog.rmdir()
        unfinished.rename(catalog)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return summary


def _refuse(line: str) -> NoReturn:
    raise RecordingError(line)


def _tokens(
    markets: Iterable[dict[str, Any]], ticks: Mapping[str, list[tuple[int, Tick]]]
) -> dict[str, Token]:
    tokens: dict[str, Token] = {}
    for market in markets:
        for token in market["tokens"]:
            token_id = str(token["token_id"])
            symbol = f"{market['condition_id']}-{token_id}"
            instrument_id = InstrumentId(Symbol(symbol), VENUE)
            recorded = _recorded_ticks(token, ticks.get(token_id, []))
            tokens[token_id] = Token(market, token | recorded, instrument_id)
    return tokens


def _recorded_ticks(token: Mapping[str, Any], ticks: list[tuple[int, Tick]]) -> dict[str, Any]:
    """The changes of the tick that the table states, where the market's file states none. A
    description that was loaded later has the last tick, so the first is what the table says."""
    if not ticks or token.get("tick_changes_inferred"):
        return {}
    first = ticks[0][1].before or token["tick_size"]
    changes = [{"ts_ns": time, "tick_size": str(t.tick)} for time, t in ticks]
    return {"tick_size": str(first), "tick_changes_inferred": changes}


class Row(NamedTuple):
    """The best prices of an outcome's book; `order` is the time of receipt."""

    time: int
    order: int
    bid: Decimal | None
    bid_size: Decimal
    ask: Decimal | None
    ask_size: Decimal


def _rows(views: Iterable[BestPrices]) -> dict[str, list[Row]]:
    """What was seen of each token, with every size known and every time of receipt its own."""
    rows: dict[str, list[Row]] = {}
    last_sizes: dict[tuple[str, int], tuple[Decimal | None, Decimal]] = {}
    orders: dict[str, int] = {}
    for time, token_id, bid, bid_size, ask, ask_size in views:
        bid_size = _known_size(last_sizes, (token_id, 0), bid, bid_size)
        ask_size = _known_size(last_sizes, (token_id, 1), ask, ask_size)
        # A catalog keeps the order of equal times only by chance, so the time of receipt counts on.
        order = orders[token_id] = max(time, orders.get(token_id, 0) + 1)
        rows.setdefault(token_id, []).append(Row(time, order, bid, bid_size, ask, ask_size))
    return rows


def _known_size(
    last: dict[tuple[str, int], tuple[Decimal | None, Decimal]],
    key: tuple[str, int],
    price: Decimal | None,
    size: Decimal | None,
) -> Decimal:
    """The size at this price: as recorded, or as last recorded at the same price, or none.

    Nothing trades against a size that nobody recorded.
    """
    if size is None:
        before_price, before_size = last.get(key, (None, Decimal(0)))
        size = before_size if price is not None and before_price == price else Decimal(0)
    last[key] = (price, size)
    return size


def _write(
    folder: Path, tokens: dict[str, Token], rows: dict[str, list[Row]], left_out: int
) -> Summary:
    catalog = ParquetDataCatalog(str(folder))
    quotes = one_sided = settled = 0
    for token_id, views in rows.items():
        token = tokens[token_id]
        catalog.write_data(list(_instruments(token)))
        two_sided = [_quote(token.instrument_id, r) for r in views if None not in (r.bid, r.ask)]
        if two_sided:
            catalog.write_data(two_sided)
        gaps: list[Data] = [_gap(token.instrument_id, r) for r in views if None in (r.bid, r.ask)]
        if gaps:
            catalog.write_data(gaps)
        close = _close(token, views[-1].time)
        if close is not None:
            catalog.write_data([close])
            settled += 1
        quotes += len(two_sided)
        one_sided += len(gaps)
    return Summary(
        markets=len({tokens[t].market["condition_id"] for t in rows}),
        tokens=len(rows),
        quotes=quotes,
        one_sided=one_sided,
        settled=settled,
        left_out=left_out,
        with_sizes=sum(bool(r.bid_size or r.ask_size) for views in rows.values() for r in views),
        first_ns=min(views[0].time for views in rows.values()),
        last_ns=max(views[-1].time for views in rows.values()),
    )


def _instruments(token: Token) -> Iterator[BinaryOption]:
    """The instrument at first, and again at each change of its tick."""
    yield instrument(token, str(token.token["tick_size"]), 0)
    changes: Iterable[dict[str, Any]] = token.token.get("tick_changes_inferred") or ()
    for change in changes:
        yield instrument(token, str(change["tick_size"]), int(change["ts_ns"]))


def instrument(token: Token, tick: str, since: int) -> BinaryOption:
    """An outcome's instrument with this tick, as known from a time on."""
    market = token.market
    # Neither the outcome nor later ticks stand here: a backtest must not see the future.
    info = {
        "slug": str(market["slug"]),
        "question": str(market.get("question") or market["slug"]),
        "condition_id": str(market["condition_id"]),
        "token_id": str(token.token["token_id"]),
        "min_order_size": str(market["min_order_size"]),
        "fee_rate": str(market["fee_rate"]),
        "neg_risk": bool(market.get("neg_risk")),
        "synthetic": bool(market.get("synthetic")),
    }
    if market.get("taker_delay"):
        info["taker_delay"] = True
    if "fee_exponent" in market:
        exponent = market["fee_exponent"]
        info["feeSchedule"] = {"exponent": None if exponent is None else int(exponent)}
    try:
        return BinaryOption(
            instrument_id=token.instrument_id,
            raw_symbol=Symbol(str(token.token["token_id"])),
            outcome=str(token.token["outcome"]),
            description=info["question"],
            asset_class=AssetClass.ALTERNATIVE,
            currency=pUSD,
            price_precision=PRICE_DECIMALS,
            price_increment=Price.from_str(f"{Decimal(tick):.{PRICE_DECIMALS}f}"),
            size_precision=SIZE_DECIMALS,
            size_increment=Quantity.from_str("0.000001"),
            activation_ns=int(market.get("start_ts_ns") or 0),
            expiration_ns=int(market.get("end_ts_ns") or _FAR),
            maker_fee=Decimal(0),
            taker_fee=Decimal(str(market["fee_rate"])),
            ts_event=since,
            ts_init=since,
            info=info,
        )
    except (ValueError, InvalidOperation) as e:
        raise RecordingError(f"market {market['slug']}: {e}") from None


def described(i: BinaryOption) -> tuple[dict[str, Any], dict[str, Any]]:
    """The market and the outcome in the words of a recording, without anything of the future."""
    info: dict[str, Any] = i.info or {}
    condition_id, token_id = str(i.id.symbol).rsplit("-", 1)
    market = {
        "slug": str(info.get("slug") or info.get("market_slug") or condition_id),
        "question": str(info.get("question") or i.description or ""),
        "condition_id": condition_id,
        "min_order_size": str(info.get("min_order_size") or info.get("minimum_order_size") or "5"),
        "fee_rate": str(i.taker_fee),
        "neg_risk": bool(info.get("neg_risk")),
        "start_ts_ns": i.activation_ns,
        "end_ts_ns": i.expiration_ns,
    }
    if info.get("taker_delay"):
        market["taker_delay"] = True
    exponent = fee_schedule(i).exponent
    if exponent != 1:
        market["fee_exponent"] = exponent
    token = {
        "token_id": token_id,
        "outcome": i.outcome or token_id,
        "tick_size": str(i.price_increment),
    }
    return market, token


@lru_cache(maxsize=65_536)
def _raw(value: Decimal) -> int:
    return int(value.scaleb(FIXED_PRECISION))


def book(instrument_id: InstrumentId, r: Row) -> Data:
    """The record of a book: a quote, or that a side of it was empty."""
    return (_gap if None in (r.bid, r.ask) else _quote)(instrument_id, r)


def _quote(instrument_id: InstrumentId, r: Row) -> QuoteTick:
    assert r.bid is not None
    assert r.ask is not None
    return QuoteTick.from_raw(
        instrument_id,
        _raw(r.bid),
        _raw(r.ask),
        PRICE_DECIMALS,
        PRICE_DECIMALS,
        _raw(r.bid_size),
        _raw(r.ask_size),
        SIZE_DECIMALS,
        SIZE_DECIMALS,
        r.time,
        r.order,
    )


def _gap(instrument_id: InstrumentId, r: Row) -> OneSidedBook:
    return OneSidedBook(
        instrument_id=instrument_id,
        bid="" if r.bid is None else str(r.bid),
        bid_size="" if r.bid is None else str(r.bid_size),
        ask="" if r.ask is None else str(r.ask),
        ask_size="" if r.ask is None else str(r.ask_size),
        ts_event=r.time,
        ts_init=r.order,
    )


def _close(token: Token, last_quote: int) -> InstrumentClose | None:
    payout = token.token.get("settlement_price_inferred")
    if payout is None:
        return None
    time = max(int(token.market.get("end_ts_ns") or 0), last_quote + SECOND)
    return InstrumentClose(
        token.instrument_id,
        Price.from_str(f"{Decimal(str(payout)):.{PRICE_DECIMALS}f}"),
        InstrumentCloseType.CONTRACT_EXPIRED,
        time,
        time,
    )
