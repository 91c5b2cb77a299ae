"""Sockets, the media engine and the server itself are lost, and the meeting goes on."""

from __future__ import annotations

import os
import signal

import pytest

from tests.browser.conftest import Stage
from tests.browser.customer import HOST, PARTICIPANT
from tests.browser.person import everybody_receives
from tests.browser.proxy import wire_to


@pytest.mark.faults
async def test_a_lost_socket_comes_back_with_the_same_peer_and_its_media(stage: Stage) -> None:
    meeting = await stage.meeting("Socket loss")
    alice = await stage.join(meeting, "Alice", HOST)
    async with wire_to(stage.server.url) as wire:
        invitation = await stage.customer.invite(meeting, "Bob", PARTICIPANT)
        bob = await stage.enter_with(invitation, "Bob", via=wire.url)
        await bob.join()
        await everybody_receives(alice, bob)
        peer_id = await bob.do("meeting.self.id")
        session = await stage.customer.live_session(meeting)
        wire.cut()
        await bob.until("happened('socketConnectionUpdate').some(each => each.state === 'reconnecting')")
        await bob.receives(alice)  # media does not depend on the socket
        wire.heal()
        await bob.until("happened('roomJoined').some(each => each.reconnected)")
        await everybody_receives(alice, bob)
        assert await bob.do("meeting.self.id") == peer_id
        assert await stage.customer.live_session(meeting) == session
        await bob.do("meeting.chat.sendTextMessage('back')")
        await alice.until("texts().includes('back')")
        await alice.do("meeting.chat.sendTextMessage('welcome')")
        await bob.until("texts().includes('welcome')")


@pytest.mark.faults
async def test_the_media_engine_dies_and_pictures_come_back(own_stage: Stage) -> None:
    stage = own_stage
    meeting = await stage.meeting("Engine loss")
    alice = await stage.join(meeting, "Alice", HOST)
    bob = await stage.join(meeting, "Bob", PARTICIPANT)
    await everybody_receives(alice, bob)
    session = await stage.customer.live_session(meeting)
    os.kill(stage.server.janus(), signal.SIGKILL)
    await everybody_receives(alice, bob)
    assert await stage.customer.live_session(meeting) == session
    carol = await stage.join(meeting, "Carol", PARTICIPANT)
    await everybody_receives(alice, bob, carol)


@pytest.mark.faults
async def test_the_server_dies_and_the_meeting_goes_on_after_its_restart(own_stage: Stage) -> None:
    stage = own_stage
    meeting = await stage.meeting("Server loss")
    alice = await stage.join(meeting, "Alice", HOST)
    bob = await stage.join(meeting, "Bob", PARTICIPANT)
    await everybody_receives(alice, bob)
    session = await stage.customer.live_session(meeting)
    await alice.do("meeting.chat.sendTextMessage('before')")
    await bob.until("texts().includes('before')")
    await stage.server.kill()
    await stage.server.start()
    for person in (alice, bob):
        await person.until("happened('roomJoined').some(each => each.reconnected)", timeout_s=40)
    await everybody_receives(alice, bob)
    assert await stage.customer.live_session(meeting) == session
    await alice.do("meeting.chat.sendTextMessage('after')")
    await bob.until("texts().includes('after')")
    assert await bob.do("texts()") == ["before", "after"]
