"""Scripts that need a runtime alone, and the page that prints them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from mmuniformer.deployment import open_exported
from mmuniformer.deployment.comparing import pictures

onnx = pytest.importorskip('onnx')
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


def run(name, *words):
    """What a script prints."""
    command = [sys.executable, '-I', '-c', RUN, EXAMPLES / f'{name}.py']
    done = subprocess.run([*command, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


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
    assert told in run(name, model, photo, out)
    drawn = np.asarray(Image.open(out).convert('RGB'))
    assert drawn.shape == (150, 200, 3)
    if name != 'video':
        assert (drawn != np.asarray(images[0])).mean() > 0.001


def test_objects_of_images_of_one_size(exported, tmp_path):
    """A pipeline that keeps no ratio: sides have a factor each."""
    path = exported('det', '.onnx').path
    model = onnx.load(path)
    (known,) = [p for p in model.metadata_props if p.key == 'mmuniformer']
    about = json.loads(known.value)
    about['steps'] = [dict(op='resize', size=[128, 64])]
    known.value = json.dumps(about)
    other, photo = tmp_path / 'model.onnx', tmp_path / 'photo.png'
    onnx.save(model, other)
    image = Image.fromarray(pictures((1, 150, 200, 3))[0])
    image.save(photo)
    said = run('detect', other, photo, tmp_path / 'out.png').splitlines()[0]
    outs = open_exported(path)(np.asarray(image.resize((64, 128)))[None])
    box = outs['boxes'][0, 0] * np.array([200 / 64, 150 / 128] * 2)
    assert said.endswith(' '.join(f'{side:.0f}' for side in box))


def test_a_video_in_segments(exported, tmp_path):
    """Frames are those of all of the video."""
    extra = {'mmuniformer.json': ''}
    path = exported('video', '.pt2').path
    program = torch.export.load(path, extra_files=extra)
    about = json.loads(extra['mmuniformer.json'])
    about['clip'] = dict(frames=8, clips=1, rule='segments')
    about['steps'] = [
        dict(op='resize', short_edge=72),
        dict(op='three_crops', size=[64, 64]),
    ]
    other, video = tmp_path / 'model.pt2', tmp_path / 'video.gif'
    extra = {'mmuniformer.json': json.dumps(about)}
    torch.export.save(program, other, extra_files=extra)
    images = [Image.fromarray(one) for one in pictures((24, 72, 96, 3))]
    images[0].save(video, save_all=True, append_images=images[1:])
    said = run('video', other, video, tmp_path / 'out.png').splitlines()[0]
    shown = Image.open(video)
    frames = [f.convert('RGB') for f in ImageSequence.Iterator(shown)]
    clip = [frame.crop((16, 4, 80, 68)) for frame in frames[1::3]]
    (scores,) = open_exported(path)(np.stack(clip)[None])['scores']
    assert said.startswith(f'{100 * scores.max():.1f} %')
    assert said.endswith(about['classes'][scores.argmax()])


def test_the_page_prints_them():
    page = (ROOT / 'docs' / 'deployment.md').read_text()
    assert {path.stem for path in EXAMPLES.glob('*.py')} == set(KINDS)
    for name in KINDS:
        text = (EXAMPLES / f'{name}.py').read_text()
        assert f'```python\n{text}```\n' in page, name
