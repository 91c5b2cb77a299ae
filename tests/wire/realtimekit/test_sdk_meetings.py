"""Apps, meetings, participants and presets, asked for by the official Python SDK, which checks the types."""

from __future__ import annotations

from datetime import UTC, datetime

import cloudflare
import pytest

from parley.meetings.catalogue import NAMES
from tests.wire.realtimekit.presets import PRESET
from tests.wire.realtimekit.serving import Api


async def test_an_app_is_created_with_the_default_presets(api: Api):
    made = (await api.client.realtime_kit.apps.post(**api.account, name="  Shop  ")).data
    assert made is not None
    app_id = made.app.id
    assert made.app.name == "Shop"
    presets = await api.client.realtime_kit.presets.get(app_id, **api.account)
    assert {preset.name for preset in presets.data} == set(NAMES)


async def test_apps_are_listed_in_order_with_their_paging(api: Api, clock):
    for name in ("One", "Two", "Three"):
        clock.advance(1)
        await api.client.realtime_kit.apps.post(**api.account, name=name)
    apps = api.client.realtime_kit.apps
    page = await apps.get(**api.account, per_page=2, page_no=2, sort_order="ASC")
    assert [app.name for app in page.data] == ["Two", "Three"]
    assert (page.paging.total_count, page.paging.start_offset, page.paging.end_offset) == (4, 3, 4)
    found = await apps.get(**api.account, search="wO")
    assert [app.name for app in found.data] == ["Two"]


async def test_one_app_is_got_by_its_id(api: Api):
    url = f"{api.kit}/apps/{api.scope.app_id}"
    found = (await api.http.get(url)).json()["data"]
    assert (found["id"], found["name"]) == (api.scope.app_id, "Kit")


async def test_an_empty_body_makes_a_meeting_of_defaults(api: Api):
    made = (await api.client.realtime_kit.meetings.create(api.scope.app_id, **api.account)).data
    assert made is not None
    assert (made.title, made.status, made.session_keep_alive_time_in_secs) == (None, "ACTIVE", 60)
    assert not made.record_on_start
    assert not made.persist_chat
    assert made.recording_config is None


async def test_a_meeting_keeps_what_it_was_given(api: Api):
    made = await api.client.realtime_kit.meetings.create(
        api.scope.app_id,
        **api.account,
        title="Review",
        record_on_start=True,
        persist_chat=True,
        session_keep_alive_time_in_secs=90.0,
        transcribe_on_end=True,
        summarize_on_end=True,
        live_stream_on_start=True,
        recording_config={
            "max_seconds": 600.0,
            "file_name_prefix": "review-1",
            "audio_config": {"codec": "MP3", "channel": "mono"},
            "video_config": {"codec": "VP9", "width": 640, "watermark": {"position": "right bottom"}},
            "realtimekit_bucket_config": {"enabled": False},
            "live_streaming_config": {"rtmp_url": "rtmp://live.example/x"},
        },
        ai_config={
            "transcription": {"language": "pl", "keywords": ["Parley"]},
            "summarization": {"word_limit": 200, "summary_type": "interview"},
        },
    )
    found = await api.client.realtime_kit.meetings.get_meeting_by_id(made.data.id, **api.here)
    assert found.data.to_dict() == made.data.to_dict()
    assert found.data.recording_config.max_seconds == 600
    assert found.data.recording_config.video_config.width == 640
    assert found.data.recording_config.video_config.watermark.position == "right bottom"
    assert found.data.ai_config.summarization.word_limit == 200


async def test_a_storage_never_gives_its_secrets_back(api: Api):
    storage = {
        "type": "aws",
        "access_key": "AKIA-1",
        "secret": "hush-hush",
        "bucket": "calls",
        "region": "eu-central-1",
        "path": "here",
    }
    answer = await api.ask(
        "POST", "/meetings", status=201, json={"recording_config": {"storage_config": storage}}
    )
    assert answer["data"]["recording_config"]["storage_config"] == {
        "type": "aws",
        "bucket": "calls",
        "region": "eu-central-1",
        "path": "here",
    }
    assert "hush-hush" not in str(answer)


async def test_patching_changes_only_what_is_named(api: Api, clock):
    meetings = api.client.realtime_kit.meetings
    made = (await meetings.create(api.scope.app_id, **api.account, title="Old", persist_chat=True)).data
    clock.advance(5)
    changed = (await meetings.update_meeting_by_id(made.id, **api.here, title="New", status="INACTIVE")).data
    assert (changed.title, changed.status, changed.persist_chat) == ("New", "INACTIVE", True)
    assert changed.created_at == made.created_at
    assert changed.updated_at > made.updated_at


async def test_null_clears_a_title_and_switches_a_flag_off(api: Api):
    meeting = await api.meeting(title="Old", record_on_start=True)
    body = {"title": None, "record_on_start": None}
    changed = (await api.ask("PATCH", f"/meetings/{meeting}", status=200, json=body))["data"]
    assert (changed["title"], changed["record_on_start"]) == (None, False)


async def test_replacing_resets_what_is_not_given_but_not_the_status(api: Api):
    meetings = api.client.realtime_kit.meetings
    made = (await meetings.create(api.scope.app_id, **api.account, title="Old", persist_chat=True)).data
    await meetings.update_meeting_by_id(made.id, **api.here, status="INACTIVE")
    replaced = (await meetings.replace_meeting_by_id(made.id, **api.here, summarize_on_end=True)).data
    assert (replaced.title, replaced.persist_chat, replaced.summarize_on_end) == (None, False, True)
    assert replaced.status == "INACTIVE"


async def test_meetings_are_found_by_title_id_status_and_time(api: Api, clock):
    meetings = api.client.realtime_kit.meetings
    ids = []
    for title in ("100% sure", "Weekly", "weekly two"):
        clock.advance(60)
        ids.append(await api.meeting(title=title))
    await meetings.update_meeting_by_id(ids[1], **api.here, status="INACTIVE")

    async def found(**query) -> list[str]:
        page = await meetings.get(api.scope.app_id, **api.account, **query)
        return [meeting.id for meeting in page.data]

    assert await found() == ids[::-1]
    assert await found(search="WEEK") == [ids[2], ids[1]]
    assert await found(search="0%") == [ids[0]]
    assert await found(search="_") == []
    assert await found(search=ids[0]) == [ids[0]]
    assert await found(status="INACTIVE") == [ids[1]]
    second = datetime(2026, 1, 1, 0, 2, tzinfo=UTC)
    assert await found(start_time=second) == [ids[2], ids[1]]
    assert await found(start_time=second, end_time=second) == [ids[1]]


async def test_a_participant_gets_a_token_for_its_meeting(api: Api):
    meeting = await api.meeting()
    added = await api.client.realtime_kit.meetings.add_participant(
        meeting,
        **api.here,
        custom_participant_id="ann",
        preset_name="group_call_host",
        name="Ann",
        picture="https://pictures.example/ann.png",
    )
    assert added.data.preset_name == "group_call_host"
    assert added.data.picture == "https://pictures.example/ann.png"
    claims = api.tokens.verify(added.data.token)
    assert (claims.app_id, claims.meeting_id) == (api.scope.app_id, meeting)
    assert claims.participant_id == added.data.id


async def test_participants_are_listed_and_got_without_tokens(api: Api, clock):
    meeting = await api.meeting()
    first = await api.participant(meeting, "ann")
    clock.advance(1)
    second = await api.participant(meeting, "bob", preset_name="group_call_guest")
    listed = await api.client.realtime_kit.meetings.get_meeting_participants(meeting, **api.here, per_page=1)
    assert [(row.id, row.preset_name) for row in listed.data] == [(second, "group_call_guest")]
    assert listed.paging.total_count == 2
    one = await api.ask("GET", f"/meetings/{meeting}/participants/{first}", status=200)
    assert "token" not in one["data"]
    assert one["data"]["name"] is None


async def test_editing_a_participant_answers_with_a_fresh_token(api: Api):
    meeting = await api.meeting()
    person = await api.participant(meeting, "ann", name="Ann")
    edit = api.client.realtime_kit.meetings.edit_participant
    changed = (await edit(person, **api.here, meeting_id=meeting, preset_name="webinar_viewer")).data
    assert (changed.name, changed.preset_name) == ("Ann", "webinar_viewer")
    assert api.tokens.verify(changed.token).participant_id == person
    changed = (await edit(person, **api.here, meeting_id=meeting, name=None, preset_name=None)).data
    assert (changed.name, changed.preset_name) == (None, "webinar_viewer")


async def test_replacing_a_participant_clears_its_name(api: Api):
    meeting = await api.meeting()
    person = await api.participant(meeting, "ann", name="Ann")
    path = f"/meetings/{meeting}/participants/{person}"
    body = {"preset_name": "group_call_guest"}
    replaced = (await api.ask("PUT", path, status=200, json=body))["data"]
    assert (replaced["name"], replaced["preset_name"]) == (None, "group_call_guest")
    assert replaced["token"].startswith("eyJ")


async def test_deleting_a_participant_tells_its_preset_and_nothing_is_left(api: Api):
    meeting = await api.meeting()
    person = await api.participant(meeting, "ann")
    meetings = api.client.realtime_kit.meetings
    removed = (await meetings.delete_meeting_participant(person, **api.here, meeting_id=meeting)).data
    assert removed.custom_participant_id == "ann"
    preset = await api.client.realtime_kit.presets.get_preset_by_id(removed.preset_id, **api.here)
    assert preset.data.name == "group_call_host"
    with pytest.raises(cloudflare.NotFoundError):
        await meetings.delete_meeting_participant(person, **api.here, meeting_id=meeting)


async def test_a_token_is_refreshed_and_the_old_one_still_works(api: Api):
    meeting = await api.meeting()
    meetings = api.client.realtime_kit.meetings
    added = await meetings.add_participant(
        meeting, **api.here, custom_participant_id="ann", preset_name="group_call_host"
    )
    person = added.data.id
    fresh = (await meetings.refresh_participant_token(person, **api.here, meeting_id=meeting)).data.token
    assert fresh != added.data.token
    for token in (fresh, added.data.token):
        assert api.tokens.verify(token).participant_id == person


async def test_a_custom_id_is_taken_once_in_a_meeting(api: Api):
    meeting, other = await api.meeting(), await api.meeting()
    await api.participant(meeting, "ann")
    await api.participant(other, "ann")
    with pytest.raises(cloudflare.ConflictError) as refused:
        await api.client.realtime_kit.meetings.add_participant(
            meeting, **api.here, custom_participant_id="ann", preset_name="group_call_host"
        )
    assert refused.value.response.headers["x-should-retry"] == "false"


async def test_an_older_client_may_call_the_custom_id_differently(api: Api):
    meeting = await api.meeting()
    body = {"client_specific_id": "ann", "preset_name": "group_call_host"}
    added = await api.ask("POST", f"/meetings/{meeting}/participants", status=201, json=body)
    assert added["data"]["custom_participant_id"] == "ann"


async def test_a_preset_is_created_got_replaced_and_deleted(api: Api):
    presets = api.client.realtime_kit.presets
    made = (await presets.create(api.scope.app_id, **api.account, name="Coach", **PRESET)).data
    assert made.permissions.chat.private.can_receive
    assert made.config.media.screenshare.frame_rate == 5
    assert made.ui.design_tokens.colors.brand.api_300 == "#123456"
    assert made.ui.design_tokens.spacing_base == 4
    found = (await presets.get_preset_by_id(made.id, **api.here)).data
    assert found.to_dict() == made.to_dict()
    changed = PRESET | {"permissions": PRESET["permissions"] | {"can_record": True}}
    replaced = (await presets.replace_preset_by_id(made.id, **api.here, name="Trainer", **changed)).data
    assert (replaced.name, replaced.permissions.can_record) == ("Trainer", True)
    deleted = (await presets.delete(made.id, **api.here)).data
    assert deleted.to_dict() == replaced.to_dict()
    with pytest.raises(cloudflare.NotFoundError):
        await presets.get_preset_by_id(made.id, **api.here)


async def test_patching_a_preset_merges_objects_and_replaces_the_rest(api: Api):
    presets = api.client.realtime_kit.presets
    made = (await presets.create(api.scope.app_id, **api.account, name="Coach", **PRESET)).data
    changed = await presets.update(
        made.id,
        **api.here,
        config={"media": {"video": {"quality": "qvga"}}},
        permissions={"polls": {"can_vote": False}, "waiting_room_type": "SKIP_ON_ACCEPT"},
        ui={"design_tokens": {"colors": {"brand": {"_500": "#000000"}}}},
    )
    assert changed.data.name == "Coach"
    assert changed.data.config.media.video.quality == "qvga"
    assert changed.data.config.media.video.frame_rate == 24
    assert not changed.data.permissions.polls.can_vote
    assert changed.data.permissions.polls.can_create
    assert changed.data.ui.design_tokens.colors.brand.api_500 == "#000000"
    assert changed.data.ui.design_tokens.colors.brand.api_300 == "#123456"


async def test_a_renamed_preset_keeps_its_participants(api: Api):
    presets = api.client.realtime_kit.presets
    made = (await presets.create(api.scope.app_id, **api.account, name="Coach", **PRESET)).data
    meeting = await api.meeting()
    person = await api.participant(meeting, "ann", preset_name="Coach")
    await presets.update(made.id, **api.here, name="Trainer")
    found = await api.client.realtime_kit.meetings.get_meeting_participant(
        person, **api.here, meeting_id=meeting
    )
    assert found.data.preset_name == "Trainer"


async def test_a_preset_in_use_is_not_deleted(api: Api):
    presets = api.client.realtime_kit.presets
    made = (await presets.create(api.scope.app_id, **api.account, name="Coach", **PRESET)).data
    meeting = await api.meeting()
    person = await api.participant(meeting, "ann", preset_name="Coach")
    with pytest.raises(cloudflare.ConflictError):
        await presets.delete(made.id, **api.here)
    await api.client.realtime_kit.meetings.delete_meeting_participant(person, **api.here, meeting_id=meeting)
    await presets.delete(made.id, **api.here)


async def test_a_preset_name_is_taken_once_in_an_app(api: Api):
    presets = api.client.realtime_kit.presets
    made = (await presets.create(api.scope.app_id, **api.account, name="Coach", **PRESET)).data
    with pytest.raises(cloudflare.ConflictError):
        await presets.create(api.scope.app_id, **api.account, name="webinar_viewer", **PRESET)
    with pytest.raises(cloudflare.ConflictError):
        await presets.update(made.id, **api.here, name="webinar_viewer")
    await presets.update(made.id, **api.here, name="Coach")


async def test_presets_are_searched_by_name(api: Api):
    presets = api.client.realtime_kit.presets
    found = await presets.get(api.scope.app_id, **api.account, search="WEBINAR")
    assert {preset.name for preset in found.data} == {"webinar_presenter", "webinar_viewer"}
    assert found.paging.total_count == 2


async def test_missing_looks_have_their_defaults(api: Api):
    body = {"name": "Plain", "config": PRESET["config"], "permissions": PRESET["permissions"]}
    made = (await api.ask("POST", "/presets", status=201, json=body))["data"]
    tokens = made["ui"]["design_tokens"]
    assert (tokens["theme"], tokens["border_radius"], tokens["spacing_base"]) == ("dark", "rounded", 4)
    assert tokens["colors"]["background"]["1000"] == "#141414"
    assert "logo" not in tokens


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("5b0c0a9e-2f7d-4b53-9a0f-1f6a2d3e4c55", {"5b0c0a9e-2f7d-4b53-9a0f-1f6a2d3e4c55": {}}),
        ({"access_control": "VIEW_ONLY"}, {"default": {"access_control": "VIEW_ONLY"}}),
        ({"x": {"handles_view_only": True, "more": 1}}, {"x": {"handles_view_only": True, "more": 1}}),
    ],
)
async def test_plugin_settings_of_older_clients_are_understood(api: Api, given, kept):
    plugins = PRESET["permissions"]["plugins"] | {"config": given}
    body = PRESET | {"name": "P", "permissions": PRESET["permissions"] | {"plugins": plugins}}
    made = await api.ask("POST", "/presets", status=201, json=body)
    assert made["data"]["permissions"]["plugins"]["config"] == kept
    patch = {"permissions": {"plugins": {"config": given}}}
    again = await api.ask("PATCH", f"/presets/{made['data']['id']}", status=200, json=patch)
    assert again["data"]["permissions"]["plugins"]["config"] == kept


async def test_what_older_clients_differ_in_is_echoed(api: Api):
    ui = {"config_diff": {"a": [1]}, "design_tokens": {"theme": "light", "logo": "https://x.example/l.png"}}
    made = await api.ask("POST", "/presets", status=201, json=PRESET | {"name": "P", "ui": ui})
    assert made["data"]["ui"]["config_diff"] == {"a": [1]}
    assert made["data"]["ui"]["design_tokens"]["logo"] == "https://x.example/l.png"
