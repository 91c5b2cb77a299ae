"""Webhook deliveries per second of CPU, and what a dead endpoint costs the others.

    python -m bench.webhooks [--deliveries 2000] [--webhooks 4]

The receiver is a process of its own, so the CPU seconds are those of the delivering process alone: taking
events from the outbox, planning, signing, sending, and writing attempts to SQLite (`synchronous=FULL`).
Webhooks of one app are sent equal bodies, signed once: several webhooks cost less than one of as many events.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

import structlog
import uvloop

from bench.figures import Figure, table
from parley.accounts import service as accounts
from parley.accounts.scope import AppScope
from parley.base.clock import SystemClock
from parley.base.ids import MeetingId, SessionId, WebhookId, new_uuid
from parley.base.paging import PageRequest
from parley.meetings.events import MeetingStarted
from parley.outgoing.http import OutgoingHttp, OutgoingPolicy
from parley.store.blobs import Blobs
from parley.store.core import Store
from parley.store.engine.sqlite import SqliteDatabase
from parley.store.schema.migrate import migrate
from parley.store.secrets import KEY_BYTES, Vault
from parley.webhooks import service
from parley.webhooks.delivery import Deliveries
from parley.webhooks.model import DeliveryState, WebhookInput
from parley.webhooks.signing import Signer
from parley.wire.realtimekit.webhook_events import RealtimeKitPayloads

FLOOR_PER_CPU_S = 500
DEAD_AT_MOST = 1.25
"""A dead endpoint delays nobody; this is the noise of two medians."""
WAIT_S = 60.0
PROBES = 100
"""Single events whose way to a healthy endpoint is timed."""
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class _Answering(asyncio.Protocol):
    """Answers each POST with 200; cheap enough never to be what is measured."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass
        self._data = b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end].lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            if len(self._data) < end + 4 + length:
                return
            self._data = self._data[end + 4 + length :]
            self._transport.write(ANSWER)


def _receive(ready: Connection) -> None:
    async def serve() -> None:
        loop = asyncio.get_running_loop()
        answering = await loop.create_server(_Answering, "127.0.0.1", 0)
        silent = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        ready.send([server.sockets[0].getsockname()[1] for server in (answering, silent)])
        await loop.run_in_executor(None, ready.recv)  # the other end closes when it is done

    try:
        uvloop.run(serve())
    except EOFError:
        return


@asynccontextmanager
async def _delivering(folder: Path) -> AsyncIterator[AppScope]:
    path = folder / "parley.sqlite3"
    await migrate(f"sqlite:{path}")
    database = SqliteDatabase(path)
    await database.open()
    store = Store.over(database, SystemClock(), Blobs.local(folder / "blobs"), Vault(bytes(KEY_BYTES)))
    scope, _ = await accounts.ensure_organization(store)
    async with scope.change() as change:
        app = await accounts.add_app(change, "bench")
    http = OutgoingHttp(OutgoingPolicy())
    Deliveries(store, RealtimeKitPayloads(), http, await Signer.load(store)).register()
    await store.start()
    try:
        yield scope.app(app.id)
    finally:
        await store.stop()
        await http.close()
        await database.close()


async def _announce(scope: AppScope, count: int) -> None:
    now = datetime.now(UTC)
    async with scope.change() as change:
        for _ in range(count):
            change.announce(
                MeetingStarted(
                    meeting_id=MeetingId(new_uuid()),
                    session_id=SessionId(new_uuid()),
                    title="Bench",
                    started_at=now,
                    created_at=now,
                )
            )


async def _subscribe(scope: AppScope, port: int) -> WebhookId:
    given = WebhookInput(name="bench", url=f"http://127.0.0.1:{port}/", events=["meeting.started"])
    return (await service.create_webhook(scope, given)).id


async def _wait_until_delivered(scope: AppScope, webhook_id: WebhookId, count: int, pause_s: float) -> None:
    deadline = time.monotonic() + WAIT_S
    while True:
        page = await service.list_deliveries(scope, webhook_id, PageRequest(size=1))
        # They are sent in the order of the log, so only the newest can still be under way.
        if page.total >= count and page.rows[0].state is DeliveryState.DELIVERED:
            rest = await service.list_deliveries(scope, webhook_id, PageRequest(size=100))
            if all(row.state is DeliveryState.DELIVERED for row in rest.rows):
                return
        if time.monotonic() > deadline:
            raise TimeoutError(f"{count} deliveries took longer than {WAIT_S:g} s")
        await asyncio.sleep(pause_s)


async def _rate(scope: AppScope, port: int, deliveries: int, webhooks: int) -> tuple[float, float]:
    """Deliveries per second of CPU and of time."""
    hooks = [await _subscribe(scope, port) for _ in range(webhooks)]
    events = deliveries // webhooks
    began, cpu = time.perf_counter(), time.process_time()
    await _announce(scope, events)
    for hook in hooks:
        await _wait_until_delivered(scope, hook, events, 0.05)
    took, used = time.perf_counter() - began, time.process_time() - cpu
    for hook in hooks:
        await service.delete_webhook(scope, hook)
    return events * webhooks / used, events * webhooks / took


async def _latencies_ms(scope: AppScope, port: int) -> list[float]:
    """From an event's commit until its delivery to a healthy endpoint is written down."""
    hook = await _subscribe(scope, port)
    found = []
    for number in range(1, PROBES + 1):
        began = time.perf_counter()
        await _announce(scope, 1)
        await _wait_until_delivered(scope, hook, number, 0.001)
        found.append((time.perf_counter() - began) * 1000)
    await service.delete_webhook(scope, hook)
    return found


def _p99(values: list[float]) -> str:
    return f"p99 {statistics.quantiles(values, n=100)[98]:.1f} ms"


async def _measure(ports: list[int], deliveries: int, webhooks: int) -> list[Figure]:
    answering, silent = ports
    figures = []
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as name:
        async with _delivering(Path(name)) as scope:
            await _rate(scope, answering, 200, 2)  # compiles statements, opens connections
            for count in (1, webhooks):
                per_cpu, per_s = await _rate(scope, answering, deliveries, count)
                figures.append(
                    Figure(
                        name=f"webhook deliveries, {count} webhook{'s' if count > 1 else ''}",
                        value=per_cpu,
                        unit="/CPU-s",
                        at_least=FLOOR_PER_CPU_S,
                        detail=f"{per_s:,.0f} per second",
                    )
                )
            latencies = []
            for name, port in (("beside a healthy endpoint", answering), ("beside a dead endpoint", silent)):
                other = await _subscribe(scope, port)
                await _announce(scope, 200)
                if port == answering:
                    await _wait_until_delivered(scope, other, 200, 0.05)
                found = await _latencies_ms(scope, answering)
                latencies.append(statistics.median(found))
                figures.append(
                    Figure(name=f"delivery {name}, p50", value=latencies[-1], unit="ms", detail=_p99(found))
                )
                await service.delete_webhook(scope, other)
    figures.append(
        Figure(
            name="delivery beside a dead endpoint, of a healthy one",
            value=latencies[1] / latencies[0],
            at_most=DEAD_AT_MOST,
        )
    )
    return figures


def measure(deliveries: int = 2000, webhooks: int = 4) -> list[Figure]:
    """Run everything."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    ours, theirs = multiprocessing.Pipe()
    receiver = multiprocessing.get_context("spawn").Process(target=_receive, args=(theirs,), daemon=True)
    receiver.start()
    theirs.close()
    try:
        return uvloop.run(_measure(ours.recv(), deliveries, webhooks))
    finally:
        ours.close()
        receiver.join(timeout=5)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--deliveries", type=int, default=2000)
    parser.add_argument("--webhooks", type=int, default=4, help="sharing the deliveries in the second run")
    given = parser.parse_args()
    print(table(measure(given.deliveries, given.webhooks)))


if __name__ == "__main__":
    main()
