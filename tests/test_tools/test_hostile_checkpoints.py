"""A share of the hostile checkpoints; all of them by the command alone."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from hostile_checkpoints import Maker, run

TOOL = 'misc/hostile_checkpoints.py'


@pytest.fixture(scope='module')
def maker(tmp_path_factory):
    folder = tmp_path_factory.mktemp('hostile')
    return Maker(folder, str(folder / 'ran'))


def test_none_runs_and_all_are_told():
    results = list(run(168, seed=0))
    wrong = [r for r in results if r['outcome'] not in ('refused', 'read')]
    assert not wrong
    readers = {result['reader'] for result in results}
    assert len(readers) == 6 + bool(find_spec('mmdet'))
    assert len(results) == 168 * len(readers)
    # What is not hostile after all is read, and by all alike.
    assert {r['outcome'] for r in results} == {'refused', 'read'}


def test_files_are_the_same_each_time(maker, tmp_path):
    kinds = {maker(number)[0] for number in range(14)}
    assert len(kinds) == 9
    for number in (0, 3, 7, 13):
        assert maker(number) == maker(number)


def test_they_are_hostile(maker, tmp_path):
    """Without the readers of this project some of them do run."""
    path = tmp_path / 'file.pth'
    mark = Path(maker.mark)
    ran = 0
    for number in range(0, 280, 14):
        path.write_bytes(maker(number)[2])
        try:
            torch.load(path, weights_only=False)
        except BaseException:
            continue
        finally:
            if mark.exists():
                ran += 1
                mark.rmdir()
    assert ran


def test_a_reader_that_runs_a_file_is_seen(tmp_path, run_tool, monkeypatch):
    """With torch's switch that turns the protection off."""
    result = run_tool(
        TOOL,
        '--batch',
        0,
        28,
        tmp_path,
        TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD='1',
    )
    lines = [json.loads(s) for s in result.stdout.splitlines() if s[:1] == '{']
    outcomes = {line['outcome'] for line in lines if 'outcome' in line}
    assert 'unexplained' in outcomes or 'executed' in outcomes
