"""The file of what was measured: several writers, and damage."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mmuniformer.errors import UserError
from mmuniformer.reproduction import results as kept


def entry(name: str, **values) -> dict:
    return {
        'id': name,
        'style': 'as configured',
        'options': {},
        'config_sha256': 'a',
        'checkpoint': 'x.pth',
        'checkpoint_sha256': 'b',
        'data_sha256': 'd',
        'metrics': {},
        **values,
    }


def test_runs_that_add_at_the_same_time_lose_nothing(tmp_path):
    path = tmp_path / 'new' / 'results.json'
    entries = [entry(f'model {i}') for i in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda e: kept.add(path, e), entries))
    assert {e['id'] for e in kept.read(path)} == {e['id'] for e in entries}
    assert [p.name for p in path.parent.iterdir()] == ['results.json']


def test_who_was_killed_while_adding_holds_up_nobody(tmp_path):
    path, lock = tmp_path / 'results.json', tmp_path / 'results.json.lock'
    lock.touch()
    long_ago = time.time() - 2 * kept.KILLED
    os.utime(lock, (long_ago, long_ago))
    kept.add(path, entry('a'))
    assert kept.read(path) == [entry('a')]
    assert not lock.exists()


def test_a_later_result_is_in_place_of_the_same_test(tmp_path):
    path = tmp_path / 'results.json'
    for digest in ('b', 'c'):
        kept.add(path, entry('a', checkpoint_sha256=digest))
    kept.add(path, entry('a', style='ms+flip'))
    found = kept.read(path)
    assert [e['checkpoint_sha256'] for e in found] == ['c', 'b']
    assert kept.same_test(found, entry('a', checkpoint_sha256='c'))
    for digest in kept.DIGESTS:
        assert not kept.same_test(found, entry('a', **{digest: 'other'}))
    # Of a version that did not know the data.
    del found[0]['data_sha256']
    assert not kept.same_test(found, entry('a', checkpoint_sha256='c'))


def test_a_part_of_the_data_is_said_and_not_chosen():
    part = entry('a', samples=6, samples_published=50_000)
    assert next(kept.lines(part)) == (
        'samples: 6, and those of the published figures: 50,000'
    )
    whole = entry('b', samples=50_000, samples_published=50_000)
    unknown = entry('c', samples=6, samples_published=None)
    for each in (whole, unknown):
        assert list(kept.lines(each)) == []
    found = kept.chosen([part, whole, unknown])
    assert {name for name, _ in found} == {'b', 'c'}


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        ('{"results": [{"id": "a"}]}', 'a result without style, options'),
        ('{"results": ["a"]}', 'a result without id'),
        ('{"results": [1]}', 'TypeError'),
        ('{"a": 1}', 'KeyError'),
        ('[]', 'TypeError'),
        ('{"results": [', 'JSONDecodeError'),
        (b'\xff\xfe', 'UnicodeDecodeError'),
    ],
)
def test_what_is_no_file_of_results(tmp_path, content, words):
    """Damaged, or of an older version: a line, and nothing is written."""
    path = tmp_path / 'results.json'
    raw = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(raw)
    for act in (kept.read, lambda path: kept.add(path, entry('a'))):
        with pytest.raises(UserError, match='no file of results') as error:
            act(path)
        assert words in str(error.value)
        assert '\n' not in str(error.value)
    assert path.read_bytes() == raw


def test_a_folder_that_cannot_be_written(tmp_path):
    """Found before a test, too."""
    (tmp_path / 'file').touch()
    path = tmp_path / 'file' / 'results.json'
    for act in (kept.prepare, lambda path: kept.add(path, entry('a'))):
        with pytest.raises(UserError, match='cannot be written'):
            act(path)
    kept.prepare(tmp_path / 'new' / 'results.json')
    assert list((tmp_path / 'new').iterdir()) == []


def test_a_link_stays_one(tmp_path):
    link, path = tmp_path / 'link.json', tmp_path / 'there' / 'results.json'
    link.symlink_to(path)
    kept.prepare(link)
    kept.add(link, entry('a'))
    assert link.is_symlink()
    assert kept.read(path) == [entry('a')]


def test_nothing_was_measured(tmp_path):
    assert kept.read(tmp_path / 'absent.json') == []
    kept.add(tmp_path / 'new.json', entry('a'))
    content = json.loads((tmp_path / 'new.json').read_text())
    assert content == {'results': [entry('a')]}
