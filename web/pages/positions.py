"""The home page: one row for each open position, on a table or as cards."""

from typing import Any

from nicegui import events, ui

from web.pages import actions, words
from web.pages.desk import Desk, market_time
from web.pages.frame import frame
from web.source import View


def _column(name: str, label: str, sort: str = "", align: str = "right") -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "field": sort or name,
        "align": align,
        "sortable": True,
    }


_COLUMNS = [
    _column("question", "Market", align="left"),
    _column("held", "Held", "by_held", "left"),
    _column("entry", "Entry", "by_entry"),
    _column("bid", "Bid", "by_bid"),
    _column("ask", "Ask", "by_ask"),
    _column("targets", "Target"),
    _column("stop", "Stop", "by_stop"),
    _column("distance", "To stop", "by_distance"),
    _column("value", "Value", "by_value"),
    _column("pnl", "Profit", "by_pnl"),
    _column("left", "Ends in", "by_left"),
    _column("phase", "State", align="left"),
    _column("actions", "", align="right") | {"sortable": False},
]
# Vue escapes what stands in double braces: a market's title is text, whatever it holds.
_STATE = """<span v-if="props.row.asked" class="warn" role="status">
  <q-spinner size="14px" class="q-mr-xs" />{{ props.row.asked }}</span>
<span v-else :class="props.row.alert ? 'loss' : ''">{{ props.row.phase }}</span>"""
_BUTTONS = """<span class="no-wrap" style="white-space:nowrap">
<q-btn v-if="props.row.sellable" dense no-caps unelevated color="negative" label="Sell"
  class="q-px-sm q-mr-xs"
  :disable="!!props.row.asked" :aria-label="'Sell ' + props.row.question"
  @click="() => $parent.$emit('act', ['sell', props.row.id])" />
<q-btn v-if="props.row.cancellable" dense no-caps outline label="Cancel" class="q-px-sm q-mr-xs"
  :disable="!!props.row.asked" :aria-label="'Cancel the entry of ' + props.row.question"
  @click="() => $parent.$emit('act', ['cancel', props.row.id])" />
<q-btn dense no-caps outline label="Edit" class="q-px-sm" :disable="!!props.row.asked"
  :aria-label="'Edit ' + props.row.question"
  @click="() => $parent.$emit('act', ['edit', props.row.id])" /></span>"""
_TITLE = """<a :href="'/position/' + props.row.id">{{ props.row.question }}</a>
<div class="soft">{{ props.row.outcome }}</div>"""
_BAR = """<div>{{ props.row.held }} / {{ props.row.size }}</div>
<div class="bar" role="img" :aria-label="props.row.held + ' of ' + props.row.size + ' shares held'">
<i :style="{ width: props.row.part * 100 + '%' }"></i></div>"""
_CELLS = {
    "question": f'<div class="question">{_TITLE}</div>',
    "held": _BAR,
    "entry": """{{ props.row.entry }}<div v-if="!props.row.bought" class="mark">
max {{ props.row.max_bid }}</div>""",
    "targets": '<div style="white-space:normal">{{ props.row.targets }}</div>',
    "stop": '{{ props.row.stop }}<div class="mark">{{ props.row.marks }}</div>',
    "distance": """<span :class="props.row.near ? 'warn' : ''">{{ props.row.distance }}</span>""",
    "pnl": """<div :class="props.row.tone">{{ props.row.pnl }}</div>
<div class="mark">{{ props.row.percent }}</div>""",
    "phase": f'<div style="white-space:normal;min-width:90px">{_STATE}</div>',
    "actions": _BUTTONS,
}
for _name in ("bid", "ask", "value", "left"):
    _CELLS[_name] = f"{{{{ props.row.{_name} }}}}"
_CARD_FACTS = (
    ("Held", "{{ props.row.held }} / {{ props.row.size }}"),
    ("Entry", "{{ props.row.bought ? props.row.entry : 'max ' + props.row.max_bid }}"),
    ("Bid / ask", "{{ props.row.bid }} / {{ props.row.ask }}"),
    ("Target", "{{ props.row.targets }}"),
    ("Stop", "{{ props.row.stop }}"),
    ("To stop", "{{ props.row.distance }}"),
    ("Value", "{{ props.row.value }}"),
    ("Ends in", "{{ props.row.left }}"),
    ("", "{{ props.row.marks }}"),
)
_FACTS = "".join(f"<div><div>{name}</div><div>{value}</div></div>" for name, value in _CARD_FACTS)
_CARD = f"""<div class="q-pa-xs col-xs-12 col-sm-6"><div class="card">
<div class="row no-wrap justify-between" style="gap:10px"><div class="question">{_TITLE}</div>
<div class="text-right num">
<div class="result" :class="props.row.tone">{{{{ props.row.pnl }}}}</div>
<div class="mark">{{{{ props.row.percent }}}}</div></div></div>
<div class="facts num">{_FACTS}</div>
<div class="row justify-between items-center" style="gap:8px"><div>{_STATE}</div>{_BUTTONS}</div>
</div></div>"""


def build(desk: Desk) -> None:
    """Show the open positions, and keep them up to date."""
    with frame(desk, "/", "Positions") as watchers:
        table = ui.table(rows=[], columns=_COLUMNS, row_key="id", pagination=50)
        table.classes("positions live-data").props("flat :grid=Quasar.Screen.lt.md")
        table.props('no-data-label="No open positions" binary-state-sort')
        with table.add_slot("top-left"), ui.row().classes("items-center gap-3"):
            ui.label("Positions").props("role=heading aria-level=2").classes(
                "text-lg font-semibold"
            )
            count = ui.label().classes("soft")
        with table.add_slot("top-right"), ui.row().classes("items-center gap-2"):
            search = ui.input(placeholder="Filter").props(
                'dense outlined clearable aria-label="Filter"'
            )
            search.bind_value_to(table, "filter")
            ui.button("Place bet", icon="add", on_click=lambda: ui.navigate.to("/bet")).props(
                "no-caps unelevated"
            )
        for name, cell in _CELLS.items():
            table.add_slot(f"body-cell-{name}", f'<q-td :props="props">{cell}</q-td>')
        table.add_slot("item", _CARD)
        table.on("act", lambda e: _act(desk, e))
        watchers.append(lambda view: _fill(desk, table, count, view))


def rows(desk: Desk, view: View) -> list[dict[str, Any]]:
    """The open positions as rows."""
    asked = desk.asked
    return [
        words.position_row(p, desk.market(p), market_time(view), asked.get(p["id"], ""))
        for p in view.positions.values()
    ]


def _fill(desk: Desk, table: ui.table, count: ui.label, view: View) -> None:
    made = rows(desk, view)
    if made != table.rows:
        table.rows = made
    count.set_text(f"{len(made)} open")


def _act(desk: Desk, e: events.GenericEventArguments) -> None:
    kind, position_id = e.args
    p = desk.position(str(position_id))
    if p is None or kind not in actions.ACTIONS:
        ui.notify("That position is not open any more.", type="warning")
        return
    actions.ACTIONS[kind](desk, p)
