"""Files sent in chat: a link to put one, a link to get it; the links are the credentials."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import msgspec
from sqlalchemy import bindparam, delete, select, update

from parley.accounts.scope import AppScope
from parley.accounts.service import app_scope
from parley.base.errors import Conflict, Invalid, NotFound, TooLarge
from parley.base.ids import AppId, FileId, MeetingId, ParticipantId, new_uuid
from parley.base.signing import SignedLinks
from parley.base.text import clean_line
from parley.base.times import to_ms
from parley.store.blobs import Blob
from parley.store.core import Store
from parley.store.query import Query, SystemQuery, insert_row
from parley.store.rows import RowMap
from parley.store.schema import tables as t

FOLDER = "/files/chat"
UPLOAD_TIME = timedelta(minutes=10)
"""How long a link to upload works."""
DOWNLOAD_TIME = timedelta(days=7)
NAME_LIMIT = 200
INLINE_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"})
"""Shown by browsers in the page; everything else is only ever downloaded."""


class ChatFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file, or the place for one (size None until it has arrived)."""

    id: FileId
    app_id: AppId
    meeting_id: MeetingId
    uploaded_by: ParticipantId
    name: str
    content_type: str | None
    size_bytes: int | None
    blob_key: str
    created_at: datetime
    expires_at: datetime | None


_files = RowMap(ChatFile, t.files)
_INSERT = insert_row(t.files)
# The signature of the link has been checked, and it names the file.
_BY_LINK = SystemQuery(select(*_files.columns).where(t.files.c.id == bindparam("id")))
_ARRIVED = Query(
    update(t.files)
    .where(
        t.files.c.app_id == bindparam("app_id"),
        t.files.c.id == bindparam("id"),
        t.files.c.size_bytes.is_(None),
    )
    .values(size_bytes=bindparam("size"), content_type=bindparam("type"), blob_key=bindparam("key"))
)
_EXPIRED = SystemQuery(select(*_files.columns).where(t.files.c.expires_at < bindparam("now")).limit(500))
_FORGET = Query(
    delete(t.files).where(t.files.c.app_id == bindparam("app_id"), t.files.c.id == bindparam("id"))
)


class ChatFiles:
    """Gives out links, takes files in and hands them out."""

    def __init__(self, store: Store, links: SignedLinks, *, max_bytes: int) -> None:
        self._store = store
        self._links = links
        self.max_bytes = max_bytes

    async def reserve(
        self, scope: AppScope, meeting_id: MeetingId, participant_id: ParticipantId, name: str
    ) -> tuple[str, str]:
        """A place for a file: the paths (with queries) to put it and to get it."""
        name = clean_line(name.replace("/", "_").replace("\\", "_"), limit=NAME_LIMIT)
        if not name:
            raise Invalid("A file needs a name.", field="filename")
        now = scope.now()
        file_id = FileId(new_uuid())
        place = ChatFile(
            id=file_id,
            app_id=scope.app_id,
            meeting_id=meeting_id,
            uploaded_by=participant_id,
            name=name,
            content_type=None,
            size_bytes=None,
            blob_key=f"chat/{scope.app_id}/{meeting_id}/{file_id}",
            created_at=now,
            expires_at=now + DOWNLOAD_TIME,
        )
        async with scope.change() as change:
            await change.run(_INSERT, **_files.write(place))
        path = f"{FOLDER}/{file_id}/{quote(name)}"
        put = self._links.query("PUT", f"{FOLDER}/{file_id}", now + UPLOAD_TIME)
        get = self._links.query("GET", f"{FOLDER}/{file_id}", now + DOWNLOAD_TIME)
        return f"{path}?{put}", f"{path}?{get}"

    def check(self, method: str, file_id: str, query: Any) -> None:
        """Accept a link's signature; see `SignedLinks.check`."""
        self._links.check(method, f"{FOLDER}/{file_id}", query, self._store.clock.now())

    async def receive(
        self, file_id: FileId, content_type: str | None, chunks: AsyncIterator[bytes]
    ) -> ChatFile:
        """Take the file in, once.

        Raises:
            TooLarge: over the configured size; nothing is kept.
            Conflict: the place is taken.
        """
        place = await self._find(file_id)
        if place.size_bytes is not None:
            raise Conflict("This file has been uploaded already.")
        key = f"{place.blob_key}-{new_uuid()[:8]}"  # two uploads at once must not mix

        async def bounded() -> AsyncIterator[bytes]:
            size = 0
            async for chunk in chunks:
                size += len(chunk)
                if size > self.max_bytes:
                    raise TooLarge(f"A file has at most {self.max_bytes // 1_000_000} MB.")
                yield chunk

        size = await self._store.blobs.put(key, bounded())
        kind = content_type if content_type in INLINE_TYPES else "application/octet-stream"
        scope = await self._scope_of(place)
        async with scope.change() as change:
            is_first = await change.run(_ARRIVED, id=file_id, size=size, type=kind, key=key)
        if not is_first:
            await self._store.blobs.delete(key)
            raise Conflict("This file has been uploaded already.")
        return msgspec.structs.replace(place, size_bytes=size, content_type=kind, blob_key=key)

    async def open(self, file_id: FileId) -> tuple[ChatFile, Blob]:
        """The file and its content.

        Raises:
            NotFound: not there, not uploaded, or expired.
        """
        found = await self._find(file_id)
        if found.size_bytes is None:
            raise NotFound("No such file.")
        return found, await self._store.blobs.get(found.blob_key)

    async def sweep(self) -> int:
        """Remove expired files; returns how many."""
        rows = await self._store.database.all(_EXPIRED, now=to_ms(self._store.clock.now()))
        for row in rows:
            old = _files.read(row)
            await self._store.blobs.delete(old.blob_key)
            scope = await self._scope_of(old)
            async with scope.change() as change:
                await change.run(_FORGET, id=old.id)
        return len(rows)

    async def _find(self, file_id: FileId) -> ChatFile:
        row = await self._store.database.one(_BY_LINK, id=file_id)
        if row is None:
            raise NotFound("No such file.")
        return _files.read(row)

    async def _scope_of(self, file: ChatFile) -> AppScope:
        return await app_scope(self._store, file.app_id, f"file:{file.id}")
