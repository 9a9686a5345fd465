"""The operations of the interface: what is read of the published copy, and what is asked for."""

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.metadata import version
from typing import Any

import msgspec
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from positions.commands.fields import Malformed, uuid
from positions.commands.messages import ACCEPTED, Reply
from positions.commands.position_names import ID_LENGTH, named
from positions.model.formatting import iso
from positions.storage.bars import read_bars
from positions.storage.locks import holder
from positions.storage.snapshot import NoSnapshot, Snapshot
from positions.storage.story import sentence
from web import answers, docs, reading
from web.context import Context
from web.endpoint import (
    Absent,
    Endpoint,
    Unavailable,
    add,
    answer,
    body_of,
    openapi,
    problem,
    queried,
    refusal,
    waited,
)
from web.source import View
from web.stream import Stream

_COMMAND = {200: answers.Answer, 202: answers.Answer}
_ASKED = ("wait", "dry_run", "queue")
_LISTED = ("status", "market", "since", "limit", "cursor")


class Interface:
    """The handlers of one state folder's interface."""

    def __init__(self, context: Context, stream: Stream) -> None:
        self._context = context
        self._source, self._commands = context.source, context.commands
        self._stream = stream

    # -- commands ----------------------------------------------------------------------------------

    async def command(self, kind: str, request: Request) -> Response:
        """Queue what a body asks for; about the position in the path, if there is one."""
        query = queried(request, _ASKED)
        fields = await body_of(request)
        stated = fields.pop("command", kind)
        if stated != kind:
            raise Malformed("command", stated, f"must be {kind} here, or left out")
        command_id = _id_of(request, fields)
        if "position_id" in request.path_params:
            fields["position_id"] = await self._resolved(request)
        if query.get("dry_run"):
            fields["dry_run"] = True
        wait = waited(query)
        if fields.get("dry_run") in (True, "true"):
            self._require_node()
            wait = wait or 10.0
        sent = await self._commands.send(
            kind,
            fields,
            command_id=command_id,
            source="http",
            wait=wait,
            may_wait_for_node=query.get("queue", False),
        )
        reply = sent.reply
        if reply is None:
            return answer({"id": sent.id, "status": sent.status}, 202)
        if reply.status != ACCEPTED:
            return refusal(reply.code, reply.message, id=reply.id)
        return answer(_told(reply))

    def _require_node(self) -> None:
        if holder(self._context.state) is None:
            why = "a dry run is answered by the node, with its limits and prices"
            raise Unavailable(f"no node is running; {why}")

    async def _resolved(self, request: Request) -> str:
        """The whole id of the position that the path names, by a part of it, its name or market."""
        part: str = request.path_params["position_id"]
        if len(part) == ID_LENGTH and part.count("-") == 4:
            return part
        view = await self._newest()
        found = named([*view.positions.values(), *view.closed.values()], part)
        if len(found) != 1:
            raise Absent(f"position was {part!r}, names {len(found)} positions, must name one")
        return str(found[0]["id"])

    async def one_command(self, request: Request) -> Response:
        """A command and its answer."""
        queried(request, ())
        command_id: str = request.path_params["command_id"]
        uuid("id", command_id)
        asked = await self._commands.content(command_id)
        reply = await self._commands.reply(command_id)
        if reply is None and asked is None:
            raise Absent(f"command {command_id} is not known here")
        told: dict[str, Any] = {"id": command_id, "status": "queued"}
        if reply is not None:
            told = _told(reply)
        return answer({**told, "asked": asked})

    async def queue(self, request: Request) -> Response:
        """What waits."""
        queried(request, ())
        return answer({"commands": await self._commands.waiting()})

    async def take_back(self, request: Request) -> Response:
        """Take a command out of the queue of a node that is down."""
        queried(request, ())
        command_id: str = request.path_params["command_id"]
        uuid("id", command_id)
        if not await self._commands.take_back(command_id):
            raise Absent(f"command {command_id} does not wait")
        return answer({"id": command_id, "status": "taken back"})

    # -- positions ---------------------------------------------------------------------------------

    async def positions(self, request: Request) -> Response:
        """Positions, the newest first."""
        query = queried(request, _LISTED)
        view = await self._newest()
        rows, following = reading.page([*view.positions.values(), *view.closed.values()], query)
        told = {"positions": rows, "next": following, "as_of": iso(view.node["heartbeat"])}
        return answer(told | {"node": view.health.word})

    async def _newest(self) -> View:
        view = await self._source.look()
        if not view.number:
            raise NoSnapshot(view.why_nothing or "the node has published nothing yet")
        return view

    async def position(self, request: Request) -> Response:
        """One position."""
        return await self._about(request, lambda copy, i: copy.position(i))

    async def events(self, request: Request) -> Response:
        """The story of a position."""

        def told(copy: Snapshot, position_id: str) -> dict[str, Any]:
            copy.position(position_id)
            story = copy.story(position_id)
            return {"events": [e | {"sentence": sentence(e)} for e in story]}

        return await self._about(request, told)

    async def fills(self, request: Request) -> Response:
        """What changed hands."""

        def told(copy: Snapshot, position_id: str) -> dict[str, Any]:
            copy.position(position_id)
            return {"fills": copy.fills(position_id)}

        return await self._about(request, told)

    async def orders(self, request: Request) -> Response:
        """What was sent."""

        def told(copy: Snapshot, position_id: str) -> dict[str, Any]:
            copy.position(position_id)
            return {"orders": copy.orders(position_id)}

        return await self._about(request, told)

    async def chart(self, request: Request) -> Response:
        """What a chart of a position shows."""
        step = queried(request, ("step",)).get("step", "1s")
        state = self._context.state

        async def earlier(told: dict[str, Any]) -> dict[str, Any]:
            return told | await self._before(told.pop("outcome_id"), told["bars"])

        return await self._about(
            request, lambda copy, i: reading.chart(state, copy, i, step), ("step",), earlier
        )

    async def _before(self, outcome_id: str, own: list[dict[str, Any]]) -> dict[str, Any]:
        """The venue's prices of before the node's own bars."""
        since = own[0]["time"] if own else None
        found, missing = await self._context.venue.past(outcome_id, since)
        return {"before": reading.listed(found), "before_missing": missing}

    async def _about(
        self,
        request: Request,
        question: Callable[[Snapshot, str], dict[str, Any]],
        known: tuple[str, ...] = (),
        complete: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]] | None = None,
    ) -> Response:
        queried(request, known)
        position_id = await self._resolved(request)
        try:
            told = await self._source.ask(lambda copy: question(copy, position_id))
            return answer(told if complete is None else await complete(told))
        except NoSnapshot as e:
            if self._source.view.number:
                raise Absent(str(e)) from None
            raise

    # -- markets -----------------------------------------------------------------------------------

    async def markets(self, request: Request) -> Response:
        """Markets that the node follows, or that Polymarket finds."""
        query = queried(request, ("q", "live"))
        text = query.get("q", "")
        if query.get("live"):
            return answer({"markets": await reading.search(self._context.settings, text)})
        return answer({"markets": await self._source.ask(lambda copy: copy.markets(text))})

    async def book(self, request: Request) -> Response:
        """The book of an outcome."""
        query = queried(request, ("outcome",))
        name = request.path_params["market_id"]
        rows = await self._source.ask(lambda copy: copy.markets(name))
        return answer(reading.book(name, query.get("outcome", ""), rows))

    async def history(self, request: Request) -> Response:
        """Prices of an outcome, as they were."""
        query = queried(request, ("outcome", "step"))
        name = request.path_params["market_id"]
        rows = await self._source.ask(lambda copy: copy.markets(name))
        outcome_id = reading.book(name, query.get("outcome", ""), rows)["outcome_id"]
        step = query.get("step", "1m")
        own = await asyncio.to_thread(read_bars, self._context.state, outcome_id, step)
        bars = reading.listed(own)
        before = await self._before(outcome_id, bars)
        return answer({"step": step, **before, "bars": bars})

    async def holdings(self, request: Request) -> Response:
        """What the wallet holds."""
        queried(request, ())
        await self._newest()
        return answer({"holdings": await self._context.venue.holdings()})

    # -- the node ----------------------------------------------------------------------------------

    async def status(self, request: Request) -> Response:
        """What the node does, and with what."""
        queried(request, ())
        view = await self._newest()
        return answer(reading.status(view, may_trade=self._context.may_trade()))

    async def alarms(self, request: Request) -> Response:
        """What is wrong, and what was."""
        queried(request, ())
        view = self._source.view
        return answer({"open": list(view.alarms), "past": list(view.past_alarms)})

    async def summary(self, request: Request) -> Response:
        """What came of what is over."""
        query = queried(request, ("by",))
        view = await self._newest()
        return answer(reading.summary(view.closed.values(), query.get("by", "day")))

    async def health(self, request: Request) -> Response:
        """Whether the node does its work: 200 if it does, else 503."""
        queried(request, ())
        found = self._source.view.health
        told = {"health": found.word, "why": list(found.why)}
        if not found.is_well:
            return problem(503, "NOT_WELL", str(found))
        return answer(told)

    async def metrics(self, request: Request) -> Response:
        """Numbers for Prometheus."""
        queried(request, ())
        return Response(reading.metrics(self._source.view), media_type="text/plain; version=0.0.4")

    async def stream(self, request: Request) -> Response:
        """What there is, and what changes, as server-sent events."""
        queried(request, ())
        if self._stream.is_full:
            raise Unavailable("too many listen to the stream already")
        events: AsyncIterator[bytes] = self._stream.events(request.headers.get("last-event-id", ""))
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(events, media_type="text/event-stream", headers=headers)

    # -- all of them -------------------------------------------------------------------------------

    def endpoints(self) -> list[Endpoint]:
        """Every operation."""
        return [*self._of_positions(), *self._of_commands(), *self._of_the_node()]

    def _of_positions(self) -> list[Endpoint]:
        one = "/positions/{position_id}"
        return [
            Endpoint("GET", "/positions/", self.positions, "List positions.",
                     {200: answers.Positions}, _LISTED),
            Endpoint("GET", one, self.position, "One position.", {200: answers.PositionRow}),
            Endpoint("GET", f"{one}/events", self.events, "Its story.", {200: answers.Events}),
            Endpoint("GET", f"{one}/fills", self.fills, "Its fills.", {200: answers.Fills}),
            Endpoint("GET", f"{one}/orders", self.orders, "Its orders.", {200: answers.Orders}),
            Endpoint("GET", f"{one}/chart", self.chart, "Its chart.", {200: answers.Chart},
                     ("step",)),
            Endpoint("GET", "/markets/{market_id}/history", self.history, "Prices of before.",
                     {200: answers.History}, ("outcome", "step")),
            Endpoint("GET", "/markets", self.markets, "Markets.", {200: answers.Markets},
                     ("q", "live")),
            Endpoint("GET", "/markets/{market_id}/book", self.book, "The book of an outcome.",
                     {200: answers.Book}, ("outcome",)),
        ]  # fmt: skip

    def _of_commands(self) -> list[Endpoint]:
        one = "/positions/{position_id}"
        rows = [
            ("POST", "/positions/", "submit", "Open a position."),
            ("PATCH", one, "amend", "Change its prices or terms."),
            ("POST", f"{one}/sell", "sell", "Sell all, or part, by hand."),
            ("POST", f"{one}/cancel", "cancel", "Take the unfilled entry back."),
            ("POST", f"{one}/close", "close", "State that its shares were sold elsewhere."),
            ("POST", f"{one}/release", "release", "Take shares out of it."),
            ("POST", "/adopt", "adopt", "Protect shares that the wallet holds."),
            ("POST", "/halt", "halt", "Let no new entries in."),
            ("POST", "/resume", "resume", "Let entries in again."),
            ("POST", "/flatten", "flatten", "Halt, and sell everything."),
        ]
        made = [
            Endpoint(method, path, functools.partial(self.command, kind), text, _COMMAND,
                     _ASKED, kind)
            for method, path, kind, text in rows
        ]  # fmt: skip
        return [
            *made,
            Endpoint("GET", "/commands/{command_id}", self.one_command, "A command's answer.",
                     {200: answers.Command}),
            Endpoint("GET", "/queue", self.queue, "What waits.", {200: answers.Queue}),
            Endpoint("DELETE", "/queue/{command_id}", self.take_back, "Take it back.",
                     {200: answers.Answer}),
        ]  # fmt: skip

    def _of_the_node(self) -> list[Endpoint]:
        return [
            Endpoint("GET", "/status", self.status, "The node.", {200: answers.Status}),
            Endpoint("GET", "/holdings", self.holdings, "What the wallet holds.",
                     {200: answers.Holdings}),
            Endpoint("GET", "/alarms", self.alarms, "What is wrong.", {200: answers.Alarms}),
            Endpoint("GET", "/summary", self.summary, "What came of it.", {200: answers.Summary},
                     ("by",)),
            Endpoint("GET", "/health", self.health, "Whether it works.",
                     {200: answers.HealthAnswer}),
            Endpoint("GET", "/metrics", self.metrics, "For Prometheus.", {200: None},
                     kind="text/plain"),
            Endpoint("GET", "/stream", self.stream, "Server-sent events.", {200: None},
                     kind="text/event-stream"),
        ]  # fmt: skip


def _told(reply: Reply) -> dict[str, Any]:
    """An answer with what goes without saying in the queue's files."""
    return {"done": True, **msgspec.to_builtins(reply)}


def _id_of(request: Request, fields: dict[str, Any]) -> str | None:
    """The command's id: of the header, or the body."""
    in_body = fields.pop("id", None)
    key = request.headers.get("idempotency-key", in_body)
    if key is None:
        return None
    uuid("Idempotency-Key" if in_body is None else "id", key)
    if in_body is not None and in_body != key:
        raise Malformed("id", in_body, f"must be the Idempotency-Key {key}")
    return str(key)


def add_routes(app: FastAPI, context: Context, stream: Stream) -> None:
    """Add every operation, their description, and the page that shows it."""
    endpoints = Interface(context, stream).endpoints()
    described = openapi(endpoints, version("polybracket"))
    document = msgspec.json.encode(described)

    async def show_document(_: Request) -> Response:
        return Response(document, media_type="application/json")

    page = docs.page(described)

    async def show_page(_: Request) -> Response:
        return HTMLResponse(page)

    add(app, endpoints)
    app.add_route("/openapi.json", show_document, include_in_schema=False)
    app.add_route("/docs", show_page, include_in_schema=False)
