_base_ = 'mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_res50_8xb64-210e_coco-256x192.py'  # noqa: E501
custom_imports = dict(imports=['mmuniformer'], allow_failed_imports=False)
pretrained = 'https://download.openmmlab.com/mmpose/v1/projects/uniformer/uniformer_small_in1k.pth'

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmuniformer.UniFormer',
        arch='small',
        drop_path_rate=0.2,
        # Nothing reads the other levels.
        out_indices=(3,),
        init_cfg=dict(type='Pretrained', checkpoint=pretrained),
    ),
    head=dict(in_channels=512),
)

train_dataloader = dict(batch_size=128, num_workers=8)
# Norms and biases are decayed too.
optim_wrapper = dict(
    type='AmpOptimWrapper',
    loss_scale='dynamic',
    optimizer=dict(
        type='AdamW', lr=2e-3, betas=(0.9, 0.999), weight_decay=0.01
    ),
)
param_scheduler = [
    dict(
        type='mmuniformer.LinearWarmupLR',
        start_factor=0.001,
        by_epoch=False,
        end=500,
    ),
    _base_.param_scheduler[1],
]
auto_scale_lr = dict(base_batch_size=1024)
default_hooks = dict(checkpoint=dict(max_keep_ckpts=3))
