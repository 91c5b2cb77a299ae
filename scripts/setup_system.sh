#!/bin/sh
# Install the Debian/Ubuntu packages that are missing; ask apt for nothing when nothing is missing.
#
#   scripts/setup_system.sh run     Python, Janus and a font
#   scripts/setup_system.sh test    those, and Redis, PostgreSQL, coturn, OpenSSH, iproute2, Chromium (on Debian)
set -eu
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

# Daemons are in sbin, which an ordinary user's PATH leaves out on Debian.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

has() { command -v "$1" >/dev/null 2>&1; }

has_postgresql() {
    has postgres && return
    for server in /usr/lib/postgresql/*/bin/postgres; do
        [ -x "$server" ] && return
    done
    return 1
}

has_font() { find /usr/share/fonts /usr/local/share/fonts -name '*.[ot]tf' 2>/dev/null | grep -q .; }

# The name of each missing package, one per line.
missing_packages() {
    has "${PYTHON:-python3}" || echo python3
    # Debian splits venv from Python; ensurepip is the part that is missing then.
    "${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
    has janus || echo janus
    has_font || echo fonts-dejavu-core # names in recordings
    [ "$1" = test ] || return 0
    has redis-server || echo redis-server
    has_postgresql || echo postgresql
    has turnserver || echo coturn
    has nginx || echo nginx
    [ -e /usr/lib/nginx/modules/ngx_rtmp_module.so ] || echo libnginx-mod-rtmp
    has sshd || echo openssh-server # recordings go to SFTP servers
    has ip || echo iproute2
    has curl || echo curl # an example of the documentation
    if [ "$distribution" = debian ] && ! scripts/find_chromium.sh >/dev/null 2>&1; then
        # Without a font Chromium draws no text, and screenshots show it.
        echo chromium
        echo fonts-liberation
    fi
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif has sudo; then
        sudo "$@"
    else
        die "root rights are needed; run this once as root:  apt-get install$packages"
    fi
}

# Janus, Redis, coturn, nginx, PostgreSQL and OpenSSH come with system services that Debian starts at once, with the
# stock configuration on the well-known ports. Parley and its tests start private copies of their own, so the
# services stay off: units masked until the packages are in, then disabled. RUNLEVEL=1 has the same effect
# where there is no systemd (containers, chroots), since no service belongs to that runlevel.
UNITS='janus.service redis-server.service coturn.service nginx.service postgresql.service ssh.service ssh.socket'

install_packages() {
    new_units=
    if [ -d /run/systemd/system ]; then
        for unit in $UNITS; do
            systemctl cat "$unit" >/dev/null 2>&1 || new_units="$new_units $unit"
        done
        # shellcheck disable=SC2086 # a list of words
        [ -z "$new_units" ] || as_root systemctl mask --runtime --quiet $new_units
    fi
    apt_get update
    case $packages in
    *postgresql*) install_postgresql_without_cluster ;;
    esac
    # shellcheck disable=SC2086
    apt_get install --yes --no-install-recommends $packages
    for unit in $new_units; do
        as_root systemctl unmask --runtime --quiet "$unit"
        as_root systemctl disable --quiet "$unit" 2>/dev/null || true # the package did not bring it
    done
}

apt_get() { as_root env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -q "$@" </dev/null; }

# The package would create a database cluster in /var/lib/postgresql; the tests make their own.
install_postgresql_without_cluster() {
    apt_get install --yes --no-install-recommends postgresql-common
    setting=/etc/postgresql-common/createcluster.d/parley-setup.conf
    as_root mkdir -p "${setting%/*}"
    echo 'create_main_cluster = false' | as_root tee "$setting" >/dev/null
    status=0
    apt_get install --yes --no-install-recommends postgresql || status=$?
    as_root rm -f "$setting"
    return "$status"
}

has_candidate() { apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [^(]'; }

distribution=$(. /etc/os-release 2>/dev/null && echo "${ID:-unknown}")
packages=$(missing_packages "$1" | awk '{ printf " %s", $0 }')
[ -n "$packages" ] || exit 0

has apt-get || die "please install these with your package manager (names are Debian's):$packages"

say "installing Debian packages:$packages"
case $packages in
*janus*)
    has_candidate janus || apt_get update
    if ! has_candidate janus; then
        # Debian 13 left Janus out; Debian 12, Debian 14 and Ubuntu (universe) have it.
        packages=$(echo "$packages" | sed 's/ janus//')
        build_janus=yes
    fi
    ;;
esac
[ -z "$packages" ] || install_packages
[ -z "${build_janus:-}" ] || scripts/build_janus.sh

for package in $(missing_packages "$1"); do
    die "the package $package was installed, but what it should bring is still missing"
done
