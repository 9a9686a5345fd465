"""Has a live node's winnings redeemed by a program of its own, which alone signs for it.

The program's settings go in on standard input; the wallet's keys are in its environment.
"""

import os
import subprocess
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from positions.model.foreign_text import REASON_LENGTH, clean
from positions.operations.program import module_command
from positions.operations.settings import Settings

PROGRAM_SECONDS = 900
_MODULE = "venues.polymarket.redemption.process"


class Redeemed(Struct, frozen=True):
    """What a program did: what it paid, a line each, and why it did not do all, "" if it did."""

    paid: tuple[str, ...]
    why: str


class _Result(Struct, frozen=True):
    market: str
    worth: str
    state: str
    why: str = ""


def redeem(settings: Settings, keys: Mapping[str, str]) -> Redeemed:
    """Run the program to its end; may take minutes. `keys` are put into its environment."""
    try:
        done = subprocess.run(
            module_command(_MODULE),
            input=msgspec.json.encode(settings),
            env={**os.environ, **keys},
            capture_output=True,
            timeout=PROGRAM_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Redeemed((), f"the program ran over {PROGRAM_SECONDS} s and was killed")
    except OSError as e:
        return Redeemed((), f"the program cannot be run: {e.strerror}")
    results = [r for line in done.stdout.splitlines() if (r := _read(line)) is not None]
    failed = [f"{r.market}: {r.why}" for r in results if r.state != "paid"]
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        failed.append(said[-1] if said else f"the program ended with {done.returncode}")
    paid = tuple(f"redeemed {r.worth} USDC of {r.market}" for r in results if r.state == "paid")
    return Redeemed(paid, clean("; ".join(failed), REASON_LENGTH))


def _read(line: bytes) -> _Result | None:
    try:
        return msgspec.json.decode(line, type=_Result)
    except (msgspec.DecodeError, RecursionError):
        return None
