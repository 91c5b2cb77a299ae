"""Many messages in a few of their sentences."""

from __future__ import annotations

from collections.abc import Sequence

from parley.insight.extract.rank import Ranking
from parley.insight.extract.sentences import Sentence, language_of, newest, sentences
from parley.insight.extract.words import function_words
from parley.insight.model import Message


def condensed(messages: Sequence[Message], limit: int) -> list[str]:
    """The sentences that say most, in order, each with its speaker: about `limit` words."""
    spoken = language_of(messages)
    said = sentences(newest(messages), spoken)
    ranking = Ranking.of(said, function_words([one.words for one in said], spoken))
    return [line(one) for one in within(ranking, limit)]


def within(ranking: Ranking, limit: int, overshoot: int = 0, must: Sequence[int] = ()) -> list[Sentence]:
    """The best sentences that fit, in the order in which they were said; at least one if there is any.

    Args:
        ranking: of all of them.
        limit: words, those of the speakers' names included.
        overshoot: words by which the limit may be passed, rather than leaving half of it unused.
        must: positions of sentences that are taken in any case.
    """
    chosen = list(must)
    used = sum(_cost(ranking.sentences[place]) for place in chosen)
    for place in ranking.best():
        cost = _cost(ranking.sentences[place])
        if place in must or (chosen and used + cost > limit + overshoot):
            continue
        chosen.append(place)
        used += cost
        if used >= limit - overshoot / 2:
            break
    return [ranking.sentences[place] for place in sorted(chosen)]


def _cost(sentence: Sentence) -> int:
    return sentence.length + sentence.author.count(" ") + 1


def line(sentence: Sentence) -> str:
    """A sentence behind the name of who said it."""
    return f"{sentence.author}: {sentence.text}" if sentence.author else sentence.text
