"""Conversations written for these tests."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from parley.insight.model import Message
from parley.insight.ports import Prompt, SummaryMaterial

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def talk(*lines: str) -> tuple[Message, ...]:
    """Messages of `Name: text`, one a minute."""
    return tuple(said(*line.split(": ", 1), place=place) for place, line in enumerate(lines))


def said(author: str, text: str, *, place: int = 0) -> Message:
    """One message."""
    return Message(f"m{place}", author.casefold(), author, text, START + timedelta(minutes=place))


def summary_prompt(messages: Iterable[Message] = (), user_id: str = "user-1") -> Prompt:
    """A prompt, as engines get it."""
    return Prompt(
        id="conversation-summary",
        user_id=user_id,
        instructions="Summarise.",
        text="the text",
        schema={"type": "object"},
        material=SummaryMaterial(tuple(messages)),
    )


LAUNCH = talk(
    "Ada: Good morning everyone, let's talk about the launch of the mobile application.",
    "Ben: The payment form of the mobile application still fails for cards from other countries.",
    "Ada: How long do you need to repair the payment form?",
    "Ben: Um, I think two days. I'll fix the payment form by Wednesday.",
    "Cleo: The translations of the help pages are complete, and the screenshots look great.",
    "Ada: Excellent. Cleo, could you send the screenshots to the press list before Thursday?",
    "Cleo: Yes, I will send them tomorrow.",
    "Ben: Should we launch on Thursday or wait until next week?",
    "Ada: We decided to launch the mobile application on Thursday at noon.",
    "Ben: Okay, so the release notes need to mention the new payment form.",
    "Cleo: We agreed that the old payment page stays online for one month.",
    "Ada: Thanks, that was useful. Let us meet again on Wednesday evening to check the payment form.",
)
GERMAN = talk(
    "Jana: Guten Morgen, heute geht es um den neuen Fahrplan und die Busse am Abend.",
    "Uwe: Der neue Fahrplan ist noch nicht gedruckt, weil die Druckerei auf die Karte wartet.",
    "Jana: Die Busse am Abend sind zu voll, und die Leute beschweren sich über den Fahrplan.",
    "Uwe: Wir haben beschlossen, dass am Abend zwei Busse mehr fahren.",
    "Jana: Bitte schick mir die Karte bis Freitag, dann kann die Druckerei den Fahrplan drucken.",
)
JAPANESE = talk(
    "花: おはようございます。今日は新しい図書館の開館時間について話しましょう。",
    "健: 図書館の開館時間は平日の夜まで延長したいです。予算はまだ決まっていません。",
    "花: 予算の資料は金曜日までに準備します。図書館の予算は市役所が確認します。",
)
ARABIC = talk(
    "ليلى: صباح الخير، نتحدث اليوم عن جدول المكتبة الجديدة.",
    "سامي: المكتبة الجديدة تحتاج إلى موظفين في المساء؟",
    "ليلى: نعم، المكتبة مفتوحة حتى المساء. سأرسل الجدول غدا.",
)
