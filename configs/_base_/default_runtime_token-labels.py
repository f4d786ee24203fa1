_base_ = './default_runtime_cls.py'

randomness = dict(seed=42)
# Each process normalises with statistics of its own: mmengine's default.
model_wrapper_cfg = None
