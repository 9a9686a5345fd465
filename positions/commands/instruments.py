"""The outcomes that a node knows, by what people call them."""

from positions.commands.market_names import how_to_find, market_name
from positions.commands.messages import Adopt, Refusal, Submit
from positions.model.instrument_book import InstrumentBook


class Listing:
    """Finds outcomes by their market's slug, ids or address, and their name or token id."""

    def __init__(self) -> None:
        self.markets: dict[str, InstrumentBook] = {}
        """By outcome id."""
        self._names: dict[str, list[str]] = {}

    def add(self, market: InstrumentBook) -> None:
        """Make an outcome known."""
        self.markets[market.outcome_id] = market
        for name in (market.market_id, market.slug.lower(), market.outcome_id):
            outcomes = self._names.setdefault(name, [])
            if market.outcome_id not in outcomes:
                outcomes.append(market.outcome_id)

    def knows(self, market: str) -> bool:
        """Whether a request may name this market."""
        return market_name(market) in self._names

    def awaits_prices(self, market: str) -> bool:
        """Whether this market is not known, or an outcome of it has not shown its book yet."""
        tokens = self._names.get(market_name(market), ())
        return not tokens or any(self.markets[token].seq == 0 for token in tokens)

    def find(self, asked: Submit | Adopt) -> InstrumentBook | Refusal:
        """The outcome that a request names."""
        books = [self.markets[token] for token in self._names.get(market_name(asked.market), ())]
        if not books:
            rule = f"must be one the node knows; {how_to_find(asked.market)}"
            return Refusal("UNKNOWN_MARKET", f"market was {asked.market!r}, {rule}")
        for book in books:
            if (
                asked.outcome == book.outcome_id
                or asked.outcome.casefold() == book.outcome.casefold()
            ):
                return book
        outcomes = ", ".join(sorted(book.outcome for book in books))
        text = f"outcome was {asked.outcome!r}, must be one of {outcomes}"
        return Refusal("UNKNOWN_OUTCOME", text)
