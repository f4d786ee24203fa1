_base_ = './td-hm_uniformer-small_8xb128-210e_coco-384x288.py'

model = dict(backbone=dict(stage3='window', window_size=14))
