"""Parley's events as RealtimeKit webhook bodies (`realtimekit.md` 14.2 and 14.3): camelCase, unlike REST."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal, get_args

import msgspec

from parley.base.events import Event
from parley.base.ids import DeliveryId, WebhookId
from parley.base.times import iso_ms
from parley.livestreams.events import LivestreamStatusChanged
from parley.livestreams.model import Told
from parley.meetings.events import (
    ChatSynced,
    MeetingEnded,
    MeetingStarted,
    ParticipantJoined,
    ParticipantLeft,
    PeerEventBase,
    SessionEvent,
)
from parley.recordings.events import RecordingStatusChanged
from parley.webhooks.ports import AppLabel

EventName = Literal[
    "meeting.started",
    "meeting.ended",
    "meeting.participantJoined",
    "meeting.participantLeft",
    "meeting.chatSynced",
    "recording.statusUpdate",
    "livestreaming.statusUpdate",
    "meeting.transcript",
    "meeting.summary",
]
EVENT_NAMES: tuple[EventName, ...] = get_args(EventName)
"""Every name a webhook can subscribe to, in the order of `GET webhooks/all`."""

Body = dict[str, Any]


def _meeting(happened: SessionEvent, app: AppLabel) -> Body:
    block: Body = {
        "id": happened.meeting_id,
        "sessionId": happened.session_id,
        "title": happened.title,
        "roomName": happened.meeting_id,
        "status": "LIVE",  # also after the end, as the hosted service does
        "createdAt": iso_ms(happened.created_at),
        "startedAt": iso_ms(happened.started_at),
    }
    if isinstance(happened, MeetingEnded):
        block["endedAt"] = iso_ms(happened.ended_at)
    block["organizedBy"] = {"id": app.id, "name": app.name}
    return block


def _participant(happened: PeerEventBase) -> Body:
    block: Body = {
        "peerId": happened.peer_id,
        "userDisplayName": happened.display_name,
        "customParticipantId": happened.custom_participant_id,
        "clientSpecificId": happened.custom_participant_id,
        "joinedAt": iso_ms(happened.joined_at),
        "userId": happened.participant_id,
        "presetName": happened.preset_name,
    }
    if isinstance(happened, ParticipantLeft):
        block["leftAt"] = iso_ms(happened.left_at)
    return block


def _started(happened: MeetingStarted, app: AppLabel) -> Body:
    return {"meeting": _meeting(happened, app)}


def _ended(happened: MeetingEnded, app: AppLabel) -> Body:
    return {"meeting": _meeting(happened, app), "reason": happened.reason.value}


def _peer(happened: PeerEventBase, app: AppLabel) -> Body:
    return {"meeting": _meeting(happened, app), "participant": _participant(happened)}


def _chat(happened: ChatSynced, app: AppLabel) -> Body:
    return {
        "sessionId": happened.session_id,
        "meetingId": happened.meeting_id,
        "title": happened.title,
        "chatDownloadUrl": happened.download_url,
        "chatDownloadUrlExpiry": iso_ms(happened.download_url_expiry),
        "createdAt": iso_ms(happened.created_at),
        "startedAt": iso_ms(happened.started_at),
        "endedAt": iso_ms(happened.ended_at),
        "organizedBy": {"id": app.id, "name": app.name},
    }


def _recording(happened: RecordingStatusChanged, app: AppLabel) -> Body:
    def iso(at: datetime | None) -> str | None:
        return None if at is None else iso_ms(at)

    recording: Body = {
        "id": happened.recording_id,
        "recordingId": happened.recording_id,
        "status": happened.status.value,
        "meetingId": happened.meeting_id,
        "organizationId": app.id,
        "roomUUID": happened.session_id,
        "startedTime": iso(happened.started_at),
        "stoppedTime": iso(happened.stopped_at),
        "recordingDuration": happened.recorded_ms // 1000,
        "fileSize": None if happened.size_bytes is None else str(happened.size_bytes),
        "outputFileName": happened.file_name,
        "downloadUrl": happened.download_url,
        "audioDownloadUrl": happened.audio_download_url,
        "downloadUrlExpiry": iso(happened.download_url_expiry),
        "invokedTime": iso(happened.invoked_at),
    }
    if happened.stop_reason is not None:
        recording["stopReason"] = happened.stop_reason
    meeting: Body = {
        "id": happened.meeting_id,
        "sessionId": happened.session_id,
        "title": happened.meeting_title,
        "roomName": happened.meeting_id,
        "status": "LIVE",
        "createdAt": iso(happened.session_created_at),
        "startedAt": iso(happened.session_started_at),
        "endedAt": iso(happened.session_ended_at),
        "organizedBy": {"id": app.id, "name": app.name},
    }
    return {"recording": recording, "meeting": meeting}


def _livestream(happened: LivestreamStatusChanged, app: AppLabel) -> Body:
    body: Body = {
        "streamId": happened.livestream_id,
        "status": "OFFLINE" if happened.status is Told.ERRORED else happened.status.value,
        "manualIngest": happened.is_ingested,
        "playbackUrl": happened.playback_url,
        "ingestServer": happened.ingest_server,
        "streamKey": None,  # what is delivered is kept in logs, in which no secret belongs
    }
    if happened.meeting_id is not None:
        created, started = happened.session_created_at, happened.session_started_at
        body["meeting"] = {
            "id": happened.meeting_id,
            "sessionId": happened.session_id,
            "title": happened.meeting_title,
            "roomName": happened.meeting_id,
            "status": "LIVE",
            "createdAt": None if created is None else iso_ms(created),
            "startedAt": None if started is None else iso_ms(started),
            "organizedBy": {"id": app.id, "name": app.name},
        }
    return body


_TOLD: dict[type[Event], tuple[str, Callable[[Any, AppLabel], Body]]] = {
    MeetingStarted: ("meeting.started", _started),
    MeetingEnded: ("meeting.ended", _ended),
    ParticipantJoined: ("meeting.participantJoined", _peer),
    ParticipantLeft: ("meeting.participantLeft", _peer),
    ChatSynced: ("meeting.chatSynced", _chat),
    RecordingStatusChanged: ("recording.statusUpdate", _recording),
    LivestreamStatusChanged: ("livestreaming.statusUpdate", _livestream),
}


class RealtimeKitPayloads:
    """`webhooks.ports.PayloadCodec` of RealtimeKit."""

    def __init__(self, *, legacy_headers: bool = False) -> None:
        """Choose the headers.

        Args:
            legacy_headers: also send `dyte-signature`, `dyte-uuid` and `dyte-webhook-id`, same values.
        """
        self._prefixes = ("rtk", "dyte") if legacy_headers else ("rtk",)

    def public_name(self, happened: Event) -> str | None:
        """See `PayloadCodec.public_name`."""
        if isinstance(happened, LivestreamStatusChanged) and happened.status is Told.INVOKED:
            return None  # told when there is something to see
        known = _TOLD.get(type(happened))
        return known[0] if known else None

    def body(self, happened: Event, app: AppLabel) -> str:
        """See `PayloadCodec.body`."""
        name, build = _TOLD[type(happened)]
        return msgspec.json.encode({"event": name, **build(happened, app)}).decode()

    def headers(self, delivery_id: DeliveryId, webhook_id: WebhookId, signature: str) -> Mapping[str, str]:
        """See `PayloadCodec.headers`."""
        made: dict[str, str] = {}
        for prefix in self._prefixes:
            made[f"{prefix}-signature"] = signature
            made[f"{prefix}-uuid"] = delivery_id
            made[f"{prefix}-webhook-id"] = webhook_id
        return made
