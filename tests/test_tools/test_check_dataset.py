"""tools/dataset_tools/check_dataset.py as it is run."""

import json
from pathlib import Path

import pytest

from mmuniformer.datasets.shapes import generate

QUICKSTART = Path(__file__).parents[2] / 'configs' / 'quickstart'
TOOL = 'dataset_tools/check_dataset.py'


def test_exit_code_and_pure_json(run_tool, tmp_path):
    pytest.importorskip('mmseg')
    config = QUICKSTART / 'fpn_uniformer-tiny_shapes.py'
    # The folder that the config names.
    generate(tmp_path / 'data' / 'shapes', train=8, val=4, size=64)
    done = run_tool(TOOL, config, '--format', 'json')
    assert (done.returncode, done.stderr.count('error:')) == (0, 0)
    content = json.loads(done.stdout)
    assert content['findings'] == []
    assert [s['files'] for s in content['summary']] == [8, 4, 4]

    options = '--cfg-options', 'train_dataloader.dataset.type=BaseSegDatset'
    done = run_tool(TOOL, config, '--format', 'json', *options)
    assert done.returncode == 1
    (finding,) = json.loads(done.stdout)['findings']
    assert finding['entry'] == 'train_dataloader.dataset.type'
    assert '1 error' in done.stderr
    assert 'Traceback' not in done.stderr
