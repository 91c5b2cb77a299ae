"""What an official client asks beside its socket (section 4): on any host name, at the root.

Every answer is JSON; `cors.py` lets clients on pages of other origins read it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
import structlog
from litestar import Request, Response, Router, get, post, put
from litestar.params import FromPath
from litestar.response import Stream

from parley.accounts.scope import AppScope
from parley.base.errors import (
    Conflict,
    Invalid,
    NotAllowed,
    NotFound,
    ParleyError,
    TooLarge,
    TooMany,
    Unauthenticated,
    Unavailable,
)
from parley.base.ids import FileId
from parley.base.times import to_ms
from parley.channels.files import INLINE_TYPES, ChatFiles
from parley.livestreams.service import Livestreams
from parley.media.turn import IceOptions, ice_servers
from parley.meetings.live.admission import (
    Admission,
    admission,
    require_may_send_files,
    require_open,
)
from parley.recordings.service import Recordings
from parley.wire.parts import part_of
from parley.wire.realtimekit.client.auth import ParticipantAuth

log = structlog.get_logger(__name__)

BODY_LIMIT_BYTES = 64 * 1024
_STATUS: list[tuple[type[ParleyError], int]] = [
    (Invalid, 400),
    (Unauthenticated, 401),
    (NotAllowed, 403),
    (NotFound, 404),
    (Conflict, 409),
    (TooLarge, 413),
    (TooMany, 429),
    (Unavailable, 503),
]


@dataclass(frozen=True, slots=True)
class ClientHttpContext:
    """What these routes need."""

    auth: ParticipantAuth
    files: ChatFiles
    recordings: Recordings
    livestreams: Livestreams
    ice: IceOptions
    public_url: str
    """Where browsers reach this server, without a slash at the end."""


def answer(body: Any, status: int = 200) -> Response[bytes]:
    """A body as JSON."""
    return Response(msgspec.json.encode(body), status_code=status, media_type="application/json")


def refused(_: Request[Any, Any, Any], error: ParleyError) -> Response[bytes]:
    """What is raised, as clients know it."""
    status = next((number for kind, number in _STATUS if isinstance(error, kind)), 500)
    return answer({"success": False, "error": {"code": status, "message": error.message}}, status)


def _base_uri(host: str) -> str:
    """The base of the host names a client built this request's from (section 2)."""
    return host.removeprefix("api.")


class Callers:
    """The routes, with what they share."""

    def __init__(self, context: ClientHttpContext) -> None:
        self.context = context

    async def caller(self, request: Request[Any, Any, Any]) -> tuple[AppScope, Admission]:
        """Whom the request's token speaks for."""
        claims, scope = await self.context.auth.of_header(request.headers)
        return scope, await admission(scope, claims.meeting_id, claims.participant_id)

    async def details(self, request: Request[Any, Any, Any]) -> dict[str, Any]:
        """Everything a client needs to begin."""
        scope, (meeting, person, preset) = await self.caller(request)
        await require_open(scope, meeting)
        # null in one of these makes the client's join fail: absent members are left out.
        optional = {"name": person.name, "picture": person.picture}
        return {
            "participant": {
                "id": person.id,
                "custom_participant_id": person.custom_participant_id,
                "organization_id": scope.app_id,
                **{key: value for key, value in optional.items() if value},
            },
            "meeting": {"id": meeting.id, "title": meeting.title or ""},
            "socket": {"base_uri": _base_uri(request.headers.get("host", ""))},
            "plugins": [],
            "preset": {
                "id": preset.id,
                "name": preset.name,
                "version": str(to_ms(preset.updated_at)),
                "permissions": preset.permissions,
                "config": preset.config,
                "ui": {"config_diff": {}, **preset.ui},
            },
        }


def client_router(context: ClientHttpContext) -> Router:
    """The routes, to be mounted at the root."""
    handlers = Callers(context)

    @get("/v2/internals/participant-details")
    async def participant_details(request: Request[Any, Any, Any]) -> Response[bytes]:
        return answer({"success": True, "data": await handlers.details(request)})

    @get("/iceservers")
    async def ice(request: Request[Any, Any, Any]) -> Response[bytes]:
        claims, scope = await context.auth.of_header(request.headers)
        servers = ice_servers(context.ice, claims.participant_id, scope.now())
        return answer({"success": True, "iceServers": servers})

    @post("/v2/meetings/chat-upload", status_code=200)
    async def chat_upload(request: Request[Any, Any, Any]) -> Response[bytes]:
        scope, admitted = await handlers.caller(request)
        await require_may_send_files(scope, admitted)
        body = await read_body(request)
        name = body.get("filename")
        if not isinstance(name, str):
            raise Invalid('"filename" is required', field="filename")
        put_path, get_path = await context.files.reserve(
            scope, admitted.meeting.id, admitted.participant.id, name
        )
        origin = _origin(request, context.public_url)
        return answer({"data": {"put_location": origin + put_path, "get_location": origin + get_path}})

    @put("/files/chat/{file_id:str}/{name:str}", status_code=200)
    async def put_file(
        request: Request[Any, Any, Any], file_id: FromPath[str], name: FromPath[str]
    ) -> Response[bytes]:
        context.files.check("PUT", file_id, request.query_params)
        length = request.headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length) > context.files.max_bytes:
            raise TooLarge(f"A file has at most {context.files.max_bytes // 1_000_000} MB.")
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        await context.files.receive(FileId(file_id), kind or None, _chunks(request))
        return answer({"success": True})

    @get("/files/chat/{file_id:str}/{name:str}")
    async def get_file(
        request: Request[Any, Any, Any], file_id: FromPath[str], name: FromPath[str]
    ) -> Stream:
        context.files.check("GET", file_id, request.query_params)
        found, blob = await context.files.open(FileId(file_id))
        shown = "inline" if found.content_type in INLINE_TYPES else "attachment"
        part = part_of(blob, request.headers)
        return Stream(
            part.chunks or iter(()),
            status_code=part.status,
            media_type=found.content_type or "application/octet-stream",
            headers={
                **{name.decode(): value.decode("latin-1") for name, value in part.headers},
                "content-disposition": f"{shown}; filename*=UTF-8''{quote(found.name)}",
                "x-content-type-options": "nosniff",
                "content-security-policy": "default-src 'none'; sandbox",
                "cache-control": "private, max-age=86400",
            },
        )

    @get("/v2/plugins/user")
    async def plugins() -> Response[bytes]:
        # 1.x clients do not start without this route; Parley offers no plugins of that kind.
        return answer({"success": True, "data": {"plugins": []}})

    @post("/otel/logs", status_code=200)
    async def logs() -> Response[bytes]:
        # Client logs stay on this host, and nothing reads them.
        return answer({})

    return Router(
        path="/",
        route_handlers=[
            participant_details,
            ice,
            chat_upload,
            put_file,
            get_file,
            plugins,
            logs,
        ],
        exception_handlers={ParleyError: refused},
        include_in_schema=False,
    )


async def read_body(request: Request[Any, Any, Any]) -> Mapping[str, Any]:
    """A small JSON object.

    Raises:
        TooLarge: more than `BODY_LIMIT_BYTES`.
        Invalid: not an object.
    """
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > BODY_LIMIT_BYTES:
            raise TooLarge("The body is too large.")
    try:
        body = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:  # the latter: nested too deeply
        raise Invalid("The body is not JSON.") from error
    if not isinstance(body, dict):
        raise Invalid("The body must be an object.")
    return body


async def _chunks(request: Request[Any, Any, Any]) -> AsyncIterator[bytes]:
    async for chunk in request.stream():
        yield chunk


def _origin(request: Request[Any, Any, Any], public_url: str) -> str:
    """Where this client reaches us: the host it used, if that is one of ours."""
    host = request.headers.get("host", "")
    base = urlsplit(public_url).netloc
    scheme = urlsplit(public_url).scheme
    return f"{scheme}://{host}" if host in (base, f"api.{base}") else public_url
