"""Janus to browser: a VideoRoom subscriber that the browser, too, makes offers to."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from parley.media.janus import sdp
from parley.media.janus.client import JanusClient, JanusRefused, Jsep, Message, Reply
from parley.media.janus.layers import LayerSwitches
from parley.media.janus.transport import JanusTransport, Room
from parley.media.ports import (
    ANSWER_TIMEOUT_S,
    BadDescription,
    Layer,
    MediaError,
    Source,
    Subscription,
    TransportGone,
    TransportStatistics,
)

log = logging.getLogger(__name__)

_TURN_TIMEOUT_S = 3 * ANSWER_TIMEOUT_S  # two unanswered offers before us
_NO_SUCH_FEED = 428
_ALL_FRAMES = 2  # temporal layer


@dataclass(slots=True)
class _Placed:
    """What a section carries."""

    source: Source
    is_answered: bool
    """The browser has accepted the offer that brought it."""


class JanusReceiveTransport(JanusTransport):
    """See `parley.media.ports.ReceiveTransport`.

    One negotiation at a time: `subscribe` takes the turn and keeps it until `accept`, or until the
    answer is overdue. The sections of an unanswered offer stay where they are, because the browser may
    have applied it; asking for their sources again repeats the offer.
    """

    def __init__(self, room: Room, transport_id: str, label: str, on_closed: Callable[[], None]) -> None:
        super().__init__(room, transport_id, label, on_closed)
        self._turn = asyncio.Lock()
        self._overdue: asyncio.TimerHandle | None = None
        self._placed: dict[str, _Placed] = {}
        self._browser: sdp.Description | None = None
        """The browser's last offer or answer."""
        self._janus_offer: sdp.Description | None = None
        self._janus_waits = False
        """Janus has not got an answer to its last offer; it postpones changes until then."""
        self._browser_owes_answer = False
        self._version = 1
        self._switches = LayerSwitches()

    async def open(self, client: JanusClient, dummy_feed: str, offer_sdp: str) -> str:
        """Join the room as subscriber of the silent publisher; returns the answer. To be called once.

        The silent publisher's audio and video take Janus's first two sections, mids 0 and 1, as in the
        browser's offer; so all later mids agree on both sides.
        """
        offer = sdp.parse_offer(offer_sdp)
        if [(section.mid, section.kind) for section in offer.sections] != [("0", "audio"), ("1", "video")]:
            raise BadDescription("A receive transport starts with audio in section 0 and video in section 1.")
        await self._attach(client)
        join = {
            "request": "join",
            "ptype": "subscriber",
            "room": self._room.room_id,
            "autoupdate": False,
            "streams": [{"feed": dummy_feed}],
        }
        async with self._turn:
            self._take_offer(await self._request(join))
            return await self._answer_both(offer)

    async def subscribe(self, sources: Sequence[Source]) -> Subscription:
        """Add sources. Until `accept` is called (or the answer is overdue) further changes wait."""
        await self._take_turn()
        keeps_turn = False
        try:
            wanted = list(dict.fromkeys(sources))
            live = [source for source in wanted if self._room.is_published(source)]
            at = {placed.source: mid for mid, placed in self._placed.items()}
            fresh = [source for source in live if source not in at]
            if fresh:
                at |= await self._add(fresh)
            mids = {source: at[source] for source in live if source in at}
            missing = [source for source in wanted if source not in mids]
            if all(self._placed[mid].is_answered for mid in mids.values()):
                return Subscription(None, mids, missing)
            assert self._janus_offer is not None
            keeps_turn = True
            self._browser_owes_answer = True
            self._overdue = asyncio.get_running_loop().call_later(ANSWER_TIMEOUT_S, self._give_up_waiting)
            return Subscription(self._janus_offer.text, mids, missing)
        finally:
            if not keeps_turn:
                self._turn.release()

    async def accept(self, answer_sdp: str) -> None:
        """The browser's answer to the last offer; also when it is overdue, if nothing changed since."""
        answer = sdp.parse_answer(answer_sdp)
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None
        else:
            await self._take_turn()
        try:
            if not self._browser_owes_answer or self._janus_offer is None:
                raise BadDescription("There is no offer waiting for this answer.")
            if [section.mid for section in answer.sections] != [s.mid for s in self._janus_offer.sections]:
                raise BadDescription("The answer's sections are not those of the offer.")
            await self._start(answer.without_candidates())
            self._browser = answer
            self._browser_owes_answer = False
            for placed in self._placed.values():
                placed.is_answered = True
        finally:
            self._turn.release()

    async def unsubscribe(self, mids: Sequence[str], offer_sdp: str) -> str:
        """Remove sections that the browser closed in its own offer; returns the answer for it.

        Sections that its offer closes or does not have are removed as well.
        """
        offer = sdp.parse_offer(offer_sdp)
        await self._take_turn()
        try:
            open_mids = {section.mid for section in offer.sections if not section.is_rejected}
            closing = [mid for mid in self._placed if mid in mids or mid not in open_mids]
            if closing:
                await self._settle()
                body = {"request": "unsubscribe", "streams": [{"sub_mid": mid} for mid in closing]}
                self._take_offer(await self._request(body))
                for mid in closing:
                    self._placed.pop(mid, None)
                    self._switches.forget(mid)
            return await self._answer_both(offer)
        finally:
            self._turn.release()

    async def prefer_layer(self, mid: str, layer: Layer) -> None:
        """Choose the simulcast layer this receiver gets; a section that carries nothing is ignored."""
        if mid not in self._placed:
            return
        source = self._placed[mid].source
        stream = {"mid": mid, "substream": int(layer), "temporal": _ALL_FRAMES}
        await self._request({"request": "configure", "streams": [stream]})
        if self._room.has_layers(source) and not self._ended:
            self._switches.begin(mid, layer, functools.partial(self._room.refresh, source))

    async def statistics(self) -> TransportStatistics:
        """See `ports.ReceiveTransport`."""
        if self._ended or self._attached is None:
            raise TransportGone("This media transport is closed.")
        told = await self._attached.statistics(to_browser=True)
        sections = [
            replace(section, source=placed.source)
            for section in told.sections
            if (placed := self._placed.get(section.mid)) is not None
        ]
        return replace(told, sections=sections)

    async def _add(self, fresh: list[Source]) -> dict[Source, str]:
        """Let Janus offer more sources; returns where those are that it found."""
        await self._settle()
        await self._room.wait_connected(fresh)
        streams = [{"feed": source.transport_id, "mid": source.mid} for source in fresh]
        try:
            reply = await self._request({"request": "subscribe", "streams": streams})
        except JanusRefused as error:
            if error.error_code == _NO_SUCH_FEED:
                return {}
            raise
        self._take_offer(reply)
        found: dict[Source, str] = {}
        wanted = set(fresh)
        for stream in reply.data.get("streams", ()):
            source = Source(str(stream.get("feed_id")), str(stream.get("feed_mid")))
            if source in wanted and stream.get("active", True):
                found[source] = str(stream["mid"])
        for source, mid in found.items():
            self._placed[mid] = _Placed(source, is_answered=False)
        return found

    def _take_offer(self, reply: Reply) -> None:
        if reply.jsep is not None:
            self._janus_offer = sdp.parse(reply.jsep.sdp)
            self._janus_waits = True

    async def _answer_both(self, offer: sdp.Description) -> str:
        """Answer Janus's pending offer (if any) and the browser's with each other's transport data."""
        janus = self._janus_offer
        if janus is None:
            raise MediaError("The media engine made no offer.")
        self._version += 1
        answer = sdp.answer(offer, janus, setup="passive", version=self._version)
        self._browser = offer
        self._browser_owes_answer = False
        await self._settle()
        return answer

    async def _settle(self) -> None:
        """Answer Janus as far as the browser is known to have come; sections it has not are inactive."""
        if self._janus_waits and self._janus_offer is not None and self._browser is not None:
            peer = self._browser.reached_by_checks()
            self._version += 1
            await self._start(sdp.answer(self._janus_offer, peer, setup="active", version=self._version))

    async def _start(self, answer_sdp: str) -> None:
        await self._request({"request": "start"}, Jsep("answer", answer_sdp))
        self._janus_waits = False

    async def _take_turn(self) -> None:
        try:
            async with asyncio.timeout(_TURN_TIMEOUT_S):
                await self._turn.acquire()
        except TimeoutError as error:
            raise MediaError("This transport is busy with another negotiation.") from error
        if self._ended:
            self._turn.release()
            raise TransportGone("This media transport is closed.")

    def _give_up_waiting(self) -> None:
        self._overdue = None
        log.info("Media transport %s: no answer to an offer within %g s", self._id, ANSWER_TIMEOUT_S)
        self._turn.release()

    def _on_event(self, message: Message) -> None:
        super()._on_event(message)
        plugindata = message.get("plugindata")
        data = plugindata.get("data") if isinstance(plugindata, dict) else None
        if isinstance(data, dict) and "substream" in data:
            self._switches.reached(str(data.get("mid")), int(data["substream"]))

    def _let_go(self) -> None:
        self._switches.cancel_all()
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None
            self._turn.release()
