"""Presets (`realtimekit.md` section 6)."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from parley.accounts.scope import AppScope
from parley.base.errors import Invalid
from parley.base.ids import PresetId, is_uuid
from parley.base.times import iso_ms
from parley.meetings import preset_service as service
from parley.meetings.live.peer import merge
from parley.meetings.looks import Looks
from parley.meetings.preset_service import PresetInput
from parley.meetings.presets import Permissions, Preset, PresetConfig, PresetName
from parley.wire.realtimekit.answers import Many, One, Timestamp, Uuid, many
from parley.wire.realtimekit.endpoint import AppCall, Routes
from parley.wire.realtimekit.reading import PageQuery, convert

_ACCESS = ("FULL_ACCESS", "VIEW_ONLY")


class PresetRow(msgspec.Struct, frozen=True):
    """A preset as lists show it."""

    id: Uuid
    name: str
    created_at: Timestamp
    updated_at: Timestamp


class PresetShape(msgspec.Struct, frozen=True, kw_only=True):
    """A preset: what its holders may do and how a meeting looks to them."""

    id: Uuid
    name: str
    config: PresetConfig
    permissions: Permissions
    ui: dict[str, Any]
    """`design_tokens`, with defaults where nothing was given."""
    created_at: Timestamp
    updated_at: Timestamp


class PresetBody(msgspec.Struct, frozen=True, kw_only=True):
    """A preset to create, or to put in the place of another."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    config: PresetConfig
    permissions: Permissions
    ui: Looks = Looks()


class PresetPatch(msgspec.Struct, frozen=True, kw_only=True):
    """Changes of a preset: objects are merged, everything else is replaced."""

    name: Any = msgspec.UNSET
    config: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    permissions: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    ui: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


class PresetQuery(PageQuery, frozen=True, kw_only=True):
    """Which presets."""

    search: str = ""


async def _load(scope: AppScope, path: Mapping[str, str]) -> Preset:
    return await service.get_preset(scope, PresetId(path["preset_id"]))


routes = Routes("Presets", loads={"preset": _load})


def _row(preset: PresetName) -> PresetRow:
    return PresetRow(preset.id, preset.name, iso_ms(preset.created_at), iso_ms(preset.updated_at))


def _shape(preset: Preset) -> One[PresetShape]:
    return One(
        PresetShape(
            id=preset.id,
            name=preset.name,
            config=preset.config,
            permissions=preset.permissions,
            ui=preset.ui,
            created_at=iso_ms(preset.created_at),
            updated_at=iso_ms(preset.updated_at),
        )
    )


def read_preset(body: dict[str, Any]) -> PresetInput:
    """The content of a preset from a JSON object.

    `plugins.config` may have the two shapes of older clients: one plugin's id, or one plugin's settings.

    Raises:
        Invalid: naming the first member that does not fit.
    """
    given = convert(_with_plugins(body), PresetBody)
    for plugin, settings in given.permissions.plugins.config.items():
        _check_plugin(f"permissions.plugins.config.{plugin}", settings)
    return PresetInput(name=given.name, config=given.config, permissions=given.permissions, ui=given.ui)


def _with_plugins(body: dict[str, Any]) -> dict[str, Any]:
    permissions = body.get("permissions")
    plugins = permissions.get("plugins") if isinstance(permissions, dict) else None
    if not isinstance(permissions, dict) or not isinstance(plugins, dict):
        return body
    config = plugins.get("config")
    if isinstance(config, str) and is_uuid(config):
        config = {config: {}}
    elif isinstance(config, dict) and {"access_control", "handles_view_only"} & config.keys():
        config = {"default": config}
    else:
        return body
    return body | {"permissions": permissions | {"plugins": plugins | {"config": config}}}


def _check_plugin(field: str, given: Mapping[str, Any]) -> None:
    if given.get("access_control", "FULL_ACCESS") not in _ACCESS:
        name = f"{field}.access_control"
        raise Invalid(f'"{name}" must be one of [{", ".join(_ACCESS)}]', field=name)
    if not isinstance(given.get("handles_view_only", False), bool):
        name = f"{field}.handles_view_only"
        raise Invalid(f'"{name}" must be a boolean', field=name)


def _patched(preset: Preset, patch: dict[str, Any]) -> PresetInput:
    before = {
        "name": preset.name,
        "config": msgspec.to_builtins(preset.config),
        "permissions": msgspec.to_builtins(preset.permissions),
        "ui": preset.ui,
    }
    return read_preset(merge(before, _with_plugins(patch)))


@routes.get("{app}/presets")
async def list_presets(call: AppCall, query: PresetQuery) -> Many[PresetRow]:
    """List presets.

    Newest first. `search` is part of a name, or a whole id.
    """
    return many(await service.list_presets(call.scope, query.search or None, query.page()), _row)


@routes.post("{app}/presets", status=201, like=PresetBody)
async def create_preset(call: AppCall, body: dict[str, Any]) -> One[PresetShape]:
    """Create a preset.

    A name that the app has already is a conflict (409).
    """
    return _shape(await service.create_preset(call.scope, read_preset(body)))


@routes.get("{app}/presets/{preset_id}")
async def get_preset(call: AppCall, preset: Preset) -> One[PresetShape]:
    """Get a preset."""
    return _shape(preset)


@routes.patch("{app}/presets/{preset_id}")
async def edit_preset(call: AppCall, preset: Preset, body: PresetPatch) -> One[PresetShape]:
    """Change a preset.

    Objects are merged, everything else is replaced. Participants keep the preset under a new name; changed
    permissions count for those who connect afterwards.
    """
    patch: dict[str, Any] = msgspec.to_builtins(body)
    return _shape(await service.edit_preset(call.scope, preset.id, lambda now: _patched(now, patch)))


@routes.put("{app}/presets/{preset_id}", like=PresetBody)
async def replace_preset(call: AppCall, preset: Preset, body: dict[str, Any]) -> One[PresetShape]:
    """Replace a preset."""
    given = read_preset(body)
    return _shape(await service.edit_preset(call.scope, preset.id, lambda _: given))


@routes.delete("{app}/presets/{preset_id}")
async def delete_preset(call: AppCall, preset_id: str) -> One[PresetShape]:
    """Delete a preset.

    Answers with the preset as it was. One that a participant has is kept (409).
    """
    return _shape(await service.delete_preset(call.scope, PresetId(preset_id)))
