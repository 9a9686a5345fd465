"""Tables at the widths of terminals: what is dropped, what is shortened, and that no price is cut.

`UPDATE=1 pytest tests/test_terminal_tables.py` writes the snapshots anew: look at them.
"""

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from cli import markets
from cli.output import position_lines
from cli.tables import Column, lines, middle

D = Decimal
SNAPSHOTS = Path(__file__).parent / "snapshots"
FED = "will-the-fed-decrease-interest-rates-by-25-bps-after-the-dec"
BITCOIN = "will-bitcoin-reach-150000-by-december-31-2026-before-ethereum"
NBA = "nba-bos-nyk-2026-10-21-spread-home-6pt5-first-half-regulation"
NS = 10**9
LADDER = {"targets": "0.6:50% 0.65:20% 0.7:10%"}


def row(number: int, market: str, **values: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "id": f"0190b5a2-7a3f-7c3e-8c3e-0000000000{number:02}",
        "market": market,
        "outcome": "Yes",
        "status": "open",
        "phase": "holding",
        "size": D("100.00"),
        "held": D("100.00"),
        "max_bid_price": D("0.5500"),
        "entry_price": D("0.548725"),
        "current_price": D("0.5610"),
        "sell_price": D("0.7"),
        "stop_in_force": D("0.445"),
        "waiting_for": None,
        "exit_price": None,
        "exit_time": None,
        "exit_reason": None,
        "terms": {},
        "realized_pnl": D(0),
        "unrealized_pnl": D("1.2275"),
        "created_at": 1_796_000_000 * NS,
        "updated_at": 1_796_003_600 * NS,
    }
    return known | values


ROWS = [
    row(11, FED, terms=LADDER, sell_price=D("0.85")),
    row(12, BITCOIN, outcome="No", phase="entering", held=D(0), entry_price=None,
        unrealized_pnl=None, size=D("12345.67")),
    row(13, NBA, outcome="Boston Celtics", phase="waiting", current_price=None,
        unrealized_pnl=None, stop_in_force=None, waiting_for="trail_from"),
    row(14, "rain", status="closed", phase="closed", held=D(0), exit_price=D("0.4417"),
        exit_reason="stop", unrealized_pnl=None, realized_pnl=D("-1234.56"),
        exit_time=1_796_003_000 * NS),
]  # fmt: skip
WIDTHS = [80, 100, 120, None]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("is_dated", [False, True])
def test_positions_look_like_this(
    width: int | None, is_dated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    shown = "\n".join(position_lines(ROWS, width, is_dated=is_dated)) + "\n"
    file = SNAPSHOTS / f"positions{'-all' if is_dated else ''}-{width or 'piped'}.txt"
    if os.environ.get("UPDATE"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(shown, encoding="utf-8")
    assert shown == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("width", WIDTHS)
def test_no_price_is_cut_and_every_id_can_be_typed(width: int | None) -> None:
    made = position_lines(ROWS, width)
    assert all(cell_len(line) <= (width or 1000) for line in made)
    text = "\n".join(made)
    for price in ("0.561", "0.445", "0.6:50%", "0.65:20%", "0.7:10%", "0.85", "-1234.56"):
        assert price in text.split(), price
    for r in ROWS:
        assert r["id"][-8:] in text
    assert text.count("…") >= (3 if width == 80 else 0)
    if width is None:
        assert len(made) == 1 + len(ROWS)
        assert all(r["market"] in text for r in ROWS)


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("short", 10, "short"),
        (FED, 20, "will-the-f…after-the-dec"[:10] + "…-the-dec".rjust(10)[-10:]),
        ("abcdef", 5, "ab…ef"),
        ("東京都知事選挙", 9, "東京…選挙"),
    ],
)
def test_what_is_too_long_is_left_out_in_its_middle(text: str, width: int, shown: str) -> None:
    assert cell_len(middle(text, width)) <= width
    assert middle(text, width)[0] == shown[0]
    assert middle(text, width)[-1] == shown[-1]


def test_a_list_goes_on_in_the_next_line() -> None:
    columns = (Column("id"), Column("target", is_list=True), Column("note", 1))
    shown = lines(columns, [["1", "0.6:50% 0.7:30% 0.8", "x" * 30]], 20)
    assert shown == ["id target", "1  0.6:50% 0.7:30%", "   0.8"]


def test_columns_of_the_least_use_are_dropped_first() -> None:
    columns = (Column("a"), Column("b", 2), Column("c", 1), Column("d", 3))
    cells = [["1" * 9] * 4]
    assert lines(columns, cells, 20)[0].split() == ["a", "c"]
    assert lines(columns, cells, 30)[0].split() == ["a", "b", "c"]
    assert lines(columns, [["1", "", "", "2"]], 80)[0].split() == ["a", "d"]
    assert lines(columns, cells, 5)[0].split() == ["a"]  # what must stay is not cut


def market(slug: str, question: str, *outcomes: str) -> list[dict[str, Any]]:
    known = {"slug": slug, "question": question, "market_id": "0x" + slug, "volume": D("1234567.8")}
    known |= {"ends_at": "2026-12-10T00:00:00Z", "payout": None, "tick": D("0.001")}
    prices = (D("0.525"), D("0.475"))
    first = {"bid": D("0.52"), "ask": D("0.53"), "minimum_size": D(5)}
    return [
        known | first | {"outcome": name, "price": price}
        for name, price in zip(outcomes, prices, strict=True)
    ]


MARKETS = [
    market(FED, "Will the Fed decrease rates by 25 bps after the December meeting?", "Yes", "No"),
    market(BITCOIN, "Will Bitcoin reach $150,000 by December 31?", "Yes", "No"),
    market(NBA, "Celtics vs. Knicks: the spread of the first half", "Celtics", "Knicks"),
]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["markets", "markets-live"])
def test_markets_look_like_this(width: int | None, name: str) -> None:
    if name == "markets":
        cells = [markets._known_cells(r) for rows in MARKETS for r in rows]
        made = lines(markets._KNOWN, cells, width)
    else:
        made = lines(markets._FOUND, [markets._found_cells(rows) for rows in MARKETS], width)
    shown = "\n".join(made) + "\n"
    file = SNAPSHOTS / f"{name}-{width or 'piped'}.txt"
    if os.environ.get("UPDATE"):
        file.write_text(shown, encoding="utf-8")
    assert shown == file.read_text(encoding="utf-8")
    for rows in MARKETS:  # which can be typed as they are shown
        assert rows[0]["slug"] in shown
        assert "0.525" in shown or name == "markets"
    assert all(cell_len(line) <= (width or 1000) for line in made)
