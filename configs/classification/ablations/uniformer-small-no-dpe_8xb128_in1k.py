_base_ = '../uniformer/uniformer-small_8xb128_in1k.py'

model = dict(backbone=dict(use_dpe=False))
