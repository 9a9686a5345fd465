"""One alert of a clock, set anew for whatever comes due next."""

from nautilus_trader.common.component import Clock, TimeEvent

from bridge.timers import Handler, on_this_thread


class Alert:
    """Calls back at the next of changing times, once at each.

    Parameters
    ----------
    clock
        The clock to go by. It keeps the callback of each alert for ever, so there is one for all.
    name
        The alert's name at the clock.
    handler
        Called with the event.
    """

    def __init__(self, clock: Clock, name: str, handler: Handler) -> None:
        self._clock = clock
        self._name = name
        self._handler = handler
        self._ring = on_this_thread(self._on_time)
        self._due: int | None = None
        self.rang_for = 0
        """The latest time that it rang for: what was due by then is not waited for again."""

    def at(self, due: int | None) -> None:
        """Ring at this time, in nanoseconds, if it is before that which is waited for."""
        if due is None or due <= self.rang_for or (self._due is not None and self._due <= due):
            return
        self._set(due)

    def _set(self, due: int) -> None:
        if self._name in self._clock.timer_names:
            self._clock.cancel_timer(self._name)
        self._due = due
        self._clock.set_time_alert_ns(self._name, due, self._ring)

    def _on_time(self, event: TimeEvent) -> None:
        due, self._due = self._due, None
        if due is not None:
            self.rang_for = max(self.rang_for, due)
            self._handler(event)
