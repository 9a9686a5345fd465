"""The interface under generated requests: no error of ours, and every answer as it is described.

The examples are few and always the same: `derandomize`, and no database of earlier ones.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from asgi_client import AsgiClient
from desk import Desk
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from stage import depth, filled, quote, submit

from positions.model.position import Role
from positions.operations.settings import Settings
from positions.storage.locks import StateLock
from web.app import make_app
from web.context import make_context

EXAMPLES = 3
SKIPPED = {"/stream"}
"""It has no end; `test_stream` has its events."""


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AsgiClient]:
    state: Path = tmp_path_factory.mktemp("state")
    with StateLock(state, "replay"):
        desk = Desk(state)
        desk.play(
            quote("0.50", "0.54"),
            submit(),
            filled(Role.ENTRY, "100", "0.54", fee="1"),
            depth(("0.52", "60")),
        )
        app = make_app(make_context(state, Settings(mode="replay", state="x")), with_pages=False)
        with desk.serving(), AsgiClient(app, base_url="http://127.0.0.1:8080") as made:
            yield made
        desk.close()


CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
LEFT_OUT = ("wait", "live")
"""What would wait for a minute, and what would ask the venue."""


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_answer_is_as_it_is_described(http: AsgiClient, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_dict(http.get("/openapi.json").json())
    played: set[str] = set()
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path not in SKIPPED:
            _play(http, operation.as_strategy(generation_mode=mode), played)
    assert len(played) > 20


def _play(http: AsgiClient, strategy: Any, played: set[str]) -> None:
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def play(case: Case) -> None:
        for name in LEFT_OUT:
            if isinstance(case.query, dict):
                case.query.pop(name, None)
        asked = case.as_transport_kwargs(base_url="http://127.0.0.1:8080")
        asked.pop("cookies", None)
        if isinstance(asked.get("data"), str | bytes):
            asked["content"] = asked.pop("data")
        response = http.request(asked.pop("method"), asked.pop("url"), **asked)
        played.add(f"{case.method} {case.path}")
        assert response.status_code != 500
        case.validate_response(response, checks=CHECKS)

    play()
