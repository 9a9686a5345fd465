"""Ends the lists that the venue gives out page by page.

The client library asks for one page after the other until the venue says that it was the last. One
that never says so would hold a start, or a question about an order, for ever.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

from py_clob_client_v2.constants import END_CURSOR, INITIAL_CURSOR

from positions.model.errors import VenueFailure
from venues.polymarket.api.bounded_http import received

PAGES_MAX = 500
LIST_BYTES_MAX = 64 * 2**20
LIST_SECONDS = 15.0
"""What a whole list may take; the time is counted to where its last page is asked for."""


class ListTooLong(VenueFailure, RuntimeError):
    """A list has no end within its bounds: what was read of it is not all there is."""


class Pages:
    """Watches over the lists that each thread reads.

    A cursor that was asked for before ends its list: every page that can be reached has been read.
    Of a list that goes on beyond the bounds nothing is given, since it would be taken for complete.
    """

    def __init__(self) -> None:
        self._local = threading.local()

    def ask(self, cursor: str, ask: Callable[[], Any]) -> Any:
        """The page of a cursor; an empty last one where it was asked for before.

        Raises
        ------
        ListTooLong
            If the list has more pages or bytes than it may, or took too long.
        """
        mine, now = self._local, time.monotonic()
        is_sent_back = getattr(mine, "following", "") == INITIAL_CURSOR
        mine.following = ""
        if cursor == INITIAL_CURSOR and not is_sent_back:
            mine.seen, mine.begun, mine.received = set(), now, received()
        elif cursor in mine.seen:
            return {"data": [], "next_cursor": END_CURSOR}
        elif len(mine.seen) >= PAGES_MAX:
            raise ListTooLong(f"the list has more than {PAGES_MAX} pages")
        elif received() - mine.received > LIST_BYTES_MAX:
            raise ListTooLong(f"the list has more than {LIST_BYTES_MAX} bytes")
        elif now - mine.begun > LIST_SECONDS:
            raise ListTooLong(f"the list takes more than {LIST_SECONDS:g} s")
        mine.seen.add(cursor)
        page = ask()
        mine.following = page.get("next_cursor", "") if isinstance(page, dict) else ""
        return page
