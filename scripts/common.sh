# Sourced by the other scripts: where we are, how to say something, what is already done.
# shellcheck shell=sh

cd "$(dirname "$0")/.." || exit 1
VENV=.venv
STAMPS=$VENV/.stamps

say() { printf '==> %s\n' "$*" >&2; }

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# fingerprint FILE...: one line that changes when a file changes. Content, not time: a fresh clone or a
# switched branch gives every file a new time.
fingerprint() { sha256sum "$@" | sha256sum | cut -d ' ' -f 1; }

# is_done NAME FINGERPRINT: the step NAME was finished for exactly these inputs.
is_done() { [ -f "$STAMPS/$1" ] && [ "$(cat "$STAMPS/$1")" = "$2" ]; }

# mark_done NAME FINGERPRINT
mark_done() {
    mkdir -p "$STAMPS"
    printf '%s\n' "$2" >"$STAMPS/$1"
}
