"""Events reach the endpoints that asked for them: once each, in order, again after failures."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from aiohttp import web

from parley.base.clock import ManualClock
from parley.base.ids import AppId
from parley.store.core import Store
from parley.store.jobs import Job
from parley.webhooks import service
from parley.webhooks.jobs import SEND_QUEUE
from parley.webhooks.model import (
    CIRCUIT_FAILURES,
    CIRCUIT_PAUSE,
    JITTER,
    RETRY_AFTER,
    DeliveryState,
    Webhook,
    WebhookEdit,
)
from tests.waiting import until
from tests.webhooks.conftest import Hooks
from tests.webhooks.happenings import ended, joined, left, started
from tests.webhooks.receiver import Receiver, close, status

PENDING, DELIVERED = DeliveryState.PENDING, DeliveryState.DELIVERED
FAILED, DROPPED = DeliveryState.FAILED, DeliveryState.DROPPED


async def failed_times(hooks: Hooks, webhook: Webhook, attempts: int) -> None:
    """Wait until the only delivery was tried that often."""
    await hooks.settled(webhook.id, PENDING, attempts=attempts)


async def test_an_event_is_sent_to_every_subscribed_webhook(
    hooks: Hooks, endpoint: Receiver, other_endpoint: Receiver
) -> None:
    first = await hooks.subscribe(endpoint.url)
    second = await hooks.subscribe(other_endpoint.url)
    await hooks.announce(started())
    await hooks.settled(first.id, DELIVERED)
    await hooks.settled(second.id, DELIVERED)
    assert endpoint.events == other_endpoint.events == ["meeting.started"]
    assert endpoint.received[0].raw == other_endpoint.received[0].raw
    assert endpoint.received[0].delivery_id != other_endpoint.received[0].delivery_id


async def test_only_subscribed_events_are_sent(hooks: Hooks, endpoint: Receiver) -> None:
    webhook = await hooks.subscribe(endpoint.url, "meeting.ended")
    await hooks.announce(started(), joined(), left(), ended())
    await hooks.settled(webhook.id, DELIVERED)
    assert endpoint.events == ["meeting.ended"]


async def test_the_request_is_json_and_names_delivery_and_webhook(hooks: Hooks, endpoint: Receiver) -> None:
    webhook = await hooks.subscribe(endpoint.url + "?token=a%20b")
    await hooks.announce(started())
    (delivery,) = await hooks.settled(webhook.id, DELIVERED)
    (request,) = endpoint.received
    assert request.path == "/hook?token=a%20b"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["rtk-uuid"] == delivery.id
    assert request.headers["rtk-webhook-id"] == webhook.id
    assert not [name for name in request.headers if name.startswith("dyte-")]


async def test_another_app_hears_nothing(hooks: Hooks, endpoint: Receiver, other_app_scope) -> None:
    theirs = Hooks(other_app_scope, hooks.deliveries, hooks.clock)
    await theirs.subscribe(endpoint.url)
    mine = await hooks.subscribe(endpoint.url)
    await hooks.announce(started())
    await hooks.settled(mine.id, DELIVERED)
    assert [one.headers["rtk-webhook-id"] for one in endpoint.received] == [mine.id]


async def test_events_of_one_session_are_sent_in_order_one_at_a_time(
    hooks: Hooks, endpoint: Receiver
) -> None:
    async def slowly(request: web.Request) -> web.StreamResponse:
        for _ in range(20):
            await asyncio.sleep(0)
        return web.Response()

    endpoint.respond = slowly
    webhook = await hooks.subscribe(endpoint.url)
    names = [f"Viewer {number}" for number in range(30)]
    await hooks.announce(started(), *[joined(name) for name in names], ended())
    await hooks.settled(webhook.id, *[DELIVERED] * 32)
    people = [one.body["participant"]["userDisplayName"] for one in endpoint.received[1:-1]]
    assert people == names
    assert (endpoint.events[0], endpoint.events[-1]) == ("meeting.started", "meeting.ended")
    assert endpoint.most_at_once == 1


async def test_sessions_do_not_wait_for_each_other(hooks: Hooks, endpoint: Receiver) -> None:
    endpoint.script = [endpoint.hang]
    webhook = await hooks.subscribe(endpoint.url)
    await hooks.announce(started("one"))
    await until(lambda: "" if endpoint.received else "nothing was sent")
    await hooks.announce(ended("one"), started("two"), ended("two"))
    endpoint.respond = status(200)
    await hooks.settled(webhook.id, PENDING, PENDING, DELIVERED, DELIVERED, attempts=0)
    endpoint.released.set()
    await hooks.settled(webhook.id, *[DELIVERED] * 4)


@pytest.mark.parametrize("answer", [status(500), status(503), close])
async def test_a_failed_attempt_is_repeated_with_the_same_id_and_bytes(
    hooks: Hooks, endpoint: Receiver, answer
) -> None:
    endpoint.script = [answer]
    webhook = await hooks.subscribe(endpoint.url)
    await hooks.announce(started())
    await failed_times(hooks, webhook, 1)
    await hooks.later(RETRY_AFTER[0].total_seconds() * (1 + JITTER))
    (delivery,) = await hooks.settled(webhook.id, DELIVERED, attempts=2)
    first, second = endpoint.received
    assert first.delivery_id == second.delivery_id == delivery.id
    assert first.raw == second.raw
    assert first.headers["rtk-signature"] == second.headers["rtk-signature"]


async def test_retries_follow_the_schedule_and_end(hooks: Hooks, endpoint: Receiver) -> None:
    endpoint.respond = status(500)
    webhook = await hooks.subscribe(endpoint.url)
    await hooks.announce(started())
    waits = []
    for attempts, wait in enumerate(RETRY_AFTER, 1):
        (delivery,) = await hooks.settled(webhook.id, PENDING, attempts=attempts)
        assert delivery.due_at is not None
        waits.append((delivery.due_at - hooks.clock.now()) / wait)
        await hooks.later((delivery.due_at - hooks.clock.now()).total_seconds())
    (delivery,) = await hooks.settled(webhook.id, FAILED, attempts=6)
    assert all(1 <= wait <= 1 + JITTER for wait in waits)
    assert len(endpoint.received) == 6
    _, attempts_made = await service.get_delivery(hooks.scope, delivery.id)
    assert [(one.number, one.status) for one in attempts_made] == [(n, 500) for n in range(1, 7)]


async def test_a_retry_does_not_come_before_its_time(hooks: Hooks, endpoint: Receiver) -> None:
    endpoint.script = [status(500)]
    webhook = await hooks.subscribe(endpoint.url)
    await hooks.announce(started("one"))
    await failed_times(hooks, webhook, 1)
    await hooks.later(0.9)
    await hooks.announce(started("two"))
    await hooks.settled(webhook.id, PENDING, DELIVERED)
    assert len(endpoint.received) == 2


async def test_a_retry_does_not_hold_up_later_events(hooks: Hooks, endpoint: Receiver) -> None:
    endpoint.script = [status(500)]
    webhook = await hooks.subscribe(endpoint.url)
    await hooks.announce(started(), joined(), ended())
    await hooks.settled(webhook.id, PENDING, DELIVERED, DELIVERED)
    assert endpoint.events == ["meeting.started", "meeting.participantJoined", "meeting.ended"]


@pytest.mark.parametrize("code", [301, 302, 307, 308, 304, 400, 401, 404, 410, 429])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_other_answers_fail_at_once(hooks: Hooks, endpoint: Receiver, code: int) -> None:
    endpoint.respond = status(code, {"Location": "/elsewhere"} if code in (301, 302, 307, 308) else None)
    webhook = await hooks.subscribe(endpoint.url)
    await hooks.announce(started())
    (delivery,) = await hooks.settled(webhook.id, FAILED)
    assert delivery.attempts == 1
    assert delivery.due_at is None
    assert str(code) in (delivery.last_error or "")
    assert [one.path for one in endpoint.received] == ["/hook"]


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_any_2xx_is_success(hooks: Hooks, endpoint: Receiver, code: int) -> None:
    endpoint.respond = status(code)
    webhook = await hooks.subscribe(endpoint.url)
    await hooks.announce(started())
    await hooks.settled(webhook.id, DELIVERED)


async def test_an_endpoint_that_does_not_answer_times_out_and_is_tried_again(
    hooks: Hooks, endpoint: Receiver
) -> None:
    hooks.deliveries.timeout_s = 0.05
    endpoint.script = [endpoint.hang]
    webhook = await hooks.subscribe(endpoint.url)
    await hooks.announce(started())
    (delivery,) = await hooks.settled(webhook.id, PENDING)
    assert "no answer within" in (delivery.last_error or "")
    hooks.deliveries.timeout_s = 3
    await hooks.later(2)
    await hooks.settled(webhook.id, DELIVERED, attempts=2)


async def test_a_dead_endpoint_does_not_delay_another(
    hooks: Hooks, endpoint: Receiver, other_endpoint: Receiver
) -> None:
    """Every request of one endpoint hangs, with more waiting than any limit: the other one is served."""
    endpoint.respond = endpoint.hang
    dead = await hooks.subscribe(endpoint.url)
    alive = await hooks.subscribe(other_endpoint.url, "meeting.ended")
    await hooks.announce(*[started(f"session {number}") for number in range(300)])
    await until(lambda: "" if len(endpoint.received) >= 8 else "the dead endpoint is not busy")
    await hooks.announce(ended())
    await hooks.settled(alive.id, DELIVERED)
    assert len(endpoint.received) == endpoint.most_at_once == 8
    await service.delete_webhook(hooks.scope, dead.id)


async def failing_in_a_row(hooks: Hooks, endpoint: Receiver, count: int) -> Webhook:
    endpoint.respond = status(500)
    webhook = await hooks.subscribe(endpoint.url)
    for number in range(count):
        await hooks.announce(started(f"session {number}"))
        await hooks.settled(webhook.id, *[PENDING] * (number + 1))
    return webhook


async def test_the_circuit_opens_after_failures_in_a_row(hooks: Hooks, endpoint: Receiver) -> None:
    webhook = await failing_in_a_row(hooks, endpoint, CIRCUIT_FAILURES)
    assert (await service.get_webhook(hooks.scope, webhook.id)).is_circuit_open
    await hooks.announce(*[started(f"late {number}") for number in range(5)])
    await hooks.later(CIRCUIT_PAUSE.total_seconds() - 1)
    other = await hooks.subscribe(endpoint.url + "/other", "meeting.ended")
    await hooks.announce(ended())
    await hooks.settled(other.id, PENDING)  # its attempt was made, so the first one had its chance too
    assert len(endpoint.received) == CIRCUIT_FAILURES + 1


async def test_an_open_circuit_lets_one_attempt_a_minute_through(hooks: Hooks, endpoint: Receiver) -> None:
    webhook = await failing_in_a_row(hooks, endpoint, CIRCUIT_FAILURES)
    for minute in range(1, 4):
        await hooks.later(CIRCUIT_PAUSE.total_seconds())
        # Not only received: the clock must not move on before the attempt is written with its time.
        await hooks.written_down(webhook.id, CIRCUIT_FAILURES + minute)
    assert len(endpoint.received) == CIRCUIT_FAILURES + 3


async def test_a_success_closes_the_circuit_and_all_that_waits_is_sent(
    hooks: Hooks, endpoint: Receiver
) -> None:
    webhook = await failing_in_a_row(hooks, endpoint, CIRCUIT_FAILURES)
    endpoint.respond = status(200)
    await hooks.later(CIRCUIT_PAUSE.total_seconds())
    await hooks.settled(webhook.id, *[DELIVERED] * CIRCUIT_FAILURES)
    assert (await service.get_webhook(hooks.scope, webhook.id)).failures_in_row == 0


async def test_retries_of_one_delivery_do_not_open_the_circuit(hooks: Hooks, endpoint: Receiver) -> None:
    endpoint.respond = status(500)
    webhook = await hooks.subscribe(endpoint.url)
    await hooks.announce(*[started(f"session {number}") for number in range(4)])
    for attempts, wait in enumerate(RETRY_AFTER, 1):
        await hooks.settled(webhook.id, *[PENDING] * 4, attempts=attempts)
        await hooks.later(wait.total_seconds() * (1 + JITTER))
    await hooks.settled(webhook.id, *[FAILED] * 4, attempts=6)
    after = await service.get_webhook(hooks.scope, webhook.id)
    assert after.failures_in_row == 4
    assert not after.is_circuit_open


async def test_a_new_url_starts_afresh(hooks: Hooks, endpoint: Receiver, other_endpoint: Receiver) -> None:
    webhook = await failing_in_a_row(hooks, endpoint, CIRCUIT_FAILURES)
    await service.edit_webhook(hooks.scope, webhook.id, WebhookEdit(url=other_endpoint.url))
    await hooks.later(RETRY_AFTER[0].total_seconds() * (1 + JITTER))
    await hooks.settled(webhook.id, *[DELIVERED] * CIRCUIT_FAILURES)
    assert len(other_endpoint.received) == CIRCUIT_FAILURES


async def test_disabling_drops_what_waits(hooks: Hooks, endpoint: Receiver) -> None:
    endpoint.respond = status(500)
    webhook = await hooks.subscribe(endpoint.url)
    await hooks.announce(started("one"))
    await failed_times(hooks, webhook, 1)
    await service.edit_webhook(hooks.scope, webhook.id, WebhookEdit(is_enabled=False))
    await hooks.later(3600)
    await hooks.announce(started("two"))
    other = await hooks.subscribe(endpoint.url, "meeting.ended")
    await hooks.announce(ended())
    await hooks.settled(other.id, PENDING)
    assert [one.state for one in await hooks.log(webhook.id)] == [DROPPED]
    assert len(endpoint.received) == 2


async def test_a_deleted_webhook_is_sent_nothing_more(hooks: Hooks, endpoint: Receiver) -> None:
    endpoint.respond = status(500)
    webhook = await hooks.subscribe(endpoint.url)
    await hooks.announce(started("one"))
    await failed_times(hooks, webhook, 1)
    await service.delete_webhook(hooks.scope, webhook.id)
    await hooks.later(3600)
    other = await hooks.subscribe(endpoint.url, "meeting.ended")
    await hooks.announce(ended())
    await hooks.settled(other.id, PENDING)
    assert len(endpoint.received) == 2


async def test_a_replay_is_a_new_delivery_of_the_same_bytes(hooks: Hooks, endpoint: Receiver) -> None:
    webhook = await hooks.subscribe(endpoint.url)
    await hooks.announce(started())
    (first,) = await hooks.settled(webhook.id, DELIVERED)
    again = await service.replay_delivery(hooks.scope, first.id)
    await hooks.settled(webhook.id, DELIVERED, DELIVERED)
    assert [one.delivery_id for one in endpoint.received] == [first.id, again.id]
    assert endpoint.received[0].raw == endpoint.received[1].raw


async def test_what_was_not_sent_before_a_restart_is_sent_after_it(
    hooks: Hooks, endpoint: Receiver, store: Store, clock: ManualClock
) -> None:
    """The process ends while the request hangs: the next one sends the same delivery again."""
    endpoint.script = [endpoint.hang]
    webhook = await hooks.subscribe(endpoint.url)
    await hooks.announce(started())
    await until(lambda: "" if endpoint.received else "nothing was sent")
    await store.jobs.stop()
    clock.advance(61)  # the lease of the process that is gone
    await hooks.announce(ended())
    restarted = Store.over(store.database, clock, store.blobs, store.vault)
    restarted.jobs.handle(SEND_QUEUE, hooks.deliveries.send)
    await restarted.jobs.start()
    try:
        await hooks.settled(webhook.id, DELIVERED, DELIVERED)
    finally:
        await restarted.jobs.stop()
    assert endpoint.events == ["meeting.started", "meeting.started", "meeting.ended"]
    assert endpoint.received[0].delivery_id == endpoint.received[1].delivery_id


async def test_a_job_that_runs_twice_writes_each_attempt_once(
    hooks: Hooks, endpoint: Receiver, app_scope
) -> None:
    """Two processes believe that they hold the lease: receivers see one id, the log one attempt."""
    endpoint.respond = endpoint.hang
    webhook = await hooks.subscribe(endpoint.url)
    await hooks.announce(started())
    await until(lambda: "" if endpoint.received else "nothing was sent")
    job = Job(0, SEND_QUEUE, webhook.id, AppId(app_scope.app_id), webhook.id, 0)
    second = asyncio.create_task(hooks.deliveries.send(job))
    await until(lambda: "" if len(endpoint.received) == 2 else "the second one sends nothing")
    endpoint.released.set()
    await second
    (delivery,) = await hooks.settled(webhook.id, DELIVERED)
    assert {one.delivery_id for one in endpoint.received} == {delivery.id}
    _, attempts = await service.get_delivery(hooks.scope, delivery.id)
    assert [one.number for one in attempts] == [1]
    assert delivery.attempts == 1
    assert delivery.finished_at == hooks.clock.now()
    assert delivery.created_at - hooks.clock.now() == timedelta(0)
