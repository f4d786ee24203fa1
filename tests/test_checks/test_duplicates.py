"""Files of training among those of validation and test."""

from pathlib import Path

import pytest

from mmuniformer.checks.duplicates import (
    BEGINNING,
    check_duplicates,
    duplicates,
)
from mmuniformer.checks.summary import Summary


def summary(phase: str, *files: Path) -> Summary:
    return Summary(f'{phase}_dataloader.dataset', phase, 'boxes', files=files)


@pytest.fixture
def write(tmp_path):
    def write(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def test_content_is_compared_to_the_end(write):
    start = b'a' * BEGINNING
    one = write('1.jpg', start + b'1')
    other = write('2.jpg', start + b'2')
    same = write('3.jpg', start + b'1')
    found = duplicates([summary('train', one), summary('val', other, same)])
    assert [(d.files, d.same) for d in found] == [((one, same), 'content')]


def test_the_same_path_in_another_form(write, tmp_path, monkeypatch):
    file = write('1.jpg', b'1')
    monkeypatch.chdir(tmp_path)
    found = duplicates([summary('train', file), summary('val', Path('1.jpg'))])
    assert [d.same for d in found] == ['path']


def test_what_cannot_be_compared(write, tmp_path):
    """Missing files, empty ones and folders of frames are no duplicates."""
    (tmp_path / 'a').mkdir()
    (tmp_path / 'b').mkdir()
    empty = [write('1.jpg', b''), write('2.jpg', b'')]
    train = [tmp_path / 'a', tmp_path / 'missing', empty[0]]
    val = [tmp_path / 'b', tmp_path / 'gone', empty[1]]
    assert not duplicates([summary('train', *train), summary('val', *val)])
    # A folder in both is one.
    both = [summary('train', tmp_path / 'a'), summary('val', tmp_path / 'a')]
    assert len(duplicates(both)) == 1


def test_validation_and_test_may_be_one(write):
    a, b = write('a.jpg', b'1'), write('b.jpg', b'2')
    sets = [summary('train', a, b), summary('val', b), summary('test', b)]
    found = duplicates(sets)
    assert [d.phases for d in found] == [('train', 'val'), ('train', 'test')]
    (finding,) = check_duplicates(found, sets)
    assert finding.level == 'warning'
    assert finding.what.startswith('1 of 1 files of val are files of training')
    assert not duplicates(sets[1:])


def test_many_files(write):
    """Enough for several processes."""
    train = [write(f't{i}', bytes([i % 251]) * (i + 1)) for i in range(300)]
    val = [write(f'v{i}', bytes([i % 251]) * (i + 1)) for i in range(290, 310)]
    found = duplicates([summary('train', *train), summary('val', *val)])
    assert [d.files for d in found] == list(
        zip(train[290:], val[:10], strict=True)
    )
