"""Paper trading on the loopback venue's prices: no key anywhere, and nothing is ever sent."""

from pathlib import Path

import pytest
from loopback.server import LoopbackPolymarket
from trading import Session, trade

KEYS = ("PK", "FUNDER", "API_KEY", "API_SECRET", "PASSPHRASE")


def test_a_paper_node_trades_on_live_prices_without_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in KEYS:
        monkeypatch.delenv(f"POLYMARKET_{name}", raising=False)
    with LoopbackPolymarket() as venue:
        market = venue.add_market("will-it-rain")
        token = market.tokens[0]
        venue.quote(token, "0.50", "100", "0.52", "100")

        async def script(s: Session) -> None:
            stopped = await s.submit(market, "0.55", "20", stop="0.45")
            rich = await s.submit(market, "0.55", "20", target="0.60")
            kept = await s.submit(market, "0.55", "20")
            for p in (stopped, rich, kept):
                await s.held(p, "20")
            venue.quote(token, "0.61", "100", "0.62", "100")
            await s.phase(rich, "closed")
            venue.quote(token, "0.44", "100", "0.46", "100")
            await s.phase(stopped, "closed")
            venue.resolve(market, token)
            await s.phase(kept, "closed")
            reasons = [s.positions[p].ledger.exit_reason for p in (rich, stopped, kept)]
            assert reasons == ["target", "stop", "settlement"]
            assert s.alarms == []

        trade(venue, tmp_path, script, keys={}, mode="paper")
        assert not [r.where for r in venue.requests if r.auth or "order" in r.path]
