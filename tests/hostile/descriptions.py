"""Session descriptions that no browser writes, by what is wrong with them."""

from __future__ import annotations

import json
import random

from parley.headless.descriptions import Direction, Section, write
from tests.wire.realtimekit.client.studio import CREDENTIALS

PAIR = [Section("0", "audio", Direction.SENDONLY), Section("1", "video", Direction.SENDONLY)]
GOOD = write(CREDENTIALS, PAIR, setup="actpass", version=1)
"""What a client offers for a new transport."""


def instead(old: str, new: str) -> str:
    """The good offer with something replaced."""
    assert old in GOOD
    return GOOD.replace(old, new)


def also(*attributes: str) -> str:
    """The good offer with more attributes in its last section."""
    return GOOD + "".join(f"a={attribute}\r\n" for attribute in attributes)


def many(count: int) -> str:
    """An offer of many sections."""
    sections = [Section(str(n), "video", Direction.SENDONLY) for n in range(count)]
    return write(CREDENTIALS, sections, setup="actpass", version=1)


REFUSED: dict[str, str] = {
    "empty": "",
    "only the version": "v=0",
    "not a description": "hello\r\nworld\r\n",
    "NUL": "\0" * 100,
    "NUL inside": instead("a=mid:1", "a=mid:1\0"),
    "format strings": "%n%n%n%s%s%s\r\n" * 50,
    "JSON": json.dumps({"type": "offer", "sdp": GOOD}),
    "newlines": "\r\n" * 20_000,
    "cut in the middle of a line": GOOD[: len(GOOD) // 3],
    "without media": GOOD[: GOOD.index("m=")],
    "too long": also(*["x-filler:" + "x" * 1000] * 300),
    "too many lines": also(*["x"] * 10_001),
    "one long line": also("x:" + "x" * 5_000),
    "too many sections": many(201),
    "the same mid twice": instead("a=mid:1", "a=mid:0"),
    "a long mid": instead("a=mid:1", "a=mid:" + "1" * 300),
    "a mid with a space": instead("a=mid:1", "a=mid:1 2"),
    "no bundle": instead("a=group:BUNDLE 0 1\r\n", ""),
    "no user name": instead("a=ice-ufrag:ufrag\r\n", ""),
    "no password": instead(f"a=ice-pwd:{CREDENTIALS.password}\r\n", ""),
    "a password with a line in it": instead(CREDENTIALS.password, "p\r\na=ice-lite"),
    "no fingerprint": instead(f"a=fingerprint:{CREDENTIALS.fingerprint}\r\n", ""),
    "a short fingerprint": instead(CREDENTIALS.fingerprint, "sha-256 AB"),
    "a fingerprint that is none": instead(CREDENTIALS.fingerprint, "sha-256 " + "zz" * 32),
    "a role that only an answer has": instead("a=setup:actpass", "a=setup:passive"),
    "no role": instead("a=setup:actpass\r\n", ""),
    "everything closed": instead("m=audio 9", "m=audio 0").replace("m=video 9", "m=video 0"),
    "a port beyond all": instead("m=video 9 ", "m=video 99999999 "),
    "a data channel": instead(
        "m=video 9 UDP/TLS/RTP/SAVPF 96", "m=application 9 UDP/DTLS/SCTP webrtc-datachannel"
    ),
    "no encryption": instead("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
}
"""By what is wrong with it."""

NEGOTIABLE: dict[str, str] = {
    "numbers beyond all": also("ssrc:99999999999999999999 cname:x", "extmap:99999 urn:x", "rtcp:-1 IN IP4"),
    "a version beyond all": instead("o=- 4712 1 ", "o=- 99999999999999999999 99999999999999999999 "),
    "strange rates": instead("opus/48000/2", "opus/0/99999"),
    "no codec": instead("a=rtpmap:96 VP8/90000\r\n", ""),
    "another codec": instead("VP8/90000", "H265/90000"),
    "a payload type beyond all": instead("SAVPF 96", "SAVPF 96 999"),
    "strange simulcast": also("rid:f send", "rid: send", "simulcast:send ;;;~,,f;" + "q" * 1000),
    "many layers": also(
        *[f"rid:{n} send" for n in range(500)], "simulcast:send " + ";".join(map(str, range(500)))
    ),
    "many streams in one section": also(*[f"ssrc:{n} cname:c{n}" for n in range(1000)]),
    "strange groups": also("ssrc-group:SIM " + "1 " * 500, "ssrc-group:FID", "ssrc-group:"),
    "addresses of others": also(
        "candidate:1 1 udp 1 169.254.169.254 80 typ host",
        "candidate:1 1 udp 1 evil.example 1 typ host",
        "candidate:x",
    ),
    "the other direction": instead("a=sendonly", "a=recvonly"),
    "all directions": also("sendonly", "recvonly", "inactive", "sendrecv"),
    "not ours to say": also("ice-lite", "ice-options:trickle x", "end-of-candidates", "crypto:1 x inline:y"),
    "other letters": also("msid:\N{PILE OF POO} \N{RIGHT-TO-LEFT OVERRIDE}", "x-%s-%n:%s%n"),
    "long parameters": also("fmtp:96 " + "x=1;" * 900),
    "many extensions": also(*[f"extmap:{n} urn:x-{n}" for n in range(2000)]),
    "many sections": many(60),
}
"""What a tolerant reader may make something of; the answer is the engine's affair."""


def mangled(rng: random.Random) -> str:
    """The good offer after a few random accidents."""
    lines = GOOD.split("\r\n")
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(lines))
        match rng.randrange(6):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, rng.choice(lines))
            case 2:
                other = rng.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
            case 3:
                lines[at] = lines[at][: rng.randrange(len(lines[at]) + 1)]
            case 4:
                cut = rng.randrange(len(lines[at]) + 1)
                lines[at] = (
                    lines[at][:cut] + rng.choice(["\n", " ", "-1", "%n", "9" * 30, "\x7f"]) + lines[at][cut:]
                )
            case _:
                lines[at] = lines[at] * rng.randint(2, 50)
        lines = lines or [""]
    return "\r\n".join(lines)
