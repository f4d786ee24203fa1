"""check_dataset: everything that is wrong with the data of a config."""

import json
import shutil
from collections import Counter
from io import StringIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from rich.console import Console

from mmuniformer.apis import (
    browse,
    check_dataset,
    report_on_dataset,
    train,
)
from mmuniformer.apis.check_report import as_json, print_report
from mmuniformer.apis.checking import Report, _all_of
from mmuniformer.checks import Finding, check_inputs
from mmuniformer.checks.summary import Summary
from mmuniformer.cli import add_runner_arguments, config_parser
from mmuniformer.datasets.shapes import generate
from mmuniformer.engine.config import load_config
from mmuniformer.errors import UserError

SIZE = 64
TRAIN, VAL = 5, 3
QUICKSTART = Path(__file__).parents[2] / 'configs' / 'quickstart'
DETECTION = 'mask-rcnn_uniformer-tiny_fpn_shapes.py'
CONFIGS = {
    'mmdet': (DETECTION, 'boxes'),
    'mmseg': ('fpn_uniformer-tiny_shapes.py', 'pixels'),
    'mmpose': ('td-hm_uniformer-tiny_shapes.py', 'keypoints'),
}
PHASES = ('train', 'val', 'test')


@pytest.fixture(scope='module')
def shapes(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('shapes') / 'data'
    generate(root, train=TRAIN, val=VAL, size=SIZE)
    return root


@pytest.fixture
def root(shapes, tmp_path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(shapes, tmp_path / 'data'))


def write_config(root: Path, host: str = 'mmdet', text: str = '') -> str:
    """A quickstart config for a folder of data."""
    pytest.importorskip(host)
    name, _ = CONFIGS[host]
    loaders = ''.join(
        f'{phase}_dataloader = dict(num_workers=0, '
        f'persistent_workers=False, dataset=dict(data_root={str(root)!r}))\n'
        for phase in PHASES
    )
    evaluators = ''
    if host != 'mmseg':
        cfg = Config.fromfile(QUICKSTART / name)
        file = root / 'annotations' / Path(cfg.val_evaluator.ann_file).name
        evaluators = (
            f'val_evaluator = dict(ann_file={str(file)!r})\n'
            'test_evaluator = val_evaluator\n'
        )
    path = root.parent / f'config_{host}.py'
    base = f'_base_ = {str(QUICKSTART / name)!r}\n'
    path.write_text(base + loaders + evaluators + text)
    return str(path)


def annotations(root: Path, phase: str) -> tuple[Path, dict]:
    path = root / 'annotations' / f'instances_{phase}.json'
    return path, json.loads(path.read_text())


@pytest.mark.parametrize('host', list(CONFIGS))
def test_nothing_wrong(host, shapes, tmp_path):
    root = shutil.copytree(shapes, tmp_path / 'data')
    report = check_dataset(write_config(root, host))
    assert not report.wrong, [str(f) for f in report.findings]
    assert report.phases == PHASES
    assert [s.phase for s in report.summary] == list(PHASES)
    assert {s.unit for s in report.summary} == {CONFIGS[host][1]}
    assert [len(s.files) for s in report.summary] == [TRAIN, VAL, VAL]
    assert report.summary[0].sizes == Counter({(SIZE, SIZE): TRAIN})
    assert not report.duplicates


def test_figures_are_those_of_the_file(root):
    report = check_dataset(write_config(root), ['train'])
    (summary,) = report.summary
    _, content = annotations(root, 'train')
    names = {c['id']: c['name'] for c in content['categories']}
    counts = Counter(names[a['category_id']] for a in content['annotations'])
    assert {k: v for k, v in summary.classes.items() if v} == counts
    assert list(summary.classes) == list(names.values())
    assert report.phases == ('train',)


def test_phases(root):
    config = write_config(
        root,
        text='test_dataloader = None\ntest_cfg = None\n'
        'test_evaluator = None\n',
    )
    assert check_dataset(config).phases == ('train', 'val')
    assert check_dataset(config, ['val', 'train']).phases == ('train', 'val')
    with pytest.raises(UserError, match='has no test_dataloader'):
        check_dataset(config, ['test'])


class TestEverythingIsFound:
    def test_in_one_go(self, root):
        """A file cut off hides nothing of the others."""
        path, _ = annotations(root, 'train')
        path.write_text(path.read_text()[:1000])
        path, content = annotations(root, 'val')
        content['annotations'][0]['bbox'] = [1, 2, float('nan'), 4]
        path.write_text(json.dumps(content))
        config = write_config(
            root,
            text="test_dataloader = dict(dataset=dict(type='CocoDatset'))\n",
        )
        report = check_dataset(config)
        told = '\n'.join(map(str, report.of_level('error')))
        assert 'instances_train.json' in told
        assert 'instances_val.json' in told
        assert 'NaN' in told
        assert (
            "test_dataloader.dataset.type: there is no data set 'CocoDatset'"
            '; did you mean CocoDataset'
        ) in told
        # Of the whole file there are figures.
        assert 'val' in {s.phase for s in report.summary}
        assert 'train_dataloader.dataset' in report.uncounted
        assert report.findings[0].level == 'error'

    def test_a_library_that_is_not_installed(self, root):
        config = write_config(
            root,
            text='train_dataloader = dict(dataset=dict('
            "type='mmrotate.DOTADataset'))\n",
        )
        report = check_dataset(config, ['train'])
        assert 'mmrotate.DOTADataset' in str(report.of_level('error')[0])

    @pytest.mark.parametrize('host', ['mmseg', 'mmpose'])
    def test_images_are_decoded_on_demand(self, host, root):
        image = sorted((root / 'images' / 'train').iterdir())[1]
        image.write_bytes(b'\xff\xd8 no image')
        config = write_config(root, host)
        told = check_dataset(config, ['train'], decode=True).of_level('error')
        assert any(str(image) in finding.what for finding in told)

    @pytest.mark.parametrize(
        ('error', 'what', 'file'),
        [
            (UserError('a.json: no'), 'a.json: no', ''),
            (
                PermissionError(13, 'Permission denied', 'a.json'),
                'a.json: Permission denied',
                'a.json',
            ),
            (KeyError('id'), "check could not go on: KeyError: 'id'", ''),
        ],
    )
    def test_what_keeps_a_check_from_going_on(self, error, what, file, capsys):
        def check():
            yield Finding('first')
            raise error

        first, second = _all_of(check(), 'check')
        assert (first.what, second.what, second.file) == ('first', what, file)
        assert second.level == 'error'
        # What nobody foresaw keeps its traceback.
        foreseen = not isinstance(error, KeyError)
        assert foreseen != ('Traceback' in capsys.readouterr().err)


class TestDuplicates:
    def test_of_another_name(self, root):
        _, content = annotations(root, 'val')
        train = sorted((root / 'images' / 'train').iterdir())[2]
        copy = root / 'images' / 'val' / content['images'][1]['file_name']
        shutil.copy(train, copy)
        report = check_dataset(write_config(root), ['train', 'val'])
        (duplicate,) = report.duplicates
        assert duplicate.files == (train, copy)
        assert duplicate.same == 'content'
        (finding,) = report.of_level('warning')
        assert f'1 of {VAL} files of val are files of training' in str(finding)
        assert str(copy) in finding.what

    def test_all_of_them_may_be_meant(self, root):
        """As where a model is to learn a few images by heart."""
        report = check_dataset(
            write_config(root),
            ['train', 'val'],
            cfg_options={
                'val_dataloader.dataset.ann_file': 'annotations/'
                'instances_train.json',
                'val_dataloader.dataset.data_prefix.img': 'images/train/',
                'val_evaluator.ann_file': str(annotations(root, 'train')[0]),
            },
        )
        assert {d.same for d in report.duplicates} == {'path'}
        assert [f.level for f in report.findings] == ['note']
        assert not report.wrong


class TestReport:
    def report(self, **keys) -> Report:
        findings = [
            Finding('a.json: wrong', 'mend [it]', 'a.json', 'id 3'),
            Finding('b', level='note'),
        ]
        summary = Summary('train_dataloader.dataset', 'train', 'boxes', **keys)
        return Report('c.py', ('train',), findings, [summary])

    def table(self, report: Report, width: int = 200) -> str:
        file = StringIO()
        print_report(report, Console(file=file, width=width))
        return file.getvalue()

    def test_table(self):
        text = self.table(
            self.report(
                samples=4,
                classes={'a': 30, '[b]': 10, 'c': 0},
                sizes=Counter({(4, 3): 2, (2, 2): 1, (8, 8): 2}),
            )
        )
        lines = text.splitlines()
        assert any('a.json: wrong' in x and 'mend [it]' in x for x in lines)
        shares = {
            line.split()[1]: line.split()
            for line in lines
            if 'a.json' not in line and '%' in line
        }
        assert '75.0%' in shares['a']
        assert '25.0%' in shares['[b]']
        assert '0.0%' in shares['c']
        assert text.count('#') == 20 + 7
        assert '2 x 2 to 8 x 8, median 4 x 3' in text
        assert lines[-1] == '1 error, 1 note'

    def test_many_classes(self):
        classes = {f'name{i}': i for i in range(1000)}
        text = self.table(self.report(classes=classes))
        assert 'name999' in text
        assert 'name0' in text
        assert 'name500' not in text
        assert '960 classes between them' in text

    def test_json(self):
        content = json.loads(
            as_json(
                self.report(
                    samples=4,
                    classes={'ä': np.int64(3)},
                    sizes=Counter({(4, 3): 2}),
                )
            )
        )
        assert content['findings'][0] == dict(
            level='error',
            file='a.json',
            entry='id 3',
            what='a.json: wrong',
            mend='mend [it]',
        )
        (summary,) = content['summary']
        assert summary['classes'] == {'ä': 3}
        assert summary['sizes'] == dict(
            min=[4, 3],
            median=[4, 3],
            max=[4, 3],
            common=[dict(size=[4, 3], images=2)],
        )
        assert content['duplicates'] == []

    def test_files(self, root, tmp_path, capsys):
        config = write_config(root)
        out, plot = tmp_path / 'o' / 'r.json', tmp_path / 'p' / 'c.png'
        report_on_dataset(config, format='json', out=str(out), plot=str(plot))
        assert capsys.readouterr().out == ''
        assert json.loads(out.read_text())['findings'] == []
        picture = cv2.imread(str(plot))
        # Bars in the first colour of matplotlib, in each of two charts.
        blue = (np.abs(picture - (180.0, 119, 31)) < 3).all(-1).any(1)
        half = len(blue) // 2
        assert blue[:half].any()
        assert blue[half:].any()

    def test_numbers_end_the_command(self, root, capsys, monkeypatch):
        monkeypatch.delenv('COLUMNS', raising=False)
        path, content = annotations(root, 'train')
        content['annotations'][0]['category_id'] = 99
        path.write_text(json.dumps(content))
        with pytest.raises(UserError, match=r'config_mmdet\.py: 1 warning'):
            report_on_dataset(write_config(root))
        # In a pipe a finding is a line that can be searched.
        lines = capsys.readouterr().out.splitlines()
        assert any(str(path) in line and '99' in line for line in lines)


class TestNoCheck:
    @pytest.fixture
    def config(self, root) -> str:
        path, content = annotations(root, 'train')
        content['annotations'][0]['bbox'] = [1, 2, float('nan'), 4]
        path.write_text(json.dumps(content))
        return write_config(root)

    def test_inputs(self, config):
        cfg = load_config(config, launcher='none')
        assert any('NaN' in str(f) for f in check_inputs(cfg, ['train']))
        assert not list(check_inputs(cfg, ['train'], data=False))

    def test_argument(self):
        parser = config_parser('')
        add_runner_arguments(parser)
        assert parser.parse_args(['c.py']).check
        assert not parser.parse_args(['c.py', '--no-check']).check

    def test_training(self, config, tmp_path):
        keys = dict(
            work_dir=str(tmp_path / 'run'),
            cfg_options={'model.type': 'MaskRCN'},
        )
        with pytest.raises(UserError, match='NaN'):
            train(config, **keys)
        # Looked at after the data.
        with pytest.raises(UserError, match=r"'MaskRCN'.*did you mean"):
            train(config, check=False, **keys)

    def test_browsing(self, config, tmp_path):
        keys = dict(number=2, mode='original', out_dir=str(tmp_path / 'out'))
        with pytest.raises(UserError, match='NaN'):
            browse(config, **keys)
        browse(config, check=False, **keys)
        assert len(list((tmp_path / 'out').iterdir())) == 2
