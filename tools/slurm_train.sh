#!/usr/bin/env bash
# Trains on a Slurm cluster, one task for each GPU. See docs/clusters.md.
#
# As it is, it waits for the run: bash tools/slurm_train.sh PARTITION ...
# With SBATCH=1 it submits itself, and the run is requeued at its time limit.
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

if [ $# -lt 4 ]; then
    cat >&2 <<USAGE
usage: [VARIABLE=...] $0 PARTITION JOB_NAME CONFIG WORK_DIR [arguments of train.py]
    SBATCH=           1: submit a batch job, which is requeued at its time limit
    GPUS=8            number of tasks
    GPUS_PER_NODE=8   tasks on a node
    CPUS_PER_TASK=5   for the loaders of a task
    SAVE_BEFORE=120   seconds before the limit at which the run is to save
    TIMEOUT=          seconds that tasks wait for each other
    SRUN_ARGS=        more arguments for srun (or sbatch): "--time=4:00:00 ..."
USAGE
    exit 2
fi
partition=$1
job_name=$2
config=$3
work_dir=$4
gpus=${GPUS:-${SLURM_NTASKS:-8}}
per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
save_before=${SAVE_BEFORE:-120}
preempted=75
if [ -n "${TIMEOUT:-}" ]; then
    export MMUNIFORMER_TIMEOUT=$TIMEOUT
fi
# Slurm runs a copy of a batch script, from a folder of its own.
tools=${MMUNIFORMER_TOOLS:-$(cd "$(dirname "$0")" && pwd)}
if [ ! -f "$tools/train.py" ] && [ -n "${SLURM_JOB_ID:-}" ]; then
    command=$(scontrol show job "$SLURM_JOB_ID" |
        sed -n 's/^ *Command=//p')
    case $command in
    # The path may have spaces, and arguments follow it.
    */slurm_train.sh*) tools=${command%%/slurm_train.sh*} ;;
    *) tools=$(dirname "${command%% *}") ;;
    esac
fi
# SRUN_ARGS holds several arguments, split at spaces.
read -r -a more <<<"${SRUN_ARGS:-}"
resources=(
    --partition="$partition"
    --job-name="$job_name"
    --gres="gpu:$per_node"
    --ntasks="$gpus"
    --ntasks-per-node="$per_node"
    --cpus-per-task="${CPUS_PER_TASK:-5}"
)

if [ "${SBATCH:-}" = 1 ] && [ -z "${SLURM_JOB_ID:-}" ]; then
    export MMUNIFORMER_TOOLS=$tools SRUN_ARGS=
    exec sbatch "${resources[@]}" --signal="B:USR1@$save_before" --requeue \
        --open-mode=append ${more[@]+"${more[@]}"} "$tools/slurm_train.sh" "$@"
fi

shift 4
if [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ]; then
    set -- "$@" --resume
fi
command=(
    srun "${resources[@]}" --kill-on-bad-exit=1 ${more[@]+"${more[@]}"}
    "${PYTHON:-python}" -u "$tools/train.py" "$config"
    --work-dir "$work_dir" --launcher slurm "$@"
)
if [ -z "${SLURM_JOB_ID:-}" ]; then
    # No batch script stands between the limit and the tasks.
    exec srun --signal="USR1@$save_before" "${command[@]:1}"
elif [ -t 0 ]; then
    exec "${command[@]}"
fi

"${command[@]}" &
srun=$!
limit=
trap 'limit=1; kill -USR1 "$srun"' USR1
trap 'kill -TERM "$srun"' TERM
code=0
wait "$srun" || code=$?
while kill -0 "$srun" 2>/dev/null; do
    # A signal has ended the waiting, not the run.
    code=0
    wait "$srun" || code=$?
done

# Tasks that end after the first one may be killed for its exit code.
if [ -n "$limit" ] && { [ "$code" = "$preempted" ] || [ "$code" -gt 128 ]; }; then
    echo "slurm_train.sh: at its time limit; requeued, and goes on from its last checkpoint" >&2
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
