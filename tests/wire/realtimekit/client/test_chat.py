"""Chat: to whom messages go, what history shows, and to whom."""

from __future__ import annotations

import pytest

from parley.meetings.model import Meeting
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import Chat, Preset
from tests.wire.realtimekit.client.house import House
from tests.wire.realtimekit.client.peer import Peer, Refused


async def say(peer: Peer, text: str, *to: Peer, kind: int = 0) -> pb.ChatChatMessage:
    """Send a message, to everybody or to some; returns it as the sender gets it back."""
    if to:
        ids = [peer.id, *(each.id for each in to)]  # the client names itself too
        request = pb.ChatSendChatMessageToPeersRequest(peer_ids=ids, payload=text, payload_type=kind)
        await peer.tell(Chat.SEND_TO_PEERS, request)
        return (await peer.pushed(Chat.SEND_TO_PEERS))[-1].message
    request_all = pb.ChatSendChatMessageToRoomRequest(payload=text, payload_type=kind)
    await peer.tell(Chat.SEND_TO_ROOM, request_all)
    return (await peer.pushed(Chat.SEND_TO_ROOM))[-1].message


async def texts(peer: Peer) -> list[str]:
    return [message.payload for message in (await peer.ask(Chat.HISTORY)).messages]


async def paged(peer: Peer, **wanted: object) -> tuple[list[str], bool]:
    filters = {name: wanted.pop(name) for name in ("pinned", "user_id") if name in wanted}
    request = pb.ChatGetPaginatedChatMessageRoomRequest(**wanted)  # type: ignore[arg-type]
    if filters:
        request.filters.CopyFrom(pb.ChatGetPaginatedChatMessageFilters(**filters))  # type: ignore[arg-type]
    answer = await peer.ask(Chat.PAGE, request)
    return [message.payload for message in answer.messages], answer.next


async def test_a_message_to_everybody_reaches_its_sender_too(house: House, meeting: Meeting) -> None:
    first, second = await house.guest(meeting), await house.guest(meeting)

    sent = await say(first, "hello")

    got = [push.message for push in await second.pushed(Chat.SEND_TO_ROOM)]
    assert got == [sent]
    assert (sent.peer_id, sent.user_id, sent.payload, sent.payload_type) == (
        first.id,
        first.user_id,
        "hello",
        0,
    )
    assert list(sent.target_user_ids) == []
    assert sent.created_at_ms == int(house.store.clock.now().timestamp() * 1000)
    assert sent.created_at == sent.created_at_ms // 1000


async def test_a_private_message_reaches_only_its_readers(house: House, meeting: Meeting) -> None:
    first, second, third = [await house.guest(meeting) for _ in range(3)]

    sent = await say(first, "psst", second)

    assert set(sent.target_user_ids) == {first.user_id, second.user_id}
    assert [push.message for push in await second.pushed(Chat.SEND_TO_PEERS)] == [sent]
    assert await third.pushed(Chat.SEND_TO_PEERS) == []
    assert await texts(second) == ["psst"]
    assert await texts(third) == []


async def test_private_messages_of_others_are_nowhere_to_be_found(house: House, meeting: Meeting) -> None:
    first, second, third = [await house.guest(meeting) for _ in range(3)]
    secret = await say(first, "the secret", second)
    await third.quiet()

    found = await third.ask(Chat.SEARCH, pb.ChatSearchChatMessagesRequest(search_term="secret"))
    assert list(found.messages) == []
    for filters in ({}, {"user_id": first.user_id}, {"user_id": "%"}, {"pinned": False}):
        assert await paged(third, time_stamp=2**62, size=50, reversed=True, **filters) == ([], False)
    for event, request in (
        (Chat.EDIT, pb.ChatEditChatMessageRequest(chat_id=secret.chat_id, payload="mine")),
        (Chat.DELETE, pb.ChatDeleteChatMessageRequest(chat_id=secret.chat_id)),
        (Chat.PIN, pb.ChatPinChatMessageRequest(chat_id=secret.chat_id, pinned=True)),
    ):
        with pytest.raises(Refused):
            await third.ask(event, request)
    await say(second, "edited or not?")
    await first.ask(Chat.EDIT, pb.ChatEditChatMessageRequest(chat_id=secret.chat_id, payload="secret 2"))
    await first.ask(Chat.PIN, pb.ChatPinChatMessageRequest(chat_id=secret.chat_id, pinned=True))
    await first.ask(Chat.DELETE, pb.ChatDeleteChatMessageRequest(chat_id=secret.chat_id))
    assert [frame.event for frame in await third.news()] == [Chat.SEND_TO_ROOM]


async def test_a_private_message_to_nobody_here_is_refused(house: House, meeting: Meeting) -> None:
    peer = await house.guest(meeting)
    for ids in ([], [peer.id], ["nobody"]):
        request = pb.ChatSendChatMessageToPeersRequest(peer_ids=ids, payload="psst")
        with pytest.raises(Refused):
            await peer.tell(Chat.SEND_TO_PEERS, request)


async def test_an_edit_is_answered_and_pushed_to_the_others(house: House, meeting: Meeting) -> None:
    first, second = await house.guest(meeting), await house.guest(meeting)
    sent = await say(first, "hello")
    await second.quiet()

    request = pb.ChatEditChatMessageRequest(chat_id=sent.chat_id, payload="hello again")
    answer = await first.ask(Chat.EDIT, request)

    assert (answer.message.payload, answer.message.is_edited) == ("hello again", True)
    assert await second.pushed(Chat.EDIT) == [answer]
    assert await first.pushed(Chat.EDIT) == []
    assert await texts(second) == ["hello again"]


async def test_a_deletion_is_answered_and_pushed_to_the_others(house: House, meeting: Meeting) -> None:
    first, second = await house.guest(meeting), await house.guest(meeting)
    sent = await say(first, "hello")

    answer = await first.ask(Chat.DELETE, pb.ChatDeleteChatMessageRequest(chat_id=sent.chat_id))

    assert answer.chat_id == sent.chat_id
    assert await second.pushed(Chat.DELETE) == [answer]
    assert await texts(second) == []


@pytest.mark.parametrize("who", ["group_call_host", "group_call_participant"])
async def test_messages_of_others_cannot_be_changed(house: House, meeting: Meeting, who: str) -> None:
    first, second = await house.guest(meeting), await house.guest(meeting, who)
    sent = await say(first, "hello")
    await first.quiet()
    for event, request in (
        (Chat.EDIT, pb.ChatEditChatMessageRequest(chat_id=sent.chat_id, payload="mine")),
        (Chat.DELETE, pb.ChatDeleteChatMessageRequest(chat_id=sent.chat_id)),
    ):
        with pytest.raises(Refused):
            await second.ask(event, request)
    assert await first.news() == []
    assert await texts(first) == ["hello"]


async def test_who_may_not_write_any_more_cannot_edit_either(house: House, meeting: Meeting) -> None:
    """An old message was a way to say something new."""
    host, muted = await house.host(meeting), await house.guest(meeting)
    old = await say(muted, "hello")
    off = pb.PresetPresetUpdates(
        chat=pb.PresetChatPermissionUpdate(
            public=pb.PresetPublicChatPermission(can_send=False),
            private=pb.PresetPrivateChatPermission(can_send=False),
        )
    )
    entry = pb.PresetUpdatePeerPreset(user_ids=muted.user_id, patch=off)
    await host.ask(Preset.UPDATE, pb.PresetUpdatePeersPresetRequest(update_peers_presets=[entry]))

    with pytest.raises(Refused, match="does not allow"):
        await muted.ask(Chat.EDIT, pb.ChatEditChatMessageRequest(chat_id=old.chat_id, payload="and another"))
    assert await texts(host) == ["hello"]
    await muted.ask(Chat.DELETE, pb.ChatDeleteChatMessageRequest(chat_id=old.chat_id))


async def test_a_pin_carries_the_message(house: House, meeting: Meeting) -> None:
    first, second = await house.guest(meeting), await house.guest(meeting)
    sent = await say(first, "hello")

    answer = await second.ask(Chat.PIN, pb.ChatPinChatMessageRequest(chat_id=sent.chat_id, pinned=True))

    assert (answer.chat_id, answer.pinned, answer.message.payload) == (sent.chat_id, True, "hello")
    assert answer.message.pinned
    assert await first.pushed(Chat.PIN) == [answer]


async def test_pages_go_back_newest_first_and_forward_oldest_first(house: House, meeting: Meeting) -> None:
    peer = await house.guest(meeting)
    stamps = []
    for number in range(5):
        stamps.append((await say(peer, str(number))).created_at_ms)
        house.store.clock.advance(1)  # type: ignore[attr-defined]

    assert await paged(peer, time_stamp=stamps[3], size=2, reversed=True) == (["2", "1"], True)
    assert await paged(peer, time_stamp=stamps[1], size=2, reversed=True) == (["0"], False)
    assert await paged(peer, time_stamp=stamps[1], size=2) == (["2", "3"], True)
    assert await paged(peer, time_stamp=stamps[3], size=2) == (["4"], False)
    assert await paged(peer, time_stamp=2**64 - 1, size=2**31 - 1, reversed=True) == (list("43210"), False)
    assert await paged(peer, time_stamp=0, size=-5) == (["0"], True)


async def test_pages_are_filtered_by_pin_and_by_conversation(house: House, meeting: Meeting) -> None:
    first, second, third = [await house.guest(meeting) for _ in range(3)]
    shared = await say(first, "to all")
    await say(first, "to second", second)
    await say(first, "to third", third)
    await first.ask(Chat.PIN, pb.ChatPinChatMessageRequest(chat_id=shared.chat_id, pinned=True))

    now = {"time_stamp": shared.created_at_ms + 1, "size": 10, "reversed": True}
    assert await paged(first, pinned=True, **now) == (["to all"], False)
    assert await paged(first, pinned=False, **now) == (["to third", "to second"], False)
    assert await paged(first, user_id=second.user_id, **now) == (["to second"], False)


async def test_search_finds_text_in_either_case(house: House, meeting: Meeting) -> None:
    peer = await house.guest(meeting)
    await say(peer, "Hello World")
    await say(peer, "100% sure")
    for term, found in (("hello", 1), ("WORLD", 1), ("%", 1), ("_", 0), ("nothing", 0), ("\0", 0)):
        answer = await peer.ask(Chat.SEARCH, pb.ChatSearchChatMessagesRequest(search_term=term))
        assert len(answer.messages) == found, term


@pytest.mark.parametrize("chat_id", ["", "x", "\0", "' OR 1=1 --", "a" * 10_000])
async def test_ids_that_are_none_are_not_found(house: House, meeting: Meeting, chat_id: str) -> None:
    """A NUL in an id once reached PostgreSQL, which refuses to compare it: that looked like our error."""
    peer = await house.guest(meeting)
    for event, request in (
        (Chat.EDIT, pb.ChatEditChatMessageRequest(chat_id=chat_id, payload="x")),
        (Chat.DELETE, pb.ChatDeleteChatMessageRequest(chat_id=chat_id)),
        (Chat.PIN, pb.ChatPinChatMessageRequest(chat_id=chat_id, pinned=True)),
    ):
        with pytest.raises(Refused, match="No such message"):
            await peer.ask(event, request)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", 0),
        (" \n", 0),
        ("a\0b", 0),
        ("x" * 2001, 0),
        ("x" * 20_000, 3),
        ("x", 4),
        ("x", -1),
        ("x", 2**31 - 1),
    ],
)
async def test_messages_that_cannot_be_kept_are_refused(
    house: House, meeting: Meeting, text: str, kind: int
) -> None:
    first, second = await house.guest(meeting), await house.guest(meeting)
    await second.quiet()
    with pytest.raises(Refused):
        await first.tell(
            Chat.SEND_TO_ROOM, pb.ChatSendChatMessageToRoomRequest(payload=text, payload_type=kind)
        )
    assert await second.news() == []


async def test_chat_is_kept_for_later_sessions_only_if_the_meeting_says_so(house: House) -> None:
    for keeps, expected in ((True, ["before"]), (False, [])):
        meeting = await house.meeting(persist_chat=keeps)
        peer = await house.guest(meeting)
        await say(peer, "before")
        await house.registry.kick_all(house.app, meeting.id)
        await peer.gone()
        later = await house.guest(meeting)
        assert await texts(later) == expected
