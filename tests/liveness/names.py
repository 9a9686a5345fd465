"""Markets whose names would break a terminal, a table or a log."""

import random
import subprocess
import sys

from liveness.grammar import words, written
from liveness.scene import Act, Failed, Scene
from liveness.together import ROOT, environment
from loopback.server import MarketHandle

from positions.storage.spool import uuid7


def name(chance: random.Random) -> Act:
    """A position in a market of such a name, shown in every table."""
    question, first, second = (str(words(chance)) for _ in range(3))
    names = tuple(_sendable(text) or "x" for text in (question, first, second))

    async def play(scene: Scene) -> None:
        outcomes = (f"{names[1][:500]}Y", f"{names[2][:500]}N")
        slug = f"odd-{scene.chance.getrandbits(40)}"
        market: MarketHandle = await scene.do(
            lambda: scene.venue.add_market(slug, outcomes=outcomes, question=names[0])
        )
        await scene.do(lambda: scene.venue.quote(market.tokens[0], "0.50", "500", "0.52", "500"))
        asked = {"command": "submit", "market": market.condition_id, "outcome": outcomes[0]}
        asked |= {"max_bid": "0.55", "size": "20", "stop": "0.45"}
        content = written(random.Random(1), asked).encode("utf-8", "replace")
        command_id = await scene.do(lambda: scene.session._spool.put(content, uuid7()))
        answered = lambda: scene.session._spool.read_reply(command_id) is not None  # noqa: E731
        await scene.within(3000, answered, "a command was not answered")
        shown = await scene.do(lambda: _table(scene))
        if shown.returncode != 0:
            raise Failed(f"`positions --all` ended with {shown.returncode}: {shown.stderr[-500:]}")
        if "\x1b" in shown.stdout:
            raise Failed("`positions --all` let an escape through")

    return Act(f"name: {names[0][:30]!r}, {names[1][:30]!r}", play)


def _sendable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()[:5000]


def _table(scene: Scene) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "cli.main", "positions", "--all"]
    return subprocess.run(
        [*program, "--state", str(scene.session.state)],
        env=environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60,
        check=False,
    )
