"""What holds for the process of a node: its memory, its files, its locks and its exit code."""

import argparse
import ctypes
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from positions.model.errors import PolybracketError, in_words
from positions.operations import logs
from positions.operations.settings import Settings, load
from positions.operations.wallet import environment, wallet
from positions.storage import known_nodes
from positions.storage.locks import StateLock, WalletLock

_ARENA_MAX = -8
"""The number of the setting in glibc's malloc.h."""
_ARENAS = 2


def share_heaps() -> bool:
    """Let all threads share two heaps; False where the system's library knows no such setting.

    By default glibc makes up to eight for each processor, and none gives back what it holds: after
    some minutes of copies, each on a thread of its own, 40 MB lie idle.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(_ARENA_MAX, _ARENAS) == 1


def run_locked(settings: Settings, warn: Callable[[str], None], run: Callable[[], int]) -> int:
    """Run a node while this process alone has its state folder and wallet; returns the exit code.

    `warn` takes a line about what keeps the node from running.
    """
    if settings.mode == "backtest":
        warn("polybracket: mode was backtest, is run by `polybracket backtest`")
        return 2
    if settings.mode == "live" and not settings.really_trade:
        rule = "allowed by --yes-really-trade, or by really_trade = true: it trades with money"
        warn(f"polybracket: mode was live, must be {rule}")
        return 2
    share_heaps()
    os.umask(0o077)  # whatever writes here, also Nautilus and DuckDB, writes for its owner
    try:
        with StateLock(settings.state_dir, settings.mode), _wallet_lock(settings):
            known_nodes.register(settings.state_dir)
            return run()
    except (PolybracketError, OSError) as e:
        warn(f"polybracket: {in_words(e)}")
        return e.node_exit_code if isinstance(e, PolybracketError) else 1


def _wallet_lock(settings: Settings) -> AbstractContextManager[object]:
    """The lock that keeps a second node of this machine from the same wallet."""
    live = settings.mode == "live"
    return WalletLock(wallet(environment()).funder) if live else nullcontext()


def run_from_arguments(run: Callable[[Settings, bool], int]) -> int:
    """Run the node that this process' arguments describe: its settings, and whether it is fresh."""
    parser = argparse.ArgumentParser(description="Run a polybracket node in the foreground.")
    parser.add_argument("--config", type=Path, required=True, help="a TOML file, see config/")
    parser.add_argument("--catalog", help="replay this catalog")
    parser.add_argument("--speed", help='market seconds per second, or "max"')
    parser.add_argument("--state", help="the folder of the node's record")
    parser.add_argument("--fresh", action="store_true", help="put an earlier record aside")
    parser.add_argument(
        "--yes-really-trade",
        dest="really_trade",
        action="store_true",
        help="let a live node trade with money",
    )
    options = vars(parser.parse_args())
    is_fresh = options.pop("fresh")
    try:
        settings = load(options.pop("config"), **options)
    except PolybracketError as e:
        print(f"polybracket: {in_words(e)}", file=sys.stderr)
        return e.node_exit_code
    try:
        return run(settings, is_fresh)
    except Exception as e:
        details = logs.try_to_note(settings.state_dir / "logs", e)
        print(f"polybracket: {in_words(e, details)}", file=sys.stderr)
        return 1


def lack_of_descriptors() -> str:
    """Why no further file or socket can be opened, "" while one can."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as e:
        return e.strerror or str(e)
    return ""
