#!/bin/sh
# Makes .venv what requirements.lock says, with this project in it (editable). Needs Python 3.11 or newer
# and nothing else. Every file installed is checked against its hash; nothing unlocked is downloaded.
set -eu
cd "$(dirname "$0")/.."

runs() { "$1" -c '' >/dev/null 2>&1; }

python=${PYTHON:-}
if [ -z "$python" ]; then
    for python in python3.11 python3; do runs "$python" && break; done
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "otel-usage needs Python 3.11 or newer, and '$python' is not: install it, or name one with PYTHON=..." >&2
    exit 1
fi
if ! runs .venv/bin/python || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    echo "Making .venv with $("$python" --version); the packages are about 1 GB, once." >&2
    "$python" -m venv --clear .venv
fi

export PIP_DISABLE_PIP_VERSION_CHECK=1
echo "Installing what requirements.lock says ..." >&2
.venv/bin/python -m pip install --quiet --require-hashes --requirement requirements.lock
.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
