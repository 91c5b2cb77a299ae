"""What every engine does, whichever it is."""

from __future__ import annotations

import asyncio

import pytest

from parley.base.errors import ParleyError
from parley.insight import ports
from parley.insight.engines.extractive import ExtractiveEngine
from parley.insight.engines.openai import OpenAiEngine
from parley.insight.ports import EngineError, SummaryMaterial, TextEngine
from parley.insight.registration import RegisteringEngine
from parley.insight.summary import summarize
from parley.outgoing.http import OutgoingHttp
from tests.insight.provider import Provider
from tests.insight.talks import LAUNCH, summary_prompt
from tests.insight.test_registration import Marks

ERRORS = [one for one in vars(ports).values() if isinstance(one, type) and issubclass(one, EngineError)]


@pytest.fixture(params=["extractive", "openai", "registering"])
def engine(request: pytest.FixtureRequest, provider: Provider, http: OutgoingHttp) -> TextEngine:
    if request.param == "openai":
        return OpenAiEngine(http, url=provider.url, model="test-model", timeout_s=30)
    made = ExtractiveEngine()
    return made if request.param == "extractive" else RegisteringEngine(made, Marks())


async def test_users_may_be_registered_twice(engine: TextEngine) -> None:
    await engine.register("user-1")
    await engine.register("user-1")


async def test_prompts_at_once_are_all_answered(engine: TextEngine) -> None:
    answers = await asyncio.gather(*(engine.complete(summary_prompt(LAUNCH)) for _ in range(5)))
    assert len({one.text for one in answers}) == 1


async def test_a_conversation_gets_a_summary_that_names_its_engine(engine: TextEngine) -> None:
    made = await summarize(engine, SummaryMaterial(LAUNCH), user_id="user-1")
    assert made.value.overall_summary
    assert made.engine == engine.name
    assert (made.tokens_used > 0) is engine.capabilities.is_model


def test_an_engine_that_is_no_model_says_so() -> None:
    assert ExtractiveEngine.name == "extractive"
    assert not ExtractiveEngine.capabilities.is_model


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_says_whether_to_ask_again(error: type[EngineError]) -> None:
    assert issubclass(error, ParleyError)
    assert error.code.startswith("engine_")
    assert isinstance(error.retry.again, bool)
