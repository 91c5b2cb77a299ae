"""A customer's back end: apps, presets, meetings and participants over the official `cloudflare` SDK."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloudflare import AsyncCloudflare

HOST, PARTICIPANT, GUEST = "group_call_host", "group_call_participant", "group_call_guest"
PRESENTER, VIEWER = "webinar_presenter", "webinar_viewer"

Changes = Mapping[str, Any]
"""Members to replace, nested as the preset is."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """A participant as the customer knows it."""

    id: str
    token: str


@dataclass(frozen=True, slots=True)
class Meeting:
    """A meeting as the customer knows it."""

    id: str


class Customer:
    """One app of the account."""

    def __init__(self, client: AsyncCloudflare, account_id: str, app_id: str) -> None:
        self._client = client
        self._ids = {"account_id": account_id, "app_id": app_id}

    @classmethod
    async def open(cls, parley_url: str, account_id: str, api_token: str) -> Customer:
        """Create an app; it begins with the default presets."""
        client = AsyncCloudflare(api_token=api_token, base_url=f"{parley_url}/client/v4")
        made = await client.realtime_kit.apps.post(account_id=account_id, name="Browser tests")
        return cls(client, account_id, made.data.app.id)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def address(self, parley_url: str) -> str:
        """Of the app's resources in the REST API."""
        return f"{parley_url}/client/v4/accounts/{self._ids['account_id']}/realtime/kit/{self._ids['app_id']}"

    @property
    def _kit(self) -> Any:
        return self._client.realtime_kit

    async def create_meeting(self, title: str, **options: Any) -> Meeting:
        """A meeting anybody invited may join at any time."""
        made = await self._kit.meetings.create(title=title, **options, **self._ids)
        return Meeting(made.data.id)

    async def invite(self, meeting: Meeting, name: str, preset: str) -> Invitation:
        """A participant, with its token."""
        made = await self._kit.meetings.add_participant(
            meeting.id, custom_participant_id=name.lower(), preset_name=preset, name=name, **self._ids
        )
        return Invitation(made.data.id, made.data.token)

    async def remove(self, meeting: Meeting, invitation: Invitation) -> None:
        """Delete a participant."""
        await self._kit.meetings.delete_meeting_participant(invitation.id, meeting_id=meeting.id, **self._ids)

    async def derive_preset(self, name: str, base: str, changes: Changes) -> str:
        """A preset like a default one but for some members; returns its name."""
        listed = await self._kit.presets.get(per_page=50, **self._ids)
        found = next(each for each in listed.data if each.name == base)
        shown = await self._kit.presets.get_preset_by_id(found.id, **self._ids)
        wanted = _merged(shown.data.to_dict(mode="json"), changes)
        body = {part: wanted[part] for part in ("config", "permissions", "ui")}
        await self._kit.presets.create(name=name, **body, **self._ids)
        return name

    async def live_session(self, meeting: Meeting) -> str:
        """Id of the session that is going on."""
        shown = await self._kit.active_session.get_active_session(meeting.id, **self._ids)
        return str(shown.data.id)

    async def peer_report(self, peer_id: str) -> dict[str, Any]:
        """What is known of somebody's call."""
        shown = await self._kit.sessions.get_participant_data_from_peer_id(peer_id, **self._ids)
        return dict(shown.data.participant.to_dict(mode="json"))


def _merged(value: dict[str, Any], changes: Changes) -> dict[str, Any]:
    return value | {
        key: _merged(value[key], each) if isinstance(each, Mapping) else each for key, each in changes.items()
    }
