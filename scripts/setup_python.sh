#!/bin/sh
# Create .venv and install the locked Python packages and this checkout into it.
#
#   scripts/setup_python.sh run     requirements.lock
#   scripts/setup_python.sh test    requirements-dev.lock (a superset)
set -eu
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

# The first Python that is new enough; PYTHON names another one.
find_python() {
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    die "Python 3.11 or newer is needed, this is $(${PYTHON:-python3} --version 2>&1);" \
        "Debian 12 and Ubuntu 24.04 have one, or name another with PYTHON=/path/to/python3"
}

if ! "$VENV/bin/python" -c '' 2>/dev/null; then
    python=$(find_python)
    say "creating $VENV with $("$python" --version)"
    "$python" -m venv --clear "$VENV"
fi

case $1 in
run) lock=requirements.lock ;;
test) lock=requirements-dev.lock ;;
esac
wanted=$(fingerprint "$lock" pyproject.toml clients/python/pyproject.toml)
if is_done "python-$1" "$wanted" && [ -x "$VENV/bin/parley" ]; then
    exit 0
fi

pip() { PIP_DISABLE_PIP_VERSION_CHECK=1 "$VENV/bin/python" -m pip --quiet "$@" </dev/null; }

say "installing Python packages from $lock"
pip install --require-hashes -r "$lock"
# The build backend is in the lock file, so nothing unlocked is downloaded for our own package either.
pip install --no-deps --no-build-isolation --editable .
if [ "$1" = test ]; then
    pip install --no-deps --no-build-isolation --editable clients/python
fi
mark_done "python-$1" "$wanted"
if [ "$1" = test ]; then
    # The larger set satisfies the smaller one.
    mark_done python-run "$(fingerprint requirements.lock pyproject.toml clients/python/pyproject.toml)"
fi
