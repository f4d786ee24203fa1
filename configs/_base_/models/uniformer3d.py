pretrained = 'https://download.openmmlab.com/mmpose/v1/projects/uniformer/uniformer_small_in1k.pth'

model = dict(
    type='Recognizer3D',
    backbone=dict(
        type='mmuniformer.UniFormer3D',
        arch='small',
        drop_path_rate=0.1,
        init_cfg=dict(type='Pretrained', checkpoint=pretrained),
    ),
    cls_head=dict(
        type='I3DHead',
        in_channels=512,
        num_classes=400,
        dropout_ratio=0.0,
        init_std=0.02,
        label_smooth_eps=0.1,
        # Logits, as the official test does.
        average_clips='score',
    ),
    data_preprocessor=dict(
        type='ActionDataPreprocessor',
        # 0.45 and 0.225 of 255.
        mean=[114.75, 114.75, 114.75],
        std=[57.375, 57.375, 57.375],
        format_shape='NCTHW',
        blending=dict(
            type='mmuniformer.MixupCutmix',
            num_classes=400,
            mixup_alpha=0.8,
            cutmix_alpha=1.0,
            switch_prob=0.5,
        ),
    ),
)
