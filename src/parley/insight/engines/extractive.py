"""The engine that needs nothing: picks sentences, promises, decisions and topics from what was said.

It is no language model and does not pretend to be one: every sentence of its summaries was said (less the
"um"s), behind the name of who said it. The same material always gives the same answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import islice

import msgspec

from parley.insight.digest import DigestAnswer, merged_action_items
from parley.insight.extract.condense import line, within
from parley.insight.extract.cues import decisions, promises
from parley.insight.extract.mood import mood
from parley.insight.extract.rank import Ranking
from parley.insight.extract.sentences import Sentence, language_of, length, newest, sentences
from parley.insight.extract.topics import topics
from parley.insight.extract.words import function_words, words
from parley.insight.model import EMPTY, MAX_SUMMARY_CHARS, ConversationSummary, Sentiment, tidy, tidy_items
from parley.insight.ports import (
    TIMEOUT_S,
    Capabilities,
    Completion,
    DigestMaterial,
    EngineUnavailable,
    Prompt,
    SummaryMaterial,
)
from parley.insight.triage import grouped

SUMMARY_WORDS = 100
OVERSHOOT = 10
"""Words; rather that than half a sentence."""
SHARE = 0.5
"""A short conversation gets a summary of half its words, though not less than `LEAST_WORDS`."""
LEAST_WORDS = 25
WORDLESS_CHARS = 200
"""Shown of a message without words."""
TOPICS, TOPICS_TOLD = 6, 4
"""Listed as categories; named in the summary."""
MAX_ACTION_ITEMS, MAX_DECISIONS = 15, 10
EARLIER_BOOST = 1.5
"""Points of the previous summary stand for many messages."""
DIGEST_CONVERSATIONS = 5
"""Told in the text of a digest."""
IN_THREAD_CHARS = 30_000
"""From which on the work leaves the event loop: some 20 ms."""
AT_ONCE = 2
"""Such works at the same time; the threads are also those of others."""

_TOLD: dict[str, tuple[str, str]] = {
    "en": ("The conversation was about", "and"),
    "de": ("Es ging um", "und"),
    "fr": ("Il était question de", "et"),
    "es": ("Se habló de", "y"),
    "it": ("Si è parlato di", "e"),
    "pt": ("Falou-se de", "e"),
    "nl": ("Het ging over", "en"),
}
"""How topics are told, by language; in other languages they are only listed."""


class ExtractiveEngine:
    """See the module; safe to use from several tasks."""

    name = "extractive"
    capabilities = Capabilities(structured_output=True, is_model=False)

    def __init__(self) -> None:
        self._working = asyncio.Semaphore(AT_ONCE)

    async def register(self, user_id: str) -> None:
        """Nobody has to be known."""

    async def complete(self, prompt: Prompt) -> Completion:
        """Answer from `prompt.material`; uses no tokens.

        Raises:
            EngineUnavailable: too many long conversations at once.
        """
        material = prompt.material
        if isinstance(material, DigestMaterial):
            answer: msgspec.Struct = digest(material)
        elif sum(len(one.text) for one in material.messages) < IN_THREAD_CHARS:
            answer = summary(material)
        else:
            answer = await self._in_thread(material)
        return Completion(msgspec.json.encode(answer).decode(), 0)

    async def _in_thread(self, material: SummaryMaterial) -> ConversationSummary:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._working.acquire()
        except TimeoutError as late:
            raise EngineUnavailable("too many long conversations at once", reached_provider=False) from late
        try:
            return await asyncio.to_thread(summary, material)
        finally:
            self._working.release()


def summary(material: SummaryMaterial) -> ConversationSummary:
    """The summary of a conversation, or of what came after the previous one together with that."""
    previous = material.previous or EMPTY
    spoken = language_of(material.messages)
    said = sentences(newest(material.messages), spoken)
    if not said and not previous.overall_summary:
        return _wordless(material)
    earlier = _told_before(previous)
    without = function_words([one.words for one in said], spoken)
    subjects = _alternating(topics(said, without, TOPICS), previous.categories)[:TOPICS]
    lead = _lead(subjects[:TOPICS_TOLD], spoken)
    everything = [*earlier, *said]
    ranking = Ranking.of(everything, without, [EARLIER_BOOST] * len(earlier) + [1.0] * len(said))
    news = _best_of(ranking, len(earlier)) if earlier else []
    chosen = within(ranking, _budget(everything) - len(lead.split()), OVERSHOOT, news)
    promised = [line(said[place]) for place in promises(said, MAX_ACTION_ITEMS)]
    decided = [line(said[place]) for place in decisions(said, MAX_DECISIONS)]
    return ConversationSummary(
        overall_summary=" ".join(part for part in (lead, _told(chosen)) if part),
        categories=subjects,
        action_items=tidy_items([*previous.action_items, *promised])[-MAX_ACTION_ITEMS:],
        key_decisions=tidy_items([*previous.key_decisions, *decided])[-MAX_DECISIONS:],
        sentiment=_mood(said, previous),
        key_points=[line(one) for one in chosen],
    ).tidied()


def _wordless(material: SummaryMaterial) -> ConversationSummary:
    """Of messages without a single word: the first one as it is, be it a row of dots."""
    texts = (tidy(" ".join(one.text.split()), WORDLESS_CHARS) for one in material.messages)
    shown = next(filter(None, texts), "…")
    return ConversationSummary(
        overall_summary=shown, categories=[], action_items=[], key_decisions=[], sentiment="neutral"
    )


def _told_before(previous: ConversationSummary) -> list[Sentence]:
    """The points of the previous summary as sentences, by their speakers."""
    found = []
    for point in previous.points or ([previous.overall_summary] if previous.overall_summary else []):
        author, separator, text = point.partition(": ")
        if not separator:
            author, text = "", point
        said = words(text)
        if said:
            found.append(Sentence(text, author, -1, said, length(text, said)))
    return found


def _best_of(ranking: Ranking, start: int) -> list[int]:
    """The best sentence from a position on, if one is good enough: an update has to tell something new."""
    fit = (place for place in ranking.best() if place >= start and ranking.stands_alone(place))
    return list(islice(fit, 1))


def _alternating(fresh: Sequence[str], earlier: Sequence[str]) -> list[str]:
    mixed = []
    for place in range(max(len(fresh), len(earlier))):
        mixed += [*fresh[place : place + 1], *earlier[place : place + 1]]
    return tidy_items(mixed)


def _lead(subjects: Sequence[str], spoken: str | None) -> str:
    if spoken not in _TOLD or len(subjects) < 2:
        return ""
    opening, last = _TOLD[spoken]
    return f"{opening} {', '.join(subjects[:-1])} {last} {subjects[-1]}."


def _budget(said: Sequence[Sentence]) -> int:
    total = sum(one.length for one in said)
    return min(SUMMARY_WORDS, max(LEAST_WORDS, int(SHARE * total)))


def _told(chosen: Sequence[Sentence]) -> str:
    """Sentences one after the other, the name before the first of each speaker's."""
    parts = []
    speaker = ""
    for one in chosen:
        text = one.text if one.text[-1:] in ".!?…。！？।؟" else f"{one.text}."  # noqa: RUF001
        parts.append(f"{one.author}: {text}" if one.author and one.author != speaker else text)
        speaker = one.author
    return " ".join(parts)


def _mood(said: Sequence[Sentence], previous: ConversationSummary) -> Sentiment:
    now = mood(said)
    if previous.sentiment == "neutral" or now == previous.sentiment:
        return now
    return previous.sentiment if now == "neutral" else "mixed"


def digest(material: DigestMaterial) -> DigestAnswer:
    """The digest of several conversations: what each is about, those that wait for somebody first."""
    categories = grouped(material.entries, material.now)
    told = []
    by_id = {entry.conversation_id: entry for entry in material.entries}
    for conversation_id in categories.in_order():
        entry = by_id[conversation_id]
        points = entry.summary.points if entry.summary else []
        text = points[0] if points else entry.summary.overall_summary if entry.summary else entry.last_message
        if text := " ".join(text.split()):
            told.append(f"{entry.title}: {text}" if entry.title else text)
    return DigestAnswer(
        summary=tidy("\n".join(told[:DIGEST_CONVERSATIONS]), MAX_SUMMARY_CHARS),
        categories=categories,
        action_items=merged_action_items(material.entries, categories),
    )
