"""What the other venue's own ledger says of a wallet: who sold what, and whether too much."""

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from other_venue.exchange import Exchange
from other_venue.words import amount


class Asked(NamedTuple):
    """What a position was asked for: at most so many cents a share, and so many millionths."""

    cents: int
    shares: int


def findings(
    exchange: Exchange, asked: Mapping[str, Asked], owners: Mapping[str, str]
) -> list[str]:
    """Everything that is wrong, in a sentence each.

    Parameters
    ----------
    asked
        By position.
    owners
        The position of each order's hash, as the node's record has it.
    """
    found = [f"order {h[:10]} is nobody's" for h in exchange.orders if h not in owners]
    sales = [o for o in exchange.oversold if o.filled]
    found += [f"order {o.hash[:10]} sold more than was held" for o in sales]
    bought: dict[str, int] = defaultdict(int)
    sold: dict[str, int] = defaultdict(int)
    for fill in exchange.fills:
        position = owners.get(fill.order.hash, "")
        (bought if fill.order.is_buy else sold)[position] += fill.shares
        if sold[position] > bought[position]:
            found.append(f"position {position} sold {amount(sold[position])} of others' shares")
    for position, terms in asked.items():
        paid = [
            o.cents for h, o in exchange.orders.items() if owners.get(h) == position and o.is_buy
        ]
        if paid and max(paid) > terms.cents:
            found.append(f"position {position} bid {max(paid)}, asked for {terms.cents} at most")
        if bought[position] > terms.shares:
            found.append(f"position {position} bought {amount(bought[position])}, more than asked")
        if bought[position] != sold[position]:
            got, gone = amount(bought[position]), amount(sold[position])
            found.append(f"position {position} bought {got}, and its own orders sold {gone}")
    found += [f"{amount(n)} of {t[:3]} are held" for t, n in exchange.shares.items() if n]
    found += [f"order {o.hash[:10]} still rests" for o in exchange.live()]
    return list(dict.fromkeys(found))
