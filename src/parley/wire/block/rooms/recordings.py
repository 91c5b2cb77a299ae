"""Recordings of WebRTC rooms: REST (`realtime-block.md` 15.1), and their content by signed link.

The content is an ASGI application of its own, because it goes out in pieces.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from parley.base.errors import Invalid, NotAllowed, ParleyError
from parley.rooms.live import LiveRooms
from parley.rooms.model import Recording, Room
from parley.rooms.recordings import FOLDER, Recordings
from parley.wire.asgi import ClientGone, Header, Receive, Send
from parley.wire.block.conversations.file_content import chunks
from parley.wire.block.endpoint import Call, Routes, refuse
from parley.wire.block.errors import BadRequest, MethodNotAllowed
from parley.wire.block.fields import iso
from parley.wire.block.multipart import Form, is_form
from parley.wire.block.replies import Reply, Resource, many
from parley.wire.block.rooms.rooms import ROOMS, TokenQuery, is_host, seen_room
from parley.wire.parts import send_file

routes = Routes("WebRTC rooms")
PREFIX = f"{FOLDER}/"
_ANYBODY: tuple[Header, ...] = (
    (b"access-control-allow-origin", b"*"),
    (b"cross-origin-resource-policy", b"cross-origin"),
)


@routes.post(f"{ROOMS}/{{room_id}}/recordings")
async def upload_recording(call: Call, room_id: str, query: TokenQuery) -> Reply:
    """Upload a recording as the `file` of a form, with its `duration_seconds`.

    For the room's host, whoever is in it, holders of a room token, and the customer's server.
    """
    room = await _may_record(call, room_id, query.token)
    content_type = call.request.header(b"content-type")
    if not is_form(content_type):
        raise BadRequest("A recording is uploaded as a form (multipart/form-data).")
    form = Form(content_type, chunks(call.request.receive))
    part = await form.file()
    service = call.service(Recordings)
    recording = await service.upload(call.scope, room, part.content_type, part.chunks, form.fields)
    return Reply({"data": _resource(service, recording)})


@routes.get(f"{ROOMS}/{{room_id}}/recordings")
async def list_recordings(call: Call, room_id: str, query: TokenQuery) -> Reply:
    """List a room's recordings, newest first; each `url` works for 7 days."""
    room, _ = await seen_room(call, room_id, query.token)
    service = call.service(Recordings)
    found = await service.of_room(call.scope, room.id)
    return many([_resource(service, each) for each in found], meta={"count": len(found)})


async def _may_record(call: Call, room_id: str, token: str | None) -> Room:
    room, there = await seen_room(call, room_id, token)
    if is_host(call, room, token):
        return room
    user_id = call.acting_user().id
    if token is not None:
        call.service(LiveRooms).tokens.check(token, room.id, user_id)
    elif all(one.user_id != user_id for one in there):
        raise NotAllowed("Only whoever takes part in a room uploads a recording of it.")
    return room


def _resource(service: Recordings, recording: Recording) -> Resource:
    return Resource(
        recording.id,
        "webrtc_recordings",
        {
            "room_id": recording.room_id,
            "url": service.url(recording),
            "content_type": recording.content_type,
            "size_bytes": recording.size_bytes,
            "duration_seconds": recording.duration_seconds,
            "created_at": iso(recording.created_at),
        },
    )


class RecordingContent:
    """Hands recordings out: what is under `PREFIX` is its."""

    def __init__(self, recordings: Recordings) -> None:
        self._recordings = recordings

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        try:
            await self._give(scope, send)
        except ClientGone:
            return
        except ParleyError as refused:
            answer = refuse(refused)
            headers = [*answer.headers, *_ANYBODY, (b"content-length", b"%d" % len(answer.body))]
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            await send({"type": "http.response.body", "body": answer.body})

    async def _give(self, scope: Any, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            raise MethodNotAllowed("Recordings are got.")
        try:
            query = dict(parse_qsl(scope["query_string"].decode("ascii"), max_num_fields=20))
        except ValueError as error:
            raise Invalid("The query string is not well formed.") from error
        found, blob = await self._recordings.open(scope["path"].removeprefix(PREFIX), query)
        shown = "attachment" if found.content_type == "application/octet-stream" else "inline"
        headers: list[Header] = [
            (b"content-type", found.content_type.encode()),
            (b"content-disposition", f"{shown}; filename={found.id}".encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"content-security-policy", b"default-src 'none'; sandbox"),
            (b"cache-control", b"private, max-age=86400"),
            *_ANYBODY,
        ]
        await send_file(scope, send, blob, headers)
