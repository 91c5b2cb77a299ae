"""What is recorded and streamed of a running meeting, as people inside are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from parley.meetings.live.notices import LivestreamChanged, RecordingChanged, ViewersCounted
from parley.meetings.live.peer import LivePeer
from parley.meetings.model import StageState
from parley.meetings.ports import LivestreamState, Publisher, Stream

if TYPE_CHECKING:
    from parley.meetings.live.meeting import LiveMeeting

ACTIVE_RECORDING = frozenset({"INVOKED", "RECORDING", "PAUSED"})


class OnAir:
    """How recordings and the live stream stand."""

    def __init__(self, live: LiveMeeting) -> None:
        self._live = live
        self.recordings: dict[str, str] = {}
        """Status of each recording that is not stopped."""
        self._viewers = 0

    def greet(self, peer: LivePeer) -> None:
        """Tell somebody who comes in what others know already."""
        if self._viewers:
            peer.notify(ViewersCounted(self._viewers))

    def recording_changed(self, recording_id: str, status: str) -> None:
        """See `ports.OnAir`."""
        if status in ACTIVE_RECORDING:
            self.recordings[recording_id] = status
        elif self.recordings.pop(recording_id, None) is None:
            return  # it was stopped before: what is made of it now concerns nobody here
        if status != "INVOKED":  # who asked for it knows, and nothing is recorded yet
            self._live.tell(RecordingChanged(recording_id, status))

    def livestream_changed(self, how: LivestreamState) -> None:
        """See `ports.OnAir`."""
        if how.status == "IDLE":
            return  # it was told that it had ended
        session = self._live.session
        self._live.tell(
            LivestreamChanged(
                livestream_id=how.livestream_id,
                status=how.status,
                name=how.name or "",
                playback_url=how.playback_url,
                error=how.error or "",
                is_ingested=how.is_ingested,
                session_id="" if session is None else session.id,
                app_id=self._live.scope.app_id,
            )
        )

    def viewers_counted(self, count: int) -> None:
        """See `ports.OnAir`."""
        if count != self._viewers:
            self._viewers = count
            self._live.tell(ViewersCounted(count))


def publisher_of(peer: LivePeer) -> Publisher:
    """What somebody sends, for those who show it to others."""
    return Publisher(
        peer_id=peer.id,
        participant_id=peer.participant.id,
        custom_participant_id=peer.participant.custom_participant_id,
        name=peer.name,
        picture=peer.participant.picture,
        colours=_colours(peer.preset.ui),
        sender=peer.media.sender,
        streams=[
            Stream(producer.id, producer.mid, producer.kind, producer.is_screen_share)
            for producer in peer.media.producers.values()
            if not producer.is_paused and not producer.is_muted_by_host
        ],
        is_on_stage=peer.stage is StageState.ON_STAGE,
        receiver=peer.media.receiver,
    )


def _colours(ui: Mapping[str, Any]) -> dict[str, str]:
    colors = ui.get("design_tokens", {}).get("colors", {})
    return {
        "background": colors.get("background", {}).get("1000", ""),
        "tile": colors.get("video_bg", ""),
        "text": colors.get("text", ""),
        "brand": colors.get("brand", {}).get("500", ""),
        "text_on_brand": colors.get("text_on_brand", ""),
    }
