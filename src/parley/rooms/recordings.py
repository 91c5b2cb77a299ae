"""Recordings of rooms, made by this server or uploaded by participants (`realtime-block.md` 15.1)."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta

from parley.accounts.scope import AppScope, Change
from parley.base.errors import Invalid, NotAllowed, NotFound, TooLarge
from parley.base.signing import SignedLinks
from parley.channels.realtime.events import RoomRecordingReady
from parley.rooms import store
from parley.rooms.model import Recording, Room
from parley.store.blobs import Blob
from parley.store.core import Store

FOLDER = "/files/rooms"
MAX_BYTES = 512 << 20
DOWNLOAD_TIME = timedelta(days=7)
DURATION_LIMIT_S = 7 * 24 * 3600
_TYPES = re.compile(r"(video|audio)/(webm|mp4|ogg|quicktime|x-matroska|mpeg|wav|aac|flac)")
_ID = re.compile(r"rec_[0-9a-f]{1,40}", re.ASCII)


class Recordings:
    """The recordings of all apps' rooms."""

    def __init__(
        self, base: Store, links: SignedLinks, *, public_url: str, max_bytes: int = MAX_BYTES
    ) -> None:
        """Prepare.

        Args:
            base: where recordings and their content are.
            links: signs the links to download them.
            public_url: where people reach this server, without a slash at the end.
            max_bytes: of one recording.
        """
        self._store = base
        self._links = links
        self._public_url = public_url
        self.max_bytes = max_bytes

    async def upload(
        self,
        scope: AppScope,
        room: Room,
        content_type: str | None,
        chunks: AsyncIterator[bytes],
        fields: Callable[[], Awaitable[Mapping[str, str]]],
    ) -> Recording:
        """Take a recording in, and announce it.

        Args:
            scope: the app.
            room: of which it is.
            content_type: as its sender calls it; anything but sound or moving pictures is only downloaded.
            chunks: the content.
            fields: asked for after the content; `duration_seconds` counts.

        Raises:
            NotAllowed: the room is not to be recorded.
            TooLarge: over the limit.
            Invalid: empty, or the duration is none. Nothing is kept of what is refused.
        """
        if not room.recording_enabled:
            raise NotAllowed("This room is not to be recorded.")
        recording_id = f"rec_{secrets.token_hex(10)}"
        key = f"rooms/{scope.app_id}/{room.id}/{recording_id}"
        size = await self._store.blobs.put(key, self._bounded(chunks))
        try:
            if not size:
                raise Invalid("The recording is empty.", field="/file")
            kind = (content_type or "").partition(";")[0].strip().lower()
            recording = Recording(
                id=recording_id,
                app_id=scope.app_id,
                room_id=room.id,
                blob_key=key,
                content_type=kind if _TYPES.fullmatch(kind) else "application/octet-stream",
                size_bytes=size,
                duration_seconds=_duration((await fields()).get("duration_seconds")),
                created_at=scope.now(),
            )
            async with scope.change() as change:
                await self.add(change, recording)
        except BaseException:
            await self._store.blobs.delete(key)
            raise
        return recording

    async def add(self, change: Change, recording: Recording) -> None:
        """Announce a recording whose content is there, as a part of a change."""
        await store.insert_recording(change, recording)
        change.announce(
            RoomRecordingReady(
                room_id=recording.room_id,
                recording_id=recording.id,
                url=self.url(recording),
                duration_seconds=recording.duration_seconds,
                size_bytes=recording.size_bytes,
                content_type=recording.content_type,
            )
        )

    async def of_room(self, scope: AppScope, room_id: str) -> list[Recording]:
        """Those of a room, newest first; `store.RECORDINGS_SHOWN` at most."""
        return await store.recordings(scope, room_id)

    def url(self, recording: Recording) -> str:
        """Where to get it, for the next `DOWNLOAD_TIME`."""
        return self.url_of(recording.id)

    def url_of(self, recording_id: str) -> str:
        """The same, of one that is known to be there."""
        path = f"{FOLDER}/{recording_id}"
        query = self._links.query("GET", path, self._store.clock.now() + DOWNLOAD_TIME)
        return f"{self._public_url}{path}?{query}"

    async def open(self, recording_id: str, query: Mapping[str, str]) -> tuple[Recording, Blob]:
        """A recording and its content, for the holder of a link.

        Raises:
            NotAllowed: the link is wrong or its time is over.
            NotFound: there is no such recording any more.
        """
        path = f"{FOLDER}/{recording_id}"
        self._links.check("GET", path, query, self._store.clock.now())
        found = await store.recording_by_link(self._store.database, recording_id)
        if not _ID.fullmatch(recording_id) or found is None:
            raise NotFound("There is no such recording.")
        return found, await self._store.blobs.get(found.blob_key)

    async def _bounded(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in chunks:
            size += len(chunk)
            if size > self.max_bytes:
                raise TooLarge(f"A recording has at most {self.max_bytes >> 20} MiB.")
            yield chunk


def _duration(text: str | None) -> int | None:
    if text is None or not text.strip():
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= DURATION_LIMIT_S:
        raise Invalid("The duration is a number of seconds.", field="/duration_seconds")
    return round(seconds)
