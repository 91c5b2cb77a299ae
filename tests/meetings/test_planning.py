"""Use cases of apps, meetings, presets and participants, on both databases; REST covers what it can see."""

from __future__ import annotations

import asyncio

import pytest
import pytest_asyncio

from parley.accounts.model import Right
from parley.accounts.scope import AppScope, Scope
from parley.base.errors import Conflict, NotAllowed, NotFound, ParleyError
from parley.base.ids import MeetingId, ParticipantId
from parley.base.paging import PageRequest
from parley.meetings import participants, preset_service, service
from parley.meetings.apps import create_app
from parley.meetings.configs import RecordingConfig, StorageConfig, shown_form, storage_with_secrets
from parley.meetings.events import MeetingUpdated, ParticipantRemoved
from parley.meetings.looks import Looks
from parley.meetings.model import MeetingStatus
from parley.meetings.participants import ParticipantEdit, ParticipantInput
from parley.meetings.preset_service import PresetInput
from parley.meetings.presets import Preset
from parley.meetings.service import MeetingEdit, MeetingInput
from parley.store.query import SystemQuery
from parley.store.schema import tables as t

ANN = ParticipantInput(custom_participant_id="ann", preset_name="group_call_host", name="Ann")


@pytest_asyncio.fixture
async def kit(scope: Scope) -> AppScope:
    """An app with its default presets."""
    return scope.app((await create_app(scope, "Kit")).id)


@pytest.fixture
def announced(store) -> list:
    """Events that were committed since now."""
    told: list = []
    store.outbox.listen(lambda item: told.append(item.event))
    return told


async def preset_named(scope: AppScope, name: str) -> Preset:
    row = (await preset_service.list_presets(scope, name, PageRequest())).rows[0]
    return await preset_service.get_preset(scope, row.id)


def content_of(preset: Preset, name: str) -> PresetInput:
    return PresetInput(name=name, config=preset.config, permissions=preset.permissions, ui=Looks())


async def test_a_participant_comes_with_preset_and_meeting(kit):
    meeting = await service.create_meeting(kit, MeetingInput(title="Weekly"))
    added = await participants.add_participant(kit, meeting, ANN)
    person, preset, found = await participants.get_participant_with_preset(kit, added.participant.id)
    assert (person, preset.name, found) == (added.participant, "group_call_host", meeting)


async def test_a_participant_of_another_app_is_not_found(kit, other_app_scope):
    meeting = await service.create_meeting(kit, MeetingInput())
    added = await participants.add_participant(kit, meeting, ANN)
    with pytest.raises(NotFound):
        await participants.get_participant_with_preset(other_app_scope, added.participant.id)


async def test_deleting_a_participant_is_announced_once(kit, announced):
    meeting = await service.create_meeting(kit, MeetingInput())
    person = (await participants.add_participant(kit, meeting, ANN)).participant
    await participants.remove_participant(kit, meeting.id, person.id)
    with pytest.raises(NotFound):
        await participants.remove_participant(kit, meeting.id, person.id)
    assert announced == [ParticipantRemoved(meeting_id=meeting.id, participant_id=person.id)]


async def test_a_changed_meeting_is_announced_with_title_and_status(kit, announced):
    meeting = await service.create_meeting(kit, MeetingInput(title="Old"))
    assert announced == []
    await service.edit_meeting(kit, meeting.id, MeetingEdit(title="New", status=MeetingStatus.INACTIVE))
    assert announced == [MeetingUpdated(meeting_id=meeting.id, title="New", status=MeetingStatus.INACTIVE)]


async def test_secrets_of_a_storage_are_sealed_in_the_database(kit):
    storage = StorageConfig(type="gcs", bucket="calls", secret="hush-hush")
    config = RecordingConfig(storage_config=storage)
    meeting = await service.create_meeting(kit, MeetingInput(recording_config=config))
    row = await kit.store.database.one(
        SystemQuery(t.meetings.select().with_only_columns(t.meetings.c.recording_config))
    )
    assert "hush-hush" not in row[0]
    stored = (await service.get_meeting(kit, meeting.id)).recording_config
    assert shown_form(stored) == {"storage_config": {"type": "gcs", "bucket": "calls"}}
    opened = storage_with_secrets(kit.store.vault, stored)
    assert opened == {"type": "gcs", "bucket": "calls", "secret": "hush-hush"}


async def test_of_several_who_take_a_custom_id_one_gets_it(kit):
    meeting = await service.create_meeting(kit, MeetingInput())
    outcomes = await asyncio.gather(
        *(participants.add_participant(kit, meeting, ANN) for _ in range(8)), return_exceptions=True
    )
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 7
    assert (await participants.list_participants(kit, meeting.id, PageRequest())).total == 1


async def test_a_preset_is_not_deleted_while_somebody_is_getting_it(kit):
    """Either the deletion comes first and there is no such preset, or it is refused."""
    guest = await preset_named(kit, "group_call_guest")
    for number in range(10):
        preset = await preset_service.create_preset(kit, content_of(guest, f"Short-lived {number}"))
        meeting = await service.create_meeting(kit, MeetingInput())
        given = ParticipantInput(custom_participant_id="ann", preset_name=preset.name)
        added, deleted = await asyncio.gather(
            participants.add_participant(kit, meeting, given),
            preset_service.delete_preset(kit, preset.id),
            return_exceptions=True,
        )
        problems = [outcome for outcome in (added, deleted) if isinstance(outcome, BaseException)]
        assert len(problems) == 1
        assert isinstance(problems[0], NotFound if problems[0] is added else Conflict)


async def test_patches_at_the_same_time_keep_each_other(kit):
    meeting = await service.create_meeting(kit, MeetingInput())
    await asyncio.gather(
        service.edit_meeting(kit, meeting.id, MeetingEdit(title="Both")),
        service.edit_meeting(kit, meeting.id, MeetingEdit(persist_chat=True)),
        service.edit_meeting(kit, meeting.id, MeetingEdit(record_on_start=True)),
    )
    after = await service.get_meeting(kit, meeting.id)
    assert (after.title, after.persist_chat, after.record_on_start) == ("Both", True, True)


async def test_whoever_may_only_read_changes_nothing(kit, scope):
    meeting = await service.create_meeting(kit, MeetingInput())
    person = (await participants.add_participant(kit, meeting, ANN)).participant
    preset = await preset_named(kit, "webinar_viewer")
    reader = Scope(kit.store, kit.organization_id, "reader", frozenset({Right.READ})).app(kit.app_id)
    attempts = [
        create_app(reader, "x"),
        service.create_meeting(reader, MeetingInput()),
        service.edit_meeting(reader, meeting.id, MeetingEdit(title="x")),
        service.replace_meeting(reader, meeting.id, MeetingInput()),
        participants.add_participant(reader, meeting, ANN),
        participants.edit_participant(reader, meeting.id, person.id, ParticipantEdit(name="x")),
        participants.remove_participant(reader, meeting.id, person.id),
        preset_service.create_preset(reader, content_of(preset, "x")),
        preset_service.edit_preset(reader, preset.id, lambda old: content_of(old, "x")),
        preset_service.delete_preset(reader, preset.id),
    ]
    for attempt in attempts:
        with pytest.raises(NotAllowed):
            await attempt
    assert await service.get_meeting(reader, meeting.id) == meeting


async def test_an_edit_that_fails_leaves_the_preset_as_it_was(kit):
    preset = await preset_named(kit, "webinar_viewer")

    def fail(_: Preset) -> PresetInput:
        raise Conflict("no")

    with pytest.raises(ParleyError):
        await preset_service.edit_preset(kit, preset.id, fail)
    assert await preset_service.get_preset(kit, preset.id) == preset


async def test_unknown_things_are_not_found(kit):
    nothing = "5b0c0a9e-2f7d-4b53-9a0f-1f6a2d3e4c55"
    with pytest.raises(NotFound, match=f"No meeting found with id {nothing}"):
        await service.get_meeting(kit, MeetingId(nothing))
    with pytest.raises(NotFound):
        await service.edit_meeting(kit, MeetingId(nothing), MeetingEdit(title="x"))
    with pytest.raises(NotFound, match=f"No participant found with id {nothing}"):
        await participants.get_participant_with_preset(kit, ParticipantId(nothing))
