"""Everything of conversations that a server offers, made of what it has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from parley.accounts.app_settings import AppSettings
from parley.bus import Bus
from parley.channels.realtime.log import PublicationLog
from parley.conversations.actions.service import Actions
from parley.conversations.drafts.service import Drafts
from parley.conversations.groups.invites import Invites
from parley.conversations.groups.service import Groups
from parley.conversations.messages.service import Messages
from parley.conversations.ports import Engines, Sources, TaskList
from parley.conversations.reading.service import Reading
from parley.conversations.summaries.digests import Digests
from parley.conversations.summaries.engines import Writers
from parley.conversations.summaries.service import Summaries
from parley.conversations.threads.service import Threads
from parley.people.service import People


def conversation_services(
    log: PublicationLog,
    settings: AppSettings,
    bus: Bus,
    people: People,
    engines: Engines,
    *,
    public_url: str,
    sources: Sources | None = None,
    tasks: TaskList | None = None,
) -> Sequence[Any]:
    """The services of this package; `Summaries.stop` is to be called when the server stops.

    Args:
        log: where messages are published.
        settings: of apps.
        bus: of this server and its neighbours.
        people: the users of apps.
        engines: who writes summaries.
        public_url: where people reach this server, without a slash at the end.
        sources: is told of the sources that messages name.
        tasks: gets the action items of summaries.
    """
    threads = Threads(log)
    messages = Messages(log, threads, sources)
    groups = Groups(threads)
    writers = Writers(engines, people, settings)
    summaries = Summaries(threads, writers, settings, bus, tasks)
    return (
        threads,
        messages,
        Reading(log, threads),
        Actions(log, threads),
        Drafts(log, messages),
        groups,
        Invites(groups, settings, bus, public_url),
        summaries,
        Digests(threads, summaries, writers, settings, bus, tasks),
    )
