"""Plays variants in this process and says so, line by line, on what was its output.

    python -m liveness.worker SEED NUMBER...

Ends at the first broken promise: what came of the node after it would tell nothing.
"""

import faulthandler
import json
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

from liveness.acts import ALONE, BETWEEN, act_of, chance_of, kind_of
from liveness.processes import Alone
from liveness.scene import Act, Failed, Rounds
from liveness.stand import Stand
from liveness.starts import Heirs
from liveness.together import Troupe
from liveness.watch import TELL
from loopback.server import LoopbackPolymarket

_SEGMENT = 160
"""Acts on one node."""
_SIGN_SECONDS = 5.0


class Worker:
    """Plays variants of one seed, and ends the process."""

    def __init__(self, seed: int, numbers: list[int]) -> None:
        self._seed = seed
        self._numbers = numbers
        self._told = os.dup(1)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        self._current = numbers[0]
        self._told_at = time.monotonic()

    def report(self, number: int, what: str) -> None:
        """Tell that a variant has begun, or that nothing of it failed."""
        self._current = number
        self._tell({"variant": number, "what": what or "held"})

    def _sign(self) -> None:
        if time.monotonic() - self._told_at > _SIGN_SECONDS:
            self.report(self._current, "waits")

    def run(self) -> None:
        """Play them all, or up to the first failure."""
        alone = [n for n in self._numbers if kind_of(n) in ALONE]
        between = [n for n in self._numbers if kind_of(n) in BETWEEN]
        together = [n for n in self._numbers if n not in {*alone, *between}]
        try:
            with tempfile.TemporaryDirectory(prefix="liveness-") as name:
                for first in range(0, len(together), _SEGMENT):
                    self._play(Troupe, together[first : first + _SEGMENT], Path(name) / f"t{first}")
                for first in range(0, len(between), _SEGMENT):
                    self._play(Heirs, between[first : first + _SEGMENT], Path(name) / f"b{first}")
                for number in alone:
                    self._play_alone(number, Path(name) / f"a{number}")
        except Failed as e:
            self._tell({"variant": self._current, "what": "failed", "why": str(e)})
        except BaseException:
            self._tell({"variant": self._current, "what": "failed", "why": traceback.format_exc()})
        os._exit(0)  # whatever threads a broken node has left

    def _play(self, kind: type[Troupe], numbers: list[int], state: Path) -> None:
        acts: dict[int, Act] = {}
        for n in numbers:
            act = act_of(self._seed, n)
            assert isinstance(act, Act)
            acts[n] = act
        with LoopbackPolymarket() as venue:
            rounds = Rounds(venue, self._sign)
            kind(venue, rounds, acts, lambda n: chance_of(self._seed, n), self.report).play(state)

    def _play_alone(self, number: int, folder: Path) -> None:
        act = act_of(self._seed, number)
        assert isinstance(act, Alone)
        self.report(number, "begun")
        with LoopbackPolymarket() as venue:
            stand = Stand(venue, Rounds(venue, self._sign), folder, chance_of(self._seed, number))
            try:
                act.play(stand)
            except Failed as e:
                raise Failed(f"{act.name}: {e}") from None
            finally:
                stand.close()
        self.report(number, "")

    def _tell(self, line: dict[str, object]) -> None:
        self._told_at = time.monotonic()
        try:
            os.write(self._told, json.dumps(line).encode() + b"\n")
        except OSError:  # nobody listens any more
            os._exit(1)


if __name__ == "__main__":
    faulthandler.enable()
    faulthandler.register(TELL)  # so that one that stands still tells where
    Worker(int(sys.argv[1]), [int(n) for n in sys.argv[2:]]).run()
