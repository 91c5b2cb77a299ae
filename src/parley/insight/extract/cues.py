"""Promises and decisions, known by the words people use for them.

A list of cues is coarse: it finds what is said plainly ("I'll send the figures by Friday", "we agreed on two
buttons") and misses what is only meant. Cues exist for English, and the plainest ones for German, French and
Spanish.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from parley.insight.extract.sentences import Sentence
from parley.insight.extract.words import CURLY, word_set

ENOUGH = 3.0
"""Score from which a sentence is a promise."""
LONGEST = 45
"""Words; in longer ones the cue is one of many things said."""
SHORTEST = 3


def _cue(*patterns: str) -> re.Pattern[str]:
    return re.compile(r"(?<!\w)(?:" + "|".join(patterns) + r")(?!\w)", re.IGNORECASE)


_TASKS = """
    add, address, announce, arrange, ask, assign, book, bring, build, buy, call, cancel, change, check,
    clean up, close, collect, come up with, contact, coordinate, create, define, deliver, deploy,
    design, discuss, document, draft, email, e-mail, escalate, evaluate, explain, file, finali[sz]e,
    find out, finish, fix, follow up, get back, hand over, implement, improve, include, inform, install,
    interview, investigate, invite, look at, look into, measure, merge, migrate, monitor, move, notify,
    open, order, organi[sz]e, pay, phone, pick up, plan, post, prepare, present, print, publish, put
    together, read, rebuild, record, release, remind, remove, renew, repair, replace, reply, report,
    request, research, restart, return, review, rewrite, roll back, roll out, schedule, send, set up,
    share, ship, sign, sort out, speak to, speak with, start, submit, summari[sz]e, switch, talk to,
    talk with, tell, test, train, try, update, upgrade, upload, verify, visit, work on, write
"""
_VERBS = "|".join(" ".join(verb.split()) for verb in _TASKS.split(","))
_PLAIN = _cue(
    r"action items?", r"todo\s*:", r"task\s*:", r"next steps?\s+(?:is|are|:)", r"aufgabe\s*:",
    r"à faire\s*:", r"por hacer\s*:",
)  # fmt: skip
_PROMISE = _cue(
    r"(?:i|we|you|he|she|they)(?:'ll| will| shall)", r"[^\W\d_]+ will",
    r"(?:am|are|is|i'm|we're|you're) going to", r"gonna", r"ich werde", r"wir werden", r"je vais",
    r"nous allons", r"voy a", r"vamos a",
)  # fmt: skip
_DUTY = _cue(
    r"needs? to", r"ha(?:ve|s) to", r"got to", r"gotta", r"must", r"supposed to", r"muss",
    r"müssen", r"müsst", r"(?:il )?faut", r"doit", r"devons", r"hay que", r"tenemos que", r"tengo que",
    r"debe", r"debemos",
)  # fmt: skip
_REQUEST = _cue(
    r"please", r"(?:can|could|would|will) you", r"make sure", r"don't forget", r"remember to", r"bitte",
    r"s'il (?:te|vous) plaît", r"por favor", r"kannst du", r"könntest du", r"peux-tu", r"pouvez-vous",
    r"puedes",
)  # fmt: skip
_PROPOSAL = _cue(r"let's", r"let us", r"should", r"lass uns", r"sollten", r"devrions", r"deberíamos")
_TASK = re.compile(
    r"(?:'ll|will|shall|to|must|should|gonna|gotta|please|you|us|let's|and)\s+(?:(?:also|then|just|first|quickly|all)\s+)?"
    rf"(?:be\s+)?(?:{_VERBS})(?:ing)?(?!\w)",
    re.IGNORECASE,
)
_DEADLINE = _cue(
    r"(?:by|before|until|on|next|this|due)\s+(?:(?:next|this|the end of|end of)\s+)*"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day",
    r"(?:by|before|until)\s+(?:tomorrow|tonight|noon|midnight|then|next week|the end of|end of|\d)",
    r"tomorrow|tonight|today|this (?:week|afternoon|evening|morning)|next (?:week|month|sprint)|asap",
    r"(?:january|february|march|april|june|july|august|september|october|november|december) \d{1,2}",
    r"\d{4}-\d{2}-\d{2}", r"eod", r"eow",
    r"bis (?:morgen|heute|montag|dienstag|mittwoch|donnerstag|freitag)",
    r"(?:avant|d'ici) (?:demain|lundi|mardi|mercredi|jeudi|vendredi)", r"demain", r"mañana",
    r"(?:para|antes) (?:del?|el) (?:lunes|martes|miércoles|jueves|viernes)",
)  # fmt: skip
_NOT_DONE = _cue(
    r"(?:do|does|did|will|would|should|need)(?: not|n't) (?:need|have)", r"no need to", r"would have",
    r"should have", r"could have", r"i will say", r"i'll say", r"we'll see", r"i will admit", r"used to",
)  # fmt: skip
_ACTING = word_set(
    """action actions todo task tasks aufgabe à por next will shall going gonna werde werden vais allons
    voy vamos need needs have has got gotta must supposed muss müssen müsst faut doit devons hay tenemos
    tengo debe debemos please can could would make don't remember bitte s'il kannst könntest peux pouvez
    puedes let's let lass should sollten devrions deberíamos"""
)
_DECIDING = word_set(
    """decided agreed agree settled chose approved rejected voted decision go ahead stick settle drop keep
    going sticking conclusion beschlossen entschieden geeinigt décidé decidido decidimos acordamos decidió"""
)
"""A sentence without any of these needs no closer look; most have none."""
_WEIGHTS = ((_PLAIN, 4.0), (_REQUEST, 1.5), (_PROMISE, 1.5), (_DUTY, 1.5), (_PROPOSAL, 1.0), (_TASK, 1.5))

_DECISION = _cue(
    r"(?:we|they|everybody|everyone|team|group|board)(?:'ve| have| has)?(?: all| both| now| finally| just)?"
    r" (?:decided|agreed?|settled|chose|approved)",
    r"(?:it is|it's|it was|that's|has been|have been|was|been) (?:decided|agreed|settled|approved|rejected)",
    r"(?:decided|agreed|settled|voted) (?:to|that|on|for|against|upon)", r"decision\s*(?:is|was|:)",
    r"decided\s*:",
    r"(?:we'll|we will|let's|let us|we're going to|we are going to) "
    r"(?:go (?:with|for|ahead)|stick (?:with|to)|settle|drop|keep)",
    r"(?:we're|we are) (?:going|sticking) with", r"agreed\s*[.:!]", r"conclusion (?:is|was)", r"approved",
    r"beschlossen", r"entschieden", r"haben uns (?:auf .{1,40} )?geeinigt",
    r"(?:on a|nous avons|avons) décidé", r"hemos decidido", r"decidimos", r"acordamos", r"se decidió",
)  # fmt: skip
_UNDECIDED = _cue(
    r"(?:not|n't|never|nothing|no)(?: \w+){0,2} (?:decided|agreed?|settled|approved|decision)",
    r"if we (?:decided?|agreed?)",
    r"(?:to|before|until|when|once|whether|if)(?: we| they)? (?:decide|agree)d?", r"noch nicht",
    r"pas encore", r"todavía no",
)  # fmt: skip


def promises(found: Sequence[Sentence], limit: int) -> list[int]:
    """Positions of at most so many sentences that somebody should act on, in order."""
    scored = [(score, place) for place, one in enumerate(found) if (score := _promise(one)) >= ENOUGH]
    return _best(found, scored, limit)


def decisions(found: Sequence[Sentence], limit: int) -> list[int]:
    """Positions of at most so many sentences that tell a decision, in order."""
    scored = [(1.0, place) for place, one in enumerate(found) if _is_decision(one)]
    return _best(found, scored, limit)


def _best(found: Sequence[Sentence], scored: list[tuple[float, int]], limit: int) -> list[int]:
    """The best ones, later ones first among equals: they supersede what was said before."""
    chosen: dict[str, int] = {}
    for _, place in sorted(scored, key=lambda one: (-one[0], -one[1])):
        chosen.setdefault(" ".join(found[place].words), place)
        if len(chosen) == limit:
            break
    return sorted(chosen.values())


def _acts(said: Sequence[str]) -> bool:
    return not _ACTING.isdisjoint(said) or any(word.endswith(("'ll", "'m", "'re")) for word in said)


def _promise(sentence: Sentence) -> float:
    if not SHORTEST <= sentence.length <= LONGEST or not _acts(sentence.words):
        return 0.0
    text = sentence.text.replace(CURLY, "'")
    score = sum(weight for cue, weight in _WEIGHTS if cue.search(text))
    if not score or _NOT_DONE.search(text):
        return 0.0
    if sentence.is_question and not _REQUEST.search(text):
        return 0.0
    return score + (1.5 if _DEADLINE.search(text) else 0.0)


def _is_decision(sentence: Sentence) -> bool:
    if _DECIDING.isdisjoint(sentence.words) or sentence.is_question:
        return False
    if not SHORTEST <= sentence.length <= LONGEST:
        return False
    text = sentence.text.replace(CURLY, "'")
    return _DECISION.search(text) is not None and _UNDECIDED.search(text) is None
