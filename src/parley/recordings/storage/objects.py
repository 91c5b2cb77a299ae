"""Object stores through obstore: one upload, and the proof that it arrived.

An object appears under its name when the last request of its upload is answered, so what breaks off leaves
nothing to be seen there. Proof is the store's own digest where it answers with one (an ETag that is the MD5
of the bytes or of the parts' MD5s), and the SHA-256 of the object read back where it does not.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import obstore
from obstore.exceptions import BaseError

from parley.outgoing.gate import Gate
from parley.outgoing.http import OutgoingPolicy
from parley.recordings.storage.errors import RetryLater
from parley.recordings.storage.local import Digests, LocalFile
from parley.recordings.storage.refusals import Place, refusal

MIN_PART_BYTES = 8 << 20
MAX_PARTS = 9_000
"""S3 and Google allow 10,000."""
AT_ONCE = 3
"""Parts on their way together; as many are held in memory."""
READ_BACK_BYTES = 8 << 20
ANSWERS_BYTES = 32 << 20
"""All that a store may say about one upload besides the file itself; TLS begins with some 5 kB."""
REQUEST_S, CONNECT_S = timedelta(seconds=300), timedelta(seconds=10)
RETRY: dict[str, Any] = {
    "max_retries": 2,
    "retry_timeout": timedelta(seconds=60),
    "backoff": {"init_backoff": timedelta(milliseconds=200), "max_backoff": timedelta(seconds=5), "base": 2},
}
"""Of single requests; `Target` begins anew after that."""
Options = Mapping[str, Any]
"""`client_options` of obstore."""


@dataclass(frozen=True, slots=True)
class ObjectStorage:
    """A bucket; connections to what the customer may name go through a `Gate`."""

    make: Callable[[Options], Any]
    """The obstore store, from options for its HTTP client."""
    place: Place
    policy: OutgoingPolicy | None
    """None where the operator named the address."""
    allows_http: bool = False
    part_bytes: int = MIN_PART_BYTES

    async def upload(self, file: LocalFile, key: str) -> None:
        """See `target.Uploader`."""
        options: dict[str, Any] = {
            "timeout": REQUEST_S,
            "connect_timeout": CONNECT_S,
            "allow_http": self.allows_http,
            "user_agent": "Parley",
        }
        async with AsyncExitStack() as stack:
            gate = None
            if self.policy is not None:
                gate = await stack.enter_async_context(Gate(self.policy, most_received=ANSWERS_BYTES))
                options["proxy_url"] = gate.url
            try:
                store = self.make(options)
                await self._send(store, file, key, gate)
            except (BaseError, FileNotFoundError, PermissionError, ValueError) as failure:
                # obstore says with builtin errors what the store answered; those of files have a name.
                if isinstance(failure, OSError) and failure.filename is not None:
                    raise
                raise refusal(failure, self.place, gate.failure if gate else None) from None

    async def _send(self, store: Any, file: LocalFile, key: str, gate: Gate | None) -> None:
        part = max(self.part_bytes, -(-file.size // MAX_PARTS))
        digests = Digests(part)
        async with aclosing(_Failing(file.chunks(digests))) as chunks:
            is_large = file.size > part
            try:
                result = await obstore.put_async(
                    store,
                    key,
                    chunks if is_large else b"".join([chunk async for chunk in chunks]),
                    use_multipart=is_large,
                    chunk_size=part,
                    max_concurrency=AT_ONCE,
                )
            except BaseError:
                if chunks.failure is not None:
                    raise chunks.failure from None
                raise
        if digests.size != file.size:
            raise RetryLater("The recorded file changed while it was uploaded.")
        if (result["e_tag"] or "").strip('"').lower() not in digests.etags():
            await self._read_back(store, key, digests, gate)

    async def _read_back(self, store: Any, key: str, digests: Digests, gate: Gate | None) -> None:
        found = int((await obstore.head_async(store, key))["size"])
        digest = hashlib.sha256()
        if found == digests.size:
            for start in range(0, found, READ_BACK_BYTES):
                length = min(READ_BACK_BYTES, found - start)
                if gate is not None:
                    gate.expect(length + length // 8)  # TLS and headers take a little
                piece = await obstore.get_range_async(store, key, start=start, length=length)
                await asyncio.to_thread(digest.update, piece)
        if found != digests.size or digest.digest() != digests.sha256:
            with suppress(BaseError, OSError):  # what is wrong must not look finished
                await obstore.delete_async(store, key)
            raise RetryLater(f"What arrived in {self.place} is not what was sent.")


class _Failing:
    """Keeps why reading the local file failed: obstore wraps it into an error of its own."""

    def __init__(self, chunks: AsyncGenerator[bytes, None]) -> None:
        self._chunks = chunks
        self.failure: OSError | None = None

    def __aiter__(self) -> _Failing:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._chunks)
        except OSError as failure:
            self.failure = failure
            raise

    async def aclose(self) -> None:
        """Close the file."""
        await self._chunks.aclose()
