"""What of each defect's mend the adapter of NautilusTrader 2.0 has, as far as it can be read.

It was read, not played: the stubs of the wheel, the strings of its compiled library, and the public
source of a little earlier. What that source says counts where the library has the messages of the
same place, too; else it is "cannot be told".
"""

VERSION = "2.0.0rc7"

HAS: dict[str, str] = {
    "The user channel is not open before the first order": "opened and subscribed when it connects",
    "The end of an immediate order is never told": (
        "an IOC order's remainder is canceled once its trade is confirmed"
    ),
    "A trade fails to settle after it was told": "an event that voids the fill (OrderFillVoided)",
    "A fill while the user channel is down": "reads open orders and trades after a reconnect",
    "The first order waits for the tick and the version to be read": "the tick is the instrument's",
    "The tick cannot be read before an order is signed": "the tick is the instrument's",
    "An order cannot be signed": "rejected, with the reason",
    "A size that floats cut short": "amounts are decimals",
    "An order on a finer tick than the first was signed on": "the tick is the instrument's",
    "A sale beyond the tick that the first was signed on": "the tick is the instrument's",
    "The venue's reply to a POST is not taken for its acceptance": "accepted by the reply",
    "The connection is reset before the venue saw an order": (
        "the order's id is known before, and the same signed order posted again"
    ),
    "The reply to a POST takes longer than ack_timeout_secs: the fill's fee": (
        "there is no ack_timeout_secs"
    ),
    "All bids vanish": "with drop_quotes_missing_side off: a quote at the bound, of size 0",
    "Prices after a change of the tick, until the venue sends a book by itself": (
        "for quotes: each price change tells both best prices, on the new tick"
    ),
    "A market is resolved, and told so": "a close at 1 and 0, for what is subscribed or held",
    "Requests that hang take all threads from an exit": "requests take no threads (tokio)",
    "The log names the API's secret when the user channel is not connected": (
        "the message has the error alone"
    ),
    "The first prices wait before the market channel is opened": "there is no such delay to set",
}
"""By a defect's title: what mends it there."""

HAS_NOT: dict[str, str] = {
    "The reply that lists an order as cancelled is not taken for its cancel": (
        "waits for the user channel's word"
    ),
    "A cancel comes too late, and the fill is not told": (
        '"already canceled or matched" waits for the user channel\'s word'
    ),
    "A market sale reads the book first, and cannot be signed when there are no bids": (
        "a market order reads the book first"
    ),
}
"""By a defect's title: what is seen of it there."""

UNTOLD: dict[str, str] = {
    "A cancel is asked for before the order is signed": (
        "deferred until the order has an id, unless it is not yet open"
    ),
    "An immediate order's end is told before its last fill": (
        "the earlier source's message of it is not in the library"
    ),
    "A fill is told after the order's cancel": (
        "the earlier source's message of it is not in the library"
    ),
    "An order is told to be matched in part, and its trade is not": (
        "reads orders and trades by REST, when is not seen"
    ),
    "A frame of the user channel holds a list": "the earlier source reads lists",
    "A message of the user channel lacks a field that nothing needs": (
        "status and order_type may be missing; of others nothing is seen"
    ),
    "503 instead of taking an order": "which codes count as unknown is not seen",
    "500 after the venue took an order that rests": (
        "follows what is unknown by its id; which codes count is not seen"
    ),
    "500 after the venue matched an order": (
        "follows what is unknown by its id; which codes count is not seen"
    ),
    "The venue calls an order a duplicate that it took": (
        "only after an unknown attempt of its own, in the earlier source"
    ),
    "A fill that overtakes the reply to the POST": "the earlier source holds it until the reply",
    "A FAK order that meets nothing is taken for a refusal": (
        "knows the venue's words; which event follows is not seen"
    ),
    "A snapshot is sorted from the best price on": "the earlier source takes the last price",
    "A book is told again": "the earlier source tells a quote only if it changed",
    "One message changes several prices": (
        "the earlier source: one update of the book, a quote for each price"
    ),
    "A change of the tick is never told": "an inexact price is an error; nothing is asked",
    "The market channel falls silent": (
        "watches the age of books (book_stale_threshold_secs); what follows is not seen"
    ),
    "A market is resolved, and nothing told": (
        "polls (resolve_poll_enabled); the earlier source knows single winners only"
    ),
    "Gamma does not tell a market's fee when it is loaded": (
        "a missing fee schedule is an error, where is not seen"
    ),
    "A fill of an order that is found at the start": "the user channel is not limited to markets",
    "The balance cannot be read at the start": (
        "its connecting fails; what the node does then is not seen"
    ),
}
"""By a defect's title: what is seen, and does not decide."""


def verdict(title: str) -> str:
    """What is known of a defect in the next adapter."""
    for word, seen in (("has it", HAS), ("has not", HAS_NOT), ("cannot be told", UNTOLD)):
        if title in seen:
            return f"{word}: {seen[title]}"
    return "cannot be told: only by playing it"
