#!/usr/bin/env bash
# Set up .venv from a lock, and on Debian (as root) the system packages that the given purpose needs.
# usage: scripts/setup.sh run|dev|hall|relay|streamer
set -euo pipefail
cd "$(dirname "$0")/.."
purpose=${1:?usage: scripts/setup.sh run|dev|hall|relay|streamer}

# Debian packages by purpose. Nothing here is needed to import Hallcast; see docs/dependencies.md for the reasons.
packages=()
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then packages+=(python3-venv); fi
if [ "$purpose" = dev ]; then
    command -v chromium >/dev/null || packages+=(chromium)
    command -v ffprobe >/dev/null || packages+=(ffmpeg)
    command -v tesseract >/dev/null || packages+=(tesseract-ocr)
    command -v Xvfb >/dev/null || packages+=(xvfb)
    command -v node >/dev/null || packages+=(nodejs)
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || packages+=(postgresql)
    command -v git >/dev/null || packages+=(git)
    compgen -G '/usr/share/fonts/truetype/nanum/*' >/dev/null || packages+=(fonts-nanum)
fi
if [ "${#packages[@]}" -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing: ${packages[*]}"
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq >/dev/null
        apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
    else
        echo "please install these packages, then run this again: ${packages[*]}" >&2
        exit 1
    fi
fi

lock=locks/$purpose.lock
stamp=.venv/.$purpose-$(cat "$lock" pyproject.toml | sha256sum | cut -c1-16)
if [ -e "$stamp" ]; then exit 0; fi
[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/python - <<'PY'
import sys
if sys.version_info < (3, 11):
    sys.exit(f"Hallcast needs Python 3.11 or newer; .venv has {sys.version.split()[0]}. Remove .venv and set up with a newer one.")
PY
echo "installing Python packages ($lock)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
rm -f .venv/."$purpose"-*
touch "$stamp"
