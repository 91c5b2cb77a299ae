"""Random meetings in which people also publish, mute and are muted; needs a media engine."""

from __future__ import annotations

from parley.meetings.model import Meeting
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import Media, Preset
from tests.scenarios.snapshot import Picture
from tests.scenarios.walk import Act, Walk
from tests.wire.realtimekit.client.house import House
from tests.wire.realtimekit.client.peer import Peer
from tests.wire.realtimekit.client.studio import Studio


class MediaWalk(Walk):
    """A `Walk` in which everybody may have a studio."""

    def __init__(self, house: House, meeting: Meeting, seed: int) -> None:
        super().__init__(house, meeting, seed)
        self._studios: dict[str, Studio] = {}

    async def enter_with(self, token: str, *, peer_id: str | None = None) -> Picture:
        """Somebody joins; who comes back under the same id has its streams still."""
        picture = await super().enter_with(token, peer_id=peer_id)
        if picture.peer.id in self._studios:
            self._studios[picture.peer.id].peer = picture.peer
        return picture

    def acts_of_hosts(self) -> list[Act]:
        """What is refused to most people."""
        return [*super().acts_of_hosts(), self.mute, self.mute_everybody, self.change_media]

    def acts(self) -> list[Act]:
        """Everything that can be done, media twice as often."""
        streams: list[Act] = [self.publish, self.publish, self.toggle, self.toggle, self.close_stream]
        return [*super().acts(), *streams, *streams, self.replace_transport]

    async def _studio(self, peer: Peer) -> Studio:
        if peer.id not in self._studios:
            self._studios[peer.id] = await Studio.open(peer)
        return self._studios[peer.id]

    async def publish(self, peer: Peer) -> None:
        studio = await self._studio(peer)
        if len(studio.published) < 4:
            kind, screen = self.random.choice([("audio", False), ("video", False), ("video", True)])
            await studio.publish(kind, screen=screen, paused=self.random.random() < 0.3)

    async def toggle(self, peer: Peer) -> None:
        studio = await self._studio(peer)
        if studio.published:
            paused = self.random.random() < 0.5
            await studio.toggle(self.random.choice(studio.published), paused=paused)

    async def close_stream(self, peer: Peer) -> None:
        studio = await self._studio(peer)
        if studio.published:
            await studio.close(self.random.choice(studio.published))

    async def replace_transport(self, peer: Peer) -> None:
        await (await self._studio(peer)).reopen()

    async def mute(self, peer: Peer) -> None:
        request = pb.EdgeHostMediaControlForPeerRequest(participant_id=self._anybody().id, audio=True)
        await peer.ask(Media.HOST_CONTROL, request)

    async def mute_everybody(self, peer: Peer) -> None:
        request = pb.EdgeHostMediaControlForAllPeerRequest(audio=True, video=self.random.random() < 0.5)
        await peer.ask(Media.HOST_CONTROL_ALL, request)

    async def change_media(self, peer: Peer) -> None:
        value = self.random.choice(
            [pb.PRESET_STREAM_PERMISSION_TYPE_ALLOWED, pb.PRESET_STREAM_PERMISSION_TYPE_NOT_ALLOWED]
        )
        media = pb.PresetMediaPermissionUpdate(video=pb.PresetStreamPermission(can_produce=value))
        target = self._anybody()
        entry = pb.PresetUpdatePeerPreset(user_ids=target.user_id, patch=pb.PresetPresetUpdates(media=media))
        await peer.ask(Preset.UPDATE, pb.PresetUpdatePeersPresetRequest(update_peers_presets=[entry]))
