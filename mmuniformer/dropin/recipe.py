"""What goes with a backbone: its colours and its weights."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmuniformer.dropin.measuring import arguments
from mmuniformer.nodes import type_name, walk

# Of the images that the published weights were trained on.
MEAN = [123.675, 116.28, 103.53]
STD = [58.395, 57.12, 57.375]
# Of the clips: 0.45 and 0.225 of 255.
CLIP_MEAN = [114.75, 114.75, 114.75]
CLIP_STD = [57.375, 57.375, 57.375]
# A pure Python config has the class.
FROM_FILE = ('Pretrained', 'PretrainedInit')
# Keys that have pipelines: hooks switch to another one late in training.
PIPELINES = (
    'train_dataloader',
    'val_dataloader',
    'test_dataloader',
    'custom_hooks',
    'tta_pipeline',
)
# Heads of mmpretrain that have a second one to distil with.
DISTILLING = ('LeViTClsHead', 'EfficientFormerClsHead')
# What preprocessors have.
ORDERS = ('bgr_to_rgb', 'to_rgb')


def fit_colours(cfg: Config, clips: bool) -> None:
    """RGB, and the mean and spread of our weights, wherever images are
    normalised.

    Args:
        cfg (Config): Changed in place.
        clips (bool): Whether they are those of video.
    """
    mean, std = (CLIP_MEAN, CLIP_STD) if clips else (MEAN, STD)
    pipelines = list(_in_pipelines(cfg))
    for node in (*_preprocessors(cfg), *pipelines):
        given = node.get('mean')
        # What a pipeline has normalised, no preprocessor does again.
        if given is None and pipelines:
            continue
        if given is not None and len(given) != len(mean):
            continue
        _set(node, 'mean', mean)
        _set(node, 'std', std)
        if node.get('rgb_to_bgr'):
            node['rgb_to_bgr'] = False
        key = _order_key(node, cfg)
        if key is not None and not node.get(key):
            node[key] = True


def _set(node: dict, key: str, values: list[float]) -> None:
    if list(node.get(key) or ()) != values:
        node[key] = list(values)


def _order_key(node: dict, cfg: Config) -> str | None:
    """What turns BGR, as OpenCV reads images, into RGB."""
    kind = type_name(node)
    if kind == 'ActionDataPreprocessor':
        # Videos and frames are read as RGB there.
        return None
    if kind == 'Normalize':
        return 'to_rgb'
    if not kind:
        return 'to_rgb' if cfg.default_scope == 'mmpretrain' else 'bgr_to_rgb'
    known = arguments(node, cfg.default_scope)
    return next((key for key in known if key in ORDERS), None)


def _preprocessors(cfg: Config) -> Iterator[dict]:
    model = cfg.model
    top = ('data_preprocessor', 'preprocess_cfg')
    for key in top:
        if 'data_preprocessor' not in model and isinstance(cfg.get(key), dict):
            yield cfg[key]
    for path, node in walk(model, 'model'):
        preprocessor = path.endswith('data_preprocessor')
        # A wrapper of others has no mean, and takes none.
        if preprocessor and 'data_preprocessor' not in node:
            yield node


def _in_pipelines(cfg: Config) -> Iterator[dict]:
    for key in PIPELINES:
        for _, node in walk(cfg.get(key)):
            if type_name(node) == 'Normalize' and 'mean' in node:
                yield node


def forget_weights(cfg: Config) -> list[str]:
    """Leaves out files that hold the weights of the host's model."""
    notes = []
    if cfg.get('load_from'):
        cfg.load_from = None
        notes.append("load_from: left out, the file has the host's backbone")
    model: Any = cfg.model
    for path, node in walk(model, 'model'):
        if 'backbone' not in node:
            continue
        if node.get('pretrained'):
            node['pretrained'] = None
        if type_name(node.get('init_cfg')) in FROM_FILE:
            node['init_cfg'] = None
            notes.append(
                f"{path}.init_cfg: left out, the file has the host's backbone"
            )
    return notes


def stop_distilling(cfg: Config) -> list[str]:
    """Turns off what some heads refuse to train with.

    Args:
        cfg (Config): Changed in place.
    """
    head = cfg.model.get('head')
    # It is on by default.
    if type_name(head) not in DISTILLING or not head.get('distillation', True):
        return []
    head['distillation'] = False
    return ['model.head: distillation=False, it does not train otherwise']


def find_teachers(cfg: Config) -> list[str]:
    """Looks up configs of teachers, named from a checkout of the library.

    Args:
        cfg (Config): Changed in place.
    """
    notes = []
    host = Path(find_spec(cfg.default_scope).origin).parent
    for path, node in walk(cfg.model, 'model'):
        name = node.get('teacher_config')
        if not isinstance(name, str) or Path(name).is_file():
            continue
        file = host / '.mim' / name
        if file.is_file():
            node['teacher_config'] = str(file)
            notes.append(
                f'{path}.teacher_config: the installed one, as there is no '
                f'{name} here'
            )
    return notes


def compare_weights(
    cfg: Config, path: str, host: dict, checkpoint: str | None
) -> list[str]:
    """Says where the host's backbone trained otherwise than ours will.

    Args:
        cfg (Config): The host's.
        path (str): Of the backbone.
        host (dict): Its node.
        checkpoint (str, optional): What ours starts from; an empty one where
            it is to start from none.
    """
    notes = []
    if type_name(host) == 'LoRAModel':
        notes.append(
            f'{path}: LoRAModel is left out, so all of UniFormer trains; to '
            'keep it, give it the new backbone as its module'
        )
    given = _weights_of(cfg, path, host)
    if checkpoint and not given:
        notes.append(
            f"{path}: the host's starts from no weights, and this one from "
            "a file; --checkpoint '' for none"
        )
    if checkpoint is None and given:
        notes.append(
            f"{path}: the host's starts from a file, and this one from no "
            'weights; --checkpoint takes a file, or a name of '
            '`mmuniformer zoo list`'
        )
    return notes


def _weights_of(cfg: Config, path: str, host: dict) -> bool:
    """Whether the host's backbone starts from a file of its own or of a model
    that it is a part of.
    """
    around = [
        node
        for place, node in walk(cfg.model, 'model')
        if path.startswith(f'{place}.')
    ]
    inside = [node for _, node in walk(host)]
    given = [cfg.get('load_from')]
    for node in (*around, *inside):
        given.append(node.get('pretrained'))
        inits = node.get('init_cfg')
        inits = inits if isinstance(inits, list | tuple) else [inits]
        given += [type_name(init) in FROM_FILE for init in inits]
    return any(given)
