"""How people name markets and positions: what is understood, and what is said of the rest."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from loopback.server import LoopbackPolymarket
from small_node import Node
from stage import market
from typer.testing import CliRunner

import cli.sending
from cli.main import app
from positions.commands.declared_positions import id_of
from positions.commands.market_names import SeveralMarkets, market_name, nearest
from positions.commands.messages import Reply, Submit, encode_reply, from_fields
from positions.commands.position_names import named
from positions.storage.spool import Spool, uuid7
from venues.polymarket.api.gamma import Gamma

RUN = CliRunner()
ID = "0x" + "AB" * 32
TOKEN = "1" * 77
# fmt: off
MARKETS = {
    " Rain-In-London ": "rain-in-london",
    "https://polymarket.com/event/weather/rain-in-london?tid=17#x": "rain-in-london",
    "polymarket.com/event/rain-in-london/": "rain-in-london",
    "HTTPS://POLYMARKET.COM/EVENT/RAIN-IN-LONDON": "rain-in-london",
    "https://polymarket.com/es/event/weather/rain-in-london": "rain-in-london",
    "https://polymarket.com/sports/nba/nba-bos-nyk-2026-10-21": "nba-bos-nyk-2026-10-21",
    ID: ID.lower(),
    "0x-token-above-one-dollar": "0x-token-above-one-dollar",
    TOKEN: TOKEN,
}
# fmt: on


@pytest.mark.parametrize("typed", MARKETS)
def test_a_market_may_be_typed_as(typed: str) -> None:
    assert market_name(typed) == MARKETS[typed]


def test_a_token_names_its_outcome_too() -> None:
    asked = {"command": "submit", "id": uuid7(), "market": TOKEN, "max_bid": "0.5", "size": "20"}
    c = from_fields(asked)
    assert isinstance(c, Submit)
    assert (c.market, c.outcome) == (TOKEN, TOKEN)


KNOWN = ["rain-in-london", "rain-in-paris-in-june", "sun-in-rome", "fed-cuts-25-bps-in-october"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("rain-in-londn", ["rain-in-london"]),
        ("london rain", ["rain-in-london"]),
        ("Fed-cuts-25bps-in-october", ["fed-cuts-25-bps-in-october"]),
        ("in-rain", ["rain-in-london", "rain-in-paris-in-june"]),
        ("zebra", []),
    ],
)
def test_a_near_miss_is_told(typed: str, meant: list[str]) -> None:
    assert nearest(typed, KNOWN)[: len(meant) or None] == meant


def position(number: int, slug: str, name: str = "", status: str = "open") -> dict[str, Any]:
    terms = {"name": name} if name else {}
    known = {"id": f"0190b5a2-7a3f-7c3e-8c3e-0000000000{number:02}", "market": slug}
    ids = {"market_id": "0xc" + slug, "outcome_id": "1", "outcome": "Yes"}
    return known | ids | {"status": status, "terms": terms}


POSITIONS = [
    position(11, "rain-in-london", "Wet"),
    position(12, "rain-in-paris"),
    position(13, "rain-in-paris"),
    position(14, "sun-in-rome", status="closed"),
    position(15, "sun-in-rome"),
    position(16, "sun-in-oslo", "wet", status="closed"),
    position(17, "x") | {"id": id_of("declared", 1)},
]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("00000011", [11]),
        ("0011", [11]),
        ("11", []),
        ("wet", [11]),
        ("RAIN-in-london", [11]),
        ("https://polymarket.com/event/e/rain-in-london", [11]),
        ("rain-in-paris", [12, 13]),
        ("sun-in-rome", [15]),
        ("sun-in-oslo", [16]),
        ("declared", [17]),
        ("rain", []),
    ],
)
def test_a_position_may_be_named_by(typed: str, found: list[int]) -> None:
    rows = [r for n, r in zip(range(11, 18), POSITIONS, strict=True) if n in found]
    assert named(POSITIONS, typed) == rows


def test_the_venue_is_asked_for_every_name() -> None:
    with LoopbackPolymarket() as venue:
        made = [venue.add_market(f"fed-cuts-{n}-bps") for n in (25, 50)]
        only = venue.add_market("0x-above-one-dollar")
        venue.ledger.events["fed-in-october"] = [m.slug for m in made]
        venue.ledger.events["0x-in-october"] = [only.slug]

        async def ask() -> None:
            gamma = Gamma(venue.gamma)
            names = [only.slug.upper(), only.condition_id.upper().replace("0X", "0x")]
            for name in (*names, *only.tokens, "https://polymarket.com/event/0x-in-october"):
                found = await gamma.find(name)
                assert found is not None, name
                assert found.slug == only.slug
            assert await gamma.find("fed") is None
            with pytest.raises(SeveralMarkets, match=r"an event of 2 markets.*fed-cuts-50-bps"):
                await gamma.find("https://polymarket.com/event/fed-in-october")
            await gamma.close()

        asyncio.run(ask())


def test_one_of_several_markets_is_chosen_by_number(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    several = SeveralMarkets("fed", (("fed-25", "Yes 0.6, No 0.4"), ("fed-50", "Yes 0.1, No 0.9")))
    asked = Reply(id=uuid7(), status="refused", message=str(several), choices=several.choices)
    monkeypatch.setattr(cli.sending, "is_asked", lambda: True)
    for typed, chosen in {"2": "fed-50", "": None, "3": None, "x": None, "0": None}.items():
        monkeypatch.setattr(cli.sending, "ask", lambda _, typed=typed: typed)
        assert cli.sending._choose([asked]) == chosen
    assert "  2  fed-50  Yes 0.1, No 0.9" in capsys.readouterr().out
    monkeypatch.setattr(cli.sending, "is_asked", lambda: False)
    assert cli.sending._choose([asked]) is None


def test_the_name_of_a_market_that_is_not_known_is_refused_with_what_was_meant(
    tmp_path: Path,
) -> None:
    node = Node(tmp_path)
    node.work()
    asked = ["rain-in-londn", "Yes", "--max-bid", "0.55", "--size", "20"]
    done = RUN.invoke(app, ["submit", *asked, "--queue", "--wait", "1", "--state", str(node.state)])
    (queued,) = Spool(node.state).waiting()
    assert "no answer yet" in done.stderr
    node.work()
    content = Spool(node.state).read_reply(queued.stem)
    assert b'markets --live \\"rain in londn\\"' in (content or b"")
    shown = cli.sending._meant(
        from_fields(
            {"command": "submit", "id": uuid7(), "market": "rain-in-londn", "outcome": "Yes"}
            | {"max_bid": "0.5", "size": "9"}
        ),
        Reply(id=uuid7(), status="refused", message="", code="UNKNOWN_MARKET"),
        node.state,
    )
    assert shown == f"; did you mean {market().slug}?"
    assert encode_reply(Reply(id="x", status="accepted", message="")).count(b"choices") == 0
    node.store.close()


def test_a_position_is_shown_and_sold_by_its_name(tmp_path: Path) -> None:
    node = Node(tmp_path)
    asked = {"market": "rain-in-london", "outcome": "Yes", "max_bid": "0.55", "size": "20"}
    node.engine.command(from_fields({"command": "submit", "id": uuid7(), **asked, "name": "wet"}))
    node.work()
    state = ["--state", str(node.state)]
    for name in ("wet", "rain-in-london", next(iter(node.engine.positions))[-8:]):
        shown = RUN.invoke(app, ["show", name, *state])
        assert shown.exit_code == 0, shown.output
        assert "rain-in-london" in shown.stdout
    done = RUN.invoke(app, ["show", "dry", *state])
    assert (done.exit_code, "must name one position; found: none" in done.stderr) == (2, True)
    node.store.close()
