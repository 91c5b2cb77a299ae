"""Answers compared with the files in `tests/contracts/realtimekit`, and these with the OpenAPI document."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from parley.meetings.model import LeaveReason
from parley.wire.realtimekit.api import endpoints
from parley.wire.realtimekit.endpoint import KIT
from parley.wire.realtimekit.openapi import document
from tests.waiting import until
from tests.wire.realtimekit.deliveries import logged
from tests.wire.realtimekit.presets import PRESET
from tests.wire.realtimekit.serving import Api, dump, ended, measure

FOLDER = Path(__file__).parents[2] / "contracts" / "realtimekit"
FILES = sorted(path.name for path in FOLDER.glob("*.json"))
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SIGNATURE = re.compile(r"(?<=signature=)[\w-]+")
_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
_STREAM_KEY = re.compile(r'"stream_key":"[^"]+"')
_STORAGE = {"type": "aws", "access_key": "key", "secret": "hush", "bucket": "calls", "region": "eu-central-1"}


class Comparison:
    """Compares answers with their files; or writes these, when asked to by the environment."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.seen: set[str] = set()

    async def __call__(self, name: str, method: str, path: str, **more: Any) -> Any:
        """Ask, compare with the file of that name, and give the answer."""
        answer = await self._api.http.request(method, path, **more)
        ids: dict[str, str] = {}
        text = _SIGNATURE.sub("<signature>", _TOKEN.sub("<token>", answer.text))
        text = _STREAM_KEY.sub('"stream_key":"<key>"', text)
        text = _UUID.sub(lambda found: ids.setdefault(found[0], f"<id {len(ids) + 1}>"), text)
        told = {"route": _route(method, answer.url), "status": answer.status_code, "body": json.loads(text)}
        file = FOLDER / f"{name}.json"
        if os.environ.get("PARLEY_WRITE_CONTRACTS"):
            file.write_text(json.dumps(told, indent=2) + "\n")
        assert told == json.loads(file.read_text())
        self.seen.add(file.name)
        return answer.json()


def _route(method: str, url: httpx.URL) -> str:
    """The declared route behind an address."""
    path = url.path.removeprefix("/client/v4")
    for endpoint in endpoints():
        template = KIT + endpoint.path
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template))
        if endpoint.method == method and re.fullmatch(pattern, path):
            return f"{method} {template}"
    raise AssertionError(path)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_every_answer_is_as_its_file_says(api: Api, clock):
    told = Comparison(api)
    kit = api.kit
    await told("app-created", "POST", f"{kit}/apps", json={"name": "Shop"})
    await told("app", "GET", f"{kit}/apps/{api.scope.app_id}")
    await told("apps", "GET", f"{kit}/apps?search=kit")

    meeting_body = {
        "title": "Weekly",
        "recording_config": {"max_seconds": 3600, "storage_config": _STORAGE},
        "ai_config": {"summarization": {"word_limit": 200}},
    }
    made = await told("meeting-created", "POST", "/meetings", json=meeting_body)
    meeting = f"/meetings/{made['data']['id']}"
    await told("meeting", "GET", meeting)
    await told("meetings", "GET", "/meetings")
    clock.advance(1)
    await told("meeting-changed", "PATCH", meeting, json={"status": "INACTIVE"})
    await told("meeting-replaced", "PUT", meeting, json={"title": "Daily"})
    await api.ask("PATCH", meeting, status=200, json={"status": "ACTIVE"})

    person = {"custom_participant_id": "c-ann", "preset_name": "group_call_host", "name": "Ann"}
    added = await told("participant-added", "POST", f"{meeting}/participants", json=person)
    ann = added["data"]["id"]
    clock.advance(1)
    bob = await api.participant(made["data"]["id"], "c-bob")
    await told("participant", "GET", f"{meeting}/participants/{ann}")
    await told("participants", "GET", f"{meeting}/participants?per_page=1&page_no=2")
    await told("participant-changed", "PATCH", f"{meeting}/participants/{ann}", json={"name": "Anna"})
    await told(
        "participant-replaced",
        "PUT",
        f"{meeting}/participants/{ann}",
        json={"preset_name": "group_call_host"},
    )
    await told("token", "POST", f"{meeting}/participants/{ann}/token")

    preset = await told("preset-created", "POST", "/presets", json=PRESET | {"name": "Coach"})
    preset_path = f"/presets/{preset['data']['id']}"
    await told("preset", "GET", preset_path)
    await told("presets", "GET", "/presets?search=coach")
    await told("preset-changed", "PATCH", preset_path, json={"name": "Trainer"})
    await told("preset-replaced", "PUT", preset_path, json=PRESET | {"name": "Tutor"})
    await told("preset-deleted", "DELETE", preset_path)

    await told("no-active-session", "GET", f"{meeting}/active-session")
    first = await api.join(made["data"]["id"], ann)
    clock.advance(60)
    peer = await api.join(made["data"]["id"], bob, name="Bob")
    clock.advance(60)
    active = await told("active-session", "GET", f"{meeting}/active-session")
    poll = {"question": "Lunch?", "options": ["yes", "no"]}
    await told("poll-created", "POST", f"{meeting}/active-session/poll", json=poll)
    await told("muted", "POST", f"{meeting}/active-session/mute", json={"participant_ids": [bob]})
    await told("muted-all", "POST", f"{meeting}/active-session/mute-all", json={"allow_unmute": True})

    tracks = {"meeting_id": made["data"]["id"], "user_ids": ["c-ann"]}
    await told("track-recording-started", "POST", "/recordings/track", json=tracks)
    quiet = {"meeting_id": await api.meeting(title="Nobody is there")}
    started = await told(
        "recording-started", "POST", "/recordings", json=quiet | {"storage_config": _STORAGE}
    )
    await told("recordings", "GET", f"/recordings?meeting_id={quiet['meeting_id']}")
    await told("recording", "GET", f"/recordings/{started['data']['id']}")
    await told("recording-active", "GET", f"/recordings/active-recording/{quiet['meeting_id']}")
    await told("recording-stopped", "PUT", f"/recordings/{started['data']['id']}", json={"action": "stop"})

    streamed = f"/meetings/{quiet['meeting_id']}"
    on = await told("livestream-started", "POST", f"{streamed}/livestreams", json={"name": "launch"})
    stream = f"/livestreams/{on['data']['id']}"
    await told("livestream-active", "GET", f"{streamed}/active-livestream")
    run = await told("livestream-active-session", "GET", f"{stream}/active-livestream-session")
    await told("livestream-session", "GET", f"/livestreams/sessions/{run['data']['session']['id']}")
    await told("livestream-stopped", "POST", f"{streamed}/active-livestream/stop")
    await told("livestream", "GET", stream)
    await told("livestream-of-meeting", "GET", f"{streamed}/livestream")
    await told("livestreams", "GET", "/livestreams")
    own = await told("livestream-created", "POST", "/livestreams", json={"name": "radio"})
    await told("livestream-key-reset", "POST", f"/livestreams/{own['data']['id']}/reset-stream-key")
    await told("livestream-disabled", "PUT", f"/livestreams/{own['data']['id']}/disable")
    await told("livestream-enabled", "PUT", f"/livestreams/{own['data']['id']}/enable")
    await told("livestream-use", "GET", "/analytics/livestreams/overall")
    await told("livestream-use-by-day", "GET", "/analytics/livestreams/daywise?start_time=1767139200")

    session = f"/sessions/{active['data']['id']}"
    await told("session-livestreams", "GET", f"{session}/livestream-sessions")
    await told("sessions", "GET", "/sessions")
    await told("session", "GET", f"{session}?include_breakout_rooms=true")
    await told("session-participants", "GET", f"{session}/participants?include_peer_events=true")
    await told("session-participant", "GET", f"{session}/participants/{ann}?include_peer_events=true")
    await told("peer-report", "GET", f"/sessions/peer-report/{peer.id}")
    for name in ("joined", "measured"):
        await measure(api, peer, name)
    await told("session-quality", "GET", f"{session}/quality")
    await told("summary-of-a-running-session", "POST", f"{session}/summary")
    live = await api.registry.open(api.scope, made["data"]["id"])
    await live.leave(peer, LeaveReason.LEFT)
    await told("participant-deleted", "DELETE", f"{meeting}/participants/{bob}")
    await told("kicked", "POST", f"{meeting}/active-session/kick", json={"participant_ids": [ann]})
    await until(lambda: "still there" if first.is_joined else "")
    await api.join(made["data"]["id"], ann)
    await told("kicked-all", "POST", f"{meeting}/active-session/kick-all")

    hook = {"name": "Hook", "url": "https://x.example/hook", "events": ["meeting.started"]}
    webhook = await told("webhook-created", "POST", "/webhooks", json=hook)
    webhook_path = f"/webhooks/{webhook['data']['id']}"
    await told("webhook", "GET", webhook_path)
    await told("webhooks", "GET", "/webhooks")
    await told("webhook-events", "GET", "/webhooks/all")
    await told("webhook-changed", "PATCH", webhook_path, json={"enabled": False})
    await told("webhook-replaced", "PUT", webhook_path, json=hook)
    delivery = await logged(api.scope, webhook["data"]["id"])
    await told("webhook-deliveries", "GET", f"{webhook_path}/deliveries")
    await told("webhook-delivery", "GET", f"{webhook_path}/deliveries/{delivery.id}")
    await told("webhook-delivery-replayed", "POST", f"{webhook_path}/deliveries/{delivery.id}/replay")
    await told("webhook-deleted", "DELETE", webhook_path)

    await told("wrong-request", "POST", "/presets", json={"name": "x"})
    await told("unauthorized", "GET", "/meetings", headers={"Authorization": "Bearer nothing"})
    await told("conflict", "POST", f"{meeting}/participants", json=person)

    _, over = await ended(api, "hello")
    await dump(api, over)
    await told("session-chat", "GET", f"/sessions/{over}/chat")
    await told("no-transcript", "GET", f"/sessions/{over}/transcript")
    await told("no-summary", "GET", f"/sessions/{over}/summary")
    await told("daywise", "GET", "/analytics/daywise?start_date=2026-01-01&end_date=2026-01-02")
    assert told.seen == set(FILES), "a file without an answer, or an answer without a file"
    routes = {json.loads((FOLDER / name).read_text())["route"] for name in FILES}
    assert routes == {f"{endpoint.method} {KIT}{endpoint.path}" for endpoint in endpoints()}


@pytest.mark.parametrize("name", FILES)
def test_a_file_agrees_with_the_openapi_document(name):
    described = json.loads(json.dumps(document(endpoints())))
    told = json.loads((FOLDER / name).read_text())
    method, path = told["route"].split(" ")
    answers = described["paths"][path][method.lower()]["responses"]
    reference = answers[str(told["status"])]["content"]["application/json"]["schema"]
    schema = reference | {"components": described["components"]}
    jsonschema.Draft202012Validator(schema).validate(told["body"])
