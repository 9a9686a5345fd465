"""A trader's day on the page, in a real browser, on a live node on the loopback venue."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from browser import PATIENCE, browser, enter, needs_browser, served
from loopback.server import LoopbackPolymarket, MarketHandle
from playwright.sync_api import Dialog, Page, ViewportSize, expect
from test_crash_live import Person

from positions.storage.snapshot import Snapshot
from positions.storage.spool import Spool

pytestmark = [needs_browser, pytest.mark.xdist_group("page")]
TITLE = 'Rain? <img src=x onerror="alert(1)">'
D = Decimal
WIDE, PHONE = ViewportSize(width=1440, height=900), ViewportSize(width=390, height=844)


class Trader:
    """A person with a node, and its page in a browser."""

    def __init__(self, person: Person, market: MarketHandle, page: Page) -> None:
        self.person = person
        self.node = person.start()
        self.venue = person.venue
        self.market = market
        self.page = page
        self.home = ""
        self.wrong: list[str] = []
        page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        page.on("pageerror", lambda e: self.wrong.append(str(e)))
        page.on("dialog", self._dialog)

    def _dialog(self, dialog: Dialog) -> None:
        self.wrong.append(f"a title is a program: {dialog.message}")
        dialog.dismiss()

    def quote(self, bid: str | None, ask: str = "0.60") -> None:
        """The market's best bid and ask; None = nobody bids."""
        self.venue.quote(self.market.tokens[0], bid, "100" if bid else 0, ask, "100")

    def position(self, position_id: str) -> dict[str, Any]:
        """A position as it is published now."""
        with Snapshot(self.person.state) as copy:
            return copy.position(position_id)

    def until(self, position_id: str, **values: Any) -> None:
        """Wait until a position is published with these values."""
        self.person.wait(
            lambda: values.items() <= self.position(position_id).items(), f"it has {values}"
        )

    def sales(self) -> int:
        """How many sales were asked for."""
        done = (self.person.state / "spool" / "done").glob("*.json")
        return sum(json.loads(file.read_bytes())["command"] == "sell" for file in done)

    def goes(self, name: str) -> None:
        """Go to a page by its link."""
        self.page.get_by_role("link", name=name, exact=True).first.click()


@contextmanager
def trading(folder: Path) -> Iterator[Trader]:
    """A trader whose node runs, on the home page."""
    with LoopbackPolymarket() as venue, browser() as chromium:
        market = venue.add_market("rain-in-london", question=TITLE)
        person = Person(venue, folder, 1)
        venue.quote(market.tokens[0], "0.50", "100", "0.52", "100")
        with person.config.open("a") as file:
            file.write("[web]\nmay_trade = true\n")
        trader = Trader(person, market, chromium.new_page(viewport=WIDE))
        try:
            with served(person.state, person.config, folder / "web.log") as entrance:
                trader.home = enter(trader.page, entrance)
                yield trader
        finally:
            trader.node.kill()
            trader.node.wait()


def test_a_traders_day(tmp_path: Path) -> None:
    with trading(tmp_path) as trader:
        expect(trader.page.get_by_text("LIVE · REAL MONEY")).to_be_visible()
        expect(trader.page.get_by_text(re.compile("node up"))).to_be_visible()
        first = places_by_keyboard(trader)
        drags_the_stop(trader, first)
        sells_half_and_then_the_rest(trader, first)
        is_stopped_out_with_an_alarm(trader)
        sees_the_history(trader)
        holds_the_page_in_a_hand(trader)
        sees_the_node_die(trader)
        assert not trader.wrong


def places_by_keyboard(trader: Trader) -> str:
    """A bet by its pasted address, without a mouse; the position's id."""
    page = trader.page
    page.goto(f"{trader.home}bet")
    keys = page.keyboard
    expect(page.get_by_label("Polymarket address")).to_be_focused()
    keys.insert_text("https://polymarket.com/event/weather/rain-in-london")
    yes = page.get_by_role("button", name=re.compile("^Yes"))
    expect(yes).to_be_visible()
    keys.press("Tab")
    expect(yes).to_be_focused()
    keys.press("Enter")
    expect(page.get_by_label("Max bid")).to_be_focused()
    for text in ("55c", "70c", "45c"):
        keys.type(text)
        keys.press("Tab")
    keys.press("Tab")  # over the unit: USDC to spend
    keys.type("11")
    expect(page.get_by_text(re.compile("^would buy 20 at 0.55"))).to_be_visible()
    expect(page.get_by_text("Result at the stop")).to_be_visible()
    keys.press("Enter")
    page.wait_for_url(re.compile("/position/"))
    expect(page.get_by_text("held and protected").first).to_be_visible()
    expect(page.get_by_text(TITLE).first).to_be_visible()
    return page.url.rpartition("/")[2]


def drags_the_stop(trader: Trader, position_id: str) -> None:
    """The handle beside the chart is dragged up, and asks what is to be done."""
    page = trader.page
    expect(page.locator("canvas")).to_be_visible()
    thumb = page.get_by_role("slider", name="Stop, in cents")
    expect(thumb).to_have_attribute("aria-valuenow", "45")
    handle = thumb.locator(".q-slider__thumb")
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - 20, steps=4)
    page.mouse.up()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(re.compile("would change stop 0.45 -> "))).to_be_visible()
    stop = D(dialog.get_by_label("Stop").input_value())
    assert D("0.45") < stop < D("0.50")
    dialog.get_by_role("button", name="Change").click()
    trader.until(position_id, stop_in_force=stop)
    expect(page.get_by_text(re.compile("^amended: ")).first).to_be_visible()


def sells_half_and_then_the_rest(trader: Trader, position_id: str) -> None:
    """A double click sells once."""
    page = trader.page
    page.goto(trader.home)
    row = page.get_by_role("row").filter(has_text="Rain?")
    row.get_by_role("button", name=re.compile("^Sell")).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="50%").click()
    expect(dialog.get_by_text(re.compile("about 5.00 USDC"))).to_be_visible()
    dialog.get_by_role("button", name="Sell now").dblclick()
    trader.until(position_id, held=D(10))
    expect(row.get_by_text("10 / 20")).to_be_visible()
    assert trader.sales() == 1
    expect(row.get_by_text("selling…")).to_have_count(0)
    row.get_by_role("button", name=re.compile("^Sell")).click()
    page.get_by_role("dialog").get_by_role("button", name="Sell now").click()
    trader.until(position_id, status="closed")
    expect(row).to_have_count(0)
    assert trader.sales() == 2


def is_stopped_out_with_an_alarm(trader: Trader) -> None:
    """The bids fall below the floor, which is an alarm, and then the market takes it all."""
    page = trader.page
    asked = {"command": "submit", "market": trader.market.slug, "outcome": "Yes", "size": "20"}
    asked |= {"max_bid": "0.55", "stop_loss_price": "0.45", "floor_price": "0.42"}
    Spool(trader.person.state).put(json.dumps(asked).encode())
    row = page.get_by_role("row").filter(has_text="Rain?")
    expect(row.get_by_text("held and protected")).to_be_visible()
    trader.quote("0.30")
    expect(row.get_by_text("waiting for a bid to sell to")).to_be_visible()
    trader.goes("Alarms")
    expect(page.locator("li.loss").filter(has_text="rain-in-london").first).to_be_visible()
    trader.quote("0.43")
    expect(page.locator("li.loss")).to_have_count(0)


def sees_the_history(trader: Trader) -> None:
    """Both positions are over, one sold by hand, and one by its stop."""
    page = trader.page
    trader.goes("History")
    for reason in ("by hand", "stop"):
        expect(page.get_by_role("cell", name=reason, exact=True).first).to_be_visible()
    expect(page.locator("canvas").first).to_be_visible()


def holds_the_page_in_a_hand(trader: Trader) -> None:
    """At the width of a phone nothing is beyond its edge."""
    page = trader.page
    page.set_viewport_size(PHONE)
    for name in ("Positions", "Place bet", "Wallet"):
        page.get_by_role("contentinfo").get_by_role("link", name=name).click()
        expect(page.get_by_role("contentinfo").locator("a[aria-current]")).to_have_text(
            re.compile(name)
        )
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size(WIDE)


def sees_the_node_die(trader: Trader) -> None:
    """A node that is killed is told, and one that is back, too."""
    page = trader.page
    trader.node.kill()
    trader.node.wait()
    expect(page.get_by_text("The node is not running")).to_be_visible()
    expect(page.locator("body")).to_have_class(re.compile("is-stale"))
    trader.node = trader.person.start()
    expect(page.get_by_text(re.compile("node up"))).to_be_visible()
    expect(page.locator("body")).not_to_have_class(re.compile("is-stale"))
