#!/usr/bin/env bash
# Trains on several GPUs with torchrun. Without a GPU, GPUS is the number of
# processes on the CPU. Several nodes: run it on each, with NNODES, MASTER_ADDR,
# PORT and NODE_RANK. See docs/clusters.md.
set -euo pipefail

if [ $# -lt 2 ]; then
    cat >&2 <<USAGE
usage: [VARIABLE=...] $0 CONFIG GPUS [arguments of train.py]
    MAX_RESTARTS=3         how often to start again after a failure
    TIMEOUT=1800           seconds that processes and nodes wait for each other
    GRACE=60               seconds to save in after SIGTERM or SIGUSR1
    NNODES=1               number of nodes, or MIN:MAX
    MASTER_ADDR=127.0.0.1  address of the first node
    PORT=29500             its port; one that is free, for one node
    NODE_RANK=             place of this node, from 0
    RDZV_ID=mmuniformer    name of the run, where runs share a first node
USAGE
    exit 2
fi
here=$(dirname "$0")
config=$1
gpus=$2
shift 2
# shellcheck source=/dev/null
. "$here/nodes.sh"
launch "${MAX_RESTARTS:-3}" "$gpus" \
    "$here/train.py" "$config" --launcher pytorch "$@"
