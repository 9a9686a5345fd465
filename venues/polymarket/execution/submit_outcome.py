"""What the answer to an order's POST says of it, where there is one at all. Pure."""

from enum import StrEnum
from typing import Any

import httpx
from py_clob_client_v2.exceptions import PolyApiException

from positions.model.foreign_text import REASON_LENGTH, clean
from positions.model.venue_mode import NOT_NOW, Taking
from venues.polymarket.api import modes
from venues.polymarket.api.errors import describe_error
from venues.polymarket.api.parsing import hash_of, status

_NO_MATCH = "no orders found to match"
"""The venue's words for a FAK order that met nothing: it is killed, and nothing is wrong."""
_DUPLICATE = "duplicat"
"""The venue's words for an order that it has already, or had."""
_WORDS = {"success", "errorMsg", "error"}
"""One of them is in each answer of the venue; others come from something in between."""
_RETRYABLE = (modes.TOO_EARLY, 429)
"""Statuses of a venue that restarts, or is asked too often."""
_NOT_TAKEN = ("order timed out", "rate limit exceeded")
"""The venue's words for orders that it surely did not take, being too busy to look at them."""
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""What went wrong before a request was sent at all."""


class SubmitOutcome(StrEnum):
    """What is known of an order once it was posted."""

    ACCEPTED = "accepted"
    MATCHED = "matched"
    DUPLICATE = "duplicate"
    KILLED = "killed"
    REJECTED = "rejected"
    NOT_SENT = "not sent"
    """It was not taken, and may be the next time."""
    AMBIGUOUS = "ambiguous"
    """The venue may have taken it."""
    AMBIGUOUS_LATE = "ambiguous, late"
    """The same; and it is slow: it may yet take it."""
    CLIENT_ERROR = "client error"
    """Our own side failed, and would again; how far it came is not known."""


UNSURE = (SubmitOutcome.AMBIGUOUS, SubmitOutcome.AMBIGUOUS_LATE, SubmitOutcome.CLIENT_ERROR)
"""Outcomes after which the venue may have the order, or may yet take it."""


TAKEN = (
    SubmitOutcome.ACCEPTED,
    SubmitOutcome.MATCHED,
    SubmitOutcome.KILLED,
    SubmitOutcome.DUPLICATE,
)
"""Outcomes of an order that came as far as the book."""


def of_reply(reply: Any, venue_order_id: str) -> tuple[SubmitOutcome, str]:
    """What a reply says of the order with this hash, and the venue's words for why not."""
    if not isinstance(reply, dict) or not _is_about(reply, venue_order_id):
        return SubmitOutcome.AMBIGUOUS, f"the answer was not the venue's: {clean(reply, 80)}"
    said = reply.get("errorMsg") or reply.get("error")
    why = clean(said or "refused without a reason", REASON_LENGTH)
    if reply.get("success") is True and said:  # of a batch, what was not taken says so, too
        return (SubmitOutcome.AMBIGUOUS, why) if reply.get("orderID") else _of_reason(why)
    if reply.get("success") is True:
        return (SubmitOutcome.MATCHED if status(reply) == "MATCHED" else SubmitOutcome.ACCEPTED), ""
    return _of_reason(why)


def _is_about(reply: dict[str, Any], venue_order_id: str) -> bool:
    """Whether an answer has the venue's words, and the hash, if it names one."""
    named = hash_of(reply, "orderID") if reply.get("orderID") else venue_order_id
    is_plain = isinstance(reply.get("success", False), bool)
    return bool(reply.keys() & _WORDS) and is_plain and named == venue_order_id


def of_error(error: Exception) -> tuple[SubmitOutcome, str]:
    """What an exception of the client library says, and its words."""
    if not isinstance(error, PolyApiException):
        return SubmitOutcome.CLIENT_ERROR, describe_error(error)
    if error.status_code is None:
        cause = error.__context__ or error
        if isinstance(cause, _NEVER_SENT):
            return SubmitOutcome.NOT_SENT, describe_error(cause)
        is_late = isinstance(cause, httpx.TimeoutException)
        return (
            SubmitOutcome.AMBIGUOUS_LATE if is_late else SubmitOutcome.AMBIGUOUS
        ), describe_error(cause)
    outcome, why = _of_reason(describe_error(error))
    if outcome is SubmitOutcome.REJECTED and not 400 <= error.status_code < 500:
        outcome = SubmitOutcome.AMBIGUOUS
    elif outcome is SubmitOutcome.REJECTED and error.status_code in _RETRYABLE:
        outcome, why = SubmitOutcome.NOT_SENT, f"{NOT_NOW}{why}"
    return outcome, why


def _of_reason(why: str) -> tuple[SubmitOutcome, str]:
    said = why.lower()
    if _DUPLICATE in said:
        return SubmitOutcome.DUPLICATE, why
    mode = modes.of_words(why)
    if mode is not None and mode.taking is not Taking.ALL:
        return SubmitOutcome.NOT_SENT, f"{NOT_NOW}{why}"
    if any(words in said for words in _NOT_TAKEN):
        return SubmitOutcome.NOT_SENT, f"{NOT_NOW}{why}"
    return (SubmitOutcome.KILLED if _NO_MATCH in said else SubmitOutcome.REJECTED), why
