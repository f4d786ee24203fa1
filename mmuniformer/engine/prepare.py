"""The one room where a config is rewritten, between its checks and its run."""

import os
import time
from collections.abc import Sequence
from copy import deepcopy
from inspect import signature
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.hooks import CheckpointHook
from mmengine.registry import DATASETS, HOOKS, LOOPS, TRANSFORMS
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop

from mmuniformer.checks.checkpoints import NEWEST, newest_checkpoint
from mmuniformer.checks.data_sets import data_sets, library_of
from mmuniformer.checks.options.signatures import registered
from mmuniformer.engine.backends import now_in
from mmuniformer.engine.devices import fit_to_devices
from mmuniformer.engine.joining import limit_waiting
from mmuniformer.engine.tta import augment_at_test_time
from mmuniformer.engine.written import RunConfig
from mmuniformer.errors import UserError
from mmuniformer.hosts import HOSTS, Host
from mmuniformer.launch.environment import first_start, restarts
from mmuniformer.nodes import type_name, walk

# Data sets of mmaction2 that ours take the place of.
VIDEO_DATA_SETS = ('VideoDataset', 'RepeatAugDataset')
# Of a DataLoader, what is for worker processes alone: torch refuses it, or
# fails, where there are none.
OF_WORKERS = (
    'multiprocessing_context',
    'persistent_workers',
    'prefetch_factor',
    'timeout',
)
# Backends of the visualizer for what --log-to takes.
TRACKERS = {
    'tensorboard': 'TensorboardVisBackend',
    'wandb': 'WandbVisBackend',
    'mlflow': 'MLflowVisBackend',
}
# MLflow's own variable for a server or a database.
MLFLOW_URI = 'MLFLOW_TRACKING_URI'
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def prepare(
    cfg: Config,
    amp: bool = False,
    auto_scale_lr: bool = False,
    validate: bool = True,
    tta: bool = False,
    show: bool = False,
    show_dir: str | None = None,
    wait_time: float = 2.0,
    out: str | None = None,
    keep: str | None = None,
    log_to: Sequence[str] = (),
    exported: str | None = None,
) -> list[str]:
    """Makes of a config what a command asks for and this machine can run.

    What a library's own command line would write shows in what a
    :class:`RunConfig` writes: mixed precision, a scaled learning rate. So
    does what torch would refuse on any machine. All else is for this run
    alone.

    Args:
        cfg (Config): Changed in place.
        amp (bool): Train in mixed precision.
        auto_scale_lr (bool): Scale the learning rate to the batch size.
        validate (bool): Whether training validates.
        tta (bool): Augment at test time.
        show (bool): Show the prediction of each image in a window.
        show_dir (str, optional): Folder that gets a picture of each image.
        wait_time (float): Seconds that a window stays.
        out (str, optional): Pickle file that gets the predictions.
        keep (str, optional): Folder that gets the samples of a test with
            what a report needs of their predictions.
        log_to (Sequence[str]): Names of ``TRACKERS`` that get the numbers
            of the run besides.
        exported (str, optional): File that is tested in place of the model.

    Returns:
        list[str]: Lines for the log.

    Raises:
        UserError: If the config cannot do what is asked for.
    """
    for each in [cfg, *([cfg.written] if isinstance(cfg, RunConfig) else [])]:
        if not validate:
            each.val_cfg = each.val_dataloader = each.val_evaluator = None
        if amp:
            _use_amp(each)
        if auto_scale_lr:
            _use_scaled_lr(each)
        set_host_defaults(each)
        use_skipping_videos(each)
        left_out = leave_out_workers(each)
    notes = left_out + _start_from_newest(cfg)
    if tta:
        augment_at_test_time(cfg)
    if show or show_dir is not None:
        draw_predictions(cfg, show, show_dir, wait_time)
    if out is not None:
        dump_predictions(cfg, out)
    if keep is not None:
        keep_samples(cfg, keep)
    add_trackers(cfg, log_to)
    use_own_parts(cfg)
    limit_waiting(cfg)
    notes += fit_to_devices(cfg)
    if exported is not None:
        use_exported(cfg, exported)
    return notes


def go_on_after_restart(cfg: Config) -> list[str]:
    """Has a run that its launcher has started again go on where it was.

    Args:
        cfg (Config): Changed in place, if this is a restart and the run has
            saved before it. Else the run starts as it did at first.

    Returns:
        list[str]: Lines for the log.
    """
    count = restarts()
    if not count:
        return []
    told = f'Restart {count} of this run'
    # One that starts anew in an old work dir, or goes back to an older file,
    # must not go on with what lies there.
    is_newest = cfg.get('resume') and cfg.get('load_from') in NEWEST
    since = 0 if is_newest else _by_the_clock_of(cfg.work_dir, first_start())
    path, _ = newest_checkpoint(cfg.work_dir, since)
    if path is None:
        return [f'{told}: it has saved nothing yet, and starts as at first.']
    cfg.resume, cfg.load_from = True, path
    return [f'{told}: it goes on from {path}.']


def _by_the_clock_of(folder: str, moment: float) -> float:
    """A moment of this machine's clock, as times of files there have it."""
    try:
        return moment + now_in(Path(folder)) - time.time()
    except OSError:
        # Nothing can have been saved there.
        return moment


def _start_from_newest(cfg: Config) -> list[str]:
    """Names the file to go on from, where a config says to resume alone."""
    if not cfg.get('resume') or cfg.get('load_from') not in NEWEST:
        return []
    cfg.load_from, _ = newest_checkpoint(cfg.work_dir)
    if cfg.load_from is not None:
        return []
    # Else mmengine would look for one by itself.
    cfg.resume = False
    return [
        f'--resume: no checkpoint in {cfg.work_dir} yet, training starts '
        'from the beginning.'
    ]


def _use_amp(cfg: Config) -> None:
    wrapper = cfg.optim_wrapper
    kind = type_name(wrapper) or 'OptimWrapper'
    if kind not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise UserError(
            f'--amp replaces an OptimWrapper, and the optim_wrapper of the '
            f'config is a {kind}'
        )
    wrapper.type = 'AmpOptimWrapper'
    wrapper.setdefault('loss_scale', 'dynamic')


def _use_scaled_lr(cfg: Config) -> None:
    if 'base_batch_size' not in (cfg.get('auto_scale_lr') or {}):
        raise UserError(
            '--auto-scale-lr: the config does not say for which batch size '
            'its learning rate is; set auto_scale_lr.base_batch_size'
        )
    cfg.auto_scale_lr.enable = True


def set_host_defaults(cfg: Config) -> None:
    """Sets what a library's own command line adds to a config."""
    library = library_of(cfg)
    if library == 'mmpose' and 'preprocess_cfg' in cfg:
        cfg.model.setdefault('data_preprocessor', cfg.preprocess_cfg)
    if library == 'mmpretrain':
        for name in LOADERS:
            loader = cfg.get(name)
            if loader is not None:
                loader.setdefault('pin_memory', True)
                loader.setdefault(
                    'persistent_workers', loader.get('num_workers', 0) > 0
                )
                loader.setdefault('collate_fn', dict(type='default_collate'))


def host_of(cfg: Config, option: str) -> Host:
    """The host library of a config, or a UserError that names ``option``."""
    library = library_of(cfg)
    if not library:
        raise UserError(
            f'{option} needs a default_scope of {", ".join(HOSTS)}, or data '
            f'sets of one of them, and the config has '
            f'{cfg.get("default_scope")!r}'
        )
    return HOSTS[library]


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
    host = host_of(cfg, '--show' if show else '--show-dir')
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
        if cfg.get('visualizer') is None:
            cfg.visualizer = dict(type=host.visualizer)
        cfg.visualizer['vis_backends'] = [
            dict(type='mmuniformer.PictureBackend', save_dir=folder)
        ]
    if not host.hook.startswith('mmuniformer.'):
        cfg.default_hooks.visualization = ConfigDict(
            type='mmuniformer.PicturesHook',
            hook=hook,
            folder=host.folder,
            out_dir=folder,
            numbers=host.numbers,
        )


def dump_predictions(cfg: Config, out: str) -> None:
    """Adds the metric that pickles all predictions into the file ``out``."""
    dump = dict(type=host_of(cfg, '--out').dump, out_file_path=str(Path(out)))
    evaluator = cfg.test_evaluator
    if not isinstance(evaluator, (list, tuple)):
        evaluator = [evaluator]
    cfg.test_evaluator = [*evaluator, dump]


def use_validation_set(cfg: Config) -> None:
    """Makes the data and the metrics of the validation those of the test.

    Args:
        cfg (Config): Changed in place.

    Raises:
        UserError: If it has no validation.
    """
    for key in ('dataloader', 'evaluator'):
        if cfg.get(f'val_{key}') is None:
            raise UserError(
                f'config {cfg.filename} has no val_{key}; test on its test '
                'set instead'
            )
        cfg[f'test_{key}'] = deepcopy(cfg[f'val_{key}'])
    if cfg.get('test_cfg') is None:
        cfg.test_cfg = dict(type='TestLoop')


def use_exported(cfg: Config, file: str) -> None:
    """Puts an exported file in the place of the model.

    Args:
        cfg (Config): Changed in place.
        file (str): What ``mmuniformer export`` has written.
    """
    host_of(cfg, file)
    for data_set in data_sets(cfg, ('test',)):
        pipeline = data_set.node.pipeline
        break
    if cfg.get('data_preprocessor') is not None:
        # mmengine would give it to what stands in the model's place.
        cfg.model.setdefault('data_preprocessor', cfg.pop('data_preprocessor'))
    cfg.model = ConfigDict(
        type='mmuniformer.ExportedModel',
        file=file,
        host=cfg.model,
        library=library_of(cfg),
        pipeline=pipeline,
    )


def keep_samples(cfg: Config, folder: str) -> None:
    """Adds the metric that keeps samples for a report.

    The metrics of COCO keep the files that they score, so that the report
    has their numbers.

    Args:
        cfg (Config): Changed in place.
        folder (str): Where they go.
    """
    host_of(cfg, 'a report of predictions')
    evaluator = cfg.test_evaluator
    if isinstance(evaluator, dict) and 'metrics' in evaluator:
        raise UserError(
            f'a report of predictions needs metrics as test_evaluator, and '
            f'the config has a {type_name(evaluator)}'
        )
    if not isinstance(evaluator, (list, tuple)):
        evaluator = [evaluator]
    ignored = 255
    for index, node in enumerate(evaluator):
        if type_name(node) == 'CocoMetric':
            node['outfile_prefix'] = str(Path(folder, f'scored-{index}'))
        ignored = node.get('ignore_index', ignored)
    keeper = ConfigDict(
        type='mmuniformer.CollectSamples',
        folder=folder,
        library=library_of(cfg),
        ignore_index=ignored,
    )
    cfg.test_evaluator = [*evaluator, keeper]
    # mmengine takes what an earlier run of the process has registered under
    # the name of a config, and writes into the folder of that.
    cfg.visualizer = ConfigDict(
        type='mmengine.Visualizer', name=f'of {folder}', vis_backends=[]
    )
    _name_files(cfg, 'test_dataloader')


def add_trackers(cfg: Config, names: Sequence[str]) -> None:
    """Adds backends to the visualizer that get the numbers of a run.

    Args:
        cfg (Config): Changed in place. A backend that it has already stays
            as it is, with its arguments.
        names (Sequence[str]): Of ``TRACKERS``.
    """
    if not names:
        return
    if cfg.get('visualizer') is None:
        cfg.visualizer = dict(type='Visualizer')
    local = [dict(type='LocalVisBackend')]
    backends = list(cfg.visualizer.get('vis_backends') or local)
    present = [type_name(backend) for backend in backends]
    for name in names:
        if TRACKERS[name] not in present:
            backend = dict(type=f'mmengine.{TRACKERS[name]}')
            if name == 'mlflow':
                backend |= _place_of_mlflow(Path(cfg.work_dir))
            backends.append(backend)
            present.append(TRACKERS[name])
    cfg.visualizer.vis_backends = backends


def _place_of_mlflow(work_dir: Path) -> dict[str, str]:
    """Where MLflow keeps a run: its own setting, or a database of ours.

    mmengine names a folder, which MLflow 3 does not write into any more.
    """
    uri = os.environ.get(MLFLOW_URI)
    if uri:
        return dict(tracking_uri=uri)
    folder = work_dir.absolute()
    # The experiment that each database has keeps its files where it is made.
    return dict(
        exp_name=folder.name,
        tracking_uri=f'sqlite:///{folder.as_posix()}/mlflow.db',
        artifact_location=(folder / 'mlflow').as_uri(),
        # No second copy of what lies in the work dir.
        artifact_suffix=(),
    )


def use_own_parts(cfg: Config) -> None:
    """Puts parts of ours in place of the host's that lose data or names.

    - mmengine's ``CheckpointHook`` becomes a ``SafeCheckpointHook``, and its
      training loops those of ours, which go on from any place;
    - each ``VideoDataset`` and ``RepeatAugDataset`` of mmaction2 becomes
      ours, which names a video that cannot be read; the former may go on
      without it;
    - each pipeline of mmseg that loads labels gets :class:`CheckLabels`;
    - mmaction2's samples for training get the names of their files, which
      those of the other libraries have.

    Args:
        cfg (Config): Changed in place.
    """
    _use_safe_checkpoint_hook(cfg)
    _use_resumable_loop(cfg)
    use_named_videos(cfg)
    _name_files(cfg, 'train_dataloader')
    if library_of(cfg) == 'mmseg':
        add_checks_of_labels(cfg)


def _use_safe_checkpoint_hook(cfg: Config) -> None:
    if cfg.get('train_cfg') is None:
        return
    if cfg.get('default_hooks') is None:
        cfg.default_hooks = {}
    hook = cfg.default_hooks.get('checkpoint', dict(type='CheckpointHook'))
    if hook is None:
        return
    # Not of another project's hook of that name.
    if registered(hook.get('type'), HOOKS) is CheckpointHook:
        hook = dict(hook, type='mmuniformer.SafeCheckpointHook')
    cfg.default_hooks.checkpoint = hook


def _use_resumable_loop(cfg: Config) -> None:
    loop = cfg.get('train_cfg')
    if loop is None:
        return
    kind = loop.get('type')
    if kind is None:
        kind = (
            EpochBasedTrainLoop if loop.get('by_epoch') else IterBasedTrainLoop
        )
    # Not of another project's loop of that name.
    found = registered(kind, LOOPS)
    if found in (EpochBasedTrainLoop, IterBasedTrainLoop):
        loop.pop('by_epoch', None)
        loop['type'] = f'mmuniformer.{found.__name__}'


def leave_out_workers(cfg: Config) -> list[str]:
    """Leaves out what a loader is to do with workers that it has not.

    Args:
        cfg (Config): Changed in place.

    Returns:
        list[str]: A line for the log for each loader that is told more.
    """
    notes = []
    for name in LOADERS:
        loader = cfg.get(name) or {}
        if loader.get('num_workers', 0):
            continue
        left_out = [key for key in OF_WORKERS if loader.get(key)]
        for key in left_out:
            del loader[key]
        if left_out:
            notes.append(
                f'{name} has no workers (num_workers=0), and does without '
                f'{", ".join(left_out)}.'
            )
    return notes


def use_named_videos(cfg: Config) -> None:
    """Replaces the video data sets of a config of mmaction2."""
    for name in LOADERS:
        for _, node in walk(cfg.get(name)):
            kind = type_name(node)
            if kind in VIDEO_DATA_SETS and _is_of_mmaction(node['type']):
                node['type'] = f'mmuniformer.{kind}'


def _name_files(cfg: Config, loader: str) -> None:
    for _, node in walk(cfg.get(loader)):
        kind = registered(node.get('type'), TRANSFORMS)
        if getattr(kind, '__name__', '') == 'PackActionInputs':
            by_default = signature(kind).parameters['meta_keys'].default
            keys = node.get('meta_keys', by_default)
            files = [k for k in ('filename', 'frame_dir') if k not in keys]
            node['meta_keys'] = [*keys, *files]


def use_skipping_videos(cfg: Config) -> None:
    """Names our data set where a config asks for what it alone can do."""
    for name in LOADERS:
        for _, node in walk(cfg.get(name)):
            asks = type_name(node) == 'VideoDataset' and 'unreadable' in node
            if asks and _is_of_mmaction(node['type']):
                node['type'] = 'mmuniformer.VideoDataset'


def _is_of_mmaction(kind: Any) -> bool:
    """Whether a type is a class of mmaction2 itself, not of a project."""
    found = registered(kind, DATASETS)
    return getattr(found, '__module__', '').startswith('mmaction.')


def add_checks_of_labels(cfg: Config) -> None:
    """Adds :class:`CheckLabels` to the pipelines of a config of mmseg.

    Nothing is added where the model has no number of classes.
    """
    model = cfg.get('model') or {}
    # For --tta the model is within another.
    head = model.get('module', model).get('decode_head')
    head = head[-1] if isinstance(head, list) else head
    if not head or 'num_classes' not in head:
        return
    check = ConfigDict(
        type='mmuniformer.CheckLabels',
        # One output channel tells two classes apart.
        num_classes=max(head.num_classes, 2),
        ignore_index=head.get('ignore_index', 255),
    )
    for name in LOADERS:
        for _, node in walk(cfg.get(name)):
            if isinstance(node.get('pipeline'), list):
                _add_after_loading(node.pipeline, check)


def _add_after_loading(pipeline: list, check: ConfigDict) -> None:
    for index, transform in enumerate(pipeline):
        if type_name(transform) == 'TestTimeAug':
            # Alternatives for each step: one for this one.
            steps = transform.transforms
            for step, choices in enumerate(steps):
                if any(type_name(c) == 'LoadAnnotations' for c in choices):
                    steps.insert(step + 1, [check])
                    break
        elif type_name(transform) == 'LoadAnnotations':
            following = pipeline[index + 1 : index + 2]
            if not following or type_name(following[0]) != 'CheckLabels':
                pipeline.insert(index + 1, check)
