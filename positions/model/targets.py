"""How what is held is shared among a position's targets.

Pure. The shares of each target follow from what was bought; what has been sold, by whatever way,
is taken from the lowest target first. A part that would be too small to rest on the venue's book
joins the target below it, and the lowest the one above. Prices are USDC per share, sizes shares.
"""

from collections.abc import Sequence
from decimal import Decimal

from positions.model.instrument_book import InstrumentBook
from positions.model.position import ZERO, Order, OrderState, Phase, Position, Role
from positions.model.terms import Slice
from positions.model.venue_rules import SIZE_STEP, ceil_to, floor_to


def split(
    bought: Decimal, targets: Sequence[Slice], minimum: Decimal, *, has_last: bool
) -> list[Decimal]:
    """The shares of each target, lowest first, and of the rest that has the last target or none."""
    sizes = [floor_to(bought * (t.part or ZERO), SIZE_STEP) for t in targets]
    sizes.append(bought - sum(sizes, ZERO))
    last = len(sizes) - 1 if has_last else len(sizes) - 2
    for index in range(last, 0, -1):
        if sizes[index] < minimum:
            sizes[index - 1] += sizes[index]
            sizes[index] = ZERO
    for index in range(1, last + 1):
        if sizes[0] < minimum:
            sizes[0] += sizes[index]
            sizes[index] = ZERO
    return sizes


def left(p: Position, minimum: Decimal) -> list[Decimal]:
    """What of each target's shares is still held, lowest first, and then of the rest."""
    if not p.request.terms.targets:
        return [min(p.ledger.bought, p.sellable)]
    sizes = split(
        p.ledger.bought, p.request.terms.targets, minimum, has_last=p.request.sell_price is not None
    )
    held = p.sellable
    for index in range(len(sizes) - 1, -1, -1):
        sizes[index] = min(sizes[index], held)
        held -= sizes[index]
    return sizes


def wanted(p: Position, book: InstrumentBook) -> list[tuple[Decimal, Decimal]]:
    """Each target's price and the shares to be offered there, lowest first.

    While the entry may still buy, none stands at its limit or below: it would sell to itself.
    """
    if p.phase not in (Phase.FILLING, Phase.HOLDING):
        return []
    levels = [*(t.price for t in p.request.terms.targets), p.request.sell_price]
    buys = p.decision.entry_ended is None or p.live(Role.ENTRY)
    lowest_free = floor_to(p.request.max_bid_price, book.tick) + book.tick if buys else ZERO
    found: dict[Decimal, Decimal] = {}
    for price, shares in zip(levels, left(p, book.minimum_size), strict=True):
        if isinstance(price, Decimal):
            at = on_tick(max(price, lowest_free), book.tick)
            found[at] = found.get(at, ZERO) + shares
    return list(found.items())


def surplus(p: Position, book: InstrumentBook) -> set[str]:
    """The offers to be taken back although a target's price is theirs.

    The shares of a target change as an entry fills up: where more is offered than they are by now,
    as few orders go as will do. Once the entry is over, several at one price become one, so that
    the place in the queue is lost at most once.
    """
    found: set[str] = set()
    offers = [o for o in p.live(Role.TARGET) if not o.immediate]
    slack = SIZE_STEP * (len(p.request.terms.targets) + 1)
    for price, shares in wanted(p, book):
        here = [o for o in offers if o.price == price]
        found |= {o.id for o in here if o.state is OrderState.CANCELLING}
        excess = sum((o.leaves for o in here), ZERO) - shares
        for order in sorted(here, key=lambda o: _goes_first(o, excess)):
            if excess > slack or order.id in found:
                found.add(order.id)
                excess -= order.leaves
        works = all(o.state is OrderState.WORKING for o in offers)
        if p.decision.entry_ended is not None and len(here) > 1 and works:
            found |= {o.id for o in here}
    return found


def _goes_first(order: Order, excess: Decimal) -> tuple[bool, bool, Decimal]:
    """What is being taken back already, then the smallest that is enough, then the largest."""
    is_enough = order.leaves >= excess
    is_cancelling = order.state is OrderState.CANCELLING
    return not is_cancelling, not is_enough, order.leaves if is_enough else -order.leaves


def on_tick(price: Decimal, tick: Decimal) -> Decimal:
    """The price at which a target rests on the venue's grid."""
    return min(ceil_to(price, tick), 1 - tick)


def are_sold(p: Position, count: int, minimum: Decimal) -> bool:
    """Whether the first `count` targets are done, at least one share by a target."""
    return p.ledger.target_sold > 0 and not any(left(p, minimum)[:count])


def lowest(p: Position) -> Decimal | None:
    """The nearest price at which a target sells."""
    prices = [t.price for t in p.request.terms.targets if isinstance(t.price, Decimal)]
    return min(prices, default=p.request.sell_price)
