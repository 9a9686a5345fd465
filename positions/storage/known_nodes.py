"""The state folders of this machine's nodes, so that one is found from any folder.

A node writes its folder's path into the user's state directory as it starts. What is there is only
a hint: whether a node runs, its folder's lock says.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from positions.storage.locks import holder, user_state
from positions.storage.private_files import NotPrivate, owner_only, require

_PATH_MAX = 4096


def register(folder: Path, environment: Mapping[str, str] = os.environ) -> None:
    """Note down a state folder; what cannot be written is done without."""
    path = str(folder.absolute())
    with suppress(OSError, NotPrivate, RuntimeError), owner_only():  # a user may have no home
        place = _place(environment)
        require(place)
        file = place / sha256(path.encode()).hexdigest()[:16]
        file.write_text(path, encoding="utf-8")


def known(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """The state folders that were noted down and are there."""
    found = []
    with suppress(OSError, RuntimeError):
        for file in sorted(_place(environment).iterdir()):
            with suppress(OSError, ValueError):
                folder = Path(file.read_bytes()[:_PATH_MAX].decode())
                if folder.is_absolute() and folder.is_dir():
                    found.append(folder)
    return found


def running(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """Those of them that a node holds now."""
    return [folder for folder in known(environment) if holder(folder) is not None]


def ending_with(relative: Path, environment: Mapping[str, str] = os.environ) -> list[Path]:
    """Those whose path ends with a relative one."""
    parts = relative.parts
    return [f for f in known(environment) if parts and f.parts[-len(parts) :] == parts]


def _place(environment: Mapping[str, str]) -> Path:
    return user_state(environment) / "nodes"
