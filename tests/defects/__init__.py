"""The adapter's defects: one probe each, played with the stock clients and with ours."""

from defects import channel, orders, prices, starts, upkeep  # noqa: F401  (they enter their probes)
