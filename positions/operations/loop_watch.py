"""A thread that notices when the event loop stands, nothing is decided, or no memory is left.

It runs beside the loop and needs nothing of it. It counts only time in which it ran itself, look by
look: a process that was stopped or a machine that slept has not stood, and the loop gets its time
to catch up. A loop that a debugger holds has not stood either. A computation that never lets go of
Python's lock holds this thread, too: then a timer of the kernel, which counts the processor time of
the process and is wound up at each look, ends it by SIGPROF.
"""

import gc
import signal
import sys
import threading
import time
from collections.abc import Callable
from mmap import mmap

from positions.storage.pulse import Pulse

LOOK_SECONDS = 0.5
STOOD_SECONDS = 5.0
"""The loop beats four times a second; what takes longer than this is reported."""
STUCK_CODE = 70
"""The exit code of a node that ended itself because its loop stood."""
NO_MEMORY_CODE = 71
"""The exit code of a node that ended itself because it got no memory."""
MEMORY_NEEDED = 16 * 2**20
"""Bytes that must be there to be asked for; a new thread alone takes half of it."""
NO_MEMORY_SECONDS = 2.0
_DEBUGGERS = frozenset(["bdb", "pdb", "pydevd", "_pydevd_bundle", "debugpy"])


class LoopWatch:
    """Watches the loop of the thread that makes it.

    Parameters
    ----------
    report
        Called on the watch's thread with what stands, and "" once it does not any more.
    end
        Ends the process, with an exit code and the reason.
    restart_seconds
        How long the loop may stand, or nothing be decided, before the process ends; None = for
        ever.
    """

    def __init__(
        self,
        pulse: Pulse,
        report: Callable[[str], None],
        end: Callable[[int, str], None],
        restart_seconds: float | None = None,
    ) -> None:
        self._pulse = pulse
        self._report = report
        self._end = end
        self._restart_seconds = restart_seconds
        self.watches_loop = False
        """Whether the loop is watched, or the memory alone: a start may be long."""
        self._reserve = mmap(-1, 2 * MEMORY_NEEDED)
        """Given back for the last words; it is never touched, and takes addresses alone."""
        self._loop_thread = threading.get_ident()
        self._beats = -1
        self._stood = self._undecided = self._without_memory = 0.0
        self._is_reported = False
        self._stopped = threading.Event()
        self.thread = threading.Thread(target=self._watch, name="loop watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self.thread.start()

    def stop(self) -> None:
        """End."""
        self._stopped.set()
        if self._restart_seconds is not None:
            signal.setitimer(signal.ITIMER_PROF, 0)

    def _watch(self) -> None:
        last = time.monotonic()
        while not self._stopped.wait(LOOK_SECONDS):
            now = time.monotonic()
            if self._restart_seconds is not None:
                signal.setitimer(signal.ITIMER_PROF, self._restart_seconds)
            self.look(min(now - last, 2 * LOOK_SECONDS))
            last = now

    def look(self, served: float) -> None:
        """Judge, after so many seconds in which the watch itself ran."""
        self._look_at_memory(served)
        if not (self.watches_loop and self._pulse.is_beating):
            self._stood = self._undecided = 0.0
            return
        beats = self._pulse.beats
        self._stood = 0.0 if beats != self._beats else self._stood + served
        self._beats = beats
        waits = self._pulse.undecided() > STOOD_SECONDS * 1e9
        self._undecided = self._undecided + served if waits else 0.0
        worst = max(self._stood, self._undecided)
        if worst < STOOD_SECONDS:
            if self._is_reported:
                self._is_reported = False
                self._report("")
            return
        if self._is_debugged():
            self._stood = self._undecided = 0.0
            return
        is_still = self._stood >= worst
        what = "the event loop stands still" if is_still else "the node decides nothing"
        if not self._is_reported:
            self._is_reported = True
            self._report(f"{what}: for {worst:.0f} s nothing was sold")
        if self._restart_seconds is not None and worst >= self._restart_seconds:
            self._end(STUCK_CODE, f"{what} for {worst:.0f} s; the node ends, to be started anew")

    def _look_at_memory(self, served: float) -> None:
        try:
            mmap(-1, MEMORY_NEEDED).close()
        except (OSError, MemoryError):
            gc.collect()
            self._without_memory += served
            if self._without_memory >= NO_MEMORY_SECONDS:
                self._reserve.close()
                self._end(NO_MEMORY_CODE, "no memory is left; the node ends, to be started anew")
        else:
            self._without_memory = 0.0

    def where(self) -> list[str]:
        """The loop's stack, innermost first: file, line and function of each frame."""
        frame = sys._current_frames().get(self._loop_thread)
        frames = []
        while frame is not None:
            code = frame.f_code
            frames.append(f"{code.co_filename}:{frame.f_lineno} {code.co_name}")
            frame = frame.f_back
        return frames

    def _is_debugged(self) -> bool:
        frame = sys._current_frames().get(self._loop_thread)
        while frame is not None:
            if str(frame.f_globals.get("__name__")).partition(".")[0] in _DEBUGGERS:
                return True
            frame = frame.f_back
        return False
