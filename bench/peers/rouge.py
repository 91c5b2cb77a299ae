"""ROUGE-1 by the reference implementation in Python (`rouge-score`, with its stemmer).

Runs in the peers' environment. Reads a JSON array of [summary, reference] from standard input and writes an
array of F-measures, in percent.
"""

# mypy: ignore-errors
# (its packages are in another environment)
import json
import sys

from rouge_score.rouge_scorer import RougeScorer


def main() -> None:
    """See the module."""
    scorer = RougeScorer(["rouge1"], use_stemmer=True)
    pairs = json.load(sys.stdin)
    scores = [100 * scorer.score(reference, summary)["rouge1"].fmeasure for summary, reference in pairs]
    json.dump(scores, sys.stdout)


if __name__ == "__main__":
    main()
