"""The queues of webhooks: one job per webhook that has something to send, and the sweeper of the log."""

from __future__ import annotations

from datetime import timedelta

from parley.base.ids import AppId, WebhookId
from parley.store.core import Store
from parley.store.jobs import Job, Jobs, RetryAt
from parley.store.ports import Transaction
from parley.webhooks import store as rows
from parley.webhooks.model import LOG_KEPT, POLICIES

SEND_QUEUE = "webhooks.send"
SWEEP_QUEUE = "webhooks.sweep"
SWEEP_EVERY = timedelta(hours=1)
SWEEP_ROWS = 1000
"""Deleted in one transaction: keeps the writer free for others."""


async def wake_webhook(jobs: Jobs, tx: Transaction, app_id: AppId, webhook_id: WebhookId) -> None:
    """Let the webhook send what is due, after the transaction."""
    await jobs.enqueue(tx, app_id, SEND_QUEUE, webhook_id, webhook_id)


async def schedule_sweep(store: Store) -> None:
    """Have the log swept every `SWEEP_EVERY`, by one process of all; call at each start."""
    async with store.database.transaction() as tx:
        await store.jobs.enqueue(tx, AppId(""), SWEEP_QUEUE, "log", None)


async def sweep(store: Store, log_kept: timedelta = LOG_KEPT) -> int:
    """Give up what waits for too long and delete what is old; returns how many were deleted."""
    now = store.clock.now()
    async with store.database.transaction() as tx:
        for dialect, policy in POLICIES.items():
            await rows.give_up_older(tx, dialect, now - policy.give_up_after, now)
    deleted = 0
    while True:
        async with store.database.transaction() as tx:
            count = await rows.forget_older(tx, now - log_kept, SWEEP_ROWS)
        deleted += count
        if count < SWEEP_ROWS:
            return deleted


async def run_sweep(store: Store, log_kept: timedelta, _: Job) -> None:
    """The job: sweeps, then asks to be run again."""
    began = store.clock.now()
    await sweep(store, log_kept)
    raise RetryAt(began + SWEEP_EVERY, "next round")
