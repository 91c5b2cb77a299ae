#!/bin/sh
# Build Janus into /usr/local, for a distribution that does not package it (Debian 13).
#
# It is the version that Debian 12 and Ubuntu package and our tests run against, from Debian's own mirror,
# with nothing but what Parley uses: the VideoRoom plugin and the WebSocket transport. About two minutes.
set -eu
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

VERSION=1.1.2
SOURCE=http://deb.debian.org/debian/pool/main/j/janus/janus_$VERSION.orig.tar.gz
SHA256=f721d62a22b38ba3a341a5502f06b8b3a5a4f7bd0e9cc6c53de257fe99695e17
PACKAGES='build-essential automake libtool pkg-config
    libconfig-dev libglib2.0-dev libjansson-dev libnice-dev libsrtp2-dev libssl-dev libwebsockets-dev'

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

say "building Janus $VERSION (this distribution has no package of it)"
# shellcheck disable=SC2086 # a list of words
as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install --yes --no-install-recommends $PACKAGES </dev/null

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
/usr/lib/apt/apt-helper download-file "$SOURCE" "$folder/janus.tar.gz" "SHA256:$SHA256"
tar -C "$folder" --strip-components=1 --no-same-owner -xzf "$folder/janus.tar.gz"
cd "$folder"
log=$folder/build.log
{
    sh autogen.sh &&
        ./configure --prefix=/usr/local --disable-docs --disable-data-channels \
            --disable-all-plugins --enable-plugin-videoroom \
            --disable-all-transports --enable-websockets \
            --disable-all-handlers --disable-all-loggers &&
        make -j"$(nproc)" &&
        as_root make install
} >"$log" 2>&1 </dev/null || {
    tail -n 40 "$log" >&2
    die "Janus could not be built; the last lines of the build are above"
}
as_root ldconfig
