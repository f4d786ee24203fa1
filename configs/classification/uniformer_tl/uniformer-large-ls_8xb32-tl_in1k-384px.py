_base_ = [
    '../../_base_/models/uniformer_token-labels.py',
    '../../_base_/datasets/imagenet_token-labels_384px.py',
    '../../_base_/schedules/imagenet_adamw-amp-60e_token-labels-384px.py',
    '../../_base_/default_runtime_token-labels.py',
]

model = dict(
    backbone=dict(arch='large', drop_path_rate=0.3),
    head=dict(in_channels=640),
)

train_dataloader = dict(batch_size=32)
val_dataloader = dict(batch_size=32)
test_dataloader = val_dataloader

auto_scale_lr = dict(base_batch_size=256)

# The official file, or that of the config for 224 pixels published with its
# trained weights.
load_from = 'checkpoints/uniformer_large_ls_tl_224.pth'
