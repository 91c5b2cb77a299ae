"""Answers of engines are read when they have the shape, and only then."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.insight.answers import Unusable
from parley.insight.model import EMPTY, MAX_ITEMS
from parley.insight.ports import Capabilities, Completion, Prompt, SummaryMaterial
from parley.insight.summary import parse_summary, summarize
from tests.insight.provider import GOOD
from tests.insight.talks import LAUNCH, START, said, talk

_ITEMS = st.lists(st.text(max_size=20), max_size=MAX_ITEMS)
SUMMARIES = st.fixed_dictionaries(
    {
        "overall_summary": st.text(min_size=1, max_size=80).filter(
            lambda text: text.replace("\x00", "").strip()
        ),
        "categories": _ITEMS,
        "action_items": _ITEMS,
        "key_decisions": _ITEMS,
        "sentiment": st.sampled_from(["positive", "neutral", "negative", "mixed"]),
    },
    optional={"key_points": _ITEMS | st.none()},
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=15,
)


def good(**changed: object) -> str:
    return json.dumps({**GOOD, **changed})


class Recorder:
    """An engine that is a model as far as anybody can tell, and keeps its prompts."""

    name = "recorder"

    def __init__(self, *answers: str, is_model: bool = True) -> None:
        self.capabilities = Capabilities(structured_output=False, is_model=is_model)
        self.answers = list(answers) or [good()]
        self.prompts: list[Prompt] = []

    async def register(self, user_id: str) -> None: ...

    async def complete(self, prompt: Prompt) -> Completion:
        self.prompts.append(prompt)
        return Completion(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0], 10)


@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "```json\n{}\n```",
        "```\n{}```",
        "Here is the summary you asked for:\n\n{}\n\nLet me know if it helps!",
        "\ufeff  {}  ",
        '<think>The object {{"overall_summary"}} needs care. {{}}</think>{}',
        "Members are {{like this}}: {}",
        '{{"thought": "first an object of another shape"}} {}',
        "{} and {{}}",
    ],
)
def test_what_stands_around_the_json_does_not_matter(around: str) -> None:
    assert parse_summary(around.format(good())).key_decisions == ["Launch on Thursday"]


@given(
    SUMMARIES, st.sampled_from(["", "```json\n", "Sure! ", "{oops} "]), st.sampled_from(["", "\n```", " {"])
)
def test_every_valid_summary_is_read(given_summary: dict, before: str, after: str) -> None:
    found = parse_summary(before + json.dumps(given_summary) + after)
    assert found.sentiment == given_summary["sentiment"]
    assert found.overall_summary
    assert len(found.action_items) <= len(given_summary["action_items"])


@given(ANY_JSON | SUMMARIES)
def test_what_is_read_has_the_shape_whatever_came(answer: object) -> None:
    try:
        found = parse_summary(json.dumps(answer))
    except Unusable:
        return
    assert found.overall_summary.strip()
    assert max(map(len, (found.categories, found.action_items, found.key_decisions))) <= MAX_ITEMS


@given(st.text(st.characters(exclude_categories=[]), max_size=200))
def test_prose_is_not_taken_for_a_summary(text: str) -> None:
    with pytest.raises(Unusable):
        parse_summary(text)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("", "no JSON object"),
        ("no braces at all", "no JSON object"),
        ("{", "not valid JSON"),
        (good()[:-20], "not valid JSON"),
        (good(overall_summary=""), "overall_summary"),
        (good(overall_summary="  \n"), "overall_summary"),
        (good(overall_summary=None), "$.overall_summary"),
        (good(sentiment="Positive"), "$.sentiment"),
        (good(action_items=["a"] * 21), "$.action_items"),
        (good(key_points=["a"] * 21), "$.key_points"),
        (good(categories="launch"), "$.categories"),
        (good(key_decisions=[{"what": "launch"}]), "$.key_decisions"),
        (json.dumps({k: v for k, v in GOOD.items() if k != "categories"}), "categories"),
        ("[" + good()[1:-1] + "]", ""),
    ],
)
def test_the_engine_is_told_what_is_wrong(answer: str, told: str) -> None:
    with pytest.raises(Unusable) as caught:
        parse_summary(answer)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "hostile",
    [
        "{" * 100_000,
        '{"a":' * 100_000,
        "[" * 100_000,
        '{"overall_summary": ' + "9" * 100_000 + "}",
        '{"a": "' + "\\u0000" * 10_000 + '"}',
        "<think>" * 10_000,
        good(overall_summary="x" * 500_000)[:-400],
    ],
)
def test_hostile_answers_are_only_unusable(hostile: str) -> None:
    with pytest.raises(Unusable):
        parse_summary(hostile)


def test_unknown_members_do_not_matter() -> None:
    assert parse_summary(good(stats={"total_messages": 1_000_000})).overall_summary


def test_what_no_database_holds_is_taken_out() -> None:
    found = parse_summary(good(overall_summary="a\x00b", action_items=["\ud800"]))
    assert found.overall_summary == "ab"
    assert found.action_items == ["?"]


async def test_without_messages_no_engine_is_asked() -> None:
    engine = Recorder()
    made = await summarize(engine, SummaryMaterial(talk("Ada:  ", "Ben: \n")), user_id="u")
    assert (made.value, made.tokens_used, made.attempts) == (EMPTY, 0, 0)
    assert engine.prompts == []


async def test_with_nothing_new_the_previous_summary_stays() -> None:
    previous = parse_summary(good())
    made = await summarize(Recorder(), SummaryMaterial((), previous), user_id="u")
    assert made.value == previous


async def test_the_prompt_has_the_previous_summary_and_only_new_messages() -> None:
    engine = Recorder()
    await summarize(
        engine, SummaryMaterial(LAUNCH[6:], parse_summary(good())), user_id="u", user_role="organiser"
    )
    (prompt,) = engine.prompts
    assert "The launch moves to Thursday." in prompt.text
    assert "I will send them tomorrow" in prompt.text
    assert "translations of the help pages" not in prompt.text
    assert "organiser" in prompt.text
    assert prompt.user_id == "u"


async def test_tokens_of_all_attempts_count() -> None:
    made = await summarize(Recorder("no", "{}", good()), SummaryMaterial(LAUNCH), user_id="u")
    assert (made.tokens_used, made.attempts) == (30, 3)


async def test_each_attempt_is_told_of_all_earlier_ones() -> None:
    engine = Recorder("no", "{}", good())
    await summarize(engine, SummaryMaterial(LAUNCH), user_id="u")
    assert [one.answer for one in engine.prompts[2].corrections] == ["no", "{}"]


async def test_engines_that_read_no_prose_get_none() -> None:
    engine = Recorder(is_model=False)
    await summarize(engine, SummaryMaterial((said("Ada", "hello"),)), user_id="u")
    assert engine.prompts[0].text == ""
    assert engine.prompts[0].material.messages[0].sent_at == START
