"""Serves one market with moving prices until Ctrl-C: `cd tests && ../.venv/bin/python -m loopback`.

It prints the [venue] table for a node's configuration, and the environment of a wallet with a
thousand dollars that exist nowhere else.
"""

import random
import time
from decimal import Decimal

from loopback.server import LoopbackPolymarket

CENT = Decimal("0.01")
KEY = "0x" + "11" * 32


def main() -> None:
    """Serve."""
    with LoopbackPolymarket() as venue:
        market = venue.add_market("will-it-rain", question="Will it rain tomorrow?")
        print("[venue]", *(f'{name} = "{at}"' for name, at in venue.settings().items()), sep="\n")
        wallet = venue.wallet(KEY, cash=1000)
        print(*(f"export {name}={value}" for name, value in wallet.items()), sep="\n", flush=True)
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
