#!/bin/sh
# Compile the RealtimeKit client schema into a Python module and its type stub, next to the schema.
#
#   scripts/generate_proto.sh [FOLDER]    FOLDER: write there instead (the up-to-date test does)
set -eu
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

schema=src/parley/wire/realtimekit/client/rtk_client.proto
folder=${1:-$(dirname "$schema")}
PATH=$PWD/$VENV/bin:$PATH # protoc looks for protoc-gen-mypy there
export PATH
python -m grpc_tools.protoc --proto_path="$(dirname "$schema")" \
    --python_out="$folder" --mypy_out="quiet:$folder" "$schema"
