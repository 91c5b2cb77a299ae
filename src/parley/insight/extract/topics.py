"""What a conversation is about: the words and pairs of words that keep coming back."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from parley.insight.extract.sentences import Sentence
from parley.insight.extract.words import UNSPACED, carries_meaning, stem, word_set

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
    sunday send sent write wrote check checked draw read open close add meet update show showed true
    course beschlossen"""
)

_NOUN_LIKE = re.compile(r"(?<![\u4e00-\u9fff])[\u4e00-\u9fff]{2,5}(?![\u4e00-\u9fff])|[\u30a1-\u30ff]{2,12}")
Phrase = tuple[str, str]
"""Stems of a pair of words; of a single word the second is empty."""


def topics(found: Sequence[Sentence], without: frozenset[str], limit: int) -> list[str]:
    """At most so many topics, the most frequent first; pairs of words where these are usual."""
    counts: Counter[Phrase] = Counter()
    spread: dict[Phrase, tuple[int, int]] = {}
    for sentence in found:
        for phrase in _phrases(sentence, without):
            counts[phrase] += 1
            last, messages = spread.get(phrase, (-1, 0))
            if last != sentence.message:
                spread[phrase] = (sentence.message, messages + 1)
    least = MIN_SPREAD if len({sentence.message for sentence in found}) > FEW else 1
    scores = {
        phrase: count * (PAIR_BONUS if phrase[1] else 1.0)
        for phrase, count in counts.items()
        if (count >= MIN_PAIRS or not phrase[1]) and spread[phrase][1] >= least
    }
    chosen: list[Phrase] = []
    used = {""}
    for phrase in sorted(scores, key=lambda one: (-scores[one], one)):
        if used.isdisjoint(filter(None, phrase)):
            used.update(phrase)
            chosen.append(phrase)
        if len(chosen) == limit:
            break
    return _written(found, without, chosen)


def _runs(sentence: Sentence, without: frozenset[str]) -> Iterator[list[str]]:
    """Rows of words that carry meaning, as long as they are."""
    run: list[str] = []
    for word in _subjects(sentence):
        if carries_meaning(word, without) and word not in _VAGUE and "'" not in word:
            run.append(word)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _subjects(sentence: Sentence) -> Iterator[str]:
    """Words; of scripts without spaces the short runs of Han and of Katakana, which often are nouns."""
    if UNSPACED.search(sentence.text) is None:
        yield from sentence.words
        return
    for found in _NOUN_LIKE.finditer(sentence.text):
        yield from (found.group(), "")


def _phrases(sentence: Sentence, without: frozenset[str]) -> Iterator[Phrase]:
    for run in _runs(sentence, without):
        stems = [stem(word) for word in run]
        for one in stems:
            yield one, ""
        for pair in pairwise(stems):
            if pair[0] != pair[1]:
                yield pair


def _written(found: Sequence[Sentence], without: frozenset[str], chosen: Sequence[Phrase]) -> list[str]:
    """The most usual way in which each phrase is written."""
    ways: dict[Phrase, Counter[str]] = {phrase: Counter() for phrase in chosen}
    wanted = {one for phrase in chosen for one in phrase}
    for sentence in found:
        for run in _runs(sentence, without):
            for word, following in zip(run, [*run[1:], ""], strict=True):
                if (one := stem(word)) not in wanted:
                    continue
                for phrase, text in (((one, ""), word), ((one, stem(following)), f"{word} {following}")):
                    if phrase in ways:
                        ways[phrase][text.strip()] += 1
    usual = [min(told, key=lambda text: (-told[text], text)) for told in ways.values()]
    return _in_capitals(found, usual)


def _in_capitals(found: Sequence[Sentence], phrases: Sequence[str]) -> list[str]:
    """Phrases with the capitals that they have within sentences: `San Diego`, `Fahrplan`."""
    anywhere = "|".join(map(re.escape, sorted(phrases, key=len, reverse=True)))
    pattern = re.compile(rf"(?<!\w)(?:{anywhere})(?!\w)", re.IGNORECASE)
    forms: dict[str, Counter[str]] = {phrase: Counter({phrase: 0}) for phrase in phrases}
    for sentence in found:
        for one in pattern.finditer(sentence.text, 1):  # the first word has a capital anyhow
            if one.group().casefold() in forms:
                forms[one.group().casefold()][one.group()] += 1
    return [min(told, key=lambda text: (-told[text], text)) for told in forms.values()]
