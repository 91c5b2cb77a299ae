"""The open store: database, outbox, jobs, blobs and vault, as one object that is passed around."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import literal, select

from parley.base.clock import Clock
from parley.store.blobs import Blobs
from parley.store.jobs import Jobs
from parley.store.outbox import Outbox
from parley.store.ports import Database
from parley.store.query import SystemQuery
from parley.store.secrets import Vault

_PING = SystemQuery(select(literal(1)))


@dataclass(frozen=True, slots=True)
class Store:
    """Everything durable."""

    database: Database
    clock: Clock
    outbox: Outbox
    jobs: Jobs
    blobs: Blobs
    vault: Vault

    @classmethod
    def over(cls, database: Database, clock: Clock, blobs: Blobs, vault: Vault) -> Store:
        """A store on an opened database."""
        return cls(database, clock, Outbox(database, clock), Jobs(database, clock), blobs, vault)

    async def start(self, *, alone: bool = False, successor_of: str = "") -> None:
        """Begin dispatching events and running jobs; the arguments are those of `Jobs.start`."""
        await self.outbox.start()
        await self.jobs.start(alone=alone, successor_of=successor_of)

    async def ping(self) -> None:
        """Ask the database something.

        Raises:
            DatabaseUnavailable: it does not answer.
        """
        await self.database.one(_PING)

    async def stop(self) -> None:
        """Stop background work; the database stays open."""
        await self.jobs.stop()
        await self.outbox.stop()
