"""Sets variables in a `.env`: every other line stays, and only its owner can read it."""

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from positions.model.errors import ConfigurationError

_PLAIN = re.compile(r"[A-Za-z0-9+/=_.-]+")
_SETS = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=")


class EnvFileError(ConfigurationError):
    """The file cannot hold this; never says what."""


def as_lines(values: Mapping[str, str]) -> list[str]:
    """The lines that set these variables, for a `.env` and for systemd alike.

    Raises EnvFileError naming a variable whose value would have to be quoted.
    """
    for name, value in values.items():
        if not _PLAIN.fullmatch(value):
            raise EnvFileError(f"{name} has characters that no key has; nothing was written")
    return [f"{name}={value}" for name, value in values.items()]


def write_env(path: Path, values: Mapping[str, str]) -> None:
    """Set these variables in a `.env`, atomically.

    Raises
    ------
    EnvFileError
        As `as_lines`.
    OSError
        If the file cannot be written; it is then as it was.
    """
    made = dict(zip(values, as_lines(values), strict=True))
    real = path.resolve()  # a link stays a link
    lines = real.read_text(encoding="utf-8").splitlines() if real.exists() else []
    result = []
    for line in lines:
        match = _SETS.match(line)
        name = match.group(1) if match else ""
        if name not in values:
            result.append(line)
        elif name in made:  # the first of several lines is replaced, the others go
            result.append(made.pop(name))
    content = "\n".join([*result, *made.values()]) + "\n"
    file, temporary = tempfile.mkstemp(dir=real.parent, prefix=".env.")  # of mode 0600
    try:
        with os.fdopen(file, "w", encoding="utf-8") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        Path(temporary).replace(real)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
