"""Numbers as people type them: what each means, and what is asked where it may mean two things."""

from decimal import Decimal

import pytest

from cli.flags import as_typed
from positions.commands import fields
from positions.commands.fields import Malformed
from positions.commands.messages import from_fields
from positions.commands.typed_numbers import number, percent
from positions.model.terms import Percent
from positions.model.venue_rules import ceil_to, floor_to
from positions.storage.spool import uuid7

D = Decimal
# fmt: off
NUMBERS = {
    "0.55": "0.55", "55c": "0.55", "55¢": "0.55", "55 c": "0.55", "55 cents": "0.55", "1 cent": "0.01", "55ct": "0.55",
    ".55": "0.55", "$0.55": "0.55", "$ .55": "0.55", " 0.55 ": "0.55", "0,55": "0.55", "54,5c": "0.545", "12,5": "12.5",
    "0,550": "0.55", "1,000.50": "1000.50", "1.000,50": "1000.50", "$1,234,567.5": "1234567.5", "$10": "10",
    "1,000": None, "1 000": None, "": None, "c": None, "$": None, "-0.55": None, "+0.55": None, "0.5.5": None,
    "1e3": None, "0x10": None, "\uff11\uff10": None, "0.55\n": None, "$55c": None, "5,5,5": None, "0.1234567": None,
    "55cc": None, "1234567890": None, "NaN": None, "inf": None, "0.55 USD": None, "55%": None,
}
PERCENTS = {"20%": "20", "+20%": "20", "-20%": "20", "2,5%": "2.5", "50 %": "50", "20": None, "%": None, "20%%": None}
REFUSED = {
    ("price", "55"): "p was 55, must be above 0 and below 1 USDC per share; 55 is a price in cents: 0.55?",
    ("price", "54.5"): "54.5 is a price in cents: 0.545?",
    ("price", "100"): "p was 100, must be above 0 and below 1 USDC per share",
    ("price", "550"): "p was 550, must be above 0 and below 1 USDC per share",
    ("fraction", "50"): "p was 50, must be above 0 and at most 1; 50%?",
    ("fraction", "150%"): "p was '150%', must be above 0 and at most 1",
    ("amount", "1,000"): "p was '1,000', must be a plain decimal such as \"0.55\"; 1000 or 1.000?",
    ("amount", "5%"): "0.05?",
    ("duration", "5"): "must be a span such as 90s, 15m, 2h or 3d; 5s, 5m or 5h?",
}
TYPED = {
    "PRICE_OFF_TICK: stop_loss_price was 0.455, must be": "PRICE_OFF_TICK: --stop was 0.455, must be",
    "size was 3, must be at least 5 shares": "--size was 3, must be at least 5 shares",
    "stop_loss_price was 0.6, must be below max_bid_price 0.55": "--stop was 0.6, must be below --max-bid 0.55",
    "stake was 90, must be at most max_stake_per_position 50": "--stake was 90, must be at most max_stake_per_position 50",
    "market was 'x', must be one the node knows": "market was 'x', must be one the node knows",
    "break_even_after was 3, must be": "--break-even-after was 3, must be",
}
# fmt: on


@pytest.mark.parametrize("typed", NUMBERS)
def test_a_number_typed_as(typed: str) -> None:
    expected = NUMBERS[typed]
    assert number(typed) == (None if expected is None else D(expected))


@pytest.mark.parametrize("typed", PERCENTS)
def test_a_percentage_typed_as(typed: str) -> None:
    expected = PERCENTS[typed]
    assert percent(typed) == (None if expected is None else D(expected))


@pytest.mark.parametrize(("kind", "typed"), REFUSED)
def test_what_is_refused_says_what_may_have_been_meant(kind: str, typed: str) -> None:
    with pytest.raises(Malformed) as refused:
        getattr(fields, kind)("p", typed)
    assert REFUSED[kind, typed] in str(refused.value)
    assert str(refused.value).count("?") == (1 if REFUSED[kind, typed].endswith("?") else 0)


def test_every_field_takes_them() -> None:
    assert fields.level("p", "45c") == D("0.45")
    assert fields.level("p", "2,5%") == Percent(D("2.5"))
    assert fields.fraction("p", "50%") == fields.fraction("p", ".5") == D("0.5")
    assert fields.amount("p", "$12.50") == D("12.5")
    assert [s.price for s in fields.slices("p", ["60c:50%", "$0.70"])] == [D("0.6"), D("0.7")]
    assert fields.waiting("p", "5") == fields.waiting("p", "5s") == 5 * 10**9


@pytest.mark.parametrize("message", TYPED)
def test_a_message_names_what_was_typed(message: str) -> None:
    assert as_typed(message) == TYPED[message]


def test_a_file_is_answered_with_its_own_names() -> None:
    asked = {"command": "submit", "id": uuid7(), "market": "m", "outcome": "Yes"}
    for name in ("max_bid", "max_bid_price"):
        with pytest.raises(Malformed, match=rf"^{name} was 5"):
            from_fields(asked | {name: "5"})


@pytest.mark.parametrize("value", ["40", "4000", "1E+2", "0.4", "12345678"])
def test_what_is_rounded_has_no_exponent(value: str) -> None:
    for rounded in (floor_to(D(value), D("0.01")), ceil_to(D(value), D("0.01"))):
        assert rounded == D(value)
        assert "E" not in str(rounded)
