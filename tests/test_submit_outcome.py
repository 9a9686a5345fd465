"""What the outcome to a POST says of an order, whatever the venue and the network say."""

from typing import Any

import httpx
import pytest
from py_clob_client_v2.exceptions import PolyApiException

from venues.polymarket.api.clob import VenueError
from venues.polymarket.execution.submit_outcome import (
    SubmitOutcome,
    of_error,
    of_reply,
)

REPLIES: list[tuple[Any, SubmitOutcome, str]] = [
    ({"success": True, "status": "live"}, SubmitOutcome.ACCEPTED, ""),
    ({"success": True, "status": "delayed"}, SubmitOutcome.ACCEPTED, ""),
    ({"success": True, "status": "matched"}, SubmitOutcome.MATCHED, ""),
    ({"success": False, "errorMsg": "no luck"}, SubmitOutcome.REJECTED, "no luck"),
    ({"success": False, "errorMsg": ""}, SubmitOutcome.REJECTED, "refused without a reason"),
    ({"error": "order 0x1 is invalid. Duplicated."}, SubmitOutcome.DUPLICATE, "order 0x1 is"),
    (
        {"errorMsg": "no orders found to match with FAK order."},
        SubmitOutcome.KILLED,
        "no orders found",
    ),
    ("<html>", SubmitOutcome.AMBIGUOUS, "the answer was not the venue's: <html>"),
    (None, SubmitOutcome.AMBIGUOUS, "the answer was not"),
    ([], SubmitOutcome.AMBIGUOUS, "the answer was not"),
    ({}, SubmitOutcome.AMBIGUOUS, "the answer was not"),
    ({"orderID": "0x1"}, SubmitOutcome.AMBIGUOUS, "the answer was not"),
    ({"success": True, "status": "matched", "orderID": "0XAB"}, SubmitOutcome.MATCHED, ""),
    ({"success": True, "status": "MATCHED", "orderID": "0xab"}, SubmitOutcome.MATCHED, ""),
    ({"success": True, "status": "unmatched", "orderID": "0xab"}, SubmitOutcome.ACCEPTED, ""),
    ({"errorMsg": "No orders found to match with FAK order"}, SubmitOutcome.KILLED, "No orders"),
    ({"success": True, "status": "matched", "orderID": ""}, SubmitOutcome.MATCHED, ""),
    ({"success": True, "status": "matched", "orderID": "0xcd"}, SubmitOutcome.AMBIGUOUS, "the"),
    ({"success": True, "status": "live", "orderID": ["0xab"]}, SubmitOutcome.AMBIGUOUS, "the"),
    ({"success": False, "errorMsg": "no", "orderID": "0xcd"}, SubmitOutcome.AMBIGUOUS, "the"),
    ({"success": "false", "errorMsg": "no luck"}, SubmitOutcome.AMBIGUOUS, "the answer was not"),
    ({"success": False, "errorMsg": "\ud800\n"}, SubmitOutcome.REJECTED, "\\ud800\\x0a"),
    ({"success": False, "errorMsg": ["\ud800"]}, SubmitOutcome.REJECTED, "['\\ud800']"),
    ("\ud800", SubmitOutcome.AMBIGUOUS, "the answer was not the venue's: \\ud800"),
    ({"success": 1, "status": "live"}, SubmitOutcome.AMBIGUOUS, "the answer was not"),
    (
        {"success": True, "errorMsg": "post-only mode: only post-only orders", "orderID": ""},
        SubmitOutcome.NOT_SENT,
        "not now: post-only mode",
    ),
    ({"success": True, "errorMsg": "no luck"}, SubmitOutcome.REJECTED, "no luck"),
    ({"success": True, "errorMsg": "odd", "orderID": "0xab"}, SubmitOutcome.AMBIGUOUS, "odd"),
    (
        {
            "success": False,
            "status": "delayed",
            "errorMsg": "Rate limit exceeded for tokenId 1",
        },
        SubmitOutcome.NOT_SENT,
        "not now: Rate limit",
    ),
]


@pytest.mark.parametrize(("reply", "outcome", "words"), REPLIES)
def test_a_reply_says(reply: Any, outcome: SubmitOutcome, words: str) -> None:
    said, why = of_reply(reply, "0xab")
    assert said is outcome
    assert why.startswith(words)


@pytest.mark.parametrize(
    "text",
    ['{"error": "\\ud800"}', '{"error": {"a": "\\ud800\\n"}}', '["\\ud800"]', "\n" * 5000],
    ids=["a text", "an object", "a list", "blank lines"],
)
def test_words_of_the_venue_are_one_line_that_can_be_logged(text: str) -> None:
    _, why = of_error(PolyApiException(httpx.Response(500, text=text)))
    assert why.isprintable()
    assert len(why) <= 1000
    why.encode()


STATUSES = [
    (202, "", SubmitOutcome.AMBIGUOUS),
    (302, "", SubmitOutcome.AMBIGUOUS),
    (400, "not enough balance / allowance", SubmitOutcome.REJECTED),
    (400, "no orders found to match with FAK order.", SubmitOutcome.KILLED),
    (400, "order 0x1 is invalid. Duplicated.", SubmitOutcome.DUPLICATE),
    (425, "service not ready", SubmitOutcome.NOT_SENT),
    (425, "order 0x1 is invalid. Duplicated.", SubmitOutcome.DUPLICATE),
    (429, "Too Many Requests", SubmitOutcome.NOT_SENT),
    (500, "order 0x1 is invalid. Duplicated.", SubmitOutcome.DUPLICATE),
    (500, "could not run the execution", SubmitOutcome.AMBIGUOUS),
    (503, "", SubmitOutcome.AMBIGUOUS),
    (503, "post-only mode: only post-only orders and cancels are allowed", SubmitOutcome.NOT_SENT),
    (503, "Trading is currently cancel-only. New orders are not accepted", SubmitOutcome.NOT_SENT),
    (
        503,
        "Trading is currently disabled. Check polymarket.com for updates",
        SubmitOutcome.NOT_SENT,
    ),
    (503, "trading is disabled", SubmitOutcome.NOT_SENT),
    (500, "order timed out", SubmitOutcome.NOT_SENT),
]


@pytest.mark.parametrize(("status", "words", "outcome"), STATUSES)
def test_a_status_says(status: int, words: str, outcome: SubmitOutcome) -> None:
    said, why = of_error(PolyApiException(httpx.Response(status, json={"error": words})))
    assert said is outcome
    assert words in why


def test_a_mode_is_known_by_its_code() -> None:
    body = {"code": "post_only_mode", "retry_after_seconds": 79}
    assert of_error(VenueError(httpx.Response(503, json=body)))[0] is SubmitOutcome.NOT_SENT


CAUSES = [
    (httpx.ConnectError("refused"), SubmitOutcome.NOT_SENT),
    (httpx.ConnectTimeout("nobody"), SubmitOutcome.NOT_SENT),
    (httpx.PoolTimeout("all are busy"), SubmitOutcome.NOT_SENT),
    (httpx.ReadTimeout("slow"), SubmitOutcome.AMBIGUOUS_LATE),
    (httpx.WriteTimeout("slow"), SubmitOutcome.AMBIGUOUS_LATE),
    (httpx.RemoteProtocolError("hung up"), SubmitOutcome.AMBIGUOUS),
    (httpx.ReadError("reset"), SubmitOutcome.AMBIGUOUS),
]


@pytest.mark.parametrize(("cause", "outcome"), CAUSES, ids=lambda c: type(c).__name__)
def test_a_broken_connection_says(cause: Exception, outcome: SubmitOutcome) -> None:
    error = PolyApiException(error_msg="Request exception!")
    error.__context__ = cause  # as the library raises it
    assert of_error(error)[0] is outcome


def test_an_error_of_our_own_is_not_tried_again() -> None:
    assert of_error(TypeError("not JSON")) == (SubmitOutcome.CLIENT_ERROR, "TypeError: not JSON")
