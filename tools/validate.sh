#!/usr/bin/env bash
# validate.sh ENVOY GMTECH WASM: renders envoy/envoy.yaml with and without the filter, for the local upstream, with the key
# service and for a provider behind TLS, and lets Envoy check each result.
set -euo pipefail
envoy=$1 gmtech=$2 wasm=$3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

check() {
    local name=$1
    shift
    "$gmtech" envoy-config "$@" >"$dir/$name.json"
    if ! "$envoy" --mode validate --config-path "$dir/$name.json" --disable-hot-restart >"$dir/log" 2>&1; then
        grep -E '\[(error|critical)\]' "$dir/log" >&2 || cat "$dir/log" >&2
        echo "Envoy refuses the configuration: $name" >&2
        exit 1
    fi
    echo "valid: $name"
}

printf %s key >"$dir/upstream.key"
check envoy --filter-wasm "$wasm"
printf %s gmadmin_0123456789abcdef >"$dir/sync.token" && chmod 600 "$dir/sync.token"
check service --filter-wasm "$wasm" --service keys.internal:8082 --service-token-file "$dir/sync.token"
check pages --filter-wasm "$wasm" --service keys.internal:8082 --service-token-file "$dir/sync.token" --pages keys.internal:8081
check no-filter --no-filter
check no-filter-pages --no-filter --pages keys.internal:8081
check provider --filter-wasm "$wasm" --upstream https://api.openai.com/v1 --upstream-key-file "$dir/upstream.key"
check no-filter-provider --no-filter --upstream https://api.openai.com/v1
