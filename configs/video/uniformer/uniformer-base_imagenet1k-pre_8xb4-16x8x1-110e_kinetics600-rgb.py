_base_ = './uniformer-base_imagenet1k-pre_8xb5-16x8x1-110e_kinetics400-rgb.py'

num_classes = 600
model = dict(
    cls_head=dict(num_classes=num_classes),
    data_preprocessor=dict(blending=dict(num_classes=num_classes)),
)

data_root = 'data/kinetics600/'
train_dataloader = dict(
    batch_size=4,
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

# The learning rate of 40 clips, with 32.
auto_scale_lr = dict(base_batch_size=32)
