"""How this program starts its own modules as programs of their own."""

import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_START = (
    "import runpy, sys; sys.path.insert(0, {root!r});"
    " runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
)


def module_command(module: str) -> tuple[str, ...]:
    """The command of a module, wherever this is installed and whatever is in the folder it is
    started from."""
    return sys.executable, "-P", "-c", _START.format(root=str(_ROOT), module=module)
