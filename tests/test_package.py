"""The package as it is installed and imported."""

import subprocess
import sys
from pathlib import Path

import mmuniformer

ROOT = Path(__file__).parents[1]


def run(code):
    return subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True
    )


def test_import_needs_no_host_library():
    """mmdet and the others are needed only by the configs that name them."""
    done = run(
        'import sys\n'
        'hosts = ["mmdet", "mmseg", "mmpose", "mmaction", "mmpretrain"]\n'
        'sys.modules.update(dict.fromkeys(hosts + ["mmcv"]))\n'
        'import torch, mmuniformer\n'
        'arch = dict(depths=(1,) * 4, embed_dims=(8,) * 4, head_dim=8)\n'
        'mmuniformer.UniFormer(arch)(torch.rand(1, 3, 32, 32))\n'
    )
    assert done.returncode == 0, done.stderr


def test_import_is_light():
    """Importing loads none of the host libraries."""
    done = run(
        'import sys, mmuniformer\n'
        'hosts = {"mmdet", "mmseg", "mmpose", "mmaction", "mmpretrain"}\n'
        'hosts.add("torchvision")\n'
        'import mmuniformer.datasets\n'
        'sys.exit(sorted(hosts & set(sys.modules)) or 0)\n'
    )
    assert done.returncode == 0, done.stderr


def test_prefix_alone_imports_the_package():
    done = run(
        'from mmengine.registry import MODELS\n'
        'assert MODELS.get("mmuniformer.UniFormer")\n'
    )
    assert done.returncode == 0, done.stderr


def test_without_torch_the_cause_is_named():
    done = run(
        'import sys\n'
        'sys.modules["mmengine"] = None\n'
        'import mmuniformer\n'
        'mmuniformer.UniFormer\n'
    )
    assert 'ImportError: mmuniformer.UniFormer is not available' in done.stderr
    assert 'mmuniformer.doctor' in done.stderr


def test_mim_finds_configs_and_tools():
    """An editable install links them into the package."""
    mim = Path(mmuniformer.__file__).parent / '.mim'
    for name in ('configs', 'tools', 'model-index.yml'):
        assert (mim / name).resolve() == ROOT / name


def test_names_of_test_files_are_unique():
    """pytest imports them by their name alone."""
    files = [path.name for path in (ROOT / 'tests').rglob('test_*.py')]
    assert len(files) == len(set(files))
