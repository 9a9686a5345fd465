"""A venue that leaves its optional fields out or tells them as null, and one with words of its own:
the central lives end as they do with all fields told."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback.server import LoopbackPolymarket, MarketHandle
from test_adopt_live import what_was_bought_on_the_website_is_protected
from test_demo_live import play_the_demo
from test_faults import (
    crash,
    opened,
    resting,
    stopped,
    the_exit_fills_in_parts,
    the_exits_answer_times_out_although_it_matched,
    the_target_fills_while_it_is_being_cancelled,
    the_venue_cancels_the_targets_when_the_game_starts,
)
from trading import KEY, Scenario, Session, play_all, record, trade

from cli.demo import broken_promises
from positions.model.position import Role

pytestmark = pytest.mark.xdist_group("sparse-messages")

SPARSE = ("missing", "null")
LIVES: dict[str, Scenario] = {
    life.__name__.replace("_", " "): life
    for life in (
        what_was_bought_on_the_website_is_protected,
        the_exit_fills_in_parts,
        the_exits_answer_times_out_although_it_matched,
        the_target_fills_while_it_is_being_cancelled,
        the_venue_cancels_the_targets_when_the_game_starts,
    )
}


@pytest.mark.parametrize("how", SPARSE)
def test_what_is_held_is_sold_all_the_same(how: str, tmp_path: Path) -> None:
    failures = play_all(LIVES, tmp_path, (how,), safety={"stale_seconds": 1})
    assert not any(failures.values()), "\n".join(failures.values())


@pytest.mark.parametrize("how", SPARSE)
def test_the_demos_story_ends_as_it_does(how: str, tmp_path: Path) -> None:
    with LoopbackPolymarket() as venue:
        venue.faults.optional_fields = how
        ids = play_the_demo(venue, tmp_path)
    assert broken_promises(tmp_path, ids) == []


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[LoopbackPolymarket, MarketHandle, str]]:
    """A venue at which a node left 20 shares with a stop at 0.45 and a resting target at 0.70."""
    ids: list[str] = []
    with LoopbackPolymarket() as venue:
        m = venue.add_market("rain")
        venue.quote(m.tokens[0], "0.50", "100", "0.52", "100")
        venue.wallet(KEY, cash="1000")

        async def first(s: Session) -> None:
            ids.append(await opened(s, m))
            await resting(s, ids[0], Role.TARGET)
            await s.settled()

        trade(venue, tmp_path, first, keys=venue.wallet(KEY))
        yield venue, m, ids[0]


@pytest.mark.parametrize("how", SPARSE)
def test_a_fill_of_a_node_that_was_away_is_booked(
    how: str, held: tuple[LoopbackPolymarket, MarketHandle, str], tmp_path: Path
) -> None:
    venue, m, p = held
    venue.faults.optional_fields = how
    venue.quote(m.tokens[0], "0.60", "100", "0.75", "100")
    venue.take(m.tokens[0], "BUY", "0.70", "5")

    async def second(s: Session) -> None:
        await s.held(p, "15")
        crash(s, m)
        await stopped(s, p)
        await s.agrees(m)
        assert not s.alarms

    trade(venue, tmp_path, second, keys=venue.wallet(KEY))


@pytest.mark.parametrize("word", ["TRADE_STATUS_MATCHED_NOT_BROADCASTED", "SEEN_BY_ALL"])
def test_a_word_for_a_fresh_trade_keeps_nothing_from_a_start(
    word: str, held: tuple[LoopbackPolymarket, MarketHandle, str], tmp_path: Path
) -> None:
    venue, m, p = held
    venue.faults.settlement_words = {"MATCHED": word}
    venue.engine.mined_after = 600
    venue.quote(m.tokens[0], "0.60", "100", "0.75", "100")
    venue.take(m.tokens[0], "BUY", "0.70", "5")
    (fresh,) = [t for t in venue.trades(venue.wallet(KEY)["POLYMARKET_FUNDER"]) if not t.is_final]

    async def second(s: Session) -> None:
        await s.held(p, "15")
        s.venue.take(m.tokens[0], "BUY", "0.70", "5")
        await s.held(p, "10")
        crash(s, m)
        await stopped(s, p)
        for unsettled in s.venue.trades(s.funder):
            if unsettled.status == "MATCHED":
                s.venue.settle(unsettled)
        await s.agrees(m)

    assert fresh.status == "MATCHED"
    trade(venue, tmp_path, second, keys=venue.wallet(KEY))
    with record(tmp_path).cursor() as cursor:
        told = [text for (text,) in cursor.execute("SELECT text FROM alarms").fetchall()]
    assert len(told) == (word == "SEEN_BY_ALL"), f"one alarm, however many trades: {told}"
    assert all(word in text for text in told)
