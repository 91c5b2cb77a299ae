"""Chat messages."""

from __future__ import annotations

from google.protobuf.message import Message

from parley.base.errors import Invalid
from parley.base.ids import MessageId, ParticipantId
from parley.base.times import from_ms
from parley.channels.model import MessageKind
from parley.meetings.live.notices import MessagePinned
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client import shapes
from parley.wire.realtimekit.client.events import Chat
from parley.wire.realtimekit.client.limits import CHAT, CHAT_FILE, Rate
from parley.wire.realtimekit.client.notices import pin_message
from parley.wire.realtimekit.client.verbs.verb import Call, Nothing, verb

LATEST_MS = 253_370_764_800_000
"""The year 9999: later stamps mean "now"."""


def _kind(number: int) -> MessageKind:
    try:
        return MessageKind(number)
    except ValueError as error:
        raise Invalid("No such kind of message.", field="payload_type") from error


def _rates(
    request: pb.ChatSendChatMessageToRoomRequest | pb.ChatSendChatMessageToPeersRequest,
) -> tuple[Rate, ...]:
    return (CHAT_FILE, CHAT) if request.payload_type in (MessageKind.IMAGE, MessageKind.FILE) else (CHAT,)


@verb(Chat.SEND_TO_ROOM, pb.ChatSendChatMessageToRoomRequest, rate=_rates, answers=False)
async def send_to_room(call: Call, request: pb.ChatSendChatMessageToRoomRequest) -> None:
    """Post to everybody; the push to the sender stands for the answer."""
    await call.live.chat.send_to_all(call.peer, _kind(request.payload_type), request.payload)


@verb(Chat.SEND_TO_PEERS, pb.ChatSendChatMessageToPeersRequest, rate=_rates, answers=False)
async def send_to_peers(call: Call, request: pb.ChatSendChatMessageToPeersRequest) -> None:
    """Post to some; the push to the sender stands for the answer."""
    kind = _kind(request.payload_type)
    await call.live.chat.send_to_peers(call.peer, request.peer_ids, kind, request.payload)


@verb(Chat.EDIT, pb.ChatEditChatMessageRequest, rate=CHAT)
async def edit(call: Call, request: pb.ChatEditChatMessageRequest) -> Message:
    """Change one's own message."""
    payload = request.payload if request.HasField("payload") else None
    message = await call.live.chat.edit(call.peer, MessageId(request.chat_id), payload)
    return pb.ChatEditChatMessageResponse(message=shapes.chat_message(message))


@verb(Chat.DELETE, pb.ChatDeleteChatMessageRequest, rate=CHAT)
async def delete(call: Call, request: pb.ChatDeleteChatMessageRequest) -> Message:
    """Remove one's own message."""
    await call.live.chat.delete(call.peer, MessageId(request.chat_id))
    return pb.ChatDeleteChatMessageResponse(chat_id=request.chat_id)


@verb(Chat.PIN, pb.ChatPinChatMessageRequest, rate=CHAT)
async def pin(call: Call, request: pb.ChatPinChatMessageRequest) -> Message:
    """Mark a message."""
    message = await call.live.chat.pin(call.peer, MessageId(request.chat_id), pinned=request.pinned)
    return pin_message(MessagePinned(message))


@verb(Chat.HISTORY, Nothing)
async def history(call: Call, _: Message) -> Message:
    """The newest messages this participant may see, oldest first; none in the waiting room."""
    if call.peer.is_waiting:
        return pb.ChatGetChatMessagesResponse()
    messages, _more = await call.live.chat.history(call.peer)
    return pb.ChatGetChatMessagesResponse(messages=[shapes.chat_message(m) for m in reversed(messages)])


@verb(Chat.PAGE, pb.ChatGetPaginatedChatMessageRoomRequest)
async def page(call: Call, request: pb.ChatGetPaginatedChatMessageRoomRequest) -> Message:
    """Messages before (`reversed`, newest first) or after a time, perhaps filtered."""
    chosen = request.filters.WhichOneof("filters") if request.HasField("filters") else None
    messages, more = await call.live.chat.history(
        call.peer,
        at=from_ms(min(request.time_stamp, LATEST_MS)),
        newest_first=request.reversed,
        size=request.size,
        pinned=request.filters.pinned if chosen == "pinned" else None,
        partner=ParticipantId(request.filters.user_id) if chosen == "user_id" else None,
    )
    return pb.ChatGetPaginatedChatMessageRoomResponse(
        messages=[shapes.chat_message(m) for m in messages], next=more
    )


@verb(Chat.SEARCH, pb.ChatSearchChatMessagesRequest)
async def search(call: Call, request: pb.ChatSearchChatMessagesRequest) -> Message:
    """Messages with a text in them."""
    stamp = request.time_stamp or LATEST_MS
    messages, _more = await call.live.chat.history(
        call.peer,
        at=from_ms(min(stamp, LATEST_MS)),
        newest_first=request.reversed or not request.time_stamp,
        size=request.size or 50,
        search=request.search_term,
    )
    return pb.ChatGetChatMessagesResponse(messages=[shapes.chat_message(m) for m in messages])
