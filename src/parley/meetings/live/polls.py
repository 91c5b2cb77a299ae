"""Polls of the running session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from parley.base.errors import Invalid, NotFound, StateForbids, TooMany
from parley.base.ids import PollId, SessionId, new_uuid
from parley.base.text import storable
from parley.meetings.live import store
from parley.meetings.live.notices import PollChanged, PollOption, PollView, Voter
from parley.meetings.live.peer import LivePeer
from parley.meetings.model import Poll, PollVote

if TYPE_CHECKING:
    from parley.meetings.live.meeting import LiveMeeting

QUESTION_LIMIT, OPTION_LIMIT = 1_000, 500
MIN_OPTIONS, MAX_OPTIONS = 2, 50
MAX_POLLS = 200
"""In one session."""


class Polls:
    """Opens polls and counts votes; one vote each, the first one stands."""

    def __init__(self, live: LiveMeeting) -> None:
        self._live = live
        self._polls: dict[PollId, tuple[Poll, list[PollVote]]] = {}

    async def load(self, session_id: SessionId) -> None:
        """Take up the polls of a recovered session."""
        self._polls = {
            poll.id: (poll, votes) for poll, votes in await store.polls(self._live.scope, session_id)
        }

    def forget(self) -> None:
        """The session is over."""
        self._polls.clear()

    def views(self, peer: LivePeer) -> list[PollView]:
        """Every poll of the session, for somebody who may see them."""
        peer.require_joined()
        if not peer.permissions.polls.can_view:
            return []
        return [_view_for(peer, poll, votes) for poll, votes in self._polls.values()]

    async def create(
        self, peer: LivePeer, question: str, options: Sequence[str], *, anonymous: bool, hide_votes: bool
    ) -> PollView:
        """Open a poll."""
        peer.require(peer.permissions.polls.can_create, "create polls")
        return await self.add(
            question,
            options,
            anonymous=anonymous,
            hide_votes=hide_votes,
            created_by=peer.name,
            created_by_id=peer.participant.id,
        )

    async def add(
        self,
        question: str,
        options: Sequence[str],
        *,
        anonymous: bool,
        hide_votes: bool,
        created_by: str,
        created_by_id: str,
    ) -> PollView:
        """Open a poll on behalf of somebody who has been checked.

        Raises:
            Invalid: over the limits of `realtimekit.md` 7.4.
            StateForbids: no session is running.
        """
        session = self._live.session
        if session is None:
            raise StateForbids("No session is running.")
        check_poll(question, options)
        if len(self._polls) >= MAX_POLLS:
            raise TooMany("This session has too many polls.", retry_after_s=3600)
        poll = Poll(
            id=PollId(new_uuid()),
            app_id=self._live.scope.app_id,
            session_id=session.id,
            question=question,
            options=list(options),
            is_anonymous=anonymous,
            hides_votes=hide_votes or anonymous,
            created_by=created_by,
            created_by_id=created_by_id,
            created_at=self._live.scope.now(),
        )
        async with self._live.scope.change() as change:
            await store.insert_poll(change, poll)
        self._polls[poll.id] = (poll, [])
        self._tell(poll, [], is_new=True)
        return _view(poll, [])

    async def vote(self, peer: LivePeer, poll_id: PollId, option_index: int) -> None:
        """Choose an option; a second vote changes nothing."""
        peer.require(peer.permissions.polls.can_vote, "vote")
        if poll_id not in self._polls:
            raise NotFound("No such poll.")
        poll, votes = self._polls[poll_id]
        if not 0 <= option_index < len(poll.options):
            raise Invalid("The poll has no such option.", field="index")
        vote = PollVote(
            poll_id=poll_id,
            app_id=poll.app_id,
            participant_id=peer.participant.id,
            option_index=option_index,
            name=peer.name,
            created_at=self._live.scope.now(),
        )
        async with self._live.scope.change() as change:
            is_first = await store.add_vote(change, vote)
        if is_first:
            votes.append(vote)
        self._tell(poll, votes, is_new=False)

    def _tell(self, poll: Poll, votes: Sequence[PollVote], *, is_new: bool) -> None:
        def told(whole: bool) -> Callable[[LivePeer], bool]:
            return lambda x: x.permissions.polls.can_view and _sees_results(x, poll, votes) is whole

        self._live.tell(PollChanged(_view(poll, votes), is_new), to=told(True))
        if poll.hides_votes:
            self._live.tell(PollChanged(_view(poll, votes, has_results=False), is_new), to=told(False))


def check_poll(question: str, options: Sequence[str]) -> None:
    """Refuse what `realtimekit.md` 7.4 does not allow."""
    if not question.strip() or len(question) > QUESTION_LIMIT or not storable(question):
        raise Invalid(f"A question has 1 to {QUESTION_LIMIT} characters.", field="question")
    if not MIN_OPTIONS <= len(options) <= MAX_OPTIONS:
        raise Invalid(f"A poll has {MIN_OPTIONS} to {MAX_OPTIONS} options.", field="options")
    for option in options:
        if not option.strip() or len(option) > OPTION_LIMIT or not storable(option):
            raise Invalid(f"An option has 1 to {OPTION_LIMIT} characters.", field="options")
    if len(set(options)) != len(options):
        raise Invalid("The options must differ.", field="options")


def _sees_results(peer: LivePeer, poll: Poll, votes: Sequence[PollVote]) -> bool:
    """Results may be for those only who have voted; the official client shows whatever it is sent."""
    return not poll.hides_votes or any(vote.participant_id == peer.participant.id for vote in votes)


def _view_for(peer: LivePeer, poll: Poll, votes: Sequence[PollVote]) -> PollView:
    return _view(poll, votes, has_results=_sees_results(peer, poll, votes))


def _view(poll: Poll, votes: Sequence[PollVote], *, has_results: bool = True) -> PollView:
    chosen: list[list[PollVote]] = [[] for _ in poll.options]
    for vote in votes if has_results else ():
        chosen[vote.option_index].append(vote)
    return PollView(
        id=poll.id,
        question=poll.question,
        options=[
            PollOption(
                text,
                len(own),
                [] if poll.is_anonymous else [Voter(vote.participant_id, vote.name) for vote in own],
            )
            for text, own in zip(poll.options, chosen, strict=True)
        ],
        is_anonymous=poll.is_anonymous,
        hides_votes=poll.hides_votes,
        created_by=poll.created_by,
        created_by_id=poll.created_by_id,
        voted=[vote.participant_id for vote in votes],
    )
