"""What is signed equals the vectors, and what the installed library signs, of every kind."""

from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from eth_account import Account
from py_clob_client_v2.order_utils import (
    ExchangeOrderBuilderV2,
    Side,
    SignatureTypeV2,
)
from py_clob_client_v2.order_utils.model.order_data_v2 import OrderDataV2
from py_clob_client_v2.signer import Signer

from positions.commands.market_names import condition_id_of
from venues.polymarket.api import signing
from venues.polymarket.api.protocol import (
    NEG_RISK,
    POSITIONS,
    STANDARD,
    Exchange,
    Protocol,
    exchange_of,
    protocol_of,
)
from venues.polymarket.api.signing import NO_BUILDER, OrderSigner, Terms, amounts, separator

D = Decimal
KEY = "0x" + "11" * 32
OWN = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
DEPOSIT = "0x" + "22" * 20
POSITION = "663574927012476832975694178961957910328055987427402067619466963999000625152"
TOKEN = "71321045679252212594626385532706912750332728571942532289631379312455583992563"
OTHERS = "113370520490507646250500701219384673009095163173294222529417095958546047347489"
NAUTILUS = "0x4f2c0bba608033563f74b82300e2ed59f54f8d0de08281031f03fb2c62819e63"
NOW = 1796000000000

# fmt: off
VECTORS: dict[str, tuple[int, str, bool, bool, str, str, str]] = {
    # kind of wallet, outcome, negative risk, buys, builder; then id, (begin of) signature
    "V2": (0, POSITION, False, False, NO_BUILDER,
        "0x0beecbad4d286cb09a0b68ce16127e5b524f50c140640350b80c3afd9430526b",
        "0x5d781e85e23e4022785688adac9994e2080226f7284f2d40ac320845a0d06597045cd45d8c20874cc9d38dec21fcbef1c597af343fe114375e3e9321cb985cd31b"),
    "V2, whatever its risk": (0, POSITION, True, False, NO_BUILDER,
        "0x0beecbad4d286cb09a0b68ce16127e5b524f50c140640350b80c3afd9430526b",
        "0x5d781e85e23e4022785688adac9994e2080226f7284f2d40ac320845a0d06597045cd45d8c20874cc9d38dec21fcbef1c597af343fe114375e3e9321cb985cd31b"),
    "V2 buys": (0, POSITION, False, True, NO_BUILDER,
        "0x4ca82b19f598b4c196cd52929e640e0e4da45a8294cbc27db753d825469b9ad1",
        "0xfb03071451ea771a5caaa86d866ea467884cab094b5f3f373d5d65a04eb375887e2a2cc72d3fbea7b3970932be53e2dbaf3f6bca484664ef3cb3bbefab9494c21c"),
    "V2 with a builder": (0, POSITION, False, False, NAUTILUS,
        "0xe9c1130497a62a53ae4a9f7b0d7bdac17c10b50f8379eb45e03f1649c7f97ff7",
        "0xe6f696aa7ea645bef0a43e600bc5766f594425470dca46e96dc35c7094f6a93a31623aa884829669fa4510297fbfac5fc92e4680905b614ca27e5a878c7573591c"),
    "V2 of a contract": (3, POSITION, False, False, NO_BUILDER,
        "0xc7a65dd070130bfb1ed303fcc4ea7487894357aea6ba363a4f052a3d937f87b8",
        "0x037647a5b49c7574113ba8d695fac1452c5c2d1bc6571dda90e1adcbf80ad5d27907fbddc878fd4f0b15f9a706b1bf223b0cf3bf411ca81607c0c8ec9638e03c1c"
        "466c63910185bbd55e8679264200c4e0abdcbb0c6264eb3d41d13326022e095b"
        "304e89b47b482eb28e4eeb614713ca8c3dc247d62682724826bf051ec3745ad9"),
    "V1": (0, TOKEN, False, False, NO_BUILDER,
        "0xe117c34f0c4f1b41140777229b0de8011e7cdff8c586e81f582b6013e0f3194c",
        "0xeb4fa22884b9230a8d024829915443cb4cf4c9627d524d90d7c07cd57b82f8731087093c462fd06077c1020740f8a57fdd25a1a083aac74c986677beb782130f1b"),
    "V1 of negative risk": (0, TOKEN, True, False, NO_BUILDER,
        "0x8b3db4580b71030c84e74e39019d75e5883146e88e102a65ea2f0fa7773e6fb2",
        "0x347faafabe37cf2918f92258d9307861ed52f3be796fea6b5424d206d5fdb08651a7fca6cba89ec4cce35450506a7bad8e7de6dc2167115f0e64e2d5cc0c71dc1c"),
    "V1 of a contract": (3, TOKEN, False, False, NO_BUILDER,
        "0x061e7a4ea2475ff553dc546847009cf8bf3741c6ee4a66522eb1a7e11dd06759",
        "0x784a3e9dd92b0b43714b5939930d882508de026515aa9538359d95bc0a9b140848bffecb9935ad870326fbdce600321a445c47f0eac6c59d80695c738eab2c9e1b"
        "3264e159346253e26a64e00b69032db0e7d32f94628de3e6eecb50304d7af3d2"
        "d1884c22e427b3f73b2ab316e5e09968ebdb346dc3bd7f2f36f88c2ab1221399"),
}
# fmt: on
KINDS = {
    "V1": (TOKEN, False, STANDARD),
    "V1 of negative risk": (TOKEN, True, NEG_RISK),
    "V2": (POSITION, False, POSITIONS),
    "V2 of negative risk": (POSITION, True, POSITIONS),
}


def signer(kind: int, builder: str = NO_BUILDER) -> OrderSigner:
    return OrderSigner(KEY, OWN, OWN if kind == 0 else DEPOSIT, kind, builder)


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_an_order_is_signed_as_the_vectors_say(
    vector: tuple[int, str, bool, bool, str, str, str],
) -> None:
    kind, token, neg_risk, is_buy, builder, hash_, signature = vector
    terms = Terms(token, is_buy, D("0.50"), D(5), neg_risk)
    signed = signer(kind, builder).sign(terms, salt=42, timestamp=NOW)
    assert signed.hash == hash_
    assert signed.order.signature.startswith(signature)
    assert len(signed.order.signature) == 2 + 2 * (317 if kind == 3 else 65)


def test_the_domain_separators_are_those_of_the_contracts() -> None:
    # fmt: off
    assert {e: separator(e).hex() for e in (STANDARD, NEG_RISK, POSITIONS)} == {
        STANDARD: "3264e159346253e26a64e00b69032db0e7d32f94628de3e6eecb50304d7af3d2",
        NEG_RISK: "9b858f53327b0bd13af8ec14cfb35234fb9eb7b0504d1a4e61f433840d30e81a",
        POSITIONS: "466c63910185bbd55e8679264200c4e0abdcbb0c6264eb3d41d13326022e095b",
    }
    # fmt: on


class Library(ExchangeOrderBuilderV2):  # type: ignore[misc]
    """The installed library's own builder, which knows no domain but its own."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange.address, 137, Signer(KEY, 137), lambda: "42")
        self._version = exchange.version
        if exchange.version == "3":
            self.app_domain_separator = separator(exchange)

    def build_order_typed_data(self, order: Any) -> Any:
        made = super().build_order_typed_data(order)
        return made | {"domain": made["domain"] | {"version": self._version}}


@pytest.mark.parametrize(("kind", "market"), list(product(range(4), KINDS)))
@pytest.mark.parametrize("is_buy", [True, False])
def test_an_order_is_signed_as_the_library_signs_it(kind: int, market: str, is_buy: bool) -> None:
    token, neg_risk, exchange = KINDS[market]
    terms = Terms(token, is_buy, D("0.37"), D("12.34"), neg_risk)
    ours = signer(kind, NAUTILUS).sign(terms, salt=42, timestamp=NOW)
    given, taken = amounts(terms)
    library = Library(exchange)
    theirs = library.build_signed_order(
        OrderDataV2(
            maker=OWN if kind == 0 else DEPOSIT,
            signer=DEPOSIT if kind == 3 else OWN,
            tokenId=token,
            makerAmount=str(given),
            takerAmount=str(taken),
            side=Side.BUY if is_buy else Side.SELL,
            signatureType=SignatureTypeV2(kind),
            timestamp=str(NOW),
            builder=NAUTILUS,
        )
    )
    assert ours.order == theirs
    assert ours.hash == library.build_order_hash(library.build_order_typed_data(theirs))


def test_the_key_that_signs_can_be_recovered() -> None:
    signed = signer(0).sign(Terms(TOKEN, True, D("0.5"), D(5), False))
    recovered = Account._recover_hash(
        bytes.fromhex(signed.hash[2:]), signature=bytes.fromhex(signed.order.signature[2:])
    )
    assert recovered == OWN


def test_no_two_orders_have_one_hash() -> None:
    terms = Terms(TOKEN, True, D("0.5"), D(5), False)
    made = [signer(0).sign(terms, timestamp=NOW) for _ in range(100)]
    assert len({s.hash for s in made}) == 100
    assert all(int(s.order.salt) <= 2**53 for s in made)


@pytest.mark.parametrize(
    ("price", "shares", "money"),
    [
        ("0.4995", "20", 9_990_000),  # a tick of 0.0005
        ("0.498", "20", 9_960_000),
        ("0.4975", "20.4", 10_149_000),  # of 0.0025
        ("0.455", "7.77", 3_535_350),  # of 0.005
        ("0.0001", "9999.99", 999_999),
        ("0.49999", "20", 9_999_800),
        ("0.95", "0.01", 9_500),
    ],
)
def test_an_order_on_any_tick_is_signed(price: str, shares: str, money: int) -> None:
    millionths = int(D(shares) * 10**6)
    for is_buy in (True, False):
        terms = Terms(TOKEN, is_buy, D(price), D(shares), False)
        order = signer(0).sign(terms).order
        given, taken = int(order.makerAmount), int(order.takerAmount)
        assert (given, taken) == ((money, millionths) if is_buy else (millionths, money))


@pytest.mark.parametrize("price", ["0.01", "0.29", "0.57", "0.001", "0.277", "0.999", "0.0001"])
def test_every_size_is_signed_as_it_is(price: str) -> None:
    for size in (D(hundredths) / 100 for hundredths in range(500, 10_500)):
        shares, money = int(size * 10**6), int(size * D(price) * 10**6)
        assert amounts(Terms(TOKEN, True, D(price), size, False)) == (money, shares)
        assert amounts(Terms(TOKEN, False, D(price), size, False)) == (shares, money)


@pytest.mark.parametrize(("price", "shares"), [("1", "5"), ("0", "5"), ("1.2", "5"), ("0.5", "0")])
def test_what_can_be_no_order_is_not_signed(price: str, shares: str) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        signer(0).sign(Terms(TOKEN, True, D(price), D(shares), False))


@pytest.mark.parametrize(
    ("token", "protocol"),
    [
        (POSITION, Protocol.V2),
        (str(int(POSITION) + 1), Protocol.V2),
        (TOKEN, Protocol.V1),
        (OTHERS, Protocol.V1),
        ("0", Protocol.V1),
        ("1", Protocol.V1),
        ("", Protocol.V1),
        ("0x1", Protocol.V1),
        ("-1", Protocol.V1),
        (str(2 << 248), Protocol.V2),
        (str(3 << 248 | 7), Protocol.V2),
        (str(4 << 248), Protocol.V1),
        (str(1 << 248 | 1 << 40), Protocol.V1),
        (str(1 << 248 | 1 << 103), Protocol.V1),
        (str(1 << 248 | 1 << 104), Protocol.V2),
        (str((1 << 256) + (1 << 248)), Protocol.V1),
    ],
)
def test_an_id_tells_its_protocol(token: str, protocol: Protocol) -> None:
    assert protocol_of(token) is protocol


def test_each_market_has_one_exchange() -> None:
    assert exchange_of(Protocol.V1, neg_risk=False) == STANDARD
    assert exchange_of(Protocol.V1, neg_risk=True) == NEG_RISK
    assert exchange_of(Protocol.V2, neg_risk=False) == exchange_of(Protocol.V2, neg_risk=True)
    assert exchange_of(Protocol.V2, neg_risk=False) == POSITIONS


@pytest.mark.parametrize(
    ("told", "inside"),
    [
        ("0x" + "ab" * 31, "0x" + "ab" * 31 + "00"),
        ("0x" + "AB" * 32, "0x" + "ab" * 32),
        ("0X" + "AB" * 31, "0x" + "ab" * 31 + "00"),
        ("0x" + "ab" * 30, "0x" + "ab" * 30),
        ("will-it-rain", "will-it-rain"),
        ("", ""),
    ],
)
def test_a_condition_has_64_digits_inside(told: str, inside: str) -> None:
    assert condition_id_of(told) == inside


def test_the_golden_vector_of_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one whose hash the deployed contract returned: with a maker of zeros."""
    golden = "0x529d440652102e5d9aea11536d90c0a43148fc1dc7e80c525de83cd0cfe14040"
    monkeypatch.setattr(signing, "protocol_of", lambda _: Protocol.V2)  # of an id of 1
    nobody = OrderSigner(KEY, OWN, "0x" + "0" * 40, 3)
    terms = Terms("1", True, D("0.5"), D(2), False)
    signed = nobody.sign(terms, salt=1, timestamp=1791220000)
    assert signed.hash == golden
