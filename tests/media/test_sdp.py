from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.media.janus import sdp
from parley.media.janus.sdp import Direction
from parley.media.ports import BadDescription

RECORDED = Path(__file__).with_name("sdp")
"""Made by Chromium and Janus in the order of `test_janus_rooms`."""
NAMES = sorted(path.name for path in RECORDED.glob("*.sdp"))


def recorded(name: str) -> str:
    return (RECORDED / f"{name}.sdp").read_bytes().decode()


def lines_of(text: str, mid: str) -> list[str]:
    """The lines of one section."""
    sections = re.split(r"(?m)^(?=m=)", text.replace("\r\n", "\n"))
    return next(section.splitlines() for section in sections if f"\na=mid:{mid}\n" in section)


@pytest.mark.parametrize("name", NAMES)
def test_recorded_descriptions_pass_unchanged(name):
    text = (RECORDED / name).read_bytes().decode()

    assert sdp.parse(text).text == text


def test_line_ends_are_normalised():
    text = recorded("browser-opens-receiver.offer")

    assert sdp.parse(text.replace("\r\n", "\n")).text == text


def test_sections_are_told_by_mid_kind_and_direction():
    offer = sdp.parse_offer(recorded("browser-closes-consumer.offer"))

    assert [(s.mid, s.kind, s.direction, s.is_rejected) for s in offer.sections] == [
        ("0", "audio", Direction.SENDONLY, False),
        ("1", "video", Direction.SENDONLY, False),
        ("2", "audio", Direction.RECVONLY, False),
        ("3", "video", Direction.INACTIVE, True),
    ]


def test_addresses_that_a_browser_claims_are_not_passed_on():
    text = recorded("browser-opens-receiver.offer")
    claiming = text.replace("a=mid:0", "a=candidate:1 1 udp 2122260223 192.0.2.9 22 typ host\r\na=mid:0")

    assert sdp.parse(claiming).without_candidates() == text


def opening_answer() -> str:
    """To the browser, when its receive transport is opened."""
    return sdp.answer(
        sdp.parse_offer(recorded("browser-opens-receiver.offer")),
        sdp.parse_offer(recorded("janus-opens-receiver.offer")),
        setup="passive",
        version=2,
    )


def test_answer_carries_the_transport_data_of_the_other_side():
    janus = sdp.parse(recorded("janus-opens-receiver.offer")).transport

    transport = sdp.parse_answer(opening_answer()).transport

    assert transport == janus
    assert transport.candidates


def test_two_senders_meet_inactive():
    assert [s.direction for s in sdp.parse(opening_answer()).sections] == [Direction.INACTIVE] * 2


def test_answer_accepts_the_named_codecs_and_retransmission_only():
    answer = sdp.parse(opening_answer())

    codecs = [re.findall(r"rtpmap:\d+ (\w+)/", " ".join(section.attributes)) for section in answer.sections]
    assert codecs == [["opus"], ["VP8", "rtx"]]


def test_retransmission_is_left_out_when_one_side_does_not_know_it():
    janus = recorded("janus-opens-receiver.offer").replace("a=rtpmap:97 rtx/90000\r\n", "")
    answer = sdp.answer(
        sdp.parse_offer(recorded("browser-opens-receiver.offer")),
        sdp.parse(janus),
        setup="passive",
        version=2,
    )

    assert lines_of(answer, "1")[0] == "m=video 9 UDP/TLS/RTP/SAVPF 96"


def test_extensions_are_those_of_both_under_the_numbers_of_the_offer():
    offer = sdp.parse(recorded("browser-opens-receiver.offer"))
    janus = sdp.parse(recorded("janus-opens-receiver.offer"))
    answer = sdp.parse(opening_answer())

    def extensions(section: sdp.Section) -> set[str]:
        return {text for text in section.attributes if text.startswith("extmap:")}

    for asked, known, got in zip(offer.sections, janus.sections, answer.sections, strict=True):
        uris = {text.split(" ")[1] for text in extensions(known)}
        assert extensions(got) == {text for text in extensions(asked) if text.split(" ")[1] in uris}
        assert extensions(got)


def test_closed_section_is_answered_closed_and_leaves_the_bundle():
    answer = sdp.answer(
        sdp.parse_offer(recorded("browser-closes-consumer.offer")),
        sdp.parse_offer(recorded("janus-closes-consumer.offer")),
        setup="passive",
        version=3,
    )

    assert lines_of(answer, "3")[0].startswith("m=video 0 ")
    assert "a=group:BUNDLE 0 1 2\r\n" in answer


def test_section_that_goes_on_keeps_its_stream_in_the_answer():
    janus = recorded("janus-closes-consumer.offer")
    answer = sdp.answer(
        sdp.parse_offer(recorded("browser-closes-consumer.offer")),
        sdp.parse_offer(janus),
        setup="passive",
        version=3,
    )

    got, sent = lines_of(answer, "2"), lines_of(janus, "2")
    assert "a=sendonly" in got
    names = [line for line in sent if line.startswith(("a=msid:", "a=ssrc:"))]
    assert names
    assert [line for line in got if line.startswith(("a=msid:", "a=ssrc:"))] == names


def test_section_that_the_browser_does_not_have_is_inactive_towards_janus():
    answer = sdp.answer(
        sdp.parse_offer(recorded("janus-consumes.offer")),
        sdp.parse_offer(recorded("browser-opens-receiver.offer")).reached_by_checks(),
        setup="active",
        version=3,
    )

    assert [s.direction for s in sdp.parse_answer(answer).sections] == [Direction.INACTIVE] * 4
    assert "a=candidate" not in answer


def changed(old: str, new: str, name: str = "browser-opens-receiver.offer") -> str:
    text = recorded(name)
    assert old in text
    return text.replace(old, new)


GARBAGE = {
    "empty": "",
    "no text": "\r\n\r\n",
    "other text": "GET / HTTP/1.1\r\n\r\n",
    "no media": "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n",
    "too large": "v=0\r\n" + "a=x\r\n" * 60_000,
    "too large in bytes": "v=0\r\n" + ("a=" + "\u4e16" * 12 + "\r\n") * 9_000,
    "too many lines": "v=0\r\n" + "a=x\r\n" * 10_001,
    "too long a line": "v=0\r\na=" + "x" * 5000 + "\r\n",
    "too many sections": "v=0\r\n" + "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" * 201,
    "NUL": changed("a=mid:0", "a=mid:0\x00"),
    "carriage return alone": changed("a=mid:0\r\n", "a=mid:0\ra=sendrecv\r\n"),
    "escape sequence": changed("s=-", "s=\x1b[31m"),
    "lone surrogate": changed("s=-", "s=\ud800"),
    "line without a letter": changed("s=-", "=-"),
    "no mid": changed("a=mid:1\r\n", ""),
    "same mid twice": changed("a=mid:1\r\n", "a=mid:0\r\n"),
    "blank in a mid": changed("a=mid:0", "a=mid:0 0"),
    "overlong mid": changed("a=mid:0", "a=mid:" + "0" * 40),
    "no bundle": changed("a=group:BUNDLE 0 1\r\n", ""),
    "section outside the bundle": changed("a=group:BUNDLE 0 1", "a=group:BUNDLE 0"),
    "data channel": changed("m=video 9 UDP/TLS/RTP/SAVPF", "m=application 9 UDP/DTLS/SCTP"),
    "unknown kind": changed("m=video", "m=text"),
    "unencrypted": changed("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
    "payload type out of range": changed("SAVPF 111", "SAVPF 300"),
    "payload type not a number": changed("SAVPF 111", "SAVPF x"),
    "no payload type": changed("SAVPF 111", "SAVPF"),
    "no ufrag": re.sub("a=ice-ufrag.*\r\n", "", recorded("browser-opens-receiver.offer")),
    "short ufrag": re.sub("a=ice-ufrag:.*", "a=ice-ufrag:ab\r", recorded("browser-opens-receiver.offer")),
    "no password": re.sub("a=ice-pwd.*\r\n", "", recorded("browser-opens-receiver.offer")),
    "no fingerprint": re.sub("a=fingerprint.*\r\n", "", recorded("browser-opens-receiver.offer")),
    "bad fingerprint": changed("a=fingerprint:sha-256 ", "a=fingerprint:sha-256 zz:"),
    "two directions": changed("a=sendonly", "a=sendonly\r\na=recvonly"),
    "passive only": changed("a=setup:actpass", "a=setup:passive"),
    "no DTLS role": changed("a=setup:actpass\r\n", ""),
    "all sections closed": changed("m=video 9", "m=video 0").replace("m=audio 9", "m=audio 0"),
}  # fmt: skip


@pytest.mark.parametrize("text", GARBAGE.values(), ids=GARBAGE.keys())
def test_unusable_offer_is_refused_in_a_plain_sentence(text):
    with pytest.raises(BadDescription) as refused:
        sdp.parse_offer(text)

    assert refused.value.message.endswith(".")
    assert len(refused.value.message) < 120


def test_offer_is_not_taken_for_an_answer():
    with pytest.raises(BadDescription, match="answer"):
        sdp.parse_answer(recorded("browser-opens-receiver.offer"))


def test_offer_without_our_codec_cannot_be_answered():
    offer = sdp.parse_offer(changed("VP8", "VP9"))

    with pytest.raises(BadDescription, match="vp8"):
        sdp.answer(offer, sdp.parse(recorded("janus-opens-receiver.offer")), setup="passive", version=2)


def test_payload_type_that_its_section_does_not_list_is_not_used():
    offer = sdp.parse_offer(changed("a=rtpmap:96 VP8", "a=rtpmap:99 VP8"))

    with pytest.raises(BadDescription):
        sdp.answer(offer, sdp.parse(recorded("janus-opens-receiver.offer")), setup="passive", version=2)


def refuse_or_answer(text: str) -> None:
    """Only BadDescription may escape, and what is accepted can be answered with a valid description."""
    try:
        offer = sdp.parse_offer(text)
        answer = sdp.answer(offer, sdp.parse(recorded("janus-consumes.offer")), setup="passive", version=2)
    except BadDescription:
        return
    parsed = sdp.parse_answer(answer)
    assert [(s.mid, s.kind) for s in parsed.sections] == [(s.mid, s.kind) for s in offer.sections]


@settings(deadline=None)  # other tests share the processor
@given(st.text(max_size=400))
def test_any_text_is_refused_or_answered(text):
    refuse_or_answer(text)


@settings(deadline=None)
@given(st.data())
def test_damaged_offers_are_refused_or_answered(data):
    """Lines of a real offer dropped, repeated, exchanged, or with a piece replaced by anything."""
    lines = recorded(data.draw(st.sampled_from(["browser-publishes.offer", "browser-closes-consumer.offer"])))
    damaged = lines.split("\r\n")
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        match data.draw(st.sampled_from(["drop", "repeat", "exchange", "piece"])):
            case "drop":
                damaged[at] = ""
            case "repeat":
                damaged.insert(at, damaged[data.draw(st.integers(0, len(damaged) - 1))])
            case "exchange":
                other = data.draw(st.integers(0, len(damaged) - 1))
                damaged[at], damaged[other] = damaged[other], damaged[at]
            case "piece":
                start = data.draw(st.integers(0, len(damaged[at])))
                damaged[at] = damaged[at][:start] + data.draw(st.text(max_size=12)) + damaged[at][start + 3 :]
    refuse_or_answer("\r\n".join(damaged))
