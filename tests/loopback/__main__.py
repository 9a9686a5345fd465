"""Serves one market with moving prices until Ctrl-C: `cd tests && python -m loopback`.

A node's configuration may take over the [venue] table that it prints.
"""

import random
import time
from decimal import Decimal

from loopback.server import LoopbackPolymarket

CENT = Decimal("0.01")


def main() -> None:
    """Serve."""
    with LoopbackPolymarket() as venue:
        market = venue.add_market("will-it-rain", question="Will it rain tomorrow?")
        print(
            "[venue]",
            *(f'{name} = "{where}"' for name, where in venue.settings().items()),
            sep="\n",
        )
        middle = Decimal("0.50")
        while True:
            middle = min(max(middle + random.choice((-CENT, 0, CENT)), 3 * CENT), 1 - 3 * CENT)
            venue.quote(market.tokens[0], middle - CENT, 500, middle + CENT, 500)
            time.sleep(1)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("stopped")
