"""The mood of a conversation, by a small list of words: a hint, not a measurement."""

from __future__ import annotations

import re
from collections.abc import Sequence

from parley.insight.extract.sentences import Sentence
from parley.insight.extract.words import word_set
from parley.insight.model import Sentiment

LEAST_SHARE = 0.04
"""Of the sentences that have to sound like something; below, the mood is neutral."""
CLEAR_SHARE = 0.7
"""Of those that sound like something have to sound alike for a mood that is not mixed."""
NEGATION_REACH = 3
"""Words before a word that can turn it round: "not really happy"."""

_GOOD = word_set(
    """amazing awesome beautiful brilliant celebrate congratulations congrats delighted easier enjoy
    enjoyed excellent excited exciting fantastic glad good gorgeous grateful great happy helpful
    impressed impressive improved improvement love loved lovely nice perfect perfectly pleased pleasure
    proud satisfied smooth smoothly solved stable success successful successfully super thank thanks
    useful win wins won wonderful works gut klasse prima danke freue freut toll wunderbar bien merci
    parfait super génial content bravo bueno gracias excelente genial perfecto feliz bene grazie ottimo
    perfetto obrigado ótimo goed bedankt mooi"""
)
_BAD = word_set(
    """afraid angry annoyed annoying awful bad badly blocked blocker blocking broke broken bug bugs
    complain complained complaint complaints concern concerned concerns confused confusing crash crashed
    crashes crashing critical damage damaged delay delayed delays difficult disappointed disappointing
    disaster error errors fail failed failing fails failure failures fault frustrated frustrating hate
    horrible impossible incident issue issues late lose losing loss lost mess miss missed mistake
    mistakes nightmare outage overdue problem problems refund risk risky sad slow stuck terrible ugly
    unacceptable unfortunately unhappy unstable unusable upset urgent useless worried worry worse worst
    wrong schlecht fehler kaputt leider problem ärger mauvais erreur problème retard malheureusement
    malo error problema fallo retraso male errore ruim erro slecht fout"""
)
_NOT = word_set(
    """not no never isn't wasn't aren't don't doesn't didn't can't won't without nicht kein keine pas
    jamais nunca non niet geen"""
)
_GOOD_SIGNS = re.compile("[😀😃😄😁😊🙂😍🥳🎉👍❤💪🙌✅]|:-?\\)")
_BAD_SIGNS = re.compile("[😞😢😭😠😡🤬👎💔😟😩❌]|:-?\\(")


def mood(found: Sequence[Sentence]) -> Sentiment:
    """The mood of sentences; neutral when hardly any sounds like something."""
    good = bad = 0
    for sentence in found:
        balance = _balance(sentence)
        good += balance > 0
        bad += balance < 0
    told = good + bad
    if not told or told < LEAST_SHARE * len(found):
        return "neutral"
    if good >= CLEAR_SHARE * told:
        return "positive"
    return "negative" if bad >= CLEAR_SHARE * told else "mixed"


def _balance(sentence: Sentence) -> int:
    balance = 0
    for place, word in enumerate(sentence.words):
        value = (word in _GOOD) - (word in _BAD)
        if value:
            before = sentence.words[max(0, place - NEGATION_REACH) : place]
            balance += -value if not _NOT.isdisjoint(before) else value
    if not sentence.text.isascii() or ":" in sentence.text:
        balance += len(_GOOD_SIGNS.findall(sentence.text)) - len(_BAD_SIGNS.findall(sentence.text))
    return balance
