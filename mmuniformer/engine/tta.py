"""Test-time augmentation where a config does not describe it."""

from copy import deepcopy

from mmengine.config import Config, ConfigDict

from mmuniformer.checks.data_sets import library_of
from mmuniformer.errors import UserError


def augment_at_test_time(cfg: Config) -> None:
    """Wraps the model and replaces the test pipeline for ``--tta``.

    A config's own ``tta_model`` and ``tta_pipeline`` win. Without them,
    mmdet and mmpretrain get a horizontal flip, as their own command lines
    do, and mmpose its flip test.

    Raises:
        UserError: If the config has none and its library no default.
    """
    scope = library_of(cfg)
    model, pipeline = cfg.get('tta_model'), cfg.get('tta_pipeline')
    if model is None or pipeline is None:
        if scope == 'mmpose' and 'test_cfg' in cfg.model:
            cfg.model.test_cfg.flip_test = True
            return
        if scope == 'mmaction':
            raise UserError(
                '--tta: in mmaction2 the test pipeline itself takes several '
                'clips and crops (num_clips, ThreeCrop); the config has no '
                'tta_model and tta_pipeline'
            )
    if model is None:
        defaults = {
            'mmdet': dict(
                type='DetTTAModel',
                tta_cfg=dict(
                    nms=dict(type='nms', iou_threshold=0.5), max_per_img=100
                ),
            ),
            'mmseg': dict(type='SegTTAModel'),
            'mmpretrain': dict(type='AverageClsScoreTTA'),
        }
        model = defaults.get(scope)
        if model is None:
            raise UserError('--tta: the config has no tta_model')
    if pipeline is None:
        pipeline = _flip_pipeline(cfg, scope)
    if scope == 'mmdet' and 'mask_head' in (cfg.model.get('roi_head') or {}):
        raise UserError(
            '--tta: mmdet merges boxes of several views, not masks, and the '
            'model has a mask head'
        )
    cfg.model = ConfigDict(**model, module=cfg.model)
    _innermost_dataset(cfg).pipeline = pipeline


def _flip_pipeline(cfg: Config, scope: str | None) -> list[dict]:
    pipeline = deepcopy(_innermost_dataset(cfg).pipeline)
    if scope not in ('mmdet', 'mmpretrain'):
        raise UserError('--tta: the config has no tta_pipeline')
    pack = pipeline[-1]
    if scope == 'mmdet':
        pack.meta_keys = (
            'img_id',
            'img_path',
            'ori_shape',
            'img_shape',
            'scale_factor',
            'flip',
            'flip_direction',
        )
    flips = [dict(type='RandomFlip', prob=p) for p in (1.0, 0.0)]
    pipeline[-1] = dict(type='TestTimeAug', transforms=[flips, [pack]])
    return pipeline


def _innermost_dataset(cfg: Config) -> ConfigDict:
    dataset = cfg.test_dataloader.dataset
    while 'dataset' in dataset:
        dataset = dataset.dataset
    return dataset
