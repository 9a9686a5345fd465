"""What a command asks for, in words."""

from decimal import Decimal

from cli.output import short
from positions.commands.messages import Adopt, Command, Submit
from positions.model.terms import Percent


def words(c: Command) -> str:
    """What a command asks for."""
    if isinstance(c, Adopt):
        much = "all free shares" if c.shares is None else f"{c.shares} shares"
        return f"adopt {much} of {c.market} {c.outcome}, {_exits(c)}"
    if not isinstance(c, Submit):
        about = getattr(c, "position_id", "")
        return f"{type(c).__name__.lower()} {short(about)}".rstrip()
    much = "default stake of"
    for value, unit in ((c.size, "shares"), (c.stake, "USDC"), (c.risk, "USDC at risk")):
        much = f"{value} {unit} of" if value else much
    return f"buy {much} {c.market} {c.outcome} at {c.max_bid_price} or less, {_exits(c)}"


def _exits(c: Submit | Adopt) -> str:
    slices = [f"{_level(t.price)}:{t.part:.0%}" for t in c.terms.targets]
    target = " ".join([*slices, _level(c.sell_price)])
    return f"target {target}, stop {_level(c.stop_loss_price)}"


def _level(value: Decimal | Percent | None) -> str:
    if value is None:
        return "none"
    return f"{value.value}%" if isinstance(value, Percent) else str(value)
