"""Options that many commands share."""

import os
from pathlib import Path
from typing import Annotated

import typer

from positions.operations.settings import load
from positions.storage.private_files import NotPrivate, problem

DEFAULT_CONFIG = Path("config/replay.toml")
LIVE_CONFIG = Path("config/live.toml")
PAPER_CONFIG = Path("config/paper.toml")
DEFAULT_STATE = Path("state/replay")

State = Annotated[
    Path | None,
    typer.Option("--state", help="The node's state folder [env: POLYBRACKET_STATE]."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Wait = Annotated[
    str | None, typer.Option("--wait", help="Wait so long for the node's answer, such as 10s.")
]


def state_dir(given: Path | None) -> Path:
    """The state folder: as given, from the environment, or that of the default configuration."""
    folder = _named(given)
    wrong = problem(folder)
    if wrong:
        raise NotPrivate(wrong)
    return folder


def _named(given: Path | None) -> Path:
    if given is not None:
        return given
    named = os.environ.get("POLYBRACKET_STATE")
    if named:
        return Path(named)
    return load(DEFAULT_CONFIG).state_dir if DEFAULT_CONFIG.exists() else DEFAULT_STATE
