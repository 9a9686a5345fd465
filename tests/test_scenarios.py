"""The money rules as scenarios: what happens, and what is sent for it.

Each row is a cue and the orders that it must cause; the last line names the phase it ends in.
"""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from stage import (
    ID,
    LIMITS,
    TOKEN,
    Stage,
    accepted,
    batch,
    cancel_refused,
    ended,
    feed,
    filled,
    late,
    later,
    order,
    quote,
    rejected,
    released,
    resolved,
    restarted,
    reversed_,
    submit,
    tick,
    turn,
)

from positions.commands.messages import from_fields
from positions.model import events
from positions.model.durations import SECOND
from positions.model.position import OrderEnd, Phase, Role
from positions.model.venue_rules import FeeSchedule

D = Decimal
ENTRY, TARGET, STOP, EXIT = Role.ENTRY, Role.TARGET, Role.STOP, Role.EXIT
CALM = quote("0.53", "0.56")
CROSSES = "invalid post-only order: order crosses book"
BANNED = "address banned"
BUY = "buy 100 @0.55"


def held(**fields: Any) -> list[tuple[Any, list[str]]]:
    """100 shares bought at 0.55 and protected, with the book at 0.53 / 0.56."""
    target = [] if fields.get("sell_price", "") is None else ["offer 100 @0.70"]
    stop = [] if fields.get("stop_loss_price", "") is None else ["arm 100 @0.45"]
    return [
        (CALM, []),
        (submit(**fields), [BUY]),
        (filled(ENTRY, "100", "0.55"), [*target, *stop]),
    ]


def stopped(**fields: Any) -> list[tuple[Any, list[str]]]:
    """As `held`, then the bid falls to 0.40; target and stop are off, the first sale is out."""
    return [
        *held(**fields),
        (quote("0.40", "0.42"), ["cancel target", "cancel stop"]),
        (ended(STOP), []),
        (ended(TARGET), ["sell 100 @0.37"]),
    ]


# fmt: off
SCENARIOS: dict[str, list[Any]] = {
    # -- the entry ---------------------------------------------------------------------------------
    "the entry rests at the max bid": [
        (CALM, []), (submit(), [BUY]), (quote("0.54", "0.56"), []), Phase.ENTERING],
    "the entry is sent before any quote is known": [(submit(), [BUY]), Phase.ENTERING],
    "a post-only entry says so": [(submit(post_only=True), [BUY + " post-only"]), Phase.ENTERING],
    "an entry that expires is good till a minute after, as the venue counts": [
        (submit(expires="2h"), [BUY + " until +7260s"]), Phase.ENTERING],
    "a max bid off a coarser tick is rounded down": [
        (submit(), [BUY]), (tick("0.1"), ["cancel entry"]), (ended(ENTRY), ["buy 100 @0.5"]), Phase.ENTERING],
    "a partial entry is protected at once": [
        (CALM, []), (submit(), [BUY]), (filled(ENTRY, "30", "0.55"), ["offer 30 @0.70", "arm 30 @0.45"]), Phase.FILLING],
    "a further part gets a further target and the stop grows": [
        (CALM, []), (submit(), [BUY]), (filled(ENTRY, "30", "0.55"), ["offer 30 @0.70", "arm 30 @0.45"]),
        (filled(ENTRY, "5", "0.55"), ["offer 5 @0.70", "move 35 @0.45"]), Phase.FILLING],
    "a part under the venue's minimum replaces the target": [
        (CALM, []), (submit(), [BUY]), (filled(ENTRY, "30", "0.55"), ["offer 30 @0.70", "arm 30 @0.45"]),
        (filled(ENTRY, "4.99", "0.55"), ["cancel target", "move 34.99 @0.45"]),
        (ended(TARGET), ["offer 34.99 @0.70"]), Phase.FILLING],
    "a first part under the minimum has a stop and waits with its target": [
        (CALM, []), (submit(), [BUY]), (filled(ENTRY, "4.99", "0.55"), ["arm 4.99 @0.45"]),
        (filled(ENTRY, "0.01", "0.55"), ["offer 5.00 @0.70", "move 5.00 @0.45"]), Phase.FILLING],
    "the last part ends the entry": [
        (CALM, []), (submit(), [BUY]), (filled(ENTRY, "99", "0.55"), ["offer 99 @0.70", "arm 99 @0.45"]),
        (filled(ENTRY, "1", "0.55"), ["cancel target", "move 100 @0.45"]), Phase.HOLDING],
    "an unfilled entry is taken back when the bid is at its stop": [
        (CALM, []), (submit(), [BUY]), (quote("0.45", "0.47"), ["cancel entry"]), Phase.LEAVING],
    "an unfilled entry stays when the bid is a tick above its stop": [
        (CALM, []), (submit(), [BUY]), (quote("0.46", "0.47"), []), Phase.ENTERING],
    "an entry taken back before anything was bought is cancelled": [
        (CALM, []), (submit(), [BUY]), (quote("0.45", "0.47"), ["cancel entry"]), (ended(ENTRY), []), Phase.CANCELLED],
    "a fill that raced the cancel is held and, the bid being at the stop, sold": [
        (CALM, []), (submit(), [BUY]), (quote("0.45", "0.47"), ["cancel entry"]),
        (filled(ENTRY, "40", "0.55"), []), (ended(ENTRY), ["sell 40 @0.42"]), Phase.EXITING],
    "an entry lives until its last second": [
        (submit(expires="60s"), [BUY + " until +190s"]), (later(59), []), Phase.ENTERING],
    "an entry is taken back when it expires": [
        (submit(expires="60s"), [BUY + " until +190s"]), (later(60), ["cancel entry"]), Phase.LEAVING],
    "an expired entry that bought something is held": [
        (CALM, []), (submit(expires="60s"), [BUY + " until +190s"]),
        (filled(ENTRY, "40", "0.55"), ["offer 40 @0.70", "arm 40 @0.45"]),
        (later(60), ["cancel entry"]), (ended(ENTRY), []), Phase.HOLDING],
    "a rejected entry is tried again after a second": [
        (submit(), [BUY]), (rejected(ENTRY), []), (later(0.9), []), (later(0.1), [BUY]), Phase.ENTERING],
    "a second rejection doubles the pause": [
        (submit(), [BUY]), (rejected(ENTRY), []), (later(1), [BUY]), (rejected(ENTRY), []),
        (later(1.9), []), (later(0.1), [BUY]), Phase.ENTERING],
    "an accepted entry forgets earlier rejections": [
        (submit(), [BUY]), (rejected(ENTRY), []), (later(1), [BUY]), (accepted(ENTRY), []),
        (ended(ENTRY), []), (later(1), [BUY]), Phase.ENTERING],
    "an entry that the venue took off the book is put back": [
        (submit(), [BUY]), (accepted(ENTRY), []), (ended(ENTRY), []), (later(1), [BUY]), Phase.ENTERING],
    "a rest under the minimum ends the entry": [
        (CALM, []), (submit(), [BUY]), (filled(ENTRY, "95.01", "0.55"), ["offer 95.01 @0.70", "arm 95.01 @0.45"]),
        (ended(ENTRY), []), (later(60), []), Phase.HOLDING],
    "a rest at the minimum is bid for again": [
        (CALM, []), (submit(), [BUY]), (filled(ENTRY, "95", "0.55"), ["offer 95 @0.70", "arm 95 @0.45"]),
        (ended(ENTRY), []), (later(1), ["buy 5 @0.55"]), Phase.FILLING],
    "a fill reported twice counts once": [
        (CALM, []), (submit(), [BUY]), (filled(ENTRY, "30", "0.55"), ["offer 30 @0.70", "arm 30 @0.45"]),
        (lambda s: (setattr(s, "trades", 0), filled(ENTRY, "30", "0.55")(s))[1], []), Phase.FILLING],
    # -- commands on the entry ---------------------------------------------------------------------
    "cancel takes the entry back": [
        (submit(), [BUY]), (order("cancel"), ["cancel entry"]), (ended(ENTRY), []), Phase.CANCELLED],
    "cancel keeps what was bought, protected": [
        (CALM, []), (submit(), [BUY]), (filled(ENTRY, "30", "0.55"), ["offer 30 @0.70", "arm 30 @0.45"]),
        (order("cancel"), ["cancel entry"]), (ended(ENTRY), []), Phase.HOLDING],
    "an unanswered cancel is sent again after five seconds": [
        (submit(), [BUY]), (order("cancel"), ["cancel entry"]), (later(4), []), (later(1), ["cancel entry"]), Phase.LEAVING],
    "a refused cancel is sent again after five seconds, not at once": [
        (submit(), [BUY]), (order("cancel"), ["cancel entry"]), (cancel_refused(ENTRY), []),
        (later(5), ["cancel entry"]), Phase.LEAVING],
    "an amended max bid replaces the entry once it is off the book": [
        (submit(), [BUY]), (order("amend", max_bid_price="0.60"), ["cancel entry"]),
        (ended(ENTRY), ["buy 100 @0.60"]), Phase.ENTERING],
    "halt takes a resting entry off the book, resume puts it back": [
        (submit(), [BUY]), (order("halt"), ["cancel entry"]), (ended(ENTRY), []), (later(5), []),
        (order("resume"), [BUY]), Phase.ENTERING],
    "halt leaves target and stop alone": [*held(), (order("halt"), []), (later(1), []), Phase.HOLDING],
    # -- the target --------------------------------------------------------------------------------
    "the target sells part and the stop shrinks": [
        *held(), (filled(TARGET, "40", "0.70"), ["move 60 @0.45"]), Phase.HOLDING],
    "the target sells all and the stop is disarmed": [
        *held(), (filled(TARGET, "100", "0.70"), ["cancel stop"]), (ended(STOP), []), Phase.CLOSED],
    "a target filled while the entry works ends the entry": [
        (CALM, []), (submit(), [BUY]), (filled(ENTRY, "30", "0.55"), ["offer 30 @0.70", "arm 30 @0.45"]),
        (filled(TARGET, "10", "0.70"), ["cancel entry", "move 20 @0.45"]), Phase.HOLDING],
    "a target off a coarser tick is rounded up": [
        *held(), (tick("0.1"), ["move 100 @0.4"]), (order("amend", sell_price="0.8"), ["cancel target"]),
        (ended(TARGET), ["offer 100 @0.8"]), Phase.HOLDING],
    "a rejected target is tried again and the stop stays": [
        *held(), (rejected(TARGET), []), (later(1), ["offer 100 @0.70"]), Phase.HOLDING],
    "too few shares to rest are taken at the target": [
        (CALM, []), (submit(), [BUY]), (filled(ENTRY, "4", "0.55"), ["arm 4 @0.45"]),
        (order("cancel"), ["cancel entry"]), (ended(ENTRY), []),
        (quote("0.69", "0.71"), []), (quote("0.70", "0.72"), ["take 4 @0.70"]), Phase.HOLDING],
    "too few shares to rest are offered at the target, not at a bid above it": [
        (CALM, []), (submit(), [BUY]), (filled(ENTRY, "4", "0.55"), ["arm 4 @0.45"]),
        (order("cancel"), ["cancel entry"]), (ended(ENTRY), []),
        (quote("0.72", "0.74"), ["take 4 @0.70"]), (ended(TARGET), []), (quote("0.71", "0.74"), ["take 4 @0.70"]), Phase.HOLDING],
    "too few shares to rest are offered at the price at which they are worth a dollar": [
        (CALM, []), (submit(), [BUY]), (filled(ENTRY, "1.42", "0.55"), ["arm 1.42 @0.45"]),
        (order("cancel"), ["cancel entry"]), (ended(ENTRY), []),
        (quote("0.70", "0.74"), []), (quote("0.73", "0.74"), ["take 1.42 @0.71"]), Phase.HOLDING],
    "an amended target is replaced once the old one is off the book": [
        *held(), (order("amend", sell_price="0.80"), ["cancel target"]), (ended(TARGET), ["offer 100 @0.80"]), Phase.HOLDING],
    "a removed target is cancelled": [
        *held(), (order("amend", sell_price="none"), ["cancel target"]), (ended(TARGET), []), Phase.HOLDING],
    "a position without target or stop is only held": [
        *held(sell_price=None, stop_loss_price=None), (quote("0.01", "0.02"), []), Phase.HOLDING],
    # -- the stop ----------------------------------------------------------------------------------
    "a bid a tick above the stop sells nothing": [*held(), (quote("0.46", "0.48"), []), Phase.HOLDING],
    "a bid at the stop sells everything, the target off the book first": [
        *held(), (quote("0.45", "0.47"), ["cancel target", "cancel stop"]),
        (ended(STOP), []), (ended(TARGET), ["sell 100 @0.42"]), Phase.EXITING],
    "without a target the sale goes out at once": [
        *held(sell_price=None), (quote("0.45", "0.47"), ["cancel stop", "sell 100 @0.42"]), Phase.EXITING],
    "a stop takes the rest of the entry back before it sells": [
        (CALM, []), (submit(sell_price=None), [BUY]), (filled(ENTRY, "30", "0.55"), ["arm 30 @0.45"]),
        (quote("0.44", "0.46"), ["cancel entry", "cancel stop"]), (ended(STOP), []),
        (ended(ENTRY), ["sell 30 @0.41"]), Phase.EXITING],
    "an entry that will not leave the book delays the sale by five seconds at most": [
        (CALM, []), (submit(sell_price=None), [BUY]), (filled(ENTRY, "30", "0.55"), ["arm 30 @0.45"]),
        (quote("0.44", "0.46"), ["cancel entry", "cancel stop"]), (ended(STOP), []),
        (later(4), []), (later(1), ["cancel entry", "sell 30 @0.41"]), Phase.EXITING],
    "a batch that only passes through a low bid sells nothing": [
        *held(), (batch(("0.40", "0.42"), ("0.54", "0.56")), []), Phase.HOLDING],
    "the emulator's trigger is dismissed when the bid stands above the stop, and the stop armed anew": [
        *held(), (released(), []), (batch(("0.54", "0.56")), ["cancel stop"]), (ended(STOP), ["arm 100 @0.45"]), Phase.HOLDING],
    "a dismissed stop is armed only on a newer view of the book": [
        *held(), (released(), []), (turn(), ["cancel stop"]), (ended(STOP), []), (later(1), []),
        (quote("0.53", "0.56"), ["arm 100 @0.45"]), Phase.HOLDING],
    "the emulator's trigger is confirmed by the bid": [
        *held(), (released(), []), (batch(("0.45", "0.47")), ["cancel target", "cancel stop"]), Phase.EXITING],
    "a stop that the emulator missed acts within a second": [
        *held(), (lambda s: (s.market.show(s.market.tick * 40, s.market.tick, None, s.market.tick, s.now), [])[1], []),
        (later(1), ["cancel target", "cancel stop"]), Phase.EXITING],
    "a rejected stop is armed again after a quarter of a second": [
        *held(), (rejected(STOP), []), (later(0.25), ["arm 100 @0.45"]), Phase.HOLDING],
    "a stop amended above the bid acts at once": [
        *held(), (order("amend", stop_loss_price="0.53", now=True), ["cancel target", "cancel stop"]), Phase.EXITING],
    "a stop amended below the bid moves": [
        *held(), (order("amend", stop_loss_price="0.52"), ["move 100 @0.52"]), Phase.HOLDING],
    "a stop removed is disarmed": [
        *held(), (order("amend", stop_loss_price="none"), ["cancel stop"]), (ended(STOP), []), (quote("0.10", "0.12"), []), Phase.HOLDING],
    "a stop added through the bid acts at once": [
        *held(stop_loss_price=None), (order("amend", stop_loss_price="0.54", now=True), ["cancel target"]), Phase.EXITING],
    # -- the exit ----------------------------------------------------------------------------------
    "what an exit sold in part is sold on at the next view": [
        *stopped(), (filled(EXIT, "30", "0.40"), []), (ended(EXIT), []),
        (quote("0.39", "0.42"), ["sell 70 @0.36"]), (filled(EXIT, "70", "0.39"), []), Phase.CLOSED],
    "an exit that met no bid widens its slip at the next view": [
        *stopped(), (ended(EXIT), []), (quote("0.40", "0.41"), ["sell 100 @0.34"]), Phase.EXITING],
    "an exit that met no bid is tried again after a pause where the book stays as it is": [
        *stopped(), (ended(EXIT), []), (later(1), []), (later(1), ["sell 100 @0.34"]), Phase.EXITING],
    "a rejected exit is tried again after a tenth of a second": [
        *stopped(), (rejected(EXIT), []), (quote("0.40", "0.41"), []), (later(0.1), ["sell 100 @0.37"]), Phase.EXITING],
    "a rejected exit is tried again on the view that it was decided on": [
        *stopped(), (rejected(EXIT), []), (later(0.1), ["sell 100 @0.37"]), (rejected(EXIT), []), (later(0.1), []), (later(0.1), ["sell 100 @0.37"]), Phase.EXITING],
    "an exit that is refused for a reason that lasts is tried again, at a slow pace": [
        *stopped(), (rejected(EXIT, BANNED), []), (later(1.9), []), (later(0.1), ["sell 100 @0.37"]), (rejected(EXIT, BANNED), []), (later(3.9), []),
        (later(0.1), ["sell 100 @0.37"]), *[(cue, sent) for _ in range(4) for cue, sent in ((rejected(EXIT, BANNED), []), (later(30), ["sell 100 @0.37"]))], Phase.EXITING],
    "a target that is refused for a reason that lasts is tried again, at a slow pace": [
        *held(), (rejected(TARGET, BANNED), []), (later(14.9), []), (later(0.1), ["offer 100 @0.70"]), Phase.HOLDING],
    "an entry that is refused for a reason that lasts is not sent again": [
        (submit(), [BUY]), (rejected(ENTRY, "maker address not allowed, please use the deposit wallet flow"), []), (later(60), []), Phase.CANCELLED],
    "nor is one whose market is closed": [
        (submit(), [BUY]), (rejected(ENTRY, "The orderbook 123 does not exist"), []), (later(60), []), Phase.CANCELLED],
    "what it bought before that stays protected": [
        (submit(), [BUY]), (filled(ENTRY, "40", "0.55"), ["offer 40 @0.70", "arm 40 @0.45"]), (ended(ENTRY), []), (later(1), ["buy 60 @0.55"]),
        (rejected(ENTRY, BANNED), []), (later(60), []), Phase.HOLDING],
    "an entry that shall only rest waits while it would take": [
        (quote("0.50", "0.57"), []), (submit(post_only=True), [BUY + " post-only"]), (quote("0.53", "0.55"), []), (rejected(ENTRY, CROSSES), []),
        (later(60), []), (quote("0.53", "0.56"), []), (later(1), [BUY + " post-only"]), Phase.ENTERING],
    "it is sent at once where nobody asks": [
        (quote("0.50", "0.57"), []), (submit(post_only=True), [BUY + " post-only"]), (quote("0.53", "0.54"), []), (rejected(ENTRY, CROSSES), []),
        (quote("0.53", None), []), (later(1), [BUY + " post-only"]), Phase.ENTERING],
    "an exit goes on although the bid is back above the stop": [
        *stopped(), (ended(EXIT), []), (quote("0.60", "0.62"), ["sell 100 @0.54"]), Phase.EXITING],
    "a target filled in part while it was being cancelled leaves less to sell": [
        *held(), (quote("0.40", "0.42"), ["cancel target", "cancel stop"]), (ended(STOP), []),
        (filled(TARGET, "30", "0.70"), []), (ended(TARGET), ["sell 70 @0.37"]), Phase.EXITING],
    "while a target may still be filled nothing is sold twice": [
        *held(), (quote("0.40", "0.42"), ["cancel target", "cancel stop"]), (ended(STOP), []),
        (quote("0.39", "0.42"), []), (later(1), []), Phase.EXITING],
    "a vanished bid sells nothing": [*held(), (quote(None, "0.42"), []), Phase.HOLDING],
    "a bid that returns above the stop sells nothing": [
        *held(), (quote(None, "0.42"), []), (quote("0.50", "0.52"), []), Phase.HOLDING],
    "a bid that returns below the stop sells": [
        *held(), (quote(None, "0.42"), []), (quote("0.30", "0.42"), ["cancel target", "cancel stop"]), Phase.EXITING],
    "an exit whose bid vanishes waits and sells when it returns": [
        *stopped(), (ended(EXIT), []), (quote(None, "0.42"), []), (later(60), []),
        (quote("0.20", "0.42"), ["sell 100 @0.14"]), Phase.EXITING],
    "an exit waits while all bids are below the floor": [
        *held(floor_price="0.40", sell_price=None), (quote("0.39", "0.42"), ["cancel stop"]), (ended(STOP), []), Phase.WAITING],
    "an exit at the floor sells at the floor": [
        *held(floor_price="0.40", sell_price=None), (quote("0.40", "0.42"), ["cancel stop", "sell 100 @0.40"]), Phase.EXITING],
    "an exit waits while what is held is worth less than a dollar": [
        *held(sell_price=None), (quote("0.40", "0.42"), ["cancel stop", "sell 100 @0.37"]), (ended(STOP), []),
        (filled(EXIT, "98", "0.40"), []), (ended(EXIT), []), (quote("0.49", "0.60"), []), Phase.WAITING],
    "an exit sells when what is held is worth a dollar": [
        *held(sell_price=None), (quote("0.40", "0.42"), ["cancel stop", "sell 100 @0.37"]), (ended(STOP), []),
        (filled(EXIT, "98", "0.40"), []), (ended(EXIT), []), (quote("0.50", "0.60"), ["sell 2 @0.5"]), Phase.EXITING],
    "what no price could sell is left as dust": [
        *held(sell_price=None), (quote("0.40", "0.42"), ["cancel stop", "sell 100 @0.37"]), (ended(STOP), []),
        (filled(EXIT, "98.99", "0.40"), []), (ended(EXIT), []), Phase.DUST],
    "dust at a tick that was too coarse is protected again at the next": [
        *held(sell_price=None), (tick("1"), ["cancel stop"]), (ended(STOP), []), (tick("0.01"), ["arm 100 @0.45"]), Phase.HOLDING],
    "dust waits to be sold again once a finer tick could make it worth a dollar": [
        *held(sell_price=None), (quote("0.40", "0.42"), ["cancel stop", "sell 100 @0.37"]), (ended(STOP), []),
        (filled(EXIT, "98.99", "0.40"), []), (ended(EXIT), []), (tick("0.001"), []), Phase.WAITING],
    "a hundredth more than dust still waits to be sold": [
        *held(sell_price=None), (quote("0.40", "0.42"), ["cancel stop", "sell 100 @0.37"]), (ended(STOP), []),
        (filled(EXIT, "98.98", "0.40"), []), (ended(EXIT), []), Phase.WAITING],
    "an exit at a fine tick takes the cent below so that no tail is left": [
        *held(sell_price=None, size="100"), (tick("0.001"), []),
        (quote("0.405", "0.42"), ["cancel stop", "sell 100 @0.402"]), Phase.EXITING],
    # -- by hand -----------------------------------------------------------------------------------
    "cash out all: the target off the book, then the sale, the stop armed to the end": [
        *held(), (order("sell"), ["cancel target"]), (ended(TARGET), ["sell 100 @0.50"]),
        (filled(EXIT, "100", "0.53"), ["cancel stop"]), (ended(STOP), []), Phase.CLOSED],
    "cash out a part: the rest is protected again": [
        *held(), (order("sell", shares="40"), ["cancel target"]), (ended(TARGET), ["sell 40 @0.50"]),
        (filled(EXIT, "40", "0.53"), ["offer 60 @0.70", "move 60 @0.45"]), Phase.HOLDING],
    "cash out a fraction, rounded down to the venue's grid": [
        *held(), (order("sell", fraction="0.333"), ["cancel target"]), (ended(TARGET), ["sell 33.30 @0.50"]), Phase.SELLING],
    "cash out with a minimum price waits for it": [
        *held(sell_price=None), (order("sell", min_price="0.60"), []), (quote("0.59", "0.61"), []),
        (quote("0.60", "0.61"), ["sell 100 @0.60"]), Phase.SELLING],
    "cash out lapses after a minute and the rest is protected again": [
        *held(), (order("sell", min_price="0.60"), ["cancel target"]), (ended(TARGET), []), (later(59), []),
        (later(1), ["offer 100 @0.70"]), Phase.HOLDING],
    "a stop overtakes a cash-out": [
        *held(sell_price=None), (order("sell", min_price="0.60"), []), (quote("0.45", "0.47"), ["cancel stop", "sell 100 @0.42"]), Phase.EXITING],
    "a cash-out ends the entry": [
        (CALM, []), (submit(), [BUY]), (filled(ENTRY, "30", "0.55"), ["offer 30 @0.70", "arm 30 @0.45"]),
        (order("sell"), ["cancel entry", "cancel target"]), (ended(TARGET), []), (ended(ENTRY), ["sell 30 @0.50"]), Phase.SELLING],
    "flatten sells what is held and takes entries back": [
        *held(), (order("flatten"), ["cancel target", "cancel stop"]), (ended(STOP), []),
        (ended(TARGET), ["sell 100 @0.50"]), Phase.EXITING],
    "flatten takes an unfilled entry back": [
        (submit(), [BUY]), (order("flatten"), ["cancel entry"]), (ended(ENTRY), []), Phase.CANCELLED],
    "what an entry buys while flatten takes it back is sold": [
        (CALM, []), (submit(), [BUY]), (order("flatten"), ["cancel entry"]), (filled(ENTRY, "100", "0.55"), ["sell 100 @0.50"]),
        (filled(EXIT, "100", "0.52"), []), Phase.CLOSED],
    "what is told of an entry after flatten has ended it is sold": [
        (CALM, []), (submit(), [BUY]), (order("flatten"), ["cancel entry"]), (ended(ENTRY), []),
        (late(ENTRY, "10", "0.55"), ["sell 10 @0.50"]), Phase.EXITING],
    "what an entry buys while flatten takes it back is sold after a restart, too": [
        (CALM, []), (submit(), [BUY]), (order("flatten"), ["cancel entry"]), (restarted(), []),
        (filled(ENTRY, "100", "0.55"), []), (quote("0.53", "0.56"), ["sell 100 @0.50"]), Phase.EXITING],
    "flatten binds what an entry buys that is being taken back already": [
        (CALM, []), (submit(), [BUY]), (order("cancel"), ["cancel entry"]), (order("flatten"), []),
        (filled(ENTRY, "100", "0.55"), ["sell 100 @0.50"]), Phase.EXITING],
    "a cash-out of everything sells what the entry buys until it is off the book": [
        (CALM, []), (submit(), [BUY]), (filled(ENTRY, "30", "0.55"), ["offer 30 @0.70", "arm 30 @0.45"]),
        (order("sell"), ["cancel entry", "cancel target"]), (ended(TARGET), []), (filled(ENTRY, "20", "0.55"), ["move 50 @0.45"]),
        (ended(ENTRY), ["sell 50 @0.50"]), Phase.SELLING],
    "a cash-out of some shares sells no more of them": [
        (CALM, []), (submit(), [BUY]), (filled(ENTRY, "30", "0.55"), ["offer 30 @0.70", "arm 30 @0.45"]),
        (order("sell", shares="10"), ["cancel entry", "cancel target"]), (filled(ENTRY, "20", "0.55"), ["move 50 @0.45"]),
        (ended(TARGET), []), (ended(ENTRY), ["sell 10 @0.50"]), Phase.SELLING],
    # -- the end of the market ---------------------------------------------------------------------
    "a market resolved at 1 pays what is held and closes": [
        *held(), (resolved("1"), ["cancel target", "cancel stop"]), (ended(TARGET), []), (ended(STOP), []), Phase.CLOSED],
    "a market resolved at 0 closes too": [
        *held(sell_price=None, stop_loss_price=None), (resolved("0"), []), Phase.CLOSED],
    "a market resolved before anything was bought cancels the position": [
        (submit(), [BUY]), (resolved("1"), ["cancel entry"]), (ended(ENTRY), []), Phase.CANCELLED],
    "dust is paid at the resolution": [
        *held(sell_price=None), (quote("0.40", "0.42"), ["cancel stop", "sell 100 @0.37"]), (ended(STOP), []),
        (filled(EXIT, "99.50", "0.40"), []), (ended(EXIT), []), (resolved("1"), []), Phase.CLOSED],
    "a resolved market ends an exit under way": [
        *stopped(), (resolved("0.5"), ["cancel exit"]), (ended(EXIT), []), Phase.CLOSED],
    # -- races -------------------------------------------------------------------------------------
    "a buy that arrives after the close is protected": [
        *held(), (filled(TARGET, "100", "0.70"), ["cancel stop"]), (ended(STOP), []),
        (late(ENTRY, "10", "0.55"), ["offer 10 @0.70", "arm 10 @0.45"]), Phase.HOLDING],
    "a buy that arrives after a stop has sold is sold too": [
        *stopped(), (filled(EXIT, "100", "0.40"), []), (late(ENTRY, "10", "0.55"), []),
        (quote("0.41", "0.42"), ["sell 10 @0.38"]), Phase.EXITING],
    "more sold than held is disputed, and nothing more is sent": [
        *stopped(), (filled(EXIT, "100", "0.40"), []), (late(EXIT, "10", "0.40"), []), (later(60), []), Phase.DISPUTED],
    # -- settlements that fail -----------------------------------------------------------------------
    "a buy that failed to settle is not held: its stop and target go, and it is bought again": [
        *held(), (reversed_(ENTRY, "100", "0.55"), ["cancel target", "cancel stop"]), (ended(TARGET), []), (ended(STOP), []),
        (later(1), [BUY]), Phase.ENTERING],
    "a buy that failed to settle while it is being sold is not bought again": [
        *stopped(), (reversed_(ENTRY, "100", "0.55"), ["cancel exit"]), (ended(EXIT), []), (later(60), []), Phase.CANCELLED],
    "a part of a buy that failed to settle shrinks the stop and is bought again": [
        (CALM, []), (submit(sell_price=None), [BUY]), (filled(ENTRY, "40", "0.55"), ["arm 40 @0.45"]),
        (filled(ENTRY, "60", "0.55"), ["move 100 @0.45"]), (reversed_(ENTRY, "60", "0.55"), ["move 40 @0.45"]),
        (later(1), ["buy 60 @0.55"]), Phase.FILLING],
    "a target's sale that failed to settle is protected and offered again": [
        *held(), (filled(TARGET, "100", "0.70"), ["cancel stop"]), (ended(STOP), []),
        (reversed_(TARGET, "100", "0.70"), ["offer 100 @0.70", "arm 100 @0.45"]), Phase.HOLDING],
    "a stop's sale that failed to settle is sold again": [
        *stopped(), (filled(EXIT, "100", "0.40"), []), (reversed_(EXIT, "100", "0.40"), []),
        (quote("0.39", "0.42"), ["sell 100 @0.36"]), Phase.EXITING],
    "a trade that failed to settle is undone once": [
        *held(sell_price=None), (reversed_(ENTRY, "100", "0.55"), ["cancel stop"]), (reversed_(ENTRY, "100", "0.55"), []),
        (ended(STOP), []), Phase.ENTERING],
    "a failed settlement of a trade never told changes nothing": [
        *held(), (reversed_(ENTRY, "100", "0.55", 7), []), Phase.HOLDING],
    "a buy that failed to settle after its shares were sold is disputed": [
        *stopped(), (filled(EXIT, "100", "0.40"), []), (reversed_(ENTRY, "100", "0.55", 1), []), Phase.DISPUTED],
    # -- prices that cannot be trusted ---------------------------------------------------------------
    "without sound prices the entry is taken back, and sent again with them": [
        (CALM, []), (submit(), [BUY]), (feed("silent"), ["cancel entry"]), (ended(ENTRY), []), (feed(""), [BUY]), Phase.ENTERING],
    "without sound prices what is held stays protected, and its stop still sells": [
        *held(sell_price=None), (feed("silent"), []), (quote("0.45", "0.47"), ["cancel stop", "sell 100 @0.42"]), Phase.EXITING],
}
LASTING = msgspec.structs.replace(LIMITS, entry_lasts=900 * SECOND)
RENEWALS: dict[str, list[Any]] = {
    "an entry states when it ends, with the venue's margin": [
        (submit(), ["buy 100 @0.55 until +960s"]), Phase.ENTERING],
    "an entry is renewed when two thirds of its time are over": [
        (submit(), ["buy 100 @0.55 until +960s"]), (later(599), []), (later(1), ["cancel entry"]),
        (ended(ENTRY), ["buy 100 @0.55 until +1560s"]), Phase.ENTERING],
    "a renewal waits for the old order's end": [
        (submit(), ["buy 100 @0.55 until +960s"]), (later(630), ["cancel entry"]), (later(4), []), (later(1), ["cancel entry"]),
        (filled(ENTRY, "20", "0.55"), ["arm 20 @0.45", "offer 20 @0.70"][::-1]), (ended(ENTRY), ["buy 80 @0.55 until +1595s"]), Phase.FILLING],
    "a remainder below the venue's minimum is not renewed and ends the entry": [
        (submit(sell_price=None), ["buy 100 @0.55 until +960s"]), (filled(ENTRY, "95.01", "0.55"), ["arm 95.01 @0.45"]), (later(899), []),
        (later(1), []), (ended(ENTRY, OrderEnd.EXPIRED), []), Phase.HOLDING],
    "a remainder of the venue's minimum is renewed": [
        (submit(sell_price=None), ["buy 100 @0.55 until +960s"]), (filled(ENTRY, "95", "0.55"), ["arm 95 @0.45"]), (later(630), ["cancel entry"]),
        (ended(ENTRY), ["buy 5 @0.55 until +1590s"]), Phase.FILLING],
    "the owner's own end is not renewed": [
        (submit(expires="10m"), ["buy 100 @0.55 until +660s"]), (later(599), []), (later(1), ["cancel entry"]), (ended(ENTRY), []),
        Phase.CANCELLED],
    "an end of the owner's beyond the order's is reached by renewals": [
        (submit(expires="20m"), ["buy 100 @0.55 until +960s"]), (later(630), ["cancel entry"]),
        (ended(ENTRY), ["buy 100 @0.55 until +1260s"]), (later(569), []), (later(1), ["cancel entry"]), (ended(ENTRY), []), Phase.CANCELLED],
    "an entry that expired while it could not be renewed is no failure and is sent again": [
        (submit(), ["buy 100 @0.55 until +960s"]), (later(900), ["cancel entry"]), (ended(ENTRY, OrderEnd.EXPIRED), ["buy 100 @0.55 until +1860s"]),
        Phase.ENTERING],
}
# fmt: on


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str) -> None:
    *rows, phase = SCENARIOS[name]
    stage = Stage()
    for number, (cue, expected) in enumerate(rows):
        assert cue(stage) == expected, f"row {number}"
    assert stage.position.phase is phase


@pytest.mark.parametrize("name", RENEWALS)
def test_renewal(name: str) -> None:
    *rows, phase = RENEWALS[name]
    stage = Stage(LASTING)
    for number, (cue, expected) in enumerate(rows):
        assert cue(stage) == expected, f"row {number}"
    assert stage.position.phase is phase
    assert not stage.position.pacing.backoffs


def test_at_a_fee_that_is_not_known_nothing_is_bought_and_exits_go_on() -> None:
    unknown = FeeSchedule(D("0.04"), None)
    stage = Stage(fee=unknown)
    CALM(stage)
    submit()(stage)
    assert [r.code for r in stage.replies] == ["FEE_UNKNOWN"]
    stage = Stage()
    for cue, _ in held(sell_price=None):
        cue(stage)
    stage.engine.markets[TOKEN].fee = unknown
    quote("0.40", "0.43")(stage)
    assert stage.position.phase is Phase.EXITING


def test_unsound_prices_are_an_alarm_until_they_are_sound() -> None:
    stage = Stage()
    submit()(stage)
    feed("silent for 12 s")(stage)
    feed("silent for 13 s")(stage)
    feed("")(stage)
    feed("")(stage)
    assert [(a.kind, a.is_open) for a in stage.alarms] == [
        ("feed", True),
        ("feed", True),
        ("feed", False),
    ]
    assert "silent for 12 s; nothing is bought, exits go on" in stage.alarms[0].text


def test_unsound_prices_that_no_position_depends_on_are_nobodys() -> None:
    stage = Stage()
    feed("silent")(stage)
    assert not stage.alarms
    assert not stage.engine.open_alarms()
    assert stage.engine.markets[TOKEN].feed_problem  # but nothing is bought at them
    submit()(stage)
    assert [(a.kind, a.is_open) for a in stage.alarms] == [("feed", True)]


def test_an_alarm_about_prices_is_over_with_the_last_position() -> None:
    stage = Stage()
    for cue, _ in held(sell_price=None, stop_loss_price=None):
        cue(stage)
    feed("silent")(stage)
    assert [kind for _, kind, _ in stage.engine.open_alarms()] == ["feed"]
    resolved("1")(stage)
    assert stage.position.phase is Phase.CLOSED
    assert not stage.engine.open_alarms()
    assert [a.is_open for a in stage.alarms] == [True, False]


# fmt: off
REFUSALS: dict[str, tuple[Role, str, str]] = {
    "an entry for a moment": (
        ENTRY, CROSSES, f"refused or taken off the book, 1 time in a row: {CROSSES}; it is tried again"),
    "an entry for good": (
        ENTRY, "maker address not allowed", "the entry was refused for a reason that lasts, and is over: maker address not allowed"),
    "a wallet of another kind": (
        ENTRY, "maker address not allowed, please use the deposit wallet flow", "deposit wallet flow; set signature_type = 3 under [wallet]"),
    "credentials of another key": (
        EXIT, "Unauthorized/Invalid api key", "Invalid api key; derive the credentials anew with `polybracket credentials`; it is tried again"),
    "a contract that may not spend": (
        ENTRY, "not enough balance / allowance: the allowance is not enough", "`polybracket doctor` tells which contract must be allowed to spend"),
    "words that would move the cursor": (ENTRY, "no\x1b[2J\nALARM: all sold", r"in a row: no\x1b[2J\x0aALARM: all sold; it is tried again"),
    "no words at all": (ENTRY, "", "1 time in a row; it is tried again"),
    "a sale for good": (EXIT, BANNED, f"for a reason that lasts: {BANNED}; it is tried again, slowly"),
}
# fmt: on


@pytest.mark.parametrize("name", REFUSALS)
def test_an_alarm_tells_what_the_venue_said(name: str) -> None:
    role, words, told = REFUSALS[name]
    stage = Stage()
    for cue in [submit()] if role is ENTRY else [row[0] for row in stopped()]:
        cue(stage)
    stage.alarms.clear()
    rejected(role, words)(stage)
    (alarm,) = (a for a in stage.alarms if a.kind.endswith("refused"))
    assert alarm.is_open
    assert told in alarm.text
    assert alarm.text in [text for _, _, text in stage.engine.open_alarms()]


def test_the_alarm_of_a_lasting_refusal_stays_until_an_entry_is_accepted() -> None:
    stage = Stage()
    submit()(stage)
    rejected(ENTRY, BANNED)(stage)
    assert stage.position.phase is Phase.CANCELLED
    other = f"{ID[:-3]}777"
    asked = {"market": "rain-in-london", "outcome": "Yes", "max_bid_price": "0.55", "size": "20"}
    stage.engine.command(from_fields({"command": "submit", "id": other} | asked))
    stage.run()
    assert [kind for _, kind, _ in stage.engine.open_alarms()] == ["refused"]
    accepted_ = events.OrderAccepted(time=stage.now, order_id=f"{other}-1", venue_order_id="V-2")
    stage.engine.event(other, accepted_)
    stage.run()
    assert stage.engine.open_alarms() == []
    assert [a.is_open for a in stage.alarms if a.kind == "refused"] == [True, False]
