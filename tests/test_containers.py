"""The containers: no engine runs here, so what their files say is read, and run without one."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from browser import _free_port
from loopback.server import LoopbackPolymarket
from test_telegram import TOKEN, Telegram, until

from positions.operations.wallet import TELEGRAM_TOKEN

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PATIENCE = 120.0


def test_everything_that_is_copied_is_there_and_all_that_is_needed_is_copied() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.M)
    sources = {name for line in copied for name in line.split()[:-1]}
    for pattern in sources:
        assert list(ROOT.glob(pattern)), pattern
    packages = {p.parent.name for p in ROOT.glob("*/__init__.py")} - {"tests"}
    assert packages <= sources
    assert {"requirements.lock", "pyproject.toml", "setup.py", "*.py", "config"} <= sources


def test_no_secret_and_no_right_is_in_the_image() -> None:
    assert re.findall(r"^USER (\w+)$", DOCKERFILE, re.M) == ["trader"]
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {".env", ".git", "state"} <= set(ignored)
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    assert not re.search(r"POLY\w+|environment:", text), "secrets are files"
    for name, service in COMPOSE["services"].items():
        own = [s["source"] for s in service.get("secrets", ())]
        assert own == {"node": ["env"], "phone": ["phone_env"]}.get(name, []), "a key for the node"
        assert "healthcheck" in service
        assert not service.get("privileged")


class Host:
    """A folder in place of a container's folders, and a program in place of its program."""

    def __init__(self, folder: Path, venue: LoopbackPolymarket, telegram: Telegram) -> None:
        self.folder = folder
        for name in ("data", "etc"):
            (folder / name).mkdir()
        addresses = "\n".join(f'{name} = "{url}"' for name, url in venue.settings().items())
        for file in (ROOT / "config").glob("*.toml"):
            shutil.copy(file, folder / "etc")
        paper = folder / "etc" / "paper.toml"
        own = f'[telegram]\nchats = [42]\naddress = "{telegram.address}"\n[venue]\n{addresses}\n'
        paper.write_text(paper.read_text().partition("[telegram]")[0] + own)
        secret = folder / "data" / ".env"
        secret.touch(mode=0o600)
        secret.write_text(f"{TELEGRAM_TOKEN}={TOKEN}\n")
        self.port = str(_free_port())

    def words(self, words: list[str]) -> list[str]:
        """The words of a command as they are on this machine."""
        programs = {
            "python": [sys.executable],
            "polybracket": [sys.executable, "-m", "polybracket"],
        }
        first = programs.get(words[0], programs["polybracket"] + words[:1])
        mapped = [w.replace("/etc/polybracket", str(self.folder / "etc")) for w in words[1:]]
        return first + [w.replace("8080", self.port) for w in mapped]

    def environment(self) -> dict[str, str]:
        bare = {n: v for n, v in os.environ.items() if not n.startswith("POLY")}
        return bare | {"PYTHONPATH": str(ROOT)}

    @contextmanager
    def running(self, service: dict[str, Any]) -> Iterator[None]:
        """A service, until it counts as healthy, and then for as long as it is wanted."""
        options: dict[str, Any] = {"cwd": self.folder / "data", "env": self.environment()}
        process = subprocess.Popen(
            self.words(service["command"]), **options, stdout=subprocess.DEVNULL
        )
        check = service["healthcheck"]["test"]
        assert check[0] == "CMD"
        given_up = time.monotonic() + PATIENCE
        try:
            while subprocess.run(
                self.words(check[1:]), **options, check=False, capture_output=True
            ).returncode:
                assert process.poll() is None, "the service ended"
                assert time.monotonic() < given_up, "the service does not get healthy"
                time.sleep(0.2)
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE)


def test_each_service_runs_as_it_is_said_to_and_gets_healthy(tmp_path: Path) -> None:
    services, telegram = COMPOSE["services"], Telegram()
    telegram.types(42, "status")
    with LoopbackPolymarket() as venue:
        host = Host(tmp_path, venue, telegram)
        with host.running(services["node"]), host.running(services["page"]):
            assert (tmp_path / "data" / "state" / "paper" / "positions.duckdb").exists()
            with host.running(services["phone"]):
                until(lambda: telegram.sent)
    telegram.close()
    assert telegram.sent[0]["text"].startswith("node running, mode paper")
