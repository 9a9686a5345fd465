"""What the open positions bind and hold together, kept up as each of them changes."""

from decimal import Decimal

from positions.commands.validation import reserved_by, staked_by
from positions.model.position import ZERO, Position
from positions.model.venue_rules import FeeSchedule


class Exposure:
    """Sums over the positions of a node; each is counted as it last was."""

    def __init__(self) -> None:
        self.reserved = ZERO
        """USDC that open entries may still take."""
        self.staked = ZERO
        """USDC that what is held has cost and what may still be bought will; its sum is bounded."""
        self.held: dict[str, Decimal] = {}
        """The shares that the open positions of each outcome hold together."""
        self._counted: dict[str, tuple[Decimal, Decimal, Decimal]] = {}

    def count(self, p: Position, fee: FeeSchedule, *, is_open: bool) -> None:
        """Put what a position binds, and holds, in the place of what it did."""
        before = self._counted.get(p.id, (ZERO, ZERO, ZERO))
        held = p.held if is_open else ZERO
        after = self._counted[p.id] = (reserved_by(p, fee), staked_by(p), held)
        self.reserved += after[0] - before[0]
        self.staked += after[1] - before[1]
        self.held[p.outcome_id] = self.held.get(p.outcome_id, ZERO) + held - before[2]

    def drop(self, position_id: str, outcome_id: str) -> None:
        """Take a position out of the sums, whatever it binds and holds."""
        before = self._counted.pop(position_id, (ZERO, ZERO, ZERO))
        self.reserved -= before[0]
        self.staked -= before[1]
        self.held[outcome_id] = self.held.get(outcome_id, ZERO) - before[2]

    def forget(self, p: Position) -> None:
        """Drop a position that binds and holds nothing any more."""
        self._counted.pop(p.id, None)
