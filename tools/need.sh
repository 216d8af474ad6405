#!/usr/bin/env bash
# need.sh COMMAND PACKAGE…: makes sure that COMMAND exists. Installs the Debian packages if it may, otherwise says what to
# install.
set -euo pipefail
command=$1
shift
command -v "$command" >/dev/null && exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
    as_root=(sudo -n)
    sudo -n true 2>/dev/null || as_root=()
fi
if command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || [ ${#as_root[@]} -gt 0 ]; }; then
    export DEBIAN_FRONTEND=noninteractive
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" apt-get install -y -q --no-install-recommends "$@" </dev/null
    command -v "$command" >/dev/null && exit 0
fi
echo "'$command' is missing. Install it and run make again; on Debian or Ubuntu: sudo apt-get install $*" >&2
exit 1
