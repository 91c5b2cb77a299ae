"""A process that changes and dispatches until it is killed.

python -m tests.store.outbox_victim <url> <run> <folder>
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from pathlib import Path

from parley.accounts import service as accounts
from parley.base.clock import SystemClock
from parley.base.events import Event, event
from parley.base.ids import AppId
from parley.store.blobs import Blobs
from parley.store.core import Store
from parley.store.outbox import Announced
from parley.store.ports import Transaction
from parley.store.secrets import Vault
from tests.store.databases import connected
from tests.store.rows import put


@event("outbox_victim.changed", since="0.1")
class Changed(Event, frozen=True):
    """Only in tests: the row `change/<row>` was added."""

    row: str

    @property
    def topic(self) -> str:
        return "changes"


async def note(tx: Transaction, item: Announced) -> None:
    """A consumer that writes with the transaction; a second time for one event would be refused."""
    if isinstance(item.event, Changed):
        await put(tx, f"seen/{item.event.row}")


async def change_until_killed(url: str, run: str, folder: Path) -> None:
    async with connected(url) as database:
        store = Store.over(database, SystemClock(), Blobs.local(folder), Vault(bytes(32)))
        scope, _ = await accounts.ensure_organization(store)
        app = scope.app(AppId("app"))
        store.outbox.consume(note)
        await store.start()

        async def change(writer: int) -> None:
            for number in itertools.count():
                row = f"{run}/{writer}/{number}"
                async with app.change() as change:
                    await put(change.tx, f"change/{row}")
                    change.announce(Changed(row=row))
                sys.stdout.write(".")
                sys.stdout.flush()

        await asyncio.gather(*(change(writer) for writer in range(4)))


if __name__ == "__main__":
    asyncio.run(change_until_killed(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
