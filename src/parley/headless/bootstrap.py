"""What a client asks over HTTP before it connects (`rtk-client-protocol.md` sections 3 and 4)."""

from __future__ import annotations

import asyncio
import base64
import binascii
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec
from aiortc import RTCIceServer
from yarl import URL

from parley.headless.errors import CannotJoin
from parley.headless.socket import is_final_status

HTTP_TIMEOUT_S = 8.0
"""As the official client."""
VIEW_TYPES_WITH_MEDIA = frozenset({"GROUP_CALL", "WEBINAR", "AUDIO_ROOM"})


@dataclass(frozen=True, slots=True)
class Invitation:
    """Who the token makes us, and what we may do."""

    token: str
    meeting_id: str
    title: str
    participant_id: str
    name: str
    view_type: str
    produces: frozenset[str]
    """Of "audio" and "video": what the preset allows at once."""
    ice_servers: tuple[RTCIceServer, ...]


class _Participant(msgspec.Struct):
    id: str
    name: str | None = None


class _Meeting(msgspec.Struct):
    id: str
    title: str | None = None


class _Config(msgspec.Struct):
    view_type: str = "GROUP_CALL"


class _Medium(msgspec.Struct):
    can_produce: str = "NOT_ALLOWED"


class _Media(msgspec.Struct):
    audio: _Medium
    video: _Medium


class _Permissions(msgspec.Struct):
    media: _Media


class _Preset(msgspec.Struct):
    config: _Config
    permissions: _Permissions


class _Details(msgspec.Struct):
    participant: _Participant
    meeting: _Meeting
    preset: _Preset


class _DetailsAnswer(msgspec.Struct):
    data: _Details


class _IceServer(msgspec.Struct):
    urls: str | list[str]
    username: str | None = None
    credential: str | None = None


class _IceAnswer(msgspec.Struct, rename="camel"):
    ice_servers: list[_IceServer] = []


class _Claims(msgspec.Struct, rename="camel"):
    meeting_id: str


def meeting_of(token: str) -> str:
    """The meeting a participant token is for; the signature is the server's business.

    Raises:
        CannotJoin: it is no participant token.
    """
    parts = token.split(".")
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        return msgspec.json.decode(payload, type=_Claims).meeting_id
    except (IndexError, binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise CannotJoin("This is not a participant token (three parts separated by dots).") from error


def origin(base_url: str) -> URL:
    """The server's address without anything behind it.

    Raises:
        CannotJoin: not an http or https address.
    """
    try:
        url = URL(base_url)
    except ValueError as error:
        raise CannotJoin(f"{base_url!r} is not an address.") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise CannotJoin(f"{base_url!r} is not an address that starts with http:// or https://.")
    return url.with_path(url.path.rstrip("/")).with_query(None).with_fragment(None)


async def fetch(http: aiohttp.ClientSession, base: URL, token: str) -> Invitation:
    """Ask who we are and which relay servers there are.

    Raises:
        CannotJoin: bad token, no such meeting, or the server cannot be reached.
    """
    meeting_of(token)
    details_body, ice_body = await asyncio.gather(
        _get(http, base / "v2/internals/participant-details", token), _get(http, base / "iceservers", token)
    )
    try:
        details = msgspec.json.decode(details_body, type=_DetailsAnswer).data
        servers = msgspec.json.decode(ice_body, type=_IceAnswer).ice_servers
    except msgspec.DecodeError as error:
        raise CannotJoin(f"{base} did not answer like a meeting server: {error}", is_final=False) from error
    media = details.preset.permissions.media
    allowed = {"audio": media.audio.can_produce, "video": media.video.can_produce}
    return Invitation(
        token=token,
        meeting_id=details.meeting.id,
        title=details.meeting.title or "",
        participant_id=details.participant.id,
        name=details.participant.name or "",
        view_type=details.preset.config.view_type,
        produces=frozenset(medium for medium, can_produce in allowed.items() if can_produce == "ALLOWED"),
        ice_servers=tuple(RTCIceServer(s.urls, s.username, s.credential) for s in servers),
    )


async def _get(http: aiohttp.ClientSession, url: URL, token: str) -> bytes:
    timeout = aiohttp.ClientTimeout(total=HTTP_TIMEOUT_S)
    try:
        async with http.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=timeout) as response:
            body = await response.read()
            if response.status >= 400:
                final = is_final_status(response.status)
                raise CannotJoin(_refusal(response.status, body), is_final=final)
            return body
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        reason = str(error) or "no answer in time"
        raise CannotJoin(
            f"The server at {url.origin()} cannot be reached: {reason}", is_final=False
        ) from error


def _refusal(status: int, body: bytes) -> str:
    said = ""
    try:
        answer: Any = msgspec.json.decode(body)
        said = str(answer["error"]["message"])
    except (msgspec.DecodeError, KeyError, TypeError):
        pass
    what = {
        401: "The server does not accept this token",
        403: "The server does not accept this token",
        404: "There is no such meeting or participant",
    }.get(status, f"The server answered with status {status}")
    return f"{what}: {said}" if said else f"{what}."
