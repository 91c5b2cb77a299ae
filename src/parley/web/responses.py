"""Answers made of built files and pages, conditional requests and errors included."""

import html
from typing import Any

import msgspec
from litestar import Request, Response

from parley.base.errors import (
    Conflict,
    Invalid,
    NotAllowed,
    NotFound,
    ParleyError,
    StateForbids,
    TooLarge,
    TooMany,
    Unauthenticated,
    Unavailable,
)
from parley.web.context import WebContext
from parley.web.files import BuiltFile, entity_tag
from parley.web.headers import PRIVATE, asset_headers

AnyRequest = Request[Any, Any, Any]

NOT_BUILT = "The web pages have not been built. Run `make setup`, then restart the server.\n"

_STATUS: tuple[tuple[type[ParleyError], int], ...] = (
    (Invalid, 400),
    (Unauthenticated, 401),
    (NotAllowed, 403),
    (NotFound, 404),
    (Conflict, 409),
    (StateForbids, 409),
    (TooLarge, 413),
    (TooMany, 429),
    (Unavailable, 503),
)

_MARK = b'<meta name="parley" content="" />'


def not_built() -> Response[str]:
    """What every page answers while there is no build."""
    return Response(
        NOT_BUILT,
        status_code=503,
        media_type="text/plain",
        headers={"Cache-Control": "no-store"},
    )


def _matches(request: AnyRequest, etag: str) -> bool:
    """Whether the browser has this version already (If-None-Match, RFC 9110 section 13.1.2)."""
    given = request.headers.get("if-none-match", "")
    return etag in (tag.strip() for tag in given.split(","))


def file_response(request: AnyRequest, file: BuiltFile) -> Response[bytes]:
    """A built file, compressed where the browser takes it, 304 where it has it."""
    headers = asset_headers(file.path) | {"ETag": file.etag}
    if file.gzipped is not None:
        headers["Vary"] = "Accept-Encoding"
    if _matches(request, file.etag):
        return Response(b"", status_code=304, headers=headers)
    if file.gzipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(
            file.gzipped, media_type=file.media_type, headers=headers | {"Content-Encoding": "gzip"}
        )
    return Response(file.content, media_type=file.media_type, headers=headers)


def render(file: BuiltFile, context: WebContext) -> BuiltFile:
    """The page with the server's facts in its `<meta name="parley">`."""
    facts = {
        "version": context.version,
        "public_url": context.public_url,
        "demo": context.create_demo_meeting is not None,
        "api_reference": context.api_reference,
    }
    value = html.escape(msgspec.json.encode(facts).decode())
    content = file.content.replace(_MARK, f'<meta name="parley" content="{value}" />'.encode())
    return BuiltFile(file.path, content, file.gzipped if content == file.content else None)


def page_response(request: AnyRequest, page: BuiltFile, headers: dict[str, str]) -> Response[bytes]:
    """An HTML page with its security headers, 304 where the browser has it.

    The tag covers the headers: a changed policy must not be hidden behind an unchanged page.
    """
    etag = entity_tag(page.content + repr(sorted(headers.items())).encode())
    headers = headers | {"ETag": etag}
    if _matches(request, etag):
        return Response(b"", status_code=304, headers=headers)
    return Response(page.content, media_type="text/html", headers=headers)


def error_response(_: AnyRequest, error: ParleyError) -> Response[dict[str, Any]]:
    """`{"error": {"code", "message"}}` with the status the error stands for."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    headers = {"Cache-Control": PRIVATE}
    if isinstance(error, TooMany):
        headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
    return Response(
        {"error": {"code": error.code, "message": error.message}}, status_code=status, headers=headers
    )
