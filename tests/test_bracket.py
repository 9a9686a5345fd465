"""The further terms of a position as scenarios: what happens, and what is sent for it.

Rows as in `test_scenarios.py`; each boundary has a row on either side, each pair of terms that
concern the same orders has one.
"""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from stage import (
    START,
    Stage,
    accepted,
    depth,
    ended,
    filled,
    late,
    later,
    order,
    quote,
    released,
    resolved,
    restarted,
    started,
    submit,
    tick,
    traded,
)

from positions.model.durations import SECOND
from positions.model.position import OrderEnd, Phase, Role

ENTRY, TARGET, STOP, EXIT = Role.ENTRY, Role.TARGET, Role.STOP, Role.EXIT
CALM = quote("0.53", "0.56")
BUY = "buy 100 @0.55"
STEPS = ["0.60:50%", "0.70:30%", "0.85"]
CLOSES = START + 3600 * SECOND


def at(seconds: int) -> str:
    """A time of the stage, as a request states it."""
    return datetime.fromtimestamp(START // SECOND + seconds, UTC).isoformat()


def held(*sent: str, **fields: Any) -> list[tuple[Any, list[str]]]:
    """100 shares bought at 0.55 without a target, with the book at 0.53 / 0.56."""
    return [
        (CALM, []),
        (submit(**{"sell_price": None} | fields), [BUY]),
        (filled(ENTRY, "100", "0.55"), list(sent) or ["arm 100 @0.45"]),
    ]


TRAILED = held("arm 100 @0.48", trail="0.05")
OFFERED = ["offer 20 @0.85", "offer 30 @0.70", "offer 50 @0.60", "arm 100 @0.45"]
STEPPED = held(*OFFERED, targets=STEPS)
DOUBTED = held(stop_confirm="3s", stop_hard="0.30")
COUNTED = held(stop_confirm="3quotes")


# fmt: off
SCENARIOS: dict[str, list[Any]] = {
    # -- a stop that follows -----------------------------------------------------------------------
    "a trailing stop follows the bid from the first fill on": [*TRAILED, Phase.HOLDING],
    "a trailing stop follows by a tick": [*TRAILED, (quote("0.54", "0.56"), ["move 100 @0.49"]), Phase.HOLDING],
    "a trailing stop never falls": [
        *TRAILED, (quote("0.60", "0.62"), ["move 100 @0.55"]), (quote("0.56", "0.62"), []), Phase.HOLDING],
    "a trailing stop sells where it stands": [
        *TRAILED, (quote("0.60", "0.62"), ["move 100 @0.55"]), (quote("0.55", "0.62"), ["cancel stop", "sell 100 @0.52"]), Phase.EXITING],
    "a trailing stop without a stop starts below the max bid": [
        (submit(sell_price=None, stop_loss_price=None, trail="0.05"), [BUY]), (filled(ENTRY, "100", "0.55"), ["arm 100 @0.50"]), Phase.HOLDING],
    "a trailing stop stays below its owner's stop until it passes it by a tick": [
        *held("arm 100 @0.45", trail="0.10"), (quote("0.55", "0.56"), []), (quote("0.56", "0.57"), ["move 100 @0.46"]), Phase.HOLDING],
    "a trail of so many percent moves by whole ticks": [
        *held("arm 100 @0.47", trail="10%"), (quote("0.60", "0.61"), ["move 100 @0.54"]), (quote("0.61", "0.62"), []),
        (quote("0.62", "0.63"), ["move 100 @0.55"]), Phase.HOLDING],
    "a trail waits for the price that it starts from": [
        *held(trail="0.05", trail_from="0.60"), (quote("0.59", "0.61"), []), (quote("0.60", "0.61"), ["move 100 @0.55"]), Phase.HOLDING],
    "a trailing stop stands where it stood after a restart": [
        *TRAILED, (quote("0.60", "0.62"), ["move 100 @0.55"]), (restarted(), []), (quote("0.56", "0.62"), []), (later(1), ["arm 100 @0.55"]), Phase.HOLDING],
    "a trailing stop that was passed while the node was away sells at once": [
        *TRAILED, (quote("0.60", "0.62"), ["move 100 @0.55"]), (restarted(), []), (quote("0.55", "0.62"), ["sell 100 @0.52"]), Phase.EXITING],
    "a trailing stop that is amended follows from where the bid is": [
        *TRAILED, (quote("0.60", "0.62"), ["move 100 @0.55"]), (quote("0.57", "0.62"), []),
        (order("amend", stop_loss_price="0.40"), ["move 100 @0.52"]), Phase.HOLDING],
    "a trail that is taken back leaves the stop where it stands": [
        *TRAILED, (order("amend", trail="none"), []), (quote("0.60", "0.62"), []), Phase.HOLDING],
    "a trail that is added follows at once": [
        *held(), (order("amend", trail="0.05"), ["move 100 @0.48"]), Phase.HOLDING],
    "a trailing stop at a finer tick follows by the finer tick": [
        *TRAILED, (tick("0.001"), []), (quote("0.530", "0.56"), []), (quote("0.531", "0.56"), ["move 100 @0.481"]), Phase.HOLDING],
    "a trailing stop at a coarser tick stands on the coarser grid": [
        *TRAILED, (tick("0.1"), ["move 100 @0.4"]), (quote("0.5", "0.7"), []), (quote("0.6", "0.7"), ["move 100 @0.5"]), Phase.HOLDING],
    "a trailing stop does not follow a bid that vanished": [
        *TRAILED, (quote(None, "0.60"), []), (quote("0.54", "0.60"), ["move 100 @0.49"]), Phase.HOLDING],
    "a trailing stop grows with the entry and keeps its height": [
        (CALM, []), (submit(sell_price=None, trail="0.05"), [BUY]), (filled(ENTRY, "30", "0.55"), ["arm 30 @0.48"]),
        (quote("0.60", "0.62"), ["move 30 @0.55"]), (filled(ENTRY, "20", "0.55"), ["move 50 @0.55"]), Phase.FILLING],
    # -- break-even: sold at 0.56, less the fee of 0.04 x 0.56 x 0.44, is 0.5501 -----------------------
    "the stop is raised to break-even after the first target": [
        *held(*OFFERED, targets=STEPS, break_even_after="1"), (quote("0.60", "0.62"), []),
        (filled(TARGET, "50", "0.60", index=2), ["move 50 @0.56"]), Phase.HOLDING],
    "a target sold in part raises nothing": [
        *held(*OFFERED, targets=STEPS, break_even_after="1"), (quote("0.60", "0.62"), []),
        (filled(TARGET, "49", "0.60", index=2), ["move 51 @0.45"]), (filled(TARGET, "1", "0.60", index=2), ["move 50 @0.56"]), Phase.HOLDING],
    "a sale by hand of as much as the first target raises nothing": [
        *held(*OFFERED, targets=STEPS, break_even_after="1"), (quote("0.59", "0.62"), []),
        (order("sell", shares="50"), ["cancel target", "cancel target", "cancel target"]),
        (ended(TARGET), ["sell 50 @0.56"]), (filled(EXIT, "50", "0.59"), ["move 50 @0.45"]),
        (ended(TARGET), []), (ended(TARGET, index=0), ["offer 20 @0.85", "offer 30 @0.70"]), Phase.HOLDING],
    "break-even counts its offset": [
        *held(*OFFERED, targets=STEPS, break_even_after="1", break_even_offset="0.02"), (quote("0.60", "0.62"), []),
        (filled(TARGET, "50", "0.60", index=2), ["move 50 @0.58"]), Phase.HOLDING],
    "the stop is raised to break-even at a price": [
        *held(break_even_at="0.60"), (quote("0.59", "0.62"), []), (quote("0.60", "0.62"), ["move 100 @0.56"]), Phase.HOLDING],
    "break-even makes a stop where there was none": [
        (CALM, []), (submit(sell_price=None, stop_loss_price=None, break_even_at="0.60"), [BUY]), (filled(ENTRY, "100", "0.55"), []),
        (quote("0.59", "0.62"), []), (quote("0.60", "0.62"), ["arm 100 @0.56"]), Phase.HOLDING],
    "break-even is never raised through the bid": [
        *held(*OFFERED, targets=STEPS, break_even_after="1"), (filled(TARGET, "50", "0.60", index=2), ["move 50 @0.45"]),
        (quote("0.56", "0.62"), []), (quote("0.57", "0.62"), ["move 50 @0.56"]), Phase.HOLDING],
    "break-even and trail: the higher one stands": [
        *held("arm 100 @0.43", stop_loss_price="0.40", trail="0.10", break_even_at="0.60"), (quote("0.60", "0.62"), ["move 100 @0.56"]),
        (quote("0.66", "0.68"), []), (quote("0.67", "0.68"), ["move 100 @0.57"]), Phase.HOLDING],
    # -- targets for parts -------------------------------------------------------------------------
    "targets for parts share what is held": [*STEPPED, Phase.HOLDING],
    "a part sold leaves the others and the stop": [
        *STEPPED, (filled(TARGET, "50", "0.60", index=2), ["move 50 @0.45"]), (filled(TARGET, "30", "0.70", index=1), ["move 20 @0.45"]),
        (filled(TARGET, "20", "0.85"), ["cancel stop"]), (ended(STOP), []), Phase.CLOSED],
    "parts without a last target leave the rest to the stop": [
        *held("offer 50 @0.60", "arm 100 @0.45", targets=["0.60:50%"]), (filled(TARGET, "50", "0.60"), ["move 50 @0.45"]), Phase.HOLDING],
    "a partial entry too small to share waits at the lowest target": [
        (CALM, []), (submit(sell_price=None, targets=STEPS), [BUY]), (filled(ENTRY, "9.99", "0.55"), ["offer 9.99 @0.60", "arm 9.99 @0.45"]), Phase.FILLING],
    "too few shares to rest are taken at the lowest target": [
        (CALM, []), (submit(sell_price=None, targets=STEPS), [BUY]), (filled(ENTRY, "4.99", "0.55"), ["arm 4.99 @0.45"]),
        (quote("0.59", "0.62"), []), (quote("0.60", "0.62"), ["take 4.99 @0.60"]), Phase.FILLING],
    "a partial entry is shared as far as the venue's minimum allows": [
        (CALM, []), (submit(sell_price=None, targets=STEPS), [BUY]), (filled(ENTRY, "10", "0.55"), ["offer 5 @0.70", "offer 5 @0.60", "arm 10 @0.45"]),
        (filled(ENTRY, "90", "0.55"), ["offer 20 @0.85", "offer 25 @0.70", "offer 45 @0.60", "move 100 @0.45"]), Phase.HOLDING],
    "a stop that comes between two targets sells what is left": [
        *STEPPED, (filled(TARGET, "50", "0.60", index=2), ["move 50 @0.45"]), (quote("0.45", "0.47"), ["cancel target", "cancel target", "cancel stop"]),
        (ended(STOP), []), (ended(TARGET), ["sell 30 @0.42"]), (filled(TARGET, "10", "0.85"), []), (filled(EXIT, "30", "0.44"), []), (ended(TARGET), []),
        (quote("0.44", "0.47"), ["sell 10 @0.41"]), Phase.EXITING],
    "amended targets take the place of all": [
        *STEPPED, (order("amend", sell_price="0.80"), ["cancel target", "cancel target", "cancel target"]),
        (ended(TARGET, index=2), ["offer 50 @0.80"]), (ended(TARGET, index=1), ["offer 30 @0.80"]), (ended(TARGET, index=0), ["offer 20 @0.80"]),
        Phase.HOLDING],
    "a part that was too small at first has its share once the entry is full": [
        (CALM, []), (submit(sell_price=None, targets=["0.60:5%", "0.70"]), [BUY]),
        (filled(ENTRY, "24", "0.55"), ["offer 24 @0.60", "arm 24 @0.45"]),
        (filled(ENTRY, "76", "0.55"), ["cancel target", "move 100 @0.45"]),
        (ended(TARGET), ["offer 95 @0.70", "offer 5 @0.60"]), Phase.HOLDING],
    "an offer a little above its share is replaced, too": [
        (CALM, []), (submit(sell_price=None, targets=["0.60:5%", "0.70"]), [BUY]),
        (filled(ENTRY, "7", "0.55"), ["offer 7 @0.60", "arm 7 @0.45"]),
        (filled(ENTRY, "93", "0.55"), ["cancel target", "move 100 @0.45"]),
        (ended(TARGET), ["offer 95 @0.70", "offer 5 @0.60"]), Phase.HOLDING],
    "of several offers as few go as will do": [
        (CALM, []), (submit(sell_price=None, targets=["0.60:10%", "0.70"]), [BUY]),
        (filled(ENTRY, "20", "0.55"), ["offer 20 @0.60", "arm 20 @0.45"]),
        (filled(ENTRY, "10", "0.55"), ["offer 10 @0.60", "move 30 @0.45"]),
        (filled(ENTRY, "70", "0.55"), ["cancel target", "move 100 @0.45"]),
        (ended(TARGET, index=0), ["offer 90 @0.70"]), Phase.HOLDING],
    "several offers of one target become one once the entry is over": [
        (CALM, []), (submit(sell_price="0.70"), [BUY]),
        (filled(ENTRY, "30", "0.55"), ["offer 30 @0.70", "arm 30 @0.45"]), (accepted(TARGET), []),
        (filled(ENTRY, "20", "0.55"), ["offer 20 @0.70", "move 50 @0.45"]), (accepted(TARGET), []),
        (filled(ENTRY, "50", "0.55"), ["cancel target", "cancel target", "move 100 @0.45"]),
        (ended(TARGET), []), (ended(TARGET), ["offer 100 @0.70"]), (accepted(TARGET), []), (later(60), []), Phase.HOLDING],
    "while the entry works several offers of one target stand": [
        (CALM, []), (submit(sell_price="0.70"), [BUY]),
        (filled(ENTRY, "30", "0.55"), ["offer 30 @0.70", "arm 30 @0.45"]), (accepted(TARGET), []),
        (filled(ENTRY, "20", "0.55"), ["offer 20 @0.70", "move 50 @0.45"]), (accepted(TARGET), []), (later(60), []), Phase.FILLING],
    "an offer that will not leave the book delays the others by five seconds": [
        (CALM, []), (submit(sell_price=None, targets=["0.60:5%", "0.70"]), [BUY]),
        (filled(ENTRY, "24", "0.55"), ["offer 24 @0.60", "arm 24 @0.45"]),
        (filled(ENTRY, "76", "0.55"), ["cancel target", "move 100 @0.45"]),
        (later(4), []), (later(1), ["cancel target", "offer 76 @0.70"]), Phase.HOLDING],
    "targets for parts at a coarser tick are rounded up": [
        *held("offer 50 @0.80", "offer 50 @0.65", "arm 100 @0.45", targets=["0.65:50%", "0.80"]), (tick("0.1"), ["cancel target", "move 100 @0.4"]),
        (ended(TARGET, index=1), ["offer 50 @0.7"]), Phase.HOLDING],
    "a trailing stop follows what its targets leave": [
        *held("offer 50 @0.80", "offer 50 @0.60", "arm 100 @0.48", targets=["0.60:50%", "0.80"], trail="0.05"),
        (quote("0.60", "0.62"), ["move 100 @0.55"]), (filled(TARGET, "50", "0.60", index=1), ["move 50 @0.55"]),
        (quote("0.61", "0.62"), ["move 50 @0.56"]), Phase.HOLDING],
    # -- a stop that waits to be sure ----------------------------------------------------------------
    "a touch of the stop moves the armed one to the hard stop": [*DOUBTED, (quote("0.45", "0.47"), ["move 100 @0.30"]), Phase.HOLDING],
    "a confirmed stop waits until its time is over": [
        *DOUBTED, (quote("0.45", "0.47"), ["move 100 @0.30"]), (later(2.9), []), (later(0.1), ["cancel stop", "sell 100 @0.42"]), Phase.EXITING],
    "a recovery starts the waiting anew": [
        *DOUBTED, (quote("0.45", "0.47"), ["move 100 @0.30"]), (later(2), []), (quote("0.46", "0.47"), ["move 100 @0.45"]), (later(2), []),
        (quote("0.45", "0.47"), ["move 100 @0.30"]), (later(2), []), (later(1), ["cancel stop", "sell 100 @0.42"]), Phase.EXITING],
    "at the hard stop nothing is waited for": [*DOUBTED, (quote("0.30", "0.47"), ["cancel stop", "sell 100 @0.27"]), Phase.EXITING],
    "a tick above the hard stop is waited for": [*DOUBTED, (quote("0.31", "0.47"), ["move 100 @0.30"]), Phase.HOLDING],
    "while it waits the hard stop sells": [
        *DOUBTED, (quote("0.45", "0.47"), ["move 100 @0.30"]), (quote("0.30", "0.47"), ["cancel stop", "sell 100 @0.27"]), Phase.EXITING],
    "a bid that vanishes while it waits is no recovery": [
        *DOUBTED, (quote("0.45", "0.47"), ["move 100 @0.30"]), (quote(None, "0.47"), []), (later(3), []),
        (quote("0.44", "0.47"), ["cancel stop", "sell 100 @0.41"]), Phase.EXITING],
    "a restart does not begin the waiting anew": [
        *DOUBTED, (quote("0.45", "0.47"), ["move 100 @0.30"]), (later(2), []), (restarted(), []), (later(1), ["arm 100 @0.30"]),
        (quote("0.45", "0.47"), ["cancel stop", "sell 100 @0.42"]), Phase.EXITING],
    "a recovery while the node was away ends the waiting": [
        *DOUBTED, (quote("0.45", "0.47"), ["move 100 @0.30"]), (restarted(), []), (later(9), ["arm 100 @0.30"]),
        (quote("0.46", "0.47"), ["move 100 @0.45"]), Phase.HOLDING],
    "a stop confirmed by views of the book counts them": [
        *COUNTED, (quote("0.45", "0.47"), []), (quote("0.44", "0.47"), []), (quote("0.45", "0.47"), ["cancel stop", "sell 100 @0.42"]), Phase.EXITING],
    "a recovery starts the counting anew": [
        *COUNTED, (quote("0.45", "0.47"), []), (quote("0.44", "0.47"), []), (quote("0.46", "0.47"), []), (quote("0.45", "0.47"), []), (quote("0.44", "0.47"), []),
        (later(60), []), Phase.HOLDING],
    "a restart starts the counting anew": [
        *COUNTED, (quote("0.45", "0.47"), []), (quote("0.44", "0.47"), []), (restarted(), []), (quote("0.45", "0.47"), []), (quote("0.45", "0.47"), []),
        (quote("0.45", "0.47"), ["sell 100 @0.42"]), Phase.EXITING],
    "a stop that the emulator released while it waits is armed at the hard stop": [
        *DOUBTED, (released(), []), (quote("0.45", "0.47"), ["cancel stop"]), (ended(STOP), ["arm 100 @0.30"]), Phase.HOLDING],
    "without a hard stop a released stop is armed again above the stop": [
        *COUNTED, (released(), []), (quote("0.45", "0.47"), ["cancel stop"]), (ended(STOP), []), (quote("0.46", "0.47"), ["arm 100 @0.45"]), Phase.HOLDING],
    "a trailing stop is confirmed where it stands": [
        *held("arm 100 @0.48", trail="0.05", stop_confirm="3s"), (quote("0.60", "0.62"), ["move 100 @0.55"]), (quote("0.55", "0.57"), []), (later(2.9), []),
        (later(0.1), ["cancel stop", "sell 100 @0.52"]), Phase.EXITING],
    "a target that sells while the stop waits leaves less to sell": [
        *held("offer 100 @0.70", "arm 100 @0.45", sell_price="0.70", stop_confirm="3s"), (quote("0.45", "0.47"), []), (filled(TARGET, "40", "0.70"), ["move 60 @0.45"]),
        (later(3), ["cancel target", "cancel stop"]), (ended(STOP), []), (ended(TARGET), ["sell 60 @0.42"]), Phase.EXITING],
    "a market resolved while the stop waits pays": [
        *DOUBTED, (quote("0.45", "0.47"), ["move 100 @0.30"]), (resolved("1"), ["cancel stop"]), (ended(STOP), []), Phase.CLOSED],
    # -- the price that the stop watches ---------------------------------------------------------------
    "the average bid of the whole size is at the stop": [
        *held(trigger="size"), (depth(("0.50", "50"), ("0.40", "50")), ["cancel stop", "sell 100 @0.47"]), Phase.EXITING],
    "the average bid of the whole size is a little above the stop": [
        *held(trigger="size"), (depth(("0.50", "51"), ("0.40", "49")), []), Phase.HOLDING],
    "of a book of which only the touch is known the best bid counts": [
        *held(trigger="size"), (quote("0.46", "0.47", "1"), []), (quote("0.45", "0.47", "1"), ["cancel stop", "sell 100 @0.42"]), Phase.EXITING],
    "the average bid is that of what is held": [
        (CALM, []), (submit(sell_price=None, trigger="size"), [BUY]), (filled(ENTRY, "30", "0.55"), ["arm 30 @0.45"]),
        (depth(("0.50", "30"), ("0.30", "70")), []), (depth(("0.50", "20"), ("0.30", "70")), ["cancel entry", "cancel stop"]), Phase.EXITING],
    "an unfilled entry is taken back when the average bid of its size is at its stop": [
        (submit(sell_price=None, trigger="size"), [BUY]), (depth(("0.50", "51"), ("0.40", "49")), []),
        (depth(("0.50", "50"), ("0.40", "50")), ["cancel entry"]), Phase.LEAVING],
    "the last trade is at the stop": [*held(trigger="last"), (traded("0.46"), []), (traded("0.45"), ["cancel stop", "sell 100 @0.50"]), Phase.EXITING],
    "a bid at the stop sells nothing while the last trade is above": [
        *held(trigger="last"), (traded("0.46"), []), (quote("0.45", "0.47"), []), (released(), []), (quote("0.44", "0.47"), ["cancel stop"]), (ended(STOP), []),
        (quote("0.46", "0.47"), ["arm 100 @0.45"]), Phase.HOLDING],
    "until a trade is known the best bid counts": [*held(trigger="last"), (quote("0.45", "0.47"), ["cancel stop", "sell 100 @0.42"]), Phase.EXITING],
    "below its hard stop a bid sells whatever the last trade": [
        *held(trigger="last", stop_hard="0.30"), (traded("0.46"), []), (quote("0.31", "0.47"), []), (quote("0.30", "0.47"), ["cancel stop", "sell 100 @0.27"]), Phase.EXITING],
    # -- below the floor -------------------------------------------------------------------------------
    "an exit rests at its floor while the bids are below": [
        *held(floor_price="0.40", after_floor="rest"), (quote("0.39", "0.42"), ["cancel stop", "rest 100 @0.40"]), (ended(STOP), []),
        (filled(EXIT, "100", "0.40"), []), Phase.CLOSED],
    "a resting exit sold in part keeps resting": [
        *held(floor_price="0.40", after_floor="rest"), (quote("0.39", "0.42"), ["cancel stop", "rest 100 @0.40"]), (ended(STOP), []),
        (filled(EXIT, "40", "0.40"), []), (quote("0.38", "0.42"), []), (later(60), []), Phase.WAITING],
    "a resting exit that the venue took off is sent again, or sold at the bid": [
        *held(floor_price="0.40", after_floor="rest"), (quote("0.39", "0.42"), ["cancel stop", "rest 100 @0.40"]), (ended(STOP), []),
        (ended(EXIT), []), (later(1), ["rest 100 @0.40"]), (ended(EXIT), []), (quote("0.41", "0.42"), []), (later(1), ["sell 100 @0.40"]), Phase.EXITING],
    "a resting exit ends with its market": [
        *held(floor_price="0.40", after_floor="rest"), (quote("0.39", "0.42"), ["cancel stop", "rest 100 @0.40"]), (ended(STOP), []),
        (resolved("0"), ["cancel exit"]), (ended(EXIT), []), Phase.CLOSED],
    "an exit at its floor does not rest": [
        *held(floor_price="0.40", after_floor="rest"), (quote("0.40", "0.42"), ["cancel stop", "sell 100 @0.40"]), Phase.EXITING],
    "an exit that may sell at anything sells below its floor": [
        *held(floor_price="0.40", after_floor="anything"), (quote("0.39", "0.42"), ["cancel stop", "sell 100 @0.36"]), Phase.EXITING],
    "an exit that may sell at anything keeps its floor while a bid is there": [
        *held(floor_price="0.40", after_floor="anything"), (quote("0.41", "0.42"), ["cancel stop", "sell 100 @0.40"]), Phase.EXITING],
    # -- time ------------------------------------------------------------------------------------------
    "everything is sold at its time": [*held(exit_at=at(60)), (later(59), []), (later(1), ["cancel stop", "sell 100 @0.50"]), Phase.EXITING],
    "an unfilled entry ends at that time": [(submit(exit_at=at(60)), [BUY]), (later(59), []), (later(1), ["cancel entry"]), (ended(ENTRY), []), Phase.CANCELLED],
    "a fill that comes after that time is sold": [
        (CALM, []), (submit(sell_price=None, exit_at=at(60)), [BUY]), (later(60), ["cancel entry"]), (filled(ENTRY, "100", "0.55"), ["sell 100 @0.50"]), Phase.EXITING],
    "everything is sold so long before the market's end": [
        *held(exit_before_end="10m"), (later(2999), []), (later(1), ["cancel stop", "sell 100 @0.50"]), Phase.EXITING],
    "at its time a position without a bid waits for one": [
        *held(exit_at=at(60)), (quote(None, "0.56"), []), (later(60), ["cancel stop"]), (ended(STOP), []), (quote("0.10", "0.56"), ["sell 100 @0.07"]), Phase.EXITING],
    "a market resolved at that time pays": [*held(exit_at=at(60)), (later(59), []), (resolved("1"), ["cancel stop"]), (later(1), []), (ended(STOP), []), Phase.CLOSED],
    "a market resolved while everything is being sold for the time pays the rest": [
        *held(exit_at=at(60)), (later(60), ["cancel stop", "sell 100 @0.50"]), (resolved("1"), ["cancel exit"]), (ended(EXIT), []), (ended(STOP), []), Phase.CLOSED],
    "the time overtakes a cash-out by hand": [
        *held(exit_at=at(60)), (later(30), []), (order("sell", min_price="0.60"), []), (later(30), ["cancel stop", "sell 100 @0.50"]), Phase.EXITING],
    "the time sells while the stop still waits": [
        *held(exit_at=at(60), stop_confirm="2m"), (quote("0.45", "0.47"), []), (later(60), ["cancel stop", "sell 100 @0.42"]), Phase.EXITING],
    "the time takes the targets for parts off first": [
        *held(*OFFERED, targets=STEPS, exit_at=at(60)), (later(60), ["cancel target", "cancel target", "cancel target", "cancel stop"]), Phase.EXITING],
    "an exit time may be amended": [
        *held(exit_at=at(60)), (order("amend", exit_at=at(120)), []), (later(119), []), (later(1), ["cancel stop", "sell 100 @0.50"]), Phase.EXITING],
    "an exit time may be taken back": [*held(exit_at=at(60)), (order("amend", exit_at="none"), []), (later(600), []), Phase.HOLDING],
    # -- pairs -----------------------------------------------------------------------------------------
    "a stop at the average bid of the whole size is confirmed, too": [
        *held(trigger="size", stop_confirm="2quotes"), (depth(("0.50", "50"), ("0.40", "50")), []), (depth(("0.50", "51"), ("0.40", "49")), []),
        (depth(("0.50", "50"), ("0.40", "50")), []), (depth(("0.50", "49"), ("0.40", "51")), ["cancel stop", "sell 100 @0.47"]), Phase.EXITING],
    "a trailing stop follows the last trade": [
        *held("arm 100 @0.48", trigger="last", trail="0.05"), (traded("0.60"), ["move 100 @0.55"]), (quote("0.50", "0.62"), []),
        (traded("0.55"), ["cancel stop", "sell 100 @0.47"]), Phase.EXITING],
    "a trailing stop follows while a cash-out by hand waits": [
        *TRAILED, (order("sell", min_price="0.60"), []), (quote("0.54", "0.56"), ["move 100 @0.49"]), Phase.SELLING],
    "an exit for the time rests at its floor": [
        *held("arm 100 @0.30", stop_loss_price="0.30", floor_price="0.30", exit_at=at(60)), (quote(None, "0.42"), []), (later(60), ["cancel stop"]), (ended(STOP), []),
        (quote("0.29", "0.42"), []), (order("amend", after_floor="rest"), []), Phase.WAITING],
    "a time and a floor: what is to rest rests": [
        *held("arm 100 @0.30", stop_loss_price="0.30", floor_price="0.30", after_floor="rest", exit_at=at(60)), (quote(None, "0.42"), []),
        (later(60), ["cancel stop", "rest 100 @0.30"]), Phase.WAITING],
    "break-even stands after a restart": [
        *held(break_even_at="0.60"), (quote("0.60", "0.62"), ["move 100 @0.56"]), (restarted(), []), (quote("0.58", "0.62"), []),
        (later(1), ["arm 100 @0.56"]), Phase.HOLDING],
    "targets for parts are not offered again after a restart": [*STEPPED, (restarted(), []), (quote("0.53", "0.56"), []), (later(1), ["arm 100 @0.45"]), Phase.HOLDING],
    "a tick change while the stop waits changes the exit alone": [
        *DOUBTED, (quote("0.45", "0.47"), ["move 100 @0.30"]), (tick("0.001"), []), (later(3), ["cancel stop", "sell 100 @0.447"]), Phase.EXITING],
    "a touch is forgotten with what was held": [
        *held("offer 100 @0.70", "arm 100 @0.45", sell_price="0.70", stop_confirm="3s"), (quote("0.45", "0.47"), []), (filled(TARGET, "100", "0.70"), ["cancel stop"]),
        (ended(STOP), []), (later(60), []), (late(ENTRY, "10", "0.55"), ["offer 10 @0.70", "arm 10 @0.45"]), Phase.HOLDING],
    "after an exit has begun, no stop is raised": [
        *TRAILED, (quote("0.48", "0.50"), ["cancel stop", "sell 100 @0.45"]), (ended(EXIT), []), (ended(STOP), []), (quote("0.60", "0.62"), ["sell 100 @0.54"]), Phase.EXITING],
    "the time sells also where the stop was raised": [
        *held("arm 100 @0.48", trail="0.05", exit_at=at(60)), (quote("0.60", "0.62"), ["move 100 @0.55"]), (later(60), ["cancel stop", "sell 100 @0.57"]), Phase.EXITING],
    "a market resolved ends a trailing stop": [
        *TRAILED, (quote("0.60", "0.62"), ["move 100 @0.55"]), (resolved("1"), ["cancel stop"]), (ended(STOP), []), Phase.CLOSED],
    "a recovery while a trailing stop waits raises it on": [
        *held("arm 100 @0.48", trail="0.05", stop_confirm="3s", stop_hard="0.30"), (quote("0.60", "0.62"), ["move 100 @0.55"]),
        (quote("0.55", "0.57"), ["move 100 @0.30"]), (quote("0.62", "0.64"), ["move 100 @0.57"]), Phase.HOLDING],
    "a trailing stop follows the average bid of the whole size": [
        *held("arm 100 @0.48", trail="0.05", trigger="size"), (depth(("0.62", "50"), ("0.58", "50")), ["move 100 @0.55"]),
        (depth(("0.60", "50"), ("0.51", "50")), []), (depth(("0.60", "50"), ("0.50", "50")), ["cancel stop", "sell 100 @0.57"]), Phase.EXITING],
    "a stop raised above the floor waits for a bid at the floor": [
        *held("arm 100 @0.48", trail="0.05", floor_price="0.40"), (quote("0.60", "0.62"), ["move 100 @0.55"]), (quote("0.39", "0.41"), ["cancel stop"]), (ended(STOP), []),
        (quote("0.40", "0.42"), ["sell 100 @0.40"]), Phase.EXITING],
    "a trail of so many percent at a finer tick": [
        *held("arm 100 @0.47", trail="10%"), (tick("0.001"), ["move 100 @0.477"]), (quote("0.531", "0.56"), []), (quote("0.532", "0.56"), ["move 100 @0.478"]), Phase.HOLDING],
    "break-even at a finer tick is nearer": [*held(break_even_at="0.60"), (tick("0.001"), []), (quote("0.600", "0.62"), ["move 100 @0.560"]), Phase.HOLDING],
    "break-even at a coarser tick waits for a bid above it": [
        *held(break_even_at="0.60"), (tick("0.1"), ["move 100 @0.4"]), (quote("0.6", "0.7"), []), (quote("0.7", "0.8"), ["move 100 @0.6"]), Phase.HOLDING],
    "a stop at break-even is confirmed, too": [
        *held(break_even_at="0.60", stop_confirm="3s"), (quote("0.60", "0.62"), ["move 100 @0.56"]), (quote("0.56", "0.58"), []), (later(2.9), []),
        (later(0.1), ["cancel stop", "sell 100 @0.53"]), Phase.EXITING],
    "break-even rises with what is bought dearer": [
        (CALM, []), (submit(sell_price=None, break_even_at="0.56"), [BUY]), (filled(ENTRY, "50", "0.50"), ["arm 50 @0.45"]), (quote("0.58", "0.60"), ["move 50 @0.51"]),
        (filled(ENTRY, "50", "0.55"), ["move 100 @0.54"]), Phase.HOLDING],
    "a stop goes to break-even while a cash-out by hand waits": [
        *held(break_even_at="0.60"), (order("sell", shares="40", min_price="0.70"), []), (quote("0.60", "0.62"), ["move 100 @0.56"]), Phase.SELLING],
    "break-even after a target that sold before a restart": [
        *held(*OFFERED, targets=STEPS, break_even_after="1"), (filled(TARGET, "50", "0.60", index=2), ["move 50 @0.45"]), (restarted(), []),
        (quote("0.60", "0.62"), []), (later(1), ["arm 50 @0.56"]), Phase.HOLDING],
    "a cash-out by hand while the stop waits leaves less to sell": [
        *DOUBTED, (quote("0.45", "0.47"), ["move 100 @0.30"]), (order("sell", shares="40"), ["sell 40 @0.42"]), (filled(EXIT, "40", "0.45"), ["move 60 @0.30"]),
        (later(3), ["cancel stop", "sell 60 @0.42"]), Phase.EXITING],
    "what is bought while the stop waits waits with it": [
        (CALM, []), (submit(sell_price=None, stop_confirm="3s", stop_hard="0.30"), [BUY]), (filled(ENTRY, "40", "0.55"), ["arm 40 @0.45"]), (quote("0.45", "0.47"), ["move 40 @0.30"]),
        (filled(ENTRY, "20", "0.55"), ["move 60 @0.30"]), (later(3), ["cancel entry", "cancel stop"]), (ended(ENTRY), ["sell 60 @0.42"]), Phase.EXITING],
    "a confirmed stop keeps its floor": [
        *held(stop_confirm="3s", floor_price="0.40"), (quote("0.39", "0.41"), []), (later(3), ["cancel stop"]), (ended(STOP), []), (quote("0.40", "0.41"), ["sell 100 @0.40"]), Phase.EXITING],
    "a confirmation that is taken back sells at once": [
        *held(stop_confirm="3s"), (quote("0.45", "0.47"), []), (order("amend", stop_confirm="none", now=True), ["cancel stop", "sell 100 @0.42"]), Phase.EXITING],
    "a stop that is lowered while it waits waits no more": [
        *held(stop_confirm="3s"), (quote("0.45", "0.47"), []), (order("amend", stop_loss_price="0.40"), ["move 100 @0.40"]), (later(3), []), Phase.HOLDING],
    "trades at the stop are not counted as views of the book": [
        *held(trigger="last", stop_confirm="2quotes"), (traded("0.45"), []), (traded("0.44"), []), (quote("0.50", "0.52"), ["cancel stop", "sell 100 @0.47"]), Phase.EXITING],
    "a stop at the last trade is confirmed, too": [
        *held(trigger="last", stop_confirm="3s"), (traded("0.45"), []), (later(2), []), (traded("0.46"), []), (traded("0.45"), []), (later(2.9), []),
        (later(0.1), ["cancel stop", "sell 100 @0.50"]), Phase.EXITING],
    "the average bid of what the targets leave": [
        *held(*OFFERED, trigger="size", targets=STEPS), (filled(TARGET, "50", "0.60", index=2), ["move 50 @0.45"]), (depth(("0.50", "25"), ("0.41", "75")), []),
        (depth(("0.50", "22"), ("0.41", "75")), ["cancel target", "cancel target", "cancel stop"]), Phase.EXITING],
    "the average bid is seen anew after a restart": [
        *held(trigger="size"), (depth(("0.50", "60"), ("0.41", "40")), []), (restarted(), []), (depth(("0.50", "50"), ("0.40", "50")), ["sell 100 @0.47"]), Phase.EXITING],
    "after a restart the best bid counts until a trade is seen": [
        *held(trigger="last"), (traded("0.50"), []), (restarted(), []), (quote("0.46", "0.47"), []), (quote("0.45", "0.47"), ["sell 100 @0.42"]), Phase.EXITING],
    "a resting exit is not sent again after a restart": [
        *held(floor_price="0.40", after_floor="rest"), (quote("0.39", "0.42"), ["cancel stop", "rest 100 @0.40"]), (ended(STOP), []), (restarted(), []),
        (quote("0.38", "0.42"), []), (later(60), []), Phase.WAITING],
    "a resting exit rests on the coarser grid once it is sent again": [
        *held(floor_price="0.45", after_floor="rest"), (quote("0.39", "0.42"), ["cancel stop", "rest 100 @0.45"]), (ended(STOP), []), (tick("0.1"), []), (later(60), []),
        (ended(EXIT), []), (later(1), ["rest 100 @0.5"]), Phase.WAITING],
    "an exit that may sell at anything overtakes a cash-out by hand": [
        *held(floor_price="0.40", after_floor="anything"), (order("sell", min_price="0.60"), []), (quote("0.39", "0.42"), ["cancel stop", "sell 100 @0.36"]), Phase.EXITING],
    "a time that passed while the node was away sells at the first bid": [
        *held(exit_at=at(60)), (restarted(), []), (later(61), []), (quote("0.53", "0.56"), ["sell 100 @0.50"]), Phase.EXITING],
    "the time takes the rest of the entry off before it sells": [
        (CALM, []), (submit(sell_price=None, exit_at=at(60)), [BUY]), (filled(ENTRY, "40", "0.55"), ["arm 40 @0.45"]), (later(60), ["cancel entry", "cancel stop"]),
        (ended(ENTRY), ["sell 40 @0.50"]), Phase.EXITING],
    "an entry expires, and the time sells what it bought": [
        (CALM, []), (submit(sell_price=None, expires="30s", exit_at=at(60)), [BUY + " until +190s"]), (filled(ENTRY, "40", "0.55"), ["arm 40 @0.45"]), (later(30), ["cancel entry"]),
        (ended(ENTRY), []), (later(29), []), (later(1), ["cancel stop", "sell 40 @0.50"]), Phase.EXITING],
    "an entry that is kept ends at its time": [
        (CALM, []), (submit(keep_if_stop_trades=True, exit_at=at(60)), [BUY]), (quote("0.45", "0.57"), []), (later(59), []), (later(1), ["cancel entry"]), Phase.LEAVING],
    "an entry that is kept and taken off its book is sent again": [
        (CALM, []), (submit(keep_if_stop_trades=True), [BUY]), (quote("0.45", "0.57"), []), (ended(ENTRY), []), (later(1), [BUY]), Phase.ENTERING],
    "an entry taken off its book ends for good, also after a restart": [
        (submit(if_taken_off="end"), [BUY]), (ended(ENTRY), []), (restarted(), []), (later(60), []), Phase.CANCELLED],
    "what an entry bought before it was taken off stays protected": [
        (CALM, []), (submit(sell_price=None, if_taken_off="end"), [BUY]), (filled(ENTRY, "40", "0.55"), ["arm 40 @0.45"]), (ended(ENTRY), []), (later(60), []), Phase.HOLDING],
    "the rest of an entry taken off its book is sent again": [
        (CALM, []), (submit(sell_price=None), [BUY]), (filled(ENTRY, "40", "0.55"), ["arm 40 @0.45"]), (ended(ENTRY), []), (later(1), ["buy 60 @0.55"]), Phase.FILLING],
    "an entry that may not take is sent again so after a change of the tick": [
        (submit(post_only=True), [BUY + " post-only"]), (tick("0.1"), ["cancel entry"]), (ended(ENTRY), ["buy 100 @0.5 post-only"]), Phase.ENTERING],
    "a market resolved between two targets pays the rest": [
        *STEPPED, (filled(TARGET, "50", "0.60", index=2), ["move 50 @0.45"]), (resolved("1"), ["cancel target", "cancel target", "cancel stop"]),
        (ended(TARGET), []), (ended(TARGET), []), (ended(STOP), []), Phase.CLOSED],
    "a cash-out by hand is taken from the lowest target": [
        *STEPPED, (order("sell", shares="40"), ["cancel target", "cancel target", "cancel target"]), (ended(TARGET), ["sell 40 @0.50"]), (ended(TARGET), []), (ended(TARGET), []),
        (filled(EXIT, "40", "0.53"), ["offer 20 @0.85", "offer 30 @0.70", "offer 10 @0.60", "move 60 @0.45"]), Phase.HOLDING],
    "a cancel that an earlier process sent is sent again at once": [
        *held("offer 100 @0.70", "arm 100 @0.45", sell_price="0.70"), (quote("0.45", "0.47"), ["cancel target", "cancel stop"]), (ended(STOP), []), (later(1), []),
        (started(), ["cancel target"]), (ended(TARGET), ["sell 100 @0.42"]), Phase.EXITING],
    "an entry that an earlier process cancelled stays in the exit's way": [
        (CALM, []), (submit(sell_price=None), [BUY]), (filled(ENTRY, "40", "0.55"), ["arm 40 @0.45"]), (quote("0.45", "0.47"), ["cancel entry", "cancel stop"]), (ended(STOP), []),
        (started(), ["cancel entry"]), (later(4.9), []), (later(0.1), ["cancel entry", "sell 40 @0.42"]), Phase.EXITING],
    # -- entries ---------------------------------------------------------------------------------------
    "an entry that is to be kept stays although the bid is at its stop": [
        (CALM, []), (submit(keep_if_stop_trades=True), [BUY]), (quote("0.45", "0.47"), []), Phase.ENTERING],
    "an entry that was kept sells at once what it buys while the bid is at its stop": [
        (CALM, []), (submit(sell_price=None, keep_if_stop_trades=True), [BUY]), (quote("0.45", "0.47"), []),
        (filled(ENTRY, "40", "0.55"), ["cancel entry"]), (ended(ENTRY), ["sell 40 @0.42"]), Phase.EXITING],
    "an entry that the venue took off its book ends where it is asked to": [
        (submit(if_taken_off="end"), [BUY]), (ended(ENTRY), []), (later(60), []), Phase.CANCELLED],
    "an entry that the venue rejected is sent again all the same": [
        (submit(if_taken_off="end"), [BUY]), (ended(ENTRY, OrderEnd.REJECTED), []), (later(1), [BUY]), Phase.ENTERING],
    "a target that the venue took off its book is put back": [
        *held("offer 100 @0.70", "arm 100 @0.45", sell_price="0.70", if_taken_off="end"), (ended(TARGET), []), (later(14), []), (later(1), ["offer 100 @0.70"]), Phase.HOLDING],
    "a size by its risk loses that at the stop": [(submit(size=None, risk="20"), ["buy 166.94 @0.55"]), Phase.ENTERING],
    "a late buy is shared among the targets again": [
        *STEPPED, (filled(TARGET, "50", "0.60", index=2), ["move 50 @0.45"]), (late(ENTRY, "10", "0.55"), ["cancel target", "cancel target", "offer 5 @0.60", "move 60 @0.45"]), Phase.HOLDING],
}
# fmt: on


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str) -> None:
    *rows, phase = SCENARIOS[name]
    stage = Stage(closes_at=CLOSES)
    for number, (cue, expected) in enumerate(rows):
        sent = [re.sub(r"\.0+ ", " ", text) for text in cue(stage)]
        assert sent == expected, f"row {number}"
    assert stage.position.phase is phase
