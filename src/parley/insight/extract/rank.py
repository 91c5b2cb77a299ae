"""Which sentences say most about all of them.

Each word weighs by how often it occurs. A sentence is worth the weight of its words that are not said yet,
related to its length, less when it is talk about the talking ("I", "you", "yeah"), more near the beginning.
The best one is taken, its words lose weight, and so on: greedy maximisation of a submodular coverage function
(Lin and Bilmes 2011), which gives a summary little repetition and no need of a similarity matrix.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from parley.insight.extract.sentences import Sentence
from parley.insight.extract.words import carries_meaning, stem, word_set

WEIGHT_POWER = 2.0
SAID_ONCE = 0.3
"""Of the weight of words that occur once in everything: names count little, slips of the tongue less."""
LENGTH_POWER = 0.5
REPEATED = 0.4
"""What a word keeps of its weight each time it has been said."""
OPENING_SHARE = 0.1
OPENING_BONUS = 0.5
"""Sentences in the first tenth, where people say what it is about, count so much more at most."""
TALK_PENALTY = 1.2
LEAST_TALK_FACTOR = 0.05
SHORTEST, LONGEST = 8, 35
"""Words of a sentence that can stand for itself; others are taken when there are no more such."""
MIN_MEANING = 3
"""Different meaningful words of such a sentence."""
_TALK = word_set(
    """i me my mine you your yours i'm i'll i've i'd you're you'll you've you'd he him she her gonna wanna
    gotta don't didn't it's that's there's yeah okay ok oh well just really like know mean think guess
    maybe ich mir mich du dir dich je j'ai moi tu toi yo me mí tú io mi eu ik"""
)


@dataclass(frozen=True, slots=True)
class Ranking:
    """Sentences with what their choice depends on."""

    sentences: Sequence[Sentence]
    stems: Sequence[frozenset[str]]
    """Meaningful stems of each sentence."""
    weights: Mapping[str, float]
    worth: Sequence[float]
    """What each sentence is multiplied with for its form and place."""

    @classmethod
    def of(cls, found: Sequence[Sentence], without: frozenset[str], boost: Sequence[float] = ()) -> Ranking:
        """Rank sentences.

        Args:
            found: all of them, in order.
            without: words without meaning in their language.
            boost: what each sentence is worth besides, as a factor; none by default.
        """
        meaning = [[stem(word) for word in one.words if carries_meaning(word, without)] for one in found]
        counted = Counter(word for one in meaning for word in one)
        weights = {
            word: math.log1p(count) ** WEIGHT_POWER * (1.0 if count > 1 else SAID_ONCE)
            for word, count in counted.items()
        }
        worth = [_worth(one, place, len(found)) for place, one in enumerate(found)]
        if boost:
            worth = [one * factor for one, factor in zip(worth, boost, strict=True)]
        return cls(found, [frozenset(one) for one in meaning], weights, worth)

    def best(self) -> Iterator[int]:
        """Positions of sentences, each the best one after those before it.

        First come all that stand alone, then the others that carry any meaning; all when none does.
        """
        said: Counter[str] = Counter()
        everyone = range(len(self.sentences))
        able = [place for place in everyone if self.stands_alone(place)]
        yield from self._greedy(able, said)
        others = [place for place in everyone if self.stems[place] and not self.stands_alone(place)]
        yield from self._greedy(others if able or others else everyone, said)

    def _greedy(self, places: Iterable[int], said: Counter[str]) -> Iterator[int]:
        queue = [(-self._gain(place, said), place, 0) for place in places]
        heapq.heapify(queue)
        taken = 0
        while queue:
            gain, place, seen = heapq.heappop(queue)
            if seen != taken:  # lazily: gains only sink, so most need not be counted again
                heapq.heappush(queue, (-self._gain(place, said), place, taken))
                continue
            if gain >= 0:
                return
            taken += 1
            said.update(self.stems[place])
            yield place

    def stands_alone(self, place: int) -> bool:
        """Whether that sentence can be understood without those around it, as far as its form tells."""
        one = self.sentences[place]
        fits = SHORTEST <= one.length <= LONGEST and len(self.stems[place]) >= MIN_MEANING
        return fits and not one.is_question

    def _gain(self, place: int, said: Mapping[str, int]) -> float:
        weight = sum(self.weights[word] * REPEATED ** said.get(word, 0) for word in self.stems[place])
        return max(weight, 1e-9) * self.worth[place] / math.pow(self.sentences[place].length, LENGTH_POWER)


def _worth(sentence: Sentence, place: int, total: int) -> float:
    talk = sum(word in _TALK for word in sentence.words) / len(sentence.words)
    early = max(0.0, 1 - place / (OPENING_SHARE * total))
    return (1 + OPENING_BONUS * early) * max(LEAST_TALK_FACTOR, 1 - TALK_PENALTY * talk)
