"""REST routes as a plain ASGI application, for every dialect.

A web framework's routing, request and response objects cost more than what most of our routes do, and a
dialect that declares its routes itself (`realtimekit/endpoint.py`) uses little else of it::

    api = RestApi(
        [("GET", "/accounts/{account_id}/apps", list_apps), …],
        refuse=…,  # how this dialect says what its routes raise
        refuse_status=…,  # and what is wrong before there is a route
    )

A handler takes a `Request` and returns an `Answer`; the envelope is the dialect's own. What a handler raises
is answered by `refuse` if it is one of our errors, and otherwise logged and answered as 500.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import structlog

from parley.base.errors import ParleyError, TooLarge
from parley.stream.http import EXTENSION

log = structlog.get_logger(__name__)
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
AsgiApp = Callable[[Any, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]
"""Name in lower case, and value."""


REMEMBERED_PATHS, REMEMBERED_PATH = 1024, 256
"""How many paths a `RestApi` remembers with their handlers, and how long they may be."""


class Answer(NamedTuple):
    """What is sent back."""

    status: int
    body: bytes
    headers: Sequence[Header] = ()
    """Beside `content-length`."""


class ClientGone(Exception):
    """The client has closed the connection; there is nobody to answer."""


class Request:
    """A request whose route is known."""

    __slots__ = ("_receive", "_scope", "path_params")

    def __init__(self, scope: Any, receive: Receive, path_params: dict[str, str]) -> None:
        self._scope = scope
        self._receive = receive
        self.path_params = path_params
        """By name, without escapes."""

    @property
    def query(self) -> bytes:
        """The query string as it came."""
        query: bytes = self._scope["query_string"]
        return query

    @property
    def address(self) -> str | None:
        """The client's, as a trusted proxy says where there is one; None when it is not known."""
        client = self._scope.get("client")
        return client[0] or None if client else None

    def header(self, name: bytes) -> str:
        """The first header of that name (lower case); empty when there is none."""
        value: bytes
        for key, value in self._scope["headers"]:
            if key == name:
                return value.decode("latin-1")
        return ""

    @property
    def receive(self) -> Receive:
        """For handlers that read the body in pieces, as ASGI hands them over, instead of calling `body`."""
        return self._receive

    async def body(self, limit_bytes: int) -> bytes:
        """The whole body; may be read once.

        Raises:
            TooLarge: it is longer; the rest of it is left unread.
            ClientGone: it will never be complete.
        """
        length = self.header(b"content-length")
        if length.isdecimal() and int(length) > limit_bytes:
            raise TooLarge("The body is too large")
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > limit_bytes:
                raise TooLarge("The body is too large")
            if not message.get("more_body", False):
                return b"".join(chunks)


Handler = Callable[[Request], Awaitable[Answer]]


class _Node:
    """The routes below one beginning of a path."""

    __slots__ = ("any_segment", "handlers", "names", "segments")

    def __init__(self) -> None:
        self.segments: dict[str, _Node] = {}
        self.any_segment: _Node | None = None
        self.handlers: dict[str, Handler] = {}
        """By method, of the path that ends here."""
        self.names: tuple[str, ...] = ()
        """Of the parameters of that path, in order."""


class PathTrie:
    """Finds a path's handlers in time that depends on its own length, not on how many routes there are.

    `{name}` in a path stands for one segment, whatever is in it; where a literal segment fits as well, the
    literal one wins. Empty segments are skipped, so a slash at the end makes no difference.
    """

    def __init__(self) -> None:
        self._root = _Node()

    def add(self, method: str, path: str, handler: Handler) -> None:
        """Declare a route.

        Raises:
            ValueError: it is declared already, or another method of its path names a parameter otherwise.
        """
        node = self._root
        names: list[str] = []
        for segment in filter(None, path.split("/")):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                if node.any_segment is None:
                    node.any_segment = _Node()
                node = node.any_segment
            else:
                node = node.segments.setdefault(segment, _Node())
        if method in node.handlers:
            raise ValueError(f"{method} {path} is declared twice")
        if node.handlers and node.names != tuple(names):
            raise ValueError(f"{path} names its parameters otherwise than before: {', '.join(node.names)}")
        node.handlers[method] = handler
        node.names = tuple(names)

    def find(self, path: str) -> tuple[Mapping[str, Handler], dict[str, str]] | None:
        """The handlers of a path by method, and its parameters; None when there is no such path."""
        node = self._root
        values: list[str] = []
        for segment in path.split("/"):
            if not segment:
                continue
            below = node.segments.get(segment)
            if below is None:
                below = node.any_segment
                if below is None:
                    return None
                values.append(segment)
            node = below
        if not node.handlers:
            return None
        return node.handlers, dict(zip(node.names, values, strict=True))


class RestApi:
    """An ASGI application of declared routes."""

    def __init__(
        self,
        routes: Iterable[tuple[str, str, Handler]],
        *,
        refuse: Callable[[ParleyError], Answer],
        refuse_status: Callable[[int, Sequence[Header], Request], Answer],
    ) -> None:
        """Build the table.

        Args:
            routes: method, path and handler of each.
            refuse: the dialect's answer to an error of ours.
            refuse_status: its answer for 404 (no such path), 405 (with `allow` as a header) and 500; the
                request has no parameters then.
        """
        paths = PathTrie()
        for method, path, handler in routes:
            paths.add(method, path, handler)
        self._paths = paths
        self._known = lru_cache(maxsize=REMEMBERED_PATHS)(paths.find)
        """The same few paths are asked for most of the time."""
        self._refuse = refuse
        self._refuse_status = refuse_status

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        try:
            answer = await self._answer(scope, receive)
        except ClientGone:
            return
        headers = list(answer.headers)
        if answer.status != 204:  # which has none (RFC 9110 section 8.6)
            headers.append((b"content-length", b"%d" % len(answer.body)))
        connection = scope.get("extensions", {}).get(EXTENSION)
        if connection is not None and connection.answer(scope, answer.status, headers, answer.body):
            return
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Any, receive: Receive) -> Answer:
        path: str = scope["path"]
        found = self._known(path) if len(path) <= REMEMBERED_PATH else self._paths.find(path)
        if found is None:
            return self._refuse_status(404, (), Request(scope, receive, {}))
        handlers, path_params = found
        handler = handlers.get(scope["method"])
        if handler is None:
            return self._without_handler(Request(scope, receive, {}), scope["method"], handlers)
        request = Request(scope, receive, path_params.copy())  # handlers may change theirs
        try:
            return await handler(request)
        except ParleyError as error:
            return self._refuse(error)
        except ClientGone:
            raise
        except Exception:
            log.exception("request_failed", method=scope["method"], path=scope["path"])
            return self._refuse_status(500, (), request)

    def _without_handler(self, request: Request, method: str, handlers: Mapping[str, Handler]) -> Answer:
        allow = (b"allow", ", ".join(sorted({*handlers, "OPTIONS"})).encode())
        return (
            Answer(204, b"", [allow]) if method == "OPTIONS" else self._refuse_status(405, [allow], request)
        )


class ByPrefix:
    """Sends requests below some paths to applications of their own, and all others to a last one."""

    def __init__(self, applications: Mapping[str, AsgiApp], otherwise: AsgiApp) -> None:
        """Take applications by the beginning of the paths that are theirs, such as `/accounts/`."""
        self._applications = tuple(applications.items())
        self._otherwise = otherwise

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Pass on."""
        if scope["type"] == "http":
            path: str = scope["path"]
            for prefix, application in self._applications:
                if path.startswith(prefix):
                    return await application(scope, receive, send)
        return await self._otherwise(scope, receive, send)
