"""The OpenAPI document, its page, and requests made of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

import openapi_spec_validator
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from parley.wire.realtimekit.api import endpoints
from parley.wire.realtimekit.openapi import document
from tests.wire.realtimekit.deliveries import logged
from tests.wire.realtimekit.presets import PRESET
from tests.wire.realtimekit.serving import Api, measure

HOOK = {"name": "x", "url": "https://x.example/", "events": ["meeting.ended"]}
NAME_SOMETHING = {
    "add_participant",
    "edit_participant",
    "replace_participant",
    "kick",
    "mute",
    "replace_preset",
    "start_recording",
    "start_track_recording",
}
"""Made-up bodies name meetings, presets and people that do not exist, or a preset's name that is taken."""
OF_ENDED_SESSIONS = {
    "get_session_chat",
    "get_session_transcript",
    "get_session_summary",
    "summarize_session",
}
"""The session runs."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def test_the_document_is_valid_openapi():
    openapi_spec_validator.validate(document(endpoints()))


def test_every_route_has_a_summary_and_its_own_name():
    operations = [
        operation for methods in document(endpoints())["paths"].values() for operation in methods.values()
    ]
    assert len({operation["operationId"] for operation in operations}) == len(operations) == len(endpoints())
    assert all(operation["summary"] for operation in operations)


def test_fields_are_explained_where_the_source_explains_them():
    schemas = document(endpoints())["components"]["schemas"]
    assert schemas["PeerShape"]["properties"]["duration"]["description"] == "Minutes."


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
class TestServed:
    async def test_the_document_is_served(self, api: Api):
        answer = await api.http.get(f"{api.origin}/docs/api/openapi.json")
        assert answer.json()["openapi"] == "3.1.0"

    async def test_the_page_shows_every_route_and_loads_nothing(self, api: Api):
        answer = await api.http.get(f"{api.origin}/docs/api")
        for endpoint in endpoints():
            assert f'id="{endpoint.run.__name__}"' in answer.text
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        for word in ("<script", "<link", "<img", "src=", "@import", "http://", "https://"):
            assert word not in answer.text

    async def test_requests_made_of_the_document_never_break_the_server(self, api: Api):
        """About six for each route, half of them against the rules; the same ones in every run."""
        meeting = await api.meeting()
        person = await api.participant(meeting, "ann")
        peer = await api.join(meeting, person)
        session = (await api.ask("GET", "/sessions", status=200))["data"]["sessions"][0]["id"]
        for name in ("joined", "measured"):
            await measure(api, peer, name)
        preset = (await api.ask("POST", "/presets", status=201, json=PRESET | {"name": "P"}))["data"]["id"]
        webhook = (await api.ask("POST", "/webhooks", status=201, json=HOOK))["data"]["id"]
        recording = await api.ask("POST", "/recordings", status=200, json={"meeting_id": meeting})
        stream = await api.ask("POST", f"/meetings/{meeting}/livestreams", status=201)
        run = await api.ask("GET", f"/livestreams/{stream['data']['id']}", status=200)
        known = {
            "recording_id": recording["data"]["id"],
            "livestream_id": stream["data"]["id"],
            "livestream_session_id": run["data"]["session"]["id"],
            "account_id": api.scope.organization_id,
            "app_id": api.scope.app_id,
            "meeting_id": meeting,
            "participant_id": person,
            "session_id": session,
            "preset_id": preset,
            "peer_id": peer.id,
            "webhook_id": webhook,
            "delivery_id": (await logged(api.scope, webhook)).id,
        }
        told = await asyncio.to_thread(_ask_everything, api, known)
        undone = [endpoint.run.__name__ for endpoint in endpoints() if not told[endpoint.run.__name__, True]]
        assert set(undone) <= NAME_SOMETHING | OF_ENDED_SESSIONS
        refused = [endpoint for endpoint in endpoints() if told[endpoint.run.__name__, False]]
        assert len(refused) > len(endpoints()) / 2, "hardly ever asked against the rules"


def _ask_everything(api: Api, known: Mapping[str, str]) -> Counter[tuple[str, bool]]:
    """How often each operation was done, and refused."""
    schema = schemathesis.openapi.from_dict(document(endpoints()))
    schema.config.update(base_url=f"{api.origin}/client/v4")
    operations = [found.ok() for found in schema.get_all_operations()]
    # What ends or deletes something comes last, so that the others have something to work on.
    operations.sort(key=lambda operation: (operation.method == "delete", "kick" in operation.path))
    told: Counter[tuple[str, bool]] = Counter()
    for mode in (schemathesis.GenerationMode.NEGATIVE, schemathesis.GenerationMode.POSITIVE):
        for operation in operations:
            _ask_some(operation, mode, api, known, told)
    return told


def _ask_some(
    operation: Any, mode: Any, api: Api, known: Mapping[str, str], told: Counter[tuple[str, bool]]
) -> None:
    destroys = operation.method == "delete" or "kick" in operation.path
    if destroys and mode is schemathesis.GenerationMode.NEGATIVE:
        return

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=3,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        for name in case.path_parameters:
            case.path_parameters[name] = known[name]
        case.headers = {"Authorization": f"Bearer {api.token}"}
        answer = case.call_and_validate(checks=CHECKS)
        told[operation.definition.raw["operationId"], answer.status_code < 300] += 1

    try:
        ask()
    except schemathesis.errors.SchemathesisError:
        if mode is schemathesis.GenerationMode.POSITIVE:
            raise  # against the rules: a route without rules has nothing to break
