"""A mistake in a list of videos ends a run with its file and line."""

from pathlib import Path

import pytest
from mmengine.config import Config

from mmuniformer.checks import check_inputs, stop_on_errors
from mmuniformer.errors import UserError


def check(cfg: Config, phases: tuple[str, ...]) -> None:
    stop_on_errors(check_inputs(cfg, phases))


@pytest.fixture
def root(tmp_path) -> Path:
    (tmp_path / 'videos').mkdir()
    return tmp_path


def config(root: Path, text: str, phase: str = 'train', **dataset) -> Config:
    """A config of mmaction2 with a list of this text."""
    (root / 'list.txt').write_text(text)
    prefix = 'img' if dataset.get('type') == 'RawframeDataset' else 'video'
    settings = dict(
        type='VideoDataset',
        data_root=str(root),
        ann_file='list.txt',
        data_prefix={prefix: 'videos'},
    )
    repeat = dict(type='RepeatDataset', dataset=settings | dataset)
    return Config({
        'default_scope': 'mmaction',
        'model': dict(cls_head=dict(num_classes=5)),
        f'{phase}_dataloader': dict(dataset=repeat),
    })  # fmt: skip


@pytest.mark.parametrize(('text', 'dataset'), [
    ('a.mp4 0\nb/c.mp4 4\n', {}),
    ('a b.mp4,3\n', dict(delimiter=',')),
    ('a.mp4 0 4\n', dict(multi_class=True)),
    ('a 12 4\nb 7 0\n', dict(type='RawframeDataset')),
    ('a  12\t4\n', dict(type='mmaction.RawframeDataset')),
    ('a 5 12 4\n', dict(type='RawframeDataset', with_offset=True)),
    ('a 99\n', dict(type='AVADataset')),
])  # fmt: skip
def test_what_fits_passes(root, text, dataset):
    check(config(root, text, **dataset), ('train', 'val'))


@pytest.mark.parametrize(('text', 'dataset', 'message'), [
    (
        'a.mp4 0\nb.mp4 5\n',
        {},
        r"list\.txt, line 2: 'b\.mp4 5' has the label 5: .*labels are 0 to 4",
    ),
    ('a.mp4 0 7\n', dict(multi_class=True), 'line 1: .* has the label 7'),
    ('a 12 5\n', dict(type='RawframeDataset'), 'has the label 5'),
    ('a.mp4 0\n\n', {}, r"line 2: '' has no label"),
    ('a.mp4\n', {}, r"line 1: 'a\.mp4' has no label"),
    ('a 12\n', dict(type='RawframeDataset'), 'has no label'),
    ('a b.mp4 0\n', {}, "not of the form 'path label'; a path with spaces"),
    ('a.mp4 0 1\n', {}, "not of the form 'path label'"),
    ('a.mp4 run\n', {}, "not of the form 'path label'"),
    ('a.mp4 -1\n', {}, "not of the form 'path label'"),
    ('a.mp4 0\n', dict(delimiter=','), 'has no label'),
    (
        'a\n',
        dict(type='RawframeDataset'),
        "not of the form 'folder number-of-frames label'$",
    ),
    (
        'a 12\n',
        dict(type='RawframeDataset', with_offset=True),
        "not of the form 'folder first-frame number-of-frames label'$",
    ),
    ('', {}, r'list\.txt is empty \(set by train_.*dataset\.ann_file\)'),
])  # fmt: skip
def test_what_does_not_is_refused(root, text, dataset, message):
    with pytest.raises(UserError, match=message):
        check(config(root, text, **dataset), ('train',))


@pytest.mark.parametrize(('key', 'value', 'message'), [
    ('ann_file', 'no.txt', r'no\.txt does not exist.*data_root.*\.ann_file'),
    ('data_prefix', dict(video='no'), r'no does not exist.*prefix\.video'),
    ('data_root', 'no/where', r'no/where/list\.txt does not exist'),
])  # fmt: skip
def test_missing_places_name_their_keys(root, key, value, message):
    cfg = config(root, 'a.mp4 0\n', **{key: value})
    with pytest.raises(UserError, match=message):
        check(cfg, ('train',))


def test_absolute_paths_need_no_folder(root):
    cfg = config(root, '/a.mp4 0\n', data_prefix=dict(video='no'))
    check(cfg, ('train',))


def test_only_what_a_run_reads_is_checked(root):
    cfg = config(root, 'a.mp4 9\n', phase='test')
    check(cfg, ('train', 'val'))
    with pytest.raises(UserError, match='has the label 9'):
        check(cfg, ('test',))
    cfg.default_scope = 'mmdet'
    check(cfg, ('test',))


def test_videos_without_labels_can_be_tested(root):
    check(config(root, 'a.mp4\n', phase='test'), ('test',))


def test_classes_of_the_blending_are_those_of_the_head(root):
    cfg = config(root, 'a.mp4 0\n')
    blend = dict(augments=[dict(num_classes=5), dict(num_classes=400)])
    cfg.model.data_preprocessor = dict(blending=blend)
    with pytest.raises(
        UserError,
        match=r'cls_head\.num_classes is 5, and .*'
        r'blending\.augments\.1\.num_classes is 400',
    ):
        check(cfg, ('train',))


def test_a_list_shorter_than_a_batch(root):
    cfg = config(root, 'a.mp4 0\nb.mp4 1\n')
    loader = cfg.train_dataloader
    loader.dataset = loader.dataset.dataset
    loader.update(batch_size=3, drop_last=True)
    with pytest.raises(
        UserError,
        match=r'train_dataloader\.batch_size is 3, and the list has 2 videos',
    ):
        check(cfg, ('train',))
    loader.drop_last = False
    check(cfg, ('train',))
