"""A guided bet: what is asked, what is refused at once, and that nothing is bought before a yes."""

import threading
from pathlib import Path

import pytest
from small_node import D, Node
from typer.testing import CliRunner, Result

import cli.buy
import cli.sending
from cli.main import app
from positions.storage.locks import StateLock
from positions.storage.spool import Spool

RUN = CliRunner()
# fmt: off
BETS: dict[str, tuple[list[str], str, bool]] = {
    "all of it": (["rain", "1", "0.55", "20", "0.70", "0.45", "yes"], "bought|opened: buy 20 Yes of rain-in-london at 0.55 or less", True),
    "the ask, a stake, and no exits": (["", "1", "", "$10.40", "", "", "y"], "opened: buy 20 Yes of rain-in-london at 0.52 or less", True),
    "as people write numbers": (["RAIN london", "1", "55c", "20", "+20%", "10%", "yes"], "opened: buy 20 Yes", True),
    "a price in cents is asked for again": (["rain", "1", "55", "0.55", "20", "", "", "yes"], "55 is a price in cents: 0.55?", True),
    "not after all": (["rain", "1", "0.55", "20", "0.70", "0.45", "no"], "nothing was bought", False),
    "an answer that never comes": (["rain", "1", "0.55", "20", "0.70", "0.45"], "nothing was bought", False),
    "no market": (["zebra", "zebra", "zebra"], "no open market is found for 'zebra'", False),
    "no number": (["rain", "7", "x", ""], "no number was chosen", False),
    "what the node refuses": (["rain", "1", "0.55", "20", "0.70", "0.60"], "STOP_NOT_BELOW_MAX_BID: --stop was 0.60", False),
    "what cannot be understood": (["rain", "1", "x", "y", "z"], "the answers could not be understood", False),
}
# fmt: on


class Bets:
    """A node that works, beside the command line that asks."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.node = Node(folder)
        self.node.show(D("0.50"), D("0.52"))
        self.node.work()
        for module in (cli.buy, cli.sending):
            monkeypatch.setattr(module, "is_asked", lambda: True)
        monkeypatch.setattr(cli.sending, "_SHOWN_SECONDS", 0.0)

    def bet(self, answers: list[str]) -> Result:
        """Answer what is asked, while the node acts on what is queued."""
        is_over = threading.Event()
        results: list[Result] = []

        def ask() -> None:
            typed = "".join(f"{answer}\n" for answer in answers)
            results.append(RUN.invoke(app, ["buy", "--state", str(self.node.state)], input=typed))
            is_over.set()

        with StateLock(self.node.state, "replay"):
            asking = threading.Thread(target=ask)
            asking.start()
            while not is_over.wait(0.02):
                if Spool(self.node.state).waiting():
                    self.node.work()
            asking.join()
        return results[0]


@pytest.mark.parametrize("name", BETS)
def test_a_bet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    answers, said, is_bought = BETS[name]
    bets = Bets(tmp_path, monkeypatch)
    done = bets.bet(answers)
    assert any(text in done.output for text in said.split("|")), done.output
    assert (done.exit_code == 0) == is_bought, done.output
    assert len(bets.node.engine.positions) == is_bought
    if is_bought:
        assert "  would buy 20 at 0.5" in done.stdout
        assert "  result if no bid is left" in done.stdout
    bets.node.store.close()


def test_without_a_terminal_or_a_node_nothing_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = RUN.invoke(app, ["buy", "--state", str(tmp_path)])
    assert (done.exit_code, "must be typed in a terminal" in done.stderr) == (2, True)
    monkeypatch.setattr(cli.buy, "is_asked", lambda: True)
    done = RUN.invoke(app, ["buy", "--state", str(tmp_path)])
    assert (done.exit_code, "no node is running" in done.stderr) == (1, True)
