"""Clients that come back without transports: what waits for what."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from parley.meetings.live import returning
from parley.meetings.live.returning import Direction, Return
from parley.meetings.model import Meeting
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import Media, Room
from tests.wire.realtimekit.client.house import House, house_on
from tests.wire.realtimekit.client.peer import Frame, Peer, Refused

LONG_S = 60.0


async def waits(work: Awaitable[None]) -> bool:
    """Whether it needs more than what has happened already."""
    task = asyncio.ensure_future(work)
    for _ in range(10):
        await asyncio.sleep(0)
    is_done = task.done()
    task.cancel()
    return not is_done


async def test_joining_waits_for_both_transports() -> None:
    way_back = Return(LONG_S, is_joining=True)
    assert await waits(way_back.until_asked())
    way_back.ask(Direction.RECEIVE)
    way_back.ask(Direction.RECEIVE)
    assert await waits(way_back.until_asked())
    way_back.ask(Direction.SEND)
    assert way_back.is_complete
    assert not await waits(way_back.until_asked())


async def test_transports_wait_until_media_begins() -> None:
    way_back = Return(LONG_S, is_joining=True)
    way_back.ask(Direction.RECEIVE)
    way_back.ask(Direction.SEND)
    assert await waits(way_back.until_begun())
    way_back.begin()
    assert not await waits(way_back.until_begun())


async def test_a_client_that_asks_for_nothing_is_let_in_at_the_deadline() -> None:
    async with asyncio.timeout(LONG_S / 2):
        await Return(0.01, is_joining=True).until_asked()


async def test_a_second_transport_that_never_comes_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(returning, "SECOND_TIMEOUT_S", 0.01)
    way_back = Return(LONG_S, is_joining=True)
    way_back.ask(Direction.SEND)
    async with asyncio.timeout(LONG_S / 2):
        await way_back.until_asked()


async def test_transports_of_a_client_that_never_joins_are_opened_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(returning, "SECOND_TIMEOUT_S", 0.01)
    monkeypatch.setattr(returning, "BEGIN_TIMEOUT_S", 0.01)
    async with asyncio.timeout(LONG_S / 2):
        await Return(0.01, is_joining=True).until_begun()


async def opens(peer: Peer, *, consuming: bool) -> None:
    """Ask for a transport; there is no media engine, so it ends with a refusal."""
    offer = pb.MediaSessionDescription(type="offer", sdp="v=0")
    request = pb.MediaCreateTransportRequest(consuming=consuming, description=offer)
    with pytest.raises(Refused, match="media"):
        await peer.ask(Media.CREATE_TRANSPORT, request)


async def still_wait(house: House, peer: Peer, *requests: asyncio.Task[Any]) -> None:
    """The server had time for all these requests of a peer, and answered none of them."""
    other_tab = await house.come(peer.token)  # joining is one after the other
    await opens(other_tab, consuming=False)
    with pytest.raises(Refused):
        await peer.ask(Media.RENEGOTIATE, pb.MediaRenegotiateRequest())  # is always carried out at once
    assert not any(request.done() for request in requests)


async def test_after_a_restart_nothing_is_answered_before_both_transports_were_asked_for(
    house: House, meeting: Meeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = await house.guest(meeting)
    await house.registry.stop()
    monkeypatch.setattr("parley.meetings.live.media.RETURN_TIMEOUT_S", LONG_S)

    async with house_on(house.store, house.app) as again, asyncio.TaskGroup() as tasks:
        back = await again.connect(guest.token, peer_id=guest.id)
        answered: list[int] = []

        def note(frame: Frame) -> None:
            if frame.id and frame.message.DESCRIPTOR is not pb.EdgeErrorResponse.DESCRIPTOR:
                answered.append(frame.event)

        back.listener = note
        receive = tasks.create_task(opens(back, consuming=True))
        joining = tasks.create_task(back.enter(media=False))
        await still_wait(again, back, receive, joining)
        send = tasks.create_task(opens(back, consuming=False))
        await joining
        await still_wait(again, back, receive, send)
        await back.ask(Media.JOIN, pb.EdgePeerJoinRequest(prejoined=True))
        await asyncio.gather(receive, send)
        assert answered == [Room.JOIN, Media.JOIN]


async def test_a_new_client_is_answered_at_once_after_a_restart(
    house: House, meeting: Meeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = await house.guest(meeting)
    await house.registry.stop()
    monkeypatch.setattr("parley.meetings.live.media.RETURN_TIMEOUT_S", LONG_S)

    async with house_on(house.store, house.app) as again:
        other_tab = await again.connect(guest.token)
        await opens(other_tab, consuming=True)
        await other_tab.enter()
        await opens(other_tab, consuming=False)
