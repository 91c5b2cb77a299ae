#!/bin/sh
# Make this checkout ready. Safe to repeat: what is there already is left alone.
#
#   scripts/setup.sh run     what `parley serve` needs
#   scripts/setup.sh test    that, and what the tests need
set -eu
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

purpose=${1:-run}
case $purpose in
run | test) ;;
*) die "usage: scripts/setup.sh run|test" ;;
esac

scripts/setup_system.sh "$purpose"
scripts/setup_python.sh "$purpose"
scripts/setup_web.sh
if [ "$purpose" = test ]; then
    scripts/setup_test_clients.sh
    scripts/find_chromium.sh --install >/dev/null
fi
