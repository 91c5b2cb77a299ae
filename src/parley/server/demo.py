"""Demo meetings for the start page and `parley demo`."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from parley.accounts import service as accounts
from parley.accounts.scope import AppScope, Scope
from parley.base.errors import Invalid, TooMany
from parley.base.paging import Order, PageRequest
from parley.bus import Bus
from parley.meetings import apps, participants, service
from parley.meetings.tokens import ParticipantTokens
from parley.web.context import DemoLink, DemoMeeting

APP_NAME = "Demo"
LIMIT, LIMIT_WINDOW = 60, timedelta(minutes=1)
"""Demo meetings that the start page makes, all visitors together."""
KINDS = {
    "group_call": [
        ("Host", "group_call_host"),
        ("Participant", "group_call_participant"),
        ("Guest", "group_call_guest"),
    ],
    "webinar": [("Host", "webinar_presenter"), ("Viewer", "webinar_viewer")],
}
"""What each kind of demo offers: the role for people, and its preset."""


class Demo:
    """Makes meetings in an app of their own."""

    def __init__(self, scope: Scope, tokens: ParticipantTokens, bus: Bus | None = None) -> None:
        """Prepare; with a bus, the number of meetings made in a minute is limited."""
        self._scope = scope
        self._bus = bus
        self._tokens = tokens
        self._app: AppScope | None = None
        self._finding_app = asyncio.Lock()
        """So that the first ones make one app together."""

    async def _slow_down(self) -> None:
        if self._bus is not None and await self._bus.count("demo", LIMIT_WINDOW) > LIMIT:
            raise TooMany("Too many demo meetings were made just now.", retry_after_s=60)

    async def app(self) -> AppScope:
        """The app that everything of the demo is in; made when it is first needed."""
        async with self._finding_app:
            if self._app is None:
                found = await accounts.list_apps(self._scope, APP_NAME, Order.ASC, PageRequest(1, 100))
                app = next((each for each in found.rows if each.name == APP_NAME), None)
                if app is None:
                    app = await apps.create_app(self._scope, APP_NAME)
                self._app = self._scope.app(app.id)
            return self._app

    async def create(self, title: str, kind: str) -> DemoMeeting:
        """A meeting with one participant, and so one link, for each role.

        Raises:
            Invalid: there is no such kind.
            TooMany: over the limit.
        """
        if kind not in KINDS:
            raise Invalid(f"There is no demo of kind {kind}.", field="kind")
        await self._slow_down()
        scope = await self.app()
        meeting = await service.create_meeting(scope, service.MeetingInput(title=title))
        links = []
        for role, preset_name in KINDS[kind]:
            wanted = participants.ParticipantInput(
                custom_participant_id=role.lower(), preset_name=preset_name, name=role
            )
            invited = (await participants.add_participant(scope, meeting, wanted)).participant
            token = self._tokens.issue(
                app_id=scope.app_id,
                meeting_id=meeting.id,
                participant_id=invited.id,
                preset_id=invited.preset_id,
            )
            links.append(DemoLink(role, preset_name, token))
        return DemoMeeting(meeting.id, title, tuple(links))
