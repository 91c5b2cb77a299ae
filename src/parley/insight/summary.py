"""Summaries of conversations: the question to an engine, and its answer (`realtime-block.md` 16.1)."""

from __future__ import annotations

from parley.base.text import clean_line
from parley.insight import prompts
from parley.insight.answers import Made, Unusable, ask, read_object
from parley.insight.model import EMPTY, ConversationSummary
from parley.insight.ports import Prompt, SummaryMaterial, TextEngine


async def summarize(
    engine: TextEngine,
    material: SummaryMaterial,
    *,
    user_id: str,
    user_role: str = "",
    template: str = prompts.SUMMARY_TEMPLATE,
    prompt_id: str = prompts.CONVERSATION_SUMMARY,
) -> Made[ConversationSummary]:
    """Summarise a conversation, or bring its summary up to date with the messages since.

    Without messages no engine is asked: the previous summary comes back, or an empty one.

    Args:
        engine: writes it.
        material: the previous summary and only the messages after it; without one, all messages.
        user_id: on whose behalf.
        user_role: of that user in the conversation.
        template: the tenant's prompt (at most `prompts.MAX_TEMPLATE_CHARS`).
        prompt_id: names the prompt to the engine.

    Raises:
        EngineError: see `ports`; the message numbers of the attempts are in `answers.ask`.
    """
    if not any(message.text.strip() for message in material.messages):
        return Made(material.previous or EMPTY, 0, engine.name, 0)
    prompt = Prompt(
        id=prompt_id,
        user_id=user_id,
        instructions=prompts.SUMMARY_INSTRUCTIONS,
        text=_text(material, template, user_role) if engine.capabilities.is_model else "",
        schema=prompts.SUMMARY_SCHEMA,
        material=material,
    )
    return await ask(engine, prompt, parse_summary)


def parse_summary(text: str) -> ConversationSummary:
    """A summary out of an engine's answer, tidied; code fences and text around the JSON do not matter.

    Raises:
        Unusable: the message says what is wrong.
    """
    found = read_object(text, ConversationSummary).tidied()
    if not found.overall_summary:
        raise Unusable("overall_summary must not be empty")
    return found


def _text(material: SummaryMaterial, template: str, user_role: str) -> str:
    values = {
        "previous_summary": prompts.previous_block(material.previous),
        "messages": prompts.messages_block(material.messages),
        "user_role": clean_line(user_role, limit=prompts.MAX_NAME_CHARS) or "participant",
    }
    return prompts.fill(template, values, needed="messages")
