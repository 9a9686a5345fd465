"""What stands around every page: mode, node, money, the way to the others, and the look."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nicegui import ui

from web.pages import words
from web.pages.desk import Desk, Watcher, is_stale, market_time
from web.source import View

_STYLE = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
_PAGES = (
    ("/", "Positions", "list"),
    ("/bet", "Place bet", "add_circle"),
    ("/history", "History", "show_chart"),
    ("/wallet", "Wallet", "account_balance_wallet"),
    ("/control", "Alarms", "notifications"),
    ("/try", "Try it", "science"),
)
MONEY = (
    ("cash", "Cash", False),
    ("invested", "Invested", False),
    ("open", "Open profit", True),
    ("today", "Profit today", True),
)


@contextmanager
def frame(desk: Desk, path: str, title: str) -> Iterator[list[Watcher]]:
    """A page's surroundings; what it adds to the list is called with each new view."""
    ui.add_css(_STYLE)
    ui.colors(primary="#2563eb", negative="#b42318", positive="#0a7038")
    ui.page_title(f"{title} · polybracket")
    dark = ui.dark_mode(desk.is_dark)
    watchers: list[Watcher] = []
    with ui.header(elevated=False).classes("top") as header:
        node = _node(header)
        watchers.append(_money())
        _navigation(path)
        ui.space()
        _dark_button(desk, dark)
    with ui.footer(elevated=False).classes("foot"):
        _navigation(path)
    notice = ui.label().classes("notice bad").props("role=alert")
    ui.label(title).classes("page sr-only").props("role=heading aria-level=1")
    yield watchers

    seen: list[View] = []

    def show() -> None:
        view = desk.view
        node(view)
        _say_stale(notice, view)
        if seen != [view]:
            seen[:] = [view]
            for watcher in watchers:
                watcher(view)

    show()
    ui.timer(0.5, show, immediate=False)


def _navigation(path: str) -> None:
    with ui.element("nav").classes("nav").props('aria-label="Pages"'):
        for to, name, icon in _PAGES:
            with ui.link(target=to) as link:
                ui.icon(icon, size="18px").props("aria-hidden=true")
                ui.label(name)
            if to == path:
                link.props("aria-current=page")


def _dark_button(desk: Desk, dark: ui.dark_mode) -> None:
    def turn() -> None:
        desk.is_dark = not dark.value
        dark.value = desk.is_dark

    button = ui.button(icon="contrast", on_click=turn).props("flat round dense color=none")
    button.props('aria-label="Light or dark"')


def _node(header: ui.header) -> Watcher:
    with ui.row().classes("items-center gap-3 no-wrap"):
        mode = ui.label().classes("mode").props("role=status")
        with ui.row().classes("items-center gap-2 no-wrap"):
            dot = ui.element("span").classes("dot").props("aria-hidden=true")
            text = ui.label().props("role=status")

    def show(view: View) -> None:
        name = str(view.node.get("mode", "no node"))
        kind = " · synthetic" if view.node.get("is_synthetic") else ""
        shout = " · REAL MONEY" if name == "live" else kind
        halted = " · HALTED" if view.node.get("is_halted") else ""
        mode.set_text(f"{name.upper()}{shout}{halted}")
        mode.classes(replace=f"mode mode-{name.split()[0]}")
        header.classes(replace=f"top {'is-live' if name == 'live' else ''}")
        dot.classes(replace=f"dot {'up' if not is_stale(view) else ''}")
        text.set_text(node_text(view))

    return show


def node_text(view: View) -> str:
    """Whether the node runs, and how old what it published is."""
    if not view.node:
        return "no node has run here"
    age = words.span(int(view.age() * 1e9))
    if view.health.is_well:
        return f"node up · data {age} old"
    return f"node {view.health.word.lower()} · data {age} old"


def _money() -> Watcher:
    labels = {}
    with ui.row().classes("gap-5 live-data no-wrap"):
        for key, name, _ in MONEY:
            with ui.element("div").classes("figure"):
                ui.label(name)
                labels[key] = ui.label().classes("num")

    def show(view: View) -> None:
        if not view.node:
            return
        rows = [*view.positions.values(), *view.closed.values()]
        sums = words.totals(rows, view.node["cash"], words.midnight(market_time(view)))
        for key, _, has_sign in MONEY:
            labels[key].set_text(words.money(sums[key], sign=has_sign))
            labels[key].classes(replace=f"num {words.tone(sums[key]) if has_sign else ''}")

    return show


def _say_stale(notice: ui.label, view: View) -> None:
    is_old = is_stale(view)
    ui.query("body").classes(**({"add": "is-stale"} if is_old else {"remove": "is-stale"}))
    notice.set_visibility(is_old)
    if not is_old:
        return
    if view.health.word == "NOT RUNNING":
        text = "The node is not running: no stop sells. What is asked waits for its next start."
    elif view.health.is_well:
        text = "The data is old: the node has published nothing new."
    else:
        text = f"The node is {view.health.word.lower()}: {'; '.join(view.health.why)}."
    notice.set_text(text)
