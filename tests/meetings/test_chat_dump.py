"""The chat of an ended session becomes a CSV file, once, and goes when its time is over."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import pytest_asyncio

from parley.accounts.scope import AppScope
from parley.base.errors import NotFound, Unavailable
from parley.base.ids import FileId, ParticipantId, PeerId, SessionId, new_uuid
from parley.base.signing import SignedLinks
from parley.channels import service as channels
from parley.channels.files import ChatFiles
from parley.channels.model import Message, MessageKind
from parley.meetings import service as meetings
from parley.meetings.events import ChatSynced
from parley.meetings.history.chat import store as chat_store
from parley.meetings.history.chat.dump import COLUMNS, DUMP_QUEUE, PAGE, ChatDumps, History
from parley.meetings.live import store as live_store
from parley.meetings.model import EndReason, Meeting, Session, SessionSettings
from parley.meetings.service import MeetingInput
from parley.store.core import Store
from parley.store.jobs import Job
from tests.store.databases import running
from tests.waiting import DEADLINE_S

LINKS = SignedLinks(b"tests")
ANN, BOB, CID = ParticipantId("ann"), ParticipantId("bob"), ParticipantId("cid")


class Told:
    """A meeting with a session, and what was announced."""

    def __init__(self, store: Store, scope: AppScope, meeting: Meeting) -> None:
        self.store, self.scope, self.meeting = store, scope, meeting
        self.dumps = ChatDumps(store, LINKS, public_url="http://parley.test", keep=timedelta(days=7))
        self.files = ChatFiles(store, LINKS, max_bytes=1)
        self.synced: list[ChatSynced] = []
        store.outbox.listen(self._heard)

    def _heard(self, item: Any) -> None:
        if isinstance(item.event, ChatSynced):
            self.synced.append(item.event)

    async def begin(self, *, persist: bool = False) -> Session:
        now = self.scope.now()
        session = Session(
            id=SessionId(new_uuid()),
            app_id=self.scope.app_id,
            meeting_id=self.meeting.id,
            title="Weekly",
            settings=SessionSettings(60, persist, False, False, False, False),
            started_at=now,
            created_at=now,
            updated_at=now,
        )
        async with self.scope.change() as change:
            await live_store.insert_session(change, session)
        return session

    async def say(
        self,
        session: Session,
        text: str,
        to: tuple[ParticipantId, ...] = (),
        kind: MessageKind = MessageKind.TEXT,
    ) -> Message:
        return await channels.send(
            self.scope,
            self.meeting.id,
            peer_id=PeerId("p"),
            sender_id=ANN,
            sender_name="Ann",
            kind=kind,
            payload=text,
            session_id=session.id,
            recipient_ids=to,
        )

    async def end(self, session: Session) -> Session:
        async with self.scope.change() as change:
            await live_store.end_session(change, session.id, EndReason.ALL_PARTICIPANTS_LEFT)
        found = await chat_store.session(self.scope, session.id)
        assert found is not None
        return found

    async def dump(self, session: Session) -> None:
        await self.dumps.dump(self._job(DUMP_QUEUE, {"session_id": session.id}))
        await self.store.outbox.drain()

    def _job(self, queue: str, body: Any) -> Job:
        return Job(1, queue, "key", self.scope.app_id, body, 0)

    async def download(self, session: Session) -> bytes:
        """What the link leads to."""
        url = urlsplit((await self.dumps.link(self.scope, session)).url)
        self.files.check("GET", session.id, dict(parse_qsl(url.query)))
        _, blob = await self.files.open(session.id)  # type: ignore[arg-type]
        return b"".join([chunk async for chunk in blob.chunks])

    async def rows(self, session: Session) -> list[dict[str, str]]:
        text = (await self.download(session)).decode()
        return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest_asyncio.fixture
async def told(store: Store, app_scope: AppScope) -> AsyncIterator[Told]:
    meeting = await meetings.create_meeting(app_scope, MeetingInput(title="Weekly"))
    yield Told(store, app_scope, meeting)


async def test_messages_are_rows_in_the_order_of_time(told: Told, clock):
    session = await told.begin()
    first = await told.say(session, "one")
    clock.advance(1)
    await told.say(session, "two")
    ended = await told.end(session)
    await told.dump(ended)
    rows = await told.rows(ended)
    assert tuple(rows[0]) == COLUMNS
    assert rows[0] == {
        "id": first.id,
        "participantId": "ann",
        "sessionId": session.id,
        "meetingId": told.meeting.id,
        "displayName": "Ann",
        "pinned": "false",
        "isEdited": "false",
        "payloadType": "TEXT_MESSAGE",
        "payload": "one",
        "createdAt": "2026-01-01T00:00:00.000Z",
        "targetUserIds": "",
    }
    assert [row["payload"] for row in rows] == ["one", "two"]


async def test_the_file_follows_rfc_4180(told: Told):
    session = await told.begin()
    text = 'a "quote", a comma\nand a line; Grüße 🎉'
    await told.say(session, text)
    ended = await told.end(session)
    await told.dump(ended)
    raw = await told.download(ended)
    assert raw.startswith(b"id,participantId,sessionId,")
    assert raw.endswith(b"\r\n")
    assert ',"a ""quote"", a comma\nand a line; Grüße 🎉",'.encode() in raw
    assert (await told.rows(ended))[0]["payload"] == text


async def test_private_messages_name_who_they_were_for(told: Told):
    session = await told.begin()
    await told.say(session, "psst", (ANN, BOB, CID))
    ended = await told.end(session)
    await told.dump(ended)
    assert (await told.rows(ended))[0]["targetUserIds"] == "bob;cid"


async def test_files_are_told_with_name_size_and_link(told: Told):
    session = await told.begin()
    await told.say(session, '{"link":"https://x.test/a","size":3,"name":"a.txt"}', kind=MessageKind.FILE)
    await told.say(session, "https://x.test/b.png", kind=MessageKind.IMAGE)
    ended = await told.end(session)
    await told.dump(ended)
    assert [(row["payloadType"], row["payload"]) for row in await told.rows(ended)] == [
        ("FILE_MESSAGE", '{"name":"a.txt","size":3,"link":"https://x.test/a"}'),
        ("IMAGE_MESSAGE", "https://x.test/b.png"),
    ]


async def test_only_the_session_s_own_messages_are_in_its_file(told: Told, clock):
    first = await told.begin(persist=True)
    await told.say(first, "before")
    await told.end(first)
    clock.advance(1)
    second = await told.begin(persist=True)
    await told.say(second, "after")
    ended = await told.end(second)
    await told.dump(ended)
    assert [row["payload"] for row in await told.rows(ended)] == ["after"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_long_chat_is_complete(told: Told, monkeypatch):
    monkeypatch.setattr("parley.meetings.history.chat.dump.PAGE", 4)
    assert PAGE > 4
    session = await told.begin()
    texts = [str(number) for number in range(13)]
    for text in texts:
        await told.say(session, text)
    ended = await told.end(session)
    await told.dump(ended)
    assert [row["payload"] for row in await told.rows(ended)] == texts


async def test_a_second_run_announces_nothing_again(told: Told):
    session = await told.begin()
    await told.say(session, "hello")
    ended = await told.end(session)
    await told.dump(ended)
    await told.dump(ended)
    (synced,) = told.synced
    assert (synced.session_id, synced.title, synced.ended_at) == (session.id, "Weekly", ended.ended_at)
    assert synced.download_url.startswith(f"http://parley.test/files/chat/{session.id}/chat.csv?")


async def test_a_message_that_came_while_the_session_ended_is_in_the_file_after_another_run(told: Told):
    session = await told.begin()
    ended = await told.end(session)
    await told.dump(ended)
    for late in ("first", "second"):
        await told.say(session, late)
        await told.dump(ended)
    assert [row["payload"] for row in await told.rows(ended)] == ["first", "second"]
    assert len(told.synced) == 1


async def sent(told: Told) -> FileId:
    """A file that somebody sent."""
    put, _ = await told.files.reserve(told.scope, told.meeting.id, ANN, "cat.png")
    file_id = FileId(put.split("/")[3])

    async def content() -> AsyncIterator[bytes]:
        yield b"x"

    await told.files.receive(file_id, "image/png", content())
    return file_id


@pytest.mark.parametrize("said", [0, 1])
async def test_files_go_with_the_chat_of_their_session(told: Told, clock, said: int):
    session = await told.begin()
    file_id = await sent(told)
    for _ in range(said):
        await told.say(session, "look")
    clock.advance(30 * 86_400)
    assert await told.files.sweep() == 0  # the session runs
    ended = await told.end(session)
    await told.dump(ended)
    later = await sent(told)  # by others, in the session after this one
    clock.advance(7 * 86_400 - 1)
    await told.files.open(file_id)
    clock.advance(2)
    with pytest.raises(NotFound):
        await told.files.open(file_id)
    assert await told.files.sweep() == 1 + said
    await told.files.open(later)


async def test_files_of_chat_that_is_kept_for_good_are_kept(told: Told, clock):
    session = await told.begin(persist=True)
    file_id = await sent(told)
    await told.say(session, "look")
    await told.dump(await told.end(session))
    clock.advance(400 * 86_400)
    assert await told.files.sweep() == 0
    await told.files.open(file_id)


async def test_a_run_that_was_cut_off_before_it_noted_the_file_is_made_up_for(told: Told, monkeypatch):
    session = await told.begin()
    await told.say(session, "hello")
    ended = await told.end(session)

    async def away(*_: Any) -> bool:
        raise Unavailable("The database went away.")

    with monkeypatch.context() as patched:
        patched.setattr(chat_store, "keep_file", away)
        with pytest.raises(Unavailable):
            await told.dump(ended)
    with pytest.raises(NotFound):
        await told.dumps.link(told.scope, ended)
    await told.dump(ended)
    assert len(told.synced) == 1
    assert [row["payload"] for row in await told.rows(ended)] == ["hello"]


async def test_a_session_without_chat_has_no_file(told: Told):
    ended = await told.end(await told.begin())
    await told.dump(ended)
    assert told.synced == []
    with pytest.raises(NotFound, match="No chat found"):
        await told.dumps.link(told.scope, ended)


async def test_a_running_session_has_no_file(told: Told):
    session = await told.begin()
    await told.say(session, "hello")
    await told.dump(session)
    with pytest.raises(NotFound):
        await told.dumps.link(told.scope, session)


async def test_links_are_made_anew_and_never_outlive_the_file(told: Told, clock):
    session = await told.begin()
    await told.say(session, "hello")
    ended = await told.end(session)
    await told.dump(ended)
    assert ended.ended_at is not None
    end = ended.ended_at + timedelta(days=7)
    assert (await told.dumps.link(told.scope, ended)).expires_at == end
    clock.advance(6 * 86_400)
    assert (await told.dumps.link(told.scope, ended)).expires_at == end
    clock.advance(86_400)
    with pytest.raises(NotFound):
        await told.dumps.link(told.scope, ended)


async def test_persisted_chat_has_fresh_links_for_good(told: Told, clock):
    session = await told.begin(persist=True)
    await told.say(session, "hello")
    ended = await told.end(session)
    await told.dump(ended)
    clock.advance(365 * 86_400)
    await told.files.sweep()
    link = await told.dumps.link(told.scope, ended)
    assert link.expires_at == told.scope.now() + timedelta(days=7)
    assert [row["payload"] for row in await told.rows(ended)] == ["hello"]


async def test_when_its_time_is_over_the_chat_is_gone_with_its_file(told: Told, clock):
    session = await told.begin()
    await told.say(session, "hello")
    ended = await told.end(session)
    await told.dump(ended)
    later = await told.begin(persist=True)
    await told.say(later, "kept")
    clock.advance(7 * 86_400 + 1)
    told.dumps.register()
    async with running(told.store), asyncio.timeout(DEADLINE_S):
        while await chat_store.messages(told.scope, ended, None, 10):  # noqa: ASYNC110 - in the database
            await asyncio.sleep(0.01)
    assert await told.files.sweep() == 1
    with pytest.raises(NotFound):
        await told.store.blobs.get(f"sessions/{told.scope.app_id}/{session.id}/chat.csv")
    assert len(await chat_store.messages(told.scope, later, None, 10)) == 1


async def test_old_sessions_are_forgotten_and_running_ones_are_not(told: Told, clock):
    old = await told.end(await told.begin())
    running_one = await told.begin()
    history = History(told.store, keep=timedelta(days=180))
    clock.advance(180 * 86_400 - 1)
    assert await history.sweep() == 0
    clock.advance(2)
    assert await history.sweep() == 1
    assert await chat_store.session(told.scope, old.id) is None
    assert await chat_store.session(told.scope, running_one.id) is not None
