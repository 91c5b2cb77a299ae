"""What send and receive transports share: one handle, one end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Protocol

from parley.media.janus.client import JanusClient, JanusHandle, JanusRefused, Jsep, Message, Reply
from parley.media.ports import BadDescription, Source, TransportGone

log = logging.getLogger(__name__)

_SDP_ERRORS = frozenset({464, 465})  # JANUS_ERROR_JSEP_UNKNOWN_TYPE, JANUS_ERROR_JSEP_INVALID_SDP


class Room(Protocol):
    """What a transport needs of its room."""

    room_id: str
    captures_folder: Path | None
    """Where the engine may write what it captures, as a short path."""

    def forget(self, transport_id: str) -> None:
        """The transport ended."""

    def is_published(self, source: Source) -> bool:
        """Whether the source exists right now."""

    def has_layers(self, source: Source) -> bool:
        """Whether the source is sent in simulcast."""

    async def wait_connected(self, sources: Sequence[Source]) -> None:
        """Return when their publishers' connections are up, or `CONNECT_WAIT_S` passed."""

    def refresh(self, source: Source) -> None:
        """Have its publisher asked for a key frame soon."""

    def run_in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Let the room's engine own a task."""

    async def moderate(self, source: Source, muted: bool) -> None:
        """Stop or resume the forwarding of a source."""

    async def forward(self, source: Source, port: int, ssrc: int) -> str:
        """Send what a source publishes to a UDP port of this machine; returns an id."""

    async def stop_forward(self, transport_id: str, forward_id: str) -> None:
        """End that."""


class JanusTransport:
    """A peer connection between one browser and Janus.

    It ends in one of two ways: by `close`, silently, or by losing its peer or its engine, which is
    told once through `on_closed`, unless its owner has not got it yet. After the end every call raises
    `TransportGone`.
    """

    def __init__(self, room: Room, transport_id: str, label: str, on_closed: Callable[[], None]) -> None:
        self._room = room
        self._id = transport_id
        self._label = label
        self._on_closed = on_closed
        self._attached: JanusHandle | None = None
        self._is_handed_over = False
        self._ended = False

    @property
    def id(self) -> str:
        """Unique in the room."""
        return self._id

    def hand_over(self) -> None:
        """The owner gets it now.

        Raises:
            TransportGone: it was lost while it was opened; the owner need not be told twice.
        """
        if self._ended:
            raise TransportGone("This media transport is closed.")
        self._is_handed_over = True

    async def close(self) -> None:
        """Release the transport without calling `on_closed`; may be called twice."""
        if self._end() and self._attached is not None:
            await self._attached.detach()

    def lose(self, reason: str) -> None:
        """The peer or the engine is gone: end, tell the owner, free the handle in the background."""
        if not self._end():
            return
        log.info("Media transport %s (%s) ended: %s", self._id, self._label, reason)
        if self._attached is not None:
            self._room.run_in_background(self._attached.detach())
        if not self._is_handed_over:
            return
        try:
            self._on_closed()
        except Exception:
            log.exception("A listener of media transport %s failed", self._id)

    async def _attach(self, client: JanusClient) -> None:
        """Take the handle; called once, before anything else."""
        self._attached = await client.attach(self._label, self._on_event)

    async def _request(self, body: dict[str, Any], jsep: Jsep | None = None) -> Reply:
        """A request on our handle.

        Raises:
            TransportGone: this transport has ended.
            BadDescription: Janus cannot use the description.
            MediaError: refused or not answered.
        """
        if self._ended or self._attached is None:
            raise TransportGone("This media transport is closed.")
        try:
            return await self._attached.request(body, jsep)
        except JanusRefused as error:
            if self._ended:
                raise TransportGone("This media transport is closed.") from error
            if jsep is not None and error.error_code in _SDP_ERRORS:
                raise BadDescription("The media engine cannot use this session description.") from error
            raise

    def _end(self) -> bool:
        """Mark the end; False if it was marked before."""
        if self._ended:
            return False
        self._ended = True
        self._room.forget(self._id)
        self._let_go()
        return True

    def _let_go(self) -> None:
        """For subclasses: wake whoever waits."""

    def _on_event(self, message: Message) -> None:
        if message.get("janus") in ("hangup", "detached"):
            self.lose(str(message.get("reason", message["janus"])))
