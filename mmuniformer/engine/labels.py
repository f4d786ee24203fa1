"""Checking maps of labels as they are loaded."""

from typing import Any

from mmengine.config import Config, ConfigDict

from mmuniformer.nodes import walk

CHECK = 'mmuniformer.CheckLabels'


def check_labels(cfg: Config) -> None:
    """Adds :class:`CheckLabels` to the pipelines of a config of mmseg.

    Args:
        cfg (Config): Changed in place, unless it is of another library or
            its model has no number of classes.
    """
    if cfg.get('default_scope') != 'mmseg':
        return
    # For --tta the model is within another.
    head = cfg.model.get('module', cfg.model).get('decode_head')
    head = head[-1] if isinstance(head, list) else head
    if not head or 'num_classes' not in head:
        return
    check = ConfigDict(
        type=CHECK,
        # One output channel tells two classes apart.
        num_classes=max(head.num_classes, 2),
        ignore_index=head.get('ignore_index', 255),
    )
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        for _, node in walk(cfg.get(name)):
            if isinstance(node.get('pipeline'), list):
                _check_after_loading(node.pipeline, check)


def _check_after_loading(pipeline: list, check: ConfigDict) -> None:
    for index, transform in enumerate(pipeline):
        if _is(transform, 'TestTimeAug'):
            # Alternatives for each step: one for this one.
            steps = transform.transforms
            for step, choices in enumerate(steps):
                if any(_is(choice, 'LoadAnnotations') for choice in choices):
                    steps.insert(step + 1, [check])
                    break
        elif _is(transform, 'LoadAnnotations'):
            following = pipeline[index + 1 : index + 2]
            if not following or not _is(following[0], 'CheckLabels'):
                pipeline.insert(index + 1, check)


def _is(transform: Any, name: str) -> bool:
    if not isinstance(transform, dict):
        return False
    kind = transform.get('type', '')
    return getattr(kind, '__name__', str(kind)).split('.')[-1] == name
