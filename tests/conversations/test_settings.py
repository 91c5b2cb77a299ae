"""What an app may set as its own prompts."""

from __future__ import annotations

import msgspec
import pytest

from parley.conversations.settings import PromptSettings
from parley.insight.prompts import MAX_TEMPLATE_CHARS


@pytest.mark.parametrize("text", ["", "  \n", "x" * (MAX_TEMPLATE_CHARS + 1)])
def test_unusable_prompts_are_refused(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"conversation_summary": text}, PromptSettings)


def test_a_prompt_of_ones_own_and_the_built_in_one() -> None:
    read = msgspec.convert({"conversation_summary": "Be brief."}, PromptSettings)
    assert (read.conversation_summary, read.conversation_digest) == ("Be brief.", None)
