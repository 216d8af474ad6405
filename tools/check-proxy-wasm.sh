#!/usr/bin/env bash
# Only the filter, the root package, may depend on proxy-wasm: the core stays testable without Envoy. deny.toml says
# the same for cargo-deny; this needs cargo alone.
set -euo pipefail
cd "$(dirname "$0")/.."
users=$(cargo tree --workspace --invert proxy-wasm --depth 1 --prefix none --edges normal,build,dev |
    tail -n +2 | cut -d' ' -f1 | sort -u)
if [ "$users" != gmtech-auth-filter ]; then
    echo "proxy-wasm may be used by gmtech-auth-filter only, but is used by: ${users:-nobody}" >&2
    exit 1
fi
