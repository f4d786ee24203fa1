_base_ = './uniformer-small_k400-pre_8xb16-16x4x1-25e_ucf101-split1-rgb.py'

# The official config keeps the 101 classes of UCF101.
num_classes = 51
model = dict(
    cls_head=dict(num_classes=num_classes),
    data_preprocessor=dict(blending=dict(num_classes=num_classes)),
)

data_root = 'data/hmdb51/'
train_dataloader = dict(
    dataset=dict(
        data_root=data_root, ann_file='hmdb51_train_split_1_videos.txt'
    )
)
val_dataloader = dict(
    dataset=dict(data_root=data_root, ann_file='hmdb51_val_split_1_videos.txt')
)
test_dataloader = val_dataloader
