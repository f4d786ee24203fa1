"""tools/misc/compare_shards.py: both ways read the same files."""

import sys
from pathlib import Path

import compare_shards

from mmuniformer.shards import PREFIX, read_place


def test_the_table(tmp_path, monkeypatch, capsys):
    words = ['--files', '40', '--kib', '2', '--workers', '2']
    words += ['--folder', str(tmp_path)]
    monkeypatch.setattr(sys, 'argv', ['compare_shards.py', *words])
    compare_shards.main(compare_shards.parse_args())
    told = capsys.readouterr().out
    assert 'files a second, 40 of 2 KiB, cold' in told
    rows = [row for row in told.splitlines() if row.startswith('│')]
    assert [row.split('│')[1].strip() for row in rows] == [
        'single files',
        'shards',
    ]
    assert all(float(row.split('│')[2]) > 0 for row in rows)
    assert not list(tmp_path.iterdir())


def test_both_ways_read_the_same(tmp_path):
    compare_shards.make(tmp_path, 30, 2, 1)
    files = compare_shards.paths_of_files(tmp_path)
    places = compare_shards.paths_in_shards(tmp_path)
    assert all(place.startswith(PREFIX) for place in places)
    assert sorted(Path(f).read_bytes() for f in files) == sorted(
        map(read_place, places)
    )
