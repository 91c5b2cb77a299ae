"""Pictures that customers name by URL: avatars and watermarks."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from parley.base.errors import ParleyError
from parley.outgoing.ports import Http

log = structlog.get_logger(__name__)
MAX_BYTES, TIMEOUT_S = 5 << 20, 10.0


async def fetch_picture(http: Http, url: str, path: Path) -> bool:
    """Get a picture into a file; False, with a line in the log, when it cannot be had.

    Whether it is a picture shows when it is opened.
    """
    try:
        answer = await http.request("GET", url, timeout_s=TIMEOUT_S, max_body_bytes=MAX_BYTES)
    except ParleyError as refused:
        log.info("picture_not_had", url=url, reason=refused.message)
        return False
    if answer.status != 200 or not answer.is_complete:
        why = (
            f"status {answer.status}" if answer.status != 200 else "it is too large or did not arrive in time"
        )
        log.info("picture_not_had", url=url, reason=why)
        return False
    await asyncio.to_thread(path.write_bytes, answer.body)
    return True
