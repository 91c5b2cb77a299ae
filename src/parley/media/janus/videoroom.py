"""Rooms of `ports.py` on the Janus VideoRoom plugin; each transport is one plugin handle."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from parley.media.janus.client import JanusClient, JanusHandle, JanusRefused, Message
from parley.media.janus.config import JanusSecrets
from parley.media.janus.receiver import JanusReceiveTransport
from parley.media.janus.sender import JanusSendTransport
from parley.media.ports import MediaError, RoomOptions, Source, TransportGone

log = logging.getLogger(__name__)

CONNECT_WAIT_S = 3.0
"""How long a subscription waits for a publisher that is still connecting; usual are 0.1 s."""
_ROOM_EXISTS = 427
_MAX_PUBLISHERS = 100_000  # who may publish is decided above us


class JanusRoom:
    """See `parley.media.ports.MediaRoom`. Make one with `create`."""

    def __init__(
        self,
        client: JanusClient,
        keys: JanusSecrets,
        room_id: str,
        run_in_background: Callable[[Coroutine[Any, Any, None]], None],
        captures_folder: Path | None,
    ) -> None:
        self.room_id = room_id
        self.captures_folder = captures_folder
        self.run_in_background = run_in_background
        self._client = client
        self._keys = keys
        self._control: JanusHandle | None = None
        self._dummy_feed = ""
        self._senders: dict[str, JanusSendTransport] = {}
        self._receivers: dict[str, JanusReceiveTransport] = {}
        self._closed = False
        self.on_end: Callable[[], None] | None = None
        """Called once when the room is closed; for the engine's table."""

    @classmethod
    async def create(
        cls,
        client: JanusClient,
        keys: JanusSecrets,
        room_id: str,
        options: RoomOptions,
        run_in_background: Callable[[Coroutine[Any, Any, None]], None],
        captures_folder: Path | None = None,
    ) -> JanusRoom:
        """Create the room in Janus; an unowned one of that id is replaced.

        Raises:
            MediaError: Janus refuses.
        """
        room = cls(client, keys, room_id, run_in_background, captures_folder)
        room._control = await client.attach(f"room {room_id}", room._on_control_event)
        try:
            await room._create(options)
        except BaseException:
            await room._control.detach()
            raise
        return room

    @property
    def id(self) -> str:
        """The room's id on its engine."""
        return self.room_id

    @property
    def transport_count(self) -> int:
        """Open transports, both ways."""
        return len(self._senders) + len(self._receivers)

    async def open_sender(
        self, offer_sdp: str, *, label: str, on_closed: Callable[[], None]
    ) -> tuple[JanusSendTransport, str]:
        """Create a send transport; returns it with the answer."""
        self._require_open()
        transport = JanusSendTransport(self, str(uuid.uuid4()), label, on_closed)
        self._senders[transport.id] = transport
        try:
            answer = await transport.open(self._client, offer_sdp)
            transport.hand_over()
        except BaseException:
            await transport.close()
            raise
        return transport, answer

    async def open_receiver(
        self, offer_sdp: str, *, label: str, on_closed: Callable[[], None]
    ) -> tuple[JanusReceiveTransport, str]:
        """Create a receive transport; returns it with the answer."""
        self._require_open()
        transport = JanusReceiveTransport(self, str(uuid.uuid4()), label, on_closed)
        self._receivers[transport.id] = transport
        try:
            answer = await transport.open(self._client, self._dummy_feed, offer_sdp)
            transport.hand_over()
        except BaseException:
            await transport.close()
            raise
        return transport, answer

    async def close(self) -> None:
        """End the room and everything in it, without calling `on_closed`; may be called twice."""
        if self._closed:
            return
        self._mark_closed()
        transports = [*self._senders.values(), *self._receivers.values()]
        await asyncio.gather(*(transport.close() for transport in transports))
        if self._control is not None:
            with contextlib.suppress(MediaError):  # gone with its engine
                await self._control.request(self._body("destroy"))
            await self._control.detach()

    def lose(self) -> None:
        """The engine is gone: every transport ends and says so."""
        self._mark_closed()
        for transport in [*self._senders.values(), *self._receivers.values()]:
            transport.lose("the media engine ended")

    def forget(self, transport_id: str) -> None:
        """A transport ended."""
        self._senders.pop(transport_id, None)
        self._receivers.pop(transport_id, None)

    def is_published(self, source: Source) -> bool:
        """Whether the source exists right now."""
        sender = self._senders.get(source.transport_id)
        return sender is not None and sender.publishes(source.mid)

    def has_layers(self, source: Source) -> bool:
        """Whether the source is sent in simulcast."""
        sender = self._senders.get(source.transport_id)
        return sender is not None and sender.has_layers(source.mid)

    async def wait_connected(self, sources: Sequence[Source]) -> None:
        """Return when their publishers' connections are up, or `CONNECT_WAIT_S` passed."""
        senders = {self._senders[each.transport_id] for each in sources if each.transport_id in self._senders}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONNECT_WAIT_S):
                for sender in senders:
                    await sender.connected.wait()

    def refresh(self, source: Source) -> None:
        """Have its publisher asked for a key frame soon."""
        sender = self._senders.get(source.transport_id)
        if sender is not None:
            sender.refresh()

    async def moderate(self, source: Source, muted: bool) -> None:
        """Stop or resume the forwarding of a source."""
        self._require_open()
        assert self._control is not None
        body = self._body("moderate")
        await self._control.request({**body, "id": source.transport_id, "mid": source.mid, "mute": muted})

    async def forward(self, source: Source, port: int, ssrc: int) -> str:
        """Send what a source publishes to a UDP port of this machine; returns an id."""
        self._require_open()
        assert self._control is not None
        stream = {"mid": source.mid, "host": "127.0.0.1", "port": port, "ssrc": ssrc}
        if self.has_layers(source):
            # Each by itself: Janus 1.1 sends nothing at all when it is to choose among layers named by rid.
            stream |= {"port_2": port, "ssrc_2": ssrc + 1, "port_3": port, "ssrc_3": ssrc + 2}
        answer = await self._control.request(
            {
                **self._body("rtp_forward"),
                "admin_key": self._keys.room_creation,
                "publisher_id": source.transport_id,
                "host": "127.0.0.1",
                "streams": [stream],
            }
        )
        made = [str(each["stream_id"]) for each in answer.data.get("forwarders", ()) if "stream_id" in each]
        if not made:
            raise MediaError("The media engine does not forward this stream.")
        return ",".join(made)

    async def stop_forward(self, transport_id: str, forward_id: str) -> None:
        """End that; nothing happens if it has ended."""
        if self._closed or self._control is None:
            return
        body = {
            **self._body("stop_rtp_forward"),
            "admin_key": self._keys.room_creation,
            "publisher_id": transport_id,
        }
        for stream_id in forward_id.split(","):
            with contextlib.suppress(JanusRefused):
                await self._control.request({**body, "stream_id": int(stream_id)})

    async def _create(self, options: RoomOptions) -> None:
        assert self._control is not None
        body = {
            **self._body("create"),
            "admin_key": self._keys.room_creation,
            "is_private": True,
            "permanent": False,
            "publishers": _MAX_PUBLISHERS,
            "bitrate": options.max_bitrate_bps,
            "fir_freq": 0,  # key frames are asked for when somebody needs one
            "audiocodec": "opus",
            "videocodec": "vp8",
            "opus_fec": True,
            "notify_joining": False,
            "dummy_publisher": True,  # see `JanusReceiveTransport.open`
        }
        try:
            await self._control.request(body)
        except JanusRefused as error:
            if error.error_code != _ROOM_EXISTS:
                raise
            await self._control.request(self._body("destroy"))  # left by a caller who stopped waiting
            await self._control.request(body)
        listed = await self._control.request(self._body("listparticipants"))
        feeds = [str(each["id"]) for each in listed.data.get("participants", ()) if each.get("dummy")]
        if len(feeds) != 1:
            raise MediaError("The media engine did not make the room's silent publisher.")
        self._dummy_feed = feeds[0]

    def _body(self, request: str) -> dict[str, Any]:
        return {"request": request, "room": self.room_id, "secret": self._keys.room}

    def _require_open(self) -> None:
        if self._closed:
            raise TransportGone("This media room is closed.")

    def _mark_closed(self) -> None:
        self._closed = True
        if self.on_end is not None:
            self.on_end()
            self.on_end = None

    def _on_control_event(self, message: Message) -> None:
        log.debug("Room %s: %s", self.room_id, message.get("janus"))
