#!/usr/bin/env bash
# Tests on several GPUs with torchrun. Without a GPU, GPUS is the number of
# processes on the CPU. Several nodes: run it on each, with NNODES, MASTER_ADDR,
# PORT and NODE_RANK; TIMEOUT as in dist_train.sh.
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "usage: [NNODES=1 NODE_RANK=0 PORT=29500 MASTER_ADDR=127.0.0.1]" \
        "$0 CONFIG CHECKPOINT GPUS [arguments of test.py]" >&2
    exit 2
fi
here=$(dirname "$0")
config=$1
checkpoint=$2
gpus=$3
shift 3
# shellcheck source=/dev/null
. "$here/nodes.sh"
# A test has no state to go on from.
launch 0 "$gpus" \
    "$here/test.py" "$config" "$checkpoint" --launcher pytorch "$@"
