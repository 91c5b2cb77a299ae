"""The chat of an ended session as a CSV file (`realtimekit.md` 8.5, 13.1), and its end (section 15).

The job is enqueued in the transaction that ends the session. It writes the file, then notes and announces it
in one transaction; a run that was interrupted, or runs a second time, writes the same file and announces
nothing again. A message that was stored while the session ended has the job run once more, and is in the
file then. The file is a row of the chat's files under the session's id, so links and expiry are theirs.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from parley.accounts.scope import AppScope
from parley.accounts.service import app_scope
from parley.base.errors import NotFound
from parley.base.ids import FileId, MeetingId, ParticipantId, SessionId
from parley.base.signing import SignedLinks
from parley.base.times import iso_ms
from parley.channels.files import FOLDER
from parley.channels.model import ChatFile, Message, MessageKind
from parley.meetings.events import ChatSynced
from parley.meetings.history.chat import store
from parley.meetings.model import Session, SessionStatus
from parley.store.core import Store
from parley.store.jobs import Job, RetryAt

DUMP_QUEUE = "sessions.chat"
"""Jobs that write the file of an ended session; their key is its id."""
EXPIRY_QUEUE = "sessions.chat_expiry"
"""Jobs that remove the messages of a session whose time is over; likewise."""
DOWNLOAD_TIME = timedelta(days=7)
"""Of a link to the file; asking again makes a new one (`realtimekit.md` 8.5)."""
PAGE = 1_000
LATEST_FILE = timedelta(seconds=10)
"""After the end of a session, files that were on their way are still its files."""
NAME = "chat.csv"
COLUMNS = (
    "id",
    "participantId",
    "sessionId",
    "meetingId",
    "displayName",
    "pinned",
    "isEdited",
    "payloadType",
    "payload",
    "createdAt",
    "targetUserIds",
)
_TYPES = {
    MessageKind.TEXT: "TEXT_MESSAGE",
    MessageKind.IMAGE: "IMAGE_MESSAGE",
    MessageKind.FILE: "FILE_MESSAGE",
    MessageKind.CUSTOM: "CUSTOM_MESSAGE",
}


class Link(NamedTuple):
    """Where something can be downloaded, and until when."""

    url: str
    expires_at: datetime


class ChatDumps:
    """Writes the files, and gives out links to them."""

    def __init__(self, base: Store, links: SignedLinks, *, public_url: str, keep: timedelta) -> None:
        """Prepare.

        Args:
            base: messages and files.
            links: signs the links.
            public_url: where people reach this server, without a slash at the end.
            keep: how long chat stays after its session, unless the meeting persists its chat.
        """
        self._store = base
        self._links = links
        self._public_url = public_url
        self._keep = keep

    def register(self) -> None:
        """Take the jobs."""
        self._store.jobs.handle(DUMP_QUEUE, self.dump, at_once=2)
        self._store.jobs.handle(EXPIRY_QUEUE, self.expire, at_once=2)

    async def link(self, scope: AppScope, session: Session) -> Link:
        """A fresh link to the file of a session.

        Raises:
            NotFound: the session runs, had no chat, its file is not there yet, or its time is over.
        """
        found = None
        if session.status is SessionStatus.ENDED:
            found = await store.file(scope, session.id)
        now = scope.now()
        if found is None or (found.expires_at is not None and found.expires_at <= now):
            raise NotFound(f"No chat found for session with id {session.id}")
        return self._link(session.id, now, found.expires_at)

    def _link(self, session_id: SessionId, now: datetime, end: datetime | None) -> Link:
        until = now + DOWNLOAD_TIME if end is None else min(end, now + DOWNLOAD_TIME)
        query = self._links.query("GET", f"{FOLDER}/{session_id}", until)
        return Link(f"{self._public_url}{FOLDER}/{session_id}/{NAME}?{query}", until)

    # --- jobs -----------------------------------------------------------------------------------

    async def dump(self, job: Job) -> None:
        """Write the file of a session that has ended."""
        scope = await app_scope(self._store, job.app_id, "system")
        session = await store.session(scope, SessionId(job.body["session_id"]))
        if session is None or session.ended_at is None:
            return
        expires = None if session.settings.persist_chat else session.ended_at + self._keep
        if expires is not None:
            await store.expire_files(scope, session, session.ended_at + LATEST_FILE, expires)
        first = await store.messages(scope, session, None, PAGE)
        if not first:
            return
        key = f"sessions/{scope.app_id}/{session.id}/{NAME}"
        size = await self._store.blobs.put(key, self._lines(scope, session, first))
        kept = ChatFile(
            id=FileId(session.id),
            app_id=scope.app_id,
            meeting_id=session.meeting_id,
            uploaded_by=ParticipantId(""),
            name=NAME,
            content_type="text/csv; charset=utf-8",
            size_bytes=size,
            blob_key=key,
            created_at=scope.now(),
            expires_at=expires,
        )
        async with scope.change() as change:
            if not await store.keep_file(change, kept):
                await store.resize_file(change, kept.id, size)
                return
            url, until = self._link(session.id, change.now(), expires)
            change.announce(
                ChatSynced(
                    meeting_id=session.meeting_id,
                    session_id=session.id,
                    title=session.title,
                    started_at=session.started_at,
                    created_at=session.created_at,
                    ended_at=session.ended_at,
                    download_url=url,
                    download_url_expiry=until,
                )
            )
            if expires is not None:
                body = {
                    "session_id": session.id,
                    "meeting_id": session.meeting_id,
                    "since": session.started_at,
                    "until": expires,
                }
                await change.enqueue(EXPIRY_QUEUE, session.id, body, at=expires)

    async def expire(self, job: Job) -> None:
        """Remove the messages of a session; its file goes with the other files of chat."""
        scope = await app_scope(self._store, job.app_id, "system")
        until = msgspec.convert(job.body["until"], datetime)
        if scope.now() < until:
            raise RetryAt(until, "its time is not over")
        await store.forget_messages(
            scope,
            MeetingId(job.body["meeting_id"]),
            SessionId(job.body["session_id"]),
            msgspec.convert(job.body["since"], datetime),
        )

    async def _lines(self, scope: AppScope, session: Session, page: list[Message]) -> AsyncIterator[bytes]:
        yield _csv([COLUMNS])
        while page:
            yield _csv([_row(session, message) for message in page])
            page = await store.messages(scope, session, page[-1], PAGE) if len(page) == PAGE else []


class History:
    """What is forgotten of old sessions: everything but recordings, and chat that is kept for good."""

    def __init__(self, base: Store, *, keep: timedelta) -> None:
        """Prepare.

        Args:
            base: where they are.
            keep: how long an ended session is remembered.
        """
        self._store = base
        self._keep = keep

    async def sweep(self) -> int:
        """Forget old sessions, their peers and how good their calls were; returns how many sessions."""
        before, forgotten = self._store.clock.now() - self._keep, 0
        while removed := await store.forget_sessions(self._store.database, before):
            forgotten += removed
        return forgotten


def _csv(rows: list[tuple[str, ...]]) -> bytes:
    """Lines after RFC 4180: CRLF, quotes where they are needed."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def _row(session: Session, message: Message) -> tuple[str, ...]:
    targets = [each for each in message.recipient_ids if each != message.sender_id]
    return (
        message.id,
        message.sender_id,
        session.id,
        session.meeting_id,
        message.sender_name,
        _flag(message.is_pinned),
        _flag(message.is_edited),
        _TYPES[message.kind],
        _payload(message),
        iso_ms(message.created_at),
        ";".join(targets or message.recipient_ids),
    )


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _payload(message: Message) -> str:
    """The text or link; of a file its name, size and link, in this order."""
    if message.kind is not MessageKind.FILE:
        return message.payload
    try:
        told = msgspec.json.decode(message.payload)
    except msgspec.DecodeError:
        return message.payload
    if not isinstance(told, dict):
        return message.payload
    return msgspec.json.encode({key: told.get(key) for key in ("name", "size", "link")}).decode()
