#!/usr/bin/env bash
# release.sh DIRECTORY FILE…: gathers the files of a release in DIRECTORY, the program named by its target, and writes
# their SHA-256 sums beside them. In a checkout of a tag, the tag must be the version in Cargo.toml.
set -euo pipefail
directory=$1
shift
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
if [ "${GITHUB_REF_TYPE:-}" = tag ] && [ "$GITHUB_REF_NAME" != "v$version" ]; then
    echo "the tag is $GITHUB_REF_NAME, and Cargo.toml says $version" >&2
    exit 1
fi
target=$(rustc --print host-tuple)
rm -rf "$directory" && mkdir -p "$directory"
for file in "$@"; do
    name=$(basename "$file")
    [ "$name" != gmtech ] || name=gmtech-$target
    cp "$file" "$directory/$name"
done
cd "$directory"
sha256sum -- * >SHA256SUMS
echo "version $version, in $directory:"
cat SHA256SUMS
