"""Use cases of presets."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from parley.accounts.model import Right
from parley.accounts.scope import AppScope
from parley.base.errors import Conflict, NotFound
from parley.base.ids import PresetId, new_uuid
from parley.base.paging import Page, PageRequest
from parley.meetings import store
from parley.meetings.looks import Looks
from parley.meetings.presets import Permissions, Preset, PresetConfig, PresetName
from parley.store.errors import AlreadyExists


class PresetInput(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer decides about a preset."""

    name: str
    config: PresetConfig
    permissions: Permissions
    ui: Looks


Edit = Callable[[Preset], PresetInput]
"""The new content made of the old preset; may raise."""


async def list_presets(scope: AppScope, search: str | None, page: PageRequest) -> Page[PresetName]:
    """A page of the app's presets, newest first; `search` is part of a name, or a whole id."""
    return await store.list_presets(scope, search, page)


async def get_preset(scope: AppScope, preset_id: PresetId) -> Preset:
    """One preset.

    Raises:
        NotFound: no such preset in this app.
    """
    return _found(await store.get_preset(scope, preset_id), preset_id)


async def create_preset(scope: AppScope, given: PresetInput) -> Preset:
    """Add a preset.

    Raises:
        Conflict: the app has one of that name.
    """
    scope.require(Right.WRITE)
    now = scope.now()
    preset = Preset(
        id=PresetId(new_uuid()),
        app_id=scope.app_id,
        name=given.name,
        config=given.config,
        permissions=given.permissions,
        ui=msgspec.to_builtins(given.ui),
        created_at=now,
        updated_at=now,
    )
    try:
        async with scope.change() as change:
            await store.insert_preset(change, preset)
    except AlreadyExists as exists:
        raise _taken(given.name) from exists
    return preset


async def edit_preset(scope: AppScope, preset_id: PresetId, edit: Edit) -> Preset:
    """Change a preset.

    Its participants keep it, under its new name too; permissions count for peers that connect afterwards.

    Raises:
        NotFound: no such preset in this app.
        Conflict: another one has the new name.
    """
    scope.require(Right.WRITE)
    name = ""
    try:
        async with scope.change() as change:
            before = _found(await store.lock_preset(change, preset_id), preset_id)
            given = edit(before)
            name = given.name
            after = replace(
                before,
                name=name,
                config=given.config,
                permissions=given.permissions,
                ui=msgspec.to_builtins(given.ui),
                updated_at=change.now(),
            )
            await store.put_preset(change, after)
    except AlreadyExists as exists:
        raise _taken(name) from exists
    return after


async def delete_preset(scope: AppScope, preset_id: PresetId) -> Preset:
    """Remove a preset; returns it as it was.

    Raises:
        NotFound: no such preset in this app.
        Conflict: a participant has it.
    """
    scope.require(Right.WRITE)
    async with scope.change() as change:
        preset = _found(await store.lock_preset(change, preset_id), preset_id)
        if await store.count_preset_users(change, preset_id):
            raise Conflict(f"The preset {preset.name} is used by participants")
        await store.delete_preset(change, preset_id)
    return preset


def _found(preset: Preset | None, preset_id: PresetId) -> Preset:
    if preset is None:
        raise NotFound(f"No preset found with id {preset_id}")
    return preset


def _taken(name: str) -> Conflict:
    return Conflict(f"A preset with name {name} exists in this app already")
