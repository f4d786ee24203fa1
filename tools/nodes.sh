# What dist_train.sh and dist_test.sh share: processes on one node or several.
# shellcheck shell=bash

launch() {
    # launch MAX_RESTARTS GPUS SCRIPT [arguments]
    local restarts=$1 gpus=$2 endpoint node_rank=()
    shift 2
    # One thread a process is torchrun's own default; said here, it is silent.
    export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
    if [ -n "${TIMEOUT:-}" ]; then
        export MMUNIFORMER_TIMEOUT=$TIMEOUT
    fi
    if [ "${NNODES:-1}" = 1 ]; then
        endpoint=127.0.0.1:${PORT:-0}
    else
        endpoint=${MASTER_ADDR:-127.0.0.1}:${PORT:-29500}
        if [ -n "${NODE_RANK:-}" ]; then
            node_rank=(--node-rank="$NODE_RANK")
        fi
    fi
    exec "${PYTHON:-python}" "$(dirname "${BASH_SOURCE[0]}")/launch.py" \
        --nnodes="${NNODES:-1}" \
        --nproc-per-node="$gpus" \
        --max-restarts="$restarts" \
        --rdzv-backend=c10d \
        --rdzv-endpoint="$endpoint" \
        --rdzv-id="${RDZV_ID:-mmuniformer}" \
        ${node_rank[@]+"${node_rank[@]}"} \
        "$@"
}
