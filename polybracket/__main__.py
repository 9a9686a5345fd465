"""Starts the program, wherever it is installed.

A wheel has one name at the top, this one: names such as `config` or `web` are those of other
packages, or of a folder beside the user. The program's own folders lie inside, and are put before
all others on the path. In the source tree they stand beside this folder.
"""

import sys
from pathlib import Path

_INSIDE = Path(__file__).parent / "program"
ROOT = _INSIDE if _INSIDE.is_dir() else Path(__file__).parents[1]


def main() -> None:
    """Run the command line."""
    sys.path.insert(0, str(ROOT))
    from cli.main import main as run

    run()


if __name__ == "__main__":
    main()
