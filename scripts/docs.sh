#!/bin/sh
# Build the documentation into site/; any warning (a dead link, an unknown anchor) is an error.
#
# The pages in docs/reference are written from the code first, so they cannot lag behind it.
set -eu
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

[ -x "$VENV/bin/zensical" ] || die "the documentation tool is missing; run: make setup-test"
"$VENV/bin/python" scripts/generate_reference.py docs/reference
"$VENV/bin/zensical" build --clean --strict
