"""Print one pytest closing line for several pytest runs: `sum_test_reports.py REPORT.xml...` (JUnit format).

A missing report means that the run did not get as far as writing it, and counts as an error.
"""

import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

WORDS = ("failed", "passed", "skipped", "errors", "rerun")


def totals(reports: list[Path]) -> tuple[Counter[str], float]:
    """Number of tests by outcome, and seconds, over all reports."""
    count: Counter[str] = Counter()
    seconds = 0.0
    for report in reports:
        if not report.exists():
            count["errors"] += 1
            continue
        for suite in ElementTree.parse(report).getroot().iter("testsuite"):
            bad = {
                "failed": int(suite.get("failures", 0)),
                "errors": int(suite.get("errors", 0)),
                "skipped": int(suite.get("skipped", 0)),
            }
            count.update(bad)
            tests = int(suite.get("tests", 0))
            count["passed"] += tests - sum(bad.values())
            count["rerun"] += max(0, len(suite.findall("testcase")) - tests)  # one more for each time
            seconds += float(suite.get("time", 0))
    return count, seconds


def main() -> int:
    """Print the line; fail when a test failed or nothing ran."""
    count, seconds = totals([Path(name) for name in sys.argv[1:]])
    outcome = ", ".join(f"{count[word]} {word}" for word in WORDS if count[word]) or "no tests ran"
    print(f" {outcome} in {seconds:.2f}s (all runs) ".center(100, "="))
    return 0 if count["passed"] and not count["failed"] and not count["errors"] else 1


if __name__ == "__main__":
    sys.exit(main())
