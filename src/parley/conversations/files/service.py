"""Files of conversations: places, files, and their content."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from urllib.parse import quote, urlsplit

from msgspec.structs import replace

from parley.accounts.scope import AppScope, Change
from parley.accounts.service import app_scope
from parley.base.errors import Conflict, Invalid, NotAllowed, NotFound, TooLarge
from parley.base.ids import is_uuid, new_uuid
from parley.base.signing import SignedLinks
from parley.base.text import clean_line
from parley.conversations.files import store
from parley.conversations.files.model import (
    DOWNLOAD_TIME,
    MAX_BYTES,
    NAME_LIMIT,
    PLACE_KEPT,
    UPLOAD_TIME,
    MessageFile,
    NewFile,
    Place,
)
from parley.conversations.threads.service import Threads
from parley.people.model import Caller
from parley.store.blobs import Blob
from parley.store.core import Store

FOLDER = "/files/messages"
_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,100}", re.ASCII)


class MessageFiles:
    """The files of all apps' conversations."""

    def __init__(
        self,
        base: Store,
        links: SignedLinks,
        threads: Threads,
        *,
        public_url: str,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        """Prepare.

        Args:
            base: where files and their content are.
            links: signs the links.
            threads: knows who sees a conversation.
            public_url: where people reach this server, without a slash at the end.
            max_bytes: of one file.
        """
        self._store = base
        self._links = links
        self._threads = threads
        self._public_url = public_url
        self.max_bytes = max_bytes

    # --- places and files -------------------------------------------------------------------------

    async def presign(
        self,
        scope: AppScope,
        caller: Caller,
        context: str,
        name: str,
        content_type: str | None,
        size: int | None,
    ) -> Place:
        """A place for a file, and the link to put it there, once.

        Raises:
            NotFound: no such conversation, or not a member of it.
            TooLarge: the size that is announced is over the limit.
            Invalid: a file without a name.
        """
        if size is not None and size > self.max_bytes:
            raise self._too_large()
        async with scope.change() as change:
            seen = await self._threads.seen(change, caller, context)
            file = _blank(change, caller, seen.conversation.id, name)
            file = replace(
                file, content_type=clean_type(content_type), size=size, expires_at=change.now() + PLACE_KEPT
            )
            await store.add(change, file)
        until = scope.now() + UPLOAD_TIME
        query = self._links.query("PUT", f"{FOLDER}/{file.id}", until)
        return Place(file.id, f"{self._address(file)}?{query}", self.url(file), until)

    async def create(self, scope: AppScope, caller: Caller, context: str, new: NewFile) -> MessageFile:
        """Make a place, or an address elsewhere, a file of the conversation.

        Raises:
            NotFound: no such conversation, or not a member of it; no such place.
            Conflict: the place is a file already.
            Invalid: names the field.
        """
        file_id = self._id_in(new.url)
        async with scope.change() as change:
            conversation = (await self._threads.seen(change, caller, context)).conversation.id
            message_id = await self._message(change, conversation, new.message_unique_id)
            if file_id is None:
                file = _blank(change, caller, conversation, new.name)
                file = replace(
                    file,
                    message_unique_id=message_id,
                    content_type=clean_type(new.content_type),
                    size=new.size,
                    external_url=_elsewhere(new.url),
                    status="active" if new.url else "pending",
                    payload=new.payload,
                )
                await store.add(change, file)
                return file
            place = await store.lock(change, conversation, file_id)
            if place is None or not (caller.is_server or place.uploaded_by == caller.user_id):
                raise NotFound("There is no such upload.")
            if place.expires_at is None:
                raise Conflict("This upload is a file of the conversation already.")
            file = replace(
                place,
                message_unique_id=message_id,
                name=_clean_name(new.name),
                content_type=place.content_type or clean_type(new.content_type),
                payload=new.payload,
                updated_at=change.now(),
                expires_at=None,
            )
            await store.put(change, file)
        return file

    async def upload(
        self,
        scope: AppScope,
        caller: Caller,
        context: str,
        name: str,
        content_type: str | None,
        chunks: AsyncIterator[bytes],
        rest: Callable[[], Awaitable[NewFile]],
    ) -> MessageFile:
        """Take a file in and make it one of the conversation.

        Args:
            scope: the app.
            caller: who sends it.
            context: the conversation.
            name: as its sender calls it.
            content_type: of the content.
            chunks: the content.
            rest: what is said of the file, asked for after its content.

        Raises:
            NotFound: no such conversation, or not a member of it.
            TooLarge: over the limit; nothing is kept.
            Invalid: names the field; the content is removed later.
        """
        async with scope.change() as change:
            conversation = (await self._threads.seen(change, caller, context)).conversation.id
            place = replace(
                _blank(change, caller, conversation, name),
                content_type=clean_type(content_type),
                expires_at=change.now() + PLACE_KEPT,  # should it not become a file
            )
            await store.add(change, place)
        place = await self._take_in(scope, place, place.content_type, chunks)
        new = await rest()
        async with scope.change() as change:
            file = replace(
                place,
                name=_clean_name(new.name),
                message_unique_id=await self._message(change, conversation, new.message_unique_id),
                payload=new.payload,
                expires_at=None,
            )
            await store.put(change, file)
        return file

    async def get(self, scope: AppScope, caller: Caller, context: str, file_id: str) -> MessageFile:
        """A file of a conversation.

        Raises:
            NotFound: none that the caller sees.
        """
        conversation = (await self._threads.seen(scope, caller, context)).conversation.id
        found = await store.get(scope, conversation, file_id.lower()) if is_uuid(file_id) else None
        if found is None:
            raise NotFound("There is no such file.")
        return found

    async def delete(self, scope: AppScope, caller: Caller, context: str, file_id: str) -> None:
        """Remove a file and its content.

        Raises:
            NotFound: none that the caller sees.
            NotAllowed: somebody else's.
        """
        file = await self.get(scope, caller, context, file_id)
        if not caller.is_user(file.uploaded_by):
            raise NotAllowed("Only whoever sent a file removes it.")
        async with scope.change() as change:
            await store.remove(change, file.id)
        if file.blob_key is not None:
            await self._store.blobs.delete(file.blob_key)

    async def of_opened(
        self, scope: AppScope, conversation_id: str, message_ids: Sequence[str], count: int
    ) -> list[MessageFile]:
        """Files of these messages, and of none in particular, of a conversation that somebody has opened."""
        return await store.shown(scope, conversation_id, message_ids, count)

    def url(self, file: MessageFile) -> str:
        """Where to get the file, for the next `DOWNLOAD_TIME` if it is with us."""
        if file.external_url is not None:
            return file.external_url
        until = self._store.clock.now() + DOWNLOAD_TIME
        return f"{self._address(file)}?{self._links.query('GET', f'{FOLDER}/{file.id}', until)}"

    # --- content, by link -------------------------------------------------------------------------

    def check(self, method: str, file_id: str, query: Mapping[str, str]) -> None:
        """Accept a link's signature; see `SignedLinks.check`."""
        self._links.check(method, f"{FOLDER}/{file_id}", query, self._store.clock.now())

    async def receive(
        self, file_id: str, content_type: str | None, chunks: AsyncIterator[bytes]
    ) -> MessageFile:
        """Take in the content of a place, once.

        Raises:
            NotFound: no such place.
            Conflict: it has content.
            TooLarge: over the limit; nothing is kept.
        """
        place = await self._find(file_id)
        scope = await app_scope(self._store, place.app_id, f"file:{place.id}")
        # What was said when the link was asked for holds, if anything was.
        kind = place.content_type or clean_type(content_type)
        return await self._take_in(scope, place, kind, chunks)

    async def open(self, file_id: str) -> tuple[MessageFile, Blob]:
        """A file and its content.

        Raises:
            NotFound: not there, or not uploaded.
        """
        found = await self._find(file_id)
        if found.blob_key is None:
            raise NotFound("There is no such file.")
        return found, await self._store.blobs.get(found.blob_key)

    async def sweep(self) -> int:
        """Remove places that nobody made files of; returns how many."""
        removed = 0
        while True:
            found = await store.expired(self._store.database, self._store.clock.now())
            for place in found:
                if place.blob_key is not None:
                    await self._store.blobs.delete(place.blob_key)
                scope = await app_scope(self._store, place.app_id, f"file:{place.id}")
                async with scope.change() as change:
                    await store.remove(change, place.id)
            removed += len(found)
            if not found:
                return removed

    async def _take_in(
        self, scope: AppScope, place: MessageFile, kind: str | None, chunks: AsyncIterator[bytes]
    ) -> MessageFile:
        if place.blob_key is not None or place.external_url is not None:
            raise Conflict("This file has been uploaded already.")
        # Two uploads at once must not mix.
        key = f"messages/{place.app_id}/{place.conversation_unique_id}/{place.id}-{new_uuid()[:8]}"

        async def bounded() -> AsyncIterator[bytes]:
            size = 0
            async for chunk in chunks:
                size += len(chunk)
                if size > self.max_bytes:
                    raise self._too_large()
                yield chunk

        size = await self._store.blobs.put(key, bounded())
        async with scope.change() as change:
            is_first = await store.complete(change, place.id, blob_key=key, size=size, content_type=kind)
        if not is_first:
            await self._store.blobs.delete(key)
            raise Conflict("This file has been uploaded already.")
        return replace(place, blob_key=key, size=size, content_type=kind, status="active")

    async def _find(self, file_id: str) -> MessageFile:
        found = await store.by_link(self._store.database, file_id) if is_uuid(file_id) else None
        if found is None or (found.expires_at is not None and found.expires_at <= self._store.clock.now()):
            raise NotFound("There is no such file.")
        return found

    async def _message(self, change: Change, conversation: str, message_id: str | None) -> str | None:
        if message_id is None:
            return None
        message_id = message_id.lower()
        if not is_uuid(message_id) or not await store.has_message(change, conversation, message_id):
            raise Invalid("The conversation has no such message.", field="/message_file/message_unique_id")
        return message_id

    def _address(self, file: MessageFile) -> str:
        return f"{self._public_url}{FOLDER}/{file.id}/{quote(file.original_name, safe='')}"

    def _id_in(self, url: str | None) -> str | None:
        """The id in a `file_url` of ours."""
        ours = f"{self._public_url}{FOLDER}/"
        if url is None or not url.startswith(ours):
            return None
        file_id = url[len(ours) :].partition("/")[0]
        if not is_uuid(file_id):
            raise NotFound("There is no such upload.")
        return file_id.lower()

    def _too_large(self) -> TooLarge:
        return TooLarge(f"A file has at most {self.max_bytes >> 20} MiB.")


def clean_type(text: str | None) -> str | None:
    """A media type without its parameters (RFC 9110 section 8.3.1); None for what is none."""
    kind = (text or "").partition(";")[0].strip().lower()
    return kind if _TYPE.fullmatch(kind) else None


def _clean_name(name: str) -> str:
    made = clean_line(name.replace("/", "_").replace("\\", "_"), limit=NAME_LIMIT)
    if not made or made in (".", ".."):
        raise Invalid("A file needs a name.", field="/message_file/name")
    return made


def _elsewhere(url: str | None) -> str | None:
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and url.isprintable()
    except ValueError:
        is_usable = False
    if not is_usable:
        raise Invalid("The URL must be an absolute http or https URL.", field="/message_file/url")
    return url


def _blank(change: Change, caller: Caller, conversation: str, name: str) -> MessageFile:
    assert isinstance(change.scope, AppScope)
    name, now = _clean_name(name), change.now()
    return MessageFile(
        id=new_uuid(),
        app_id=change.scope.app_id,
        conversation_unique_id=conversation,
        message_unique_id=None,
        uploaded_by=caller.user_id,
        name=name,
        original_name=name,
        content_type=None,
        size=None,
        external_url=None,
        thumbnail_url=None,
        blob_key=None,
        status="pending",
        payload=None,
        created_at=now,
        updated_at=now,
        expires_at=None,
    )
