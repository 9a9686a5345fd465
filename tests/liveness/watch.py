"""Watches workers from outside: one that gives no sign is ended; the rest is played by another."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

TESTS = Path(__file__).parents[1]
GIVE_UP_SECONDS = 60.0
"""How long a worker may say nothing: it gives a sign while it waits."""
TELL = signal.SIGUSR1
"""Makes a worker tell where its threads are; Nautilus takes SIGABRT for itself."""
_TELLING_SECONDS = 2.0
_PROGRESS_SECONDS = 30.0
_ENDED = "ended"


class _Worker:
    """One process and what it has still to play."""

    def __init__(self, seed: int, numbers: list[int], said: "queue.Queue[tuple[_Worker, str]]"):
        self.left = set(numbers)
        self.current = numbers[0]
        self.is_stuck, self.stuck = False, ""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (it lives as long as the worker)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "liveness.worker", str(seed), *map(str, numbers)],
            cwd=TESTS.parent,
            env=os.environ | {"PYTHONPATH": f"{TESTS.parent}:{TESTS}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self.hear()
        self._reader = threading.Thread(target=self._read, args=(said,), daemon=True)
        self._reader.start()

    def _read(self, said: "queue.Queue[tuple[_Worker, str]]") -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said.put((self, line))
        said.put((self, _ENDED))

    def hear(self) -> None:
        """Note that it gave a sign."""
        self._heard_at, self._queued_at = time.monotonic(), _queued_seconds(self._process.pid)

    @property
    def silent_seconds(self) -> float:
        """How long it gave no sign, without what it waited for a busy machine's processors."""
        queued = _queued_seconds(self._process.pid) - self._queued_at
        return time.monotonic() - self._heard_at - max(0.0, queued)

    def end(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()

    def ended_by(self) -> str:
        """How it ended of itself: its code, and the last that it told."""
        told = self._told().splitlines()[-12:]
        return "".join([f"ended with {self._process.wait()}:", *(f"\n  {line}" for line in told)])

    def stuck_at(self) -> str:
        """Where the node stood: the innermost calls of the main thread. It ends by that."""
        self._process.send_signal(TELL)
        time.sleep(_TELLING_SECONDS)
        self._process.kill()
        told = self._told().rpartition("(most recent call first):")[2].splitlines()
        return "".join(f"\n  {line.strip()}" for line in told[1:13])

    def _told(self) -> str:
        """What it told of errors, once it has ended."""
        self._process.wait()
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")


def _queued_seconds(pid: int) -> float:
    """How long the threads of a process, and its children, waited while others had a processor."""
    seconds = 0.0
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(OSError):
            seconds += int((task / "schedstat").read_text().split()[1]) / 1e9
            seconds += sum(_queued_seconds(int(p)) for p in (task / "children").read_text().split())
    return seconds


def play(
    seed: int,
    numbers: Sequence[int],
    *,
    workers: int | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[int, str]:
    """Play variants on so many processes at once, by default one a processor; why each of those
    that failed did."""
    count = workers or os.cpu_count() or 1
    shares = [list(numbers[n::count]) for n in range(count)]
    watch = _Watch(seed, tell)
    try:
        return watch.play([share for share in shares if share])
    finally:
        for worker in watch.running:
            worker.end()


class _Watch:
    """The workers of one run, and what came of their variants."""

    def __init__(self, seed: int, tell: Callable[[str], None]) -> None:
        self.running: set[_Worker] = set()
        self._seed = seed
        self._tell = tell
        self._said: queue.Queue[tuple[_Worker, str]] = queue.Queue()
        self._held: set[int] = set()
        self._failed: dict[int, str] = {}

    def play(self, shares: list[list[int]]) -> dict[int, str]:
        """Play each share on a worker; another goes on with what a broken one has left."""
        wanted = sum(map(len, shares))
        for share in shares:
            self._start(share)
        told_at = time.monotonic()
        while self.running:
            worker, line = self._next()
            if line == _ENDED:
                self._over(worker)
            else:
                self._hear(worker, json.loads(line))
            if time.monotonic() - told_at > _PROGRESS_SECONDS:
                told_at = time.monotonic()
                self._tell(f"{len(self._held)} of {wanted} held, {len(self._failed)} failed")
        return self._failed

    def _start(self, numbers: list[int]) -> None:
        self.running.add(_Worker(self._seed, numbers, self._said))

    def _next(self) -> tuple[_Worker, str]:
        """What is said next; who says nothing for too long is ended."""
        while True:
            try:
                worker, line = self._said.get(timeout=1)
            except queue.Empty:
                for worker in self.running:
                    if worker.silent_seconds > GIVE_UP_SECONDS:
                        worker.hear()
                        worker.is_stuck, worker.stuck = True, worker.stuck_at()
                continue
            worker.hear()
            return worker, line

    def _over(self, worker: _Worker) -> None:
        self.running.discard(worker)
        if worker.left and worker.current not in self._failed:
            why = f"stood still: {worker.stuck}" if worker.is_stuck else worker.ended_by()
            self._fail(worker.current, why)
        worker.end()
        rest = sorted(worker.left - self._failed.keys())
        if rest:
            self._start(rest)

    def _hear(self, worker: _Worker, said: dict[str, object]) -> None:
        number = worker.current = int(str(said["variant"]))
        if said["what"] == "held":
            worker.left.discard(number)
            self._held.add(number)
        elif said["what"] == "failed":
            self._fail(number, str(said["why"]))

    def _fail(self, number: int, why: str) -> None:
        self._failed[number] = why
        self._tell(f"variant {number} failed: {why.splitlines()[0]}")
