"""Every request a client can send, by event number.

A verb decodes its request message, calls the running meeting, and returns the answer: a message (sent under
the request's own event and id), an `Answer` with another event number, or None for verbs without an answer.
"""

from parley.wire.realtimekit.client.verbs import chat, media, polls, preset, room, rooms, stage, stores
from parley.wire.realtimekit.client.verbs.verb import Answer, Call, Lane, Verb, verbs

__all__ = [
    "Answer",
    "Call",
    "Lane",
    "Verb",
    "chat",
    "media",
    "polls",
    "preset",
    "room",
    "rooms",
    "stage",
    "stores",
    "verbs",
]
