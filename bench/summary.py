"""ROUGE-1 of the offline engine's summaries on QMSum, against the first hundred words of the meeting.

    python -m bench.summary val.jsonl

The data is QMSum's (github.com/Yale-LILY/QMSum, MIT licence), one meeting per line; it is not part of Parley.
`python -m bench` takes the path from PARLEY_BENCH_QMSUM and measures nothing without it. Scored are the
answers to the general queries ("Summarize the whole meeting."), with `rouge-score` in the peers' environment.
Marks of the transcribers (`{vocalsound}`, spaces before punctuation) are taken out for both sides alike.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from bench import peers
from bench.figures import Figure, table
from parley.insight.engines.extractive import SUMMARY_WORDS, summary
from parley.insight.model import Message
from parley.insight.ports import SummaryMaterial

DATA = "PARLEY_BENCH_QMSUM"
AT_LEAST = 28.0
LEAD_TURN = 10
"""Words; the baseline is three points better without the shorter ones."""
LONG = 10_000
"""Messages of the conversation whose time is taken."""
_MARKS = re.compile(r"\{[^}]*\}|<[^>]*>")
_SPACED = re.compile(r"\s+(['.,!?;:])")
_START = datetime(2026, 1, 1, tzinfo=UTC)


class Case(NamedTuple):
    """A meeting, and a summary that a person wrote."""

    messages: tuple[Message, ...]
    reference: str


def cases(path: Path) -> Iterator[Case]:
    """Every general query with its meeting."""
    for line in path.read_text(encoding="utf-8").splitlines():
        meeting = json.loads(line)
        messages = tuple(
            Message(
                id=str(place),
                author_id=turn["speaker"],
                author=turn["speaker"],
                text=_SPACED.sub(r"\1", " ".join(_MARKS.sub(" ", turn["content"]).split())),
                sent_at=_START + timedelta(seconds=10 * place),
            )
            for place, turn in enumerate(meeting["meeting_transcripts"])
        )
        for query in meeting["general_query_list"]:
            yield Case(messages, query["answer"])


def lead(messages: Sequence[Message]) -> str:
    """The baseline: how the meeting begins, less the turns that say nothing ("Okay.")."""
    turns = [one.text.split() for one in messages]
    return " ".join([word for turn in turns if len(turn) >= LEAD_TURN for word in turn][:SUMMARY_WORDS])


def rouge_1(pairs: Sequence[tuple[str, str]]) -> float:
    """Mean F-measure of (summary, reference), in percent."""
    command = [str(peers.python()), str(peers.HERE / "rouge.py")]
    done = subprocess.run(
        command, input=json.dumps(pairs), capture_output=True, text=True, check=True, timeout=120
    )
    scores: list[float] = json.loads(done.stdout)
    return statistics.mean(scores)


def long_conversation(found: Sequence[Case]) -> tuple[Message, ...]:
    """Meetings one after the other, again and again."""
    messages: list[Message] = []
    while len(messages) < LONG:
        for case in found:
            messages += case.messages
    return tuple(messages[:LONG])


def measure(path: Path | None = None) -> list[Figure]:
    """Score, and take the time of a long conversation."""
    if path is None:
        if not os.environ.get(DATA):
            print(f"not measured: {DATA} names no file with QMSum's meetings")
            return []
        path = Path(os.environ[DATA])
    found = list(cases(path))
    made = [summary(SummaryMaterial(case.messages)).overall_summary for case in found]
    ours = rouge_1([(text, case.reference) for text, case in zip(made, found, strict=True)])
    baseline = rouge_1([(lead(case.messages), case.reference) for case in found])
    words = statistics.mean(len(text.split()) for text in made)
    of_lead = f"the first {SUMMARY_WORDS} words: {baseline:.1f}"
    messages = long_conversation(found)
    began = time.process_time()
    summary(SummaryMaterial(messages))
    took_s = time.process_time() - began
    said = sum(len(one.text.split()) for one in messages)
    return [
        Figure(
            name="offline summary, ROUGE-1",
            value=ours,
            unit="%",
            at_least=AT_LEAST,
            detail=f"{len(found)} meetings, {words:.0f} words on average; {of_lead}",
        ),
        Figure(
            name=f"offline summary of {LONG:,} messages",
            value=took_s,
            unit="CPU s",
            detail=f"{said:,} words",
        ),
    ]


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="QMSum meetings, JSON lines")
    sys.stdout.write(table(measure(parser.parse_args().data)) + "\n")


if __name__ == "__main__":
    main()
