"""Who is there and what they publish, kept from answers and notices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from parley.wire.realtimekit.client import rtk_client_pb2 as pb

_KINDS = {pb.MEDIA_PRODUCER_KIND_AUDIO: "audio", pb.MEDIA_PRODUCER_KIND_VIDEO: "video"}


@dataclass(slots=True)
class Publication:
    """One published stream."""

    producer_id: str
    peer_id: str
    kind: str
    """"audio" or "video"."""
    is_paused: bool
    is_screen_share: bool
    transport_id: str


@dataclass(slots=True)
class Person:
    """Another peer."""

    peer_id: str
    name: str
    publications: dict[str, Publication] = field(default_factory=dict)
    """By producer id."""


class Roster:
    """The others. A stream of a peer that was not announced yet is kept under its id as name."""

    def __init__(self, own_peer_id: str) -> None:
        self.own_peer_id = own_peer_id
        self.people: dict[str, Person] = {}
        """By peer id; without ourselves."""

    def joined(self, peer_id: str, name: str) -> Person | None:
        """Somebody is there; returns them if they are new."""
        if peer_id in ("", self.own_peer_id):
            return None
        known = self.people.get(peer_id)
        if known is not None:
            known.name = name or known.name
            return None
        person = self.people[peer_id] = Person(peer_id, name or peer_id)
        return person

    def left(self, peer_id: str) -> Person | None:
        """Somebody is gone, with all they publish; returns them if they were known."""
        return self.people.pop(peer_id, None)

    def published(self, peer_id: str, states: Iterable[pb.MediaProducerState]) -> None:
        """Streams of a peer are there, or have changed."""
        if peer_id in ("", self.own_peer_id):
            return
        self.joined(peer_id, "")
        streams = self.people[peer_id].publications
        for state in states:
            streams[state.producer_id] = Publication(
                producer_id=state.producer_id,
                peer_id=peer_id,
                kind=_KINDS.get(state.kind, "audio"),
                is_paused=state.pause,
                is_screen_share=state.screen_share,
                transport_id=state.producing_transport_id,
            )

    def unpublished(self, peer_id: str, producer_id: str) -> None:
        """A stream is gone."""
        if peer_id in self.people:
            self.people[peer_id].publications.pop(producer_id, None)

    def forget_publications(self) -> None:
        """What they publish is going to be told anew."""
        for person in self.people.values():
            person.publications.clear()

    def publications(self) -> dict[str, Publication]:
        """All streams of the others, by producer id."""
        return {
            producer_id: publication
            for person in self.people.values()
            for producer_id, publication in person.publications.items()
        }
