"""Pictures that customers name by URL: avatars and watermarks."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from parley.base.errors import ParleyError
from parley.outgoing.ports import Http

log = structlog.get_logger(__name__)
MAX_BYTES, TIMEOUT_S = 5 << 20, 10.0
_PICTURE = re.compile(rb"\x89PNG\r\n|\xff\xd8\xff|RIFF....WEBP|GIF8|BM", re.DOTALL)
"""How such files begin."""


async def fetch_picture(http: Http, url: str, path: Path) -> str | None:
    """Get a picture into a file; returns why it cannot be had, in plain words, or None when it is there."""
    host = urlsplit(url).hostname  # the rest of a URL may be a secret
    try:
        answer = await http.request("GET", url, timeout_s=TIMEOUT_S, max_body_bytes=MAX_BYTES)
    except ParleyError as refused:
        log.info("picture_not_had", host=host, reason=refused.message)
        return refused.message
    why = None
    if answer.status != 200:
        why = f"Its server answers {answer.status}."
    elif not answer.is_complete:
        why = f"It has more than {MAX_BYTES >> 20} MiB, or did not arrive in time."
    elif not _PICTURE.match(answer.body):
        why = "It is no PNG, JPEG, WebP, GIF or BMP."
    if why is not None:
        log.info("picture_not_had", host=host, reason=why)
        return why
    await asyncio.to_thread(path.write_bytes, answer.body)
    return None
