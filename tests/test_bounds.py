"""Numbers, times and texts are bounded where they come in; a refusal is one line."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from nautilus_trader.model.identifiers import VenueOrderId
from py_clob_client_v2.client import ClobClient
from stage import ID, Stage, submit

from bridge.conversion import identifier
from positions.commands.fields import Malformed
from positions.commands.files import UnreadableRequests, read, read_once
from positions.commands.messages import Submit, decode, from_fields
from positions.model.position import Order, Role, update
from positions.model.soundness import TIME_MAX, Unsound, check, check_order
from positions.operations.settings import SettingsError, load
from venues.polymarket.api import parsing
from venues.polymarket.api.clob import BoundedClobClient
from venues.polymarket.api.gamma import _texts
from venues.polymarket.api.parsing import Unreadable, messages

ENDLESS = 10**5000
"""Python refuses to write an integer of so many digits out."""
ASKED = {"command": "submit", "id": ID, "market": "rain", "outcome": "Yes", "max_bid": "0.55"}


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("at", "9999-12-31T23:59:59Z", "at was .*, must be in the years 2020 to 2099"),
        ("at", "2100-01-01T00:00:00Z", "must be in the years"),
        ("at", "2019-12-31T23:59:59Z", "must be in the years"),
        ("at", "0001-01-01T00:00:00+14:00", "must be in the years"),
        ("at", "2020-01-01T00:00:00+14:00", "must be in the years"),
        ("exit_at", "2099-12-31T23:59:59-23:59", "exit_at was .*, must be in the years"),
        ("expires_at", "2555-01-01T00:00:00Z", "expires_at was .*, must be in the years"),
        ("created_at", "9999-12-31T23:59:59Z", "created_at was .*, must be in the years"),
        ("exit_at", "2600-01-01T00:00:00Z", "exit_at was .*, must be in the years"),
        ("expires", "2300-01-01T00:00:00Z", "expires was .*, must be in the years"),
        ("expires", "999999d", "expires was .*, must be at most 366d"),
        ("expires", "367d", "must be at most 366d"),
        ("exit_before_end", "999999h", "exit_before_end was .*, must be at most 366d"),
        ("stop_confirm", "999999d", "stop_confirm was .*, must be at most"),
        ("stop_confirm", "25h", "stop_confirm was .*, must be at most 24h"),
        pytest.param(
            "size", ENDLESS, 'size was .*, must be a plain decimal such as "0.55"', id="endless"
        ),
        ("size", "1e30", "must be a plain decimal"),
        ("size", Decimal("1e999999999"), "must be a plain decimal"),
        ("size", "1000000000", "must be a plain decimal"),
        ("market", "x" * 301, "market was .*, must be 1 to 300 printable characters"),
        ("id", "x" * 10**6, "id was .*, must be a UUID"),
    ],
)
def test_what_a_command_may_hold(field: str, value: object, rule: str) -> None:
    with pytest.raises(Malformed, match=rule) as e:
        from_fields(ASKED | {field: value})
    assert len(str(e.value)) < 250


@pytest.mark.parametrize(
    ("field", "value"),
    [("at", "2099-12-31T00:00:00Z"), ("expires", "366d"), ("stop_confirm", "24h")],
)
def test_the_last_that_it_may_hold(field: str, value: object) -> None:
    assert isinstance(from_fields(ASKED | {field: value}), Submit)


@pytest.mark.parametrize(
    "content",
    [
        b'{"command": "submit", "size": ' + b"9" * 10_000 + b"}",
        b"[" * 100_000,
        b'{"command": {"a": 1}}',
        b'{"command": "submit", "targets": [[[]]]}',
        b'{"command": "submit", "market": "\\ud800"}',
        b"\xff\xfe",
    ],
)
def test_every_file_is_a_command_or_malformed(content: bytes) -> None:
    with pytest.raises(Malformed):
        decode(content, ID)


UNREADABLE = {
    "an integer without end": "mode = " + "9" * 10_000,
    "nested too deeply": "mode = " + "[" * 20_000,
    "no TOML": "mode",
    "a value of many lines": 'mode = """' + "x\n" * 5_000 + '"""',
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_every_file_of_settings_or_requests_is_refused_in_one_line(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.toml"
    path.write_text(UNREADABLE[name])
    with pytest.raises(SettingsError) as settings:
        load(path)
    with pytest.raises(UnreadableRequests) as requests:
        list(read(path))
    for told in (str(settings.value), str(requests.value)):
        assert told.startswith(f"{path}: ")
        assert "\n" not in told
        assert len(told) < 1_200


@pytest.mark.parametrize("value", ["nan", '"nan"', "inf", "-inf", '"Infinity"'])
@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("limits", "default_stake"),
        ("limits", "max_stake_per_position"),
        ("limits", "max_total_stake"),
        ("exits", "floor_price"),
        ("gate", "spread_max"),
        ("account", "cash"),
    ],
)
def test_a_setting_that_is_no_number_is_refused(
    table: str, name: str, value: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.toml"
    path.write_text(f'mode = "replay"\nstate = "s"\n[{table}]\n{name} = {value}\n')
    with pytest.raises(SettingsError, match=f"{name} was .*, must be "):
        load(path)


def test_a_field_of_a_csv_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("market,outcome\n" + "x" * 200_000 + ",Yes\n")
    with pytest.raises(UnreadableRequests, match="is not CSV: field larger"):
        list(read(path))


@pytest.mark.parametrize("name", ["/dev/zero", "sparse.csv", "sparse.toml", "folder.csv"])
def test_a_file_of_requests_without_end_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name.startswith("sparse"):
        with path.open("wb") as file:
            file.truncate(10**10)
    elif name.startswith("folder"):
        path.mkdir()
    for reading in (read, read_once):
        with pytest.raises(UnreadableRequests, match=r"at most 50,000,000 bytes|a directory"):
            list(reading(path))


@pytest.mark.parametrize(
    "raw", [b"[" * 100_000, b'{"a":' * 100_000, b"1e999", b"9" * 10_000, b"\xff"]
)
def test_a_frame_of_the_venue_that_is_no_json(raw: bytes) -> None:
    with pytest.raises(Unreadable):
        messages(raw)


def test_a_list_inside_of_a_text_of_gamma_may_be_nested_without_end() -> None:
    assert _texts("[" * 100_000) == []


HUGE: list[Any] = ["nan", "Infinity", "-1", "1e30", "1e20000000", "1e-20000000", "", None, True]
HUGE += [pytest.param(ENDLESS, id="endless"), "1e12", float("nan"), [], {}]


@pytest.mark.parametrize("value", HUGE)
def test_numbers_of_the_venue(value: object) -> None:
    for parse in (parsing.number, parsing.price):
        with pytest.raises(Unreadable) as e:
            parse({"size": value}, "size")
        assert len(str(e.value)) < 200


@pytest.mark.parametrize("value", ["0", "1", "1.5", "2"])
def test_prices_of_the_venue(value: str) -> None:
    with pytest.raises(Unreadable, match="price was"):
        parsing.price({"price": value}, "price")


@pytest.mark.parametrize(
    ("told", "price"),
    [("0.010000000000000002", "0.01"), ("0.55", "0.55"), ("0.5549999999999999999", "0.555")],
)
def test_a_price_with_the_decimals_of_a_binary_fraction(told: str, price: str) -> None:
    assert parsing.price({"price": told}, "price") == Decimal(price)


def trade(**changes: Any) -> dict[str, Any]:
    made = {"order_id": "0xcd", "matched_amount": "5", "price": "0.7", "asset_id": "1"}
    return {
        "id": "T",
        "status": "MATCHED",
        "match_time": "1776096000",
        "timestamp": "1776096000123",
        "taker_order_id": "0xab",
        "asset_id": "1",
        "side": "BUY",
        "size": "5",
        "price": "0.7",
        "maker_orders": [made | changes.pop("maker", {})],
    } | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"match_time": "1e20000000"},
        {"match_time": "9999999999999"},
        {"match_time": "-5"},
        {"match_time": "5"},
        {"match_time": "nan"},
        {"timestamp": "1e30"},
        {"maker": {"matched_amount": "1e30"}},
        {"maker": {"matched_amount": "1000000000000"}},
        {"maker": {"price": "1.0"}},
        {"maker": {"price": "1e-30"}},
        {"id": "x" * 100_000},
        {"id": "\u00e9\u202e"},
        {"id": "\x1b[2J"},
        {"id": "a\0b"},
        {"id": "   "},
    ],
)
def test_a_trade_with_a_number_out_of_bounds(changes: dict[str, Any]) -> None:
    assert len(parsing.trades_of("0xcd", trade())) == 1
    with pytest.raises(Unreadable) as e:
        parsing.trades_of("0xcd", trade(**changes))
    assert len(str(e.value)) < 200


@pytest.mark.parametrize(
    "changes",
    [
        {"bought": Decimal("NaN")},
        {"cost": Decimal("1e12")},
        {"sold": Decimal("Infinity")},
        {"max_bid_price": Decimal(1000)},
        {"created_at": TIME_MAX},
        {"filled_at": -1},
        {"id": "\u00e9"},
        {"id": "a b"},
        {"id": ""},
    ],
)
def test_a_position_with_a_value_that_cannot_be(changes: dict[str, Any]) -> None:
    s = Stage()
    submit()(s)
    check(s.position)
    with pytest.raises(Unsound):
        check(update(s.position, **changes))


@pytest.mark.parametrize("hash_", ["", "\u00e9", "0x ab", "x" * 101])
def test_an_order_that_no_venue_calls_so(hash_: str) -> None:
    order = Order("P-1", Role.EXIT, Decimal("0.4"), Decimal(5), 7, 3, venue_order_id="0xab")
    check_order(order)
    with pytest.raises(Unsound, match="hash of an order was"):
        check_order(replace(order, venue_order_id=hash_))


@pytest.mark.parametrize("text", ["\u00e9", "0x\u202e", "\ud800"])
def test_what_would_end_the_process_is_no_identifier(text: str) -> None:
    with pytest.raises(ValueError, match="must be ASCII"):
        identifier(VenueOrderId, text)
    assert str(identifier(VenueOrderId, "0xab")) == "0xab"


@pytest.mark.parametrize(
    "balance", [10**22, 10**30, "1" + "0" * 24, -(10**24), -5, "nan", "1e30", None, [], True]
)
def test_a_balance_that_no_wallet_has(monkeypatch: pytest.MonkeyPatch, balance: object) -> None:
    """Nautilus ends the process where an amount is too large."""
    answer: list[Any] = [{"balance": balance, "allowances": {}}]
    monkeypatch.setattr(ClobClient, "get_balance_allowance", lambda *_: answer[0])
    client = object.__new__(BoundedClobClient)
    with pytest.raises(Unreadable, match="balance was"):
        client.get_balance_allowance()
    for answer[0] in (None, [], "5"):
        with pytest.raises(Unreadable, match="balance was"):
            client.get_balance_allowance()
    answer[0] = {"balance": "123456789012345"}
    assert client.get_balance_allowance() == answer[0]


def test_a_trade_that_names_one_maker_without_end_is_not_booked_once_a_naming() -> None:
    """Each naming made a fill, and each was looked for among all: 2,000 took a minute."""
    made = trade()["maker_orders"]
    endless = trade(maker_orders=made * 2000)
    assert parsing.order_ids(endless) == ["0xab", "0xcd"]
    with pytest.raises(Unreadable, match="2000 times, at most 100"):
        parsing.trades_of("0xcd", endless)
    assert len(parsing.trades_of("0xcd", trade(maker_orders=made * 100))) == 100


def test_a_taker_that_met_many_makers_is_booked_once_a_price() -> None:
    makers = [trade()["maker_orders"][0] | {"order_id": f"0x{n}"} for n in range(2000)]
    told = trade(maker_orders=makers, size="10000", trader_side="TAKER")
    assert len(parsing.order_ids(told)) == 2001
    assert [t.shares for t in parsing.trades_of("0xab", told)] == [10_000]
