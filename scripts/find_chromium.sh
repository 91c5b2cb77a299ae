#!/bin/sh
# Print the path of a Chromium or Chrome that the browser tests can drive.
#
#   scripts/find_chromium.sh             fails when there is none
#   scripts/find_chromium.sh --install   gets Playwright's build first when there is none (Ubuntu)
#
# PARLEY_CHROMIUM names another browser.
set -eu
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

find_installed() {
    if [ -n "${PARLEY_CHROMIUM:-}" ]; then
        [ -x "$PARLEY_CHROMIUM" ] || die "PARLEY_CHROMIUM=$PARLEY_CHROMIUM is not a program"
        echo "$PARLEY_CHROMIUM"
        return
    fi
    # Not chromium-browser: on Ubuntu that is a launcher of the snap, which runs in no container and in no
    # network namespace of ours.
    for name in chromium google-chrome-stable google-chrome; do
        path=$(command -v "$name" 2>/dev/null) || continue
        case $(readlink -f "$path") in
        */snap) continue ;;
        esac
        echo "$path"
        return
    done
    playwright_build
}

playwright_build() {
    path=$("$VENV/bin/python" 2>/dev/null - <<'PYTHON'
from playwright.sync_api import sync_playwright

with sync_playwright() as playwright:
    print(playwright.chromium.executable_path)
PYTHON
    ) || return 1
    [ -x "$path" ] && echo "$path"
}

find_installed && exit
if [ "${1:-}" = --install ]; then
    say "installing Playwright's Chromium (this distribution packages none outside of a snap)"
    if "$VENV/bin/playwright" install --with-deps chromium >&2 </dev/null; then
        playwright_build && exit
    fi
fi
die "no Chromium found; install Chromium or Chrome and name it with PARLEY_CHROMIUM=/path/to/chrome"
