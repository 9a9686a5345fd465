"""What a set-up installs: every package pinned by version and by the hashes of its wheels."""

import re
import tomllib
from itertools import groupby
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from positions.operations import doctor

ROOT = Path(__file__).parents[1]
LINES = [
    line.removesuffix("\\").strip()
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def hashes() -> dict[str, list[str]]:
    """Each pinned package, with the hashes that stand under it."""
    found: dict[str, list[str]] = {}
    for is_hash, lines in groupby(LINES, lambda line: line.startswith("--hash=")):
        if is_hash:
            found[list(found)[-1]] += lines
        else:
            found |= {line: [] for line in lines}
    return found


def test_every_package_is_pinned_and_has_hashes() -> None:
    for package, known in hashes().items():
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*( ; .+)?", package), package
        assert known, package
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", one) for one in known), package


def test_the_build_backend_is_the_one_that_is_pinned() -> None:
    (backend,) = PYPROJECT["build-system"]["requires"]
    assert backend in hashes()


@pytest.mark.parametrize("flag", ["--require-hashes", "--no-build-isolation"])
def test_both_ways_to_set_up_hold_to_the_lock(flag: str) -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8")
    installs = [line for line in recipe.splitlines() if " pip install " in line]
    wanted = {"--require-hashes": "-r requirements.lock", "--no-build-isolation": "-e ."}[flag]
    found = [line for line in installs if wanted in line]
    assert len(found) == 2
    assert all(flag in line for line in found)


def test_the_doctor_reads_the_versions() -> None:
    locked = doctor._locked(ROOT / "requirements.lock")
    for text in PYPROJECT["project"]["dependencies"]:
        wanted = Requirement(text)
        version = locked[wanted.name.replace("_", "-").lower()]
        assert wanted.specifier.contains(version)
