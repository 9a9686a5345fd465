"""How an operation of the interface is stated, served and described: each in one row.

`Endpoint` rows give the routes and the OpenAPI description alike. Whatever a handler raises that
has a name becomes an answer of `Problem`s here, and nowhere else.
"""

import math
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import msgspec
from fastapi import FastAPI
from msgspec import Struct
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from positions.commands import strict
from positions.commands.fields import Malformed, duration
from positions.model.errors import InputError, PolybracketError
from positions.model.foreign_text import REASON_LENGTH, clean
from positions.model.formatting import to_json
from positions.storage.private_files import NotPrivate
from positions.storage.snapshot import NoSnapshot
from web.answers import Problem
from web.commands import NotRunning, NotTaken, NotTrading, Reused
from web.schema import body_schema, components, parameter

WAIT_SECONDS_MAX = 60
LIMIT_MAX = 500
_SAID = re.compile(r"(?:[A-Z_]+: )?([a-z_]+) was (.{0,200}?), ((?:must|is|was|has|cannot).*)", re.S)
"""A sentence about a field, as all of this program say it."""

QUERY: dict[str, tuple[dict[str, Any], str]] = {
    "wait": (
        {"type": "string", "pattern": "^[1-9][0-9]?s$"},
        "How long the node's answer is waited for.",
    ),
    "dry_run": ({"type": "boolean"}, "Only tell what would follow."),
    "status": (
        {"type": "string", "enum": ["open", "closed", "cancelled", "all"]},
        "Those of this status; open by default.",
    ),
    "market": ({"type": "string", "maxLength": 300}, "Those of this slug or condition id."),
    "since": ({"type": "string", "format": "date-time"}, "Those that changed since."),
    "limit": ({"type": "integer", "minimum": 1, "maximum": LIMIT_MAX}, "So many at most."),
    "cursor": ({"type": "string", "maxLength": 100}, "Where the last answer ended: its next."),
    "q": ({"type": "string", "maxLength": 300}, "What a slug, a question or an id has in it."),
    "live": ({"type": "boolean"}, "Search Polymarket in place of what the node follows."),
    "step": ({"type": "string", "enum": ["1s", "1m"]}, "How far apart the bars are."),
    "by": ({"type": "string", "enum": ["day", "market", "reason"]}, "What is summed up together."),
    "outcome": ({"type": "string", "maxLength": 300}, "The outcome's name or id."),
    "queue": ({"type": "boolean"}, "Where no node runs: have it done at the next start."),
}
FAILURES = {
    400: "the query or the body cannot be read",
    401: "nobody is known by what was shown",
    403: "this may not be done from here",
    404: "there is no such thing here",
    405: "the address has no such method",
    409: "the id was used for another command, or the node has taken it already",
    413: "the request is too large",
    415: "the content-type is another",
    421: "the host's name is another",
    422: "refused: code, field, value, rule and sentence",
    429: "too many requests",
    503: "no node is running, or it has published nothing yet",
}


class Absent(PolybracketError):
    """There is no such thing here."""


class Unavailable(PolybracketError):
    """No node is running that could answer."""


class Unreadable(InputError):
    """The body is none that could be a command."""


class Endpoint(Struct, frozen=True):
    """One operation.

    `answers` are the structs of each status that is no failure; None = it is described by `kind`.
    `command` is the kind of command whose fields the body may have, "" = there is no body.
    """

    method: str
    path: str
    handle: Callable[[Request], Awaitable[Response]]
    summary: str
    answers: Mapping[int, type | None]
    query: tuple[str, ...] = ()
    command: str = ""
    kind: str = "application/json"


def answer(values: Any, status: int = 200) -> Response:
    """An answer of JSON: rows with Decimals and nanoseconds, or structs."""
    content = to_json(values) if isinstance(values, Mapping) else values
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def problem(status: int, code: str, sentence: str, **more: Any) -> Response:
    """An answer that says why not."""
    told = Problem(code, clean(sentence, REASON_LENGTH), **more)
    return Response(msgspec.json.encode(told), status, media_type="application/json")


def refusal(code: str, sentence: str, **more: Any) -> Response:
    """The answer to a command that is refused, with its field, value and rule where it has them."""
    said = _SAID.match(sentence)
    parts = dict(zip(("field", "value", "rule"), said.groups(), strict=True)) if said else {}
    found = {name: clean(value, REASON_LENGTH) for name, value in parts.items()}
    return problem(
        422, code, sentence, **{**dict.fromkeys(("field", "value", "rule")), **found}, **more
    )


def failure(error: Exception) -> Response:
    """What an error with a name is answered with."""
    match error:
        case Malformed():
            about = {"field": error.field, "value": error.shown, "rule": error.rule}
            told = {name: clean(value, REASON_LENGTH) for name, value in about.items()}
            return problem(422, "MALFORMED", str(error), **told)
        case Unreadable():
            return problem(400, "UNREADABLE", str(error))
        case Reused():
            return problem(409, "ID_REUSED", str(error))
        case NotTaken():
            return problem(409, "NODE_HAS_IT", str(error))
        case NotRunning():
            return problem(503, "NODE_NOT_RUNNING", f"{error} (queue=true)")
        case NotTrading():
            return problem(403, "TRADING_NOT_ALLOWED", str(error))
        case Absent():
            return problem(404, "NOT_FOUND", str(error))
        case InputError():
            return problem(400, "BAD_QUERY", str(error))
        case NoSnapshot() | Unavailable() | NotPrivate() | OSError() | PolybracketError():
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            return problem(503, "UNAVAILABLE", why)
    raise error


def queried(request: Request, known: Iterable[str]) -> dict[str, Any]:
    """The query, checked. Raises InputError for what is not known, or stands there twice."""
    found: dict[str, Any] = {}
    names = set(known)
    for name, value in request.query_params.multi_items():
        if name not in names:
            raise InputError(f"{name} is no parameter here; known: {', '.join(sorted(names))}")
        if name in found:
            raise InputError(f"{name} must be given once")
        found[name] = _parsed(name, value)
    return found


def _parsed(name: str, value: str) -> Any:
    schema = QUERY[name][0]
    rule = ""
    if schema["type"] == "boolean":
        rule = "" if value in ("true", "false") else "must be true or false"
    elif schema["type"] == "integer":
        is_number = value.isascii() and value.isdecimal() and len(value) < 9
        low, high = schema["minimum"], schema["maximum"]
        rule = "" if is_number and low <= int(value) <= high else f"must be from {low} to {high}"
    elif value not in schema.get("enum", (value,)):
        rule = f"must be one of {', '.join(schema['enum'])}"
    elif len(value) > schema.get("maxLength", math.inf):
        rule = f"must be at most {schema['maxLength']} characters"
    elif "\0" in value:
        rule = "must be text"
    if rule:
        raise InputError(f"{name} was {value[:80]!r}, {rule}")
    if schema["type"] == "boolean":
        return value == "true"
    return int(value) if schema["type"] == "integer" else value


def waited(query: Mapping[str, Any]) -> float:
    """The seconds that `wait` states. Raises InputError if it is no span of at most a minute."""
    if "wait" not in query:
        return 0.0
    seconds = duration("wait", query["wait"]) / 1e9
    if seconds > WAIT_SECONDS_MAX:
        raise InputError(f"wait was {query['wait']}, must be at most {WAIT_SECONDS_MAX}s")
    return seconds


async def body_of(request: Request) -> dict[str, Any]:
    """The fields in a request's body; none where there is no body."""
    content = await request.body()
    if not content:
        return {}
    try:
        fields = strict.json_value(content.decode())
    except ValueError as e:
        raise Unreadable(f"the body must be one JSON object: {e}") from None
    if not isinstance(fields, dict):
        raise Unreadable("the body must be one JSON object")
    return fields


def add(app: FastAPI, endpoints: Iterable[Endpoint]) -> None:
    """Add the routes of these operations, with and without a stroke at the end."""
    paths: dict[str, list[Endpoint]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, []).append(endpoint)
    for path, listed in paths.items():
        serve = _dispatch({e.method: e for e in listed})
        for form in {path, path.rstrip("/"), f"{path.rstrip('/')}/"}:
            methods = ["GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS"]
            app.add_route(form, serve, methods=methods, include_in_schema=False)


def _dispatch(by_method: Mapping[str, Endpoint]) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        endpoint = by_method.get(method)
        if endpoint is None:
            rule = f"must be one of {', '.join(sorted(by_method))}"
            made = problem(405, "WRONG_METHOD", f"method was {request.method}, {rule}")
            made.headers["allow"] = ", ".join(sorted(by_method))
            return made
        try:
            return await endpoint.handle(request)
        except ClientDisconnect:
            return problem(413, "TOO_LARGE", "the request was cut short, or is too large")
        except (PolybracketError, OSError) as e:
            return failure(e)

    return serve


# -- its description -------------------------------------------------------------------------------


def openapi(endpoints: Iterable[Endpoint], version: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of these operations."""
    listed = list(endpoints)
    structs = {s: None for e in listed for s in e.answers.values() if s is not None}
    refs, schemas = components([*structs, Problem])
    paths: dict[str, dict[str, Any]] = {}
    for e in listed:
        paths.setdefault(e.path, {})[e.method.lower()] = _operation(e, refs)
    return {
        "openapi": "3.1.0",
        "info": {"title": "polybracket", "version": version},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _operation(e: Endpoint, refs: Mapping[type, Any]) -> dict[str, Any]:
    text = {"type": "string", "minLength": 1, "maxLength": 100}
    given = [
        parameter(name, "path", text, "A whole id, or the end of one.")
        for name in re.findall(r"{(\w+)}", e.path)
    ]
    given += [parameter(name, "query", *QUERY[name]) for name in e.query]
    responses = {
        str(status): {
            "description": "as asked",
            "content": {e.kind: {} if struct is None else {"schema": refs[struct]}},
        }
        for status, struct in e.answers.items()
    }
    for status, why in FAILURES.items():
        content = {"application/json": {"schema": refs[Problem]}}
        responses.setdefault(str(status), {"description": why, "content": content})
    made: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{e.method.lower()}{e.path}").strip("_"),
        "summary": e.summary,
        "parameters": given,
        "responses": responses,
    }
    if e.command:
        key = {"type": "string", "format": "uuid"}
        text_of_key = "The command's id, a UUID: the same again acts once."
        given.append(parameter("Idempotency-Key", "header", key, text_of_key))
        schema = body_schema(e.command)
        content = {"application/json": {"schema": schema}}
        made["requestBody"] = {"required": "allOf" in schema, "content": content}
    return made
