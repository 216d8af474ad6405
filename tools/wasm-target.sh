#!/usr/bin/env bash
# Makes sure that the Rust toolchain can compile for the target that the filter runs on.
set -euo pipefail
target=wasm32-unknown-unknown
if ! command -v cargo >/dev/null; then
    echo "Rust is missing: install the toolchain (1.95 or newer) with rustup and run make again." >&2
    exit 1
fi
[ -d "$(rustc --print target-libdir --target $target)" ] && exit 0
if command -v rustup >/dev/null; then
    rustup target add $target && exit 0
fi
echo "Your Rust has no standard library for $target: add it with rustup, or with your system's packages." >&2
exit 1
