"""Polls."""

from __future__ import annotations

from google.protobuf.message import Message

from parley.base.ids import PollId
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client import shapes
from parley.wire.realtimekit.client.events import Polls
from parley.wire.realtimekit.client.limits import CHAT
from parley.wire.realtimekit.client.verbs.verb import Call, Nothing, verb


@verb(Polls.CREATE, pb.PollsNewPollRequest, rate=CHAT, answers=False)
async def create(call: Call, request: pb.PollsNewPollRequest) -> None:
    """Open a poll; pushed to everybody, the sender included."""
    await call.live.polls.create(
        call.peer,
        request.question,
        request.options,
        anonymous=request.anonymous,
        hide_votes=request.hide_votes,
    )


@verb(Polls.LIST, Nothing)
async def list_polls(call: Call, _: Message) -> Message:
    """Every poll of the session; none in the waiting room."""
    if call.peer.is_waiting:
        return pb.PollsGetPollsResponse()
    return pb.PollsGetPollsResponse(polls=[shapes.poll(view) for view in call.live.polls.views(call.peer)])


@verb(Polls.VOTE, pb.PollsVotePollRequest, rate=CHAT, answers=False)
async def vote(call: Call, request: pb.PollsVotePollRequest) -> None:
    """Choose an option; the result is pushed to everybody."""
    await call.live.polls.vote(call.peer, PollId(request.poll_id), request.index)
