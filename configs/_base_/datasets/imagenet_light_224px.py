_base_ = './imagenet.py'

# Each image once in an epoch.
train_dataloader = dict(
    batch_size=512,
    sampler=dict(_delete_=True, type='DefaultSampler', shuffle=True, seed=0),
)
val_dataloader = dict(batch_size=768)
test_dataloader = val_dataloader
