"""How users want to be told of things (`realtime-block.md` 18.9)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, time, tzinfo
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from parley.accounts.scope import AppScope, Change
from parley.base.errors import Invalid
from parley.base.times import from_ms
from parley.people import store
from parley.people.model import Caller

Channel = Literal["in_app", "push", "email", "sms"]
_HOUR = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """A user's choices."""

    email_enabled: bool = True
    push_enabled: bool = True
    sms_enabled: bool = True
    in_app_enabled: bool = True
    quiet_hours_start: str | None = None
    """`HH:MM` of `timezone`; None = no quiet hours."""
    quiet_hours_end: str | None = None
    timezone: str = "UTC"
    """Name of the IANA database."""
    preferences: dict[str, Any] = {}
    payload: dict[str, Any] | None = None


class SettingsChange(msgspec.Struct, frozen=True, kw_only=True):
    """Some of them: absent = unchanged, None = as it is by default."""

    email_enabled: bool | msgspec.UnsetType | None = msgspec.UNSET
    push_enabled: bool | msgspec.UnsetType | None = msgspec.UNSET
    sms_enabled: bool | msgspec.UnsetType | None = msgspec.UNSET
    in_app_enabled: bool | msgspec.UnsetType | None = msgspec.UNSET
    quiet_hours_start: str | msgspec.UnsetType | None = msgspec.UNSET
    quiet_hours_end: str | msgspec.UnsetType | None = msgspec.UNSET
    timezone: Annotated[str, msgspec.Meta(max_length=64)] | msgspec.UnsetType | None = msgspec.UNSET
    preferences: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET
    payload: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET

    def applied(self, before: Settings) -> Settings:
        """The settings after the change.

        Raises:
            Invalid: not a time of day, or not a time zone.
        """
        defaults = Settings()
        values = {
            name: getattr(defaults, name) if value is None else value
            for name in self.__struct_fields__
            if (value := getattr(self, name)) is not msgspec.UNSET
        }
        for name in ("quiet_hours_start", "quiet_hours_end"):
            if values.get(name) is not None and not _HOUR.fullmatch(values[name]):
                raise Invalid("A time of day looks like 22:30.", field=f"/notification_settings/{name}")
        if "timezone" in values and _zone(values["timezone"]) is None:
            raise Invalid(
                "The time zone must be a name of the IANA database, such as Europe/Berlin.",
                field="/notification_settings/timezone",
            )
        return msgspec.structs.replace(before, **values)


class StoredSettings(msgspec.Struct, frozen=True):
    """A user's settings, and when they were chosen."""

    settings: Settings
    created_at: datetime | None
    updated_at: datetime | None


_stored = msgspec.json.Decoder(Settings)


async def get_settings(scope: AppScope, caller: Caller, user_id: str) -> StoredSettings:
    """A user's settings; the defaults when they never chose any.

    Raises:
        NotAllowed: another user.
    """
    caller.must_be(user_id)
    return await _read(scope, user_id)


async def change_settings(
    scope: AppScope, caller: Caller, user_id: str, given: SettingsChange
) -> StoredSettings:
    """Change some of a user's settings.

    Raises:
        NotAllowed: another user.
        Invalid: see `SettingsChange.applied`.
    """
    caller.must_be(user_id)
    async with scope.change() as change:
        before = await _read(change, user_id)
        after = given.applied(before.settings)
        await store.put_settings(change, user_id, msgspec.json.encode(after).decode())
    return StoredSettings(after, before.created_at or scope.now(), scope.now())


async def channels_of(reader: AppScope | Change, user_id: str, now: datetime) -> tuple[Channel, ...]:
    """The ways on which a user may be told of something now."""
    return allowed_channels((await _read(reader, user_id)).settings, now)


async def without_app(reader: AppScope | Change, user_ids: Iterable[str]) -> frozenset[str]:
    """Those users who want to be told of nothing in the app."""
    found = await store.settings_of(reader, user_ids)
    return frozenset(user for user, body in found.items() if not _stored.decode(body).in_app_enabled)


def allowed_channels(settings: Settings, now: datetime) -> tuple[Channel, ...]:
    """The same for these settings: quiet hours hold back everything but what is shown in the app."""
    chosen: list[Channel] = ["in_app"] if settings.in_app_enabled else []
    if not is_quiet(settings, now):
        if settings.push_enabled:
            chosen.append("push")
        if settings.email_enabled:
            chosen.append("email")
        if settings.sms_enabled:
            chosen.append("sms")
    return tuple(chosen)


def is_quiet(settings: Settings, now: datetime) -> bool:
    """Whether it is within the quiet hours, from their start until before their end, also over midnight."""
    start, end = settings.quiet_hours_start, settings.quiet_hours_end
    if start is None or end is None or start == end:
        return False
    at = now.astimezone(_zone(settings.timezone) or UTC).time()
    first, last = time.fromisoformat(start), time.fromisoformat(end)
    return first <= at < last if first < last else at >= first or at < last


def _zone(name: str) -> tzinfo | None:
    if name == "UTC":  # known also where there is no database of time zones
        return UTC
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # not a name, a folder, or not in the database
        return None


async def _read(reader: AppScope | Change, user_id: str) -> StoredSettings:
    found = await store.settings(reader, user_id)
    if found is None:
        return StoredSettings(Settings(), None, None)
    body, created, updated = found
    return StoredSettings(_stored.decode(body), from_ms(created), from_ms(updated))
