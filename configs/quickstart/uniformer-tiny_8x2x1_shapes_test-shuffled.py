_base_ = './uniformer-tiny_8x2x1_shapes.py'

# The same clips out of order: how much of the result is not motion.
test_pipeline = [
    *_base_.test_pipeline[:3],
    dict(type='mmuniformer.ShuffleFrames'),
    *_base_.test_pipeline[3:],
]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
