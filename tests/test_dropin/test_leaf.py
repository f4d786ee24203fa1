"""A config as the changes to another."""

from pathlib import Path

import mmdet
import pytest
from mmengine.config import Config

from mmuniformer.dropin.leaf import SAME, base_of, differences, leaf_text

BASE = """
model = dict(
    backbone=dict(type='A', depth=50),
    heads=[dict(type='H', inner=dict(x=1, y=2), w=3), dict(type='I')],
    kept=dict(z=1),
)
schedule = [dict(type='S', end=10)]
"""


def read(tmp_path, text: str) -> Config:
    path = tmp_path / 'leaf.py'
    path.write_text(text)
    return Config.fromfile(path)


def plain(cfg: Config) -> dict:
    content = cfg.to_dict()
    content.pop('custom_imports', None)
    return content


def test_what_is_written_is_read_as_it_was_meant(tmp_path):
    (tmp_path / 'base.py').write_text(BASE)
    old = Config.fromfile(tmp_path / 'base.py')
    new = Config.fromfile(tmp_path / 'base.py')
    new.model.backbone = dict(type='B', width=(64,), rates={'a.b': 0.5})
    new.model.heads[0].inner.y = [1, 'two', None]
    new.schedule = [dict(type='W'), *new.schedule]
    text = leaf_text(
        'base.py', old, new, ['model', 'schedule'], ['A note'], None, False
    )
    assert plain(read(tmp_path, text)) == plain(new)
    # Only what differs is there, and what is in a list is referred to.
    assert text.startswith("# A note\n_base_ = 'base.py'\n")
    assert 'kept' not in text
    assert '_delete_=True' in text
    assert '_base_.schedule[0]' in text
    assert 'dict(_base_.model.heads[0]' in text.replace('\n', '').replace(
        ' ' * 12, ''
    )
    assert max(map(len, text.splitlines())) <= 79


def test_nothing_is_said_where_nothing_differs():
    assert differences(dict(a=[1, (2,)]), dict(a=[1, (2,)]), 'x') is SAME
    # A tuple is no list where a config is read.
    assert differences(dict(a=(1,)), dict(a=[1]), 'x') == dict(a=[1])
    assert differences(dict(a=1), dict(a=True), 'x') == dict(a=True)
    # mmengine merges no dict into what is none.
    told = differences(dict(a=None), dict(a=dict(b=1)), 'x')
    assert told == dict(a=dict(_delete_=True, b=1))


def test_the_base_is_named_as_seen_from_the_leaf(tmp_path):
    out = tmp_path / 'mine' / 'leaf.py'
    host = str(tmp_path / 'theirs' / 'host.py')
    assert base_of('mmdet::a/b.py', out, lazy=False) == 'mmdet::a/b.py'
    assert base_of(host, out, lazy=False) == '../theirs/host.py'
    assert base_of(host, out, lazy=True) == '..theirs.host'
    with pytest.raises(ValueError, match='nothing that Python can import'):
        base_of(str(tmp_path / 'r50-fpn.py'), out, lazy=True)


@pytest.mark.parametrize('allow', [True, False])
def test_imports_may_fail_where_they_might_before(tmp_path, allow):
    imports = dict(imports=['not_there'], allow_failed_imports=allow)
    old = Config(dict(model=dict(), custom_imports=imports))
    text = leaf_text('base.py', old, old, [], [], None, False)
    wanted = dict(imports, imports=['not_there', 'mmuniformer'])
    assert f'allow_failed_imports={allow}' in text
    values: dict = {}
    exec(text, values)
    assert values['custom_imports'] == wanted


def test_files_of_a_library_are_named_on_any_machine(tmp_path):
    (tmp_path / 'base.py').write_text(
        "default_scope = 'mmdet'\nmodel = dict()"
    )
    old = Config.fromfile(tmp_path / 'base.py')
    new = Config.fromfile(tmp_path / 'base.py')
    folder = Path(mmdet.__file__).parent
    new.model.teacher_config = str(folder / '.mim' / 'a.py')
    text = leaf_text('base.py', old, new, ['model'], ['Note'], None, False)
    assert str(folder) not in text
    assert read(tmp_path, text).model == new.model


def test_one_scheduler_of_the_base_is_referred_to(tmp_path):
    (tmp_path / 'base.py').write_text('schedule = dict(type="S", end=10)')
    old = Config.fromfile(tmp_path / 'base.py')
    new = Config(dict(schedule=[dict(type='W'), dict(old.schedule)]))
    text = leaf_text('base.py', old, new, ['schedule'], [], None, False)
    assert "schedule = [dict(type='W'), _base_.schedule]" in text
    assert plain(read(tmp_path, text)) == plain(new)


@pytest.mark.parametrize('lazy', [True, False])
def test_a_leaf_does_not_take_the_place_of_what_it_inherits(tmp_path, lazy):
    (tmp_path / 'sub').mkdir()
    base, host = tmp_path / 'sub' / 'base.py', tmp_path / 'host.py'
    other = tmp_path / 'other.py'
    base.write_text('a = 1\n')
    other.write_text('a = 1\n')
    if lazy:
        base.write_text('from mmengine.runner import Runner\na = Runner\n')
    host.write_text(
        'from mmengine.config import read_base\n'
        'with read_base():\n    from .sub.base import *\n'
        if lazy
        else "_base_ = ['sub/base.py', 'mmdet::_base_/default_runtime.py']\n"
    )
    (tmp_path / 'link.py').symlink_to(host)
    for out in (host, base, tmp_path / 'link.py'):
        with pytest.raises(ValueError, match='give -o another name'):
            base_of(str(host), out, lazy)
    # What is there already and has nothing to do with it may be replaced.
    assert base_of(str(host), other, lazy) in ('host.py', '.host')
