"""Chat, polls, stores and broadcast messages between official clients."""

from __future__ import annotations

import pytest_asyncio

from tests.browser.conftest import Stage
from tests.browser.customer import HOST, PARTICIPANT
from tests.browser.person import Person

People = tuple[Person, Person, Person]
SILENT = {"audio": False, "video": False}


@pytest_asyncio.fixture(loop_scope="session")
async def people(stage: Stage) -> People:
    """Three people without camera and microphone."""
    meeting = await stage.meeting("Chat")
    alice = await stage.join(meeting, "Alice", HOST, **SILENT)
    bob = await stage.join(meeting, "Bob", PARTICIPANT, **SILENT)
    carol = await stage.join(meeting, "Carol", PARTICIPANT, **SILENT)
    await alice.until("names().length === 2")
    return alice, bob, carol


async def test_messages_reach_everybody(people: People) -> None:
    for number, person in enumerate(people):
        await person.do(f"meeting.chat.sendTextMessage('message {number}')")
        for other in people:
            await other.until(f"texts().at(-1) === 'message {number}'")


async def test_who_comes_later_reads_what_was_said_and_asked(stage: Stage) -> None:
    meeting = await stage.meeting("Late")
    alice = await stage.join(meeting, "Alice", HOST, **SILENT)
    await alice.do("meeting.chat.sendTextMessage('early')")
    await alice.do("meeting.polls.create('Ready?', ['yes', 'no'])")
    await alice.until("texts().length && meeting.polls.items.length")
    bob = await stage.join(meeting, "Bob", PARTICIPANT, **SILENT)
    await bob.until("texts().includes('early')")
    await bob.until("meeting.polls.items[0]?.question === 'Ready?'")


async def test_a_private_message_reaches_only_its_targets(people: People) -> None:
    alice, bob, carol = people
    await alice.do("meeting.chat.sendTextMessage('for Bob', [person('Bob').id])")
    await alice.do("meeting.chat.sendTextMessage('for all')")
    await bob.until("texts().length === 2")
    await carol.until("texts().includes('for all')")
    assert await carol.do("texts()") == ["for all"]
    assert await bob.do("message('for Bob').targetUserIds.length") == 2


async def test_a_file_arrives_byte_for_byte(people: People) -> None:
    alice, bob, _ = people
    await alice.do(
        "meeting.chat.sendFileMessage("
        "new File([new Uint8Array(70000).map((_, i) => i * 31)], 'notes.bin', {type: 'application/pdf'}))"
    )
    await bob.until("meeting.chat.messages.at(-1)?.type === 'file'")
    got = await bob.do(
        "fetch(meeting.chat.messages.at(-1).link).then(r => r.arrayBuffer())"
        ".then(b => [b.byteLength, new Uint8Array(b).every((v, i) => v === (i * 31) % 256)])"
    )
    assert got == [70000, True]
    assert await bob.do("[meeting.chat.messages.at(-1).name, meeting.chat.messages.at(-1).size]") == [
        "notes.bin",
        70000,
    ]


async def test_an_image_can_be_shown(people: People) -> None:
    alice, bob, _ = people
    await alice.do(
        "new Promise(done => Object.assign(document.createElement('canvas'), {width: 8, height: 6})"
        ".toBlob(done))"
        ".then(blob => meeting.chat.sendImageMessage(new File([blob], 'a.png', {type: 'image/png'})))"
    )
    await bob.until("meeting.chat.messages.at(-1)?.type === 'image'")
    size = await bob.do(
        "(async () => { const image = new Image(); image.src = meeting.chat.messages.at(-1).link;"
        " await image.decode(); return [image.naturalWidth, image.naturalHeight]; })()"
    )
    assert size == [8, 6]


async def test_messages_are_edited_pinned_and_deleted_for_everybody(people: People) -> None:
    alice, bob, _ = people
    await alice.do("meeting.chat.sendTextMessage('one')")
    message_id = (await alice.until("message('one')"))["id"]
    await bob.until("message('one')")
    await alice.do(f"meeting.chat.editTextMessage('{message_id}', 'two')")
    await bob.until("message('two')?.isEdited")
    await alice.do(f"meeting.chat.pin('{message_id}')")
    await bob.until("message('two').pinned")
    pinned = await bob.do("meeting.chat.fetchPinnedMessages({limit: 5, direction: 'before'})")
    assert [each["message"] for each in pinned] == ["two"]
    await alice.do(f"meeting.chat.unpin('{message_id}')")
    await bob.until("!message('two').pinned")
    await alice.do(f"meeting.chat.deleteMessage('{message_id}')")
    await bob.until("texts().length === 0")


async def test_nobody_edits_or_deletes_what_another_wrote(people: People) -> None:
    alice, bob, _ = people
    await alice.do("meeting.chat.sendTextMessage('mine')")
    message_id = (await bob.until("message('mine')"))["id"]
    await bob.do(f"meeting.chat.editTextMessage('{message_id}', 'yours')")  # the client awaits no answer
    await bob.do(f"meeting.chat.deleteMessage('{message_id}')")
    await bob.do("meeting.chat.sendTextMessage('later')")
    await alice.until("texts().includes('later')")
    assert await alice.do("texts()") == ["mine", "later"]


async def test_history_is_read_in_pages(people: People) -> None:
    alice, bob, _ = people
    for number in range(5):
        await alice.do(f"meeting.chat.sendTextMessage('{number}')")
        await bob.until(f"message('{number}')")
    newest = await bob.do(
        "meeting.chat.fetchPublicMessages({timestamp: Date.now() + 1000, limit: 2, direction: 'before'})"
    )
    assert [each["message"] for each in newest] == ["4", "3"]
    before = "+message('3').timeMs || +message('3').time"
    older = await bob.do(
        f"meeting.chat.fetchPublicMessages({{timestamp: {before}, limit: 2, direction: 'before'}})"
    )
    assert [each["message"] for each in older] == ["2", "1"]


async def test_a_poll_is_voted_on(people: People) -> None:
    alice, bob, carol = people
    await alice.do("meeting.polls.create('Tea or coffee?', ['tea', 'coffee'])")
    await bob.until("meeting.polls.items.length === 1")
    await carol.until("meeting.polls.items.length === 1")
    await bob.do("meeting.polls.vote(meeting.polls.items[0].id, 1)")
    await carol.do("meeting.polls.vote(meeting.polls.items[0].id, 0)")
    for person in people:
        counts = "meeting.polls.items[0].options.map(option => option.count).join() === '1,1'"
        await person.until(counts)
        assert await person.do("meeting.polls.items[0].options[1].votes.map(vote => vote.name)") == ["Bob"]


async def test_stores_are_shared(people: People) -> None:
    alice, bob, _ = people
    for person in (alice, bob):
        await person.do("meeting.stores.create('board').then(store => { window.board = store; })")
    await bob.do("board.subscribe('title', changed => seen.push(['store', changed]))")
    await alice.do("board.set('title', {text: 'Plan'})")
    await bob.until("happened('store').at(-1)?.title.text === 'Plan'")
    await alice.do("board.delete('title')")
    await bob.until("happened('store').length === 2 && board.get('title') === undefined")


async def test_a_store_is_read_by_who_comes_later(people: People) -> None:
    alice, _, carol = people
    await alice.do("meeting.stores.create('plan').then(store => store.set('step', [1, 2]))")
    await alice.do("meeting.participants.broadcastMessage('stored', {})")
    await carol.until("happened('broadcastedMessage').length === 1")
    stored = await carol.do("meeting.stores.create('plan').then(store => store.getAll())")
    assert stored == {"step": [1, 2]}


async def test_broadcast_messages_reach_all_or_the_chosen(people: People) -> None:
    alice, bob, carol = people
    await alice.do("meeting.participants.broadcastMessage('wave', {hand: 'left'})")
    for other in (bob, carol):
        await other.until("happened('broadcastedMessage').some(each => each.payload.hand === 'left')")
    await alice.do(
        "meeting.participants.broadcastMessage('nod', {to: 'Bob'}, {participantIds: [person('Bob').id]})"
    )
    await bob.until("happened('broadcastedMessage').some(each => each.type === 'nod')")
    await alice.do("meeting.participants.broadcastMessage('end', {})")
    await carol.until("happened('broadcastedMessage').some(each => each.type === 'end')")
    assert not await carol.do("happened('broadcastedMessage').some(each => each.type === 'nod')")
