"""What the pages make of what was published: words, rows, charts and tables, without a browser."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from positions.model.durations import MINUTE, SECOND
from positions.storage.bars import Bar
from recordings.price_history import PriceBar
from web.pages import charts, history, words

D = Decimal
NOW = 1_772_453_000 * SECOND
MINUS = "\u2212"


def position(**changes: Any) -> dict[str, Any]:
    """A position as it is published."""
    values = {
        "id": "01a22f6b-a3e7-7c73-96eb-1f53c04b551f",
        "market_id": "0xc0ffee",
        "market": "rain-in-london",
        "outcome_id": "1001",
        "outcome": "Yes",
        "status": "open",
        "phase": "holding",
        "size": D(100),
        "volume": D(100),
        "held": D(100),
        "max_bid_price": D("0.57"),
        "entry_price": D("0.55"),
        "sell_price": D("0.70"),
        "stop_loss_price": D("0.45"),
        "stop_in_force": D("0.47"),
        "current_price": D("0.60"),
        "exit_price": None,
        "exit_time": None,
        "exit_reason": None,
        "unrealized_pnl": D("4.9"),
        "realized_pnl": D(0),
        "fees": D("0.1"),
        "waiting_for": None,
        "terms": {},
        "created_at": NOW,
    }
    return values | changes


MARKET = {
    "question": "Rain?",
    "bid": D("0.60"),
    "bid_size": D(40),
    "ask": D("0.61"),
    "ends_at": NOW + 3_700 * SECOND,
}

# fmt: off
TEXTS: dict[str, tuple[Callable[[], str], str]] = {
    "a price is in cents":                (lambda: words.price(D("0.550000")), "55¢"),
    "a finer one, too":                   (lambda: words.price(D("0.5555")), "55.55¢"),
    "none is a dash":                     (lambda: words.price(None), words.DASH),
    "money is to the cent":               (lambda: words.money(D("1234.567")), "1,234.57"),
    "a loss has a minus":                 (lambda: words.money(D("-3.2"), sign=True), f"{MINUS}3.20"),
    "a gain has a plus":                  (lambda: words.money(D("3.2"), sign=True), "+3.20"),
    "nothing has no sign":                (lambda: words.money(D("-0.001"), sign=True), "0.00"),
    "a span has two units":               (lambda: words.span(93_784 * SECOND), "1d 2h"),
    "a short one has one":                (lambda: words.span(5 * SECOND), "5s"),
    "what is past is nothing":            (lambda: words.span(-5 * SECOND), "0s"),
    "targets, the last at the end":       (lambda: words.targets(position(terms={"targets": "0.6:50%"})), "60¢ (50%), 70¢"),
    "a relative target stays":            (lambda: words.targets(position(terms={"targets": "+20%:50%"}, sell_price=None)), "+20% (50%)"),
    "a stop that follows says so":        (lambda: ", ".join(words.stop_marks({"trail": "0.08"}, None)), "trail 0.08"),
    "a trail that waits shouts":          (lambda: ", ".join(words.stop_marks({}, "trail_from")), "NO STOP until the trail begins"),
    "the best bid pays for what it takes": (lambda: words.expected(D(10), MARKET), "about 6.00 USDC before fees for 10 shares at the bids"),
    "what no bid is shown for is told":   (lambda: words.expected(D(100), MARKET), "about 24.00 USDC before fees for 40 shares; no bid is shown for the other 60"),
    "deeper bids pay, too":               (lambda: words.expected(D(50), MARKET | {"bids": '[["0.60","40"],["0.50","40"]]'}), "about 29.00 USDC before fees for 50 shares at the bids"),
    "without bids nothing is sold":       (lambda: words.expected(D(10), {"bid": None}), "There is no bid: nothing can be sold now."),
}
# fmt: on


@pytest.mark.parametrize("name", TEXTS)
def test_words(name: str) -> None:
    make, expected = TEXTS[name]
    assert make() == expected


def test_a_row_says_all_that_a_trader_asks() -> None:
    row = words.position_row(position(), MARKET, NOW, "")
    told = {n: row[n] for n in ("held", "entry", "bid", "stop", "distance", "value", "pnl", "left")}
    assert told == {
        "held": "100",
        "entry": "55¢",
        "bid": "60¢",
        "stop": "47¢",
        "distance": "21.7%",  # (0.60 - 0.47) / 0.60
        "value": "60.00",
        "pnl": "+4.90",
        "left": "1h 1m",
    }
    assert row["percent"] == "+8.9%"  # 4.90 of 55
    assert row["sellable"]
    assert not row["cancellable"]


def test_a_row_of_a_market_that_is_not_known_yet() -> None:
    bare = position(phase="entering", held=D(0), volume=D(0), entry_price=None)
    bare |= {"current_price": None, "unrealized_pnl": None, "stop_in_force": None}
    row = words.position_row(bare, {}, NOW, "cancelling…")
    assert (row["question"], row["bid"], row["pnl"]) == ("rain-in-london", words.DASH, words.DASH)
    assert row["asked"] == "cancelling…"
    assert row["cancellable"]


def test_a_preview_is_a_table_and_what_is_no_sum_stays_a_sentence() -> None:
    told = words.preview(
        "dry run: bid 0.5 (9 shares); would buy 20 at 0.55, for at most 11.20 with fee;"
        " arm the stop at 0.45; break-even 0.579920; result at stop -2.40; result if no bid is left"
        " -11.20; bought at the ask 0.52: for 10.60 with fee; arm the stop at 0.45; break-even"
        " 0.5; result at stop -1.80; result if no bid is left -10.60; a new sentence 5"
    )
    assert told.sums == [
        ("Cost with fee", ["11.20", "10.60"]),
        ("Break-even", ["57.99¢", "50¢"]),
        ("Result at the stop", [f"{MINUS}2.40", f"{MINUS}1.80"]),
        ("Result if no bid is left", [f"{MINUS}11.20", f"{MINUS}10.60"]),
    ]
    assert told.ask == "0.52"
    assert told.notes == [
        "bid 0.5 (9 shares)",
        "would buy 20 at 0.55, for at most 11.20 with fee",
        "arm the stop at 0.45",
        "a new sentence 5",
    ]


def test_the_money_line_adds_up_what_is_open_and_what_ended_today() -> None:
    today = words.midnight(NOW)
    ended = position(status="closed", held=D(0), unrealized_pnl=None, realized_pnl=D(7))
    rows = [position(), ended | {"exit_time": today}, ended | {"exit_time": today - 1}]
    assert words.totals(rows, D(900), today) == {
        "cash": D(900),
        "invested": D(55),
        "open": D("4.9"),
        "today": D(7),
    }


def test_a_chart_holds_every_level_and_the_stop_as_it_moved() -> None:
    quotes = [
        Bar(NOW + n * SECOND, D("0.58"), D("0.58"), D("0.60"), D("0.60")) for n in range(1_000)
    ]
    events = [
        {"kind": "opened", "time": "2026-03-02T12:00:00Z", "stop_loss_price": "0.45"},
        {"kind": "stop_raised", "time": "2026-03-02T12:01:00Z", "price": "0.47"},
    ]
    fills = [{"time": NOW, "side": "buy", "price": D("0.55")}]
    options, scale = charts.position_chart(position(), quotes, events, fills, quotes[-1].time)
    bid, ask, stop, bought, sold = options["series"]
    lines = {d["label"]["formatter"] for d in bid["markLine"]["data"]}
    assert lines == {"max bid 57¢", "entry 55¢", "target 70¢", "stop 47¢"}
    assert [y for _, y in stop["data"]] == [45, 47, 47]
    assert (len(bought["data"]), len(sold["data"])) == (1, 0)
    assert len(bid["data"]) <= charts.POINTS_MAX
    assert bid["data"][-1][0] == ask["data"][-1][0] == quotes[-1].time // 1_000_000
    assert scale.low < 45 < 70 < scale.high


def test_the_prices_of_before_stand_before_the_nodes_own() -> None:
    prices = [PriceBar(n * MINUTE, *[D("0.40")] * 3, D("0.41")) for n in range(1000)]
    own = [Bar(1000 * MINUTE, D("0.50"), D("0.50"), D("0.52"), D("0.52"))]
    drawn = {s["name"]: s["data"] for s in charts.price_chart(own, 0, prices)["series"]}
    assert drawn["before"][0] == [0, 41.0]
    assert len(drawn["before"]) <= charts.POINTS_MAX
    assert drawn["before"][-1][0] < drawn["bid"][0][0]
    assert len(charts.price_chart(own, 0)["series"]) == 2


def test_history_is_summed_by_day_market_and_reason() -> None:
    over = position(status="closed", exit_price=D("0.43"), exit_reason="stop", exit_time=NOW)
    rows = [over | {"realized_pnl": D(-12)}, over | {"realized_pnl": D(5), "exit_reason": "target"}]
    assert charts.day_sums(rows) == [("2026-03-02", D(-7))]
    reasons = charts.sums(rows, lambda p: p["exit_reason"])
    assert reasons == [("stop", D(-12)), ("target", D(5))]
    assert history.slippage(rows[0]) == D("0.04")
    assert history.slippage(rows[1]) is None
    told = {name: text for name, text, _ in history.summary(rows)}
    assert (told["Profit"], told["Won"]) == (f"{MINUS}7.00", "50.0%")
    assert told["Sold under the stop by"] == "4¢"


FORMULAS = {
    "rain-in-london": "rain-in-london",
    "=HYPERLINK(0)": "'=HYPERLINK(0)",
    "+1": "'+1",
    "@SUM(A1)": "'@SUM(A1)",
    "-2+3": "'-2+3",
}


@pytest.mark.parametrize(("market", "cell"), FORMULAS.items())
def test_no_name_becomes_a_formula(market: str, cell: str) -> None:
    over = position(market=market, exit_time=NOW, realized_pnl=D(-12))
    header, row = history.to_csv([over]).decode().splitlines()
    told = dict(zip(header.split(","), row.split(","), strict=True))
    assert told["market"].strip('"') == cell
    assert told["realized_pnl"] == "-12"
