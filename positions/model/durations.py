"""Durations in nanoseconds, the unit of every time in the node and in its record."""

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
