"""Pictures of what models look at, from files to a PNG."""

import runpy
import sys
from pathlib import Path

import numpy as np
import predict_models
import pytest
import torch
from PIL import Image

import mmuniformer
from mmuniformer.apis import (
    cam_pictures,
    draw_attention,
    draw_cam,
    draw_receptive_field,
    draw_results,
    field_pictures,
    pictures,
)
from mmuniformer.apis.attention_pictures import (
    _attention_rows,
    _blocks,
    _mean,
)
from mmuniformer.apis.pictures import (
    items_of,
    load_one,
    names_of,
    places_of,
)
from mmuniformer.errors import UserError
from mmuniformer.models import UniFormer
from mmuniformer.prediction.results import LabelMap, Objects, Poses
from mmuniformer.visualization.attention_maps import Query, gathered

ROOT = Path(__file__).parents[2]
TASKS = ('cls', 'det', 'seg', 'pose', 'video')


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Checkpoints of tasks, images and videos."""
    folder = tmp_path_factory.mktemp('pictures')
    found = {task: predict_models.checkpoint(task, folder) for task in TASKS}
    found['images'] = predict_models.make_images(folder / 'images')[:2]
    found['videos'] = predict_models.make_videos(folder / 'videos')[:1]
    return found


def sources(files, task):
    return files['videos' if task == 'video' else 'images'][:1]


def tool(name, *words):
    """Runs a script in this process and returns its exit code."""
    argv, sys.argv = sys.argv, [name, *map(str, words)]
    try:
        with pytest.raises(SystemExit) as done:
            runpy.run_path(
                str(ROOT / 'tools/visualization' / name), run_name='__main__'
            )
    finally:
        sys.argv = argv
    return done.value.code


@pytest.mark.parametrize('task', TASKS)
def test_every_task_has_every_picture(task, files, tmp_path):
    pytest.importorskip('pytorch_grad_cam')
    given = dict(sources=sources(files, task), model=files[task])
    if task == 'det':
        # A model that has learned nothing is sure of nothing.
        draw_cam(**given, out=tmp_path / 'cam.png', threshold=0.05)
    else:
        draw_cam(**given, out=tmp_path / 'cam.png', stages=[1, 3])
    draw_attention(**given, out=tmp_path / 'attention.png', query=(0.2, 0.8))
    draw_receptive_field(**given, out=tmp_path / 'field.png')
    for name in ('cam', 'attention', 'field'):
        picture = np.asarray(Image.open(tmp_path / f'{name}.png'))
        assert picture.shape[0] > 200
        assert picture.shape[1] > 400
        # Not only white and grey.
        colours = np.ptp(picture[..., :3].astype(int), axis=-1)
        assert (colours > 60).mean() > 0.05, name


def test_several_models_and_layers_in_one_picture(files, tmp_path):
    pytest.importorskip('pytorch_grad_cam')
    one, two = tmp_path / 'one.png', tmp_path / 'two.png'
    images = files['images']
    code = tool(
        'draw_cam.py', *images, '--model', files['cls'], '--out', one,
        '--layer', 'backbone.blocks4.0', '--target', 'circle',
        '--method', 'layercam',
    )  # fmt: skip
    assert code == 0
    code = tool(
        'draw_cam.py', *images, '--model', files['cls'], files['seg'],
        '--out', two, '--stage', 2, 3, 4,
    )  # fmt: skip
    assert code == 0
    # Two rows of an input and one map; of an input and twice three.
    (small, _), (large, _) = (Image.open(path).size for path in (one, two))
    assert small < large
    names = names_of([files['cls'], 'configs/mine.py'])
    assert names == [f'{Path(files["cls"]).parent.name}/cls', 'mine']
    assert names_of(['any.pth']) == ['']


def test_what_has_nothing_in_it_is_left_out(files, tmp_path, monkeypatch):
    """The others of a folder are drawn."""
    pytest.importorskip('pytorch_grad_cam')
    predictor = mmuniformer.load(files['det'], threshold=0)
    best = {path: predictor(path).scores.max() for path in files['images']}
    (low, least), (_, most) = sorted(best.items(), key=lambda one: one[1])
    given = dict(model=files['det'], threshold=float((least + most) / 2))
    told = []
    monkeypatch.setattr(
        cam_pictures, 'print_log', lambda line, **_: told.append(line)
    )
    draw_cam(files['images'], out=tmp_path / 'one.png', **given)
    assert (tmp_path / 'one.png').exists()
    (line,) = told
    assert line.startswith(f'left out: {low}: the detector finds no object')
    with pytest.raises(UserError, match=f'{low}: the detector finds no'):
        draw_cam([low], out=tmp_path / 'none.png', **given)


def test_what_cannot_be_read_is_left_out(files, tmp_path, monkeypatch):
    model = load_one(files['cls'], None, 'cpu')
    whole = files['images'][0]
    broken = tmp_path / 'broken.jpg'
    broken.write_bytes(Path(whole).read_bytes()[:200])

    told = []
    monkeypatch.setattr(
        pictures, 'print_log', lambda line, *_: told.append(line)
    )

    def read(*sources) -> list[str]:
        return [
            one.source.file for one in items_of(sources, [model], tmp_path)
        ]

    assert read(broken, whole) == [str(whole)]
    (line,) = told
    assert line.startswith('left out: ')
    assert str(broken) in line
    with pytest.raises(UserError, match='no input can be read'):
        read(broken, broken)


def test_a_compiled_model_is_looked_into(tmp_path):
    """As it is written: a compiled one may see no hook."""
    kept = predict_models.content('cls')
    cfg = kept['meta']['cfg'].replace(
        'classifier=True', 'classifier=True, compile=True'
    )
    assert 'compile=True' in cfg
    path = tmp_path / 'compiled.pth'
    torch.save({**kept, 'meta': dict(cfg=cfg)}, path)
    backbone = load_one(str(path), None).loaded.net.backbone
    assert backbone._compiled_call_impl is None


def test_blocks_of_a_hybrid_stage():
    arch = dict(depths=(1, 1, 5, 2), embed_dims=(8,) * 4, head_dim=8)
    model = UniFormer(arch, stage3='hybrid', window_size=4)
    assert _blocks(model, None) == ['3.1', '3.4', '4.1', '4.2']
    model = UniFormer(arch, stage3='window', window_size=4)
    assert _blocks(model, None) == ['3.1', '3.5', '4.1', '4.2']
    assert _blocks(UniFormer(arch), None) == ['3.1', '3.5', '4.1', '4.2']


def test_a_picture_of_attention_shows_its_numbers(files, tmp_path):
    """The token with most attention is the brightest, in its place."""
    from mmuniformer.prediction.predictor import _item
    from mmuniformer.prediction.views import views

    predictor = mmuniformer.load(files['seg'])
    (view,) = views(predictor, _item(files['images'][0]))
    backbone = predictor.loaded.net.backbone
    (one,) = gathered(backbone, view.inputs, Query(0.5, 0.5), ['3.1'])
    (row,) = _attention_rows(view, [_mean(one)])
    start, shown = row.cells
    mean = one.weights.mean(0)
    assert f'up to {100 * mean.max():.1f} %' in shown.title
    assert 'elsewhere' not in shown.title
    height, width = mean.shape
    size = np.array(shown.picture.shape[:2])
    centres = [
        ((np.array([y, x]) + 0.5) * size / (height, width)).astype(int)
        for y, x in np.ndindex(height, width)
    ]
    added = [
        float(shown.picture[y, x].sum() - 0.35 * start.picture[y, x].sum())
        for y, x in centres
    ]
    most = np.unravel_index(np.argmax(added), mean.shape)
    assert most == np.unravel_index(mean.argmax(), mean.shape)
    # The query is outlined in both.
    y, x = one.token
    edge = (round(y * size[0] / height), round((x + 0.5) * size[1] / width))
    assert shown.picture[edge].tolist() == [60, 255, 120]
    (rows) = _attention_rows(view, [one])[0]
    assert len(rows.cells) == 1 + len(one.weights)


def test_results_of_several_tasks(files, tmp_path):
    out = tmp_path / 'results.png'
    images, (video,) = files['images'], files['videos']
    code = tool(
        'draw_results.py', '--row', files['det'], *images,
        '--row', files['pose'], *images, '--row', files['seg'], *images,
        '--row', files['video'], video, '--out', out,
        '--names', 'boxes', 'poses', 'maps', 'actions',
    )  # fmt: skip
    assert code == 0
    width, height = Image.open(out).size
    # Three rows of two squares, and a strip of three frames in half a row.
    cell = (width - 60) / 2
    assert height == pytest.approx(3 * cell + cell / 3, rel=0.08)
    for words, match in (
        ([[files['det']]], '--row .* needs a photo or a video'),
        ([[files['det'], video]], 'is no image'),
        ([[files['det'], 'no.jpg']], 'no.jpg does not exist'),
    ):
        with pytest.raises(UserError, match=match):
            draw_results(words, out)
    with pytest.raises(UserError, match='--names: there are 1'):
        draw_results([[files['det'], video]] * 2, out, names=['a'])


def test_results_in_another_size():
    place = dict(file='', height=4, width=6)
    objects = Objects(
        **place,
        boxes=np.array([[1.0, 2, 3, 4]]),
        scores=np.ones(1),
        labels=np.zeros(1, int),
        names=('a',),
        masks=np.eye(4, 6, dtype=bool)[None],
    ).resized(8, 18)
    assert objects.boxes.tolist() == [[3, 4, 9, 8]]
    assert objects.masks.shape == (1, 8, 18)
    assert objects.masks[0, 2:4, 3:6].all()
    assert objects.masks.sum() == 4 * 6
    poses = Poses(
        **place,
        boxes=np.array([[0.0, 0, 6, 4]]),
        box_scores=np.ones(1),
        keypoints=np.array([[[1.0, 2.0]]]),
        scores=np.ones((1, 1)),
        names=('nose',),
    ).resized(2, 3)
    assert poses.keypoints.tolist() == [[[0.5, 1.0]]]
    assert poses.boxes.tolist() == [[0, 0, 3, 2]]
    labels = np.arange(24).reshape(4, 6)
    found = LabelMap(**place, labels=labels, classes=()).resized(2, 3)
    assert found.labels.shape == (2, 3)
    assert (found.height, found.width) == (2, 3)
    assert found.labels[0, 0] in labels[:2, :2]


def test_a_field_of_two_models_and_photos(files, tmp_path, monkeypatch):
    """Before and after: a row for each, and the mean over the photos."""
    seen = {}
    monkeypatch.setattr(
        field_pictures, 'write', lambda out, rows, bar: seen.update(rows=rows)
    )
    draw_receptive_field(
        files['images'], [files['cls'], files['seg']], stages=[1, 2]
    )
    assert [len(row.cells) for row in seen['rows']] == [2, 2]
    titles = [cell.title for cell in seen['rows'][0].cells]
    assert [title.split('\n')[0] for title in titles] == ['stage 1', 'stage 2']
    sides = [int(title.split()[-1]) for title in titles]
    # Stage 1: two convolutions of 3, each with a step of 2, and 3 tokens of 4
    # pixels to each side, around 7: 31 pixels at most.
    assert 2 < sides[0] <= 32
    assert sides[0] < sides[1]


def test_mistakes_are_one_line(files, tmp_path, capsys):
    image = files['images'][0]

    def expect(words, call, *arguments, **options):
        with pytest.raises(UserError, match=words) as raised:
            call(*arguments, out=tmp_path / 'no.png', **options)
        assert '\n' not in str(raised.value)
        assert not (tmp_path / 'no.png').exists()

    cls, video = files['cls'], files['video']
    expect(
        '--target dgo: .* no such class', draw_cam, [image], cls, target='dgo'
    )
    expect('--stage 5: .* stages 1 to 4', draw_cam, [image], cls, stages=[5])
    expect(
        '--layer backbone.blocks9: .* there are backbone.patch_embed1',
        draw_cam,
        [image],
        cls,
        layers=['backbone.blocks9'],
    )
    expect('--layer nck', draw_cam, [image], cls, layers=['nck.a'])
    expect(
        '--stage and --layer',
        draw_cam,
        [image],
        cls,
        stages=[1],
        layers=['neck'],
    )
    expect('--method cam', draw_cam, [image], cls, method='cam')
    expect(
        '--weights: there are 2',
        draw_cam,
        [image],
        cls,
        weights=['a.pth', 'b.pth'],
    )
    expect(
        '--query 1.2 0.5 is outside',
        draw_attention,
        [image],
        cls,
        query=(1.2, 0.5),
    )
    expect(
        '--blocks 1.1: .* 3.1, 3.2, 4.1',
        draw_attention,
        [image],
        cls,
        blocks=['1.1'],
    )
    expect('--frame is for videos', draw_attention, [image], cls, frame=1)
    expect('--heads all', draw_attention, [image], cls, heads='all')
    expect(
        '--frame 99: .* frames 0 to 7',
        draw_attention,
        files['videos'],
        video,
        frame=99,
    )
    expect(
        'some of the models take videos',
        draw_receptive_field,
        [image],
        [cls, video],
    )
    expect('is a photo', draw_receptive_field, [image], video)
    for out, match in (
        ('a.jpg', r'--out .*a.jpg: the picture is a PNG; name it a.png'),
        ('', 'is a folder; name a file in it'),
        (f'{Path(image).name}/a.png', 'is no folder'),
    ):
        folder = Path(image).parent if '/' in out else tmp_path
        with pytest.raises(UserError, match=match):
            # Before the model is read.
            draw_attention([image], 'no.pth', out=folder / out)
    broken = tmp_path / 'broken.jpg'
    broken.write_bytes(b'no image')
    expect('cannot read the image', draw_attention, [broken], cls)
    code = tool('draw_attention.py', image, '--model', cls, '--query', 2, 2)
    assert code == 1
    assert capsys.readouterr().err.startswith('error: --query 2 2 is outside')


def test_places_are_spread_over_a_clip():
    assert places_of(3, 8) == [0, 1, 2]
    assert places_of(16, 4) == [0, 5, 10, 15]
    assert places_of(1, 8) == [0]
