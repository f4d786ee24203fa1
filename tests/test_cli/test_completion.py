"""The scripts by which shells complete commands."""

import shutil
import subprocess

import pytest

from mmuniformer.cli.main import COMMANDS, main

CONFIG = 'mask-rcnn_uniformer-s-h14_fpn_amp-1x_coco'
# What bash does when the tab key is pressed behind the last of the words.
TAB = """
source ./script
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_shtab_mmuniformer
printf '%s\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def script(capsys):
    def script(shell: str) -> str:
        assert main(['completion', shell]) == 0
        return capsys.readouterr().out

    return script


@pytest.mark.skipif(not shutil.which('bash'), reason='needs bash')
def test_bash(script, tmp_path):
    (tmp_path / 'script').write_text(script('bash'))
    (tmp_path / 'folder').mkdir()

    def tab(*words: str) -> list[str]:
        done = subprocess.run(
            ['bash', '-c', TAB, 'bash', 'mmuniformer', *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert not done.stderr
        return done.stdout.splitlines()

    assert tab('doc') == ['doctor']
    assert set(COMMANDS) <= set(tab(''))
    assert tab('train', '--auto') == ['--auto-scale-lr']
    assert tab('train', '--launcher', 's') == ['slurm']
    assert tab('test', 'config.py', '--work-dir', 'f') == ['folder']
    assert tab('train', 'scr') == ['script']
    assert tab('train', CONFIG[:-6]) == [CONFIG]


@pytest.mark.parametrize('shell', ['zsh', 'tcsh'])
def test_other_shells(script, shell):
    text = script(shell)
    for name in COMMANDS:
        assert name in text
    assert 'auto-scale-lr' in text
    assert (CONFIG in text) == (shell == 'zsh')
