"""From what an engine wrote to a value of the documented shape, or to a sentence about what is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import msgspec

from parley.insight.ports import Correction, InvalidAnswer, Prompt, TextEngine

T = TypeVar("T")

MAX_RETRIES = 2
"""After an answer of the wrong shape (`realtime-block.md` 16.1 rule 6)."""
MAX_ANSWER_CHARS = 200_000
MAX_STARTS = 32
"""Braces at which an object is looked for: an answer full of them must not cost much."""
SHOWN_CHARS = 4_000
"""Of a wrong answer, when it is shown to the engine again."""

_THOUGHTS = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
"""Some open models write these before the answer."""
_DECODER = json.JSONDecoder()


class Unusable(ValueError):
    """The answer has the wrong shape; the message says why, for the engine to read."""


@dataclass(frozen=True, slots=True)
class Made(Generic[T]):
    """What an engine made."""

    value: T
    tokens_used: int
    """Of all attempts together."""
    engine: str
    """Its name, to label the result with."""
    attempts: int


async def ask(engine: TextEngine, prompt: Prompt, read: Callable[[str], T]) -> Made[T]:
    """Ask until the answer can be read, at most three times, each time telling what was wrong.

    Takes at most three times the engine's own time limit.

    Args:
        engine: is asked.
        prompt: without corrections.
        read: makes the value, or raises `Unusable`.

    Raises:
        InvalidAnswer: none of the answers could be read.
        EngineError: no answer came; `reached_provider` is true when an earlier attempt got there.
    """
    tokens_used = 0
    problem = ""
    for attempt in range(1, MAX_RETRIES + 2):
        try:
            completion = await engine.complete(prompt)
        except Exception as failed:
            if attempt > 1 and hasattr(failed, "reached_provider"):
                failed.reached_provider = True
            raise
        tokens_used += completion.tokens_used
        try:
            return Made(read(completion.text), tokens_used, engine.name, attempt)
        except Unusable as wrong:
            problem = str(wrong)
            correction = Correction(completion.text[:SHOWN_CHARS], problem)
            prompt = replace(prompt, corrections=(*prompt.corrections, correction))
    raise InvalidAnswer(
        f"{engine.name} gave no usable answer in {MAX_RETRIES + 1} attempts",
        reached_provider=True,
        detail=problem,
    )


def read_object(text: str, shape: type[T]) -> T:
    """The first JSON object of that shape in a text; what stands around it does not matter.

    Raises:
        Unusable: there is none.
    """
    text = _THOUGHTS.sub("", text[:MAX_ANSWER_CHARS])
    wrong_shape = wrong_json = ""
    start = text.find("{")
    for _ in range(MAX_STARTS):
        if start < 0:
            break
        end = start + 1
        try:
            found, end = _DECODER.raw_decode(text, start)
            return _shaped(found, shape)
        except msgspec.ValidationError as wrong:
            wrong_shape = wrong_shape or f"the JSON object has the wrong shape: {wrong}"
        except json.JSONDecodeError as wrong:
            wrong_json = wrong_json or f"the answer is not valid JSON: {wrong.msg} at character {wrong.pos}"
        except (RecursionError, ValueError) as wrong:  # nested too deeply, or a number of a million digits
            wrong_json = wrong_json or f"the answer is not usable JSON: {wrong}"
        start = text.find("{", end)
    raise Unusable((wrong_shape or wrong_json or "the answer contains no JSON object")[:500])


def _shaped(found: Any, shape: type[T]) -> T:
    try:
        return msgspec.convert(found, shape)
    except RecursionError as deep:
        raise msgspec.ValidationError("nested too deeply") from deep
