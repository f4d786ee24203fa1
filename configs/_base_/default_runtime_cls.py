_base_ = 'mmpretrain::_base_/default_runtime.py'
custom_imports = dict(imports=['mmuniformer'], allow_failed_imports=False)

default_hooks = dict(
    checkpoint=dict(
        type='CheckpointHook',
        interval=1,
        max_keep_ckpts=3,
        save_best='accuracy/top1',
        rule='greater',
    )
)
env_cfg = dict(cudnn_benchmark=True)
# Each process draws for itself.
randomness = dict(seed=0, diff_rank_seed=True)
# All processes normalise with the statistics of the first one.
model_wrapper_cfg = dict(
    type='MMDistributedDataParallel', broadcast_buffers=True
)
