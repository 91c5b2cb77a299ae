#!/bin/sh
# Install the published JavaScript clients that the tests drive: web SDKs for Chromium, REST clients for Node.
set -eu
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

PATH=$PWD/$VENV/bin:$PATH
export PATH

for folder in tests/browser tests/node tests/wire/block/client; do
    installed=$(fingerprint "$folder/package.json" "$folder/package-lock.json")
    stamp=$(echo "$folder" | tr / -)
    if ! is_done "$stamp" "$installed" || [ ! -d "$folder/node_modules" ]; then
        say "installing the clients of $folder"
        (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null)
        mark_done "$stamp" "$installed"
    fi
done
