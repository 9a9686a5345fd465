"""The README's pictures: a replay of the synthetic recording, played and photographed.

make pictures
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Literal

from browser import browser, enter, served
from playwright.sync_api import Browser, ViewportSize

from positions.storage.snapshot import NoSnapshot, Snapshot
from recordings.sample import START_NS, make_sample

CATALOG = Path("catalog/sample")
CONFIG = Path("config/replay.toml")
WIDE, LOW = ViewportSize(width=1440, height=900), ViewportSize(width=1440, height=520)
PHONE = ViewportSize(width=390, height=844)
BETS = (
    "rain-in-london --max-bid 0.57 --size 100 --target 0.62:50% --target 0.72 --stop 0.45",
    "team-red-wins --max-bid 0.62 --size 80 --target 0.75 --stop 0.50 --stop-confirm 3s",
    "rate-cut-in-june --max-bid 0.50 --size 60 --stop 0.35 --trail 0.10",
    "film-wins-award --max-bid 0.20 --size 50 --target 0.40",
    "launch-before-friday --max-bid 0.66 --size 40 --stop 0.40 --break-even-at 0.70",
)
PLAYED, LATER = 330, 560
"""Seconds of the recording at which the pictures are taken, the second for what is over."""


def main(folder: Path) -> None:
    """Make every picture."""
    if not (CATALOG / "data").is_dir():
        make_sample(CATALOG)
    with tempfile.TemporaryDirectory() as name, browser() as chromium:
        state = Path(name) / "state"
        node = _program("run", "--catalog", str(CATALOG), "--speed", "15", "--state", str(state))
        try:
            _until(state, 1)
            for bet in BETS:
                asked = f"submit synthetic-{bet}".split()
                _program(*asked[:2], "Yes", *asked[2:], "--state", str(state)).wait()
            with served(state, CONFIG, Path(name) / "log") as entrance:
                _photograph(chromium, entrance, state, folder)
        finally:
            node.terminate()
            node.wait()


def _program(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "cli.main", *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def _until(state: Path, seconds: float) -> None:
    while True:
        try:
            with Snapshot(state) as copy:
                if copy.node()["market_time"] >= START_NS + seconds * 1e9:
                    return
        except NoSnapshot:
            pass
        time.sleep(0.1)


def _photograph(chromium: Browser, entrance: str, state: Path, folder: Path) -> None:
    page = chromium.new_page(viewport=WIDE)
    home = enter(page, entrance)
    cookies = page.context.storage_state()

    def take(name: str, path: str, size: ViewportSize, scheme: Literal["light", "dark"]) -> None:
        context = chromium.new_context(
            viewport=size, color_scheme=scheme, storage_state=cookies, reduced_motion="reduce"
        )
        shown = context.new_page()
        shown.goto(home + path)
        if path == "bet":
            shown.get_by_label("Polymarket address").fill("rates be cut")
            shown.get_by_role("button", name="Yes").click()
            for label, text in (("Max bid", "46c"), ("Target", "+25%"), ("Stop", "38c")):
                shown.get_by_label(label, exact=True).fill(text)
            shown.get_by_label("Amount", exact=True).fill("25")
        shown.wait_for_timeout(2_000)
        shown.screenshot(path=str(folder / f"page-{name}.png"))
        context.close()

    _until(state, PLAYED)
    with Snapshot(state) as copy:
        rows = {p["market"]: p["id"] for p in copy.positions(everything=True)}
    take("positions", "", LOW, "light")
    take("phone", "", PHONE, "dark")
    take("position", f"position/{rows['synthetic-rain-in-london']}", WIDE, "dark")
    take("bet", "bet", WIDE, "light")
    _until(state, LATER)
    take("history", "history", WIDE, "light")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
