"""What goes wrong at the venue, one switch each.

A switch may be set and cleared at any moment, from any thread. `where` names requests as
"METHOD /path" and `what` names messages as "order CANCELLATION", "trade MATCHED", "book",
"price_change"; both may hold wildcards, as in "GET /data/*" or "trade *". `token` limits a fault to
what mentions a token, `times` to so many cases (None = until cleared). Seconds are real ones.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from aiohttp import web

Say = Callable[[web.Request], Awaitable[web.StreamResponse]]
"""Answers a request in a way of its own."""


@dataclass(slots=True)
class HttpFault:
    """What happens to a request. `action` is "status", "reset", "hang", "cut" or "say"; `is_after`
    says whether the venue acts on the request first."""

    where: str
    action: str
    is_after: bool
    times: int | None
    token: str
    status: int = 0
    error: str = ""
    seconds: float = 0.0
    say: Say | None = None


@dataclass(slots=True)
class MessageFault:
    """What happens to a message. `action` is "lose", "double" or "postpone"."""

    what: str
    action: str
    times: int | None
    token: str
    seconds: float = 0.0


class Faults:
    """The switches; as it is made, all is well."""

    def __init__(self) -> None:
        self.optional_fields = ""
        """What stands for each field that the venue may leave out: "" as it is told, "null", or
        "missing". A way of the venue's, which `clear` leaves as it is."""
        self.clear()

    def clear(self) -> None:
        """Let all be well again."""
        self.http: list[HttpFault] = []
        self.messages: list[MessageFault] = []
        self.mode = ""
        """What is taken: "" for all, "restarting", "post-only", "cancel-only" or "disabled"."""
        self.mode_ends_at = 0.0
        """When it says that the mode ends, by its own clock."""
        self.limits: dict[str, tuple[float, float]] = {}
        """Tokens of "orders" and "cancels", each second and at once; none are counted without."""
        self.closed_only = False
        """Take only sales."""
        self.geoblock = False
        """Say that the place is one from which orders are not taken."""
        self.round_trip = 0.0
        """Seconds that each request takes, half of them before the venue acts."""
        self.order_delay = 0.0
        """Seconds for which an order that takes is "delayed" before it is matched."""
        self.messages_after_reply: float | None = None
        """Seconds after the reply to a POST or DELETE at which its messages are sent; None sends
        them before the reply."""
        self.killed_text = False
        """Tell of a killed FAK or FOK order with a sentence for a status."""
        self.silent: set[str] = set()
        """Channels ("market", "user") and tokens of which nothing is told on open sockets, which go
        on answering PING."""
        self.refused: set[str] = set()
        """Channels whose sockets are refused."""
        self.unanswered: set[str] = set()
        """Channels whose sockets are not opened, and not refused either."""
        self.frozen: set[str] = set()
        """Tokens whose book REST goes on telling as it last did."""
        self.failing_trades = 0
        """How many of the next trades fail to settle."""
        self.retried_trades = 0
        """How many of the next trades are tried again before they settle, or fail."""
        self.unseen_seconds = 0.0
        """How long a just-posted order is not found by GET /data/order and /data/orders."""
        self.data_lag = 0.0
        """How old what the Data API tells is."""
        self.balance_lag = 0.0
        """How old the balance is that the order book tells."""
        self.cash_last_read: Decimal | None = None
        """The cash that is told of every wallet until the venue is asked to read it anew."""
        self.delayed_stay = False
        """Do not find an order that is delayed where it is to be cancelled."""
        self.settlement_words: dict[str, str] = {}
        """What REST and the user channel call a trade's status, where it is another word."""
        self.long_statuses = False
        """Tell an order's status in the words of the API's reference, as in ORDER_STATUS_LIVE."""

    # -- requests ----------------------------------------------------------------------------------

    def answer(
        self,
        where: str,
        status: int,
        *,
        after: bool = False,
        times: int | None = 1,
        error: str = "",
        token: str = "",
    ) -> None:
        """Answer with a status such as 425, 429, 500, 503: `after` the venue acted, or instead."""
        self.http.append(HttpFault(where, "status", after, times, token, status, error))

    def reset(
        self, where: str, *, after: bool = False, times: int | None = 1, token: str = ""
    ) -> None:
        """Reset the connection: `after` the venue acted, or before."""
        self.http.append(HttpFault(where, "reset", after, times, token))

    def hang(
        self,
        where: str,
        seconds: float,
        *,
        after: bool = False,
        times: int | None = 1,
        token: str = "",
    ) -> None:
        """Say nothing for so long: `after` the venue acted, or before it does."""
        self.http.append(HttpFault(where, "hang", after, times, token, seconds=seconds))

    def cut(self, where: str, *, times: int | None = 1, token: str = "") -> None:
        """Act, and answer with the first half of the reply."""
        self.http.append(HttpFault(where, "cut", True, times, token))

    def say(
        self,
        where: str,
        say: Say,
        *,
        after: bool = False,
        times: int | None = 1,
        token: str = "",
    ) -> None:
        """Answer with whatever `say` makes: `after` the venue acted, or instead."""
        self.http.append(HttpFault(where, "say", after, times, token, say=say))

    def take_http(self, where: str, text: str, *, is_after: bool) -> HttpFault | None:
        """The fault that befalls a request now; counted as used."""
        for fault in list(self.http):
            if (
                fault.is_after == is_after
                and fnmatchcase(where, fault.where)
                and fault.token in text
            ):
                _use(fault, self.http)
                return fault
        return None

    # -- messages ----------------------------------------------------------------------------------

    def lose(self, what: str, *, times: int | None = 1, token: str = "") -> None:
        """Never send a message."""
        self.messages.append(MessageFault(what, "lose", times, token))

    def double(self, what: str, *, times: int | None = 1, token: str = "") -> None:
        """Send a message twice."""
        self.messages.append(MessageFault(what, "double", times, token))

    def postpone(
        self, what: str, seconds: float, *, times: int | None = 1, token: str = ""
    ) -> None:
        """Send a message later, so that what follows overtakes it."""
        self.messages.append(MessageFault(what, "postpone", times, token, seconds))

    def take_message(self, what: str, text: str) -> MessageFault | None:
        """The fault that befalls a message now; counted as used."""
        for fault in list(self.messages):
            if fnmatchcase(what, fault.what) and fault.token in text:
                _use(fault, self.messages)
                return fault
        return None

    def takes_failure(self) -> bool:
        """Whether the trade at hand fails to settle; counted as used."""
        fails = self.failing_trades > 0
        self.failing_trades -= fails
        return fails

    def takes_retry(self) -> bool:
        """Whether the trade at hand is tried again; counted as used."""
        retried = self.retried_trades > 0
        self.retried_trades -= retried
        return retried


def _use(fault: HttpFault | MessageFault, faults: list[Any]) -> None:
    if fault.times is not None:
        fault.times -= 1
        if fault.times <= 0:
            faults.remove(fault)
