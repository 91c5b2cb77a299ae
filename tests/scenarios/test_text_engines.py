"""Summaries and digests that a model writes: `parley serve` with the operator's endpoint, and what becomes of
its failures (`realtime-block.md` 16.1 to 16.5)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from parley.base.ids import new_uuid
from tests.insight.provider import (
    GOOD,
    Provider,
    Respond,
    closes,
    fails,
    hangs,
    provider,
    says,
    says_good,
)
from tests.scenarios.block_app import App, served_apps
from tests.scenarios.servers import Cluster
from tests.wire.block.client.driver import run_suite

KEY = "sk-of-the-operator"
DIGEST = '{"summary": "One launch.", "categories": {%s}, "action_items": ["Call the board"]}'


@dataclass
class Model:
    """A provider that answers each conversation as it is told, found by a word that was said in it."""

    provider: Provider
    script: dict[str, list[Respond]] = field(default_factory=dict)
    """The last answer is given again and again."""

    def will(self, word: str, *answers: Respond) -> None:
        """Answer like this where that word was said."""
        self.script[word] = list(answers)

    def asked(self, word: str) -> list[dict[str, Any]]:
        """What it was asked where that word was said."""
        return [body for body in self.provider.asked if word in body["messages"][1]["content"]]

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        body = await request.json()
        text = body["messages"][1]["content"]
        for word, answers in self.script.items():
            if word in text:
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
                return await answer(request)
        return await says_good()(request)


@contextmanager
def running_model() -> Iterator[Model]:
    """A model in a thread of its own, for as long as a module's tests take."""
    ready, models = threading.Event(), list[Model]()
    loop, over = asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        async with provider() as served:
            model = Model(served)
            served.will(model.respond)
            models.append(model)
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="model")
    thread.start()
    try:
        assert ready.wait(30)
        yield models[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(30)
        loop.close()


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with running_model() as made:
        yield made


@pytest.fixture(scope="module")
def served(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, list[App]]]:
    folder = tmp_path_factory.mktemp("engines")
    options = ["--ai-url", model.provider.url, "--ai-model", "operators", "--ai-key", KEY]
    with served_apps(folder, 3, *options, "--private-outgoing") as made:
        asyncio.run(made[1][0].settle(ai={"provider": "http"}))
        yield made


@pytest.fixture
def app(served: tuple[Cluster, list[App]]) -> App:
    """An app that wants the operator's model."""
    return served[1][0]


async def summary_of(app: App, who: str, context: str) -> dict[str, Any]:
    found = await app.ask(who, "GET", f"/conversations/{context}/summary")
    attributes: dict[str, Any] = found["data"]["attributes"]
    return attributes


async def digest_of(app: App, who: str) -> dict[str, Any]:
    found = await app.ask(who, "GET", f"/users/{app.person(who).id}/conversations/summary")
    attributes: dict[str, Any] = found["data"]["attributes"]
    return attributes


async def test_the_published_client_gets_what_the_operators_model_wrote(app: App, model: Model) -> None:
    said = ["The cockatoo launch moves to Thursday.", "Ada will update the release notes."]
    told = await run_suite(
        app,
        "engines",
        people=["ada", "ben"],
        services=["messages.create", "conversations.summary", "conversations.digest"],
        context=new_uuid(),
        said=said,
    )
    content = {
        "summary": GOOD["overall_summary"],
        "keyPoints": GOOD["key_points"],
        "actionItems": GOOD["action_items"],
    }
    assert told == {
        "unread": [2, 1],
        "summary": ["completed", content, 2, False],
        "again": [True, True],
        "digest": [[["completed", GOOD["overall_summary"]]], 1],
        "tasks": GOOD["action_items"],
        "stillUnread": 2,
    }
    (asked,) = model.asked("cockatoo")
    assert asked["model"] == "operators"
    assert all(one in asked["messages"][1]["content"] for one in said)
    assert model.provider.headers[-1]["Authorization"] == f"Bearer {KEY}"


async def test_a_digest_is_written_of_the_summaries(app: App, model: Model) -> None:
    context = await app.talk("carl", "dora", said="The albatross is late.")
    categories = f'"urgent": ["{context}", "invented"], "pending": [], "on_track": [], "stale": []'
    model.will(context, says(DIGEST % categories))  # only a digest names conversations by their id
    made = await digest_of(app, "dora")
    assert made["digest"]["summary"] == "One launch."
    assert made["digest"]["categories"] == {"urgent": [context], "pending": [], "on_track": [], "stale": []}
    assert made["digest"]["stats"]["total_unread_messages"] == 1
    assert made["meta"]["cache_status"] == "fresh"
    assert GOOD["overall_summary"] in model.asked(context)[0]["messages"][1]["content"]
    assert (await digest_of(app, "dora"))["meta"]["cache_status"] == "cached"
    assert len(model.asked(context)) == 1


async def test_a_wrong_answer_is_asked_for_again_and_told_why(app: App, model: Model) -> None:
    context = await app.talk("emil", said="The bittern sings.")
    model.will(
        "bittern",
        says('{"overall_summary": "no end'),
        says_good(sentiment="splendid"),
        says_good(overall_summary="Third time lucky."),
    )
    made = await summary_of(app, "emil", context)
    assert (made["status"], made["overall_summary"]) == ("completed", "Third time lucky.")
    assert made["tokens_used"] == 3 * 42
    problems = [body["messages"][-1]["content"] for body in model.asked("bittern")[1:]]
    assert "not valid JSON" in problems[0]
    assert "sentiment" in problems[1]


FAILURES: dict[str, tuple[Respond, int]] = {
    "cormorant": (fails(429, "slow down", {"Retry-After": "30"}), 1),
    "dunlin": (fails(500), 1),
    "egret": (closes, 1),
    "flamingo": (says("I would rather not."), 3),
    "gannet": (says_good(action_items="none"), 3),
}
"""By a word of the conversation: what the provider does, and how often a summary has it asked."""


async def test_without_an_older_summary_a_failure_is_said_and_the_rest_goes_on(
    app: App, model: Model
) -> None:
    async with asyncio.TaskGroup() as group:
        for word, (answer, times) in FAILURES.items():
            model.will(word, answer)
            group.create_task(_fails(app, model, word, times), name=word)


async def _fails(app: App, model: Model, word: str, times: int) -> None:
    author, reader = f"author of {word}", f"reader of {word}"
    context = await app.talk(author, reader, said=f"The {word} is urgent.")
    failed = await app.raw(author, "POST", f"/conversations/{context}/summary", {})
    assert (failed.status_code, failed.json()["errors"][0]["code"]) == (503, "service_unavailable")
    assert len(model.asked(word)) == times
    # Within a minute the provider is not asked again, and nobody waits for it.
    limited = await app.raw(author, "GET", f"/conversations/{context}/summary")
    assert (limited.status_code, limited.json()["errors"][0]["code"]) == (429, "rate_limit_exceeded")
    assert 1 <= int(limited.headers["Retry-After"]) <= 60
    chosen = await app.ask(reader, "POST", "/conversations/digest", {"context_unique_ids": [context]})
    (item,) = chosen["data"]["attributes"]["summaries"]
    assert (item["status"], item["content"], chosen["data"]["attributes"]["total"]) == ("failed", None, 0)
    assert chosen["data"]["attributes"]["error"]
    assert len(model.asked(word)) == times

    made = await digest_of(app, reader)  # which asks once more, with the text of the last message
    assert made["digest"]["summary"] == ""
    assert made["digest"]["categories"]["urgent"] == [context]
    assert made["meta"]["cache_status"] == "stale"
    unread = await app.ask(reader, "GET", f"/users/{app.person(reader).id}/unread-summary")
    assert unread["data"]["attributes"]["total_unread"] == 1


async def test_an_app_has_prompts_and_an_endpoint_of_its_own(
    app: App, served: tuple[Cluster, list[App]], model: Model
) -> None:
    _, own, offline = served[1]
    before = len(model.provider.asked)
    context = await offline.talk("ada", said="We decided to move the heron exhibition to May.")
    assert "heron" in (await summary_of(offline, "ada", context))["overall_summary"]
    assert len(model.provider.asked) == before

    with running_model() as theirs:
        await own.settle(
            ai={"provider": "http", "url": theirs.provider.url, "model": "theirs"},
            prompts={"conversation_summary": "Rhyme for {{user_role}}: {{messages}}"},
        )
        context = await own.talk("ada", said="The ibis walks.")
        assert (await summary_of(own, "ada", context))["engine"] == "openai:theirs"
        (asked,) = theirs.asked("ibis")
        assert asked["messages"][1]["content"].startswith("Rhyme for ")
        assert asked["model"] == "theirs"
        assert "Authorization" not in theirs.provider.headers[0]  # the operator's key is the operator's
    assert not model.asked("ibis")

    context = await app.talk("ada", said="The jackdaw waits.")
    await summary_of(app, "ada", context)
    assert "Rhyme" not in model.asked("jackdaw")[0]["messages"][1]["content"]


async def test_an_older_summary_is_shown_while_the_provider_does_not_answer(
    app: App, served: tuple[Cluster, list[App]], model: Model
) -> None:
    context = await app.talk("karl", said="The kestrel hovers.")
    made = await summary_of(app, "karl", context)
    await app.say("karl", context, "The kestrel dives.")
    limited = await app.raw("karl", "GET", f"/conversations/{context}/summary")
    assert limited.json()["data"]["attributes"]["status"] == "stale"
    assert 1 <= int(limited.headers["Retry-After"]) <= 60
    assert len(model.asked("kestrel")) == 1

    # A server that starts anew has forgotten when it last asked, and remembers what was written.
    servers, apps = served
    assert app.server.stop() == 0
    server = servers.start()
    for one in apps:
        one.server = server
    model.will("kestrel", hangs)
    late = await summary_of(app, "karl", context)
    assert (late["status"], late["cached"]) == ("stale", True)
    assert late["overall_summary"] == made["overall_summary"]
    text = model.asked("kestrel")[1]["messages"][1]["content"]
    assert "dives" in text
    assert "hovers" not in text  # what was read before is in the older summary
