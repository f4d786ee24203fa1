_base_ = './uniformer-small_imagenet1k-pre_8xb4-16x4x1-110e_kinetics400-rgb.py'

num_classes = 600
model = dict(
    cls_head=dict(num_classes=num_classes),
    data_preprocessor=dict(blending=dict(num_classes=num_classes)),
)

data_root = 'data/kinetics600/'
train_dataloader = dict(
    batch_size=12,
    dataset=dict(
        data_root=data_root, ann_file='kinetics600_train_list_videos.txt'
    ),
)
val_dataloader = dict(
    dataset=dict(
        data_root=data_root, ann_file='kinetics600_val_list_videos.txt'
    )
)
test_dataloader = val_dataloader

lr = 3e-4
optim_wrapper = dict(optimizer=dict(lr=lr))
param_scheduler = [
    dict(_base_.param_scheduler[0], start_factor=1e-6 / lr),
    _base_.param_scheduler[1],
]
auto_scale_lr = dict(base_batch_size=96)
