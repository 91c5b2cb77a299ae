"""Who may open a socket, and whose peer id it is; and the HTTP beside it refuses the same people."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import timedelta
from typing import Any

import jwt
import pytest
from websockets.exceptions import ConnectionClosed

from parley.accounts.scope import AppScope
from parley.base.ids import new_uuid
from parley.meetings import participants, service
from parley.meetings.apps import create_app
from parley.meetings.model import Meeting, MeetingStatus
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import Chat, Media, Room
from tests.wire.realtimekit.client.house import House, browser_of
from tests.wire.realtimekit.client.peer import Peer, Rejected, claims

HTTP_ROUTES = (("GET", "/v2/internals/participant-details"), ("POST", "/v2/meetings/chat-upload"))


async def refused_with(house: House, token: str, *, room_id: str | None = None) -> set[int]:
    """The statuses of the socket and of the HTTP routes, all of which must have our shape of an error."""
    statuses = set()
    with pytest.raises(Rejected) as socket:
        await Peer.open(
            house.url, {"roomID": room_id or "x", "peerID": new_uuid(), "authToken": token}, token=token
        )
    statuses.add(socket.value.status)
    assert socket.value.body["success"] is False
    async with browser_of(house.url) as http:
        for method, path in HTTP_ROUTES:
            async with http.request(method, path, headers={"Authorization": f"Bearer {token}"}) as answer:
                assert answer.content_type == "application/json"
                body = await answer.json()
                assert body["success"] is False
                assert body["error"]["code"] == answer.status
                assert set(body["error"]) == {"code", "message"}
                statuses.add(answer.status)
    return statuses


def resigned(token: str, key: bytes, **changes: Any) -> str:
    claimed = {name: value for name, value in {**claims(token), **changes}.items() if value is not None}
    return jwt.encode(claimed, key, algorithm="HS256")


def unsigned(token: str) -> str:
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).decode().rstrip("=")
    return f"{header}.{token.split('.')[1]}."


async def test_forged_tokens_open_nothing(house: House, meeting: Meeting) -> None:
    person, token = await house.invite(meeting)
    key = house.tokens._key
    other_algorithm = jwt.encode(claims(token), key * 2, algorithm="HS512")
    forged = {
        "none": unsigned(token),
        "another key": resigned(token, bytes(32)),
        "another algorithm": other_algorithm,
        "another purpose": resigned(token, key, purpose="upload"),
        "no purpose": resigned(token, key, purpose=None),
        "another audience": resigned(token, key, aud="parley:companion"),
        "no audience": resigned(token, key, aud=None),
        "no end": resigned(token, key, exp=None),
        "an end that is no number": resigned(token, key, exp=True),
        "changed payload": f"{token.split('.')[0]}.{unsigned(token).split('.')[1]}x.{token.split('.')[2]}",
        "nothing": "",
        "garbage": "eyJ.\N{PILE OF POO}.\x00",
        "a long one": "eyJ" + "a" * 7000,
    }
    assert resigned(token, key) != ""
    for name, wrong in forged.items():
        if name in ("nothing", "garbage"):
            with pytest.raises(Rejected) as socket:
                await Peer.open(house.url, {"roomID": meeting.id, "peerID": new_uuid(), "authToken": wrong})
            assert socket.value.status == 401, name
        else:
            assert await refused_with(house, wrong, room_id=meeting.id) == {401}, name
    genuine = await house.connect(resigned(token, key))
    assert genuine.user_id == person.id


async def test_tokens_expire(house: House, meeting: Meeting) -> None:
    _, token = await house.invite(meeting)
    house.store.clock.advance(timedelta(days=100).total_seconds())  # type: ignore[attr-defined]
    assert await refused_with(house, token, room_id=meeting.id) == {401}


async def test_a_token_opens_only_its_own_meeting(house: House, meeting: Meeting) -> None:
    person, token = await house.invite(meeting)
    elsewhere = await house.meeting("elsewhere")
    with pytest.raises(Rejected) as refused:
        await house.connect(token, room_id=elsewhere.id)
    assert refused.value.status == 403
    moved = house.token(person, meeting_id=elsewhere.id)
    assert await refused_with(house, moved, room_id=elsewhere.id) == {404}
    nowhere = house.token(person, meeting_id=new_uuid())
    assert await refused_with(house, nowhere, room_id=claims(nowhere)["meetingId"]) == {404}


async def test_a_deleted_participant_is_out_and_stays_out(house: House, meeting: Meeting) -> None:
    peer = await house.guest(meeting)
    await participants.remove_participant(house.app, meeting.id, peer.user_id)  # type: ignore[arg-type]
    await peer.next(Room.KICK)
    assert await refused_with(house, peer.token, room_id=meeting.id) == {404}


async def test_other_tenants_are_not_found(house: House, meeting: Meeting, other_scope: AppScope) -> None:
    person, _ = await house.invite(meeting)
    theirs = await create_app(other_scope, "Theirs")
    token = house.token(person, app_id=theirs.id)
    assert await refused_with(house, token, room_id=meeting.id) == {404}
    nobodys = house.token(person, app_id=new_uuid())
    assert await refused_with(house, nobodys, room_id=meeting.id) <= {401, 404}


async def test_an_inactive_meeting_is_refused_before_init(house: House, meeting: Meeting) -> None:
    _, token = await house.invite(meeting)
    await service.edit_meeting(house.app, meeting.id, service.MeetingEdit(status=MeetingStatus.INACTIVE))
    async with (
        browser_of(house.url) as http,
        http.get(HTTP_ROUTES[0][1], headers={"Authorization": f"Bearer {token}"}) as answer,
    ):
        assert answer.status == 403
        assert (await answer.json())["error"]["message"] == "Meeting is inactive"


@pytest.mark.parametrize("peer_id", ["", "x", "../../etc", "00000000-0000-0000-0000-00000000000g", "a" * 36])
async def test_peer_ids_are_uuids(house: House, meeting: Meeting, peer_id: str) -> None:
    _, token = await house.invite(meeting)
    with pytest.raises(Rejected) as refused:
        await Peer.open(house.url, {"roomID": meeting.id, "peerID": peer_id, "authToken": token})
    assert refused.value.status == 403


async def test_a_second_socket_with_the_peer_id_takes_over(house: House, meeting: Meeting) -> None:
    other = await house.guest(meeting)
    first = await house.guest(meeting)
    await other.quiet()

    second = await house.connect(first.token, peer_id=first.id.upper())

    assert await first.gone() == 4000
    await second.tell(Chat.SEND_TO_ROOM, pb.ChatSendChatMessageToRoomRequest(payload="still me"))
    assert [frame.event for frame in await other.news()] == [Chat.SEND_TO_ROOM]
    live = house.live(meeting)
    assert live is not None
    assert len(live.joined()) == 2


@pytest.mark.parametrize("joined", [True, False])
async def test_the_peer_id_of_another_participant_is_refused(
    house: House, meeting: Meeting, joined: bool
) -> None:
    """Also before its owner has joined, when no row of the database names it yet."""
    _, token = await house.invite(meeting)
    owner = await house.come(token) if joined else await house.connect(token)
    _, wrong = await house.invite(meeting)
    with pytest.raises(Rejected) as refused:
        await house.connect(wrong, peer_id=owner.id)
    assert refused.value.status == 403
    await owner.settle()


async def test_of_two_participants_with_one_new_peer_id_one_gets_in(house: House, meeting: Meeting) -> None:
    tokens = [(await house.invite(meeting))[1] for _ in range(2)]
    peer_id = new_uuid()
    attempts = await asyncio.gather(
        *(house.connect(token, peer_id=peer_id) for token in tokens), return_exceptions=True
    )
    bound = 0
    for attempt in attempts:
        if isinstance(attempt, Peer):
            try:
                await attempt.settle()
                bound += 1
            except (ConnectionError, ConnectionClosed):
                assert await attempt.gone() == 1008
        else:
            assert isinstance(attempt, Rejected)
    assert bound == 1


async def test_a_peer_id_belongs_to_its_participant_in_later_sessions_too(
    house: House, meeting: Meeting
) -> None:
    owner = await house.guest(meeting)
    await house.registry.kick_all(house.app, meeting.id)
    await owner.gone()
    _, wrong = await house.invite(meeting)
    with pytest.raises(Rejected) as refused:
        await house.connect(wrong, peer_id=owner.id)
    assert refused.value.status == 403
    again = await house.come(owner.token, peer_id=owner.id)
    assert again.is_open


async def test_joins_replayed_on_one_socket_count_once(house: House, meeting: Meeting) -> None:
    peer = await house.guest(meeting)
    await asyncio.gather(*(peer.ask(Room.JOIN) for _ in range(20)))
    await asyncio.gather(*(peer.ask(Media.JOIN, pb.EdgePeerJoinRequest(prejoined=True)) for _ in range(20)))
    live = house.live(meeting)
    assert live is not None
    assert live.session is not None
    assert (live.session.live_participants, live.session.max_concurrent_participants) == (1, 1)
