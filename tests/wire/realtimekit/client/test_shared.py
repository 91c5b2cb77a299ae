"""Polls, stores and broadcast messages."""

from __future__ import annotations

import pytest

from parley.meetings.model import Meeting
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import Polls, Room, Store
from tests.wire.realtimekit.client.house import House
from tests.wire.realtimekit.client.peer import Peer, Refused


async def ask_poll(peer: Peer, *options: str, **more: bool) -> pb.PollsPoll:
    await peer.tell(Polls.CREATE, pb.PollsNewPollRequest(question="Lunch?", options=options, **more))
    return (await peer.pushed(Polls.CREATE))[-1].poll


async def vote(peer: Peer, poll: pb.PollsPoll, index: int) -> pb.PollsPoll:
    await peer.tell(Polls.VOTE, pb.PollsVotePollRequest(poll_id=poll.poll_id, index=index))
    return (await peer.pushed(Polls.VOTE))[-1].poll


async def test_a_poll_is_pushed_to_everybody(house: House, meeting: Meeting) -> None:
    first, second = await house.guest(meeting), await house.guest(meeting)

    poll = await ask_poll(first, "Soup", "Salad")

    assert [push.poll for push in await second.pushed(Polls.CREATE)] == [poll]
    assert [(option.text, option.count) for option in poll.options] == [("Soup", 0), ("Salad", 0)]
    assert poll.created_by_user_id == first.user_id
    assert list((await second.ask(Polls.LIST)).polls) == [poll]


async def test_votes_are_counted_once_and_name_the_voter(house: House, meeting: Meeting) -> None:
    first, second = await house.guest(meeting), await house.guest(meeting, name="Grace")
    poll = await ask_poll(first, "Soup", "Salad")

    await vote(second, poll, 1)
    result = await vote(second, poll, 0)

    assert [option.count for option in result.options] == [0, 1]
    assert [voter.name for voter in result.options[1].votes] == ["Grace"]
    assert list(result.votes) == [second.user_id]
    assert (await first.pushed(Polls.VOTE))[-1].poll == result


async def test_an_anonymous_poll_hides_its_votes_and_names_nobody(house: House, meeting: Meeting) -> None:
    first, second = await house.guest(meeting), await house.guest(meeting)
    poll = await ask_poll(first, "Soup", "Salad", anonymous=True)
    assert poll.hide_votes

    result = await vote(second, poll, 0)

    assert [option.count for option in result.options] == [1, 0]
    assert [list(option.votes) for option in result.options] == [[], []]
    assert list(result.votes) == [second.user_id]


async def test_hidden_votes_are_sent_to_those_only_who_have_voted(house: House, meeting: Meeting) -> None:
    """The official client shows every result that it is sent."""
    first, second, third = [await house.guest(meeting) for _ in range(3)]
    poll = await ask_poll(first, "Soup", "Salad", hide_votes=True)

    seen = await vote(second, poll, 1)

    assert [(option.count, len(option.votes)) for option in seen.options] == [(0, 0), (1, 1)]
    assert list((await second.ask(Polls.LIST)).polls) == [seen]
    for other in (first, third):
        hidden = (await other.next(Polls.VOTE)).poll
        assert [(option.count, len(option.votes)) for option in hidden.options] == [(0, 0), (0, 0)]
        assert list(hidden.votes) == [second.user_id]
        assert list((await other.ask(Polls.LIST)).polls) == [hidden]
    after = await vote(third, poll, 0)
    assert [option.count for option in after.options] == [1, 1]


@pytest.mark.parametrize(
    ("question", "options"),
    [
        ("", ["a", "b"]),
        ("?", ["a"]),
        ("?", ["a", "a"]),
        ("?", ["a", " "]),
        ("?", ["a", "b\0"]),
        ("?" * 1001, ["a", "b"]),
        ("?", ["a", "b" * 501]),
        ("?", [str(number) for number in range(51)]),
    ],
)
async def test_polls_over_the_limits_are_refused(
    house: House, meeting: Meeting, question: str, options: list[str]
) -> None:
    first, second = await house.guest(meeting), await house.guest(meeting)
    await second.quiet()
    with pytest.raises(Refused):
        await first.tell(Polls.CREATE, pb.PollsNewPollRequest(question=question, options=options))
    assert await second.news() == []


async def test_votes_that_name_nothing_are_refused(house: House, meeting: Meeting) -> None:
    peer = await house.guest(meeting)
    poll = await ask_poll(peer, "Soup", "Salad")
    for poll_id, index in ((poll.poll_id, 2), (poll.poll_id, 2**64 - 1), ("\0", 0), ("", 0)):
        with pytest.raises(Refused):
            await peer.tell(Polls.VOTE, pb.PollsVotePollRequest(poll_id=poll_id, index=index))


def entries(**values: bytes) -> list[pb.PluginStoreKeys]:
    return [pb.PluginStoreKeys(store_key=key, payload=value) for key, value in values.items()]


async def put(peer: Peer, name: str, **values: bytes) -> None:
    request = pb.PluginPluginStoreInsertKeysRequest(
        plugin_id=peer.meeting_id, store_name=name, insert_keys=entries(**values)
    )
    await peer.ask(Store.INSERT, request)


async def get(peer: Peer, name: str, *keys: str) -> dict[str, bytes]:
    wanted = [pb.PluginStoreKeys(store_key=key) for key in keys]
    request = pb.PluginPluginStoreGetKeysRequest(plugin_id="any", store_name=name, get_keys=wanted)
    answer = await peer.ask(Store.GET, request)
    assert (answer.plugin_id, answer.store_name) == ("any", name)
    return {item.store_key: item.payload for item in answer.store_items}


async def drop(peer: Peer, name: str, *keys: str) -> None:
    wanted = [pb.PluginStoreKeys(store_key=key) for key in keys]
    await peer.ask(
        Store.DELETE,
        pb.PluginPluginStoreDeleteKeysRequest(plugin_id="any", store_name=name, delete_keys=wanted),
    )


async def test_no_keys_means_all_keys(house: House, meeting: Meeting) -> None:
    peer = await house.guest(meeting)
    await put(peer, "board", a=b"1", b=b'{"x":2}')
    assert await get(peer, "board") == {"a": b"1", "b": b'{"x":2}'}
    assert await get(peer, "board", "b", "zzz") == {"b": b'{"x":2}'}
    assert await get(peer, "elsewhere") == {}


async def test_writes_and_deletions_are_pushed_to_the_others(house: House, meeting: Meeting) -> None:
    first, second = await house.guest(meeting), await house.guest(meeting)
    await first.quiet()
    await put(first, "board", a=b"1")
    await drop(first, "board", "a")
    await drop(first, "board", "a")  # nothing left to delete: nothing to tell

    (written,) = await second.pushed(Store.INSERT)
    assert [(item.store_key, item.payload, item.peer_id) for item in written.store_items] == [
        ("a", b"1", first.id)
    ]
    assert (written.plugin_id, written.store_name) == (meeting.id, "board")
    (gone,) = await second.pushed(Store.DELETE)
    assert [item.store_key for item in gone.store_items] == ["a"]
    assert await first.news() == []
    assert await get(second, "board") == {}


async def test_stores_are_empty_and_closed_before_joining(house: House, meeting: Meeting) -> None:
    """The client reads one store during `init()`, and is answered."""
    inside = await house.guest(meeting)
    await put(inside, "board", a=b"1")
    _, token = await house.invite(meeting)
    outside = await house.connect(token)

    assert await get(outside, "board") == {}
    with pytest.raises(Refused):
        await put(outside, "board", a=b"2")
    with pytest.raises(Refused):
        await drop(outside, "board", "a")
    assert await get(inside, "board") == {"a": b"1"}


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("", "k", b"1"),
        ("\0", "k", b"1"),
        ("n" * 257, "k", b"1"),
        ("n", "", b"1"),
        ("n", "\0", b"1"),
        ("n", "k" * 257, b"1"),
        ("n", "k", b""),
        ("n", "k", b"not json"),
        ("n", "k", b'"' + b"x" * 65_536 + b'"'),
        ("n", "k", b"[" * 20_000),
    ],
)
async def test_values_that_cannot_be_kept_are_refused(
    house: House, meeting: Meeting, name: str, key: str, value: bytes
) -> None:
    first, second = await house.guest(meeting), await house.guest(meeting)
    await second.quiet()
    with pytest.raises(Refused, match=r"name has|key has|value") as refused:
        await put(first, name, **{key: value})
    assert "went wrong" not in refused.value.text
    assert await second.news() == []


@pytest.mark.parametrize("name", ["\0", "", "never written"])
async def test_deleting_from_a_store_that_is_not_there_changes_nothing(
    house: House, meeting: Meeting, name: str
) -> None:
    """A NUL in the name once reached PostgreSQL."""
    first, second = await house.guest(meeting), await house.guest(meeting)
    await second.quiet()
    await drop(first, name, "k", "\0")
    assert await second.news() == []


async def test_a_broadcast_is_answered_to_its_sender_and_pushed_to_the_others(
    house: House, meeting: Meeting
) -> None:
    first, second = await house.guest(meeting), await house.guest(meeting)
    request = pb.RoomBroadcastMessage(type="wave", payload=b'{"a":1}')

    answer = await first.ask(Room.BROADCAST, request)

    assert (answer.type, answer.payload) == ("wave", b'{"a":1}')
    assert answer.timestamp == int(house.store.clock.now().timestamp() * 1000)
    assert await second.pushed(Room.BROADCAST) == [answer]
    assert await first.pushed(Room.BROADCAST) == []


async def test_a_broadcast_to_some_reaches_only_them(house: House, meeting: Meeting) -> None:
    first, second, third = [await house.guest(meeting) for _ in range(3)]
    request = pb.RoomBroadcastMessage(
        type="wave", payload=b"1", ids=[second.id, "nobody"], broadcast_type=pb.ROOM_BROADCAST_TYPE_PEERS
    )
    await first.ask_frame(Room.BROADCAST_TO, request)
    assert [push.type for push in await second.pushed(Room.BROADCAST)] == ["wave"]
    assert await third.pushed(Room.BROADCAST) == []
