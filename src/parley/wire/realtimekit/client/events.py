"""Event numbers of the socket (`rtk-client-protocol.md` section 5): service << 16 plus a number."""

from __future__ import annotations

from enum import IntEnum

REQUEST_FAILED = 65535
_CHAT, _STORE, _POLLS, _PRESET, _MEDIA = 1 << 16, 2 << 16, 3 << 16, 5 << 16, 0x03000000


class Room(IntEnum):
    """Who is there, the waiting room, the stage, breakout rooms."""

    GET_PEER = 0
    GET_PEERS = 2
    JOIN = 3
    LEAVE = 4
    GET_ROOM = 5
    LIVESTREAM_STARTED = 8
    LIVESTREAM_STOPPED = 9
    LIVESTREAM_ERRORED = 10
    STAGE_REQUESTS = 12
    REQUEST_STAGE = 13
    CANCEL_STAGE_REQUEST = 14
    GRANT_STAGE = 15
    DENY_STAGE = 16
    VIEWERS = 17
    JOIN_STAGE = 18
    LEAVE_STAGE = 19
    CONNECTED_ROOMS = 20
    CREATE_CONNECTED_ROOMS = 21
    DELETE_CONNECTED_ROOMS = 22
    MOVE_PEERS = 23
    TRANSFER_PEER = 24
    CONNECTED_ROOMS_CREATED = 26
    CONNECTED_ROOMS_DELETED = 27
    ADDED_PARTICIPANTS = 28
    BROADCAST = 29
    KICK = 30
    KICK_ALL = 31
    WAITING_LIST = 33
    ACCEPT_WAITING = 34
    WAITING_ACCEPTED = 35
    DENY_WAITING = 36
    WAITING_DENIED = 37
    STAGE_STATUS = 38
    BROADCAST_TO = 39
    RECORDING_STARTED = 40
    RECORDING_STOPPED = 41
    RECORDING_PAUSED = 42
    STAGE_STATE = 43
    LIVESTREAM_INVOKED = 44


class Chat(IntEnum):
    """Messages."""

    HISTORY = _CHAT
    SEND_TO_ROOM = _CHAT + 1
    SEND_TO_PEERS = _CHAT + 2
    EDIT = _CHAT + 3
    DELETE = _CHAT + 4
    PAGE = _CHAT + 5
    SEARCH = _CHAT + 7
    PIN = _CHAT + 10


class Store(IntEnum):
    """Shared stores; plugins of 1.x clients."""

    ENABLED_PLUGINS = _STORE
    INSERT = _STORE + 9
    GET = _STORE + 10
    DELETE = _STORE + 11


class Polls(IntEnum):
    """Polls."""

    CREATE = _POLLS
    LIST = _POLLS + 1
    VOTE = _POLLS + 2
    CHANGED = _POLLS + 3


class Preset(IntEnum):
    """Permissions of participants."""

    READ = _PRESET
    UPDATE = _PRESET + 1


class Media(IntEnum):
    """Transports, producers and consumers."""

    CREATE_TRANSPORT = _MEDIA + 1
    PRODUCE = _MEDIA + 2
    CONSUME = _MEDIA + 3
    TOGGLE_PRODUCER = _MEDIA + 4
    CLOSE_PRODUCER = _MEDIA + 6
    CLOSE_CONSUMER = _MEDIA + 7
    PREFER_LAYERS = _MEDIA + 8
    JOIN = _MEDIA + 16
    LEAVE = _MEDIA + 17
    PIN = _MEDIA + 19
    JOIN_COMPLETE = _MEDIA + 20
    PEER_JOINED = _MEDIA + 25
    PRODUCER_ADDED = _MEDIA + 27
    PRODUCER_TOGGLED = _MEDIA + 28
    PRODUCER_CLOSED = _MEDIA + 29
    PINNED = _MEDIA + 30
    ROOM_TERMINATED = _MEDIA + 36
    SPEAKERS = _MEDIA + 40
    RENEGOTIATE = _MEDIA + 50
    FAILED = _MEDIA + 60
    RENAME = _MEDIA + 92
    HOST_CONTROL = _MEDIA + 93
    HOST_CONTROL_ALL = _MEDIA + 94
    AUDIO_ACTIVITY = _MEDIA + 100


def is_media(event: int) -> bool:
    """Whether an event number belongs to the media service."""
    return _MEDIA <= event < _MEDIA + (1 << 16)
