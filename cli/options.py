"""Options that many commands share."""

import os
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from positions.storage import known_nodes
from positions.storage.locks import holder
from positions.storage.private_files import NotPrivate, problem

SHIPPED = Path(__file__).parents[1]
"""Where the default configurations stand: beside the code."""


def default_config(mode: str) -> Path:
    """The configuration of a mode: that of the current folder, or else the one beside the code."""
    own = Path("config") / f"{mode}.toml"
    return own if own.exists() else SHIPPED / own


def _config(mode: str, text: str = "The settings.") -> Any:
    default = f"config/{mode}.toml, here or beside the program"
    return typer.Option(
        "--config", help=text, default_factory=partial(default_config, mode), show_default=default
    )


ReplayConfig = Annotated[Path, _config("replay")]
LiveConfig = Annotated[Path, _config("live")]
BacktestConfig = Annotated[Path, _config("backtest")]
VenueConfig = Annotated[Path, _config("paper", "The settings that say where Polymarket is.")]

State = Annotated[
    Path | None,
    typer.Option("--state", help="The node's state folder [env: POLYBRACKET_STATE]."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Wait = Annotated[
    str | None, typer.Option("--wait", help="Wait so long for the node's answer: 10s.")
]
Now = Annotated[bool, typer.Option("--now", help="Also where an amendment sells at once.")]


def state_dir(option: Path | None) -> Path:
    """The state folder: as given, from the environment, that of the default configuration, or where
    no node runs there that of the one node that runs on this machine."""
    folder = _state_folder(option)
    wrong = problem(folder)
    if wrong:
        raise NotPrivate(wrong)
    return folder


def _state_folder(option: Path | None) -> Path:
    if option is not None:
        return _found(option)
    variable = os.environ.get("POLYBRACKET_STATE")
    if variable:
        return _found(Path(variable))
    from positions.operations.settings import load

    folder = load(default_config("replay")).state_dir
    running = known_nodes.running() if holder(folder) is None else []
    if len(running) != 1:
        return folder
    held = holder(running[0])
    mode = "" if held is None else f", {held.mode}"  # which may be one with money
    print(f"the running node{mode}: {running[0]}", file=sys.stderr)
    return running[0]


def _found(folder: Path) -> Path:
    """A relative folder that is not here may be one of a node of this machine."""
    if folder.is_absolute() or folder.exists():
        return folder
    known = known_nodes.ending_with(folder)
    return known[0] if len(known) == 1 else folder
