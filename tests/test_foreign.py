"""Text that others wrote, as it is shown."""

import json
from pathlib import Path

import pytest
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.instruments import BinaryOption
from small_node import Node
from typer.testing import CliRunner

from actors.console import Console
from bridge import conversion
from cli.main import app
from positions.commands.messages import from_fields
from positions.engine.effects import Alarm
from positions.model.foreign_text import LINE_LENGTH, NAME_LENGTH, clean, json_safe
from positions.storage.snapshot import Snapshot
from positions.storage.spool import uuid7
from recordings.importer import Token, instrument
from venues.polymarket.api import gamma

RUN = CliRunner()

# fmt: off
CLEANED = {
    "a plain name": ("Will it rain?", "Will it rain?"),
    "letters of every script stay": ("Köln, 東京, नमस्ते, Việt", "Köln, 東京, नमस्ते, Việt"),
    "markup is text": ("[/x] [bold]y", "[/x] [bold]y"),
    "an escape sequence": ("Yes\x1b[2J", r"Yes\x1b[2J"),
    "a link of a terminal": ("\x1b]8;;http://x\x07y", r"\x1b]8;;http://x\x07y"),
    "an escape of one byte": ("\x9b31m", r"\x9b31m"),
    "a line of its own": ("Yes\nALARM: call", r"Yes\x0aALARM: call"),
    "back to the begin of the line": ("a\rb", r"a\x0db"),
    "line ends that are no ASCII": ("a\x85b\u2028c\u2029d", r"a\x85b\u2028c\u2029d"),
    "turned direction": ("\u202e3.0", r"\u202e3.0"),
    "isolates": ("\u2066a\u2069", r"\u2066a\u2069"),
    "no width": ("Y\u200bes\ufeff", r"Y\u200bes\ufeff"),
    "a blank that is none": ("a\u00a0b\u3000c", r"a\xa0b\u3000c"),
    "a tag that nobody sees": ("a\U000e0041", r"a\U000e0041"),
    "half a pair": ("a\ud800b", r"a\ud800b"),
    "nothing": ("", ""),
    "a zero": ("a\x00b", r"a\x00b"),
    "no text": (5, "5"),
    "a tower of marks": ("Z" + "\u0336" * 500 + "e", "Z" + "\u0336" * 3 + "e"),
    "as long as may be": ("x" * NAME_LENGTH, "x" * NAME_LENGTH),
    "too long": ("x" * (NAME_LENGTH + 1), "x" * (NAME_LENGTH - 1) + "…"),
    "a megabyte": ("\u202e" * 2**20, (r"\u202e" * 50)[: NAME_LENGTH - 1] + "…"),
}
# fmt: on


@pytest.mark.parametrize("case", CLEANED)
def test_text_of_others_is_cleaned(case: str) -> None:
    text, wanted = CLEANED[case]
    found = clean(text)
    assert found == wanted
    assert found.isprintable()
    assert len(found) <= NAME_LENGTH
    assert clean(found) == found


@pytest.mark.parametrize("case", CLEANED)
def test_json_says_the_same_without_what_moves_a_terminal(case: str) -> None:
    content = {"name": CLEANED[case][0]}
    written = json_safe(json.dumps(content, ensure_ascii=False))
    assert written.isprintable()
    written.encode()
    assert json.loads(written) == content


# fmt: off
HOSTILE = {
    "an end tag of markup": "[/x]",
    "markup": "[bold red]x[/red]",
    "a line of its own": "Yes\nALARM: call",
    "the terminal cleared": "Yes\x1b[2J\x1b]52;c;cHduZWQ=\x07",
    "a link": "\x1b]8;;http://x\x1b\\Yes\x1b]8;;\x1b\\",
    "turned direction": "\u202e3.0-pots",
    "an escape of one byte": "\x9b2JYes",
    "back to the begin of the line": "Yes\rNo",
    "a megabyte": "y" * 2**20,
    "a tower of marks": "Z" + "\u0336" * 5000,
    "smileys by name": ":warning: :skull:",
}
# fmt: on


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_view_of_hostile_names_shows_every_row(tmp_path: Path, kind: str) -> None:
    """The copy that is read may have been written by somebody else: nothing in it is trusted."""
    node = Node(tmp_path)
    (m,) = node.engine.markets.values()
    m.outcome = m.slug = m.question = HOSTILE[kind]
    asked = {"market": m.market_id, "outcome": m.outcome_id, "max_bid": "0.55", "size": "20"}
    node.engine.command(from_fields({"command": "submit", "id": uuid7(), **asked}))
    node.work()
    for view in (["positions"], ["markets"], ["positions", "--json"], ["markets", "--json"]):
        shown = RUN.invoke(app, [*view, "--state", str(node.state)])
        assert (shown.exit_code, shown.exception) == (0, None), view
        assert all(line.isprintable() for line in shown.stdout.split("\n")), view
        assert not any(line.startswith("ALARM") for line in shown.output.split("\n")), view
        if "--json" in view:
            assert json.loads(shown.stdout)["outcome"] == HOSTILE[kind]
    (row,) = Snapshot(node.state).positions()
    story = RUN.invoke(app, ["show", row["id"], "--state", str(node.state)])
    assert (story.exit_code, story.exception) == (0, None)
    assert all(line.isprintable() for line in story.stdout.split("\n"))
    node.store.close()


@pytest.mark.parametrize("kind", [*HOSTILE, "half a pair"])
def test_a_market_is_known_by_names_that_can_be_shown(kind: str) -> None:
    hostile = HOSTILE.get(kind, "a\ud800b")
    found = conversion.instrument_book(_instrument(hostile))
    assert {found.slug, found.question, found.outcome} == {clean(hostile)}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_gamma_calls_a_market_can_be_shown(kind: str) -> None:
    hostile = HOSTILE[kind]
    found = gamma.parse(
        {
            "conditionId": "0xc0ffee",
            "slug": hostile,
            "question": hostile,
            "outcomes": [hostile, "No"],
            "clobTokenIds": ["1", "2"],
        }
    )
    assert found is not None
    assert {found.slug, found.question, found.outcomes[0].name} == {clean(hostile)}


@pytest.mark.parametrize("kind", HOSTILE)
def test_the_terminal_is_told_lines_that_can_be_shown(kind: str) -> None:
    told: list[str] = []
    Console(told.append)._on_alarm(Alarm(1, "P", "stuck", HOSTILE[kind], is_open=True))
    (line,) = told
    assert line.isprintable()
    assert len(line) <= LINE_LENGTH


def _instrument(name: str) -> BinaryOption:
    market = {"slug": name, "question": name, "condition_id": "0xc0ffee"}
    market |= {"min_order_size": 5, "fee_rate": 0}
    token = {"token_id": "1", "outcome": name, "tick_size": "0.01"}
    instrument_id = InstrumentId.from_str("0xc0ffee-1.POLYMARKET")
    return instrument(Token(market, token, instrument_id), "0.01", 0)
