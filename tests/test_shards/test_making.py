"""Shards: what is written is what was there, and is read by WebDataset."""

import json
import os
import runpy
import signal
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mmuniformer.apis import make_shards
from mmuniformer.errors import UserError
from mmuniformer.shards import (
    place_of,
    read_place,
    read_samples,
    read_shard_set,
)
from mmuniformer.shards.writing import keys_of


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three classes with files of names that are hard to keep."""
    root = tmp_path / 'files'
    names = [
        'cat/1.jpg',
        'cat/2.v1.JPEG',
        'dog/a #1+2.abcdef01/1.png',
        'dog/1.jpg',
    ]
    names += ['dog/1.png', f'long/{"x" * 120}.jpg', 'long/ünï 100%.jpg']
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(bytes([number]) * (400 + 300 * number))
    (root / 'dog' / 'notes.txt').write_text('no image')
    return root


def contents(out: Path) -> dict[str, tuple[bytes, object]]:
    """Bytes and label of each sample, by its name."""
    found = read_shard_set(out / 'shards.json')
    return {
        sample.name: (read_place(place_of(shard.tar, sample)), sample.label)
        for shard in found.shards
        for sample in read_samples(shard)
    }


def state(out: Path) -> dict[str, tuple[bytes, int]]:
    """Content and time of each file."""
    return {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in out.iterdir()
    }


def test_a_folder_of_classes(folder, tmp_path):
    out = tmp_path / 'out'
    assert make_shards(str(folder), str(out), max_samples=3) == 0
    found = read_shard_set(out / 'shards.json')
    assert found.classes == ('cat', 'dog', 'long')
    assert [shard.number for shard in found.shards] == [3, 3, 1]
    samples = contents(out)
    assert len(samples) == 7
    for path in folder.rglob('*.*'):
        if path.suffix == '.txt' or path.is_dir():
            continue
        key = path.relative_to(folder).with_suffix('').as_posix()
        kept = {'cat/2.v1': 'cat/2%2Ev1', 'long/ünï 100%': 'long/ünï 100%25'}
        names = [kept.get(key, key) + path.suffix]
        # Of one key, one has a number.
        names.append(f'{key}%2{path.suffix}')
        (name,) = set(names) & set(samples)
        label = found.classes.index(path.relative_to(folder).parts[0])
        assert samples[name] == (path.read_bytes(), label)
    assert not list(out.glob('.*.partial'))


def test_webdataset_reads_them(folder, tmp_path):
    webdataset = pytest.importorskip('webdataset')
    out = tmp_path / 'out'
    make_shards(str(folder), str(out), max_samples=3, processes=1)
    shards = [str(s.tar) for s in read_shard_set(out / 'shards.json').shards]
    read = {}
    for sample in webdataset.WebDataset(shards, shardshuffle=False):
        (suffix,) = {'jpg', 'jpeg', 'png'} & sample.keys()
        label = int(sample['cls'])
        read[f'{sample["__key__"]}.{suffix}'] = sample[suffix], label
    ours = contents(out)
    assert read == {
        name.replace('.JPEG', '.jpeg'): value for name, value in ours.items()
    }


def test_a_list(folder, tmp_path):
    lines = ['dog/1.jpg,4', 'cat/1.jpg,0', 'dog/1.jpg,4']
    (tmp_path / 'list.csv').write_text('\n'.join(lines))
    (tmp_path / 'names.txt').write_text('a\nb\nc\nd\ne\n')
    out = tmp_path / 'out'
    make_shards(
        str(folder),
        str(out),
        ann_file=str(tmp_path / 'list.csv'),
        delimiter=',',
        classes=str(tmp_path / 'names.txt'),
    )
    assert read_shard_set(out / 'shards.json').classes == tuple('abcde')
    assert {name: label for name, (_, label) in contents(out).items()} == {
        'dog/1.jpg': 4, 'dog/1%2.jpg': 4, 'cat/1.jpg': 0
    }  # fmt: skip


def labels_of(folder: Path, tmp_path: Path, lines: str, **options) -> dict:
    """Makes shards of a list; the labels in them by the samples' names."""
    file, out = tmp_path / 'list.txt', tmp_path / 'out'
    file.write_text(lines)
    make_shards(str(folder), str(out), ann_file=str(file), **options)
    return {name: label for name, (_, label) in contents(out).items()}


def test_a_tab_as_it_is_typed(folder, tmp_path):
    labels = labels_of(folder, tmp_path, 'dog/1.jpg\t4\n', delimiter='\\t')
    assert labels['dog/1.jpg'] == 4


def test_several_labels(folder, tmp_path):
    lines = 'dog/1.jpg 4 0\ncat/1.jpg 1\n'
    labels = labels_of(folder, tmp_path, lines, multi_class=True)
    assert labels == {'dog/1.jpg': [4, 0], 'cat/1.jpg': [1]}
    with tarfile.open(tmp_path / 'out/shard-000000.tar') as tar:
        assert tar.extractfile('dog/1.cls').read() == b'4 0'


def test_the_order_is_that_of_the_seed(folder, tmp_path):
    orders = []
    for name, seed in [('a', 1), ('b', 1), ('c', 2)]:
        make_shards(str(folder), str(tmp_path / name), seed=seed)
        orders.append(list(contents(tmp_path / name)))
    assert orders[0] == orders[1] != orders[2]
    a, b = (tmp_path / n / 'shard-000000.tar' for n in 'ab')
    assert a.read_bytes() == b.read_bytes()


def test_sizes_by_bytes(tmp_path):
    root = tmp_path / 'files' / 'one'
    root.mkdir(parents=True)
    for number in range(5):
        (root / f'{number}.mp4').write_bytes(bytes(700 * 2**10))
    make_shards(str(root.parent), str(tmp_path / 'out'), max_mib=1)
    found = read_shard_set(tmp_path / 'out' / 'shards.json')
    assert [shard.number for shard in found.shards] == [2, 2, 1]


def test_goes_on_where_it_was_ended(folder, tmp_path):
    out, whole = tmp_path / 'out', tmp_path / 'whole'
    for each in (out, whole):
        make_shards(str(folder), str(each), max_samples=2)
    before = state(out)
    # As a killed process leaves it: no list, a shard without its index, one
    # that was begun.
    (out / 'shards.json').unlink()
    (out / 'shard-000001.json').unlink()
    (out / 'shard-000002.json').unlink()
    (out / 'shard-000002.tar').unlink()
    (out / '.shard-000002.tar.123.partial').write_bytes(b'half')
    make_shards(str(folder), str(out), max_samples=2)
    after = state(out)
    written = {name for name in after if after[name] != before.get(name)}
    assert {name for name in written if name.startswith('shard-')} == {
        f'shard-00000{n}.{s}' for n in (1, 2) for s in ('tar', 'json')
    }
    assert {n: c for n, (c, _) in after.items()} == {
        n: c for n, (c, _) in state(whole).items()
    }


def test_a_shard_of_another_order(folder, tmp_path):
    """It has the same size, and other samples."""
    for number in range(8):
        (folder / 'cat' / f'{number}.jpg').write_bytes(bytes([number]) * 400)
    sets = tmp_path / 'one', tmp_path / 'other'
    for seed, out in enumerate(sets):
        make_shards(str(folder), str(out), max_samples=6, seed=seed)
    for suffix in ('tar', 'json'):
        name = f'shard-000000.{suffix}'
        (sets[0] / name).write_bytes((sets[1] / name).read_bytes())
    shard = read_shard_set(sets[0] / 'shards.json').shards[0]
    assert not shard.problem()
    with pytest.raises(UserError, match='is of another tar than'):
        read_samples(shard)
    # Lists of earlier releases do not say what is in an index.
    assert len(read_samples(replace(shard, crc=None))) == 6


def test_killed_and_begun_again(folder, tmp_path):
    out, whole = tmp_path / 'out', tmp_path / 'whole'
    for number in range(300):
        path = folder / 'many' / f'{number}.jpg'
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes([number % 256]) * 9999)
    maker = os.fork()
    if not maker:
        try:
            make_shards(str(folder), str(out), max_samples=1, processes=2)
        finally:
            os._exit(0)
    while len(list(out.glob('*.tar'))) < 3:
        time.sleep(0.001)
    children = Path(f'/proc/{maker}/task/{maker}/children')
    workers = [int(number) for number in children.read_text().split()]
    os.kill(maker, signal.SIGKILL)
    os.waitpid(maker, 0)
    assert len(workers) == 2
    assert not (out / 'shards.json').exists()
    end = time.monotonic() + 30
    while any(map(is_running, workers)):
        assert time.monotonic() < end, 'workers outlive who started them'
        time.sleep(0.1)
    for each in (out, whole):
        make_shards(str(folder), str(each), max_samples=1, processes=1)
    assert contents(out) == contents(whole)
    assert len(contents(out)) == 307
    assert not list(out.glob('*.partial'))


def is_running(process: int) -> bool:
    try:
        status = Path(f'/proc/{process}/stat').read_text()
    except OSError:
        return False
    # Nobody may have asked how it ended.
    return status.rpartition(')')[2].split()[0] != 'Z'


def test_what_is_refused(folder, tmp_path):
    out = tmp_path / 'out'

    def refused(match, source=folder, **settings):
        with pytest.raises(UserError, match=match) as caught:
            make_shards(str(source), str(out), **settings)
        assert '\n' not in str(caught.value)

    def write_list(text):
        (tmp_path / 'list.txt').write_text(text)
        return str(tmp_path / 'list.txt')

    refused('is no folder', source=tmp_path / 'none')
    (tmp_path / 'flat').mkdir()
    refused('has no folders with images', source=tmp_path / 'flat')
    refused('is within .* whose folders are classes', source=tmp_path)
    out.touch()
    refused('cannot write into .*out: File exists')
    out.unlink()
    refused(
        r"list.txt, line 2: 'cat/1.jpg' is not of the form 'path label'",
        ann_file=write_list('dog/1.jpg 1\ncat/1.jpg\n'),
    )
    refused(
        r'cat/9.jpg is no file, as are 1 more',
        ann_file=write_list('cat/9.jpg 0\ncat/8.jpg 0\ncat/1.jpg 0\n'),
    )
    refused(
        r'files/cat is a folder: .*list.txt is a list of frames',
        ann_file=write_list('cat 2 0\n'),
    )
    refused(
        'the delimiter is empty',
        ann_file=write_list('cat/1.jpg 0\n'),
        delimiter='',
    )
    assert not list(out.glob('*.tar'))
    (folder / 'cat' / '3.jpg').touch()
    refused('cat/3.jpg is an empty file')
    (folder / 'cat' / '3.jpg').unlink()

    make_shards(str(folder), str(out), max_samples=3)
    refused('has other samples than it would get now', seed=5, max_samples=3)
    refused('shard-000000.tar has other samples', max_samples=2)
    (folder / 'cat' / '1.jpg').write_bytes(b'another')
    refused('has other samples', max_samples=3)


def test_the_command(folder, tmp_path, monkeypatch, capsys):
    tool = Path(__file__).parents[2] / 'tools/dataset_tools/make_shards.py'
    arguments = [folder, tmp_path / 'out', '--max-samples', 4, '--seed', 1]
    monkeypatch.setattr(sys, 'argv', list(map(str, [tool, *arguments])))
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(tool), run_name='__main__')
    assert end.value.code == 0
    told = capsys.readouterr().err
    assert '7 samples in 2 shards' in told
    assert '2 of them written now' in told


def test_keys():
    assert keys_of(['a/b.jpg', '/a/b.png', '../c.d/e.f.mp4', 'g']) == [
        'a/b',
        'a/b%2',
        'c.d/e%2Ef',
        'g',
    ]


def test_an_index_says_what_its_columns_are(folder, tmp_path):
    make_shards(str(folder), str(tmp_path / 'out'))
    content = json.loads((tmp_path / 'out/shard-000000.json').read_text())
    assert content['columns'] == ['name', 'offset', 'size', 'crc', 'label']
    name, offset, size, *_ = content['samples'][0]
    with tarfile.open(tmp_path / 'out' / 'shard-000000.tar') as tar:
        member = tar.getmember(name)
    assert (member.offset_data, member.size) == (offset, size)
