"""Webhooks with secrets: Standard Webhooks signatures, the schedule, and what switches one off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
import pytest_asyncio

from parley.accounts.scope import AppScope
from parley.base.clock import ManualClock
from parley.base.errors import Conflict, Invalid, NotFound, StateForbids
from parley.base.paging import PageRequest
from parley.base.times import to_ms
from parley.channels.realtime.events import ChannelSubscribed, PresenceJoined
from parley.channels.realtime.log import PublicationLog
from parley.channels.realtime.model import Draft
from parley.outgoing.http import OutgoingHttp, OutgoingPolicy
from parley.store.core import Store
from parley.webhooks import service
from parley.webhooks.delivery import Deliveries
from parley.webhooks.dialects import Standard, sign
from parley.webhooks.endpoints import LIMIT, EndpointChange, Endpoints, Shown
from parley.webhooks.interest import Interest
from parley.webhooks.live import PublicationEvents
from parley.webhooks.model import (
    BLOCK,
    CAUGHT_UP_WITHIN,
    POLICIES,
    DeliveryState,
    LoggedAttempt,
    WebhookInput,
)
from parley.webhooks.signing import Signer
from parley.wire.block.webhooks.events import EVENT_NAMES, BlockEvents
from parley.wire.realtimekit.webhook_events import RealtimeKitPayloads
from tests.store.databases import running
from tests.waiting import DEADLINE_S
from tests.webhooks.receiver import Receiver, close, status

POLICY = POLICIES[BLOCK]
VECTOR_SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
VECTOR_BODY = (
    b'{"id":"evt_abc123","type":"message.sent","created_at":"2024-01-15T10:30:00Z",'
    b'"data":{"channel_id":"chat:room-1","user_id":"user_123"}}'
)
PAGE = PageRequest(size=1000)


def subscribed(number: int = 1, channel: str = "chat:room-1") -> ChannelSubscribed:
    return ChannelSubscribed(channel=channel, user_id="user_123", socket_id=f"socket_{number}")


@dataclass(frozen=True, slots=True)
class Told:
    """What tests do with the webhooks of one app."""

    scope: AppScope
    endpoints: Endpoints
    clock: ManualClock

    async def subscribe(self, url: str, *events: str) -> Shown:
        given = EndpointChange(url=url, events=list(events or ["*"]))
        return await self.endpoints.create(self.scope, given, needs_tls=False)

    async def announce(self, *events: ChannelSubscribed | PresenceJoined) -> None:
        async with self.scope.change() as change:
            change.announce(*events)

    async def attempts(self, shown: Shown) -> list[LoggedAttempt]:
        return list((await self.endpoints.attempts(self.scope, shown.webhook.id, PAGE)).rows)[::-1]

    async def attempted(self, shown: Shown, count: int) -> list[LoggedAttempt]:
        """Wait until so many attempts are in the log."""
        found: list[LoggedAttempt] = []

        async def enough() -> bool:
            nonlocal found
            found = await self.attempts(shown)
            return len(found) >= count

        await self.until(enough, f"{count} attempts")
        assert len(found) == count
        return found

    async def until(self, is_so: Callable[[], object], what: str) -> None:
        """Wait for something."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                answer = is_so()
                if await answer if asyncio.iscoroutine(answer) else answer:
                    return
                await asyncio.sleep(0.005)

    async def inactive(self, shown: Shown) -> Shown:
        """Wait until it is switched off."""

        async def off() -> bool:
            return not (await self.endpoints.get(self.scope, shown.webhook.id)).webhook.is_enabled

        await self.until(off, "inactive")
        return await self.endpoints.get(self.scope, shown.webhook.id)

    async def later(self, time: timedelta) -> None:
        """Move the clock past a waiting time, whatever its variation, and let what is due run."""
        self.clock.advance(time.total_seconds() * POLICY.jitter[1])
        self.scope.store.jobs.wake()


@pytest_asyncio.fixture
async def told(
    app_scope: AppScope, http: OutgoingHttp, signer: Signer, clock: ManualClock
) -> AsyncIterator[Told]:
    """Webhooks of both dialects that are delivered."""
    store = app_scope.store
    block = Standard(BlockEvents(), store.vault)
    Deliveries(store, RealtimeKitPayloads(), http, signer, also=[block]).register()
    async with running(store):
        yield Told(app_scope, Endpoints(EVENT_NAMES, OutgoingPolicy()), clock)


def test_the_signature_is_that_of_the_published_vector() -> None:
    made = sign(VECTOR_SECRET, "evt_abc123", 1705314600, VECTOR_BODY)
    assert made == "v1,b5DbR2jKq+U+GxtLHjBm15rh0BcOjY3PREm7dGWP9VA="


def test_a_secret_that_is_not_base64_counts_as_it_is() -> None:
    assert sign("whsec_not base64!", "e", 1, b"x") == sign("whsec_bm90IGJhc2U2NCE=", "e", 1, b"x")


async def test_a_receiver_can_verify_what_it_is_sent(told: Told, endpoint: Receiver) -> None:
    made = await told.subscribe(endpoint.url)
    await told.announce(subscribed())
    await told.attempted(made, 1)
    (request,) = endpoint.received
    body = request.body
    assert body["type"] == "channel.subscribed"
    assert body["data"] == {"channel_id": "chat:room-1", "user_id": "user_123", "socket_id": "socket_1"}
    assert body["created_at"] == "2026-01-01T00:00:00.000Z"
    headers = request.headers
    assert headers["webhook-id"] == body["id"]
    assert str(body["id"]).startswith("evt_")
    assert headers["webhook-timestamp"] == str(to_ms(told.clock.now()) // 1000)
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"] == "Parley-Webhooks/1"
    expected = sign(made.secret, headers["webhook-id"], int(headers["webhook-timestamp"]), request.raw)
    assert headers["webhook-signature"] == expected


async def test_a_published_message_is_told_with_its_text(told: Told, endpoint: Receiver) -> None:
    store = told.scope.store
    log = PublicationLog(store, lambda published: None)
    log.in_same_change(PublicationEvents(store, Interest(store.clock), BlockEvents().public_name))
    made = await told.subscribe(endpoint.url, "message.sent")
    draft = Draft(
        app_id=told.scope.app_id, channel="chat:a", event="message", user_id="ada", data=b'{"text":"Hi"}'
    )
    stored = await log.append(draft)
    await told.attempted(made, 1)
    assert endpoint.received[0].body["data"] == {
        "channel_id": "chat:a",
        "user_id": "ada",
        "message": {
            "id": stored.publication.id,
            "text": "Hi",
            "created_at": "2026-01-01T00:00:00.000Z",
            "event": "message",
            "data": {"text": "Hi"},
        },
    }


async def test_only_events_that_were_asked_for_are_sent(told: Told, endpoint: Receiver) -> None:
    made = await told.subscribe(endpoint.url, "presence.join")
    member = {"user_id": "u", "data": {}}
    await told.announce(subscribed(), PresenceJoined(channel="presence:a", user_id="u", member=member))
    await told.attempted(made, 1)
    (request,) = endpoint.received
    assert request.body["data"] == {"channel_id": "presence:a", "user_id": "u", "member": member}


async def test_an_event_has_the_same_id_for_all_webhooks_and_attempts(
    told: Told, endpoint: Receiver, other_endpoint: Receiver
) -> None:
    endpoint.script = [status(404)]
    first, second = await told.subscribe(endpoint.url), await told.subscribe(other_endpoint.url)
    await told.announce(subscribed())
    await told.attempted(first, 1)
    await told.attempted(second, 1)
    await told.later(POLICY.retry_after[0])
    await told.attempted(first, 2)
    ids = {one.headers["webhook-id"] for one in [*endpoint.received, *other_endpoint.received]}
    assert len(ids) == 1
    first_try, second_try = endpoint.received
    assert first_try.raw == second_try.raw
    assert first_try.headers["webhook-timestamp"] != second_try.headers["webhook-timestamp"]


async def test_whatever_is_not_2xx_is_tried_again_until_the_schedule_ends(
    told: Told, endpoint: Receiver
) -> None:
    endpoint.respond = status(302, {"location": endpoint.url + "/elsewhere"})
    endpoint.script = [status(400), close]
    made = await told.subscribe(endpoint.url)
    await told.announce(subscribed())
    for number, wait in enumerate(POLICY.retry_after, 1):
        attempts = await told.attempted(made, number)
        due = attempts[-1].due_at
        assert due is not None
        low, high = wait * POLICY.jitter[0], wait * POLICY.jitter[1]
        assert low - timedelta(seconds=1) <= due - attempts[-1].created_at <= high
        await told.later(wait)
    attempts = await told.attempted(made, len(POLICY.retry_after) + 1)
    assert attempts[-1].state is DeliveryState.FAILED
    assert attempts[-1].due_at is None
    assert [one.response_code for one in attempts] == [400, None, *[302] * 7]
    assert {one.path for one in endpoint.received} == {"/hook"}


async def test_events_are_sent_side_by_side_but_not_more_than_twenty(told: Told, endpoint: Receiver) -> None:
    endpoint.respond = endpoint.hang
    made = await told.subscribe(endpoint.url)
    await told.announce(*[subscribed(number) for number in range(30)])
    await told.until(lambda: endpoint.at_once == POLICY.at_once, "twenty at once")
    endpoint.released.set()
    await told.attempted(made, 30)
    assert endpoint.most_at_once == POLICY.at_once == 20


async def test_gone_switches_the_webhook_off(told: Told, endpoint: Receiver) -> None:
    endpoint.respond = status(410)
    made = await told.subscribe(endpoint.url)
    await told.announce(subscribed())
    off = await told.inactive(made)
    assert off.webhook.suspended_at is None
    (attempt,) = await told.attempted(made, 1)
    assert (attempt.response_code, attempt.state) == (410, DeliveryState.FAILED)
    await told.announce(subscribed(2))
    await told.scope.store.outbox.drain()
    assert len(await told.endpoints.events(told.scope, made.webhook.id, after=None, count=10)) == 1


async def test_a_hundred_failures_in_a_row_switch_it_off_and_one_success_starts_anew(
    told: Told, endpoint: Receiver
) -> None:
    endpoint.respond = status(500)
    made = await told.subscribe(endpoint.url)
    await told.announce(*[subscribed(number) for number in range(99)])
    await told.attempted(made, 99)
    endpoint.respond = status(200)
    await told.announce(subscribed(99))
    await told.attempted(made, 100)
    endpoint.respond = status(500)
    await told.announce(*[subscribed(number) for number in range(100, 199)])
    await told.attempted(made, 199)
    assert (await told.endpoints.get(told.scope, made.webhook.id)).webhook.is_enabled
    await told.announce(subscribed(199))
    off = await told.inactive(made)
    assert off.webhook.suspended_at == told.scope.now()


async def suspend(told: Told, endpoint: Receiver) -> Shown:
    """A webhook that failed too often."""
    endpoint.respond = status(500)
    made = await told.subscribe(endpoint.url)
    await told.announce(*[subscribed(number) for number in range(100)])
    return await told.inactive(made)


async def test_what_a_suspended_webhook_misses_can_be_asked_for_and_sent_again(
    told: Told, endpoint: Receiver
) -> None:
    off = await suspend(told, endpoint)
    id_ = off.webhook.id
    seen = len(endpoint.received)
    before = await told.endpoints.events(told.scope, id_, after=None, count=200)
    await told.announce(subscribed(1000))
    await told.scope.store.outbox.drain()
    (missed,) = await told.endpoints.events(told.scope, id_, after=before[-1].event_id, count=200)
    assert '"socket_1000"' in missed.body
    assert missed.state is DeliveryState.DROPPED
    assert len(endpoint.received) == seen
    endpoint.respond = status(200)
    on = await told.endpoints.change(told.scope, id_, EndpointChange(active=True), needs_tls=False)
    assert (on.webhook.failures_in_row, on.webhook.suspended_at) == (0, None)
    await told.endpoints.replay_event(told.scope, id_, missed.event_id)
    await told.until(lambda: len(endpoint.received) == seen + 1, "the replay")
    assert endpoint.received[-1].headers["webhook-id"] == missed.event_id
    again = await told.endpoints.events(told.scope, id_, after=before[-1].event_id, count=200)
    assert [one.event_id for one in again] == [missed.event_id]


async def test_a_suspended_webhook_is_forgotten_about_in_the_end(told: Told, endpoint: Receiver) -> None:
    off = await suspend(told, endpoint)
    told.clock.advance(CAUGHT_UP_WITHIN.total_seconds())
    await told.announce(subscribed(1000))
    await told.scope.store.outbox.drain()
    assert len(await told.endpoints.events(told.scope, off.webhook.id, after=None, count=200)) == 100


async def test_both_secrets_sign_for_a_day_after_a_change(told: Told, endpoint: Receiver) -> None:
    made = await told.subscribe(endpoint.url)
    given = EndpointChange(secret=VECTOR_SECRET)
    changed = await told.endpoints.change(told.scope, made.webhook.id, given, needs_tls=False)
    assert changed.secret == VECTOR_SECRET
    await told.announce(subscribed(1))
    await told.attempted(made, 1)
    told.clock.advance(24 * 3600)
    await told.announce(subscribed(2))
    await told.attempted(made, 2)
    during, after = endpoint.received

    def signed(request, *secrets: str) -> str:
        id_, at = request.headers["webhook-id"], int(request.headers["webhook-timestamp"])
        return " ".join(sign(secret, id_, at, request.raw) for secret in secrets)

    assert during.headers["webhook-signature"] == signed(during, VECTOR_SECRET, made.secret)
    assert after.headers["webhook-signature"] == signed(after, VECTOR_SECRET)


async def test_the_same_secret_again_changes_nothing(told: Told) -> None:
    made = await told.subscribe("https://example.com/hook")
    given = EndpointChange(secret=made.secret)
    changed = await told.endpoints.change(told.scope, made.webhook.id, given, needs_tls=False)
    assert changed.webhook.old_sealed_secret is None
    assert changed.secret == f"whsec_****{made.secret[-4:]}"


async def test_a_test_event_goes_to_one_webhook(
    told: Told, endpoint: Receiver, other_endpoint: Receiver
) -> None:
    made = await told.subscribe(endpoint.url, "presence.join")
    await told.subscribe(other_endpoint.url)
    sent = await told.endpoints.test(told.scope, made.webhook.id)
    await told.attempted(made, 1)
    assert endpoint.received[0].body["type"] == "webhook.test"
    assert endpoint.received[0].headers["webhook-id"] == sent.event_id
    assert not other_endpoint.received


async def test_an_inactive_webhook_is_sent_no_test(told: Told) -> None:
    given = EndpointChange(url="https://example.com", events=["*"], active=False)
    made = await told.endpoints.create(told.scope, given, needs_tls=True)
    with pytest.raises(StateForbids):
        await told.endpoints.test(told.scope, made.webhook.id)


async def test_dialects_do_not_see_each_others_webhooks(told: Told) -> None:
    theirs = await service.create_webhook(
        told.scope, WebhookInput(name="n", url="https://example.com", events=["meeting.started"])
    )
    ours = await told.subscribe("https://example.com")
    assert [one.webhook for one in await told.endpoints.all(told.scope)] == [ours.webhook]
    assert await service.list_webhooks(told.scope) == [theirs]
    with pytest.raises(NotFound):
        await told.endpoints.get(told.scope, theirs.id)
    with pytest.raises(NotFound):
        await service.get_webhook(told.scope, ours.webhook.id)
    with pytest.raises(NotFound):
        await service.delete_webhook(told.scope, ours.webhook.id)


async def test_there_are_at_most_ten(told: Told) -> None:
    for _ in range(LIMIT):
        await told.subscribe("https://example.com")
    with pytest.raises(Conflict):
        await told.subscribe("https://example.com")


async def test_another_apps_webhooks_are_not_found(told: Told, other_app_scope: AppScope) -> None:
    made = await told.subscribe("https://example.com")
    for refused in (
        told.endpoints.get(other_app_scope, made.webhook.id),
        told.endpoints.delete(other_app_scope, made.webhook.id),
        told.endpoints.events(other_app_scope, made.webhook.id, after=None, count=1),
    ):
        with pytest.raises(NotFound):
            await refused


@pytest.mark.parametrize(
    "url",
    [
        *("", "/hook", "ftp://example.com", "https://", "https://a b", "http://[::1", "https://x\u0000y"),
        *("http://127.0.0.1/", "http://localhost:80", "https://[::1]/", "https://10.0.0.8"),
        "https://[fe80::1]",
    ],
)
async def test_urls_where_no_webhook_may_go_are_refused(app_scope: AppScope, url: str) -> None:
    endpoints = Endpoints(EVENT_NAMES, OutgoingPolicy(allow_private=False))
    with pytest.raises(Invalid) as refused:
        await endpoints.create(app_scope, EndpointChange(url=url, events=["*"]), needs_tls=False)
    assert refused.value.field == "/data/attributes/url"


@pytest.mark.parametrize("secret", ["", "whsec_", "secret", "whsec_" + "x" * 300, "whsec_\u00e9"])
async def test_a_secret_has_its_form(told: Told, secret: str) -> None:
    given = EndpointChange(url="https://example.com", events=["*"], secret=secret)
    with pytest.raises(Invalid):
        await told.endpoints.create(told.scope, given, needs_tls=True)


async def test_the_secret_is_sealed_in_the_database(told: Told, store: Store) -> None:
    made = await told.subscribe("https://example.com")
    assert made.webhook.sealed_secret is not None
    assert made.secret.encode() not in made.webhook.sealed_secret
