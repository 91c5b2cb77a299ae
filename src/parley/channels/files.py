"""Files sent in chat: a link to put one, a link to get it; the links are the credentials.

A file stays as long as the messages of its session (`meetings.history.chat` says when their time is over),
because a message without its file is worth little.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import msgspec

from parley.accounts.scope import AppScope
from parley.accounts.service import app_scope
from parley.base.errors import Conflict, Invalid, NotFound, TooLarge
from parley.base.ids import FileId, MeetingId, ParticipantId, new_uuid
from parley.base.signing import SignedLinks
from parley.base.text import clean_line
from parley.channels import store
from parley.channels.model import ChatFile
from parley.store.blobs import Blob
from parley.store.core import Store

FOLDER = "/files/chat"
UPLOAD_TIME = timedelta(minutes=10)
"""How long a link to upload works."""
LINK_TIME = timedelta(days=36_500)
"""Of a link to get a file, which stands in a message: it works as long as there is the file."""
NAME_LIMIT = 200
INLINE_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"})
"""Shown by browsers in the page; everything else is only ever downloaded."""


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
            expires_at=None,  # its session runs
        )
        async with scope.change() as change:
            await store.insert_file(change, place)
        path = f"{FOLDER}/{file_id}/{quote(name)}"
        put = self._links.query("PUT", f"{FOLDER}/{file_id}", now + UPLOAD_TIME)
        get = self._links.query("GET", f"{FOLDER}/{file_id}", now + LINK_TIME)
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
            is_first = await store.complete_file(change, file_id, size, kind, key)
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
        is_over = found.expires_at is not None and found.expires_at <= self._store.clock.now()
        if found.size_bytes is None or is_over:
            raise NotFound("No such file.")
        return found, await self._store.blobs.get(found.blob_key)

    async def sweep(self) -> int:
        """Remove expired files; returns how many."""
        expired = await store.expired_files(self._store.database, self._store.clock.now())
        for old in expired:
            await self._store.blobs.delete(old.blob_key)
            scope = await self._scope_of(old)
            async with scope.change() as change:
                await store.forget_file(change, old.id)
        return len(expired)

    async def _find(self, file_id: FileId) -> ChatFile:
        found = await store.file_by_link(self._store.database, file_id)
        if found is None:
            raise NotFound("No such file.")
        return found

    async def _scope_of(self, file: ChatFile) -> AppScope:
        return await app_scope(self._store, file.app_id, f"file:{file.id}")
