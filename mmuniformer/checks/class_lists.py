"""Whether the parts of a config agree on their classes."""

from collections.abc import Iterator

from mmengine.config import Config

from mmuniformer.checks.finding import Finding
from mmuniformer.nodes import walk


def head_classes(cfg: Config) -> int | None:
    """Number of classes of a recognizer's head; None if it has none."""
    return (_model(cfg).get('cls_head') or {}).get('num_classes')


def check_class_numbers(cfg: Config) -> Iterator[Finding]:
    """Looks at the classes of a recognizer's head and of its blending.

    Args:
        cfg (Config): Only a config of mmaction2 is looked at.
    """
    if cfg.get('default_scope') != 'mmaction':
        return
    number = head_classes(cfg)
    preprocessor = _model(cfg).get('data_preprocessor') or {}
    for path, node in walk(preprocessor.get('blending'), 'blending'):
        if number is not None and node.get('num_classes', number) != number:
            place = f'model.data_preprocessor.{path}.num_classes'
            yield Finding(
                f'model.cls_head.num_classes is {number}, and {place} is '
                f'{node["num_classes"]}: set both to the number of classes '
                'in the lists',
                entry=place,
            )


def _model(cfg: Config) -> dict:
    """The model of a config, within that of test-time augmentation."""
    model = cfg.get('model') or {}
    return model.get('module', model)
