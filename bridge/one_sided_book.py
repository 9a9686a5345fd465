"""The moment when a book has lost a side.

Nautilus' `QuoteTick` needs both a bid and an ask, and its order emulator acts on whatever stands in
it, so a book without bids must never be written as a quote at price zero: it is this record.
"""

from nautilus_trader.core.data import Data
from nautilus_trader.model.custom import customdataclass
from nautilus_trader.model.identifiers import InstrumentId


@customdataclass
class OneSidedBook(Data):
    """A book in which at least one side is empty.

    Prices are USDC per share and sizes shares, as exact decimal text; "" stands for an empty side.
    """

    instrument_id: InstrumentId = InstrumentId.from_str("NONE.POLYMARKET")
    bid: str = ""
    bid_size: str = ""
    ask: str = ""
    ask_size: str = ""
