"""Which engine an app gets."""

from __future__ import annotations

from typing import Any

import pytest

from parley.base.errors import Invalid
from parley.conversations.settings import AiSettings
from parley.insight.ports import EngineRefused
from parley.outgoing.http import OutgoingHttp, OutgoingPolicy
from parley.server.text_engines import ConfiguredEngines

URL = "http://127.0.0.1:11434/v1"


def engines(**options: Any) -> ConfiguredEngines:
    return ConfiguredEngines(OutgoingHttp(OutgoingPolicy()), **options)


def test_without_a_choice_the_offline_engine_writes() -> None:
    assert not engines(url=URL, model="m").engine(AiSettings()).capabilities.is_model


def test_an_app_names_what_the_operator_left_open() -> None:
    made = engines(url=URL)
    assert made.engine(AiSettings(provider="http", model="mine")).name == "openai:mine"
    for missing in (AiSettings(provider="http"), AiSettings(provider="http", url="http://a.example")):
        with pytest.raises(EngineRefused):
            made.engine(missing)


def test_engines_of_the_same_settings_are_one() -> None:
    made, wanted = engines(url=URL, model="m"), AiSettings(provider="http", model="mine")
    assert made.engine(wanted) is made.engine(AiSettings(provider="http", model="mine"))
    assert made.engine(wanted) is not made.engine(AiSettings(provider="http"))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"url": "localhost:11434", "model": "m"}, "--ai-url"),
        ({"url": "ftp://a.example", "model": "m"}, "--ai-url"),
        ({"url": "http://[", "model": "m"}, "--ai-url"),
        ({"url": URL, "model": " "}, "--ai-model"),
        ({"url": URL, "model": "m", "api_key": "line\nbreak"}, "--ai-key"),
        ({"model": "m"}, "--ai-url"),
        ({"api_key": "sk-1"}, "--ai-url"),
    ],
)
def test_an_endpoint_of_the_operator_that_cannot_be_one_is_refused_at_the_start(
    options: dict[str, str], named: str
) -> None:
    with pytest.raises(Invalid, match=named):
        engines(**options)
