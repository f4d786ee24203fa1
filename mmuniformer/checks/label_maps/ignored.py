"""The label that is not learned: whether all parts of a config agree."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from mmengine.config import Config

from mmuniformer.checks.data_sets import data_sets, evaluators
from mmuniformer.checks.finding import Finding
from mmuniformer.nodes import type_name

# mmseg's default, of heads, metrics and data sets alike.
DEFAULT = 255


def check_ignored_labels(
    cfg: Config,
    phases: Collection[str],
    pixels: Mapping[str, Counter],
    sizes: Collection[tuple[int, int]] = (),
) -> Iterator[Finding]:
    """Looks at every ``ignore_index`` and at the weights of classes.

    Args:
        cfg (Config): Only a config of mmseg has decode heads.
        phases (Collection[str]): Of 'train', 'val' and 'test'.
        pixels (Mapping[str, Counter]): Pixels by label of each phase, as far
            as they are known.
        sizes (Collection[tuple[int, int]]): Width and height of the training
            images that reach the model in the size of their files.
    """
    heads = dict(_heads(cfg))
    decode_heads = [path for path in heads if '.decode_head' in path]
    if not decode_heads:
        return
    main = decode_heads[-1]
    head = heads[main]
    ignored = head.get('ignore_index', DEFAULT)
    count = head.get('num_classes')
    for path, node in heads.items():
        other = node.get('ignore_index', DEFAULT)
        if 'train' in phases and other != ignored:
            yield Finding(
                f'{path}.ignore_index is {other}, and {main}.ignore_index '
                f'is {ignored}',
                'set both to the label that maps have for what is ignored',
                entry=f'{path}.ignore_index',
                level='warning',
            )
        if 'train' in phases:
            padded = _padded(cfg, node, sizes)
            yield from _check_weights(path, node, pixels.get('train'), padded)
    if 'train' in phases and _is_class(ignored, count):
        yield Finding(
            f'{main}.ignore_index is {ignored}, which is one of its {count} '
            'classes: that class is never learned',
            entry=f'{main}.ignore_index',
            level='note',
        )
    yield from _check_metrics(cfg, phases, main, ignored, count)
    for data_set in data_sets(cfg, phases):
        own = data_set.node.get('ignore_index', ignored)
        if data_set.host == 'mmseg' and own != ignored:
            yield Finding(
                f'{data_set.path}.ignore_index is {own}, which mmseg never '
                f'looks at: {main}.ignore_index counts, and is {ignored}',
                f'set {main}.ignore_index={own} if it is meant',
                entry=f'{data_set.path}.ignore_index',
                level='warning',
            )


def _check_metrics(
    cfg: Config,
    phases: Collection[str],
    head: str,
    ignored: int | None,
    count: int | None,
) -> Iterator[Finding]:
    evaluated = [p for p in phases if p != 'train']
    before = []
    for _, path, node in evaluators(cfg, evaluated):
        own = node.get('ignore_index', DEFAULT)
        if type_name(node) != 'IoUMetric' or own == ignored:
            continue
        # Not to score a class (the background) is a choice; to score what
        # was never learned is none.
        if ignored is None or node in before or _is_class(own, count):
            continue
        before.append(node)
        yield Finding(
            f'{path}.ignore_index is {own}, and {head}.ignore_index is '
            f'{ignored}: pixels that were never learned are scored',
            f'set {path}.ignore_index={ignored}',
            entry=f'{path}.ignore_index',
            level='warning',
        )


def _check_weights(
    path: str, head: dict, pixels: Counter | None, padded: str
) -> Iterator[Finding]:
    """Looks for weights of classes that meet an ignored label.

    mmseg's CrossEntropyLoss takes the weight of each pixel's label, of
    ignored ones as well, and there is none for 255.
    """
    ignored = head.get('ignore_index', DEFAULT)
    count = head.get('num_classes')
    losses = head.get('loss_decode') or {}
    one = isinstance(losses, dict)
    for index, loss in enumerate([losses] if one else losses):
        place = f'{path}.loss_decode' + ('' if one else f'.{index}')
        if (
            type_name(loss) == 'CrossEntropyLoss'
            and loss.get('class_weight') is not None
            and not loss.get('use_sigmoid')
            and not loss.get('use_mask')
            and loss.get('reduction', 'mean') == 'mean'
            and not _is_class(ignored, count)
            and (padded or (pixels and pixels[ignored]))
        ):
            what = padded or f'{pixels[ignored]} pixels of train_dataloader'
            mend = 'or give those pixels a class of their own'
            if padded:
                mend = 'or set model.data_preprocessor.seg_pad_val to a class'
            yield Finding(
                f'{place}.class_weight has no weight for the label {ignored}, '
                f'which {what} have: '
                "mmseg's CrossEntropyLoss takes the weights of ignored "
                'pixels as well and stops with an index error',
                f'take {place}.class_weight out, {mend}',
                entry=f'{place}.class_weight',
            )


def _padded(
    cfg: Config, head: dict, sizes: Collection[tuple[int, int]]
) -> str:
    """What the ignored pixels are that a model adds; '' if it adds none."""
    model = cfg.get('model') or {}
    preprocessor = model.get('data_preprocessor') or {}
    fill = preprocessor.get('seg_pad_val', DEFAULT)
    if not preprocessor.get('size') or fill != head.get(
        'ignore_index', DEFAULT
    ):
        return ''
    height, width = preprocessor['size']
    small = [size for size in sizes if size[0] < width or size[1] < height]
    if not small:
        return ''
    return (
        f'the pixels that model.data_preprocessor (size=({height}, {width})) '
        f'adds to images of {small[0][0]} x {small[0][1]}'
    )


def _is_class(label: int | None, count: int | None) -> bool:
    return (
        label is not None and count is not None and 0 <= label < max(count, 2)
    )


def _heads(cfg: Config) -> Iterator[tuple[str, dict]]:
    """Decode heads, then auxiliary heads, with their dotted paths."""
    model = cfg.get('model') or {}
    path = 'model.module' if 'module' in model else 'model'
    model = model.get('module', model)
    for key in ('decode_head', 'auxiliary_head'):
        heads = model.get(key)
        if isinstance(heads, dict):
            yield f'{path}.{key}', heads
        elif isinstance(heads, (list, tuple)):
            for index, head in enumerate(heads):
                yield f'{path}.{key}.{index}', head
