"""What the media engine tells of what it receives."""

from __future__ import annotations

import asyncio
import re

import pytest
import pytest_asyncio

from parley.media.janus.config import JanusOptions
from parley.media.janus.engine import JanusEngine
from parley.media.ports import MediaError, TransportGone
from tests.media.browser import until

pytestmark = [pytest.mark.media, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def engine():
    """A running Janus."""
    engine = JanusEngine(JanusOptions(rtp_ports=(30000, 31999)))
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


async def test_what_arrives_is_counted_by_section(join):
    publisher, _ = await join()
    microphone = await publisher.publish("audio")
    camera = await publisher.publish("video")

    async def reason() -> str:
        told = {each.mid: each for each in (await publisher.sender.statistics()).sections}
        counted = [told[each.mid].packets for each in (microphone, camera) if each.mid in told]
        return "" if len(counted) == 2 and min(counted) > 20 else f"counted {counted}"

    await until(reason)
    arriving = await publisher.sender.statistics()
    told = {each.mid: each for each in arriving.sections}
    assert arriving.path is not None
    assert {end.protocol for end in arriving.path} == {"udp"}
    assert 30000 <= arriving.path[0].port < 32000
    assert (told[microphone.mid].kind, told[camera.mid].kind) == ("audio", "video")
    assert all(each.bytes > each.packets and each.lost >= 0 and each.jitter_s >= 0 for each in told.values())


class Detour(asyncio.DatagramProtocol):
    """Takes packets the long way: each is delayed, and one in ten to the browser is lost."""

    def __init__(self, server: tuple[str, int], delay_s: float) -> None:
        self.server, self.delay_s = server, delay_s
        self.browser: tuple[str, int] | None = None
        self.transport: asyncio.DatagramTransport
        self.count = 0

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        to = self.server
        if addr == self.server:
            self.count += 1
            if self.browser is None or (128 <= data[0] < 192 and self.count % 10 == 0):
                return
            to = self.browser
        else:
            self.browser = addr
        asyncio.get_running_loop().call_later(self.delay_s, self.transport.sendto, data, to)


async def test_what_a_browser_gets_is_counted_by_its_reports(room, open_peer):
    """Over a way of 40 ms in each direction, on which packets are lost."""
    publisher, viewer = await asyncio.gather(open_peer("alice"), open_peer("bob"))
    await publisher.open_sender(room)
    camera = await publisher.publish("video")
    viewer.receiver, answer = await room.open_receiver(
        await viewer.call("openReceiver"), label="bob", on_closed=lambda: None
    )
    found = re.search(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", answer, re.IGNORECASE)
    assert found is not None
    address, port = found[1], int(found[2])
    detour, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Detour((address, port), 0.04), local_addr=(address, 0)
    )
    try:
        direct, around = (f" {number} typ host" for number in (port, detour.get_extra_info("sockname")[1]))
        await viewer.call("answered", "receive", answer.replace(direct, around))
        assert (await viewer.receiver.statistics()).sections == []
        offer = (await viewer.receiver.subscribe([camera])).offer_sdp
        await viewer.receiver.accept(await viewer.call("consume", offer.replace(direct, around)))

        async def reason() -> str:
            sections = (await viewer.receiver.statistics()).sections
            return "" if sections and sections[0].lost and sections[0].rtt_s else f"told {sections}"

        await until(reason)
        told = await viewer.receiver.statistics()
    finally:
        detour.close()
    (section,) = told.sections
    assert (section.source, section.kind) == (camera, "video")
    assert section.rtt_s >= 0.075  # twice the way; a busy machine adds to it
    assert 0 < section.lost < section.packets
    assert told.path is not None


async def test_a_closed_transport_tells_nothing(join):
    publisher, _ = await join()
    await publisher.publish("audio")
    handle = publisher.sender._attached
    await publisher.sender.close()
    with pytest.raises(TransportGone):
        await publisher.sender.statistics()
    with pytest.raises(TransportGone):  # asked a moment before it was closed
        await handle.statistics()


async def test_a_lost_admin_connection_is_opened_again(join, engine):
    publisher, _ = await join()
    await publisher.publish("audio")
    await publisher.sender.statistics()
    admin = engine._last_run.client.admin
    await admin._socket.close()
    with pytest.raises(MediaError):
        await publisher.sender.statistics()
    await publisher.sender.statistics()
