"""What each row of a table shows: a quote, a book, the change of a level, a trade, another tick.

A row of several kinds of messages says which it is; of others, the columns do. Trades show nothing
of what was offered, and are counted alone.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, tzinfo
from decimal import Decimal
from typing import Any, NamedTuple

from positions.commands import strict
from recordings.reading import values
from recordings.reading.columns import KIND_OF, Columns, plain
from recordings.reading.files import Row
from recordings.reading.values import BadRow, Levels, is_empty, text

_SIDES = dict.fromkeys(("buy", "bid", "b", "bids"), "bids")
_SIDES |= dict.fromkeys(("sell", "ask", "a", "s", "asks"), "asks")
_OTHER_IDS = 1_000_000
"""Outcomes that are not wanted are told apart up to so many."""
_OF_BOOKS = frozenset({"bid", "ask", "bids", "asks"})
"""Sides that trades do not have."""
_INSIDE_NAMES = frozenset({"msg", "message", "payload", "data", "raw"})
"""Where a recorder's row holds the venue's message, as an object or as its text."""


class Best(NamedTuple):
    """Best prices that a row states; a size of None was not recorded."""

    bid: Decimal | None
    bid_size: Decimal | None
    ask: Decimal | None
    ask_size: Decimal | None


class Book(NamedTuple):
    """All levels."""

    bids: Levels
    asks: Levels


class Change(NamedTuple):
    """The new size of one level, and the best prices after it where they are stated."""

    side: str
    price: Decimal
    size: Decimal
    best: Best | None


class Tick(NamedTuple):
    """Another tick, and which one was before, if known."""

    tick: Decimal
    before: Decimal | None


Shown = Best | Book | Change | Tick


class Entry(NamedTuple):
    """What a row shows of an outcome at a time, in nanoseconds."""

    time: int
    token_id: str
    shown: Shown


class Wanted:
    """The outcomes that are wanted, by id and by what else names them."""

    def __init__(self, markets: Iterable[Mapping[str, Any]]) -> None:
        self.token_ids: set[str] = set()
        self.market_ids: set[str] = set()
        self._by_name: dict[tuple[str, str], str] = {}
        listed = list(markets)
        for market in listed:
            names = {str(market["slug"]).lower(), str(market["condition_id"]).lower()}
            self.market_ids |= names
            for token in market["tokens"]:
                token_id, outcome = str(token["token_id"]), str(token["outcome"]).lower()
                self.token_ids.add(token_id)
                for name in (*names, *([""] if len(listed) == 1 else [])):
                    self._by_name[name, outcome] = token_id

    @property
    def outcomes(self) -> list[str]:
        """The names of outcomes, in small letters."""
        return list(dict.fromkeys(outcome for _, outcome in self._by_name))

    def named(self, market: str, outcome: str) -> str | None:
        """The outcome of these names."""
        return self._by_name.get((market.lower(), outcome.lower()))


class Counts:
    """What the rows of a table were."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.others = 0
        self.other_ids: set[str] = set()
        self.takes_away = False
        """Whether a change takes a level away, or its side is one of a book."""
        self.has_best = False

    def other(self, rows: int, ids: Iterable[str]) -> None:
        """Rows of outcomes that are not wanted."""
        self.others += rows
        if len(self.other_ids) < _OTHER_IDS:
            self.other_ids.update(ids)


def _cell(row: Row, fields: Mapping[str, str], field: str) -> Any:
    """A row's value of a field; None if the table has no such column."""
    column = fields.get(field)
    return None if column is None else row.get(column)


def flat(row: Row) -> Iterator[Row]:
    """The messages of a row: what it holds inside, and each of several changes."""
    for name in sorted(_INSIDE_NAMES.intersection(row)):
        value = row[name]
        if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
            try:
                value = strict.json_value(value)
            except ValueError:
                raise BadRow(name, repr(value[:40]), "must be JSON") from None
        inner = value if isinstance(value, list) else [value]
        messages = [message for message in inner if isinstance(message, dict)]
        if inner and len(messages) == len(inner):
            outer = {k: v for k, v in row.items() if k != name}
            for message in messages:
                yield from _changes(outer | message)
            return
    yield from _changes(row)


def _changes(row: Row) -> Iterator[Row]:
    changes = row.get("price_changes", row.get("changes"))
    if isinstance(changes, list) and changes and all(isinstance(c, dict) for c in changes):
        yield from ({k: v for k, v in row.items() if v is not changes} | c for c in changes)
    else:
        yield row


class Reader:
    """Reads rows by their columns."""

    def __init__(
        self, columns: Columns, wanted: Wanted, counts: Counts, zone: tzinfo | None
    ) -> None:
        self._columns, self._wanted, self._counts = columns, wanted, counts
        self._form, self._time = columns.form, columns.time
        self._time_name = plain(columns.time)
        is_utc = "utc" in self._time_name or "gmt" in self._time_name
        wide: list[tuple[Mapping[str, str], str | None]]
        wide = [(fields, outcome) for outcome, fields in columns.wide.items()]
        self._parts = wide or [(columns.fields, None)]
        """The columns of each outcome that a row is of, and its name."""
        self._zone = UTC if is_utc else zone

    def entries(self, row: Row) -> Iterator[Entry]:
        """What a row shows of what is wanted.

        Raises BadRow.
        """
        for message in flat(row):
            at: int | None = None
            for fields, outcome in self._parts:
                token_id = self._token(message, fields, outcome)
                if token_id is None:
                    continue
                if at is None:
                    at = values.time(self._time_name, message.get(self._time), self._zone)
                shown = self._shown(message, fields)
                if shown is not None:
                    yield Entry(at, token_id, shown)

    def _token(self, row: Row, fields: Mapping[str, str], outcome: str | None) -> str | None:
        """The outcome of a row; None = it is not wanted, and counted."""
        column = fields.get("token_id")
        market = text(_cell(row, self._columns.fields, "market"))
        if column is not None:
            token_id: str | None = text(row.get(column))
            named = token_id or ""
        else:
            own = self._columns.fields
            named = outcome or text(_cell(row, own, "outcome") or _cell(row, own, "side"))
            token_id = self._wanted.named(market, named) or self._wanted.named("", named)
            named = f"{market} {named}".strip()
        if token_id in self._wanted.token_ids:
            return token_id
        if not named:
            raise BadRow("token_id", "empty", "must name an outcome")
        self._counts.other(1, [named])
        return None

    # -- the kinds of rows -------------------------------------------------------------------------

    def _shown(self, row: Row, fields: Mapping[str, str]) -> Shown | None:
        if self._form != "events":
            return self._counted(self._plain(row, fields))
        column = self._columns.fields["kind"]
        word = text(row.get(column)).lower()
        kind = KIND_OF.get(word)
        if kind == "tick":
            return self._counted(self._tick(row, fields))
        if kind in ("book", "quote", "change"):
            shown: Shown | None = None
            if kind != "quote":
                shown = (self._book if kind == "book" else self._change)(row, fields)
            return self._counted(shown or self._stated(row, fields))
        # Of a trade, and of what is not known here, no more is taken than the prices it states.
        self._counts.kinds["trade" if kind == "trade" else f"row of kind {word[:30] or '-'}"] += 1
        return self._stated(row, fields, is_needed=False)

    def _counted(self, shown: Shown | None) -> Shown | None:
        match shown:
            case Best():
                self._counts.kinds["quote"] += 1
            case Book():
                self._counts.kinds["snapshot"] += 1
            case Change():
                self._counts.kinds["change of a level"] += 1
            case Tick():
                self._counts.kinds["change of the tick"] += 1
        return shown

    def _plain(self, row: Row, fields: Mapping[str, str]) -> Shown | None:
        """What a row shows whose kind the columns say."""
        if self._form == "books":
            return self._book(row, fields)
        if self._form == "levels" or self._columns.is_guessed:
            change = self._change(row, fields)
            if change is not None:
                return change
            if self._form == "levels" and not {"bid", "ask"} & fields.keys():
                raise self._no_change(row, fields)
        return self._stated(row, fields)

    def _no_change(self, row: Row, fields: Mapping[str, str]) -> BadRow:
        side = text(row.get(fields["side"]))
        if side.lower() not in _SIDES:
            return BadRow("side", repr(side), "must be buy or sell, or bid or ask")
        return BadRow("price and size", "empty", "both must be given")

    def _tick(self, row: Row, fields: Mapping[str, str]) -> Tick:
        tick = values.tick("tick", _cell(row, fields, "tick"))
        before = _cell(row, fields, "old_tick")
        return Tick(tick, None if is_empty(before) else values.tick("old tick", before))

    def _book(self, row: Row, fields: Mapping[str, str]) -> Book | None:
        """A book; None = the row has none."""
        sides: list[Levels | None] = []
        for side, stem in (("bids", "bid"), ("asks", "ask")):
            whole, prices = _cell(row, fields, side), _cell(row, fields, f"{stem}_prices")
            if whole is None and prices is None:
                sides.append(None)
            elif whole is not None:
                sides.append(values.levels(side, whole))
            else:
                sizes = _cell(row, fields, f"{stem}_sizes")
                sides.append(values.level_lists(side, prices, sizes))
        bids, asks = sides
        return None if bids is None and asks is None else Book(bids or {}, asks or {})

    def _change(self, row: Row, fields: Mapping[str, str]) -> Change | None:
        """The change of a level; None = the row is none."""
        word, cost, amount = (_cell(row, fields, n) for n in ("side", "price", "size"))
        side = _SIDES.get(text(word).lower())
        if side is None or is_empty(cost) or is_empty(amount):
            return None
        price, size = values.price("price", cost), values.size("size", amount)
        if price is None or size is None:
            raise BadRow("price", cost, "must be above 0 and below 1")
        if size == 0 or text(word).lower() in _OF_BOOKS:
            self._counts.takes_away = True
        return Change(side, price, size, self._stated(row, fields, is_needed=False))

    def _stated(
        self, row: Row, fields: Mapping[str, str], *, is_needed: bool = True
    ) -> Best | None:
        """The best prices that a row states; where a kind of row need not, None = it does not."""
        cells = {name: _cell(row, fields, name) for name in ("bid", "ask")}
        if all(is_empty(cell) for cell in cells.values()) and (
            not is_needed or self._form == "events"
        ):
            if is_needed:
                raise BadRow("bid and ask", "empty", "must be given, or a book, or a level")
            return None
        self._counts.has_best = True
        bid, ask = (values.price(name, cell) for name, cell in cells.items())
        sizes = (self._size(row, fields, name, p) for name, p in (("bid", bid), ("ask", ask)))
        bid_size, ask_size = sizes
        return Best(bid, bid_size, ask, ask_size)

    def _size(
        self, row: Row, fields: Mapping[str, str], name: str, price: Decimal | None
    ) -> Decimal | None:
        """The size at a best price; None where it belongs to another price, or is not known."""
        first = fields.get(f"{name}_p1")
        if first is not None and values.price(name, row.get(first)) != price:
            return None
        return values.size(f"{name}_size", _cell(row, fields, f"{name}_size"))
