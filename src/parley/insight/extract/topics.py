"""What a conversation is about: the words and pairs of words that keep coming back."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

from parley.insight.extract.sentences import Sentence
from parley.insight.extract.words import carries_meaning, stem, word_set

PAIR_BONUS = 2.5
"""A pair of words says more than a word: `voice recognition`."""
MIN_PAIRS = 2
MIN_SPREAD = 2
"""A topic is mentioned in so many messages, in a conversation of more than `FEW` of them."""
FEW = 6
_VAGUE = word_set(
    """able bad big different difficult easy fine good great idea important interesting little long new
    nice old possible problem question small sorry cool lovely guys guy folks everybody today tomorrow
    yesterday time times day days week weeks point points lot lots start started end work works working
    worked feel find found happen happened change ask asked told call called agree agreed decide decided
    first second third next last twenty thirty forty fifty hundred thousand million four five six seven
    eight nine ten half example sense case kinds sorts number word words sounds sound fact morning
    afternoon evening meeting people person team group monday tuesday wednesday thursday friday saturday
    sunday"""
)


def topics(found: Sequence[Sentence], without: frozenset[str], limit: int) -> list[str]:
    """At most so many topics, the most frequent first; pairs of words where these are usual."""
    counts: Counter[tuple[str, ...]] = Counter()
    places: defaultdict[tuple[str, ...], set[int]] = defaultdict(set)
    written: defaultdict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for sentence in found:
        run: list[str] = []
        for word in [*sentence.words, ""]:
            if word and carries_meaning(word, without) and word not in _VAGUE and "'" not in word:
                run.append(word)
                continue
            for key, text in _phrases(run):
                counts[key] += 1
                places[key].add(sentence.message)
                written[key][text] += 1
            run = []
    messages = len({sentence.message for sentence in found})
    scores = {
        key: count * (PAIR_BONUS if len(key) > 1 else 1.0)
        for key, count in counts.items()
        if (len(key) == 1 or count >= MIN_PAIRS) and (messages <= FEW or len(places[key]) >= MIN_SPREAD)
    }
    chosen: list[str] = []
    used: set[str] = set()
    for key in sorted(scores, key=lambda one: (-scores[one], one)):
        if used.isdisjoint(key):
            used.update(key)
            chosen.append(min(written[key], key=lambda text: (-written[key][text], text)))
        if len(chosen) == limit:
            break
    return chosen


def _phrases(run: Sequence[str]) -> list[tuple[tuple[str, ...], str]]:
    told = [(stem(word), word) for word in run]
    single = [((one,), word) for one, word in told]
    pairs = [
        ((one, other), f"{word} {following}")
        for (one, word), (other, following) in pairwise(told)
        if one != other
    ]
    return [*single, *pairs]
