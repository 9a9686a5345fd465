"""Two live nodes at once: on one folder, on one wallet of one machine, and on one wallet of two."""

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from loopback.server import LoopbackPolymarket
from test_crash_live import Person
from trading import PATIENCE, Session, trade

from positions.storage.snapshot import Snapshot

pytestmark = pytest.mark.xdist_group("two-nodes")
D = Decimal


@contextmanager
def holding(folder: Path) -> Iterator[Person]:
    """A person whose node, in a process of its own, holds 20 shares and offers them."""
    with LoopbackPolymarket() as venue:
        person = Person(venue, folder, 1)
        person.submit(person.markets[0])
        node = person.start()
        try:
            person.wait(lambda: set(person.phases().values()) == {"holding"}, "it holds")
            person.wait(lambda: len(venue.orders(person.funder)) == 1, "it offers")
            yield person
        finally:
            node.terminate()
            assert node.wait(PATIENCE) == 0


def fall(person: Person) -> None:
    """The bid falls through every stop."""
    person.venue.quote(person.markets[0].tokens[0], "0.44", "100", "0.47", "100")


def test_a_second_node_of_a_folder_or_a_wallet_is_refused_and_the_first_trades_on(
    tmp_path: Path,
) -> None:
    other = tmp_path / "other.toml"
    with holding(tmp_path) as person:
        person.configure(other, tmp_path / "other")
        seconds = [person.start(config=c, stderr=subprocess.PIPE) for c in (None, other)]
        said = [second.communicate(timeout=4 * PATIENCE)[1].decode() for second in seconds]
        assert [second.returncode for second in seconds] == [1, 1]
        busy = "is in use by a running node (process"
        assert [line.count("\n") for line in said] == [1, 1], said
        assert said[0].startswith(f"polybracket: {tmp_path / 'state'} {busy}")
        assert said[1].startswith(f"polybracket: the wallet {person.funder} {busy}")
        assert not (tmp_path / "other" / "positions.duckdb").exists()
        assert not person.venue.asked("DELETE /order")
        fall(person)
        person.wait(lambda: set(person.phases().values()) == {"closed"}, "the first sells")
        assert person.venue.shares(person.funder, person.markets[0].tokens[0]) == 0


def test_another_host_of_the_wallet_is_alarmed_about_and_never_fought(tmp_path: Path) -> None:
    """What a lock on one machine cannot see: a node elsewhere, on the same outcome even."""
    with holding(tmp_path) as person:
        venue, m = person.venue, person.markets[0]
        (theirs,) = venue.orders(person.funder)

        async def second(s: Session) -> None:
            await s.until(lambda: any("1 order in the wallet" in a for a in s.alarms), "an alarm")
            p = await s.submit(m, "0.55", "20", sell_price="0.80", stop_loss_price="0.45")
            await s.held(p, "20")
            await s.until(lambda: len(venue.orders(s.funder)) == 2, "both offer")
            await s.until(lambda: _foreign(tmp_path / "state"), "the first is alarmed, too")
            assert theirs.is_open
            assert not venue.asked("DELETE /order")
            await asyncio.to_thread(fall, person)
            await s.phase(p, "closed")
            await s.until(lambda: set(person.phases().values()) == {"closed"}, "the first sells")
            assert s.positions[p].ledger.sold == 20
            assert s.positions[p].decision.dispute is None

        trade(venue, tmp_path / "elsewhere", second, keys=person.keys)
        assert venue.shares(person.funder, m.tokens[0]) == 0
        assert _sold(person) == [D(20)]


def _foreign(state: Path) -> bool:
    with Snapshot(state) as copy:
        return any("1 order in the wallet" in a["text"] for a in copy.open_alarms())


def _sold(person: Person) -> list[Decimal]:
    with Snapshot(person.state) as copy:
        return [r["volume"] - r["held"] for r in copy.positions(everything=True)]
