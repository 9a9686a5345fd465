"""What the columns of a table are: by their names, and by the values of its first rows.

Where two columns could be the same field one of them is decided on, and that is told.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any, NamedTuple

from recordings.reading import values
from recordings.reading.files import Row
from recordings.reading.values import BadRow, RecordingError, is_empty, text

_VENUE_TIMES = (
    "ts_event event_time event_timestamp event_ts timestamp_created_at time timestamp ts"
    " datetime date_time created_at t date"
)
_TIMES = _VENUE_TIMES.split()
_RECEIVED = re.compile(r"recv|receiv|received|local_|ingest|captur|ts_init|collected|fetched")
_LOOKS_LIKE_TIME = re.compile(r"time|(^|_)ts(_|$)|date|_at$")
_NAMES = {
    "token_id": "token_id clob_token_id token asset_id asset outcome_id position_id",
    "market": "market market_slug window_slug slug condition_id market_id",
    "outcome": "outcome outcome_name",
    "kind": "event_type update_type tick_type msg_type message_type event type kind channel",
    "bid": "best_bid bid bid_price best_bid_price bid_p1 bid1 bid_price_1 bid_px",
    "ask": "best_ask ask ask_price best_ask_price ask_p1 ask1 ask_price_1 ask_px",
    "bid_size": "best_bid_size bid_size bid_qty bid_quantity bid_volume bid_sz",
    "ask_size": "best_ask_size ask_size ask_qty ask_quantity ask_volume ask_sz",
    "bids": "bids",
    "asks": "asks",
    "bid_prices": "bid_prices",
    "ask_prices": "ask_prices",
    "bid_sizes": "bid_sizes",
    "ask_sizes": "ask_sizes",
    "side": "change_side side order_side",
    "price": "change_price price px",
    "size": "change_size size qty quantity amount shares",
    "tick": "new_tick_size",
    "old_tick": "old_tick_size",
}
_LEVEL_SIZES = {
    "bid_size": ("bid", "bid_s1 bid1_size bid_size_1 bid_qty_1"),
    "ask_size": ("ask", "ask_s1 ask1_size ask_size_1 ask_qty_1"),
}
"""Sizes of the first of several levels, whose price is a column beside the best price."""
_TRADED = (
    "transaction_hash tx_hash trade_id taker_side aggressor_side maker_address taker_address"
    " proxy_wallet match_time taker_order_id maker maker_asset_id taker_asset_id"
)
"""Columns that only trades have."""
_KINDS = {
    "book": "book book_snapshot snapshot orderbook order_book depth full partial",
    "change": "price_change change delta update level l2update l2_update price_level book_delta",
    "trade": "last_trade_price last_trade trade trades fill match execution",
    "tick": "tick_size_change tick_change",
    "quote": "best_bid_ask quote quotes bbo tob ticker best top best_price",
}
KIND_OF = {word: kind for kind, words in _KINDS.items() for word in words.split()}
"""What the words in a column of kinds mean."""
_WIDE = ("yes", "no", "up", "down")
_BEST = frozenset({"bid", "ask"})
_CHANGE = frozenset({"side", "price", "size"})
FORMS = {
    "quotes": (_BEST,),
    "books": (frozenset({"bids", "asks"}), frozenset({"bid_prices", "ask_prices"})),
    "levels": (_CHANGE,),
    "events": (frozenset({"kind"}),),
}
"""The forms that a person may say, with the fields that each must have."""


class Columns(NamedTuple):
    """The columns of one table.

    Parameters
    ----------
    form
        One of FORMS.
    is_guessed
        Whether the values have yet to show that changes of levels are that, and no trades.
    fields
        Field -> the name of its column.
    wide
        Of each outcome that has columns of its own: its name, and its fields.
    time
        The column of the time.
    notes
        What was decided between columns that could be the same.
    """

    form: str
    is_guessed: bool
    fields: dict[str, str]
    wide: dict[str, dict[str, str]]
    time: str
    notes: list[str]


def plain(name: str) -> str:
    """A name of a column in small letters, with underscores: bestBid, Best Bid -> best_bid."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[\s\-.]+", "_", parted).lower()


def columns_of(
    path: Path, names: Sequence[str], sample: Sequence[Row], outcomes: Iterable[str], form: str
) -> Columns:
    """The columns of a table; `form` is "auto", or what a person says.

    Raises RecordingError with what is missing, or what the table is that cannot be played.
    """
    notes: list[str] = []
    fields = _fields(names, notes)
    wide = _wide(names, [*_WIDE, *(plain(o) for o in outcomes)])
    if "kind" in fields and not any(_is_kind(row.get(fields["kind"])) for row in sample):
        del fields["kind"]
    time = _time(path, names, sample, notes)
    names_a_token = "token_id" in fields or any("token_id" in w for w in wide.values())
    if not names_a_token and not wide and not {"outcome", "side"} & fields.keys():
        known = ", ".join(_NAMES["token_id"].split())
        raise RecordingError(f"{path}: has no column for token_id; it may be named {known}")
    chosen, is_guessed = _form(path, names, fields, wide, form)
    return Columns(chosen, is_guessed, fields, wide, time, notes)


def _is_kind(value: Any) -> bool:
    return text(value).lower() in KIND_OF


def _fields(names: Sequence[str], notes: list[str]) -> dict[str, str]:
    by_plain: dict[str, str] = {}
    for name in names:
        by_plain.setdefault(plain(name), name)
    fields: dict[str, str] = {}
    for field, aliases in _NAMES.items():
        found = [by_plain[alias] for alias in aliases.split() if alias in by_plain]
        if found:
            fields[field] = found[0]
        if len(found) > 1 and field not in ("kind", "market"):
            notes.append(f"{field} is {found[0]}; {', '.join(found[1:])} is not used")
    for field, (price, aliases) in _LEVEL_SIZES.items():
        size = next((by_plain[alias] for alias in aliases.split() if alias in by_plain), None)
        if size is not None and field not in fields:
            fields[field] = size
            first = next(
                (n for p, n in by_plain.items() if p in (f"{price}_p1", f"{price}1")), None
            )
            if first is not None and first != fields.get(price):
                fields[f"{price}_p1"] = first
    return fields


def _wide(names: Sequence[str], outcomes: Iterable[str]) -> dict[str, dict[str, str]]:
    """Outcomes that have columns of their own, as yes_bid and no_bid."""
    wide: dict[str, dict[str, str]] = {}
    for outcome in dict.fromkeys(outcomes):
        start = f"{outcome}_"
        own = {plain(n).removeprefix(start): n for n in names if plain(n).startswith(start)}
        fields = {}
        for field in ("token_id", "bid", "ask", "bid_size", "ask_size", "bids", "asks"):
            found = [own[alias] for alias in _NAMES[field].split() if alias in own]
            if found:
                fields[field] = found[0]
        if _BEST & fields.keys() or {"bids", "asks"} <= fields.keys():
            wide[outcome] = fields
    return wide


# -- the time --------------------------------------------------------------------------------------


def _is_time(name: str) -> bool:
    stem, _, last = plain(name).rpartition("_")
    base = stem if last in values.UNITS or last == "utc" else plain(name)
    is_received = _RECEIVED.search(plain(name)) and _LOOKS_LIKE_TIME.search(plain(name))
    return base in _TIMES or bool(is_received)


def _rank(name: str, is_exact: bool) -> tuple[bool, bool, int]:
    """Exact before local, the venue's time before that of receipt, then by name."""
    stem, _, last = plain(name).rpartition("_")
    base = stem if last in values.UNITS or last == "utc" else plain(name)
    place = _TIMES.index(base) if base in _TIMES else len(_TIMES)
    return not is_exact, _RECEIVED.search(plain(name)) is not None, place


def _time(path: Path, names: Sequence[str], sample: Sequence[Row], notes: list[str]) -> str:
    candidates = [name for name in names if _is_time(name)]
    if not candidates:
        raise RecordingError(f"{path}: has no column for time; it may be named {', '.join(_TIMES)}")
    shown = {name: [r[name] for r in sample if not is_empty(r.get(name))] for name in candidates}
    filled = [name for name in candidates if shown[name]] or candidates

    def rank(name: str) -> tuple[bool, bool, int]:
        cells = shown[name]
        exact = sum(values.is_exact(plain(name), cell) for cell in cells)
        return _rank(name, bool(cells) and 2 * exact >= len(cells))

    chosen, *others = sorted(filled, key=rank)
    notes += [
        f"the time is {chosen}; {name}{_apart(chosen, name, sample)} is not used" for name in others
    ]
    return chosen


def _apart(chosen: str, other: str, sample: Sequence[Row]) -> str:
    """How far another column's time is off, where both can be read."""
    for row in sample:
        try:
            one, two = (values.time(plain(n), row.get(n), UTC) for n in (chosen, other))
        except BadRow:
            continue
        return f" ({(two - one) / 10**9:+,.3f} s at first)"
    return ""


def needs_zone(name: str, sample: Sequence[Row]) -> bool:
    """Whether the times of a column say nothing of their zone."""
    if "utc" in plain(name) or "gmt" in plain(name):
        return False
    cells = [row[name] for row in sample if not is_empty(row.get(name))]
    naive = 0
    for cell in cells:
        try:
            values.time(plain(name), cell, None)
        except BadRow as e:
            naive += "--zone" in e.kind[1]
    return naive > 0 and 2 * naive >= len(cells)


# -- the form --------------------------------------------------------------------------------------


def _form(
    path: Path,
    names: Sequence[str],
    fields: Mapping[str, str],
    wide: Mapping[str, Mapping[str, str]],
    said: str,
) -> tuple[str, bool]:
    """The form of a table, and whether its values have yet to confirm it."""
    has = fields.keys() | {field for w in wide.values() for field in w}
    if said != "auto":
        if not any(form <= has for form in FORMS[said]) and not (said == "quotes" and _BEST & has):
            missing = ", ".join(sorted(FORMS[said][0] - has))
            raise RecordingError(f"{path}: cannot be {said}: has no column for {missing}")
        return said, False
    if "kind" in has:
        return "events", False
    for form in ("books", "quotes", "levels"):
        if any(needed <= has for needed in FORMS[form]):
            break
    else:
        raise RecordingError(f"{path}: {_is_none(names, has)}; see docs/import.md")
    traded = [name for name in names if plain(name) in _TRADED.split()]
    if form == "levels" and traded:
        raise trades(path, f"it has a column {traded[0]}")
    return form, bool(has >= _CHANGE)


def _is_none(names: Sequence[str], has: Iterable[str]) -> str:
    if {"price"} <= set(has) or {"p", "close"} & {plain(n) for n in names}:
        return "has prices, and nothing that was offered: it holds trades, candles or a history"
    return "must have bid and ask, or bids and asks, or side, price and size"


def trades(path: Path, why: str) -> RecordingError:
    """The error of a table of trades."""
    what = "holds trades, which do not show what was offered"
    how = "if its rows are changes of levels, say --format levels"
    return RecordingError(f"{path}: {what}: {why}; {how}")
