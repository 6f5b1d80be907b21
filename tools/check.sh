#!/usr/bin/env bash
# The one command: installs what the tests need into .venv, then formats, lints, types, checks generated files and runs
# the tests. Arguments go to pytest; NM_LONG=1 runs the long campaigns too.
set -euo pipefail
cd "$(dirname "$0")/.."

# Simulators and a C++ compiler come from the system; everything else from PyPI.
missing=()
for pair in iverilog:iverilog g++:g++ make:make perl:perl; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
if [ "${#missing[@]}" -gt 0 ]; then
    as_root=""
    [ "$(id -u)" = 0 ] || as_root=sudo
    $as_root apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq "${missing[@]}" >/dev/null
fi

[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/python -m pip install -q --disable-pip-version-check -e '.[dev]'
export PATH="$PWD/.venv/bin:$PATH"

ruff format --check .
ruff check .
mypy
python tools/generate.py --check
python -m pytest -n 2 --dist loadfile "$@"
