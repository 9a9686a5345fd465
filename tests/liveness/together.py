"""Plays hostile acts one after the other on one live node in this process, each on a fresh pair."""

import asyncio
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from liveness.scene import SHARES, Act, Failed, Held, Rounds, Scene
from loopback.server import LoopbackPolymarket
from trading import KEY, Session, trade

from positions.model.position import Role
from positions.storage.locks import StateLock
from positions.storage.snapshot import NoSnapshot, Snapshot

Report = Callable[[int, str], None]
"""Told a variant's number when it begins, with "begun", and at its end, with what failed or ""."""
ROOT = Path(__file__).parents[2]
_BEAT_SECONDS = 1.0
BATCH = 20
"""Pairs that are opened at once."""
_OPENING_ROUNDS = 6000
_OPENING_SECONDS = 150.0
"""For a pair to be opened beside the others of its batch, on a busy machine."""
_VICTIM_ROUNDS = 4000
_TOLD_ROUNDS = 4000
"""For what `status` and `positions` show: they are published once a second."""
LIMITS = {"default_stake": 50, "max_stake_per_position": 1000, "max_total_stake": 1_000_000}


class Troupe:
    """Acts on one node.

    Parameters
    ----------
    acts
        By the number of their variant.
    chances
        The chance of each.
    report
        Told of each.
    """

    def __init__(
        self,
        venue: LoopbackPolymarket,
        rounds: Rounds,
        acts: Mapping[int, Act],
        chances: Callable[[int], random.Random],
        report: Report,
    ) -> None:
        self._venue = venue
        self._rounds = rounds
        self._acts = acts
        self._chances = chances
        self._report = report
        self._hands = ThreadPoolExecutor(32, thread_name_prefix="hands")
        self._keys: Mapping[str, str] = {}

    def play(self, state: Path) -> None:
        """Play them all; raises `Failed` at the first broken promise."""
        self._keys = self._venue.wallet(KEY, cash="1000000")
        state.mkdir(parents=True)
        with StateLock(state, "live"):
            trade(self._venue, state, self._script, keys=self._keys, limits=LIMITS)

    async def _script(self, session: Session) -> None:
        beating = asyncio.create_task(self._beat())
        try:
            await self._play_all(session)
        finally:
            beating.cancel()

    async def _beat(self) -> None:
        """Tell that the node's loop turns."""
        while True:
            self._rounds.sign()
            await asyncio.sleep(_BEAT_SECONDS)

    async def _play_all(self, session: Session) -> None:
        numbers = sorted(self._acts)
        for first in range(0, len(numbers), BATCH):
            batch = numbers[first : first + BATCH]
            self._report(batch[0], "begun")
            scenes = await self._open(session, batch)
            for number, scene in scenes.items():
                self._report(number, "begun")
                await self._perform(scene, self._acts[number])
                self._report(number, "")
            self._report(batch[-1], "begun")
            await self._is_told(session, list(scenes.values()))
            self._report(batch[-1], "")

    # -- opening -----------------------------------------------------------------------------------

    async def _open(self, session: Session, numbers: Sequence[int]) -> dict[int, Scene]:
        scenes = {n: await self._scene(session, n) for n in numbers}
        opening = [self._hold(scene) for scene in scenes.values()]
        await asyncio.gather(*opening)
        return scenes

    async def _scene(self, session: Session, number: int) -> Scene:
        loop = asyncio.get_running_loop()
        chance = self._chances(number)
        pair = []
        for role in ("victim", "other"):
            slug = f"{role}-{number}"
            market = await loop.run_in_executor(self._hands, self._venue.add_market, slug)
            await loop.run_in_executor(
                self._hands, self._venue.quote, market.tokens[0], "0.50", "5000", "0.52", "5000"
            )
            pair.append(Held(market))
        funder = self._keys["POLYMARKET_FUNDER"]
        return Scene(
            self._venue, self._rounds, funder, session, pair[0], pair[1], chance, self._hands
        )

    async def _hold(self, scene: Scene) -> None:
        """Open both positions, and wait until they are armed and their targets rest."""
        has_target = scene.chance.random() < 0.5
        for held, target in ((scene.victim, True), (scene.other, has_target)):
            held.position_id = await self._submit(scene, held, target=target)
        for held, target in ((scene.victim, True), (scene.other, has_target)):
            await scene.within(
                _OPENING_ROUNDS,
                lambda h=held, t=target: _is_armed(scene, h, t),  # type: ignore[misc]
                f"{held.market.slug} was not armed",
            )

    async def _submit(self, scene: Scene, held: Held, *, target: bool) -> str:
        asked = {"market": held.market.slug, "outcome": "Yes", "max_bid": "0.55", "size": SHARES}
        asked |= {"stop": "0.45"} | ({"target": "0.70"} if target else {})
        reply = None
        for _ in range(20):
            reply = await scene.session.command("submit", _OPENING_SECONDS, **asked)
            if reply.status == "accepted":
                return reply.position_id
            await asyncio.sleep(0.5)
        raise Failed(f"no position could be opened any more: {reply and reply.message}")

    # -- the acts ----------------------------------------------------------------------------------

    async def _perform(self, scene: Scene, act: Act) -> None:
        try:
            with undone(scene):
                await act.play(scene)
                await asyncio.sleep(scene.chance.choice((0.0, 0.0, 0.02, 0.1)))
                await scene.fall(scene.other)
                await scene.sold(scene.other, act.rounds, "the other position")
            if act.spares_victim:
                await scene.fall(scene.victim)
                await scene.sold(scene.victim, _VICTIM_ROUNDS, "the victim itself")
        except AssertionError as e:
            alarms = "\n".join(scene.session.alarms[-5:])
            why = f"{act.name}: {e}\nalarms: {alarms}\n{scene.session.unforeseen[-2000:]}"
            raise Failed(why) from None

    async def _is_told(self, session: Session, scenes: Sequence[Scene]) -> None:
        """What was sold is shown as over, and that a node runs."""
        ids = {scene.other.position_id for scene in scenes}
        await scenes[0].within(
            _TOLD_ROUNDS,
            lambda: not ids & _shown_open(session.state),
            "`positions` did not show what was sold as over",
        )
        told: dict[str, Any] = {}
        for _ in range(10):  # a loop that was late says so for a while, and that is true
            told = await scenes[0].do(lambda: status(session.state))
            if told.get("running") is True:
                return
            await asyncio.sleep(1)
        raise Failed(f"`status` did not say that the node runs: {told}")


@contextmanager
def undone(scene: Scene) -> Iterator[None]:
    """End every fault of an act afterwards."""
    try:
        yield
    finally:
        for undo in scene.undo:
            undo()
        scene.venue.faults.clear()


def environment() -> dict[str, str]:
    """A child's environment: this one's, without a wallet."""
    plain = {n: v for n, v in os.environ.items() if not n.startswith("POLY")}
    return plain | {"PYTHONPATH": str(ROOT)}


def status(state: Path, timeout: float = 600) -> dict[str, Any]:
    """What `polybracket status --json` says, with its "exit" code."""
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "status", "--json", "--state", str(state)],
        env=environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    told: dict[str, Any] = {"exit": done.returncode, "error": done.stderr.strip()}
    with suppress(ValueError):
        told |= json.loads(done.stdout)
    return told


def _is_armed(scene: Scene, held: Held, has_target: bool) -> bool:
    p = scene.session.positions[held.position_id]
    if str(p.held) != SHARES or not p.live(Role.STOP):
        return False
    return not has_target or any(o.token == held.token for o in scene.venue.orders(scene.funder))


def _shown_open(state: Path) -> set[str]:
    with suppress(NoSnapshot), Snapshot(state) as copy:
        return {row["id"] for row in copy.positions()}
    return set()
