#!/usr/bin/env bash
# Checks that only the filter, the root package, depends on proxy-wasm, so that the core can be tested without Envoy.
# deny.toml says the same to cargo-deny; this check needs only cargo.
set -euo pipefail
cd "$(dirname "$0")/.."
users=$(cargo tree --workspace --invert proxy-wasm --depth 1 --prefix none --edges normal,build,dev |
    tail -n +2 | cut -d' ' -f1 | sort -u)
if [ "$users" != gmtech-auth-filter ]; then
    echo "proxy-wasm may be used by gmtech-auth-filter only, but is used by: ${users:-nobody}" >&2
    exit 1
fi
