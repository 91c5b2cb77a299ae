"""How a route of the API is written, and what happens before it runs.

A route is a plain function that says by its parameters what it needs::

    @routes.post("{app}/meetings/{meeting_id}/participants", status=201)
    async def add_participant(call: AppCall, meeting: Meeting, body: Added) -> One[WithToken]:
        \"""Invite somebody to a meeting.\"""

| parameter | value |
|---|---|
| `call` | who asks, and the app's scope |
| `meeting`, or what the area's `loads` name | the thing of the path, which exists |
| an id of the path | the id, which has the form of a UUID |
| `query`, `body` | the query string and body, which fit the annotated struct |

Checks run in the order of `realtimekit.md` 1.4: credential (401), account and right (403), form of ids (400),
app (404); then the parameters in the order they are written: things first (404), query and body last (400).
The OpenAPI document is made of the same declarations (`openapi`).
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_type_hints

import msgspec

from parley.accounts import service as accounts
from parley.accounts.model import CredentialKind, Right
from parley.accounts.scope import AppScope, Scope
from parley.base.errors import Invalid, NotAllowed, NotFound, Unauthenticated
from parley.base.ids import AppId, MeetingId, is_uuid
from parley.livestreams.service import Livestreams
from parley.meetings import service as meetings
from parley.meetings.history.chat.dump import ChatDumps
from parley.meetings.model import Meeting
from parley.meetings.ports import LiveMeetings
from parley.meetings.tokens import ParticipantTokens
from parley.quality.service import Quality
from parley.recordings.service import Recordings
from parley.store.core import Store
from parley.wire.asgi import Answer, Request
from parley.wire.realtimekit.answers import json_answer
from parley.wire.realtimekit.limits import RateLimiter
from parley.wire.realtimekit.reading import read_body, read_query

KIT = "/accounts/{account_id}/realtime/kit"
BODY_LIMIT_BYTES = 1 << 20
_NOT_RESOURCES = frozenset({"account_id", "app_id"})
Load = Callable[[AppScope, Mapping[str, str]], Awaitable[Any]]
"""Fetches what the path names; raises `NotFound`."""
F = TypeVar("F", bound=Callable[..., Awaitable[Any]])


@dataclass(frozen=True, slots=True)
class RealtimeKitContext:
    """What the API needs of the server."""

    store: Store
    tokens: ParticipantTokens
    live: LiveMeetings
    recordings: Recordings
    chat_dumps: ChatDumps
    quality: Quality
    livestreams: Livestreams
    limiter: RateLimiter | None = None
    """None = no limit."""
    accepts_key_header: bool = False
    """Also take an API token from `X-Auth-Key` (with any `X-Auth-Email`)."""


class Call(msgspec.Struct, frozen=True):
    """A request that was let in."""

    context: RealtimeKitContext
    scope: Scope


class AppCall(Call, frozen=True):
    """A request inside one app."""

    scope: AppScope


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One declared route."""

    method: str
    path: str
    """Below the account, such as `/{app_id}/meetings`."""
    status: int
    """Of the answer when it succeeds."""
    tag: str
    run: Callable[..., Awaitable[Any]]
    ids: tuple[str, ...]
    """Path parameters that are ids of resources, in order."""
    takes: tuple[str, ...]
    """Names of the parameters after `call`."""
    body: Any
    documented_body: Any
    query: Any
    answer: Any
    loads: Mapping[str, Load]

    @property
    def is_in_app(self) -> bool:
        """Whether the path names an app whose existence is checked."""
        return self.path.startswith("/{app_id}")

    @property
    def summary(self) -> str:
        """First sentence of the documentation."""
        return inspect.cleandoc(self.run.__doc__ or "").split("\n")[0]

    @property
    def description(self) -> str:
        """The rest of it."""
        return inspect.cleandoc(self.run.__doc__ or "").partition("\n")[2].strip()


class Routes:
    """The routes of one area, in the order they are written."""

    def __init__(self, tag: str, *, loads: Mapping[str, Load] | None = None) -> None:
        self.tag = tag
        self.loads = {"meeting": _load_meeting, **(loads or {})}
        self.endpoints: list[Endpoint] = []

    def get(self, path: str, *, status: int = 200) -> Callable[[F], F]:
        """Declare a GET route; `{app}` in the path stands for the app."""
        return self._route("GET", path, status)

    def post(self, path: str, *, status: int = 200, like: Any = None) -> Callable[[F], F]:
        """Declare a POST route; `like` is the body's shape where the route reads it by hand."""
        return self._route("POST", path, status, like)

    def put(self, path: str, *, status: int = 200, like: Any = None) -> Callable[[F], F]:
        """Declare a PUT route; `like` is the body's shape where the route reads it by hand."""
        return self._route("PUT", path, status, like)

    def patch(self, path: str, *, status: int = 200, like: Any = None) -> Callable[[F], F]:
        """Declare a PATCH route; `like` is the body's shape where the route reads it by hand."""
        return self._route("PATCH", path, status, like)

    def delete(self, path: str, *, status: int = 200) -> Callable[[F], F]:
        """Declare a DELETE route."""
        return self._route("DELETE", path, status)

    def _route(self, method: str, path: str, status: int, like: Any = None) -> Callable[[F], F]:
        full = "/" + path.replace("{app}", "{app_id}")

        def declare(run: F) -> F:
            hints = get_type_hints(run, include_extras=True)
            ids = tuple(
                part[1:-1]
                for part in full.split("/")
                if part.startswith("{") and part[1:-1] not in _NOT_RESOURCES
            )
            takes = tuple(name for name in inspect.signature(run).parameters if name != "call")
            unknown = set(takes) - {"body", "query", "app_id", *ids, *self.loads}
            if unknown:
                raise TypeError(f"{method} {full}: nothing provides {', '.join(sorted(unknown))}")
            self.endpoints.append(
                Endpoint(
                    method,
                    full,
                    status,
                    self.tag,
                    run,
                    ids,
                    takes,
                    hints.get("body"),
                    like or hints.get("body"),
                    hints.get("query"),
                    hints["return"],
                    self.loads,
                )
            )
            return run

        return declare


async def answer(endpoint: Endpoint, context: RealtimeKitContext, request: Request) -> Answer:
    """Run a route for a request; what is wrong is raised (`errors.refuse` has the envelopes)."""
    arguments = await _prepare(endpoint, context, request)
    return json_answer(endpoint.status, _encode(await endpoint.run(**arguments)))


_encode = msgspec.json.Encoder().encode


async def _prepare(endpoint: Endpoint, context: RealtimeKitContext, request: Request) -> dict[str, Any]:
    """Check in order, and gather what the route takes."""
    path = request.path_params
    is_in_app = endpoint.is_in_app
    app_id = path["app_id"] if is_in_app else ""
    scope, app_scope = await accounts.authenticate_for_app(
        context.store,
        CredentialKind.API_TOKEN,
        _secret(context, request),
        AppId(app_id) if is_uuid(app_id) else None,
    )
    if path["account_id"] != scope.organization_id:
        raise NotAllowed("This token is for another account")
    if endpoint.method != "GET" and Right.WRITE not in scope.rights:
        raise NotAllowed("This token may only read")
    if context.limiter is not None:
        await context.limiter.take(scope.actor)
    for name in endpoint.ids:
        if not is_uuid(path[name]):
            shown = "id" if len(endpoint.ids) == 1 else name
            raise Invalid(f'"{shown}" must be a valid GUID', field=shown)
        path[name] = path[name].lower()
    if is_in_app and app_scope is None:
        raise NotFound(f"No app found with id {app_id}")
    arguments: dict[str, Any] = {
        "call": Call(context, scope) if app_scope is None else AppCall(context, app_scope)
    }
    for name in endpoint.takes:
        load = endpoint.loads.get(name)
        if load is not None and app_scope is not None:
            arguments[name] = await load(app_scope, path)
        elif name == "query":
            arguments[name] = read_query(request.query, endpoint.query)
        elif name == "body":
            arguments[name] = read_body(await request.body(BODY_LIMIT_BYTES), endpoint.body)
        else:
            arguments[name] = path[name]
    return arguments


async def _load_meeting(scope: AppScope, path: Mapping[str, str]) -> Meeting:
    return await meetings.get_meeting(scope, MeetingId(path["meeting_id"]))


def _secret(context: RealtimeKitContext, request: Request) -> str:
    scheme, _, secret = request.header(b"authorization").partition(" ")
    if scheme.lower() == "bearer" and secret:
        return secret.strip()
    if context.accepts_key_header and request.header(b"x-auth-email"):
        key = request.header(b"x-auth-key")
        if key:
            return key
    raise Unauthenticated("Unauthorized")
