"""Plays acts between two lives of a node: one stops, and the next takes up what it left."""

import asyncio
from pathlib import Path

from liveness.scene import Failed, Scene
from liveness.together import LIMITS, Troupe, undone
from trading import KEY, Script, Session, trade

from positions.storage.locks import StateLock


class Heirs(Troupe):
    """A node is started anew for every act; each opens the pair that the next one is about."""

    def play(self, state: Path) -> None:
        """Play them all; raises `Failed` at the first broken promise."""
        self._keys = self._venue.wallet(KEY, cash="1000000")
        state.mkdir(parents=True)
        last: tuple[int, Scene] | None = None
        for number in sorted(self._acts):
            scene = self._life(state, last, number)
            assert scene is not None
            self._between(number, scene)
            last = number, scene
        self._life(state, last, None)

    def _life(
        self, state: Path, last: tuple[int, Scene] | None, number: int | None
    ) -> Scene | None:
        """One node: it takes up what the last one left, and opens a pair of its own."""
        opened: list[Scene] = []

        async def script(session: Session) -> None:
            if last is not None:
                await self._taken_up(session, *last)
                self._report(last[0], "")
            if number is not None:
                self._report(number, "begun")
                opened.extend((await self._open(session, [number])).values())

        with StateLock(state, "live"):
            self._live(state, script, last)
        return opened[0] if opened else None

    def _live(self, state: Path, script: Script, last: tuple[int, Scene] | None) -> None:
        try:
            trade(self._venue, state, script, keys=self._keys, limits=LIMITS)
        except Failed:
            raise
        except Exception as e:
            act = self._acts[last[0]].name if last else "a first start"
            raise Failed(f"{act}: the node did not start: {type(e).__name__}: {e}") from e

    def _between(self, number: int, scene: Scene) -> None:
        """Do the act while no node runs; every second time the bid falls meanwhile, too."""

        async def act() -> None:
            await self._acts[number].play(scene)
            if scene.chance.random() < 0.5:
                await scene.fall(scene.other)

        asyncio.run(act())

    async def _taken_up(self, session: Session, number: int, scene: Scene) -> None:
        act = self._acts[number]
        scene.session = session
        await scene.fall(scene.other)
        try:
            with undone(scene):
                await scene.sold(scene.other, act.rounds, "the other position")
        except Failed as e:
            alarms = "\n".join(session.alarms[-5:])
            raise Failed(f"{act.name}: {e}\n{alarms}\n{session.unforeseen[-2000:]}") from None
        await self._is_told(session, [scene])
