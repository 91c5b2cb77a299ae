"""Live streams of this server: what belongs to them, opened and closed together."""

from __future__ import annotations

from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import structlog

from parley.base.errors import Unavailable
from parley.base.events import Event
from parley.base.settings import Settings
from parley.bus.tally import Tally
from parley.livestreams import store as rows
from parley.livestreams.audience import Audience
from parley.livestreams.follow import Followers
from parley.livestreams.ingest import IngestKeeper
from parley.livestreams.playback import Playback
from parley.livestreams.service import Livestreams
from parley.livestreams.showing import Means
from parley.livestreams.sweeping import Sweeper
from parley.media.ports import MediaUnavailable
from parley.media.rtmp import APPLICATION, RtmpIngest, RtmpOptions, missing
from parley.meetings.live.registry import MeetingRegistry
from parley.outgoing.http import OutgoingPolicy
from parley.outgoing.ports import Http
from parley.recordings.events import RecordingStatusChanged
from parley.server.recording_copies import RecordingCopies
from parley.store.core import Store

log = structlog.get_logger(__name__)


class Streaming:
    """Everything about live streams that one server process holds."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        registry: MeetingRegistry,
        policy: OutgoingPolicy,
        http: Http,
        tally: Tally,
        *,
        public_url: str,
    ) -> None:
        """Prepare.

        Args:
            settings: of the server.
            store: where streams are.
            registry: the meetings that run here.
            policy: where streams may be pushed to.
            http: for avatars.
            tally: for viewers; it is started and stopped here.
            public_url: where people reach this server.
        """
        folder = settings.captures / "live"
        host = urlsplit(public_url).hostname or "localhost"
        host = f"[{host}]" if ":" in host else host
        self._store = store
        self._options = RtmpOptions(folder, address=settings.host, port=settings.rtmp_port)
        self.streams = Livestreams(
            store,
            public_url=public_url,
            ingest_server=f"rtmp://{host}:{settings.rtmp_port}/{APPLICATION}/",
            open_ingest=self._open_ingest,
        )
        copies = RecordingCopies(store, self.streams)
        copies.register()
        self._ingest = RtmpIngest(self._options, IngestKeeper(self.streams))
        self._audience = Audience(self.streams, tally)
        self.playback = Playback(self.streams, folder, self._audience)
        means = Means(self.streams, folder, policy, http, copies.is_held)
        self.followers = Followers(registry.running_meeting, means, self._audience)
        registry.observe(self.followers)
        self._sweeper = Sweeper(store, self.streams, folder)

    async def open(self, stack: AsyncExitStack) -> None:
        """Begin; RTMP is taken as soon as there is a stream for it."""
        stack.push_async_callback(self._ingest.close)
        await self._audience.start()
        stack.push_async_callback(self._audience.stop)
        stack.push_async_callback(self.followers.stop)
        await self.followers.start()
        await self._sweeper.start()
        stack.push_async_callback(self._sweeper.stop)
        if self._options.port == 0:
            return
        why = missing(self._options)
        if why is not None:
            log.info("no_rtmp_ingest", reason=why)
        elif await rows.has_independent(self._store.database):
            try:
                await self._ingest.open()
            except MediaUnavailable as refused:
                log.warning("no_rtmp_ingest", reason=refused.message)

    def heard(self, happened: Event) -> None:
        """An event of any server."""
        self.followers.heard(happened)
        if isinstance(happened, RecordingStatusChanged) and happened.copied_by:
            self.followers.look_again(happened.meeting_id)

    async def _open_ingest(self) -> None:
        try:
            await self._ingest.open()
        except MediaUnavailable as refused:
            raise Unavailable(refused.message) from refused
