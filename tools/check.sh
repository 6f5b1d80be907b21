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
env -u NM_FRAMEWORKS python -m pytest -n 2 --dist loadfile "$@"

# NM_FRAMEWORKS=1: a framework that installs within a minute runs its layers against the compiled network, in an
# environment of its own; tools/conformance.py has the others. torch comes first: its build without CUDA, where there is one.
if [ "${NM_FRAMEWORKS:-}" = 1 ]; then
    [ -x .venv-frameworks/bin/python ] || python3 -m venv .venv-frameworks
    .venv-frameworks/bin/python -m pip install -q --disable-pip-version-check torch==2.13.0
    .venv-frameworks/bin/python -m pip install -q --disable-pip-version-check snntorch==1.0.0 nir==1.0.8 nirtorch==2.6 pytest hypothesis -e .
    .venv-frameworks/bin/python -m pytest -q tests/test_modules.py -k matrix
fi
