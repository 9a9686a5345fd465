"""What the venue takes of us while it does not take everything: after a restart, say."""

from enum import StrEnum

from msgspec import Struct

from positions.model.formatting import iso

NOT_NOW = "not now: "
"""How the reason of a refusal begins that is over as soon as the mode is."""


class Taking(StrEnum):
    """Which of our orders the venue takes."""

    ALL = "all"
    POST_ONLY = "post-only"
    NOTHING = "nothing"


_MEANS = {
    Taking.ALL: "",
    Taking.POST_ONLY: "; entries wait, targets are sent post-only, exits are tried again",
    Taking.NOTHING: "; entries and targets wait, exits are tried again",
}


class VenueMode(Struct, frozen=True):
    """A mode of the venue, or of our wallet at it.

    Parameters
    ----------
    text
        What it is, for people; "" where nothing is special.
    taking
        Which orders are taken.
    until
        When it ends, in nanoseconds, where the venue says so.
    """

    text: str
    taking: Taking
    until: int | None = None

    def __str__(self) -> str:
        if not self.text:
            return ""
        end = "" if self.until is None else f" until {iso(self.until)[11:19]} UTC"
        return f"{self.text}{end}{_MEANS[self.taking]}"


NORMAL = VenueMode("", Taking.ALL)
