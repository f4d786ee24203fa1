"""Configs of runs, read as data."""

from mmengine.config import Config

from mmuniformer.reports.written_config import (
    differences,
    flat,
    lookup,
    read_config,
)

TEXT = """
import os
model = dict(type='A', sizes=[(1, 2), (3, 4)], names={'1': 'a', 2: None})
lr = -0.5
big = float('inf')
"""


def test_it_is_what_mmengine_dumps():
    values = dict(
        model=dict(type='A', sizes=[(1, 2)], lr=1e-05, more={'a b': None}),
        words='a "quoted"\ntext',
        flag=True,
    )
    assert read_config(Config(values).pretty_text) == values


def test_nothing_of_it_is_run(tmp_path):
    trace = tmp_path / 'trace'
    code = f"open({str(trace)!r}, 'w')"
    config = read_config(
        f'{TEXT}\na = {code}\n{code}\nb = dict(c={code})\nd = f"{{{code}}}"\n'
    )
    assert not trace.exists()
    assert config['a'] == code
    assert config['b'] == {'c': code}
    assert config['model']['names'] == {'1': 'a', 2: None}
    assert config['lr'] == -0.5


def test_one_that_is_cut_has_no_values():
    assert read_config(TEXT + 'model = dict(') == {}
    assert read_config('a\0b') == {}
    assert read_config('(' * 5000) == {}


def test_differences():
    one = dict(a=dict(b=1, c=[dict(d=1)]), e=1, work_dir='x')
    other = dict(a=dict(b=1, c=[dict(d=2)]), f=[1, 2], work_dir='y')
    assert dict(flat(one))['a.c.0.d'] == '1'
    table = differences(['one', 'other'], [one, other])
    assert table.rows == [
        ['a.c.0.d', '1', '2'],
        ['e', '1', ''],
        ['f', '', '[1, 2]'],
    ]
    assert 'same' in differences(['a', 'b'], [one, one]).note
    assert lookup(one, 'a.b') == 1
    assert lookup(one, 'a.b.c.d', 7) == 7
