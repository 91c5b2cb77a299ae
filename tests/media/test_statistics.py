"""What the media engine tells of what it receives."""

from __future__ import annotations

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
        told = {each.mid: each for each in (await publisher.sender.statistics()).streams}
        counted = [told[each.mid].packets for each in (microphone, camera) if each.mid in told]
        return "" if len(counted) == 2 and min(counted) > 20 else f"counted {counted}"

    await until(reason)
    arriving = await publisher.sender.statistics()
    told = {each.mid: each for each in arriving.streams}
    assert arriving.path is not None
    assert {end.protocol for end in arriving.path} == {"udp"}
    assert 30000 <= arriving.path[0].port < 32000
    assert (told[microphone.mid].kind, told[camera.mid].kind) == ("audio", "video")
    assert all(each.bytes > each.packets and each.lost >= 0 and each.jitter_s >= 0 for each in told.values())


async def test_a_closed_transport_tells_nothing(join):
    publisher, _ = await join()
    await publisher.publish("audio")
    handle = publisher.sender._attached
    await publisher.sender.close()
    with pytest.raises(TransportGone):
        await publisher.sender.statistics()
    with pytest.raises(TransportGone):  # asked a moment before it was closed
        await handle.arriving()


async def test_a_lost_admin_connection_is_opened_again(join, engine):
    publisher, _ = await join()
    await publisher.publish("audio")
    await publisher.sender.statistics()
    admin = engine._last_run.client.admin
    await admin._socket.close()
    with pytest.raises(MediaError):
        await publisher.sender.statistics()
    await publisher.sender.statistics()
