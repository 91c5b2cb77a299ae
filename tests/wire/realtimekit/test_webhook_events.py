"""Webhook bodies as `realtimekit.md` 14.3 shows them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from parley.accounts.events import CredentialRevoked
from parley.base.ids import AppId, CredentialId, DeliveryId, SessionId, WebhookId
from parley.meetings.events import ChatSynced, ParticipantRemoved
from parley.meetings.model import EndReason
from parley.recordings.events import RecordingStatusChanged
from parley.recordings.model import RecordingId, RecordingKind, RecordingStatus
from parley.webhooks.ports import AppLabel
from parley.wire.realtimekit.webhook_events import EVENT_NAMES, RealtimeKitPayloads
from tests.webhooks.happenings import MEETING, PARTICIPANT, ended, joined, left, started

APP = AppLabel(AppId("5b0c0a9e-2f7d-4b53-9a0f-1f6a2d3e4c55"), "parley-demo")
CODEC = RealtimeKitPayloads()
MEETING_BLOCK = {
    "id": "3f1d2c7a-54d0-4a7e-9a55-0d8f6f2f9b01",
    "sessionId": "a2b7d1c4-0b6e-4f0c-8a2a-7a1d4c9e5f10",
    "title": "Release review",
    "roomName": "3f1d2c7a-54d0-4a7e-9a55-0d8f6f2f9b01",
    "status": "LIVE",
    "createdAt": "2031-04-02T09:00:00.000Z",
    "startedAt": "2031-04-02T09:00:00.000Z",
    "organizedBy": {"id": "5b0c0a9e-2f7d-4b53-9a0f-1f6a2d3e4c55", "name": "parley-demo"},
}
PARTICIPANT_BLOCK = {
    "peerId": "6c1f9d30-7d0a-4b53-8a5e-2b7f0c4d1e99",
    "userDisplayName": "Viewer Two",
    "customParticipantId": "viewer-42",
    "clientSpecificId": "viewer-42",
    "joinedAt": "2031-04-02T09:02:10.004Z",
    "userId": PARTICIPANT,
    "presetName": "group_call_participant",
}


def body_of(happened) -> dict:
    return msgspec.json.decode(CODEC.body(happened, APP))


def test_meeting_started() -> None:
    assert body_of(started()) == {"event": "meeting.started", "meeting": MEETING_BLOCK}


@pytest.mark.parametrize("reason", list(EndReason))
def test_meeting_ended(reason: EndReason) -> None:
    assert body_of(ended(reason=reason)) == {
        "event": "meeting.ended",
        "meeting": {**MEETING_BLOCK, "endedAt": "2031-04-02T09:41:12.310Z"},
        "reason": reason.value,
    }


def test_participant_joined() -> None:
    assert body_of(joined()) == {
        "event": "meeting.participantJoined",
        "meeting": MEETING_BLOCK,
        "participant": PARTICIPANT_BLOCK,
    }


def test_participant_left() -> None:
    assert body_of(left()) == {
        "event": "meeting.participantLeft",
        "meeting": MEETING_BLOCK,
        "participant": {**PARTICIPANT_BLOCK, "leftAt": "2031-04-02T09:40:59.870Z"},
    }


def test_chat_synced() -> None:
    synced = ChatSynced(
        meeting_id=MEETING,
        session_id=SessionId("a2b7d1c4-0b6e-4f0c-8a2a-7a1d4c9e5f10"),
        title="Release review",
        started_at=started().started_at,
        created_at=started().created_at,
        ended_at=ended().ended_at,
        download_url="https://parley.example/files/chat/x",
        download_url_expiry=ended().ended_at + timedelta(days=7),
    )
    assert body_of(synced) == {
        "event": "meeting.chatSynced",
        "sessionId": "a2b7d1c4-0b6e-4f0c-8a2a-7a1d4c9e5f10",
        "meetingId": MEETING,
        "title": "Release review",
        "chatDownloadUrl": "https://parley.example/files/chat/x",
        "chatDownloadUrlExpiry": "2031-04-09T09:41:12.310Z",
        "createdAt": "2031-04-02T09:00:00.000Z",
        "startedAt": "2031-04-02T09:00:00.000Z",
        "endedAt": "2031-04-02T09:41:12.310Z",
        "organizedBy": {"id": "5b0c0a9e-2f7d-4b53-9a0f-1f6a2d3e4c55", "name": "parley-demo"},
    }


RECORDING = RecordingStatusChanged(
    recording_id=RecordingId("0a7f4f0e-6d11-4c39-9d0e-3c1b2a495867"),
    meeting_id=MEETING,
    session_id="a2b7d1c4-0b6e-4f0c-8a2a-7a1d4c9e5f10",
    kind=RecordingKind.COMPOSITE,
    status=RecordingStatus.UPLOADED,
    file_name=f"{MEETING}_1932886805100.mp4",
    invoked_at=datetime(2031, 4, 2, 9, 0, 2, tzinfo=UTC),
    started_at=datetime(2031, 4, 2, 9, 0, 5, 100_000, tzinfo=UTC),
    stopped_at=datetime(2031, 4, 2, 9, 41, 12, tzinfo=UTC),
    recorded_ms=2_466_900,
    size_bytes=20_448_680,
    download_url="https://parley.example/files/rec/0a7f4f0e.mp4?sig=x",
    download_url_expiry=datetime(2031, 4, 9, 9, 41, 20, tzinfo=UTC),
    meeting_title="Release review",
    session_started_at=started().started_at,
    session_created_at=started().created_at,
)


def test_recording_status_update() -> None:
    assert body_of(RECORDING) == {
        "event": "recording.statusUpdate",
        "recording": {
            "id": "0a7f4f0e-6d11-4c39-9d0e-3c1b2a495867",
            "recordingId": "0a7f4f0e-6d11-4c39-9d0e-3c1b2a495867",
            "status": "UPLOADED",
            "meetingId": MEETING,
            "organizationId": "5b0c0a9e-2f7d-4b53-9a0f-1f6a2d3e4c55",
            "roomUUID": "a2b7d1c4-0b6e-4f0c-8a2a-7a1d4c9e5f10",
            "startedTime": "2031-04-02T09:00:05.100Z",
            "stoppedTime": "2031-04-02T09:41:12.000Z",
            "recordingDuration": 2466,
            "fileSize": "20448680",
            "outputFileName": f"{MEETING}_1932886805100.mp4",
            "downloadUrl": "https://parley.example/files/rec/0a7f4f0e.mp4?sig=x",
            "audioDownloadUrl": None,
            "downloadUrlExpiry": "2031-04-09T09:41:20.000Z",
            "invokedTime": "2031-04-02T09:00:02.000Z",
        },
        "meeting": {**MEETING_BLOCK, "endedAt": None},
    }


def test_recording_before_there_is_a_session() -> None:
    asked = msgspec.structs.replace(
        RECORDING,
        status=RecordingStatus.INVOKED,
        session_id=None,
        started_at=None,
        session_started_at=None,
        session_created_at=None,
    )
    told = body_of(asked)
    assert (told["recording"]["roomUUID"], told["recording"]["startedTime"]) == (None, None)
    assert (told["meeting"]["sessionId"], told["meeting"]["startedAt"]) == (None, None)


@pytest.mark.parametrize("happened", [started(), ended(), joined(), left(), RECORDING])
def test_told_events_have_a_name_that_can_be_subscribed_to(happened) -> None:
    name = CODEC.public_name(happened)
    assert name in EVENT_NAMES
    assert body_of(happened)["event"] == name


def test_other_events_are_not_told() -> None:
    removed = ParticipantRemoved(meeting_id=MEETING, participant_id=PARTICIPANT)
    assert CODEC.public_name(removed) is None
    assert CODEC.public_name(CredentialRevoked(credential_id=CredentialId("c"))) is None


def test_there_are_nine_names() -> None:
    assert len(EVENT_NAMES) == len(set(EVENT_NAMES)) == 9


def test_headers() -> None:
    assert CODEC.headers(DeliveryId("d"), WebhookId("w"), "s") == {
        "rtk-signature": "s",
        "rtk-uuid": "d",
        "rtk-webhook-id": "w",
    }


def test_legacy_headers_are_copies() -> None:
    made = RealtimeKitPayloads(legacy_headers=True).headers(DeliveryId("d"), WebhookId("w"), "s")
    assert {name: made[f"dyte-{name}"] for name in ("signature", "uuid", "webhook-id")} == {
        name: made[f"rtk-{name}"] for name in ("signature", "uuid", "webhook-id")
    }
    assert len(made) == 6
