#!/usr/bin/env bash
# Tests and tools send signals and look at processes by libraries (rustix, os.kill, /proc): a bare Debian has none of
# the programs below. `kill` in a shell script is the shell's own.
set -euo pipefail
cd "$(dirname "$0")/.."
absent='pkill|killall|pgrep|pidof|ps|top|ss|netstat|lsof|fuser'
# Scripts for browsers, which assets/ has, run no programs.
search=(grep -rnE --exclude-dir=node_modules --exclude-dir=target --exclude-dir=assets)
found=$(
    "${search[@]}" --include='*.py' --include='*.rs' --include='*.js' --include='*.mjs' "[\"'](kill|$absent)[\"']" \
        crates src tests bench tools || true
    "${search[@]}" "(^|[;&|(\`])\s*($absent) " Makefile tools tests/*.sh bench/run .ci docker || true
)
if [ -n "$found" ]; then
    printf '%s\n' "$found" 'A bare Debian lacks these programs: do it by a library (see tools/check-commands.sh).' >&2
    exit 1
fi
