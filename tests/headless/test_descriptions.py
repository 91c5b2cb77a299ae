"""What we write is what the server reads, and the other way round."""

from __future__ import annotations

from pathlib import Path

import pytest

from parley.headless.descriptions import Credentials, Direction, Section, read, write
from parley.headless.errors import RequestRefused
from parley.media.janus import sdp

CREDENTIALS = Credentials("abcd", "x" * 24, "sha-256 " + ":".join(["AB"] * 32))
JANUS_OFFER = Path(__file__).parents[1] / "media" / "sdp" / "janus-consumes.offer.sdp"


def written(*sections: Section, setup: str = "actpass") -> str:
    return write(CREDENTIALS, sections, setup=setup, version=1)


def test_server_understands_our_offer():
    offer = sdp.parse_offer(
        written(
            Section("0", "audio", Direction.SENDONLY),
            Section("1", "video", Direction.SENDONLY),
            Section("2", "audio", Direction.SENDONLY, ssrc=7, cname="me"),
        )
    )

    assert [(section.mid, section.kind) for section in offer.sections] == [
        ("0", "audio"),
        ("1", "video"),
        ("2", "audio"),
    ]
    assert offer.sections[0].payload_type_of("opus") == "111"
    assert offer.sections[1].payload_type_of("vp8") == "96"
    assert "ssrc:7 cname:me" in offer.sections[2].attributes
    assert offer.transport.ufrag == "abcd"


def test_closed_section_has_port_zero_and_leaves_the_bundle():
    offer = sdp.parse_offer(
        written(
            Section("0", "audio", Direction.SENDONLY),
            Section("2", "video", Direction.RECVONLY, is_closed=True),
        )
    )

    assert [section.is_rejected for section in offer.sections] == [False, True]
    assert "group:BUNDLE 0" in offer.attributes


def test_offer_of_janus_is_understood():
    offer = read(JANUS_OFFER.read_text())

    assert [(s.mid, s.kind, s.ssrc, s.payload_type) for s in offer.sections] == [
        ("0", "audio", 633729199, 111),
        ("1", "video", 1593685248, 96),
        ("2", "audio", 292965079, 111),
        ("3", "video", 4026741190, 96),
    ]
    assert all(section.sends and not section.is_closed for section in offer.sections)
    assert [candidate.port for candidate in offer.candidates] == [20119]
    assert offer.dtls.fingerprints


@pytest.mark.parametrize("text", ["", "nonsense", written()])
def test_description_without_a_connection_is_refused(text: str):
    with pytest.raises(RequestRefused):
        read(text)
