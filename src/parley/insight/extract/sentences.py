"""Messages in sentences, without the noise of speech, whatever the script."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from parley.base.text import clean_line
from parley.insight.extract.speech import without_fillers
from parley.insight.extract.words import language, words
from parley.insight.model import Message

MAX_MESSAGES = 20_000
MAX_CHARS = 2_000_000
"""The newest of more; keeps any conversation within seconds."""
MAX_MESSAGE_CHARS = 8_000
MAX_NAME_CHARS = 100
MAX_SENTENCE_WORDS = 60
"""Longer ones (speech without punctuation) are cut where a pause is likely."""
_BREAK_AFTER = 30
MAX_SENTENCE_CHARS = 600
"""Longer ones are cut anywhere: scripts without spaces have no words to count."""

_BLANKS = re.compile(r"[^\S\n]+")
"""Made one first: `_END` looks at a row of them from each of its places."""
_END = re.compile(
    r"(?<=[.!?…])[\"'”’»)\]]*\s+(?=[^\s])|(?<=[。！？｡।॥؟۔።])[」』）”’]*\s*(?=[^\s])|\s*\n+\s*"  # noqa: RUF001
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[^\W\d_]|mr|mrs|ms|dr|prof|st|vs|etc|approx|no|nr|ca|bzw|usw|sr|sra|z\.b|e\.g|i\.e)\.$",
    re.IGNORECASE,
)
_SPACED_MARK = re.compile(r"\s+([.,!?;:…])(?=\s|$)")
"""Transcripts write "word ." for "word."."""
_NOISE = re.compile(
    r"\[(?:inaudible|crosstalk|laughter|laughs|music|noise|silence)[^\]]{0,40}\]", re.IGNORECASE
)
_QUESTION = ("?", "？", "؟")  # noqa: RUF001
SAMPLE, SAMPLE_CHARS = 300, 300
"""So many messages at each end, and so much of each, tell the language."""


class Sentence(NamedTuple):
    """A piece of a message; its words stand in the message in the same order."""

    text: str
    author: str
    message: int
    """Position of its message among all."""
    words: list[str]
    length: int
    """In words as a reader counts them."""

    @property
    def is_question(self) -> bool:
        """Whether it ends as one."""
        return self.text.endswith(_QUESTION)


def newest(messages: Sequence[Message]) -> Sequence[Message]:
    """The newest messages within the bounds of this module."""
    left = MAX_CHARS
    start = len(messages)
    while start > max(0, len(messages) - MAX_MESSAGES) and left > 0:
        start -= 1
        left -= min(len(messages[start].text), MAX_MESSAGE_CHARS)
    return messages[start:]


def language_of(messages: Sequence[Message]) -> str | None:
    """The known language of a conversation."""
    sample = messages if len(messages) <= 2 * SAMPLE else (*messages[:SAMPLE], *messages[-SAMPLE:])
    return language(Counter(word for one in sample for word in words(one.text[:SAMPLE_CHARS])))


def sentences(messages: Iterable[Message], spoken: str | None) -> list[Sentence]:
    """All sentences that have words, in order, of a conversation in that language."""
    found = []
    names: dict[str, str] = {}
    for place, message in enumerate(messages):
        if message.author not in names:
            names[message.author] = clean_line(message.author, limit=MAX_NAME_CHARS)
        for text in split(message.text, spoken):
            said = words(text)
            if said:
                found.append(Sentence(text, names[message.author], place, said, length(text, said)))
    return found


def split(text: str, spoken: str | None) -> Iterator[str]:
    """The sentences of a text, without fillers (`um`) and openings (`okay, so`)."""
    text = _NOISE.sub("", _BLANKS.sub(" ", text[:MAX_MESSAGE_CHARS]))
    for line in _pieces(text):
        piece = shortened(" ".join(line.split()), spoken)
        if piece:
            yield from _cut(piece)


def _pieces(text: str) -> Iterator[str]:
    start = 0
    for end in _END.finditer(text):
        if "\n" not in end.group() and not _is_end(text, start, end):
            continue
        yield text[start : end.start()]
        start = end.end()
    yield text[start:]


def _is_end(text: str, start: int, end: re.Match[str]) -> bool:
    before = text[max(start, end.start() - 12) : end.start()]
    if not before.endswith("."):
        return True
    following = text[end.end() : end.end() + 1]
    spaced = before.endswith(" .")  # a transcript: "U. S. ." and abbreviations are not written so
    return spaced or not (following.islower() or _ABBREVIATION.search(before))


def shortened(line: str, spoken: str | None) -> str:
    """Without what only fills pauses; the rest stays as it was said."""
    text = _SPACED_MARK.sub(r"\1", line) if " ." in line or " ," in line or " ?" in line else line
    text = without_fillers(text, spoken).strip(" ,;:-•*>")
    return text[:1].upper() + text[1:]


def _cut(text: str) -> Iterator[str]:
    parts = text.split(" ")
    while len(parts) > MAX_SENTENCE_WORDS:
        pause = next(
            (at for at in range(_BREAK_AFTER, MAX_SENTENCE_WORDS) if parts[at - 1].endswith((",", ";", ":"))),
            _BREAK_AFTER,
        )
        yield from _chunks(" ".join(parts[:pause]).rstrip(",;:"))
        parts = parts[pause:]
    yield from _chunks(" ".join(parts))


def _chunks(text: str) -> Iterator[str]:
    for start in range(0, len(text), MAX_SENTENCE_CHARS):
        yield text[start : start + MAX_SENTENCE_CHARS]


def length(text: str, said: list[str]) -> int:
    """In words; scripts without spaces count two characters as one."""
    spaced = text.count(" ") + 1
    return spaced if spaced * 4 >= len(said) else max(spaced, len(said) // 2)
