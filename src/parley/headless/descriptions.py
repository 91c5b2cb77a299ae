"""Session descriptions of the client: written here, read with aiortc's parser.

They are simple enough to be written by hand: everything bundled, one codec for each kind, no candidates
of our own (the server learns our address from our connectivity checks; `rtk-client-protocol.md` section 7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from aiortc import (
    RTCDtlsParameters,
    RTCIceCandidate,
    RTCIceParameters,
    RTCRtpCodecParameters,
    RTCRtpHeaderExtensionParameters,
)
from aiortc.sdp import SessionDescription

from parley.headless.errors import RequestRefused
from parley.wire.realtimekit.client.events import Media

PAYLOAD_TYPES = {"audio": 111, "video": 96}
"""Numbers every browser uses, for opus and VP8."""
MID_EXTENSION = RTCRtpHeaderExtensionParameters(id=4, uri="urn:ietf:params:rtp-hdrext:sdes:mid")
_CODEC_LINES = {
    "audio": ("rtpmap:111 opus/48000/2", "fmtp:111 minptime=10;useinbandfec=1"),
    "video": ("rtpmap:96 VP8/90000", "rtcp-fb:96 ccm fir", "rtcp-fb:96 nack", "rtcp-fb:96 nack pli"),
}


class Direction(StrEnum):
    """Who sends, from the author's view."""

    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"


def codec(kind: str, payload_type: int | None = None) -> RTCRtpCodecParameters:
    """Opus or VP8, for aiortc's senders and receivers."""
    number = PAYLOAD_TYPES[kind] if payload_type is None else payload_type
    if kind == "audio":
        return RTCRtpCodecParameters("audio/opus", 48_000, 2, number)
    return RTCRtpCodecParameters("video/VP8", 90_000, None, number)


@dataclass(frozen=True, slots=True)
class Credentials:
    """How the other side knows our connection."""

    ufrag: str
    password: str
    fingerprint: str
    """SHA-256, with the hash's name in front."""


@dataclass(frozen=True, slots=True)
class Section:
    """One media section of ours."""

    mid: str
    kind: str
    direction: Direction
    is_closed: bool = False
    """Port 0: the other side may recycle it."""
    ssrc: int | None = None
    """Of what we send in it."""
    cname: str = ""


@dataclass(frozen=True, slots=True)
class RemoteSection:
    """One media section of the other side."""

    mid: str
    kind: str
    sends: bool
    is_closed: bool
    ssrc: int | None
    payload_type: int | None
    """Of opus or VP8; None when it has neither."""


@dataclass(frozen=True, slots=True)
class RemoteDescription:
    """What an offer or answer of the server says."""

    sections: tuple[RemoteSection, ...]
    ice: RTCIceParameters
    dtls: RTCDtlsParameters
    """`role` is the server's: "client", "server", or "auto" in an offer."""
    candidates: tuple[RTCIceCandidate, ...]


def write(credentials: Credentials, sections: Sequence[Section], *, setup: str, version: int) -> str:
    """An offer (`setup` "actpass") or answer ("active", "passive"); `version` must grow."""
    lines = [
        "v=0",
        f"o=- 4712 {version} IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE " + " ".join(section.mid for section in sections if not section.is_closed),
        "a=msid-semantic: WMS *",
    ]
    for section in sections:
        lines += _section_lines(credentials, section, setup)
    return "\r\n".join((*lines, ""))


def _section_lines(credentials: Credentials, section: Section, setup: str) -> list[str]:
    port = 0 if section.is_closed else 9
    lines = [
        f"m={section.kind} {port} UDP/TLS/RTP/SAVPF {PAYLOAD_TYPES[section.kind]}",
        "c=IN IP4 0.0.0.0",
        f"a=mid:{section.mid}",
        f"a={Direction.INACTIVE if section.is_closed else section.direction}",
        "a=rtcp-mux",
        f"a=ice-ufrag:{credentials.ufrag}",
        f"a=ice-pwd:{credentials.password}",
        f"a=fingerprint:{credentials.fingerprint}",
        f"a=setup:{setup}",
        f"a=extmap:{MID_EXTENSION.id} {MID_EXTENSION.uri}",
        *(f"a={text}" for text in _CODEC_LINES[section.kind]),
    ]
    if section.ssrc is not None and not section.is_closed:
        lines.append(f"a=ssrc:{section.ssrc} cname:{section.cname}")
        lines.append(f"a=msid:{section.cname} {section.cname}-{section.mid}")
    return lines


def read(text: str) -> RemoteDescription:
    """Understand a description of the server.

    Raises:
        RequestRefused: it is malformed, or has no open section.
    """
    try:
        parsed = SessionDescription.parse(text)
    except (ValueError, AssertionError, IndexError, KeyError) as error:
        raise RequestRefused(f"The server's session description is malformed: {error}", event=0) from error
    opened = [media for media in parsed.media if media.port]
    first = opened[0] if opened else None
    if first is None or first.dtls is None or first.ice is None or not first.ice.usernameFragment:
        raise RequestRefused(
            "The server's session description opens no connection.", event=Media.CREATE_TRANSPORT
        )
    sections = tuple(
        RemoteSection(
            mid=media.rtp.muxId,
            kind=media.kind,
            sends=media.direction in ("sendonly", "sendrecv"),
            is_closed=not media.port,
            ssrc=media.ssrc[0].ssrc if media.ssrc else None,
            payload_type=next(
                (c.payloadType for c in media.rtp.codecs if c.name.lower() in ("opus", "vp8")), None
            ),
        )
        for media in parsed.media
    )
    return RemoteDescription(sections, first.ice, first.dtls, tuple(first.ice_candidates))
