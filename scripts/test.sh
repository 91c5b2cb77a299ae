#!/bin/sh
# Everything `make test` checks, in one pass: later stages run although an earlier one failed, and the last
# lines say which failed. The media tests come last, in a private network namespace, for they need an interface
# with an address; two at a time, for they mostly wait. A test that fails is tried once more; the summary says
# how often that was needed.
set -u
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

PATH=$PWD/$VENV/bin:$PATH
PARLEY_CHROMIUM=$(scripts/find_chromium.sh) || exit 1
export PATH PARLEY_CHROMIUM
unset PYTHONDONTWRITEBYTECODE # many tests start the server as a process: compile it once

MEDIA='browser or media'
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
failed=

stage() {
    name=$1
    shift
    say "$name: $*"
    "$@" || failed="$failed $name"
}

stage format ruff format --check
stage lint ruff check
stage types mypy
stage web-types npm --prefix web run --silent check
stage client-types npm --prefix clients/typescript run --silent check
stage docs scripts/docs.sh
stage unit-tests pytest -q -n 2 --dist worksteal -m "not ($MEDIA)" --reruns 1 --junitxml="$reports/unit.xml"
stage media-tests python -m tests.netns pytest -q -n 2 --dist worksteal -m "$MEDIA" --reruns 1 --junitxml="$reports/media.xml"

if [ -n "$failed" ]; then
    say "FAILED:$failed"
else
    say "all stages passed"
fi
python scripts/sum_test_reports.py "$reports/unit.xml" "$reports/media.xml" && [ -z "$failed" ]
