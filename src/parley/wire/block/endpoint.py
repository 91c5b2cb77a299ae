"""How a REST route is declared, and what happens before it runs.

A route is a plain function that says by its parameters what it needs::

    @routes.put("/messages/{message_id}", scope="conversations:write", body="message")
    async def update_message(call: Call, message_id: str, body: MessageChange) -> Reply:
        \"""Change a message.\"""

`call` is who asks; a name of the path is its text; `query` and `body` are the query string and the body, in
the annotated struct. Checks come in the order: key (401), user token (401), rate (429), right (403), then
query and body (400, 422).
"""

from __future__ import annotations

import inspect
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, TypeVar, get_type_hints

import msgspec

from parley.accounts.app_settings import AppSettings
from parley.accounts.exclusion import require_admitted
from parley.accounts.keys import authenticate_key
from parley.accounts.model import App
from parley.accounts.scope import AppScope
from parley.accounts.user_tokens import InvalidToken, User, UserTokens
from parley.base.errors import Invalid, NotAllowed, TooMany, Unauthenticated
from parley.base.ids import CredentialId
from parley.bus import Bus
from parley.channels.realtime.tokens import ConnectionClaims, ConnectionTokens
from parley.people.activity import UserActivity
from parley.people.service import People
from parley.store.core import Store
from parley.wire.asgi import Answer, ClientGone, Header, Request
from parley.wire.block.errors import problems, retry_headers
from parley.wire.block.origins import origin_headers
from parley.wire.block.reading import members_of, read_members, read_query
from parley.wire.block.replies import JSON_API, Reply

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Awaitable[Reply]])
Access = Literal["anybody", "user", "server"]
BODY_LIMITBYTES = 1 << 20
REQUESTS_PER_MINUTE, SERVER_FACTOR = 600, 10
_MINUTE = timedelta(minutes=1)
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}", re.ASCII)
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Context:
    """What every route needs of the server; areas put theirs into `areas`."""

    store: Store
    users: UserTokens
    tokens: ConnectionTokens
    bus: Bus
    rate_limits: bool = True
    areas: dict[type[Any], Any] = field(default_factory=dict)
    """Services by their class."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was let in."""

    context: Context
    scope: AppScope
    app: App
    is_server: bool
    """Whether it came with a secret key."""
    user: User | None
    connection: ConnectionClaims | None
    """Of a connection token that came in the place of a user token."""
    request: Request
    credential_id: CredentialId
    """Of the key that it came with."""

    def service(self, kind: type[T]) -> T:
        """A service of the server."""
        found: T = self.context.areas[kind]
        return found

    def acting_user(self) -> User:
        """The user of the token.

        Raises:
            Unauthenticated: there is none.
        """
        if self.user is None:
            raise Unauthenticated("This call needs a user token.")
        return self.user

    def require(self, scope: str) -> None:
        """Raise `NotAllowed` unless the user's token (or the secret key) has the scope."""
        if self.user is not None and not self.is_server and scope not in self.user.scopes:
            raise NotAllowed(f"The user token lacks the scope {scope}.")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One declared route."""

    method: str
    path: str
    status: int
    tag: str
    access: Access
    scope: str | None
    run: Callable[..., Awaitable[Reply]]
    takes: tuple[str, ...]
    query: Any
    body: Any
    wrapper: str | None
    body_limit: int
    """Bytes; routes that take files take more."""
    is_counted: bool
    """Whether it counts among the requests per minute; messages have a rate of their own."""

    @property
    def summary(self) -> str:
        """First sentence of the documentation."""
        return inspect.cleandoc(self.run.__doc__ or "").split("\n")[0]


class Routes:
    """The routes of one area, in the order they are written; fixed words win over parameters."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.endpoints: list[Endpoint] = []

    def get(self, path: str, **options: Any) -> Callable[[F], F]:
        """Declare a GET route; options as `route`."""
        return self.route("GET", path, 200, **options)

    def post(self, path: str, *, status: int = 201, **options: Any) -> Callable[[F], F]:
        """Declare a POST route."""
        return self.route("POST", path, status, **options)

    def put(self, path: str, *, status: int = 200, **options: Any) -> Callable[[F], F]:
        """Declare a PUT route."""
        return self.route("PUT", path, status, **options)

    def delete(self, path: str, *, status: int = 204, **options: Any) -> Callable[[F], F]:
        """Declare a DELETE route."""
        return self.route("DELETE", path, status, **options)

    def route(
        self,
        method: str,
        path: str,
        status: int,
        *,
        access: Access = "user",
        scope: str | None = None,
        body: str | None = None,
        body_limit: int = BODY_LIMITBYTES,
        is_counted: bool = True,
    ) -> Callable[[F], F]:
        """Declare a route.

        Args:
            method: of HTTP.
            path: absolute, with `{parameters}`.
            status: of the answer, unless the reply says another.
            access: `anybody` (and no `call`); `user`: a user token, or a secret key; `server`: a secret key.
            scope: what a user token must allow.
            body: the word that clients wrap the body in.
            body_limit: bytes.
            is_counted: among the requests per minute.
        """

        def declare(run: F) -> F:
            hints = get_type_hints(run, include_extras=True)
            takes = tuple(name for name in inspect.signature(run).parameters if name != "call")
            known = {part[1:-1] for part in path.split("/") if part.startswith("{")} | {"body", "query"}
            if set(takes) - known:
                raise TypeError(f"{method} {path}: nothing provides {sorted(set(takes) - known)}")
            self.endpoints.append(
                Endpoint(
                    method, path, status, self.tag, access, scope, run, takes,
                    hints.get("query"), hints.get("body"), body, body_limit, is_counted,
                )
            )  # fmt: skip
            return run

        return declare


async def answer(endpoint: Endpoint, context: Context, request: Request) -> Answer:
    """Run a route; whatever happens, the answer has the dialect's form."""
    place = ""
    try:
        callers = [] if endpoint.access == "anybody" else [await _enter(endpoint, context, request)]
        given, place = await _arguments(endpoint, request)
        reply = await endpoint.run(*callers, **given)
    except ClientGone:
        raise
    except Invalid as wrong:
        if wrong.field and wrong.field[0] not in "/?":
            wrong.field = f"{place}/{wrong.field.replace('.', '/')}"
        return refuse(wrong, request)
    except Exception as error:
        return refuse(error, request)
    headers = _headers(reply.headers, request)
    for call in callers:
        headers += await _origin_headers(call)
    status = reply.status or endpoint.status
    if reply.body is None:
        return Answer(status, b"", headers)
    body = reply.body if isinstance(reply.body, bytes) else _encode(reply.body)
    return Answer(status, body, [(b"content-type", reply.media_type.encode()), *headers])


async def _origin_headers(call: Call) -> list[Header]:
    settings = call.context.areas.get(AppSettings)
    return await origin_headers(settings, call.scope, call.request.header(b"origin"))


def refuse(error: Exception, request: Request | None = None) -> Answer:
    """The answer for an error."""
    status, found = problems(error)
    headers = _headers(retry_headers(error), request)
    return Answer(status, _encode({"errors": found}), [(b"content-type", JSON_API.encode()), *headers])


def _headers(more: Mapping[str, str], request: Request | None) -> list[Header]:
    """The request's own id again, or one of ours; then the others."""
    asked = request.header(b"x-request-id") if request is not None else ""
    request_id = asked if _REQUEST_ID.fullmatch(asked) else f"req_{uuid.uuid4().hex}"
    return [
        (b"x-request-id", request_id.encode()),
        *((name.encode(), value.encode()) for name, value in more.items()),
    ]


async def _enter(endpoint: Endpoint, context: Context, request: Request) -> Call:
    """Who asks, and whether they may."""
    key = request.header(b"x-api-key") or request.header(b"appid")
    if not key:
        raise Unauthenticated("Send the API key in X-Api-Key.")
    holder = await authenticate_key(context.store, key)
    named = request.header(b"x-app-id")
    if named and named not in (holder.app.public_id, holder.app.id):
        raise Unauthenticated("The API key is not a key of the app in X-App-Id.")
    user, connection = await _bearer(context, holder.scope, request.header(b"authorization"))
    if not holder.is_secret:
        if endpoint.access == "server":
            refusal = NotAllowed if user else Unauthenticated
            raise refusal("This call needs a secret key.")
        if user is None:
            raise Unauthenticated("A publishable key needs a user token beside it.")
        await require_admitted(context.areas[AppSettings], holder.scope, user.id)
    call = Call(
        context, holder.scope, holder.app, holder.is_secret, user, connection, request, holder.credential_id
    )
    if context.rate_limits and endpoint.is_counted:
        await _count(call)
    if endpoint.scope is not None:
        call.require(endpoint.scope)
    if user is not None:
        await _note(call, user)
    return call


async def _note(call: Call, user: User) -> None:
    """A user token makes its user known to the app, and whoever asks is there (18.10, 18.14)."""
    if call.connection is None:
        await call.service(People).ensure_user(call.scope, user)
    call.service(UserActivity).touch(call.scope.app_id, user.id)


async def _bearer(
    context: Context, scope: AppScope, header: str
) -> tuple[User | None, ConnectionClaims | None]:
    """The user that a user token names, or a connection token in its place."""
    scheme, _, token = header.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        return None, None
    if not context.tokens.is_one(token):
        return await context.users.verify(scope, token), None
    claims = context.tokens.verify(token)
    if claims.app != scope.app_id:
        raise InvalidToken("The connection token belongs to another app or environment.")
    if claims.room is not None:
        raise InvalidToken("The connection token opens one room, over a socket.")
    # It opens channels; what conversations allow a user needs a user token.
    nothing: frozenset[str] = frozenset()
    name = claims.info.get("name")
    return User(id=claims.sub, expires_at=claims.exp, name=name, scopes=nothing), claims


async def _count(call: Call) -> None:
    factor = SERVER_FACTOR if call.is_server else 1
    who = call.scope.actor if call.is_server or call.user is None else call.user.id
    used = await call.context.bus.count(f"block:{call.scope.app_id}:{who}", _MINUTE)
    limit = REQUESTS_PER_MINUTE * factor
    if used > limit:
        wait_s = _MINUTE.total_seconds() / 2
        full_at_s = call.scope.store.clock.now().timestamp() + wait_s
        raise TooMany("Too many requests.", retry_after_s=wait_s, limit=limit, full_at_s=full_at_s)


async def _arguments(endpoint: Endpoint, request: Request) -> tuple[dict[str, Any], str]:
    """What a route takes, and the JSON pointer to where the body's members are."""
    given: dict[str, Any] = {}
    place = ""
    for name in endpoint.takes:
        if name == "query":
            given[name] = read_query(request.query, endpoint.query)
        elif name == "body":
            raw = await request.body(endpoint.body_limit)
            members, place = members_of(raw, endpoint.wrapper)
            given[name] = read_members(members, endpoint.body, place)
        else:
            given[name] = request.path_params[name]
    return given, place
