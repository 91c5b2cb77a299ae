"""Files: a local folder or an S3-compatible bucket behind one small class.

Object stores through `obstore` (`design.md` D14); a key is a slash-separated path made by us, never by
a user.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from parley.base.errors import NotFound, Unavailable

PART_BYTES = 5 * 1024 * 1024
"""Upload part size; the least S3 allows."""

RETRIES = 3
RETRY_TIMEOUT = timedelta(seconds=30)
"""Per request; the library's own are 10 and three minutes, longer than any caller waits."""


class BlobsUnavailable(Unavailable):
    """The file storage refused or cannot be reached."""

    code = "blobs_unavailable"


class Blob:
    """A file that is there; nothing is read before somebody asks."""

    def __init__(self, store: Any, key: str, meta: Mapping[str, Any]) -> None:
        self._store = store
        self._key = key
        self.size_bytes = int(meta["size"])
        self.modified_at: datetime = meta["last_modified"]
        """When it was stored, in UTC."""
        self.etag: str | None = meta.get("e_tag")
        """With its quotes; another one when the file is stored again."""

    @property
    def chunks(self) -> AsyncIterator[bytes]:
        """The whole content."""
        return self.read()

    async def read(self, first: int = 0, count: int | None = None) -> AsyncIterator[bytes]:
        """So many bytes from there, both within the file; by default all.

        Raises:
            BlobsUnavailable: they cannot be read, or not to their end.
        """
        options: Any = None if count is None else {"range": (first, first + count)}
        with _translated("The file could not be read."):
            found = await obstore.get_async(self._store, self._key, options=options)
        stream = aiter(found.stream())
        while True:
            with _translated("The file could not be read to its end."):
                chunk = await anext(stream, None)
            if chunk is None:
                return
            yield bytes(chunk)


class Blobs:
    """Stores whole files, and reads them or parts of them."""

    def __init__(self, store: Any) -> None:
        self._store = store

    @classmethod
    def local(cls, folder: Path) -> Blobs:
        """Files below a folder, which is made when missing."""
        return cls(LocalStore(str(folder), mkdir=True))

    @classmethod
    def s3(
        cls,
        bucket: str,
        *,
        endpoint: str | None,
        region: str,
        access_key: str,
        secret_key: str,
        prefix: str = "",
    ) -> Blobs:
        """An S3-compatible bucket."""
        return cls(
            S3Store(
                bucket,
                prefix=prefix or None,
                endpoint=endpoint,
                region=region,
                access_key_id=access_key,
                secret_access_key=secret_key,
                virtual_hosted_style_request=False,
                retry_config={"max_retries": RETRIES, "retry_timeout": RETRY_TIMEOUT},
                client_options={"allow_http": bool(endpoint and endpoint.startswith("http://"))},
            )
        )

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        """Store a file as it arrives; visible only once complete. Returns its size in bytes.

        Raises:
            ValueError: the key is not a plain path; also from `get` and `delete`.
        """
        _check(key)
        size = 0
        with _translated("The file could not be stored."):
            opened = obstore.open_writer_async(self._store, key, buffer_size=PART_BYTES)
            writer = await opened.__aenter__()
        try:
            async for chunk in chunks:
                size += len(chunk)
                with _translated("The file could not be stored."):
                    await writer.write(chunk)
        except BaseException as failure:
            await opened.__aexit__(type(failure), failure, failure.__traceback__)
            raise
        with _translated("The file could not be stored."):
            await opened.__aexit__(None, None, None)
        return size

    async def get(self, key: str) -> Blob:
        """Find a file.

        Raises:
            NotFound: no such file.
        """
        _check(key)
        try:
            with _translated("The file could not be read.", missing=FileNotFoundError):
                meta = await obstore.head_async(self._store, key)
        except FileNotFoundError as missing:
            raise NotFound("No such file.") from missing
        return Blob(self._store, key, meta)

    async def delete(self, key: str) -> None:
        """Remove a file; fine when it is gone already."""
        _check(key)
        refused = "The file could not be removed."
        with contextlib.suppress(FileNotFoundError), _translated(refused, missing=FileNotFoundError):
            await obstore.delete_async(self._store, key)


def _check(key: str) -> None:
    # The library refuses most of these as well, each kind of storage in its own way.
    if "\x00" in key or any(part in ("", ".", "..") for part in key.split("/")):
        raise ValueError(f"not a plain path: {key!r}")


@contextlib.contextmanager
def _translated(what: str, *, missing: type[Exception] | tuple[()] = ()) -> Iterator[None]:
    """Around calls of the library; it reports a full disk or a missing bucket as one of Python's own errors.

    Args:
        what: for people.
        missing: passes as it is.
    """
    try:
        yield
    except missing:
        raise
    except (BaseError, OSError) as refused:
        raise BlobsUnavailable(what) from refused
