"""Which inputs are found, and what their outputs are named."""

import io
import os

import pytest

from mmuniformer.errors import UserError
from mmuniformer.prediction.sources import find_sources, kind_of_link


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Empty files: nothing is read yet."""
    for name in (
        'a/x.jpg',
        'a/deep/er/x.jpg',
        'a/deep/clip.MP4',
        'a/.hidden/y.jpg',
        'a/notes.txt',
        'b/x.jpg',
        'b/x.png',
        'b/X.jpeg',
        'c d/ä.jpg',
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / 'empty').mkdir()
    monkeypatch.chdir(tmp_path)


def found(*words):
    return [(s.file, s.kind, s.output) for s in find_sources(words)]


@pytest.mark.usefixtures('tree')
def test_a_folder_keeps_its_folders():
    assert found('a') == [
        ('a/deep/clip.MP4', 'video', 'deep/clip'),
        ('a/deep/er/x.jpg', 'photo', 'deep/er/x'),
        ('a/x.jpg', 'photo', 'x'),
    ]


@pytest.mark.usefixtures('tree')
def test_nothing_in_a_folder_is_passed_over():
    os.symlink('../../c d', 'a/deep/link')
    os.symlink('..', 'a/deep/back')
    os.symlink('nowhere', 'a/gone.png')
    open('a/telephone.HEIC', 'w').close()
    assert [file for file, _, _ in found('a')] == [
        'a/deep/clip.MP4',
        'a/deep/er/x.jpg',
        'a/deep/link/ä.jpg',
        'a/gone.png',
        'a/telephone.HEIC',
        'a/x.jpg',
    ]


@pytest.mark.usefixtures('tree')
def test_a_glob_keeps_the_folders_below_its_fixed_part():
    assert found('a/**/*.jpg') == [
        ('a/deep/er/x.jpg', 'photo', 'deep/er/x'),
        ('a/x.jpg', 'photo', 'x'),
    ]
    assert found('*/x.jpg') == [
        ('a/x.jpg', 'photo', 'a/x'),
        ('b/x.jpg', 'photo', 'b/x'),
    ]


@pytest.mark.usefixtures('tree')
def test_inputs_of_one_name_have_outputs_of_their_own():
    outputs = [output for _, _, output in found('a/x.jpg', 'b/x.jpg')]
    assert outputs == ['a/x', 'b/x']
    # A label map and a crop have no suffix of the input's.
    outputs = [output for _, _, output in found('b')]
    assert outputs == ['x-jpeg', 'x-jpg', 'x-png'] or outputs == [
        'X-jpeg',
        'x-jpg',
        'x-png',
    ]
    outputs = [o for _, _, o in found('a/x.jpg', 'a/x.jpg', 'b/x.jpg')]
    assert len(set(outputs)) == 3
    assert outputs[1] == f'{outputs[0]}-2'
    assert outputs == ['a/x', 'a/x-2', 'b/x']
    everything = ['a', 'b', 'a/deep', 'b/*', 'a/x.jpg', '0']
    outputs = [o.lower() for _, _, o in found(*everything)]
    assert len(outputs) == len(set(outputs)) > 10
    assert all(not os.path.isabs(o) and '..' not in o for o in outputs)


@pytest.mark.usefixtures('tree')
def test_order_is_kept_in_any_mixture(monkeypatch):
    lines = '  c d/ä.jpg \n\nhttp://host:8/p/q.png?s=1\r\n'
    monkeypatch.setattr('sys.stdin', io.StringIO(lines))
    assert found('b/x.png', '-', '0', 'a/deep/clip.MP4') == [
        ('b/x.png', 'photo', 'x'),
        ('c d/ä.jpg', 'photo', 'ä'),
        ('http://host:8/p/q.png?s=1', 'link', 'q'),
        ('0', 'camera', 'camera-0'),
        ('a/deep/clip.MP4', 'video', 'clip'),
    ]


def test_names_of_links_lead_nowhere_else():
    outputs = [
        output
        for _, _, output in found(
            'http://h/../../etc/passwd',
            'http://h/%2e%2e/%2fpasswd',
            'http://h',
            'https://h/',
        )
    ]
    assert len(set(outputs)) == 4
    for output in outputs:
        assert '..' not in output.split('/')
        assert not output.startswith('/')


@pytest.mark.usefixtures('tree')
def test_what_is_not_there_is_a_problem_of_one_input():
    sources = find_sources(['no.jpg', 'empty', 'a/*.gif', 'a/x.jpg'])
    assert [source.problem for source in sources] == [
        'no.jpg does not exist',
        'empty has no photo and no video in it',
        'no file matches a/*.gif',
        '',
    ]


@pytest.mark.usefixtures('tree')
def test_nothing_there_at_all_is_an_error(monkeypatch):
    with pytest.raises(UserError, match=r'^no\.jpg does not exist$'):
        find_sources(['no.jpg'])
    with pytest.raises(UserError, match='none of 2 inputs is there: no'):
        find_sources(['no.jpg', 'no.mp4'])
    monkeypatch.setattr('sys.stdin', io.StringIO('\n'))
    with pytest.raises(UserError, match='list of inputs is empty'):
        find_sources(['-'])


@pytest.mark.parametrize(
    ('link', 'content_type', 'kind'),
    [
        ('http://h/a.mp4', 'application/octet-stream', 'video'),
        ('http://h/a.jpg', 'video/mp4', 'photo'),
        ('http://h/watch', 'video/mp4', 'video'),
        ('http://h/a', 'image/png', 'photo'),
    ],
)
def test_kind_of_a_link(link, content_type, kind):
    assert kind_of_link(link, content_type) == kind
