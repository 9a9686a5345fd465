"""What the answer to an order's POST says of it, where there is one at all. Pure."""

from enum import StrEnum
from typing import Any

import httpx
from py_clob_client_v2.exceptions import PolyApiException

from venues.polymarket.execution.order_reconciliation import said

_NO_MATCH = "no orders found to match"
"""The venue's words for a FAK order that met nothing: it is killed, and nothing is wrong."""
_DUPLICATE = "duplicat"
"""The venue's words for an order that it has already, or had."""
_WORDS = {"success", "errorMsg", "error"}
"""One of them is in each answer of the venue; others come from something in between."""
_NOT_NOW = (425, 429)
"""Statuses of a venue that restarts, or is asked too often."""
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""What went wrong before a request was sent at all."""


class Answer(StrEnum):
    """What is known of an order once it was posted."""

    PLACED = "placed"
    MATCHED = "matched"
    DUPLICATE = "duplicate"
    KILLED = "killed"
    REFUSED = "refused"
    NOT_NOW = "not now"
    """It was not taken, and may be the next time."""
    LOST = "lost"
    """The venue may have taken it."""
    LATE = "late"
    """The same; and it is slow: it may yet take it."""
    UNPOSTABLE = "unpostable"
    """Our own side failed, and would again; how far it came is not known."""


def answered(reply: Any) -> tuple[Answer, str]:
    """What a reply says, and the venue's words for why not."""
    if not isinstance(reply, dict) or not reply.keys() & _WORDS:
        return Answer.LOST, f"the answer was not the venue's: {str(reply)[:80]}"
    if reply.get("success", False):
        return (Answer.MATCHED if reply.get("status") == "matched" else Answer.PLACED), ""
    why = reply.get("errorMsg") or reply.get("error")
    return _refused(str(why or "refused without a reason"))


def failed(error: Exception) -> tuple[Answer, str]:
    """What an exception of the client library says, and its words."""
    if not isinstance(error, PolyApiException):
        return Answer.UNPOSTABLE, said(error)
    if error.status_code is None:
        cause = error.__context__ or error
        if isinstance(cause, _NEVER_SENT):
            return Answer.NOT_NOW, said(cause)
        is_late = isinstance(cause, httpx.TimeoutException)
        return (Answer.LATE if is_late else Answer.LOST), said(cause)
    answer, why = _refused(said(error))
    if answer is Answer.REFUSED and not 400 <= error.status_code < 500:
        answer = Answer.LOST
    elif answer is Answer.REFUSED and error.status_code in _NOT_NOW:
        answer = Answer.NOT_NOW
    return answer, why


def _refused(why: str) -> tuple[Answer, str]:
    if _DUPLICATE in why.lower():
        return Answer.DUPLICATE, why
    return (Answer.KILLED if _NO_MATCH in why else Answer.REFUSED), why
