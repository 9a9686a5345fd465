"""The loopback venue, by the official TypeScript client as npm has it."""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from decimal import Decimal
from pathlib import Path

import pytest
from eth_account import Account
from loopback.server import LoopbackPolymarket

HERE = Path(__file__).parent / "loopback" / "typescript"
FILES = ("package.json", "package-lock.json", ".npmrc", "client.mjs")
KEY = "0x" + "44" * 32
INSTALL_SECONDS = 300


@pytest.fixture(scope="module")
def client() -> Path:
    """The script beside its packages; they are installed once, outside of the tree."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed: the TypeScript client was not tried")
    contents = b"".join((HERE / name).read_bytes() for name in FILES)
    cache = Path(sys.prefix) / "npm" / hashlib.sha256(contents).hexdigest()[:16]
    if not cache.exists():
        cache.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache.parent) as made:
            _install(Path(made) / "client", cache)
    return cache / "client.mjs"


def _install(folder: Path, cache: Path) -> None:
    folder.mkdir()
    for name in FILES:
        shutil.copy(HERE / name, folder / name)
    done = subprocess.run(
        ["npm", "ci", "--ignore-scripts"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
        check=False,
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        pytest.skip(f"npm could not install the TypeScript client: {''.join(last)}")
    if not cache.exists():
        folder.rename(cache)


def test_the_official_typescript_client_trades_unchanged(client: Path) -> None:
    with LoopbackPolymarket() as venue:
        market = venue.add_market("will-it-rain")
        token = market.tokens[0]
        venue.quote(token, "0.50", "100", "0.52", "100")
        address = Account.from_key(KEY).address
        venue.fund(address, "1000")
        done = subprocess.run(
            ["node", str(client), venue.clob, KEY, token],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout.splitlines()[-1])
        assert told["address"] == address
        assert told["statuses"] == ["live", "matched", "live", "matched", "matched"]
        assert told["open"] == [["BUY", "0.48", "GTC"], ["SELL", "0.6", "GTD"]]
        assert told["cancelled"] == [[told["ids"][0]], [told["ids"][1]]]
        assert (told["trades"], told["bids"]) == (3, ["0.5"])
        assert Decimal(told["cash"]) / 1_000_000 == round(venue.cash(address), 6)
        assert "invalid signature" in told["tampered"]
        assert "Invalid api key" in told["unauthorized"]
        assert venue.orders(address) == []
