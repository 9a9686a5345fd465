"""Tables of quotes or of books, as people have them: what they show, what they are, what is left.

See docs/import.md for the forms. A row that cannot be used is counted with those of its kind, of
which one is told, and left out; the others are taken. What would be played wrongly is refused.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from positions.model.durations import MINUTE, SECOND
from recordings.reading import columns as layout
from recordings.reading import files
from recordings.reading.columns import Columns
from recordings.reading.rows import (
    Best,
    Book,
    Change,
    Counts,
    Entry,
    Reader,
    Tick,
    Wanted,
    flat,
)
from recordings.reading.values import BadRow, Levels, RecordingError

_CROSSED_FEW = 3
_CROSSED_PART = 100
"""One book in a hundred may have its bid at or above its ask, or three; more are a fault."""
_FORMS = ("auto", *layout.FORMS)


class BestPrices(NamedTuple):
    """The best prices that a row shows; a size of None was not recorded."""

    time: int
    token_id: str
    bid: Decimal | None
    bid_size: Decimal | None
    ask: Decimal | None
    ask_size: Decimal | None


class Reading(NamedTuple):
    """What a table shows.

    Parameters
    ----------
    quotes
        Best prices in the order of time.
    ticks
        By token id, the changes of its tick, and the tick before the first of them if known.
    notes
        What the table is, and what was decided, a line each.
    left_out
        How many rows could not be used.
    """

    quotes: list[BestPrices]
    ticks: dict[str, list[tuple[int, Tick]]]
    notes: list[str]
    left_out: int


class _LeftOut:
    """Rows that cannot be used: how many of each kind, and the first of each."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], str] = {}
        self._count: Counter[tuple[str, str]] = Counter()

    def add(self, number: int, bad: BadRow) -> None:
        """Count a row."""
        self._first.setdefault(bad.kind, f"row {number}: {bad}")
        self._count[bad.kind] += 1

    @property
    def total(self) -> int:
        """All of them."""
        return self._count.total()

    def lines(self) -> Iterator[str]:
        """One line for each kind."""
        for kind, example in self._first.items():
            more = self._count[kind] - 1
            yield f"{example}{f'; so are {more:,} more rows' if more else ''}"


def read(
    path: Path,
    markets: Sequence[Mapping[str, Any]],
    reject: Callable[[str], None],
    form: str = "auto",
    zone: tzinfo | None = None,
) -> Reading:
    """What a table shows of the outcomes of some markets.

    Parameters
    ----------
    reject
        Told, in a line, of each kind of row that is left out.
    form
        One of quotes, books, levels, events; "auto" = as its columns and rows say.
    zone
        The time zone of times that state no offset.

    Raises
    ------
    RecordingError
        If the file is no such table, or would be played wrongly.
    """
    if form not in _FORMS:
        raise RecordingError(f"format was {form!r}, must be one of {', '.join(_FORMS)}")
    wanted, counts, left_out = Wanted(markets), Counts(), _LeftOut()
    with files.open_table(path) as source:
        columns = _columns(path, source, wanted, form, zone)
        reader = Reader(columns, wanted, counts, zone)
        rows = source.rows(_keep(source, columns, wanted, counts))
        entries = list(_entries(rows, reader, left_out))
    for line in left_out.lines():
        reject(f"{path}: {line}")
    if all(isinstance(e.shown, Tick) for e in entries):
        if counts.kinds["trade"]:
            raise layout.trades(path, f"{_counted(counts.kinds['trade'], 'row')} of them alone")
        raise RecordingError(f"{path}: holds no row that can be used{_others(counts)}")
    entries.sort(key=lambda e: e.time)  # of one time, the order of the file stays
    entries, notes = _confirmed(path, columns, counts, entries)
    quotes, ticks = list(_best_prices(entries)), _ticks(entries)
    notes = [*_about(source.kind, counts, entries), *columns.notes, *notes]
    return Reading(quotes, ticks, [*notes, *_checked(path, quotes)], left_out.total)


def _columns(
    path: Path, source: files.Source, wanted: Wanted, form: str, zone: tzinfo | None
) -> Columns:
    sample = list(_flat(source.sample))
    inside = dict.fromkeys(name for row in sample for name in row)
    # A column that held the venue's messages is gone; what they hold has come.
    names = [n for n in source.names if not sample or n in inside]
    names += [n for n in inside if n not in names]
    columns = layout.columns_of(path, names, sample, wanted.outcomes, form)
    if zone is None and layout.needs_zone(columns.time, sample):
        how = "say which it is, as --zone UTC or --zone America/New_York"
        raise RecordingError(f"{path}: {columns.time} states no zone: {how}")
    return columns


def _entries(rows: Iterable[files.Numbered], reader: Reader, left_out: _LeftOut) -> Iterator[Entry]:
    for number, row in rows:
        try:
            if isinstance(row, BadRow):
                raise row
            yield from list(reader.entries(row))
        except BadRow as e:
            left_out.add(number, e)


def _flat(rows: Iterable[files.Row]) -> Iterator[files.Row]:
    for row in rows:
        try:
            yield from flat(row)
        except BadRow:
            continue


def _keep(source: files.Source, columns: Columns, wanted: Wanted, counts: Counts) -> files.Keep:
    """Which rows of a large table are worth reading: those of the outcomes, or of the markets."""
    for field, ids in (("token_id", wanted.token_ids), ("market", wanted.market_ids)):
        column = columns.fields.get(field)
        if not columns.wide and column in source.names and "token_id" in columns.fields:
            return files.Keep(column, frozenset(ids), counts.other)
    return files.Keep(None, frozenset(), counts.other)


# -- what rows come to -----------------------------------------------------------------------------


def _best_prices(entries: Iterable[Entry]) -> Iterator[BestPrices]:
    """Each quote and snapshot, and the best prices after all changes of a moment."""
    books: dict[str, Book] = {}
    last: dict[str, Best] = {}
    changed: dict[str, bool] = {}
    """Tokens whose book changed in this moment, and whether it is shown in any case."""
    stated: dict[str, Best] = {}
    now = 0

    def flush() -> Iterator[BestPrices]:
        for token_id, is_shown in changed.items():
            best = _best(books[token_id], stated.get(token_id))
            if is_shown or last.get(token_id) != best:
                last[token_id] = best
                yield BestPrices(now, token_id, *best)
        changed.clear()
        stated.clear()

    for time, token_id, shown in entries:
        if time != now:
            yield from flush()
            now = time
        if isinstance(shown, Best) and token_id in books:
            _prune(books[token_id], shown)
            stated[token_id] = shown
            changed.setdefault(token_id, False)
        elif isinstance(shown, Best):
            yield BestPrices(now, token_id, *shown)
        elif isinstance(shown, Book):
            books[token_id] = Book(dict(shown.bids), dict(shown.asks))
            stated.pop(token_id, None)
            changed[token_id] = True
        elif isinstance(shown, Change):
            _apply(books.setdefault(token_id, Book({}, {})), shown)
            if shown.best is not None:
                stated[token_id] = shown.best
            changed.setdefault(token_id, False)
    yield from flush()


def _apply(book: Book, change: Change) -> None:
    levels = book.bids if change.side == "bids" else book.asks
    if change.size:
        levels[change.price] = change.size
    else:
        levels.pop(change.price, None)
    if change.best is not None:
        _prune(book, change.best)


def _prune(book: Book, best: Best) -> None:
    """Forget levels that cannot be there any more, by the best prices that are stated."""
    for price in [p for p in book.bids if best.bid is None or p > best.bid]:
        del book.bids[price]
    for price in [p for p in book.asks if best.ask is None or p < best.ask]:
        del book.asks[price]


def _best(book: Book, stated: Best | None) -> Best:
    """The best prices: those stated, with the sizes of the book, or else those of the book."""
    if stated is None:
        bid, ask = max(book.bids, default=None), min(book.asks, default=None)
        return Best(bid, _at(book.bids, bid), ask, _at(book.asks, ask))
    bid_size = stated.bid_size or _at(book.bids, stated.bid)
    return Best(stated.bid, bid_size, stated.ask, stated.ask_size or _at(book.asks, stated.ask))


def _at(levels: Levels, price: Decimal | None) -> Decimal | None:
    return None if price is None else levels.get(price)


def _ticks(entries: Iterable[Entry]) -> dict[str, list[tuple[int, Tick]]]:
    ticks: dict[str, list[tuple[int, Tick]]] = {}
    for time, token_id, shown in entries:
        if isinstance(shown, Tick):
            known = ticks.setdefault(token_id, [])
            if not known or known[-1][1].tick != shown.tick:
                known.append((time, shown))
    return ticks


# -- what would be played wrongly ------------------------------------------------------------------


def _confirmed(
    path: Path, columns: Columns, counts: Counts, entries: list[Entry]
) -> tuple[list[Entry], list[str]]:
    """The entries of a table whose columns are those of trades, too."""
    changes = [e for e in entries if isinstance(e.shown, Change)]
    if not columns.is_guessed or not changes or counts.takes_away:
        return entries, []
    if counts.has_best:
        note = "side, price and size may be trades, and are not used: --format levels uses them"
        return list(_without_changes(entries)), [note]
    if not _has_two_sides(changes):
        raise layout.trades(path, f"none of {len(changes):,} rows takes a level away")
    return entries, ["no row takes a level away: if these are trades, they cannot be played"]


def _without_changes(entries: Iterable[Entry]) -> Iterator[Entry]:
    for e in entries:
        if not isinstance(e.shown, Change):
            yield e
        elif e.shown.best is not None:
            yield e._replace(shown=e.shown.best)


def _has_two_sides(changes: Sequence[Entry]) -> bool:
    """Whether one moment shows bids below asks of an outcome, as a book has them."""
    sides: dict[tuple[int, str], Book] = {}
    for time, token_id, shown in changes:
        assert isinstance(shown, Change)
        _apply(sides.setdefault((time, token_id), Book({}, {})), shown)
    return any(b.bids and b.asks and max(b.bids) < min(b.asks) for b in sides.values())


def _checked(path: Path, quotes: Sequence[BestPrices]) -> Iterator[str]:
    """What is wrong with best prices as a whole.

    Raises RecordingError where too many bids are not below the asks.
    """
    crossed = [q for q in quotes if q.bid is not None and q.ask is not None and q.bid >= q.ask]
    if crossed:
        first = crossed[0]
        what = f"first with bid {first.bid:f} and ask {first.ask:f}"
        what = f"{len(crossed):,} of {len(quotes):,} books are crossed, {what}"
        few = min(max(_CROSSED_FEW, len(quotes) // _CROSSED_PART), len(quotes) // 2)
        if len(crossed) > few:
            raise RecordingError(f"{path}: {what}: these are no books, or not in this format")
        yield what
    sized = sum(bool(q.bid_size or q.ask_size) for q in quotes)
    if not sized:
        yield "NO SIZE is known: nothing can be filled, in a backtest nothing will be bought"
    elif sized * 10 < len(quotes):
        yield f"sizes are known of {sized:,} of {len(quotes):,} books: others fill nothing"


# -- what a table is -------------------------------------------------------------------------------


def _others(counts: Counts) -> str:
    if not counts.others:
        return ""
    ids = _counted(len(counts.other_ids), "outcome")
    return f"; {_counted(counts.others, 'row')} of {ids} that are not among the markets"


def _about(kind: str, counts: Counts, entries: Sequence[Entry]) -> Iterator[str]:
    what = ", ".join(_counted(count, name) for name, count in counts.kinds.items())
    tokens = len({e.token_id for e in entries})
    span = _span(entries[-1].time - entries[0].time)
    yield f"{kind}: {what}, of {_counted(tokens, 'outcome')}, {span}"
    if counts.kinds["trade"]:
        yield "trades are not used: they do not show what was offered"
    if counts.others:
        yield _others(counts).removeprefix("; ")


def _counted(count: int, name: str) -> str:
    if count == 1:
        return f"1 {name}"
    first, _, rest = name.partition(" ")
    return f"{count:,} {first}s {rest}".rstrip()


def _span(ns: int) -> str:
    if ns < 2 * MINUTE:
        return f"{ns / SECOND:.0f} s"
    return f"{ns / MINUTE:.0f} min" if ns < 120 * MINUTE else f"{ns / (60 * MINUTE):.1f} h"
