"""The whole story by HTTP: a live node, `polybracket web` beside it, the programs of the docs."""

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from loopback.server import LoopbackPolymarket
from trading import KEY, Session, trade

from positions.storage.locks import StateLock

DOCS = (Path(__file__).parents[1] / "docs" / "http.md").read_text(encoding="utf-8")
MARKETS = ("by-python", "by-curl")


def test_the_programs_of_the_documentation_buy_watch_and_sell(tmp_path: Path) -> None:
    with LoopbackPolymarket() as venue:
        markets = {name: venue.add_market(name) for name in MARKETS}
        for market in markets.values():
            venue.quote(market.tokens[0], "0.50", "1000", "0.52", "1000")
        said: dict[str, str] = {}

        async def script(s: Session) -> None:
            (tmp_path / "live.toml").write_text(
                'mode = "live"\nstate = "unused"\n[web]\nmay_trade = true\n', encoding="utf-8"
            )
            port = _free_port()
            page = subprocess.Popen(
                _program("web", "--port", str(port), "--state", str(s.state),
                         "--config", str(tmp_path / "live.toml")),
                env=os.environ | {"POLYMARKET_PK": KEY},
                stdout=subprocess.PIPE,
                text=True,
            )  # fmt: skip
            try:
                await s.until(lambda: _is_served(port), "it is served")
                environment = Path(f"/proc/{page.pid}/environ").read_bytes()
                assert KEY.removeprefix("0x").encode() not in environment
                said["python"] = await _run(
                    [sys.executable, "-c", _block("python", port), str(s.state), MARKETS[0]], {}
                )
                if shutil.which("curl"):
                    variables = {"STATE": str(s.state), "MARKET": MARKETS[1]}
                    folder = tmp_path / "curl"
                    folder.mkdir()
                    text = f"set -e; cd {folder}\n{_block('bash', port)}"
                    said["curl"] = await _run(["bash", "-c", text], variables)
            finally:
                page.terminate()
                told, _ = page.communicate(timeout=20)
            assert f"open http://127.0.0.1:{port}/enter/" in told

        state = tmp_path / "state"
        with StateLock(state, "live"):
            node = trade(venue, state, script)
        closed = [p for p in node.strategy.engine.positions.values() if p.phase == "closed"]
    assert "by-python 20 0.52 0.5 " in said["python"]
    assert "20 shares" in said["python"]
    assert len(closed) == len(said)
    assert all(p.held == 0 and p.ledger.bought == 20 for p in closed)
    assert not said.get("curl") or '"status":"accepted"' in said["curl"]


def _program(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cli.main", *arguments]


def _block(language: str, port: int) -> str:
    """The last block of a language in the documentation."""
    found = re.findall(rf"^```{language}\n(.*?)^```", DOCS, re.M | re.S)[-1]
    return str(found).replace(":8080", f":{port}")


def _free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


def _is_served(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


async def _run(command: list[str], variables: Mapping[str, str]) -> str:
    """What a program says; the node trades on meanwhile."""
    running = await asyncio.create_subprocess_exec(
        *command,
        env=os.environ | dict(variables),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await running.communicate()
    assert running.returncode == 0, out.decode()
    return out.decode()
