"""From events to requests: who is to hear of what, and sending it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import replace as with_values
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

import structlog
from msgspec.structs import replace

from parley.base.errors import ParleyError
from parley.base.ids import AppId, DeliveryId, WebhookId, new_uuid
from parley.base.tasks import cancel_and_wait
from parley.base.times import truncate_ms
from parley.outgoing.ports import AddressRefused, Http, OutgoingError
from parley.store.core import Store
from parley.store.jobs import Job, RetryAt
from parley.store.outbox import Announced
from parley.store.ports import Transaction
from parley.webhooks import store as rows
from parley.webhooks.dialects import Installation
from parley.webhooks.jobs import SEND_QUEUE, SWEEP_QUEUE, run_sweep, schedule_sweep, wake_webhook
from parley.webhooks.model import (
    CAUGHT_UP_WITHIN,
    CIRCUIT_PAUSE,
    LOG_KEPT,
    POLICIES,
    REALTIMEKIT,
    TIMEOUT_S,
    Attempt,
    Delivery,
    DeliveryState,
    Policy,
    Webhook,
)
from parley.webhooks.ports import Dialect, PayloadCodec
from parley.webhooks.signing import Signer

log = structlog.get_logger(__name__)
WEBHOOKS_AT_ONCE = 256
"""Webhooks of this process that send at the same time; one that waits for its endpoint costs a task."""
LOOK_AGAIN_S = 1.0
"""While requests are under way: how late an event taken from the outbox by another process is noticed."""
TURN_S = 10.0
"""After that a webhook that always has something to send queues again behind the others."""


class Deliveries:
    """Delivers events to webhooks. One for each process that runs jobs."""

    def __init__(
        self,
        store: Store,
        codec: PayloadCodec,
        http: Http,
        signer: Signer,
        *,
        timeout_s: float = TIMEOUT_S,
        log_kept: timedelta = LOG_KEPT,
        also: Sequence[Dialect] = (),
    ) -> None:
        """Prepare.

        Args:
            store: whose events are told.
            codec: RealtimeKit's words.
            http: sends; stays the caller's to close.
            signer: signs bodies in RealtimeKit's dialect.
            timeout_s: for one request in that dialect, connecting included.
            log_kept: how long deliveries can be looked up.
            also: other dialects in which events are told.
        """
        self.store = store
        self.http = http
        policy = with_values(POLICIES[REALTIMEKIT], timeout_s=timeout_s)
        known: Sequence[Dialect] = (Installation(codec, signer, policy), *also)
        self.dialects = {dialect.name: dialect for dialect in known}
        self._log_kept = log_kept
        self._turns: dict[WebhookId, _Turn] = {}
        """Webhooks that send now."""

    def register(self) -> None:
        """Take part in the store's dispatching and jobs; before `Store.start`."""
        self.store.outbox.consume(self.plan)
        self.store.jobs.handle(SEND_QUEUE, self.send, at_once=WEBHOOKS_AT_ONCE)
        self.store.jobs.handle(SWEEP_QUEUE, partial(run_sweep, self.store, self._log_kept), at_once=1)

    async def schedule(self) -> None:
        """Set the periodic work going; at each start."""
        await schedule_sweep(self.store)

    async def plan(self, tx: Transaction, happened: Announced) -> None:
        """Outbox consumer: write down who is to be told, in the transaction that takes the event away."""
        for dialect in self.dialects.values():
            name = dialect.public_name(happened.event)
            if name is not None:
                await self._plan(tx, happened, dialect, name)

    async def _plan(self, tx: Transaction, happened: Announced, dialect: Dialect, name: str) -> None:
        now = truncate_ms(self.store.clock.now())
        found = await rows.subscribers(tx, happened.app_id, dialect.name, name, now - CAUGHT_UP_WITHIN)
        if not found:
            return
        told = dialect.tell(happened, found[0].app)
        await rows.add_deliveries(
            tx,
            [
                Delivery(
                    id=DeliveryId(new_uuid()),
                    app_id=happened.app_id,
                    webhook_id=one.webhook_id,
                    event=name,
                    event_id=told.event_id,
                    order_key=happened.topic,
                    body=told.body,
                    created_at=now,
                    due_at=now if one.is_enabled else None,
                    state=DeliveryState.PENDING if one.is_enabled else DeliveryState.DROPPED,
                    last_error=None if one.is_enabled else "the webhook was switched off because it failed",
                    finished_at=None if one.is_enabled else now,
                )
                for one in found
            ],
        )
        for one in found:
            if one.is_enabled:
                await wake_webhook(self.store.jobs, tx, happened.app_id, one.webhook_id)
                tx.on_commit(partial(self._wake_turn, one.webhook_id))

    async def send(self, job: Job) -> None:
        """Job: send what is due for one webhook; may run twice, receivers see the same delivery ids then."""
        webhook_id = WebhookId(job.body)
        turn = self._turns[webhook_id] = _Turn(self, job.app_id, webhook_id)
        try:
            again_at = await turn.run()
        finally:
            if self._turns.get(webhook_id) is turn:
                del self._turns[webhook_id]
        if again_at is not None:
            raise RetryAt(again_at, "deliveries wait")

    def _wake_turn(self, webhook_id: WebhookId) -> None:
        turn = self._turns.get(webhook_id)
        if turn is not None:
            turn.wake()


class _Outcome(NamedTuple):
    """How one request ended."""

    status: int | None
    error: str | None
    may_retry: bool
    """Whether the same request can succeed later."""
    is_gone: bool = False
    """Whether the endpoint says that it will never exist again."""

    @property
    def is_success(self) -> bool:
        return self.error is None


class _Turn:
    """One webhook sends what is due."""

    def __init__(self, deliveries: Deliveries, app_id: AppId, webhook_id: WebhookId) -> None:
        self._with = deliveries
        self._store = deliveries.store
        self._app_id = app_id
        self._webhook_id = webhook_id
        self._under_way: dict[asyncio.Task[None], Delivery] = {}
        self._has_failed = False
        """Whether the last outcome this turn wrote down was a failure."""
        self._woken = asyncio.get_running_loop().create_future()

    def wake(self) -> None:
        """There is more to send than when it last looked."""
        if not self._woken.done():
            self._woken.set_result(None)

    async def run(self) -> datetime | None:
        """Send until nothing is due; returns when to come back, None when nothing waits."""
        try:
            return await self._send_due()
        finally:
            await cancel_and_wait(self._under_way)

    async def _send_due(self) -> datetime | None:
        database, clock = self._store.database, self._store.clock
        end = clock.monotonic() + TURN_S
        while True:
            self._woken = asyncio.get_running_loop().create_future()
            webhook = await rows.find(database, self._app_id, self._webhook_id)
            dialect = self._with.dialects.get(webhook.dialect) if webhook is not None else None
            if webhook is None or dialect is None:
                return None
            if not webhook.is_enabled:
                async with database.transaction() as tx:
                    await rows.drop_undeliverable(tx, webhook, clock.now())
                return None
            is_paused = webhook.resume_at is not None and webhook.resume_at > clock.now()
            is_over = clock.monotonic() >= end
            if not is_paused and not is_over:
                await self._start_due(webhook, dialect)
            if self._under_way:
                await self._wait()
            elif is_paused:
                return webhook.resume_at
            elif is_over:
                return clock.now()
            else:
                return await rows.next_due(database, webhook)

    async def _start_due(self, webhook: Webhook, dialect: Dialect) -> None:
        policy = dialect.policy
        width = 1 if webhook.is_circuit_open else policy.at_once
        while len(self._under_way) < width:
            first = (one for one in self._under_way.values() if not one.attempts)
            busy = {one.order_key for one in first} if policy.in_order else set()
            found = await rows.due(
                self._store.database,
                webhook,
                self._store.clock.now(),
                under_way=[one.id for one in self._under_way.values()],
                busy_keys=list(busy),
                count=width,
            )
            for delivery in found:
                if len(self._under_way) == width:
                    return
                if delivery.attempts or delivery.order_key not in busy:
                    if not delivery.attempts and policy.in_order:
                        busy.add(delivery.order_key)
                    task = asyncio.create_task(
                        self._deliver(webhook, dialect, delivery), name=f"webhook {delivery.id}"
                    )
                    self._under_way[task] = delivery
            if len(found) < width:
                return

    async def _wait(self) -> None:
        """Until a request ends, or there is more to send."""
        await asyncio.wait(
            [*self._under_way, self._woken], return_when=asyncio.FIRST_COMPLETED, timeout=LOOK_AGAIN_S
        )
        for task in [task for task in self._under_way if task.done()]:
            del self._under_way[task]
            task.result()

    async def _deliver(self, webhook: Webhook, dialect: Dialect, delivery: Delivery) -> None:
        began = time.perf_counter()
        outcome = await self._request(webhook, dialect, delivery)
        duration_ms = round((time.perf_counter() - began) * 1000)
        now = truncate_ms(self._store.clock.now())
        number = delivery.attempts + 1
        attempt = Attempt(
            delivery_id=delivery.id,
            number=number,
            app_id=delivery.app_id,
            status=outcome.status,
            error=outcome.error,
            duration_ms=duration_ms,
            created_at=now,
        )
        after = _after(delivery, outcome, number, now, dialect.policy)
        await self._write(webhook, dialect.policy, after, attempt, outcome)
        if not outcome.is_success:
            log.info(
                "webhook_attempt_failed",
                webhook=webhook.id,
                delivery=delivery.id,
                attempt=number,
                reason=outcome.error,
            )

    async def _request(self, webhook: Webhook, dialect: Dialect, delivery: Delivery) -> _Outcome:
        body = delivery.body.encode()
        headers = {
            "Content-Type": "application/json",
            **dialect.headers(webhook, delivery, body, self._store.clock.now()),
        }
        policy = dialect.policy
        try:
            http = dialect.http or self._with.http
            answer = await http.request(
                "POST", webhook.url, headers=headers, body=body, timeout_s=policy.timeout_s
            )
        except AddressRefused as refused:
            return _Outcome(None, refused.message, may_retry=policy.retries_refusals)
        except OutgoingError as failed:
            return _Outcome(None, failed.message, may_retry=True)
        except ParleyError as failed:
            return _Outcome(None, failed.message, may_retry=failed.retry.again)
        if 200 <= answer.status < 300:
            return _Outcome(answer.status, None, may_retry=False)
        is_gone = answer.status == 410 and policy.gone_ends
        may_retry = answer.status >= 500 or (policy.retries_refusals and not is_gone)
        return _Outcome(answer.status, f"answered {answer.status}", may_retry, is_gone)

    async def _write(
        self, webhook: Webhook, policy: Policy, after: Delivery, attempt: Attempt, outcome: _Outcome
    ) -> None:
        now = attempt.created_at
        changes_health = not outcome.is_success or webhook.failures_in_row > 0 or self._has_failed
        async with self._store.database.transaction() as tx:
            if changes_health:
                await rows.lock_to_deliver(tx, webhook)
            is_new = await rows.write_attempt(tx, after, attempt)
            if not changes_health or not is_new:
                return
            self._has_failed = not outcome.is_success
            if outcome.is_success:
                await rows.clear_failures(tx, webhook)
                return
            # A delivery counts once, however often it is tried.
            failures = await rows.count_failure(tx, webhook, 1 if attempt.number == 1 else 0)
            if policy.circuit_failures is not None and failures >= policy.circuit_failures:
                await rows.pause(tx, webhook, now + CIRCUIT_PAUSE)
            is_failing = policy.suspend_after is not None and failures >= policy.suspend_after
            if outcome.is_gone or is_failing:
                await rows.suspend(tx, webhook, now, keeps_events=not outcome.is_gone)
                log.warning("webhook_switched_off", webhook=webhook.id, gone=outcome.is_gone)


def _after(delivery: Delivery, outcome: _Outcome, number: int, now: datetime, policy: Policy) -> Delivery:
    """The delivery after its attempt of that number."""
    if outcome.may_retry and number <= len(policy.retry_after):
        wait = policy.retry_after[number - 1] * random.uniform(*policy.jitter)  # noqa: S311 - no secret
        return replace(delivery, attempts=number, due_at=now + wait, last_error=outcome.error)
    return replace(
        delivery,
        attempts=number,
        state=DeliveryState.DELIVERED if outcome.is_success else DeliveryState.FAILED,
        due_at=None,
        last_error=outcome.error,
        finished_at=now,
    )
