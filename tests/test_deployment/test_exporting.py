"""``mmuniformer export``: files, what they say, and what is refused."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from export_models import STYLES, model_of, write_config
from torch._inductor import config as inductor

from mmuniformer.apis import export, exporting
from mmuniformer.apis.export_report import report_on_export
from mmuniformer.deployment import comparing, open_exported
from mmuniformer.deployment.comparing import (
    CANDIDATES,
    differences,
    pictures,
    unseen_shapes,
)
from mmuniformer.deployment.networks.detector import Detector
from mmuniformer.deployment.networks.pose import Pose
from mmuniformer.deployment.tracing import Shape
from mmuniformer.engine.config import load_config
from mmuniformer.errors import CheckpointError, UserError

onnx = pytest.importorskip('onnx', reason='requirements/export.txt')
pytest.importorskip('onnxruntime')
pytest.importorskip('onnxscript')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('models')


def left_in(folder):
    return {path.suffix for path in folder.iterdir()} - {'.py', '.pth'}


class TestFile:
    def test_it_was_compared_at_sizes_it_does_not_know(self, exported):
        result = exported('cls', '.onnx')
        assert result.is_good
        shapes = [row.shape for row in result.rows]
        assert len(set(shapes)) == 7
        assert {shape[0] for shape in shapes} == {1, 3}
        assert (2, 64, 64, 3) not in shapes
        assert all(0 <= row.relative < 1e-4 for row in result.rows)

    def test_it_takes_any_batch_and_size(self, exported):
        model = open_exported(exported('cls', '.onnx').path)
        outs = model(pictures((5, 111, 77, 3)))
        assert outs['scores'].shape == (5, 6)
        np.testing.assert_allclose(outs['scores'].sum(1), 1, rtol=1e-5)

    def test_it_says_what_it_takes_and_gives(self, exported):
        path = exported('cls', '.onnx').path
        props = onnx.load(path).metadata_props
        (text,) = [one.value for one in props if one.key == 'mmuniformer']
        about = json.loads(text)
        assert about == open_exported(path).about
        assert about['task'] == 'classification'
        assert about['model'] == 'ImageClassifier'
        assert about['input']['layout'] == 'NHWC'
        assert about['input']['dtype'] == 'uint8'
        assert about['input']['channels'] == 'RGB'
        assert about['input']['shape'] == ['batch', 'height', 'width', 3]
        assert about['normalisation']['inside'] is True
        assert about['normalisation']['mean'] == [123.675, 116.28, 103.53]
        assert about['normalisation']['std'] == [58.395, 57.12, 57.375]
        (step,) = about['steps']
        assert (step['op'], step['size']) == ('resize', [64, 64])
        assert len(about['classes']) == 6
        assert 'circle' in about['classes']
        assert [out['name'] for out in about['outputs']] == ['scores']

    def test_only_the_file_is_left(self, exported):
        exported('cls', '.onnx')
        hidden = [
            p.name for p in exported.folder.iterdir() if p.name[0] == '.'
        ]
        assert hidden == []

    def test_another_file_of_onnx(self, tmp_path):
        value = onnx.helper.make_tensor_value_info(
            'x', onnx.TensorProto.FLOAT, [1]
        )
        node = onnx.helper.make_node('Abs', ['x'], ['y'])
        out = onnx.helper.make_tensor_value_info(
            'y', onnx.TensorProto.FLOAT, [1]
        )
        graph = onnx.helper.make_graph([node], 'other', [value], [out])
        path = tmp_path / 'other.onnx'
        sets = [onnx.helper.make_opsetid('', 18)]
        model = onnx.helper.make_model(graph, opset_imports=sets, ir_version=9)
        onnx.save(model, path)
        with pytest.raises(UserError, match='not written by mmuniformer'):
            open_exported(path)


class TestMistakes:
    """Each is told before anything is written."""

    @pytest.mark.parametrize(
        ('out', 'options', 'words'),
        [
            ('new.tflite', {}, r'must end in \.pth, \.onnx, \.xml, \.pt2'),
            ('new.onnx', dict(to='torch'), r'--to torch must end in \.pt2'),
            ('new.onnx', dict(to='coreml'), '--to coreml: it is one of'),
            (None, {}, 'what it is to be by --to'),
            ('new.onnx', dict(dtype='bf16'), '--to torch or aoti takes it'),
            ('new.onnx', dict(dynamic_frames=True), 'for video models'),
            ('new.onnx', dict(size=(16, 64)), 'for 32 pixels or more'),
            ('new.onnx', dict(size=(0, 64)), 'sizes are 1 or more'),
            ('new.pth', dict(dtype='fp16'), '--dtype fp16 is for --to torch'),
            ('new.pth', dict(part='neck'), '--part neck is for --to torch'),
            ('new.onnx', dict(part='neck'), None),
        ],
    )
    def test_of_words(self, folder, out, options, words):
        config, checkpoint = model_of('cls', folder)
        if words is None:
            more = {'model.neck': None}
            options = dict(options, cfg_options=more)
            words = 'has no neck'
        out = out and str(folder / out)
        with pytest.raises(UserError, match=words):
            export(config, checkpoint, out, **options)
        assert left_in(folder) == set()

    def test_checkpoint_and_config_in_turn(self, folder):
        config, checkpoint = model_of('cls', folder)
        with pytest.raises(UserError, match='name its config first'):
            export(checkpoint, config, to='onnx')

    def test_a_file_that_exists(self, folder):
        config, checkpoint = model_of('cls', folder)
        for name, old in (('a.onnx', 'a.onnx'), ('a.xml', 'a.bin')):
            (folder / old).write_text('mine')
            with pytest.raises(UserError, match=f'{old} exists'):
                export(config, checkpoint, str(folder / name))
            assert (folder / old).read_text() == 'mine'
            (folder / old).unlink()

    def test_a_checkpoint_of_another_model(self, folder):
        config, _ = model_of('cls', folder)
        other = model_of('seg', folder)[1]
        with pytest.raises((UserError, CheckpointError)) as caught:
            export(config, other, str(folder / 'a.onnx'))
        assert '\n' not in str(caught.value)
        assert left_in(folder) == set()

    @pytest.mark.parametrize('package', ['onnxruntime', 'openvino'])
    def test_a_package_that_is_not_there(self, folder, monkeypatch, package):
        from mmuniformer.deployment.formats import packages

        def find(name):
            return None if name == package else object()

        monkeypatch.setattr(packages, 'find_spec', find)
        suffix = '.onnx' if package == 'onnxruntime' else '.xml'
        config, checkpoint = model_of('cls', folder)
        with pytest.raises(UserError) as caught:
            export(config, checkpoint, str(folder / f'a{suffix}'))
        assert str(caught.value) == (
            f'{package} is not installed; type pip install '
            "'mmuniformer[export]'"
        )

    def test_no_compiler(self, folder, monkeypatch):
        monkeypatch.setenv('PATH', '')
        monkeypatch.setenv('CXX', '/nowhere/g++')
        config, checkpoint = model_of('cls', folder)
        with (
            inductor.patch({'cpp.cxx': ('/nowhere/g++',)}),
            pytest.raises(UserError, match='there is no compiler'),
        ):
            export(config, checkpoint, str(folder / 'a.pt2'), 'aoti')

    def test_a_light_model_has_one_size_for_a_compiler(self, tmp_path):
        config, checkpoint = model_of('cls', tmp_path, STYLES['light'][1])
        if shutil.which('g++') is None:
            pytest.skip('needs a C++ compiler')
        with pytest.raises(UserError, match='add --static'):
            export(config, checkpoint, str(tmp_path / 'a.pt2'), 'aoti')

    def test_a_pipeline_that_normalises(self, folder):
        config, checkpoint = model_of('cls', folder)
        step = dict(type='Normalize', mean=[0] * 3, std=[1] * 3)
        options = {'test_dataloader.dataset.pipeline.1': step}
        with pytest.raises(UserError, match='has Normalize, and pixels go'):
            export(
                config,
                checkpoint,
                str(folder / 'a.onnx'),
                cfg_options=options,
            )

    def test_static_without_a_size(self, folder):
        config, checkpoint = model_of('det', folder)
        with pytest.raises(UserError, match='add --size HEIGHT WIDTH'):
            export(config, checkpoint, str(folder / 'a.onnx'), static=True)


def test_a_checkpoint_of_a_training(exported, tmp_path):
    """With two sets of weights, and the config of the training.

    The weights and the pipeline are those of a test with the config that is
    given.
    """
    config, checkpoint = model_of('cls', exported.folder)
    content = torch.load(checkpoint)
    # The wanted weights are the trained ones, which are in this place.
    content['ema_state_dict'] = {
        f'module.{name}': values
        for name, values in content['state_dict'].items()
    }
    content['state_dict'] = {
        name: torch.zeros_like(values)
        for name, values in content['state_dict'].items()
    }
    content['meta'] = dict(cfg=load_config(config).pretty_text)
    trained = str(tmp_path / 'trained.pth')
    torch.save(content, trained)
    more = "custom_hooks = [dict(type='EMAHook', evaluate_on_ema=False)]\n"
    config = write_config('cls', tmp_path, more)
    deployed = str(tmp_path / 'deployed.pth')
    export(config, trained, deployed)
    result = export(
        config,
        trained,
        str(tmp_path / 'new.onnx'),
        static=True,
        cfg_options={'test_dataloader.dataset.pipeline.1.scale': 96},
    )
    assert result.about['steps'][0]['size'] == [96, 96]
    images = pictures((1, 96, 96, 3))
    np.testing.assert_allclose(
        open_exported(result.path)(images)['scores'],
        open_exported(exported('cls', '.onnx').path)(images)['scores'],
        rtol=1e-4,
    )
    head = 'head.fc.weight'
    assert torch.equal(
        torch.load(deployed)['state_dict'][head],
        content['ema_state_dict'][f'module.{head}'],
    )


def test_a_file_that_differs_gets_another_name(folder, monkeypatch, capsys):
    monkeypatch.setitem(comparing.TOLERANCES, 'float32', -1.0)
    config, checkpoint = model_of('cls', folder)
    out = folder / 'bad.onnx'
    result = export(config, checkpoint, str(out), static=True, size=(64, 64))
    assert not result.is_good
    assert not out.exists()
    assert result.path == folder / 'bad.differs.onnx'
    assert result.path.exists()
    with pytest.raises(UserError, match=r'left as .*bad\.differs\.onnx'):
        report_on_export(result)
    assert 'scores' in capsys.readouterr().out
    result.path.unlink()


def test_a_failure_leaves_nothing(folder, monkeypatch):
    def fail(*_):
        raise OSError(28, 'No space left on device')

    config, checkpoint = model_of('cls', folder)
    monkeypatch.setattr(exporting, 'trace', fail)
    with pytest.raises(UserError, match='No space left'):
        export(config, checkpoint, str(folder / 'new.onnx'))
    assert left_in(folder) == set()


def test_a_checkpoint_is_a_format(folder, tmp_path):
    config, checkpoint = model_of('cls', folder)
    out = tmp_path / 'deploy.pth'
    assert export(config, checkpoint, str(out)) is None
    assert out.exists()


def test_shapes_that_are_tried():
    shapes = unseen_shapes(Shape((800, 1344)))
    assert len(shapes) == 7
    assert all(max(shape[1:3]) <= 480 for shape in shapes)
    assert shapes[0][1] % 2 == shapes[0][2] % 2 == 1
    static = Shape((64, 96), static=True)
    assert unseen_shapes(static) == [(1, 64, 96, 3)]
    clips = Shape((64, 64), frames=8, dynamic_frames=True)
    assert [shape[1] for shape in unseen_shapes(clips)] == [10] * 6 + [1]


def test_boxes_are_compared_as_objects():
    wanted = dict(
        boxes=np.array([[[0, 0, 10, 10], [5, 5, 9, 9], [0, 0, 0, 0]]], float),
        scores=np.array([[0.9, 0.6, 0]]),
        labels=np.array([[1, 0, -1]]),
    )

    def share(**changed):
        rows = differences(
            Detector.outputs,
            (1, 64, 64, 3),
            wanted | changed,
            wanted,
            'float32',
        )
        return next(row for row in rows if row.output == 'boxes').largest

    assert share() == 0
    # In another order it is the same.
    order = [1, 0, 2]
    assert share(**{k: v[:, order] for k, v in wanted.items()}) == 0
    assert share(labels=np.array([[1, 2, -1]])) == pytest.approx(0.4)
    assert share(boxes=wanted['boxes'] + 20) == 1


def test_a_box_that_nms_might_have_kept():
    """It is no other box, and one that is missing is a lower score."""
    candidates = dict(
        boxes=np.array([[[0, 0, 10, 10], [0, 0, 10, 6], [30, 30, 40, 40]]]),
        scores=np.array([[0.9, 0.89, 0.06]]),
        labels=np.array([[1, 1, 1]]),
    )
    wanted = dict(
        boxes=candidates['boxes'][:, [0, 2]],
        scores=candidates['scores'][:, [0, 2]],
        labels=candidates['labels'][:, [0, 2]],
    )
    known = wanted | {f'{CANDIDATES}{k}': v for k, v in candidates.items()}

    def compared(chosen, known, **changed):
        found = {k: v[:, chosen] for k, v in candidates.items()} | changed
        rows = differences(
            Detector.outputs, (1, 64, 64, 3), found, known, 'float16'
        )
        return {row.output: row for row in rows}

    # Of the float64 that is read here, the second is as good as the first.
    rows = compared([1, 2], known)
    assert not any(row.is_large for row in rows.values())
    assert compared([1, 2], wanted)['boxes'].is_large
    # One is just below the threshold.
    below = dict(scores=np.array([[0.9, 0.0]]), labels=np.array([[1, -1]]))
    rows = compared([0, 2], known, **below)
    assert not any(row.is_large for row in rows.values())
    # The best one is missing, and all of them are.
    below['scores'] = np.array([[0.06, 0.0]])
    assert compared([2, 2], known, **below)['scores'].is_large
    nothing = dict(scores=np.zeros((1, 2)), labels=-np.ones((1, 2)))
    assert compared([0, 2], known, **nothing)['scores'].is_large


def test_another_keypoint_that_is_as_good():
    """Where two places are largest, the last bits decide which one is."""
    heatmaps = np.zeros((1, 1, 8, 8))
    heatmaps[0, 0, 2, 2], heatmaps[0, 0, 6, 5] = 1, 1 - 1e-6
    wanted = dict(
        heatmaps=heatmaps,
        # Of a pixel in four: the one at (2, 2) says so.
        keypoints=np.array([[[8.0, 8.0]]]),
        scores=heatmaps.max((2, 3)),
    )

    def share(point, noise):
        other = heatmaps.copy()
        other[0, 0, 6, 5] += noise
        found = dict(
            wanted, heatmaps=other, keypoints=np.array([[point]], float)
        )
        rows = differences(
            Pose.outputs, (1, 32, 32, 3), found, wanted, 'float32'
        )
        return next(row for row in rows if row.output == 'keypoints').largest

    assert share([8, 8], 0) == 0
    assert share([20, 24], 2e-6) == 0
    # A place that no noise explains.
    assert share([24, 8], 2e-6) == 1
    assert share([20, 24], 0) == 1


@pytest.mark.parametrize('suffix', ['.onnx', '.xml', '.pt2'])
def test_a_damaged_file(tmp_path, suffix):
    path = tmp_path / f'a{suffix}'
    path.write_bytes(b'no model')
    with pytest.raises(UserError) as caught:
        open_exported(path)
    assert '\n' not in str(caught.value)
    assert str(path) in str(caught.value)


def test_another_shape_is_no_small_difference():
    outs = dict(
        boxes=np.zeros((1, 3, 4)),
        scores=np.zeros((1, 3)),
        labels=-np.ones((1, 3)),
    )
    other = outs | dict(scores=np.zeros((1, 2)))
    with pytest.raises(AssertionError, match='scores'):
        differences(Detector.outputs, (1, 64, 64, 3), other, outs, 'float32')


def test_the_command_ends_with_one_line(folder, run_tool):
    config, checkpoint = model_of('cls', folder)
    done = run_tool('deployment/export.py', config, checkpoint, 'a.tflite')
    assert done.returncode != 0
    assert 'Traceback' not in done.stderr
    assert 'must end in' in done.stderr


def test_a_config_whose_frames_are_bgr(folder):
    """Frames are turned in the file: it takes RGB whatever the model does."""
    more = """
test_pipeline = [
    *_base_.test_pipeline[:3], dict(type='mmuniformer.ChannelOrder'),
    *_base_.test_pipeline[3:]]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
"""
    from mmengine.registry import DefaultScope

    from mmuniformer.deployment.description import describe
    from mmuniformer.deployment.networks import network_of
    from mmuniformer.prediction.models import load_model

    _, checkpoint = model_of('video', folder)
    plain = load_model(model_of('video', folder)[0], checkpoint, 'cpu')
    (folder / 'bgr').mkdir()
    config = write_config('video', folder / 'bgr', more)
    turned = load_model(config, checkpoint, 'cpu')
    with DefaultScope.overwrite_default_scope('mmaction'):
        one, other = network_of(plain), network_of(turned)
    assert describe(turned, other, '')['normalisation']['channels'] == 'BGR'
    clips = torch.from_numpy(pictures((1, 8, 64, 64, 3)))
    assert torch.equal(other(clips)[0], one(clips.flip(-1))[0])
    assert not torch.equal(other(clips)[0], one(clips)[0])


@pytest.mark.slow
@pytest.mark.parametrize('task', ['cls', 'seg', 'pose', 'video', 'det'])
@pytest.mark.parametrize('to', ['torch', 'onnx', 'openvino', 'aoti'])
@pytest.mark.parametrize('dtype', ['float32', 'float16', 'bfloat16'])
def test_all_formats(folder, task, to, dtype, tmp_path):
    if dtype == 'bfloat16' and to in ('onnx', 'openvino'):
        pytest.skip('not held by the format')
    config, checkpoint = model_of(task, folder)
    form = exporting.FORMATS[to]
    out = tmp_path / f'{task}{form.suffix}'
    result = export(config, checkpoint, str(out), to, dtype=dtype)
    assert result.is_good, result.rows
    assert open_exported(out).about['dtype'] == dtype


@pytest.mark.slow
@pytest.mark.parametrize('style', STYLES)
def test_all_styles_of_a_backbone(style, tmp_path):
    task, more = STYLES[style]
    config, checkpoint = model_of(task, tmp_path, more)
    result = export(config, checkpoint, str(tmp_path / 'style.onnx'))
    assert result.is_good, result.rows
    assert len({row.shape for row in result.rows}) == 7


@pytest.mark.slow
def test_any_number_of_frames(folder, tmp_path):
    config, checkpoint = model_of('video', folder)
    out = str(tmp_path / 'video.onnx')
    result = export(config, checkpoint, out, dynamic_frames=True)
    assert result.is_good, result.rows
    assert {row.shape[1] for row in result.rows} == {1, 10}


def test_a_light_model_on_a_map_of_one_token(tmp_path):
    """Which keeps none of it: OpenVINO has no topk of so many."""
    pytest.importorskip('openvino')
    config, checkpoint = model_of('cls', tmp_path, STYLES['light'][1])
    result = export(config, checkpoint, str(tmp_path / 'light.xml'))
    assert result.is_good, result.rows
    assert result.rows[-1].shape == (1, 32, 47, 3)


def test_few_frames(folder, tmp_path):
    """Fewer than it is traced with, in the config and in a clip."""
    config, checkpoint = model_of('video', folder)
    result = export(
        config,
        checkpoint,
        str(tmp_path / 'video.pt2'),
        dynamic_frames=True,
        cfg_options={'test_dataloader.dataset.pipeline.1.clip_len': 3},
    )
    assert result.is_good, result.rows
    assert [row.shape[1] for row in result.rows] == [5] * 6 + [1]


@pytest.mark.slow
@pytest.mark.parametrize('part', ['backbone', 'neck'])
def test_parts(folder, part, tmp_path):
    config, checkpoint = model_of('two-stage', folder)
    out = str(tmp_path / 'part.onnx')
    result = export(config, checkpoint, out, part=part)
    assert result.is_good
    assert len(result.about['outputs']) == 4


@pytest.mark.slow
def test_a_script_without_this_package(exported, tmp_path):
    """Nothing of the training stack is needed to run a file."""
    path = exported('cls', '.onnx').path
    code = (
        'import sys, numpy, onnxruntime;'
        f'run = onnxruntime.InferenceSession({str(path)!r});'
        "x = numpy.zeros((1, 64, 64, 3), 'uint8');"
        "assert run.run(None, {'images': x})[0].shape == (1, 6);"
        "assert not {'torch', 'mmengine', 'mmuniformer'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
