"""Files and parts of files, for players that seek and downloads that go on (RFC 9110 section 14).

One range of bytes is answered with 206. Several at once, and what is no range of bytes, are answered with the
whole file, as the standard allows; no player asks for several.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from email.utils import format_datetime
from typing import Any, NamedTuple

import structlog

from parley.base.errors import ParleyError
from parley.store.blobs import Blob
from parley.wire.asgi import ClientGone, Header, Send

log = structlog.get_logger(__name__)
_RANGE = re.compile(
    r"bytes[ \t]*=[ \t]*(?:(\d{1,18})-(\d{1,18})?|-(\d{1,18}))[ \t]*", re.ASCII | re.IGNORECASE
)


class Part(NamedTuple):
    """What of a file is answered."""

    status: int
    """200, 206, or 416."""
    headers: Sequence[Header]
    """Its length and place, and what ranges of it are asked for by."""
    chunks: AsyncIterator[bytes] | None
    """None of no bytes at all."""


def part_of(blob: Blob, asked: Mapping[str, str]) -> Part:
    """The answer to a request by its headers, named in lower case; `Range` and `If-Range` count."""
    headers: list[Header] = [
        (b"accept-ranges", b"bytes"),
        (b"last-modified", format_datetime(blob.modified_at, usegmt=True).encode()),
    ]
    if blob.etag is not None:
        headers.append((b"etag", blob.etag.encode("latin-1", "replace")))
    found = _RANGE.fullmatch(asked.get("range", ""))
    whole, size = blob.chunks, blob.size_bytes
    if found is None or not _is_same(blob, asked.get("if-range")):
        return Part(200, [*headers, (b"content-length", b"%d" % size)], whole)
    if found[3] is None:
        first, last = int(found[1]), int(found[2]) if found[2] else size - 1
        if last < first and found[2]:  # the standard calls this no range, not one that cannot be had
            return Part(200, [*headers, (b"content-length", b"%d" % size)], whole)
    else:
        first, last = max(0, size - int(found[3])), size - 1
    last = min(last, size - 1)
    if first > last:
        return Part(
            416, [*headers, (b"content-range", b"bytes */%d" % size), (b"content-length", b"0")], None
        )
    count = last - first + 1
    headers += [
        (b"content-range", b"bytes %d-%d/%d" % (first, last, size)),
        (b"content-length", b"%d" % count),
    ]
    return Part(206, headers, blob.read(first, count))


def _is_same(blob: Blob, validator: str | None) -> bool:
    """Whether it is the file that the client has a part of (RFC 9110 section 13.1.5)."""
    return validator is None or validator in (blob.etag, format_datetime(blob.modified_at, usegmt=True))


async def send_file(scope: Any, send: Send, blob: Blob, headers: Sequence[Header]) -> None:
    """Answer a GET or HEAD with the file or the part of it that is asked for.

    Nothing is sent before there is content, so what cannot be read is an error that can still be told.

    Args:
        scope: of ASGI.
        send: likewise.
        blob: the file.
        headers: beside those of `Part`.

    Raises:
        ParleyError: it cannot be read at all.
        ClientGone: it could not be read to its end, or the client does not want it any more; the answer stays
            incomplete.
    """
    is_head = scope["method"] == "HEAD"
    asked = (
        {} if is_head else {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
    )
    part = part_of(blob, asked)
    start: dict[str, Any] | None = {
        "type": "http.response.start",
        "status": part.status,
        "headers": [*headers, *part.headers],
    }
    try:
        if part.chunks is not None and not is_head:
            async for chunk in part.chunks:
                if start is not None:
                    await send(start)
                    start = None
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
    except ParleyError as failure:
        if start is not None:
            raise
        log.warning("file_not_read", reason=failure.message)
        raise ClientGone from failure
    if start is not None:
        await send(start)
    await send({"type": "http.response.body", "body": b""})
