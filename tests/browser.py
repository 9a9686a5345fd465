"""Debian's Chromium, played by Playwright; tests that want it are skipped where there is none."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
]
needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium: apt-get install chromium, as .ci/run does"
)
PATIENCE = 30_000
"""Milliseconds that anything on a page may take on a busy machine."""


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser with an empty profile."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield found
        finally:
            found.close()


@contextmanager
def served(state: Path, config: Path, log: Path) -> Iterator[str]:
    """`polybracket web` on a state folder; the address that lets one browser in."""
    command = [sys.executable, "-u", "-m", "cli.main", "web", "--port", str(_free_port())]
    command += ["--config", str(config), "--state", str(state)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=output, text=True
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.match(r"open (\S+)", line)
        assert found, line + log.read_text(encoding="utf-8")
        yield found[1]
    finally:
        process.terminate()
        process.communicate()


def _free_port() -> int:
    import socket

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def enter(page: Page, entrance: str) -> str:
    """Let the page in, once its server listens; the address of the home page."""
    home = entrance.partition("/enter/")[0] + "/"
    for _ in range(200):
        try:
            page.goto(entrance)
            break
        except Exception:  # it does not listen yet
            page.wait_for_timeout(100)
    page.wait_for_url(home)
    return home
