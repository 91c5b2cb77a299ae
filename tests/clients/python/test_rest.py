"""Requests without a socket."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import httpx
import pytest
from parley_realtime import (
    Client,
    InvalidRequest,
    NotFound,
    RateLimited,
    Unauthorized,
    UnauthorizedChannel,
    Unreachable,
    sign_channel,
)

from tests.clients.python.conftest import QUICK, Open, Served
from tests.clients.python.test_realtime import heard, take
from tests.waiting import until


async def test_a_server_publishes_to_everybody(client_of: Open, customer: Client, name: str) -> None:
    ann = await client_of("ann")
    channel = await ann.realtime.subscribe(f"chat:{name}")
    async with heard(channel, "announcement") as found:
        made = await customer.publish(f"chat:{name}", {"title": "News"}, event="announcement")
        await until(lambda: "" if found else "nothing was heard")
    message = found[0][1]
    assert (message.id, message.user_id, message.data) == (made.id, None, {"title": "News"})
    assert made.subscribers == 1


async def test_publishing_again_under_the_same_id_stores_nothing(customer: Client, name: str) -> None:
    first = await customer.publish(f"chat:{name}", 1, client_id="mine")
    second = await customer.publish(f"chat:{name}", 1, client_id="mine")
    assert (second.id, second.offset) == (first.id, first.offset)


async def test_a_batch_is_published_whole_or_not_at_all(customer: Client, name: str) -> None:
    messages = [{"channel": f"chat:{name}", "event": "message", "data": number} for number in range(3)]
    made = await customer.publish_batch(messages)
    assert [one.offset for one in made] == [1, 2, 3]
    with pytest.raises(InvalidRequest) as refused:
        await customer.publish_batch([*messages, {"channel": "no channel", "event": "e", "data": 1}])
    assert refused.value.errors[0]["source"]["pointer"] == "/data/attributes/messages/3/channel"
    assert (await customer.publish(f"chat:{name}", 4)).offset == 4


async def test_history_is_read_in_pages(client_of: Open, customer: Client, name: str) -> None:
    messages = [{"channel": f"chat:{name}", "event": "message", "data": number} for number in range(7)]
    made = await customer.publish_batch(messages)
    history = (await client_of("ann")).realtime.channel(f"chat:{name}").history
    page = await history.page(limit=3)
    assert [one.data for one in page.messages] == [6, 5, 4]
    assert (page.has_more, page.newest_id, page.oldest_id) == (True, made[6].id, made[4].id)
    assert [one.data for one in await history.fetch(limit=3, before=page.oldest_id)] == [3, 2, 1]
    assert [one.data for one in await history.fetch(after=made[4].id, order="asc")] == [5, 6]


async def test_history_of_a_channel_that_nobody_used_is_not_found(client_of: Open, name: str) -> None:
    ann = await client_of("ann", connect=False)
    with pytest.raises(NotFound) as refused:
        await ann.realtime.channel(f"chat:{name}").history.fetch()
    assert refused.value.code == "channel_not_found"


async def test_messages_are_found(client_of: Open, customer: Client, name: str) -> None:
    await customer.publish(f"chat:{name}", {"text": "The quick brown fox"})
    await customer.publish(f"chat:{name}", {"text": "A lazy dog"})
    ann = await client_of("ann", connect=False)
    page = await ann.realtime.messages.search("fox QUICK", channel_id=f"chat:{name}")
    assert [one.data["text"] for one in page.messages] == ["The quick brown fox"]
    assert (page.total, page.has_more) == (1, False)


async def test_a_server_marks_for_a_user(client_of: Open, customer: Client, name: str) -> None:
    made = await customer.publish(f"chat:{name}", 1)
    receipt = await customer.mark_as_read(f"chat:{name}", made.id, user_id="ann")
    assert (receipt.user_id, receipt.message_id) == ("ann", made.id)


async def test_tokens_carry_what_was_asked_for(client_of: Open, name: str) -> None:
    ann = await client_of("ann", connect=False)
    token = await ann.realtime.get_token(channels=["chat:only-this"])
    assert token.user_id == "ann"
    await ann.realtime.connect(token.token)
    await ann.realtime.subscribe("chat:only-this")
    with pytest.raises(UnauthorizedChannel):
        await ann.realtime.subscribe("chat:another")


async def test_a_token_for_somebody_elses_inbox_is_refused(client_of: Open) -> None:
    ann = await client_of("ann", connect=False)
    with pytest.raises(UnauthorizedChannel) as refused:
        await ann.realtime.get_token(channels=["inbox:bob"])
    assert refused.value.status == 403


async def test_users_do_not_publish_as_the_server(client_of: Open, name: str) -> None:
    ann = await client_of("ann", connect=False)
    with pytest.raises(Exception, match=r"\w") as refused:
        await ann.publish(f"chat:{name}", 1)
    assert refused.value.status in (401, 403)


async def test_an_unknown_key_is_refused(served: Served) -> None:
    async with Client(served.url, secret_key="sk_live_" + "x" * 32) as client:
        with pytest.raises(Unauthorized):
            await client.publish("chat:a", 1)


def answering(*answers: httpx.Response | Exception) -> tuple[httpx.AsyncClient, list[httpx.Request]]:
    """Gives one answer after the other, as a server in trouble would."""
    asked: list[httpx.Request] = []
    left = list(answers)

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return httpx.AsyncClient(transport=httpx.MockTransport(handle)), asked


PUBLISHED = {
    "data": {
        "id": "msg_1",
        "type": "broadcast",
        "attributes": {
            "channel": "chat:a",
            "event": "message",
            "offset": 1,
            "created_at": "2026-01-01T00:00:00Z",
            "subscribers": 0,
        },
    }
}


async def test_passing_trouble_is_tried_again_under_the_same_id() -> None:
    http, asked = answering(
        httpx.ConnectError("refused"),
        httpx.Response(503, json={"errors": []}),
        httpx.Response(202, json=PUBLISHED),
    )
    async with http, Client("http://parley.test", secret_key="sk_test_x", http=http) as client:
        assert (await client.publish("chat:a", 1)).id == "msg_1"
    assert len({request.content for request in asked}) == 1
    assert len(asked) == 3


async def test_a_batch_is_not_tried_again_because_it_may_have_been_stored() -> None:
    http, asked = answering(httpx.ReadError("broken"))
    async with http, Client("http://parley.test", secret_key="sk_test_x", http=http) as client:
        with pytest.raises(Unreachable):
            await client.publish_batch([{"channel": "chat:a", "event": "message", "data": 1}])
    assert len(asked) == 1


async def test_a_long_wait_is_the_callers_decision() -> None:
    errors = {"errors": [{"status": "429", "code": "rate_limit_exceeded", "detail": "Slower."}]}
    http, asked = answering(httpx.Response(429, json=errors, headers={"retry-after": "60"}))
    async with http, Client("http://parley.test", secret_key="sk_test_x", http=http) as client:
        with pytest.raises(RateLimited) as refused:
            await client.publish("chat:a", 1)
    assert refused.value.retry_after == 60
    assert len(asked) == 1


async def test_what_the_applications_server_signed_opens_a_channel(
    served: Served, customer: Client, name: str
) -> None:
    channel_name = f"presence:{name}"

    async def authorize(socket_id: str, channel: str, user_id: str) -> dict[str, str]:
        who = {"user_id": user_id, "user_info": {"name": "Zoë"}}
        return sign_channel(served.secret, served.app_id, socket_id, channel, who)

    async with Client(
        served.url,
        api_key=served.publishable,
        user_token=served.user_token("ann"),
        options=replace(QUICK, authorize=authorize),
    ) as client:
        await client.realtime.connect()
        channel = await client.realtime.subscribe(channel_name)
        stream = channel.listen()
        await customer.publish(channel_name, "secret")
        assert [item.data for item in await take(stream, 1)] == ["secret"]
        assert [member.data["name"] for member in await channel.presence.get_members()] == ["Zoë"]


@pytest.mark.parametrize(
    ("channel", "data", "signature"),
    [
        ("private:team-123", None, "372a9ea5bc674475174849e8b6a3d7df4944861d4550cb556c697286b5124315"),
        (
            "presence:room-1",
            {
                "user_id": "user_123",
                "user_info": {"name": "Alice", "avatar": "https://example.com/alice.jpg"},
            },
            "76e9a8450e506cdb155ac8cd7dc9e267bcbec17283c94bbc9be5f2e2697c49bf",
        ),
    ],
)
def test_signatures_are_those_of_the_specification(
    channel: str, data: dict[str, object] | None, signature: str
) -> None:
    """`realtime-block.md` 13.3."""
    made = sign_channel("sk_test_EXAMPLE0123456789", "app_1", "socket_abc123", channel, data)
    assert made["auth"] == f"app_1:{signature}"


@pytest.mark.parametrize("status", [200, 403])
async def test_the_applications_server_is_asked_where_it_is(served: Served, name: str, status: int) -> None:
    asked: list[bytes] = []

    async def application(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head)
        body = b'{"auth": "wrong:signature"}'
        writer.write(b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(application, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    options = replace(
        QUICK, auth_endpoint=f"http://127.0.0.1:{port}/auth", auth_headers={"Cookie": "session=1"}
    )
    async with (
        server,
        Client(
            served.url, api_key=served.publishable, user_token=served.user_token("ann"), options=options
        ) as client,
    ):
        await client.realtime.connect()
        with pytest.raises(UnauthorizedChannel):
            await client.realtime.subscribe(f"private:{name}")
    assert b"POST /auth" in asked[0]
    assert b"session=1" in asked[0]
