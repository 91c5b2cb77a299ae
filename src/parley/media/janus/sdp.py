"""Session descriptions: checked parsing, and answers made from two offers ("role inversion").

A Janus subscriber always offers, and so does the RealtimeKit client when it creates its receive
transport or closes consumers. ICE credentials, DTLS fingerprint and candidates are the same whoever
offers, so both offers are answered with the other side's transport data
(rtk-client-protocol section 8). Pure functions; the only error is `BadDescription`.

Grammar: RFC 8866; attributes: RFC 8839 (ICE), RFC 8122 (fingerprint), RFC 9143 (BUNDLE).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import chain

from parley.media.ports import BadDescription

MAX_SDP_BYTES = 256 * 1024
MAX_SECTIONS = 200
MAX_LINES = 10_000
MAX_LINE_CHARACTERS = 4096

_KINDS = ("audio", "video")
_CODECS = {"audio": "opus", "video": "vp8"}
_PROTOCOLS = frozenset({"UDP/TLS/RTP/SAVPF", "RTP/SAVPF", "TCP/TLS/RTP/SAVPF"})
_LINE = re.compile(r"[a-z]=[^\x00-\x08\x0a-\x1f\x7f]*")
_MEDIA = re.compile(r"m=([a-z]{1,16}) (\d{1,5})(?:/\d{1,3})? (\S{1,32})((?: \S{1,16})+)")
_MID = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,16}")  # a token, RFC 8866
_UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")
_PASSWORD = re.compile(r"[A-Za-z0-9+/]{22,256}")
_FINGERPRINT = re.compile(r"[A-Za-z0-9-]{3,10} [0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){15,63}")
_PAYLOAD_TYPE = re.compile(r"\d{1,3}")


class Direction(StrEnum):
    """Who sends in a section, from the view of the description's author."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def sends(self) -> bool:
        """Media flows from the author."""
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        """Media flows to the author."""
        return self in (Direction.SENDRECV, Direction.RECVONLY)


_DIRECTIONS = frozenset(direction.value for direction in Direction)


@dataclass(frozen=True, slots=True)
class TransportData:
    """What a peer needs to reach the author: the same for all sections of a bundle."""

    ufrag: str
    password: str
    fingerprint: str
    """Hash name and digest as in the attribute."""
    candidates: tuple[str, ...] = ()
    """Complete `candidate:...` attribute texts."""
    ice_lite: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """One media section (m-line)."""

    kind: str
    """"audio" or "video"."""
    protocol: str
    mid: str
    payload_types: tuple[str, ...]
    direction: Direction
    is_rejected: bool
    """Port 0 without bundle-only: closed, may be recycled."""
    attributes: tuple[str, ...]
    """Without their `a=`, in order."""

    def attribute(self, name: str) -> str | None:
        """Value of the first attribute of that name; "" for a flag."""
        return _first(self.attributes, name)

    def extension(self, uri: str) -> int | None:
        """The number of a header extension (RFC 8285), if it is used."""
        for text in self.attributes:
            if text.startswith("extmap:") and _extension_uri(text) == uri:
                number = text[len("extmap:") :].split(" ", 1)[0].split("/", 1)[0]
                return int(number) if number.isdecimal() else None
        return None

    def payload_type_of(self, codec: str) -> str | None:
        """The first payload type of that codec (any letter case)."""
        wanted = f" {codec.lower()}/"
        for text in self.attributes:
            if text.startswith("rtpmap:") and wanted in text.lower():
                payload_type = text[len("rtpmap:") :].split(" ", 1)[0]
                if payload_type in self.payload_types:
                    return payload_type
        return None


@dataclass(frozen=True, slots=True)
class Description:
    """A checked offer or answer."""

    text: str
    """Normalised: CRLF line ends, otherwise as given."""
    attributes: tuple[str, ...]
    """Of the session."""
    sections: tuple[Section, ...]
    transport: TransportData

    @property
    def by_mid(self) -> Mapping[str, Section]:
        """Sections by their mid."""
        return {section.mid: section for section in self.sections}

    def without_candidates(self) -> str:
        """The text without addresses.

        The browser's checks show where it is (peer reflexive); addresses that it only claims would
        make the engine send packets wherever a participant likes.
        """
        lines = self.text.split("\r\n")
        return "\r\n".join(
            line for line in lines if not line.startswith(("a=candidate:", "a=end-of-candidates"))
        )

    def reached_by_checks(self) -> Description:
        """The same for use as the peer of `answer`."""
        return replace(self, transport=replace(self.transport, candidates=()))


def parse(text: str) -> Description:
    """Check a complete description of a bundled audio/video connection.

    Raises:
        BadDescription: anything that cannot be negotiated; the message says what.
    """
    blocks = _blocks(text)
    session = _attributes(blocks[0])
    sections = tuple(_section(block) for block in blocks[1:])
    mids = [section.mid for section in sections]
    if len(set(mids)) != len(mids):
        raise BadDescription("Two media sections have the same mid.")
    active = [section for section in sections if not section.is_rejected]
    if not active:
        raise BadDescription("The session description has no open media section.")
    _require_bundle(session, active)
    normalised = "\r\n".join((*chain.from_iterable(blocks), ""))
    return Description(normalised, session, sections, _transport(session, active))


def parse_offer(text: str) -> Description:
    """`parse`, and the author leaves the DTLS client role open or takes it.

    Raises:
        BadDescription: see `parse`.
    """
    return _with_setup(parse(text), ("actpass", "active"), "offer")


def parse_answer(text: str) -> Description:
    """`parse`, and the author has chosen a DTLS role.

    Raises:
        BadDescription: see `parse`.
    """
    return _with_setup(parse(text), ("active", "passive"), "answer")


def answer(offer: Description, peer: Description, *, setup: str, version: int) -> str:
    """Answer an offer in the name of `peer`, which made an offer of its own for the same connection.

    Sections are matched by mid. A section is open in the direction in which one side sends and the
    other receives, otherwise inactive. Codecs are opus and VP8 with its retransmissions, under the
    payload types of the offer.

    Args:
        offer: what is answered.
        peer: the other side's offer; its transport data and stream names are used.
        setup: DTLS role of the answer, "active" or "passive".
        version: of the answer's origin line; must grow from answer to answer.

    Raises:
        BadDescription: an open section of the offer has none of our codecs.
    """
    others = peer.by_mid
    transport = peer.transport
    lines = [
        "v=0",
        f"o=- 4711 {version} IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE " + " ".join(section.mid for section in offer.sections if not section.is_rejected),
        "a=msid-semantic: WMS *",
    ]
    if transport.ice_lite:
        lines.append("a=ice-lite")
    for section in offer.sections:
        if section.is_rejected:
            lines += _rejected(section)
        else:
            lines += _accepted(section, others.get(section.mid), transport, setup)
    return "\r\n".join((*lines, ""))


def _rejected(section: Section) -> list[str]:
    payload_type = section.payload_type_of(_CODECS[section.kind]) or section.payload_types[0]
    return [
        f"m={section.kind} 0 {section.protocol} {payload_type}",
        "c=IN IP4 0.0.0.0",
        f"a=mid:{section.mid}",
        "a=inactive",
        *(f"a={text}" for text in _codec_attributes(section, (payload_type,))),
    ]


def _accepted(section: Section, other: Section | None, transport: TransportData, setup: str) -> list[str]:
    payload_types = _our_payload_types(section, other)
    direction = _answer_direction(section, other)
    lines = [
        f"m={section.kind} 9 {section.protocol} {' '.join(payload_types)}",
        "c=IN IP4 0.0.0.0",
        f"a={direction}",
        f"a=mid:{section.mid}",
        "a=rtcp-mux",
        f"a=ice-ufrag:{transport.ufrag}",
        f"a=ice-pwd:{transport.password}",
        f"a=fingerprint:{transport.fingerprint}",
        f"a=setup:{setup}",
        *(f"a={text}" for text in _codec_attributes(section, payload_types)),
    ]
    if other is not None:
        lines += (f"a={text}" for text in _common_extensions(section, other))
        if direction.sends:
            lines += (
                f"a={text}" for text in other.attributes if text.startswith(("ssrc:", "ssrc-group:", "msid:"))
            )
    lines += (f"a={candidate}" for candidate in transport.candidates)
    return lines


def _answer_direction(section: Section, other: Section | None) -> Direction:
    if other is None or other.is_rejected:
        return Direction.INACTIVE
    if section.direction.receives and other.direction.sends:
        return Direction.SENDONLY
    if section.direction.sends and other.direction.receives:
        return Direction.RECVONLY
    return Direction.INACTIVE


def _our_payload_types(section: Section, other: Section | None) -> tuple[str, ...]:
    """The codec, and its retransmissions (RFC 4588) unless the other side does not know them."""
    codec = _CODECS[section.kind]
    main = section.payload_type_of(codec)
    if main is None:
        raise BadDescription(f"Section {section.mid} does not offer {codec}.")
    if other is not None and other.payload_type_of("rtx") is None:
        return (main,)
    for text in section.attributes:
        payload_type, _, parameters = text.removeprefix("fmtp:").partition(" ")
        is_listed = payload_type in section.payload_types
        if text.startswith("fmtp:") and is_listed and parameters == f"apt={main}":
            return (main, payload_type)
    return (main,)


def _codec_attributes(section: Section, payload_types: Iterable[str]) -> list[str]:
    prefixes = tuple(f"{name}:{pt} " for pt in payload_types for name in ("rtpmap", "fmtp", "rtcp-fb"))
    return [text for text in section.attributes if text.startswith(prefixes)]


def _common_extensions(section: Section, other: Section) -> list[str]:
    """Header extensions that both list, under the numbers of the offer (RFC 8285)."""
    theirs = {_extension_uri(text) for text in other.attributes if text.startswith("extmap:")}
    return [
        text for text in section.attributes if text.startswith("extmap:") and _extension_uri(text) in theirs
    ]


def _extension_uri(extmap: str) -> str:
    words = extmap.split(" ")
    return words[1] if len(words) > 1 else ""


def _blocks(text: str) -> list[list[str]]:
    """Session lines, then the lines of each section; also checks size and characters."""
    if len(text) > MAX_SDP_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_SDP_BYTES:
        raise BadDescription(f"The session description is larger than {MAX_SDP_BYTES // 1024} KiB.")
    lines = [line for line in text.replace("\r\n", "\n").split("\n") if line]
    if not lines or lines[0] != "v=0":
        raise BadDescription("The session description does not start with v=0.")
    if len(lines) > MAX_LINES:
        raise BadDescription(f"The session description has more than {MAX_LINES} lines.")
    blocks: list[list[str]] = [[]]
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE_CHARACTERS or not _LINE.fullmatch(line) or not _is_text(line):
            raise BadDescription(f"Line {number} of the session description is not valid.")
        if line.startswith("m="):
            blocks.append([])
        blocks[-1].append(line)
    if len(blocks) - 1 > MAX_SECTIONS:
        raise BadDescription(f"The session description has more than {MAX_SECTIONS} media sections.")
    return blocks


def _is_text(line: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in line)


def _attributes(lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(line[2:] for line in lines if line.startswith("a="))


def _section(lines: list[str]) -> Section:
    match = _MEDIA.fullmatch(lines[0])
    if match is None:
        raise BadDescription("A media section does not start with a valid m-line.")
    kind, port, protocol = match[1], int(match[2]), match[3]
    if kind not in _KINDS:
        raise BadDescription(f"Media of kind {kind!r} is not supported, only audio and video.")
    if protocol not in _PROTOCOLS:
        raise BadDescription(f"Transport {protocol!r} is not supported, only encrypted RTP with feedback.")
    payload_types = tuple(match[4].split())
    if not all(_PAYLOAD_TYPE.fullmatch(value) and int(value) < 128 for value in payload_types):
        raise BadDescription("A media section lists an invalid payload type.")
    attributes = _attributes(lines)
    mid = _first(attributes, "mid")
    if mid is None or not _MID.fullmatch(mid):
        raise BadDescription("A media section has no valid mid.")
    directions = [Direction(text) for text in attributes if text in _DIRECTIONS]
    if len(directions) > 1:
        raise BadDescription(f"Section {mid} states more than one direction.")
    direction = directions[0] if directions else Direction.SENDRECV  # the default of RFC 8866
    is_rejected = port == 0 and "bundle-only" not in attributes
    return Section(kind, protocol, mid, payload_types, direction, is_rejected, attributes)


def _require_bundle(session: tuple[str, ...], active: list[Section]) -> None:
    for text in session:
        if text.startswith("group:BUNDLE "):
            if {section.mid for section in active} <= set(text.split(" ")[1:]):
                return
            break
    raise BadDescription("All open media sections must share one connection (BUNDLE).")


def _transport(session: tuple[str, ...], active: list[Section]) -> TransportData:
    """Transport data of the first open section, which all others share."""
    first = active[0]

    def find(name: str, pattern: re.Pattern[str]) -> str:
        value = first.attribute(name)
        if value is None:
            value = _first(session, name)
        if value is None or not pattern.fullmatch(value):
            raise BadDescription(f"The session description has no valid {name}.")
        return value

    return TransportData(
        find("ice-ufrag", _UFRAG),
        find("ice-pwd", _PASSWORD),
        find("fingerprint", _FINGERPRINT),
        tuple(text for text in first.attributes if text.startswith("candidate:")),
        "ice-lite" in session,
    )


def _with_setup(description: Description, allowed: tuple[str, ...], role: str) -> Description:
    for section in description.sections:
        if not section.is_rejected:
            setup = section.attribute("setup") or _first(description.attributes, "setup")
            if setup not in allowed:
                raise BadDescription(f"An {role} must have a=setup:{' or '.join(allowed)}.")
    return description


def _first(attributes: Iterable[str], name: str) -> str | None:
    prefix = f"{name}:"
    for text in attributes:
        if text.startswith(prefix):
            return text[len(prefix) :]
        if text == name:
            return ""
    return None
