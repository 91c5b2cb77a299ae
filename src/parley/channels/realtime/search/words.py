"""Which words a message has, and which ones a query asks for."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

import msgspec

from parley.base.ids import AppId

TEXT_MEMBERS = ("text", "message", "content")
WORD_LIMIT = 64
"""Characters of a word that count."""
_WITHOUT_SPACES = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Kana and ideographs: writing without spaces, so every character is a word."""
_WORD = re.compile(rf"[{_WITHOUT_SPACES}]|[^\W_{_WITHOUT_SPACES}]+")
_APP, _CHANNEL = "\ue000", "\ue001"
"""Of private use, so no word: what is marked with them cannot be written in a message."""


def words_of(data: bytes) -> set[str]:
    """The words of a message's data: of its text, or of every text in it when it has no such member."""
    found: set[str] = set()
    for text in _texts(msgspec.json.decode(data)):
        found |= words_in(text)
    return found


def words_in(text: str) -> set[str]:
    """The words of a text, without regard to case and to forms of the same character."""
    normal = unicodedata.normalize("NFKC", text).casefold()
    return {word[:WORD_LIMIT] for word in _WORD.findall(normal)}


def app_mark(app_id: AppId) -> str:
    """Stands in the index for the app."""
    return _APP + _digest(app_id)


def channel_mark(channel: str) -> str:
    """Stands in the index for the channel."""
    return _CHANNEL + _digest(channel)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, dict):
        named = [value for name in TEXT_MEMBERS if isinstance(value := data.get(name), str)]
        if named:
            yield from named
            return
    waiting = [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
