"""The chat-completions engine against a server that fails in the ways of real ones."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from parley.base.errors import Invalid
from parley.insight.answers import ask
from parley.insight.engines.openai import MAX_ANSWER_BYTES, OpenAiEngine
from parley.insight.ports import (
    Correction,
    EngineError,
    EngineRateLimited,
    EngineRefused,
    EngineUnavailable,
    InvalidAnswer,
    Prompt,
    SummaryMaterial,
)
from parley.insight.summary import parse_summary, summarize
from parley.outgoing.http import OutgoingHttp, OutgoingPolicy
from tests.insight.provider import (
    GOOD,
    Provider,
    closes,
    fails,
    hangs,
    knows_only,
    says,
    says_good,
    sends,
)
from tests.insight.talks import LAUNCH, summary_prompt


def engine_at(url: str, http: OutgoingHttp, *, api_key: str = "", timeout_s: float = 5.0) -> OpenAiEngine:
    return OpenAiEngine(http, url=url, model="test-model", api_key=api_key, timeout_s=timeout_s)


@pytest.fixture
def engine(provider: Provider, http: OutgoingHttp) -> OpenAiEngine:
    return engine_at(provider.url, http)


async def failure(engine: OpenAiEngine, prompt: Prompt | None = None) -> EngineError:
    with pytest.raises(EngineError) as caught:
        await engine.complete(prompt or summary_prompt())
    return caught.value


async def test_the_answer_and_its_tokens_come_back(engine: OpenAiEngine) -> None:
    answer = await engine.complete(summary_prompt())
    assert json.loads(answer.text) == GOOD
    assert answer.tokens_used == 42


async def test_the_prompt_is_sent_as_system_and_user_messages(
    engine: OpenAiEngine, provider: Provider
) -> None:
    await engine.complete(summary_prompt())
    (body,) = provider.asked
    assert [(one["role"], one["content"]) for one in body["messages"]] == [
        ("system", "Summarise."),
        ("user", "the text"),
    ]
    assert body["model"] == "test-model"
    assert body["response_format"]["json_schema"]["strict"] is True
    assert provider.paths == ["/v1/chat/completions"]


async def test_the_key_is_a_bearer_token_and_stands_nowhere_else(
    provider: Provider, http: OutgoingHttp
) -> None:
    engine = engine_at(provider.url, http, api_key="sk-very-secret")
    provider.will(fails(401, "wrong key"))
    failed = await failure(engine)
    assert provider.headers[0]["Authorization"] == "Bearer sk-very-secret"
    assert "very-secret" not in repr(engine) + str(failed) + str(failed.detail)


async def test_without_a_key_no_credential_is_sent(engine: OpenAiEngine, provider: Provider) -> None:
    await engine.complete(summary_prompt())
    assert "Authorization" not in provider.headers[0]


async def test_the_user_is_not_told_to_the_provider(engine: OpenAiEngine, provider: Provider) -> None:
    await engine.register("user-1")
    await engine.complete(summary_prompt(user_id="user-1"))
    assert "user-1" not in json.dumps(provider.asked)


async def test_corrections_are_told_as_a_conversation(engine: OpenAiEngine, provider: Provider) -> None:
    prompt = Prompt(
        id="conversation-summary",
        user_id="",
        instructions="i",
        text="t",
        schema={},
        material=SummaryMaterial(()),
        corrections=(Correction("first answer", "sentiment is missing"),),
    )
    await engine.complete(prompt)
    messages = provider.asked[0]["messages"]
    assert [one["role"] for one in messages] == ["system", "user", "assistant", "user"]
    assert messages[2]["content"] == "first answer"
    assert "sentiment is missing" in messages[3]["content"]


@pytest.mark.parametrize(("known", "requests"), [("json_object", 2), ("text", 3)])
async def test_a_server_without_schemas_is_asked_more_plainly(
    engine: OpenAiEngine, provider: Provider, known: str, requests: int
) -> None:
    provider.will(knows_only(known))
    assert json.loads((await engine.complete(summary_prompt())).text) == GOOD
    assert len(provider.asked) == requests


async def test_what_a_server_does_not_know_is_asked_only_once(
    engine: OpenAiEngine, provider: Provider
) -> None:
    provider.will(knows_only("text"))
    await engine.complete(summary_prompt())
    provider.asked.clear()
    await engine.complete(summary_prompt())
    (body,) = provider.asked
    assert "response_format" not in body


async def test_another_bad_request_is_not_taken_for_an_unknown_format(
    engine: OpenAiEngine, provider: Provider
) -> None:
    provider.will(fails(400, "The model `test-model` has a context of 4096 tokens"))
    assert isinstance(await failure(engine), EngineRefused)
    assert len(provider.asked) == 1


async def test_a_silent_server_is_given_up_in_time(provider: Provider, http: OutgoingHttp) -> None:
    provider.will(hangs)
    failed = await failure(engine_at(provider.url, http, timeout_s=0.2))
    assert isinstance(failed, EngineUnavailable)
    assert failed.reached_provider
    assert failed.retry.again


async def test_a_refused_connection_did_not_reach_the_provider(
    http: OutgoingHttp, unused_tcp_port: int
) -> None:
    failed = await failure(engine_at(f"http://127.0.0.1:{unused_tcp_port}/v1", http))
    assert isinstance(failed, EngineUnavailable)
    assert not failed.reached_provider


async def test_a_connection_that_breaks_may_have_reached_the_provider(
    engine: OpenAiEngine, provider: Provider
) -> None:
    provider.will(closes)
    failed = await failure(engine)
    assert isinstance(failed, EngineUnavailable)
    assert failed.reached_provider


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
async def test_server_errors_may_pass(engine: OpenAiEngine, provider: Provider, status: int) -> None:
    provider.will(fails(status))
    failed = await failure(engine)
    assert isinstance(failed, EngineUnavailable)
    assert failed.retry.again


@pytest.mark.parametrize("status", [400, 401, 403, 404, 307])
async def test_errors_of_the_configuration_stay(
    engine: OpenAiEngine, provider: Provider, status: int
) -> None:
    provider.will(fails(status, headers={"Location": "http://127.0.0.1:1/"}))
    failed = await failure(engine)
    assert isinstance(failed, EngineRefused)
    assert not failed.retry.again
    assert failed.reached_provider


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("7", 7), ("0", 1), ("99999999999999", 3600), ("soon", 60), ("", 60), ("-5", 60), ("٣", 60)],
)
async def test_a_rate_limit_says_how_long(
    engine: OpenAiEngine, provider: Provider, given: str, seconds: float
) -> None:
    provider.will(fails(429, headers={"Retry-After": given} if given else None))
    failed = await failure(engine)
    assert isinstance(failed, EngineRateLimited)
    assert failed.retry_after_s == seconds


async def test_a_rate_limit_may_name_a_date(engine: OpenAiEngine, provider: Provider) -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    provider.will(fails(429, headers={"Retry-After": at}))
    failed = await failure(engine)
    assert isinstance(failed, EngineRateLimited)
    assert 60 < failed.retry_after_s <= 101


async def test_a_used_up_quota_is_no_rate_limit(engine: OpenAiEngine, provider: Provider) -> None:
    provider.will(fails(429, "You exceeded your current quota", code="insufficient_quota"))
    assert isinstance(await failure(engine), EngineRefused)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"<html>login</html>", b'{"choices": 3}', b'{"choices": [{}]}', b"\xff\xfe"],
)
async def test_what_is_no_completion_is_no_answer(
    engine: OpenAiEngine, provider: Provider, body: bytes
) -> None:
    provider.will(sends(body))
    assert isinstance(await failure(engine), EngineUnavailable)


async def test_a_huge_answer_is_not_read(engine: OpenAiEngine, provider: Provider) -> None:
    provider.will(says("x" * (MAX_ANSWER_BYTES + 1)))
    failed = await failure(engine)
    assert isinstance(failed, EngineUnavailable)
    assert "too long" in failed.message


async def test_an_answer_without_usage_counts_no_tokens(engine: OpenAiEngine, provider: Provider) -> None:
    provider.will(says("{}", tokens=None))
    assert (await engine.complete(summary_prompt())).tokens_used == 0


async def test_a_refusal_without_content_is_an_empty_answer(engine: OpenAiEngine, provider: Provider) -> None:
    provider.will(says(None))
    assert (await engine.complete(summary_prompt())).text == ""


async def test_an_engine_of_a_tenant_does_not_reach_inner_networks(provider: Provider) -> None:
    strict = OutgoingHttp(OutgoingPolicy(allow_private=False))
    try:
        failed = await failure(engine_at(provider.url, strict))
    finally:
        await strict.close()
    assert isinstance(failed, EngineRefused)
    assert not failed.reached_provider
    assert provider.asked == []


@pytest.mark.parametrize(
    "url", ["", "ftp://example.org", "example.org/v1", "http://", "http://[::1", "file:///x"]
)
def test_only_http_addresses_are_taken(url: str, http: OutgoingHttp) -> None:
    with pytest.raises(Invalid):
        engine_at(url, http)


@pytest.mark.parametrize("key", ["a\nb", "ключ", "a\x00"])
def test_a_key_that_fits_no_header_is_not_taken(key: str, http: OutgoingHttp) -> None:
    with pytest.raises(Invalid):
        engine_at("https://example.org/v1", http, api_key=key)


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/chat/completions", "/v1/chat/completions/"])
async def test_the_base_and_the_whole_address_mean_the_same(
    provider: Provider, http: OutgoingHttp, path: str
) -> None:
    await engine_at(provider.url.removesuffix("/v1") + path, http).complete(summary_prompt())
    assert provider.paths == ["/v1/chat/completions"]


async def test_texts_that_are_no_unicode_are_sent_all_the_same(
    engine: OpenAiEngine, provider: Provider
) -> None:
    prompt = Prompt(
        id="p",
        user_id="",
        instructions="i",
        text="half \ud83d a sign",
        schema={},
        material=SummaryMaterial(()),
    )
    await engine.complete(prompt)
    assert "half" in provider.asked[0]["messages"][1]["content"]


async def test_many_prompts_at_once_do_not_disturb_each_other(
    engine: OpenAiEngine, provider: Provider
) -> None:
    provider.will(knows_only("text"))
    answers = await asyncio.gather(*(engine.complete(summary_prompt()) for _ in range(10)))
    assert all(json.loads(one.text) == GOOD for one in answers)


async def test_a_wrong_answer_is_corrected(engine: OpenAiEngine, provider: Provider) -> None:
    provider.will(says_good(sentiment="angry"), says("```json\n" + json.dumps(GOOD) + "\n```"))
    made = await summarize(engine, SummaryMaterial(LAUNCH), user_id="user-1")
    assert made.value.overall_summary == "The launch moves to Thursday."
    assert (made.attempts, made.tokens_used, made.engine) == (2, 84, "openai:test-model")
    told = provider.asked[1]["messages"][-1]["content"]
    assert "angry" in told
    assert "$.sentiment" in told


async def test_after_three_wrong_answers_it_gives_up(engine: OpenAiEngine, provider: Provider) -> None:
    provider.will(says("I would rather not."))
    with pytest.raises(InvalidAnswer) as caught:
        await summarize(engine, SummaryMaterial(LAUNCH), user_id="user-1")
    assert len(provider.asked) == 3
    assert caught.value.reached_provider


async def test_an_attempt_that_got_there_is_not_forgotten(engine: OpenAiEngine, provider: Provider) -> None:
    """The second attempt is refused a connection, but the first one was answered (and billed)."""

    class Vanishing:
        name = "vanishing"
        capabilities = engine.capabilities
        calls = 0

        async def register(self, user_id: str) -> None: ...

        async def complete(self, prompt: Prompt):
            self.calls += 1
            if self.calls > 1:
                raise EngineUnavailable("gone", reached_provider=False)
            return await engine.complete(prompt)

    provider.will(says("nonsense"))
    with pytest.raises(EngineUnavailable) as caught:
        await ask(Vanishing(), summary_prompt(), parse_summary)
    assert caught.value.reached_provider
