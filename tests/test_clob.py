"""What is relied on inside the adapter and its library is checked at the start, by name."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nautilus_trader.adapters.polymarket.common import gamma_markets
from py_clob_client_v2.client import ClobClient
from py_clob_client_v2.http_helpers import helpers

from venues.polymarket.api import clob
from venues.polymarket.api.channel import ChannelClient
from venues.polymarket.api.clob import UnknownAdapter, make_client, members
from venues.polymarket.execution.client import HardenedExecutionClient
from venues.polymarket.market_data.client import HardenedDataClient
from venues.polymarket.provider import HardenedProvider

FILES = sorted((Path(__file__).parents[1] / "venues" / "polymarket").rglob("*.py"))
NOWHERE = "http://127.0.0.1:9"
NAUTILUS = {"_clock", "_log", "_loop"}
"""Attributes of all Nautilus components, which the adapter sets for itself in its socket client."""


def names(path: Path) -> Iterator[str]:
    """Every private name that a file uses of some object, or overrides in a class."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ClassDef):
            functions = (ast.FunctionDef, ast.AsyncFunctionDef)
            yield from (f.name for f in node.body if isinstance(f, functions))


@pytest.mark.parametrize("kind", clob._PRIVATE, ids=lambda kind: kind.__name__)
def test_every_private_name_that_is_relied_on_is_checked(kind: type) -> None:
    used = {n for path in FILES for n in names(path) if n[0] == "_" and not n.endswith("__")}
    private = {n for n in clob._PRIVATE[kind].split() if n[0] == "_"}
    assert private == (used & members(kind)) - NAUTILUS


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind, names in clob._PRIVATE.items() for name in names.split()],
)
def test_what_is_missing_is_named(kind: type, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clob, "members", lambda k: members(k) - {name} if k is kind else members(k))
    with pytest.raises(UnknownAdapter) as e:
        clob.check_versions()
    assert f"made for: {kind.__name__}.{name} is not there; install the versions" in str(e.value)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (helpers, "_http_client"),
        (helpers, "PolyApiException"),
        (gamma_markets, "DEFAULT_GAMMA_BASE_URL"),
    ],
)
def test_a_module_without_what_we_replace_in_it_is_refused(
    module: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(module, name)
    with pytest.raises(UnknownAdapter, match=rf"{name} is not there"):
        clob.check_versions()


@pytest.mark.parametrize(
    "kind",
    [HardenedDataClient, HardenedExecutionClient, HardenedProvider, ChannelClient],
)
def test_every_override_names_its_defect_and_when_it_can_go(kind: type) -> None:
    theirs = set(dir(kind.__bases__[0]))
    ours = {n: f for n, f in vars(kind).items() if n in theirs and not n.endswith("__")}
    said = {n: " ".join((f.__doc__ or "").split()) for n, f in ours.items() if callable(f)}
    assert said
    assert not [n for n, text in said.items() if not re.search("[Dd]efect.*[Cc]an go w", text)]


def test_a_reply_is_never_held_back_for_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    def poll(_: ClobClient, reply: Any) -> Any:
        raise AssertionError(f"asked for the hashes of {reply}")

    monkeypatch.setattr(ClobClient, "_resolve_transactions_hashes", poll, raising=False)
    client = make_client(NOWHERE, None)
    assert client._resolve_transactions_hashes({"orderID": "0x1"}) == {"orderID": "0x1"}
