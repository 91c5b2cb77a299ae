"""Control connection to one Janus: one session, many handles.

Requests and answers are matched by transaction. Most plugin requests are first answered with `ack`
and later with an `event` of the same transaction; the caller sees only the latter. Unasked events
go to the callback of the handle that sent them.

When the connection drops, every waiting request fails at once with `TransportGone` and every
handle is dead; there is no reconnecting, because Janus frees the session with its connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from parley.media.janus.admin import JanusAdmin
from parley.media.ports import MediaError, MediaUnavailable, TransportGone, TransportStatistics

log = logging.getLogger(__name__)

Message = dict[str, Any]
"""A decoded JSON object of Janus's API."""

CONNECT_TIMEOUT_S = 5.0
REQUEST_TIMEOUT_S = 10.0
"""Janus answers within a millisecond; a busy machine may take a second."""
KEEPALIVE_S = 20.0
"""Janus drops a session after 60 s without a word."""
KEEPALIVE_TIMEOUT_S = 10.0
"""A Janus that is silent for so long is taken for hung, and its engine restarts it."""
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""Of one message from Janus; an offer with 200 sections is about 250 kB."""
_VIDEOROOM = "janus.plugin.videoroom"


class JanusRefused(MediaError):
    """Janus answered a request with an error."""

    def __init__(self, error_code: int, reason: str) -> None:
        super().__init__(f"The media engine refused a request: {reason} (Janus error {error_code}).")
        self.error_code = error_code
        """Janus's number, e.g. 427 for "room exists"."""


class Jsep(NamedTuple):
    """A session description as Janus names it."""

    type: str
    """ "offer" or "answer"."""
    sdp: str


@dataclass(frozen=True, slots=True)
class Reply:
    """The outcome of a plugin request."""

    data: Message
    jsep: Jsep | None


@dataclass(slots=True)
class _Waiting:
    future: asyncio.Future[Message]
    ack_suffices: bool
    when_late: Callable[[Message], None] | None
    """Called with the answer if nobody waits for it any more."""


class JanusHandle:
    """One attachment to the VideoRoom plugin: a publisher, a subscriber, or room control."""

    def __init__(self, client: JanusClient, handle_id: int, on_event: Callable[[Message], None]) -> None:
        self._client = client
        self.id = handle_id
        self._on_event = on_event

    async def request(
        self, body: Mapping[str, Any], jsep: Jsep | None = None, *, timeout_s: float = REQUEST_TIMEOUT_S
    ) -> Reply:
        """Send a VideoRoom request and return its final answer.

        Raises:
            JanusRefused: answered with an error.
            TransportGone: the connection is or went down, or the handle was detached.
            MediaError: no answer in time.
        """
        fields: Message = {"handle_id": self.id, "body": body}
        if jsep is not None:
            fields["jsep"] = jsep._asdict()
        message = await self._client.request("message", fields, timeout_s=timeout_s)
        plugindata = message.get("plugindata")
        data = plugindata.get("data") if isinstance(plugindata, dict) else None
        if not isinstance(data, dict):
            raise MediaError("The media engine sent an answer without data.")
        if "error_code" in data:
            raise JanusRefused(int(data["error_code"]), str(data.get("error", "no reason given")))
        return Reply(data, _jsep_of(message))

    async def statistics(self, *, to_browser: bool = False) -> TransportStatistics:
        """What Janus knows of this handle's connection; see `JanusAdmin.statistics`."""
        return await self._client.statistics(self.id, to_browser=to_browser)

    async def detach(self) -> None:
        """Free the handle and its connection to the browser; may be called twice, also when all is lost."""
        await self._client.detach(self.id)

    def deliver(self, message: Message) -> None:
        """Hand an unasked event to the owner; an owner's mistake must not stop the others' events."""
        try:
            self._on_event(message)
        except Exception:
            log.exception("A listener of Janus handle %d failed", self.id)


def _jsep_of(message: Message) -> Jsep | None:
    jsep = message.get("jsep")
    if not isinstance(jsep, dict):
        return None
    return Jsep(str(jsep.get("type", "")), str(jsep.get("sdp", "")))


def _has_result(future: asyncio.Future[Message]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


class JanusClient:
    """An open session. Make one with `connect`."""

    def __init__(self, socket: ClientConnection, api_secret: str) -> None:
        self._socket = socket
        self._api_secret = api_secret
        self._session_id: int | None = None
        self._numbers = itertools.count(1)
        self._waiting: dict[str, _Waiting] = {}
        self._handles: dict[int, JanusHandle] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._lost = asyncio.Event()
        self._reader = asyncio.create_task(self._read(), name="janus reader")
        self._keeper: asyncio.Task[None] | None = None
        self.admin: JanusAdmin | None = None
        """Tells statistics, where somebody has given it."""
        self.version = ""
        """As Janus tells it, e.g. "1.1.2"."""

    @classmethod
    async def connect(cls, socket_path: Path, api_secret: str) -> JanusClient:
        """Connect and open the session.

        Raises:
            MediaUnavailable: nobody answers there.
        """
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                socket = await unix_connect(
                    str(socket_path),
                    uri="ws://localhost/",
                    subprotocols=[Subprotocol("janus-protocol")],
                    compression=None,
                    max_size=MAX_MESSAGE_BYTES,
                    ping_interval=None,  # the session's keepalive asks more
                    close_timeout=1,
                )
        except (OSError, TimeoutError, WebSocketException) as error:
            raise MediaUnavailable(f"Janus does not accept a control connection: {error}") from error
        client = cls(socket, api_secret)
        try:
            info = await client.request("info")
            client.version = str(info.get("version_string", ""))
            created = await client.request("create")
            client._session_id = int(created["data"]["id"])
        except BaseException as error:
            await client.close()
            if isinstance(error, MediaError):
                raise MediaUnavailable(f"Janus does not open a session: {error.message}") from error
            raise
        client._keeper = asyncio.create_task(client._keep_alive(), name="janus keepalive")
        return client

    @property
    def is_lost(self) -> bool:
        """True from the moment the connection is down, whoever closed it."""
        return self._lost.is_set()

    async def wait_lost(self) -> None:
        """Return when the connection is down."""
        await self._lost.wait()

    async def attach(self, label: str, on_event: Callable[[Message], None]) -> JanusHandle:
        """A new VideoRoom handle; `on_event` gets each event that is not the answer to a request.

        A caller who stops waiting leaves nothing behind: a handle that comes too late is detached.
        """
        message = await self.request(
            "attach", {"plugin": _VIDEOROOM, "opaque_id": label[:64]}, when_late=self._discard_handle
        )
        handle = JanusHandle(self, int(message["data"]["id"]), on_event)
        self._handles[handle.id] = handle
        return handle

    async def statistics(self, handle_id: int, *, to_browser: bool) -> TransportStatistics:
        """See `JanusHandle.statistics`."""
        if self.admin is None or self._session_id is None:
            raise MediaError("The media engine tells no statistics.")
        return await self.admin.statistics(self._session_id, handle_id, to_browser=to_browser)

    async def detach(self, handle_id: int) -> None:
        """See `JanusHandle.detach`."""
        if self._handles.pop(handle_id, None) is None or self.is_lost:
            return
        with contextlib.suppress(MediaError):  # gone already, or the connection is: both are what we want
            await self.request("detach", {"handle_id": handle_id})

    async def request(
        self,
        verb: str,
        fields: Mapping[str, Any] | None = None,
        *,
        timeout_s: float = REQUEST_TIMEOUT_S,
        when_late: Callable[[Message], None] | None = None,
    ) -> Message:
        """Send one request and wait for its final answer (see `JanusHandle.request` for errors)."""
        if self.is_lost:
            raise TransportGone("The connection to the media engine is lost.")
        transaction = str(next(self._numbers))
        message: Message = {
            "janus": verb,
            "transaction": transaction,
            "apisecret": self._api_secret,
            **(fields or {}),
        }
        if self._session_id is not None:
            message["session_id"] = self._session_id
        waiting = _Waiting(asyncio.get_running_loop().create_future(), verb == "keepalive", when_late)
        self._waiting[transaction] = waiting
        answer: Message | None = None
        try:
            async with asyncio.timeout(timeout_s):
                await self._socket.send(msgspec.json.encode(message).decode())
                answer = await waiting.future
        except TimeoutError as error:
            raise MediaError(f"The media engine did not answer {verb!r} within {timeout_s:g} s.") from error
        except WebSocketException as error:
            raise TransportGone("The connection to the media engine is lost.") from error
        finally:
            if answer is not None or when_late is None:
                self._waiting.pop(transaction, None)
            elif _has_result(waiting.future):  # cancelled in the very moment of the answer
                self._waiting.pop(transaction, None)
                when_late(waiting.future.result())
        if answer.get("janus") == "error":
            error_fields = answer.get("error", {})
            raise JanusRefused(
                int(error_fields.get("code", 0)), str(error_fields.get("reason", "no reason given"))
            )
        return answer

    async def close(self) -> None:
        """End the session and the connection; may be called twice."""
        if self._keeper is not None:
            self._keeper.cancel()
        if self.admin is not None:
            await self.admin.close()
        await self._socket.close()
        self._reader.cancel()
        tasks = [task for task in (self._reader, self._keeper, *self._background) if task is not None]
        for task in self._background:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._fail_everything()

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(KEEPALIVE_S)
            try:
                await self.request("keepalive", timeout_s=KEEPALIVE_TIMEOUT_S)
            except MediaError as error:
                log.error("Janus no longer answers (%s), dropping it", error.message)
                break
        self._fail_everything()

    async def _read(self) -> None:
        try:
            async for text in self._socket:
                try:
                    message = msgspec.json.decode(text)
                except msgspec.DecodeError:
                    log.warning("Janus sent something that is not JSON")
                    continue
                if isinstance(message, dict):
                    self._route(message)
        except WebSocketException as error:
            log.info("The connection to Janus broke: %s", error)
        finally:
            self._fail_everything()

    def _route(self, message: Message) -> None:
        transaction = message.get("transaction")
        waiting = self._waiting.get(transaction) if isinstance(transaction, str) else None
        if waiting is not None and transaction is not None:
            if message.get("janus") == "ack" and not waiting.ack_suffices:
                return
            if not waiting.future.done():
                waiting.future.set_result(message)
            elif waiting.when_late is not None:
                del self._waiting[transaction]
                waiting.when_late(message)
            return
        if message.get("janus") == "timeout":
            log.error("Janus dropped our session")
            self._fail_everything()
            return
        handle = self._handles.get(message.get("sender", 0))
        if handle is not None and "transaction" not in message:
            handle.deliver(message)

    def _discard_handle(self, message: Message) -> None:
        data = message.get("data")
        if not isinstance(data, dict):
            return
        task = asyncio.create_task(self._detach_unused(int(data["id"])), name="janus late detach")
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _detach_unused(self, handle_id: int) -> None:
        with contextlib.suppress(MediaError):
            await self.request("detach", {"handle_id": handle_id})

    def _fail_everything(self) -> None:
        self._lost.set()
        waiting, self._waiting = self._waiting, {}
        for each in waiting.values():
            if not each.future.done():
                each.future.set_exception(TransportGone("The connection to the media engine is lost."))
                each.future.exception()  # it may have no waiter any more
        self._handles.clear()
