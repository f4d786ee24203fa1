_base_ = 'mmaction::_base_/default_runtime.py'
custom_imports = dict(imports=['mmuniformer'], allow_failed_imports=False)

# The best checkpoint is the one that the light models, UCF101 and HMDB51 are
# tested with.
default_hooks = dict(
    checkpoint=dict(max_keep_ckpts=3, save_best='acc/top1', rule='greater')
)
