"""Plays hostile variants, and tells which broke the promise that the other position is sold.

make liveness N=2000 SEED=1        # or one again: make liveness SEED=1 VARIANT=37
"""

import os
import sys

from liveness.acts import act_of
from liveness.watch import play

N = 2000


def main() -> int:
    """Play what the environment asks for; 0 only if every promise was kept."""
    seed = int(os.environ.get("SEED") or 1)
    one = os.environ.get("VARIANT")
    if one and "-" in one:
        first, last = (int(part) for part in one.split("-"))
        numbers = list(range(first, last + 1))
    else:
        numbers = [int(one)] if one else list(range(int(os.environ.get("N") or N)))
    if one:
        for number in numbers[:20]:
            print(f"variant {number}: {act_of(seed, number).name}", flush=True)
    failed = play(seed, numbers, tell=lambda line: print(line, flush=True))
    print(f"SEED={seed}: {len(numbers)} variants, {len(failed)} failed")
    for number, why in sorted(failed.items()):
        print(f"\nmake liveness SEED={seed} VARIANT={number}\n  {why}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
