"""`mmuniformer data`: the lines of its page, and one of them run."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from mmuniformer.cli.main import command_parser, main
from mmuniformer.datasets.shapes import generate

PAGE = Path(__file__).parents[2] / 'docs' / 'own-data.md'
BLOCKS = re.findall(r'```shell\n(.*?)```', PAGE.read_text(), re.DOTALL)
LINES = [
    line
    for block in BLOCKS
    for line in block.replace('\\\n', '').splitlines()
    if line.startswith('mmuniformer data ')
]


@pytest.mark.parametrize('line', LINES)
def test_the_lines_of_the_page_are_understood(line):
    words = shlex.split(line)[2:]
    arguments = command_parser('data').parse_args(words)
    assert arguments.subcommand == words[0]


def test_the_first_line_runs(tmp_path, monkeypatch, capsys, recwarn):
    generate(tmp_path / 'shapes', train=8, val=1, size=96)
    monkeypatch.chdir(tmp_path)
    shutil.move('shapes/images/train', 'photos')
    shutil.move('shapes/annotations/instances_train.json', 'labels.json')
    # The first recipe takes seconds to build.
    words = [*shlex.split(LINES[0])[1:], '--like', 'tiny']
    assert main(words) == 0
    out, err = capsys.readouterr()
    # What libraries print and advise is no part of the answer.
    assert 'loading annotations' not in out + err
    assert not [warning for warning in recwarn if '/mm' in warning.filename]
    assert 'split with seed 0: 6 of training, 2 of validation' in out
    for name in ('person', 'circle', 'cross'):
        assert name in out
    for file in ('mydata.py', 'mydata.png', 'mydata_labels/train.json'):
        assert Path(file).is_file()
    assert 'mmuniformer train mydata.py' in out
    assert main(words) == 1
    assert '--overwrite' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['--task', 'det', '--out', 'a.py'], '--task det needs --labels'),
        (['--task', 'cls', '--out', 'a.py'], '--task cls needs --images'),
        (['--task', 'det', '--out', 'a.json'], 'name of a Python file'),
        (
            ['--task', 'pose', '--out', 'a.py', '--like', 'xxs'],
            'for --task pose it is small, base, tiny or a config',
        ),
        (
            ['--task', 'det', '--out', 'a.py', '--split', '80'],
            'between 0 and 1, not 80',
        ),
    ],
)
def test_mistakes_of_the_command_line(
    tmp_path, monkeypatch, capsys, words, said
):
    monkeypatch.chdir(tmp_path)
    assert main(['data', 'new', *words]) == 1
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ('option', 'source'),
    [
        ('--labels', 'mine_labels/train.json'),
        ('--labels', 'mine_labels'),
        ('--val-labels', 'mine_labels/../mine_labels/val.json'),
        ('--like', 'mine.py'),
        ('--weights', 'linked/best.pth'),
    ],
)
def test_what_is_read_is_never_written_over(
    tmp_path, monkeypatch, capsys, option, source
):
    monkeypatch.chdir(tmp_path)
    Path('mine_labels').mkdir()
    Path('linked').symlink_to('mine_labels')
    mine = [
        Path(name)
        for name in (
            'mine.py',
            'mine_labels/train.json',
            'mine_labels/val.json',
            'mine_labels/best.pth',
        )
    ]
    for file in mine:
        file.write_text('mine')
    words = ['--task', 'det', '--images', '.', '--labels', 'labels.json']
    words += [option, source, '--out', 'mine.py']
    for more in ([], ['--overwrite']):
        assert main(['data', 'new', *words, *more]) == 1
        error = capsys.readouterr().err
        assert f'{option} {source} is in the place of mine' in error
        assert '--overwrite' not in error
    assert all(file.read_text() == 'mine' for file in mine)
