"""The offline engine: what it says was said, it always says the same, and nothing makes it fail."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.insight.digest import make_digest
from parley.insight.engines.extractive import (
    SUMMARY_WORDS,
    ExtractiveEngine,
    summary,
)
from parley.insight.extract.sentences import MAX_CHARS, MAX_MESSAGE_CHARS, newest
from parley.insight.extract.words import words
from parley.insight.model import ConversationSummary, Message
from parley.insight.ports import DigestEntry, DigestMaterial, SummaryMaterial
from parley.insight.summary import parse_summary, summarize
from tests.insight.talks import ARABIC, GERMAN, JAPANESE, LAUNCH, START, said, summary_prompt, talk

TALKS = {"english": LAUNCH, "german": GERMAN, "japanese": JAPANESE, "arabic": ARABIC}


def of(messages: tuple[Message, ...], previous: ConversationSummary | None = None) -> ConversationSummary:
    return summary(SummaryMaterial(messages, previous))


def is_subsequence(part: list[str], whole: list[str]) -> bool:
    rest = iter(whole)
    return all(word in rest for word in part)


def ungrounded(line: str, messages: tuple[Message, ...]) -> bool:
    """Whether no message of the named speaker has the words of the line in their order."""
    author, _, text = line.partition(": ")
    return not any(one.author == author and is_subsequence(words(text), words(one.text)) for one in messages)


@pytest.mark.parametrize("name", TALKS)
def test_every_line_was_said_by_who_is_named(name: str) -> None:
    found = of(TALKS[name])
    lines = [*(found.key_points or []), *found.action_items, *found.key_decisions]
    assert found.key_points
    assert [line for line in lines if ungrounded(line, TALKS[name])] == []


@pytest.mark.parametrize("name", TALKS)
def test_the_summary_is_made_of_its_points(name: str) -> None:
    found = of(TALKS[name])
    for point in found.key_points or []:
        assert point.partition(": ")[2].rstrip(".!?。") in found.overall_summary


@pytest.mark.parametrize("name", TALKS)
def test_the_topics_were_mentioned(name: str) -> None:
    mentioned = "\n".join(one.text.casefold() for one in TALKS[name])
    found = of(TALKS[name])
    assert found.categories
    assert [topic for topic in found.categories if topic.casefold() not in mentioned] == []


def test_the_same_conversation_has_the_same_summary() -> None:
    assert of(LAUNCH) == of(LAUNCH)


def test_topics_come_first_in_the_language_of_the_conversation() -> None:
    assert of(LAUNCH).overall_summary.startswith("The conversation was about payment form, ")
    assert of(GERMAN).overall_summary.startswith("Es ging um Fahrplan, ")
    assert not of(ARABIC).overall_summary.startswith("The")


def test_promises_and_requests_become_action_items() -> None:
    items = of(LAUNCH).action_items
    assert "Ben: I'll fix the payment form by Wednesday." in items
    assert (
        "Ada: Excellent. Cleo, could you send the screenshots to the press list before Thursday?" not in items
    )
    assert "Ada: Cleo, could you send the screenshots to the press list before Thursday?" in items
    assert "Cleo: I will send them tomorrow." in items
    assert not [item for item in items if "translations" in item]


def test_what_was_decided_becomes_a_decision() -> None:
    assert of(LAUNCH).key_decisions == [
        "Ada: We decided to launch the mobile application on Thursday at noon.",
        "Cleo: We agreed that the old payment page stays online for one month.",
    ]


def test_german_decisions_and_requests_are_found() -> None:
    found = of(GERMAN)
    assert found.key_decisions == ["Uwe: Wir haben beschlossen, dass am Abend zwei Busse mehr fahren."]
    assert any("schick mir die Karte bis Freitag" in item for item in found.action_items)


@pytest.mark.parametrize(
    "text",
    [
        "We have not decided anything about the colour yet.",
        "Should we decide on the colour today?",
        "Nothing was decided about the colour of the roof.",
        "You don't need to send the report.",
        "We would have to ask what they think?",
    ],
)
def test_what_is_open_is_neither_decided_nor_promised(text: str) -> None:
    found = of((said("Ada", text),))
    assert (found.key_decisions, found.action_items) == ([], [])


@pytest.mark.parametrize(
    ("text", "sentiment"),
    [
        ("This is great, thank you so much!", "positive"),
        ("The server crashed again, this is terrible.", "negative"),
        ("The meeting room is on the second floor.", "neutral"),
        ("I am not happy with the second floor.", "negative"),
        ("👍👍 see you on the second floor", "positive"),
        ("", "neutral"),
    ],
)
def test_the_mood_follows_the_words(text: str, sentiment: str) -> None:
    assert of((said("Ada", text),)).sentiment == sentiment


def test_praise_and_complaint_are_mixed() -> None:
    assert of(talk("Ada: The food was excellent.", "Ben: The music was terrible.")).sentiment == "mixed"


def test_one_message_is_its_own_summary() -> None:
    assert of((said("Ada", "The parcel is here"),)).overall_summary == "Ada: The parcel is here."


@pytest.mark.parametrize("text", ["👍", "...", "?!", "—"])
def test_messages_without_words_are_shown(text: str) -> None:
    assert of((said("Ada", text),)).overall_summary == text


@pytest.mark.parametrize(
    "text",
    [
        "Das Ministerium hat die Akten am Montag geschickt, und es geht um den Fahrplan der Busse.",
        "Er kommt um acht Uhr, weil die Werkstatt um sieben schließt und er dann Zeit hat.",
        "Eu tenho um carro novo e uma bicicleta, mas não tenho garagem para os dois.",
        "Please take the patient to the ER with the 5 mm screws and the report of the UM.",
    ],
)
def test_words_of_one_language_are_no_fillers_in_another(text: str) -> None:
    """`um` was taken out of German sentences once."""
    assert of((said("Ada", text),)).key_points == [f"Ada: {text}"]


def test_fillers_are_left_out() -> None:
    text = "So, um, the the bridge is, you know, closed until uh Friday because of the storm."
    assert of((said("Ada", text),)).key_points == [
        "Ada: The bridge is closed until Friday because of the storm."
    ]


@pytest.mark.parametrize(
    "text",
    [
        "So far the bridge has been closed for three days.",
        "Ben will repair the bridge with Dr. Stone at 10 a.m. on Friday.",
        "Right now nobody can cross the bridge on foot or by car.",
        "See https://example.org/a.b?c=d. for the plan of the bridge.",
        "Version 2.0.1 of the plan costs 3.5 million.",
    ],
)
def test_sentences_stay_whole(text: str) -> None:
    assert of((said("Ada", text),)).key_points == [f"Ada: {text}"]


def test_long_conversations_get_about_a_hundred_words() -> None:
    long = tuple(
        said(name, f"{name} thinks that district number {n} needs {thing} more than a new road.", place=n)
        for n in range(300)
        for name, thing in (("Ada", "trees"), ("Ben", "schools"), ("Cleo", "buses"))
    )
    assert 80 <= len(of(long).overall_summary.split()) <= SUMMARY_WORDS + 15


def test_an_update_keeps_what_mattered_before() -> None:
    first = of(LAUNCH[:7])
    second = of(LAUNCH[7:], first)
    assert set(first.action_items) <= set(second.action_items)
    assert any("decided to launch" in one for one in second.key_decisions)
    earlier = set(first.key_points or [])
    assert earlier & set(second.key_points or [])
    assert {point for point in second.key_points or [] if point not in earlier}


def test_updates_without_end_stay_within_bounds() -> None:
    found = None
    for n in range(60):
        found = of(
            talk(f"Ada: I will send report {n} tomorrow.", f"Ben: We agreed on plan number {n}."), found
        )
    assert found is not None
    assert parse_summary(json.dumps(_plain(found))) == found
    assert "Ada: I will send report 59 tomorrow." in found.action_items


def _plain(found: ConversationSummary) -> dict:
    return {name: getattr(found, name) for name in found.__struct_fields__}


ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=120)


@settings(max_examples=150)
@given(st.lists(st.tuples(st.text(max_size=8), ANY_TEXT), min_size=1, max_size=8))
async def test_whatever_is_said_the_answer_is_valid(lines: list[tuple[str, str]]) -> None:
    messages = tuple(said(author, text, place=n) for n, (author, text) in enumerate(lines))
    answer = await ExtractiveEngine().complete(summary_prompt(messages))
    assert answer.tokens_used == 0
    parse_summary(answer.text)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000,
        "word " * 200_000,
        "word. " * 100_000,
        " " * 1_000_000 + "end",
        ". " * 200_000,
        "\n" * 500_000 + "end",
        "[noise " * 100_000,
        "so, " * 200_000,
        "um, " * 200_000,
        "ha ha " * 100_000,
        "図書館の予算" * 50_000,
        "we will have to please send " * 20_000,
        "((((" * 100_000 + "a.b.c.d" * 50_000,
        "\u202e\u200b\x00\ud800" * 10_000,
    ],
)
async def test_hostile_texts_are_summarised_briefly(text: str) -> None:
    messages = (said("Mallory", text), said("Ada", "Please ignore that and send the plan by Friday."))
    found = parse_summary((await ExtractiveEngine().complete(summary_prompt(messages))).text)
    assert len(found.overall_summary) < 2_000


async def test_a_very_long_conversation_is_summarised_off_the_event_loop() -> None:
    many = tuple(
        said("Ada", f"Ticket {n} waits for the delivery of the parts.", place=n) for n in range(2_000)
    )
    made = await summarize(ExtractiveEngine(), SummaryMaterial(many), user_id="u")
    assert (made.engine, made.tokens_used, made.attempts) == ("extractive", 0, 1)
    assert "delivery" in made.value.overall_summary


async def test_a_digest_tells_urgent_conversations_first() -> None:
    entries = (
        DigestEntry(conversation_id="a", title="Garden", last_message_at=START, summary=of(GERMAN)),
        DigestEntry(
            conversation_id="b", title="Launch", last_message_at=START, last_message="urgent: call me"
        ),
    )
    made = await make_digest(ExtractiveEngine(), DigestMaterial(entries, START), user_id="u")
    assert made.value.categories.urgent == ["b"]
    assert re.match(r"Launch: urgent: call me\nGarden: \w+: ", made.value.summary)


def test_of_endless_conversations_the_newest_part_counts() -> None:
    """Whoever may write without limit could keep a processor busy otherwise."""
    flood = tuple(said("Mallory", "noise. " * 2_000, place=n) for n in range(2_000))
    last = said("Ada", "The bridge over the river stays closed until the end of March.", place=2_000)
    kept = newest((*flood, last))
    assert kept[-1] == last
    assert sum(min(len(one.text), MAX_MESSAGE_CHARS) for one in kept) < MAX_CHARS + MAX_MESSAGE_CHARS


def test_conversations_of_usual_size_count_as_a_whole() -> None:
    assert newest(LAUNCH) == LAUNCH
