from __future__ import annotations

import base64
import json
from datetime import timedelta

import jwt
import pytest

from parley.base.clock import ManualClock
from parley.base.errors import Unauthenticated
from parley.base.ids import AppId, MeetingId, ParticipantId, PresetId, new_uuid
from parley.meetings.tokens import ParticipantTokens

KEY = bytes(range(32))


def issue(tokens: ParticipantTokens) -> str:
    return tokens.issue(
        app_id=AppId(new_uuid()),
        meeting_id=MeetingId(new_uuid()),
        participant_id=ParticipantId(new_uuid()),
        preset_id=PresetId(new_uuid()),
    )


@pytest.fixture
def tokens(clock):
    return ParticipantTokens(KEY, clock)


def payload_of(token: str) -> dict:
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def signed(clock: ManualClock, **changes) -> str:
    now = int(clock.now().timestamp())
    claims = {
        "orgId": new_uuid(),
        "meetingId": new_uuid(),
        "participantId": new_uuid(),
        "presetId": new_uuid(),
        "aud": "parley:realtimekit",
        "purpose": "participant",
        "jti": new_uuid(),
        "iat": now,
        "exp": now + 60,
    }
    return jwt.encode(
        {key: value for key, value in (claims | changes).items() if value is not None}, KEY, "HS256"
    )


def test_a_token_tells_the_official_client_where_it_belongs(tokens):
    meeting_id, participant_id = MeetingId(new_uuid()), ParticipantId(new_uuid())
    app_id, preset_id = AppId(new_uuid()), PresetId(new_uuid())
    token = tokens.issue(
        app_id=app_id, meeting_id=meeting_id, participant_id=participant_id, preset_id=preset_id
    )
    payload = payload_of(token)
    assert token.startswith("eyJ")
    assert (payload["orgId"], payload["meetingId"]) == (app_id, meeting_id)
    assert (payload["participantId"], payload["presetId"]) == (participant_id, preset_id)
    assert payload["exp"] - payload["iat"] == 8_640_000


def test_the_payload_is_plain_base64_whatever_the_ids(tokens):
    for _ in range(200):
        payload = issue(tokens).split(".")[1]
        assert "-" not in payload
        assert "_" not in payload


def test_a_verified_token_gives_its_claims(tokens):
    token = issue(tokens)
    claims = tokens.verify(token)
    assert claims.meeting_id == payload_of(token)["meetingId"]
    assert claims.app_id == payload_of(token)["orgId"]


def test_two_tokens_of_one_second_differ(tokens):
    ids = {
        "app_id": AppId(new_uuid()),
        "meeting_id": MeetingId(new_uuid()),
        "participant_id": ParticipantId(new_uuid()),
        "preset_id": PresetId(new_uuid()),
    }
    assert tokens.issue(**ids) != tokens.issue(**ids)


def test_a_token_ends_with_its_lifetime(clock):
    tokens = ParticipantTokens(KEY, clock, lifetime=timedelta(minutes=5))
    token = issue(tokens)
    clock.advance(299)
    tokens.verify(token)
    clock.advance(1)
    with pytest.raises(Unauthenticated):
        tokens.verify(token)


def test_a_well_made_token_is_accepted(tokens, clock):
    """The counter-check of the refusals below."""
    tokens.verify(signed(clock))


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "parley:block"},
        {"aud": None},
        {"purpose": "upload"},
        {"purpose": None},
        {"exp": None},
        {"exp": "soon"},
        {"meetingId": None},
        {"meetingId": 5},
        {"orgId": None},
    ],
)
def test_a_token_made_for_something_else_is_refused(tokens, clock, changes):
    with pytest.raises(Unauthenticated):
        tokens.verify(signed(clock, **changes))


def test_an_unsigned_token_is_refused(tokens):
    payload = issue(tokens).split(".")[1]
    head = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    for signature in ("", "AAAA"):
        with pytest.raises(Unauthenticated):
            tokens.verify(f"{head}.{payload}.{signature}")


def test_a_token_of_another_key_is_refused(tokens, clock):
    with pytest.raises(Unauthenticated):
        tokens.verify(issue(ParticipantTokens(bytes(32), clock)))


@pytest.mark.parametrize("text", ["", "a", "a.b.c", "eyJ.eyJ.x", "é.é.é", "\x00", "." * 100, "eyJ" * 5000])
def test_what_is_no_token_is_refused(tokens, text):
    with pytest.raises(Unauthenticated):
        tokens.verify(text)


async def test_every_server_on_a_store_accepts_the_others_tokens(store):
    one, other = await ParticipantTokens.of_store(store), await ParticipantTokens.of_store(store)
    other.verify(issue(one))
