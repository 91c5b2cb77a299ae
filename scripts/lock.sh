#!/bin/sh
# Write requirements.lock (server and build) and requirements-dev.lock (those, tests and documentation):
# exact versions with hashes for every supported Python, from PyPI whatever this machine's pip is told.
set -eu
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

"$VENV/bin/python" -m pip --quiet install uv

compile() {
    "$VENV/bin/uv" pip compile pyproject.toml "$@" --quiet --no-config --upgrade \
        --universal --python-version 3.11 \
        --generate-hashes --no-emit-index-url --custom-compile-command 'make lock'
}

say "resolving requirements.lock"
compile --group build --output-file requirements.lock
say "resolving requirements-dev.lock"
compile --group build --group dev --group docs --constraint requirements.lock --output-file requirements-dev.lock
