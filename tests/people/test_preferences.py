"""Notification settings and quiet hours."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from parley.accounts.scope import AppScope
from parley.base.errors import Invalid, NotAllowed
from parley.people.model import Caller
from parley.people.preferences import (
    Settings,
    SettingsChange,
    allowed_channels,
    change_settings,
    channels_of,
    get_settings,
    is_quiet,
)

ADA = Caller("ada", is_server=False)


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 7, 1, hour, minute, tzinfo=UTC)


async def test_settings_are_the_defaults_until_they_are_chosen(app_scope: AppScope) -> None:
    found = await get_settings(app_scope, ADA, "ada")
    assert (found.settings, found.created_at) == (Settings(), None)


async def test_a_change_is_partial_and_null_restores_the_default(app_scope: AppScope) -> None:
    given = SettingsChange(email_enabled=False, timezone="Europe/Berlin", preferences={"digest": "daily"})
    await change_settings(app_scope, ADA, "ada", given)
    await change_settings(app_scope, ADA, "ada", SettingsChange(timezone=None, sms_enabled=False))
    found = (await get_settings(app_scope, ADA, "ada")).settings
    assert found == Settings(email_enabled=False, sms_enabled=False, preferences={"digest": "daily"})


async def test_settings_are_ones_own(app_scope: AppScope) -> None:
    with pytest.raises(NotAllowed):
        await get_settings(app_scope, ADA, "bob")
    with pytest.raises(NotAllowed):
        await change_settings(app_scope, ADA, "bob", SettingsChange())


@pytest.mark.parametrize("hour", ["24:00", "7:00", "07:60", "", "noon", "\uff107:00"])
async def test_a_time_of_day_is_hours_and_minutes(app_scope: AppScope, hour: str) -> None:
    with pytest.raises(Invalid) as refused:
        await change_settings(app_scope, ADA, "ada", SettingsChange(quiet_hours_end=hour))
    assert refused.value.field == "/notification_settings/quiet_hours_end"


@pytest.mark.parametrize("zone", ["", "Berlin", "/etc/passwd", "../UTC", "Europe", "Europe/\u0000", "+02:00"])
async def test_a_time_zone_is_one_of_the_database(app_scope: AppScope, zone: str) -> None:
    with pytest.raises(Invalid):
        await change_settings(app_scope, ADA, "ada", SettingsChange(timezone=zone))


@pytest.mark.parametrize(
    ("start", "end", "quiet", "loud"),
    [
        ("09:00", "17:00", [at(9), at(16, 59)], [at(8, 59), at(17)]),
        ("22:00", "07:00", [at(22), at(23, 59), at(0), at(6, 59)], [at(7), at(21, 59)]),
        ("08:00", "08:00", [], [at(8), at(20)]),
    ],
)
def test_quiet_hours_end_before_their_end_and_may_pass_midnight(
    start: str, end: str, quiet: list[datetime], loud: list[datetime]
) -> None:
    settings = Settings(quiet_hours_start=start, quiet_hours_end=end)
    assert all(is_quiet(settings, moment) for moment in quiet)
    assert not any(is_quiet(settings, moment) for moment in loud)


def test_quiet_hours_are_those_of_the_time_zone() -> None:
    settings = Settings(quiet_hours_start="22:00", quiet_hours_end="23:00", timezone="Asia/Tokyo")
    assert is_quiet(settings, at(13, 30))
    assert not is_quiet(settings, at(22, 30))


def test_one_end_alone_is_no_quiet_time() -> None:
    assert not is_quiet(Settings(quiet_hours_start="00:00"), at(1))


def test_quiet_hours_hold_back_everything_but_the_app() -> None:
    settings = Settings(quiet_hours_start="00:00", quiet_hours_end="12:00", sms_enabled=False)
    assert allowed_channels(settings, at(6)) == ("in_app",)
    assert allowed_channels(settings, at(12)) == ("in_app", "push", "email")


async def test_channels_follow_the_stored_settings(app_scope: AppScope) -> None:
    await change_settings(app_scope, ADA, "ada", SettingsChange(in_app_enabled=False, push_enabled=False))
    assert await channels_of(app_scope, "ada", at(6)) == ("email", "sms")
