"""The demo's story, live on the loopback venue: every position ends as it does in the demo."""

import random
from decimal import Decimal
from pathlib import Path

from loopback.server import LoopbackPolymarket, MarketHandle
from trading import Session, trade

from cli.demo import REQUESTS, broken_promises
from positions.model.position import OrderState, Role
from recordings.sample import SCRIPTS, SECONDS, Script

D = Decimal
STEP = 10
"""Seconds of the story between two views of its books."""


class Stage:
    """The demo's markets at the venue."""

    def __init__(self, venue: LoopbackPolymarket) -> None:
        self.venue = venue
        self.chance = random.Random(7)
        self.markets = {
            s.slug: venue.add_market(s.slug, question=s.question, version=f"v{1 + number % 2}")
            for number, s in enumerate(SCRIPTS)
        }

    def show(self, moment: int) -> None:
        """Every market as it is at a moment of the story."""
        for script in SCRIPTS:
            market = self.markets[script.slug]
            if script.resolved_at <= moment:
                if script.resolved_at > moment - STEP:
                    self.venue.resolve(market, market.tokens[0])
                continue
            if moment - STEP < script.fine_tick_from <= moment:
                self.venue.change_tick(market, "0.001")
            self._quote(script, market, moment)

    def _quote(self, script: Script, market: MarketHandle, moment: int) -> None:
        tick = D("0.001") if script.fine_tick_from <= moment else D("0.01")
        bid = D(str(round(script.price(moment), 2))) / 100 // tick * tick
        sizes = [self.chance.randint(*script.sizes(moment)) for _ in range(2)]
        has_bid = not script.no_bid[0] <= moment < script.no_bid[1]
        has_ask = moment < script.no_ask_from
        self.venue.quote(
            market.tokens[0],
            bid if has_bid else None,
            sizes[0],
            bid + tick if has_ask else None,
            sizes[1],
        )

    def is_seen(self, s: Session) -> bool:
        """Whether the node knows what is shown."""
        engine = s.node.strategy.engine
        shown = {
            m.tokens[0]: self.venue.ledger.by_token[m.tokens[0]] for m in self.markets.values()
        }
        return all(
            engine.markets[token].bid == market.touch(token)[0]
            for token, market in shown.items()
            if token in engine.markets and not market.is_closed
        )


def is_quiet(s: Session) -> bool:
    """Whether no order of the node is on its way."""
    orders = [o for p in s.positions.values() for o in p.orders if o.role is not Role.STOP]
    on_the_way = [o for o in orders if o.state is OrderState.SENT or o.immediate]
    return s.node.strategy.is_idle and not on_the_way


def play_the_demo(venue: LoopbackPolymarket, state: Path) -> dict[str, str]:
    """Play the story on a live node; the positions' ids by the demo's names."""
    ids: dict[str, str] = {}
    stage = Stage(venue)

    async def act(s: Session, moment: int) -> None:
        """What the person at the command line does at a moment of the story."""
        if moment == 0:
            for name, request in REQUESTS.items():
                reply = await s.command("submit", outcome="Yes", **request)
                ids[name] = reply.position_id or reply.id
        elif moment == 370:
            await s.command("sell", position_id=ids["rate"], fraction="0.5")
        elif moment == 540:
            await s.command("sell", position_id=ids["rate"])
        elif moment == 640:
            await s.command("cancel", position_id=ids["film"])

    async def script(s: Session) -> None:
        for moment in range(0, SECONDS, STEP):
            stage.show(moment)
            await act(s, moment)
            await s.until(lambda: stage.is_seen(s) and is_quiet(s), "nothing is under way")
        await s.until(lambda: all(p.is_over for p in s.positions.values()), "all are over")
        for market in stage.markets.values():
            await s.agrees(market)

    trade(venue, state, script)
    return ids


def test_the_demos_story_ends_live_as_it_does_in_the_demo(tmp_path: Path) -> None:
    with LoopbackPolymarket() as venue:
        ids = play_the_demo(venue, tmp_path)
    assert broken_promises(tmp_path, ids) == []
