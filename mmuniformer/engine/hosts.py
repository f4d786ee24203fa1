"""What differs between the OpenMMLab libraries, in one place.

The library is named by the config's ``default_scope``.
"""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config, ConfigDict

from mmuniformer.engine.pictures import PictureBackend
from mmuniformer.errors import UserError


@dataclass(frozen=True)
class Host:
    """One library's habits.

    Attributes:
        hook (str): Its visualization hook, or ours if it has none that works.
        switch (str): The hook's argument that turns it on.
        folder (str or None): The hook's argument for a folder of pictures;
            None if the hook draws through the visualizer's backends only.
        dump (str): The metric that writes predictions.
    """

    hook: str
    switch: str
    folder: str | None
    dump: str = 'DumpResults'


HOSTS = {
    'mmdet': Host(
        'mmdet.DetVisualizationHook',
        'draw',
        'test_out_dir',
        'mmdet.DumpDetResults',
    ),
    'mmseg': Host('mmseg.SegVisualizationHook', 'draw', None),
    'mmpose': Host('mmpose.PoseVisualizationHook', 'enable', 'out_dir'),
    'mmaction': Host('mmuniformer.VideoPictureHook', 'enable', 'out_dir'),
    'mmpretrain': Host('mmpretrain.VisualizationHook', 'enable', 'out_dir'),
}


def host_of(cfg: Config, option: str) -> Host:
    """The host library of a config, or a UserError that names ``option``."""
    scope = cfg.get('default_scope', 'mmengine')
    if scope not in HOSTS:
        raise UserError(
            f'{option} needs a default_scope of {", ".join(HOSTS)}, and the '
            f"config has '{scope}'"
        )
    return HOSTS[scope]


def set_host_defaults(cfg: Config) -> None:
    """Sets what a library's own command line adds to a config."""
    scope = cfg.get('default_scope')
    if scope == 'mmpose' and 'preprocess_cfg' in cfg:
        cfg.model.setdefault('data_preprocessor', cfg.preprocess_cfg)
    if scope == 'mmpretrain':
        for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            loader = cfg.get(name)
            if loader is not None:
                loader.setdefault('pin_memory', True)
                loader.setdefault(
                    'persistent_workers', loader.get('num_workers', 0) > 0
                )
                loader.setdefault('collate_fn', dict(type='default_collate'))


def draw_predictions(
    cfg: Config, show: bool, show_dir: str | None, wait_time: float
) -> None:
    """Turns on the visualization hook for every test image.

    Args:
        cfg (Config): Changed in place.
        show (bool): Open a window for each image.
        show_dir (str, optional): Folder that gets the pictures.
        wait_time (float): Seconds that a window stays.
    """
    option = '--show' if show else '--show-dir'
    host = host_of(cfg, option)
    if not cfg.get('default_hooks'):
        cfg.default_hooks = {}
    hook = cfg.default_hooks.get('visualization')
    if not hook or host.hook.startswith('mmuniformer.'):
        hook = dict(type=host.hook)
    hook = ConfigDict(hook)
    cfg.default_hooks.visualization = hook
    hook[host.switch] = True
    hook['interval'] = 1
    if show:
        hook['show'] = True
        hook['wait_time'] = wait_time
    if show_dir is None:
        return
    # Absolute, because two of the hooks put a relative folder below
    # work_dir/timestamp.
    folder = str(Path(show_dir).absolute())
    if host.folder is not None:
        hook[host.folder] = folder
    else:
        cfg.visualizer['vis_backends'] = [
            dict(type=PictureBackend.__name__, save_dir=folder)
        ]


def dump_predictions(cfg: Config, out: str) -> None:
    """Adds the metric that pickles all predictions into the file ``out``."""
    dump = dict(type=host_of(cfg, '--out').dump, out_file_path=str(Path(out)))
    evaluator = cfg.test_evaluator
    if not isinstance(evaluator, (list, tuple)):
        evaluator = [evaluator]
    cfg.test_evaluator = [*evaluator, dump]


def augment_at_test_time(cfg: Config) -> None:
    """Wraps the model and replaces the test pipeline for ``--tta``.

    A config's own ``tta_model`` and ``tta_pipeline`` win. Without them,
    mmdet and mmpretrain get a horizontal flip, as their own command lines
    do, and mmpose its flip test.

    Raises:
        UserError: If the config has none and its library no default.
    """
    scope = cfg.get('default_scope')
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
