"""Scripts that need a runtime alone, and the page that prints them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmuniformer.deployment.comparing import pictures

pytest.importorskip('onnxruntime')
pytest.importorskip('onnxscript')
ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / 'tools' / 'deployment' / 'examples'
KINDS = {
    'classify': ('cls', '.onnx', '%'),
    'segment': ('seg', '.xml', 'of the photo'),
    'detect': ('det', '.onnx', ': '),
    'pose': ('pose', '.onnx', ': '),
    'video': ('video', '.pt2', '%'),
}
# Says, after the script, whether something of the training stack came along.
RUN = """
import runpy, sys
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
assert not {'mmengine', 'mmcv', 'mmuniformer'} & set(sys.modules)
"""


@pytest.mark.parametrize('name', KINDS)
def test_it_draws_on_a_photo(name, exported, tmp_path):
    task, suffix, told = KINDS[name]
    if suffix == '.xml':
        pytest.importorskip('openvino')
    model = exported(task, suffix).path
    images = [Image.fromarray(one) for one in pictures((20, 150, 200, 3))]
    photo, out = tmp_path / 'photo.png', tmp_path / 'out.png'
    if name == 'video':
        photo = tmp_path / 'video.gif'
        images[0].save(photo, save_all=True, append_images=images[1:])
    else:
        images[0].save(photo)
    command = [sys.executable, '-I', '-c', RUN, EXAMPLES / f'{name}.py']
    done = subprocess.run(
        [*command, model, photo, out], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert told in done.stdout
    drawn = np.asarray(Image.open(out).convert('RGB'))
    assert drawn.shape == (150, 200, 3)
    if name != 'video':
        assert (drawn != np.asarray(images[0])).mean() > 0.001


def test_the_page_prints_them():
    page = (ROOT / 'docs' / 'deployment.md').read_text()
    assert {path.stem for path in EXAMPLES.glob('*.py')} == set(KINDS)
    for name in KINDS:
        text = (EXAMPLES / f'{name}.py').read_text()
        assert f'```python\n{text}```\n' in page, name
