_base_ = [
    '../../_base_/models/uniformer3d.py',
    '../../_base_/datasets/kinetics400.py',
    '../../_base_/schedules/video_adamw-amp-110e.py',
    '../../_base_/default_runtime_video.py',
]
