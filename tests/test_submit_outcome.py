"""What the answer to a POST says of an order, whatever the venue and the network say."""

from typing import Any

import httpx
import pytest
from py_clob_client_v2.exceptions import PolyApiException

from venues.polymarket.execution.submit_outcome import Answer, answered, failed

REPLIES: list[tuple[Any, Answer, str]] = [
    ({"success": True, "status": "live"}, Answer.PLACED, ""),
    ({"success": True, "status": "delayed"}, Answer.PLACED, ""),
    ({"success": True, "status": "matched"}, Answer.MATCHED, ""),
    ({"success": False, "errorMsg": "no luck"}, Answer.REFUSED, "no luck"),
    ({"success": False, "errorMsg": ""}, Answer.REFUSED, "refused without a reason"),
    ({"error": "order 0x1 is invalid. Duplicated."}, Answer.DUPLICATE, "order 0x1 is"),
    ({"errorMsg": "no orders found to match with FAK order."}, Answer.KILLED, "no orders found"),
    ("<html>", Answer.LOST, "the answer was not the venue's: <html>"),
    (None, Answer.LOST, "the answer was not"),
    ([], Answer.LOST, "the answer was not"),
    ({}, Answer.LOST, "the answer was not"),
    ({"orderID": "0x1"}, Answer.LOST, "the answer was not"),
]


@pytest.mark.parametrize(("reply", "answer", "words"), REPLIES)
def test_a_reply_says(reply: Any, answer: Answer, words: str) -> None:
    said, why = answered(reply)
    assert said is answer
    assert why.startswith(words)


STATUSES = [
    (202, "", Answer.LOST),
    (302, "", Answer.LOST),
    (400, "not enough balance / allowance", Answer.REFUSED),
    (400, "no orders found to match with FAK order.", Answer.KILLED),
    (400, "order 0x1 is invalid. Duplicated.", Answer.DUPLICATE),
    (425, "service not ready", Answer.NOT_NOW),
    (425, "order 0x1 is invalid. Duplicated.", Answer.DUPLICATE),
    (429, "Too Many Requests", Answer.NOT_NOW),
    (500, "order 0x1 is invalid. Duplicated.", Answer.DUPLICATE),
    (500, "could not run the execution", Answer.LOST),
    (503, "", Answer.LOST),
]


@pytest.mark.parametrize(("status", "words", "answer"), STATUSES)
def test_a_status_says(status: int, words: str, answer: Answer) -> None:
    said, why = failed(PolyApiException(httpx.Response(status, json={"error": words})))
    assert said is answer
    assert words in why


CAUSES = [
    (httpx.ConnectError("refused"), Answer.NOT_NOW),
    (httpx.ConnectTimeout("nobody"), Answer.NOT_NOW),
    (httpx.PoolTimeout("all are busy"), Answer.NOT_NOW),
    (httpx.ReadTimeout("slow"), Answer.LATE),
    (httpx.WriteTimeout("slow"), Answer.LATE),
    (httpx.RemoteProtocolError("hung up"), Answer.LOST),
    (httpx.ReadError("reset"), Answer.LOST),
]


@pytest.mark.parametrize(("cause", "answer"), CAUSES, ids=lambda c: type(c).__name__)
def test_a_broken_connection_says(cause: Exception, answer: Answer) -> None:
    error = PolyApiException(error_msg="Request exception!")
    error.__context__ = cause  # as the library raises it
    assert failed(error)[0] is answer


def test_an_error_of_our_own_is_not_tried_again() -> None:
    assert failed(TypeError("not JSON")) == (Answer.UNPOSTABLE, "TypeError: not JSON")
