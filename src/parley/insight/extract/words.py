"""Words: which there are in a text, which of them carry meaning, and in which language they are.

Languages with known function words: English, German, French, Spanish, Italian, Portuguese, Dutch. In others,
words that occur in a large part of all sentences are taken for function words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

CURLY = "\u2019"
"""The typographic apostrophe."""
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]+")
"""Scripts written without spaces: Thai, Lao, Burmese, Khmer, Japanese, Chinese."""
MAX_WORD_CHARS = 40
"""Longer ones are keys, hashes and other noise."""
_SUFFIXES = ("ations", "ation", "ings", "ing", "edly", "ed", "es", "s", "ly")
MIN_STEM = 4


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


FUNCTION_WORDS: dict[str, frozenset[str]] = {
    "en": word_set(
        """a about above after again all almost already also although always am an and another any anyone
    anything are aren't around as at away back be because been before being below between both but by
    came can can't cannot come could couldn't did didn't do does doesn't doing don't done down during
    each either else enough even ever every everyone everything few for from further get gets getting
    give go goes going gone gonna got had hadn't has hasn't have haven't having he he'd he'll he's hello
    her here hers hey hi him his how i i'd i'll i'm i've if in into is isn't it it'll it's its itself
    just keep kind know last least less let let's like lot made make makes making many may maybe me mean
    means might mine more most much must my myself need needs never next no none nor not nothing now of
    off oh ok okay on once one ones only or other others ought our ours out over own part per perhaps
    please probably put quite rather really right said same say saying says see seem seems seen shall
    she should shouldn't since so some somebody someone something sometimes soon sort still such sure
    take taken takes tell than thank thanks that that'll that's the their theirs them themselves then
    there there's these they they'd they'll they're they've thing things think this those though thought
    three through til till to together too tried try trying two under until up upon us use used using
    usually very wanna want wants was wasn't way we we'd we'll we're we've well went were weren't what
    what's whatever when where whether which while who who's whole whom whose why will with within
    without won't would wouldn't yeah yep yes yet you you'd you'll you're you've your yours alright
    basically actually anyway bit stuff guess hope look looking maybe might people pretty talk talking"""
    ),
    "de": word_set(
        """aber alle als also am an auch auf aus bei bin bis bist da damit dann das dass dein dem den denn der
    des die dies diese dieser doch dort du durch ein eine einem einen einer eines er es etwas euch für
    gegen habe haben hast hat hatte ich ihm ihn ihr ihre im in ist ja jede jetzt kann kein keine können
    machen man mein mich mir mit muss müssen nach nicht nichts noch nun nur ob oder ohne schon sehr sein
    seine sich sie sind so soll sollen sollte über um und uns unser unter vom von vor war waren warum
    was weil wenn wer werden wie wieder will wir wird wo wurde zu zum zur"""
    ),
    "fr": word_set(
        """a ai au aussi aux avec avez avoir avons bien c'est ce ces cela cette comme d'un d'une dans de des
    donc du elle elles en est et été être fait faire il ils j'ai je la le les leur lui ma mais me même
    mes moi mon ne nos notre nous on ont ou où par pas peut plus pour qu'il quand que qui sa sans se ses
    si son sont sur ta te tes toi ton tous tout tu un une va vais vos votre vous y à ça"""
    ),
    "es": word_set(
        """a al algo aquí así aunque bien cada como con cual cuando de del desde donde dos el ella ellos en
    entre era es esa ese eso esta estaba estamos estar este esto está están fue ha hace hacer han hasta
    hay he la las le les lo los me mi mis muy más nada ni no nos nosotros o para pero por porque puede
    que quien qué se ser si sin sobre son su sus sí también tan te tenemos tener tengo tiene todo todos
    tu un una uno usted va vamos voy y ya yo él"""
    ),
    "it": word_set(
        """a abbiamo ad ai al alla alle anche che chi ci come con cosa da dal dalla degli dei del della delle
    di dove e ed essere fare gli ha hai hanno ho i il in io la le lei lo loro lui ma mi mio ne nel nella
    noi non o per perché più quando quella quello questa questo qui se sei si sia siamo sono su sua sul
    suo ti tu tutti tutto un una uno va vi voi è"""
    ),
    "pt": word_set(
        """a ao aos as até com como da das de dela dele do dos e ela ele eles em entre era essa esse esta
    estamos estar este está eu foi fazer há isso isto já lhe mais mas me mesmo meu minha muito na nas
    nem no nos nós não o os ou para pela pelo por porque pra quando que quem se sem ser seu sua são só
    também tem temos tenho ter um uma vai vamos você vocês vou à é"""
    ),
    "nl": word_set(
        """aan al alle als ben bij daar dan dat de deze die dit doen door een en er ga gaan geen had heb
        hebben heeft het hier hij hoe ik in is ja je jij jullie kan kunnen maar me meer met mij mijn
        moet moeten na naar niet niets nog nu of om omdat onder ons ook op over te toch tot u uit van
        veel voor waar wanneer was wat we wel welke werd wie wij wil worden wordt ze zei zich zij zijn
        zo zou"""
    ),
}
ENOUGH_SHARE = 0.2
"""Of the words have to be function words of a language for the text to be taken for it."""
COMMON_SHARE = 0.2
"""Words in more of the sentences than this are function words, in a language that is not known."""


def words(text: str) -> list[str]:
    """In lower case; scripts without spaces in pairs of characters."""
    found = _WORD.findall(text.casefold().replace(CURLY, "'"))
    if text.isascii():
        return [word for word in found if len(word) <= MAX_WORD_CHARS]
    return [part for word in found for part in _parts(word)]


def _parts(word: str) -> list[str]:
    if UNSPACED.search(word) is None:
        return [word] if len(word) <= MAX_WORD_CHARS else []
    if len(word) <= 2:
        return [word]
    return [word[place : place + 2] for place in range(len(word) - 1)]


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """What the forms of a word have in common, roughly: `meetings`, `meeting` and `meet`."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= MIN_STEM:
            return word[: -len(suffix)]
    return word


def language(counted: Counter[str]) -> str | None:
    """The known language with most function words among these; None when there are few of all."""
    total = sum(counted.values())
    hits = {
        name: sum(counted[word] for word in function_words) for name, function_words in FUNCTION_WORDS.items()
    }
    best = max(hits, key=lambda name: hits[name])
    return best if hits[best] and hits[best] >= ENOUGH_SHARE * total else None


def function_words(sentences: Sequence[Iterable[str]], spoken: str | None) -> frozenset[str]:
    """Words that carry no topic, for sentences in that language."""
    if spoken is not None:
        return FUNCTION_WORDS[spoken]
    if len(sentences) < 10:  # in few sentences frequency says nothing
        return frozenset()
    spread = Counter(word for sentence in sentences for word in set(sentence))
    return frozenset(word for word, count in spread.items() if count > COMMON_SHARE * len(sentences))


def carries_meaning(word: str, without: frozenset[str]) -> bool:
    """Whether a word can be part of a topic."""
    return word not in without and not word.isdigit() and (len(word) > 2 or not word.isascii())
