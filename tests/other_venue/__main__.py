"""Kills a real node on the other venue, over some seeds, and audits what it did.

make other-venue                       # seeds 1 to 3, 50 kills each
make other-venue SEED=2 KILLS=10
"""

import os
import sys
import tempfile
from pathlib import Path

from other_venue.kills import run

SEEDS = 3
KILLS = 50


def main() -> int:
    """Run every seed; 0 only if nothing is wrong."""
    seeds = [int(os.environ["SEED"])] if os.environ.get("SEED") else range(1, SEEDS + 1)
    kills = int(os.environ.get("KILLS") or KILLS)
    is_wrong = False
    for seed in seeds:
        with tempfile.TemporaryDirectory() as name:
            found = run(seed, kills, Path(name), lambda line: print(line, flush=True))
        for line in found:
            print(f"  {line}", flush=True)
        is_wrong = is_wrong or bool(found)
    return int(is_wrong)


if __name__ == "__main__":
    sys.exit(main())
