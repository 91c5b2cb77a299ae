"""Two connections with each other: also notices when aiortc's undocumented members change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiortc import RTCDtlsFingerprint, RTCDtlsParameters, RTCIceParameters

from parley.headless.descriptions import RemoteDescription
from parley.headless.errors import ConnectionLost
from parley.headless.sources import NOTHING, tone_source
from parley.headless.transport import Counts, MediaConnection
from tests.waiting import until

pytestmark = pytest.mark.media


async def described(connection: MediaConnection, role: str) -> RemoteDescription:
    """The connection as its other side would see it."""
    credentials = await connection.credentials()
    algorithm, _, value = credentials.fingerprint.partition(" ")
    return RemoteDescription(
        (),
        RTCIceParameters(credentials.ufrag, credentials.password),
        RTCDtlsParameters([RTCDtlsFingerprint(algorithm, value)], role),
        tuple(connection._ice.iceGatherer.getLocalCandidates()),
    )


class Pair:
    """A sender, a receiver, and what they told."""

    def __init__(self) -> None:
        self.lost: list[str] = []
        self.sender = MediaConnection((), lambda: self.lost.append("sender"))
        self.receiver = MediaConnection((), lambda: self.lost.append("receiver"))

    async def connect(self) -> None:
        sender, receiver = await described(self.sender, "server"), await described(self.receiver, "client")
        self.sender.start(receiver)
        self.receiver.start(sender)
        await asyncio.gather(self.sender.wait_connected(), self.receiver.wait_connected())


@pytest_asyncio.fixture
async def pair() -> AsyncIterator[Pair]:
    """Stopped after the test."""
    pair = Pair()
    yield pair
    await pair.sender.stop()
    await pair.receiver.stop()


async def test_streams_are_counted_without_being_decoded(pair: Pair):
    await pair.connect()
    source = await tone_source("one", 0)
    sent = {}
    for mid, (kind, make_track) in enumerate(source.kinds.items()):
        sent[kind] = pair.sender.add_sender(make_track())
        pair.receiver.count(sent[kind].ssrc, kind, counts := Counts())
        sent[kind].counts = counts
        await pair.sender.send(sent[kind], str(mid), "me")

    await until(
        lambda: "" if all(each.counts.frames >= 3 for each in sent.values()) else "no three frames of both"
    )
    assert sent["video"].counts.packets >= sent["video"].counts.frames
    assert sent["audio"].counts.packets == sent["audio"].counts.frames
    pair.receiver.stop_counting(sent["audio"].ssrc)
    assert NOTHING.kinds == {}


async def test_picture_is_decoded_soon_after_a_key_frame_was_requested(pair: Pair):
    await pair.connect()
    source = await tone_source("two", 1)
    assert source.video is not None
    sender = pair.sender.add_sender(source.video())
    pair.receiver.count(sender.ssrc, "video", counts := Counts())
    await pair.sender.send(sender, "0", "me")
    await until(lambda: "" if counts.frames >= 2 else "nothing is sent")  # the first key frame is over

    decoded = await pair.receiver.decode("video", "0", sender.ssrc, 96)
    await pair.receiver.request_key_frame(decoded, sender.ssrc)
    frame = await asyncio.wait_for(decoded.track.recv(), 30)

    assert (frame.width, frame.height) == (320, 180)
    assert counts.frames < 15  # the next key frame of the loop would have been the sixteenth
    await pair.receiver.stop_decoding(decoded)


async def test_end_of_the_other_side_is_told_once_and_own_stop_never(pair: Pair):
    await pair.connect()

    await pair.sender.stop()
    await pair.sender.stop()

    await until(lambda: "" if pair.lost else "not told")
    assert pair.lost == ["receiver"]


async def test_unreachable_server_is_a_lost_connection(pair: Pair):
    nobody = await described(pair.receiver, "server")
    pair.sender.start(RemoteDescription((), nobody.ice, nobody.dtls, ()))

    with pytest.raises(ConnectionLost, match="No media connection"):
        await pair.sender.wait_connected(0.2)
