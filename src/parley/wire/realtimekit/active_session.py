"""The running session of a meeting (`realtimekit.md` section 7)."""

from collections.abc import Iterable, Sequence
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from parley.accounts import service as accounts
from parley.base.errors import Invalid
from parley.base.times import iso_ms
from parley.meetings.history import service as history
from parley.meetings.live.notices import PollView
from parley.meetings.live.registry import Reached
from parley.meetings.model import Meeting, Participant
from parley.wire.realtimekit.answers import One, Timestamp, Uuid
from parley.wire.realtimekit.endpoint import AppCall, Routes
from parley.wire.realtimekit.session_shapes import SessionShape, shape_of

routes = Routes("Active session")


class ParticipantsBody(msgspec.Struct, frozen=True, kw_only=True):
    """Who is meant; at least one of the lists has to name somebody."""

    participant_ids: list[str] = []
    """Participant ids, or peer ids."""
    custom_participant_ids: list[str] = []

    def check(self) -> None:
        """Refuse a body that names nobody."""
        if not self.participant_ids and not self.custom_participant_ids:
            raise Invalid(
                '"participant_ids" or "custom_participant_ids" must contain at least 1 items',
                field="participant_ids",
            )


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A participant whom something was done to."""

    id: Uuid
    name: str | UnsetType = UNSET
    picture: str | UnsetType = UNSET
    created_at: Timestamp
    updated_at: Timestamp


class Acted(msgspec.Struct, frozen=True):
    """What was done, and to whom."""

    action: str
    participants: Sequence[Person]


class KickedAll(msgspec.Struct, frozen=True):
    """The session was ended."""

    action: str
    kicked_participants_count: int


class MuteAllBody(msgspec.Struct, frozen=True):
    """Whether people may unmute themselves afterwards."""

    allow_unmute: bool


class MutedAll(msgspec.Struct, frozen=True):
    """Everybody was muted."""

    action: str
    muted_participants_count: int


class PollBody(msgspec.Struct, frozen=True, kw_only=True):
    """A question for everybody."""

    question: Annotated[str, Meta(min_length=1, max_length=1000)]
    options: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=500)]], Meta(min_length=2, max_length=50)
    ]
    anonymous: bool = False
    """Nobody sees who chose what; implies `hide_votes`."""
    hide_votes: bool = False
    """Results are shown to those who have voted."""

    def check(self) -> None:
        """Refuse equal options."""
        if len(set(self.options)) != len(self.options):
            raise Invalid('"options" must not contain duplicates', field="options")


class Vote(msgspec.Struct, frozen=True):
    """Somebody who chose an option."""

    id: Uuid
    name: str


class Option(msgspec.Struct, frozen=True):
    """An option and its votes."""

    text: str
    count: int
    votes: Sequence[Vote]


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """A poll."""

    id: Uuid
    question: str
    options: Sequence[Option]
    anonymous: bool
    hide_votes: bool
    created_by: str
    voted: Sequence[str]


class CreatedPoll(msgspec.Struct, frozen=True):
    """The poll that was asked."""

    action: str
    poll: Poll


def _people(peers: Iterable[Reached]) -> list[Person]:
    people: dict[str, Participant] = {peer.participant.id: peer.participant for peer in peers}
    return [
        Person(
            id=person.id,
            name=UNSET if person.name is None else person.name,
            picture=UNSET if person.picture is None else person.picture,
            created_at=iso_ms(person.created_at),
            updated_at=iso_ms(person.updated_at),
        )
        for person in people.values()
    ]


def _poll(view: PollView) -> Poll:
    return Poll(
        id=view.id,
        question=view.question,
        options=[
            Option(
                option.text,
                option.count,
                [Vote(voter.participant_id, voter.name) for voter in option.voters],
            )
            for option in view.options
        ],
        anonymous=view.is_anonymous,
        hide_votes=view.hides_votes,
        created_by=view.created_by,
        voted=view.voted,
    )


@routes.get("{app}/meetings/{meeting_id}/active-session")
async def get_active_session(call: AppCall, meeting: Meeting) -> One[SessionShape]:
    """Get the running session of a meeting."""
    return One(shape_of(await history.active_session(call.scope, meeting.id)))


@routes.post("{app}/meetings/{meeting_id}/active-session/kick")
async def kick(call: AppCall, meeting: Meeting, body: ParticipantsBody) -> One[Acted]:
    """Kick participants out of the running session.

    All of them, or nobody if one is not there (404). They may come back unless they are deleted.
    """
    body.check()
    peers = await call.context.live.kick(
        call.scope, meeting.id, body.participant_ids, body.custom_participant_ids
    )
    return One(Acted("kicked", _people(peers)))


@routes.post("{app}/meetings/{meeting_id}/active-session/kick-all")
async def kick_all(call: AppCall, meeting: Meeting) -> One[KickedAll]:
    """End the running session for everybody.

    At once: its keep-alive time is not waited for.
    """
    return One(KickedAll("kicked_all", await call.context.live.kick_all(call.scope, meeting.id)))


@routes.post("{app}/meetings/{meeting_id}/active-session/mute")
async def mute(call: AppCall, meeting: Meeting, body: ParticipantsBody) -> One[Acted]:
    """Mute the microphones of participants of the running session."""
    body.check()
    peers = await call.context.live.mute(
        call.scope, meeting.id, body.participant_ids, body.custom_participant_ids
    )
    return One(Acted("muted", _people(peers)))


@routes.post("{app}/meetings/{meeting_id}/active-session/mute-all")
async def mute_all(call: AppCall, meeting: Meeting, body: MuteAllBody) -> One[MutedAll]:
    """Mute every microphone in the running session."""
    count = await call.context.live.mute_all(call.scope, meeting.id, allow_unmute=body.allow_unmute)
    return One(MutedAll("muted_all", count))


@routes.post("{app}/meetings/{meeting_id}/active-session/poll", status=201)
async def create_poll(call: AppCall, meeting: Meeting, body: PollBody) -> One[CreatedPoll]:
    """Ask everybody in the running session."""
    body.check()
    app = await accounts.get_app(call.scope, call.scope.app_id)
    view = await call.context.live.create_poll(
        call.scope,
        meeting.id,
        body.question,
        body.options,
        anonymous=body.anonymous,
        hide_votes=body.hide_votes,
        created_by=app.name,
    )
    return One(CreatedPoll("created", _poll(view)))
