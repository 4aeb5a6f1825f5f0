#!/usr/bin/env bash
# Write locks/*.lock anew from pyproject.toml: exact versions with hashes, one file for each kind of machine,
# so that a hall fetches nothing that only a relay needs. Run it after changing a dependency.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=.venv/bin/uv
[ -x "$uv" ] || .venv/bin/python -m pip install --quiet uv
compile() {
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
        --upgrade "$@"
}
compile pyproject.toml locks/build.in --all-extras -o locks/dev.lock
pins=$(mktemp)
trap 'rm -f "$pins"' EXIT
grep -E '^[A-Za-z0-9_.-]+==' locks/dev.lock | sed -E 's/ \\$//' >"$pins"
for extra in relay streamer hall; do
    compile pyproject.toml locks/build.in --extra "$extra" -c "$pins" -o "locks/$extra.lock"
done
compile pyproject.toml locks/build.in --extra relay --extra streamer --extra hall -c "$pins" -o locks/run.lock
