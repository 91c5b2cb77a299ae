#!/bin/sh
# Install the published JavaScript clients that the tests drive (web SDKs for Chromium, REST clients for Node) and
# the storage emulator that they upload to, and build our own client.
set -eu
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

PATH=$PWD/$VENV/bin:$PATH
export PATH

for folder in tests/browser tests/node tests/wire/block/client tests/recordings/storage/azurite clients/typescript; do
    installed=$(fingerprint "$folder/package.json" "$folder/package-lock.json")
    stamp=$(echo "$folder" | tr / -)
    if ! is_done "$stamp" "$installed" || [ ! -d "$folder/node_modules" ]; then
        say "installing the clients of $folder"
        (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null)
        mark_done "$stamp" "$installed"
    fi
done

CLIENT=clients/typescript
sources=$(find "$CLIENT/src" "$CLIENT"/*.json "$CLIENT/tsdown.config.ts" -type f -print | LC_ALL=C sort |
    xargs sha256sum | sha256sum)
if ! is_done client-build "$sources" || [ ! -d "$CLIENT/dist" ]; then
    say "building the TypeScript client"
    (cd "$CLIENT" && npm run --silent build -- --log-level error </dev/null)
    mark_done client-build "$sources"
fi
