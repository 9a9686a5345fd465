"""What recording costs: a line, and an hour of a busy venue through the recorder itself."""

import json
import time
from pathlib import Path

from bench.material import T0, figures

from recordings.journal import Journal

SECONDS, PER_SECOND = 3_600, 2_000


def lines(folder: Path) -> None:
    """Messages per second that a recorder notes, against writing raw lines."""
    count, line = 200_000, ["0.53", "500.000000", "0.55", "500.000000", T0 * 10**9, T0 * 10**9]
    raw = (json.dumps(["book", "0xc-1", *line]) + "\n").encode()
    begun = time.process_time()
    with (folder / "raw").open("wb") as file:
        for _ in range(count):
            file.write(raw)
    base = time.process_time() - begun
    noted = Journal(folder / "recorded")
    noted.hold()
    begun = time.process_time()
    for _ in range(count):
        noted.note("book", "0xc-1", *line)
        if noted.is_heavy:
            noted.flush()
    noted.flush()
    ours = time.process_time() - begun
    print(f"recording, messages per second: {count / ours:,.0f}, time x{ours / base:.1f} raw lines")


def hour(folder: Path) -> None:
    """The memory and the files of an hour at 2,000 messages a second, played faster than it was."""
    found = figures(folder, "hour", str(folder / "hour"), str(SECONDS), str(PER_SECOND))
    count = SECONDS * PER_SECOND
    print(f"recording {SECONDS} s at {PER_SECOND} messages a second, {count:,} in all:")
    print(f"  {found['cpu'] / count * 1e6:.1f} µs of the processor a message, so")
    print(f"  {found['cpu'] / SECONDS * 100:.0f}% of one processor at that rate")
    print(f"  memory {found['early']:.0f} MB after a minute, {found['late']:.0f} MB at the end")
    print(f"  folding: {found['folding_cpu']:.0f} s, at most {found['folding_memory']:.0f} MB")
    print(f"  lines {found['lines_mb']:.0f} MB, folded to {found['catalog_mb']:.0f} MB", flush=True)
