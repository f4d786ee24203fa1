#!/usr/bin/env bash
# Builds a virtual environment with everything: setup_venv.sh VENV [LIBRARIES]
#
# Python from $PYTHON (python3); the exact versions of requirements/
# constraints.txt; the libraries of requirements/LIBRARIES.txt, openmmlab or
# forks. Does nothing where that has been done and no list changed.
set -uo pipefail

fail() {
    echo "set-up failed: $*" >&2
    exit 1
}

[ $# -eq 1 ] || [ $# -eq 2 ] || fail "usage: tools/setup_venv.sh VENV [LIBRARIES]"
cd "$(dirname "$0")/.." || exit 1
venv=$1
libraries=requirements/${2:-openmmlab}.txt
[ -f "$libraries" ] || fail "there is no $libraries"
python=${PYTHON:-python3}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

stamp=$venv/.mmuniformer-requirements
wanted=$(cat requirements/*.txt setup.py pyproject.toml mmuniformer/compat/startup_hook.py tools/setup_venv.sh | cksum)
# A checkout made anew in the same place lacks the links of the installation.
made="$PWD $libraries $wanted"
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$made" ] &&
    [ -e mmuniformer/.mim/configs ]; then
    exit 0
fi

command -v "$python" >/dev/null ||
    fail "$python is not found. Install Python 3.11 to 3.13, or name one: make setup PYTHON=/path/to/python3.11"
"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' ||
    fail "$("$python" --version) is not supported: Python 3.11 to 3.13 is. Name one: make setup PYTHON=/path/to/python3.11"

step() {
    # Runs a command quietly; on failure shows what it said last.
    local name=$1
    shift
    echo "set-up: $name"
    if ! "$@" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        fail "$name. See the lines above; if a download failed, check the network (pip config list) and run the same command again"
    fi
}

# uv takes pip's index, where pip is set to another one.
index=$("$python" -m pip config get global.index-url 2>/dev/null) &&
    export UV_DEFAULT_INDEX=$index
export UV_HTTP_TIMEOUT=300

rm -f "$stamp"
if [ ! -x "$venv/bin/python" ]; then
    step "virtual environment in $venv" "$python" -m venv "$venv"
fi
step "installer" "$venv/bin/python" -m pip install -q --disable-pip-version-check -c requirements/constraints.txt uv
# Bytecode is made once, here: each process that starts would otherwise, where
# the environment forbids to write it (PYTHONDONTWRITEBYTECODE).
pip_install() { "$venv/bin/uv" pip install --compile-bytecode --python "$venv/bin/python" -c requirements/constraints.txt "$@"; }
step "PyTorch and other packages" pip_install -r requirements/runtime.txt -r requirements/export.txt -r requirements/tests.txt -r requirements/docs.txt
step "OpenMMLab libraries" pip_install --no-deps -r "$libraries" -r requirements/pictures.txt
# Its wheel is built for numpy 1; building it takes seconds.
step "xtcocotools (built from source)" pip_install --no-deps --no-build-isolation --no-binary xtcocotools xtcocotools
step "mmuniformer" pip_install --no-deps --no-build-isolation -e .
printf '%s' "$made" >"$stamp"
echo "set-up: done; $venv/bin/python -m mmuniformer.doctor shows what is there"
