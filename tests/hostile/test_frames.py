"""Frames no official client sends: each is answered in the protocol's shape, or closes its own socket."""

from __future__ import annotations

import asyncio
import json
import random

import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from parley.base.ids import new_uuid
from parley.meetings.model import Meeting
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import REQUEST_FAILED, Chat, Media, Room, is_media
from parley.wire.realtimekit.client.verbs import verbs
from tests.wire.realtimekit.client.house import House
from tests.wire.realtimekit.client.peer import Peer

FRAMES_PER_EXAMPLE = 40
DOCUMENTED_CODES = {1000, 1002, 1003, 1007, 1008, 1009, 4000, 4001, 4002}
ENDS = {Room.LEAVE, Room.KICK_ALL, Room.KICK, Media.LEAVE}
"""Valid requests that end a peer or the session: their effects have tests of their own."""

EVENTS = sorted(set(verbs) - ENDS)
text = st.text(max_size=20) | st.sampled_from(["\0", "%", "' OR 1=1", "a" * 5000, new_uuid()])


def fill(message: Message, data: st.DataObject, depth: int = 0) -> Message:
    """Random values in random fields of a message."""
    for field in message.DESCRIPTOR.fields:
        if not data.draw(st.booleans()):
            continue
        for _ in range(data.draw(st.integers(1, 3)) if field.is_repeated else 1):
            if field.message_type is not None:
                if field.message_type.GetOptions().map_entry or depth > 3:
                    continue
                child = getattr(message, field.name)
                fill(child.add() if field.is_repeated else child, data, depth + 1)
                continue
            kinds = {
                field.CPPTYPE_STRING: st.binary(max_size=40) if field.type == field.TYPE_BYTES else text,
                field.CPPTYPE_BOOL: st.booleans(),
                field.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
                field.CPPTYPE_ENUM: st.integers(-(2**31), 2**31 - 1),
                field.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
                field.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
                field.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
                field.CPPTYPE_FLOAT: st.floats(width=32),
                field.CPPTYPE_DOUBLE: st.floats(),
            }
            value = data.draw(kinds[field.cpp_type])
            if field.is_repeated:
                getattr(message, field.name).append(value)
            else:
                setattr(message, field.name, value)
    return message


def enveloped(event: int, payload: bytes, request_id: str = "x") -> bytes:
    return pb.SocketMessage(event=event, id=request_id, payload=payload).SerializeToString()


@st.composite
def hostile_frames(draw: st.DrawFn) -> bytes | str:
    data = draw(st.data())
    kind = draw(st.sampled_from(["bytes", "envelope", "message", "mutated", "text"]))
    if kind == "bytes":
        return draw(st.binary(max_size=200))
    if kind == "text":
        return draw(st.text(max_size=50))
    event = draw(st.sampled_from(EVENTS) | st.integers(0, 0x03000100).filter(lambda n: n not in ENDS))
    if kind == "envelope" or event not in verbs:
        return enveloped(event, draw(st.binary(max_size=100)), draw(text))
    payload = fill(verbs[event].request(), data).SerializeToString()
    if kind == "mutated" and payload:
        at = draw(st.integers(0, len(payload) - 1))
        payload = payload[:at] + draw(st.binary(max_size=3)) + payload[at + 1 :]
    return enveloped(event, payload)


async def alive(peer: Peer) -> None:
    """The peer is still in the meeting, and served."""
    answer = await peer.ask(Room.GET_PEER, pb.RoomGetPeerInfoRequest(peer_id=peer.id))
    assert answer.peer.peer_id == peer.id


@pytest.mark.parametrize("who", ["group_call_host", "webinar_viewer", "not joined"])
async def test_random_frames_harm_nobody(house: House, meeting: Meeting, who: str) -> None:
    """Unexpected errors would be in the log, which the fixture of the server checks."""
    witness = await house.host(meeting)
    loop = asyncio.get_running_loop()
    _, token = await house.invite(meeting, who if who != "not joined" else "group_call_host")

    async def attack(frames: list[bytes | str]) -> None:
        attacker = await house.connect(token)
        if who != "not joined":
            await attacker.enter()
        try:
            for frame in frames:
                await attacker.send_raw(frame)
            await attacker.settle()
            await attacker.close()
        except (ConnectionError, ConnectionClosed):
            assert await attacker.gone() in DOCUMENTED_CODES
        for answer in attacker.unmatched:
            if answer.event in (REQUEST_FAILED, Media.FAILED):
                assert answer.message.error_message
            if answer.event == Media.FAILED:
                assert set(json.loads(answer.message.error_message)) == {"errorCode", "errorDescription"}
                assert is_media(answer.message.event_id)
        await alive(witness)
        witness._news.clear()

    @settings(
        max_examples=15,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(hostile_frames(), min_size=10, max_size=FRAMES_PER_EXAMPLE))
    def examples(frames: list[bytes | str]) -> None:
        asyncio.run_coroutine_threadsafe(attack(frames), loop).result(60)

    await asyncio.to_thread(examples)


async def test_every_event_number_with_no_payload_is_answered_or_ignored(
    house: House, meeting: Meeting
) -> None:
    witness, attacker = await house.host(meeting), await house.host(meeting)
    numbers = [service << 16 | n for service in (0, 1, 2, 3, 4, 5, 6, 0x0100, 0x0300) for n in range(130)]
    for event in [*numbers, 2**31, 2**32 - 1]:
        if event not in ENDS:
            await attacker.send_raw(enveloped(event, b"", f"{event}"))
    await attacker.settle()
    await alive(witness)
    answered = {int(frame.id) for frame in attacker.unmatched}
    silent = {event for event, verb in verbs.items() if not verb.answers}
    # Room.BROADCAST_TO to peers is not answered, and the renegotiation has a lane of its own.
    assert set(numbers) - answered <= silent | ENDS | {Room.BROADCAST_TO}
    for frame in attacker.unmatched:
        if int(frame.id) not in verbs:
            expected = Media.FAILED if is_media(int(frame.id)) else REQUEST_FAILED
            assert frame.event == expected


@pytest.mark.parametrize("request_id", ["", "x" * 129, "\0", "\N{PILE OF POO}" * 40])
async def test_strange_request_ids_are_answered_within_bounds(
    house: House, meeting: Meeting, request_id: str
) -> None:
    peer = await house.guest(meeting)
    await peer.send_raw(enveloped(Room.GET_PEERS, b"", request_id))
    await peer.settle()
    frames = peer.unmatched or list(peer._news)
    assert all(len(frame.id) <= 128 for frame in frames)


async def test_a_message_over_the_frame_limit_closes_its_socket(house: House, meeting: Meeting) -> None:
    witness, attacker = await house.guest(meeting), await house.guest(meeting)
    await attacker.send_raw(bytes(1 << 20))  # exactly the limit: read, and no message
    await attacker.send_raw(bytes((1 << 20) + 1))
    assert await attacker.gone() == 1009
    await alive(witness)


async def test_a_socket_that_sends_only_garbage_is_closed(house: House, meeting: Meeting) -> None:
    witness, attacker = await house.guest(meeting), await house.guest(meeting)
    for _ in range(21):
        await attacker.send_raw(b"\xff\xff\xff")
    assert await attacker.gone() == 1008
    await alive(witness)


async def test_deeply_nested_protobuf_is_malformed(house: House, meeting: Meeting) -> None:
    peer = await house.guest(meeting)
    deep = b"\x0b" * 5_000  # groups that never end
    await peer.send_raw(enveloped(Room.JOIN, deep))
    await peer.send_raw(deep)
    await peer.settle()
    assert {frame.event for frame in peer.unmatched} == {REQUEST_FAILED}


async def test_large_requests_within_the_limit_are_handled(house: House, meeting: Meeting) -> None:
    witness, attacker = await house.host(meeting), await house.host(meeting)
    many = [new_uuid() for _ in range(20_000)]
    for event, message in (
        (Room.KICK, pb.RoomRemoveParticipantsRequest(peer_ids=many)),
        (Room.ACCEPT_WAITING, pb.RoomAcceptWaitingRoomRequests(user_ids=many)),
        (Room.GRANT_STAGE, pb.LiveGrantStageAccessRequest(user_ids=many)),
        (Chat.SEND_TO_PEERS, pb.ChatSendChatMessageToPeersRequest(peer_ids=many, payload="x")),
        (Media.CLOSE_CONSUMER, pb.EdgeConsumerCloseRequest(consumer_ids=many)),
    ):
        await attacker.send_raw(enveloped(event, message.SerializeToString()))
    await attacker.settle()
    await alive(witness)


SDP = ["", "v=0", "v=0\r\n" * 10_000, "\0", "m=audio 9 X 0\r\n" * 500, "v=0\r\na=" + "x" * 100_000]


@pytest.mark.parametrize("sdp", SDP, ids=range(len(SDP)))
async def test_descriptions_that_are_none_are_refused(house: House, meeting: Meeting, sdp: str) -> None:
    witness, attacker = await house.guest(meeting), await house.guest(meeting)
    description = pb.MediaSessionDescription(type="offer", sdp=sdp)
    for event, message in (
        (Media.CREATE_TRANSPORT, pb.MediaCreateTransportRequest(description=description)),
        (Media.CREATE_TRANSPORT, pb.MediaCreateTransportRequest(description=description, consuming=True)),
        (
            Media.PRODUCE,
            pb.EdgeProducerCreateRequest(description=description, kind="audio", app_data="[" * 9000),
        ),
        (Media.RENEGOTIATE, pb.MediaRenegotiateRequest(description=description)),
    ):
        await attacker.send_raw(enveloped(event, message.SerializeToString(), f"{random.random()}"))
    while len(attacker.unmatched) < 4:
        attacker._arrived.clear()
        await asyncio.wait_for(attacker._arrived.wait(), 30)
    assert {frame.event for frame in attacker.unmatched} == {Media.FAILED}
    assert not any("internal_error" in frame.message.error_message for frame in attacker.unmatched)
    await alive(witness)
