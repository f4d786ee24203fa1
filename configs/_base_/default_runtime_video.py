_base_ = 'mmaction::_base_/default_runtime.py'
custom_imports = dict(imports=['mmuniformer'], allow_failed_imports=False)

# The best checkpoint is the one that the light models, UCF101 and HMDB51 are
# tested with.
default_hooks = {
    '_delete_': True,
    **{k: v for k, v in _base_.default_hooks.items() if k != 'sync_buffers'},
    'checkpoint': dict(
        type='CheckpointHook',
        interval=1,
        max_keep_ckpts=3,
        save_best='acc/top1',
        rule='greater',
    ),
}
# Here it can be left out on the command line, there it cannot: without it, the
# statistics of BatchNorm are those of the first GPU, as in the official runs.
custom_hooks = [_base_.default_hooks.sync_buffers]
