"""``mmuniformer predict``: what is written, and what is told."""

import json
import os
import shutil
import threading
from pathlib import Path

import cv2
import numpy as np
import predict_models
import pytest
from PIL import Image
from pycocotools.coco import COCO

from mmuniformer.apis import predict
from mmuniformer.cli.main import main
from mmuniformer.errors import UserError


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Folders with photos and videos, good and bad."""
    root = tmp_path_factory.mktemp('predicting')
    images = predict_models.make_images(root / 'shapes')
    videos = predict_models.make_videos(root / 'clips')
    photos = root / 'photos'
    (photos / 'sub').mkdir(parents=True)
    for place, image in zip(
        ('a.jpg', 'sub/a.jpg', 'b.png'), images, strict=False
    ):
        cv2.imwrite(str(photos / place), cv2.imread(image))
    (photos / 'broken.jpg').write_bytes(b'no image')
    (photos / 'cut.mp4').write_bytes(Path(videos[0]).read_bytes()[:500])
    (root / 'clip.mp4').write_bytes(Path(videos[0]).read_bytes())
    return root


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp('weights')
    return lambda task: predict_models.checkpoint(task, folder)


def files(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder))
        for path in folder.rglob('*')
        if path.is_file()
    }


def test_detector_on_a_folder_and_a_video(data, weights, tmp_path, capsys):
    pytest.importorskip('mmdet')
    out = tmp_path / 'out'
    summary = predict(
        [data / 'photos', data / 'clip.mp4'],
        weights('det'),
        out_dir=out,
        threshold=0.1,
        batch_size=2,
        crops=True,
    )
    err = capsys.readouterr().err
    assert summary.images == 3 + 20
    assert len(summary.problems) == 2
    for name, reason in (
        ('broken.jpg', 'it is damaged or not an image'),
        ('cut.mp4', 'it is damaged, cut off or not a video'),
    ):
        lines = [line for line in err.splitlines() if name in line]
        assert len(lines) == 1
        assert lines[0].startswith('error: cannot read the ')
        assert lines[0].endswith(reason)
    assert '6 classes (person, circle, square, ...): those of' in err
    assert '23 images in' in err
    written = files(out)
    crops = {name for name in written if name.startswith('crops/')}
    assert written - crops == {
        'predictions.json',
        'pictures/a.jpg',
        'pictures/sub/a.jpg',
        'pictures/b.png',
        'videos/clip.mp4',
    }
    check_coco(out / 'predictions.json', data, len(crops))
    check_video(out / 'videos/clip.mp4', data / 'clip.mp4')
    before = cv2.imread(str(data / 'photos/b.png'))
    drawn = cv2.imread(str(out / 'pictures/b.png'))
    assert before.shape == drawn.shape
    assert (before != drawn).any()


def test_an_image_that_the_pipeline_cannot_make_smaller(
    data, weights, tmp_path, capsys
):
    """Of three rows none is left; the others are predicted all the same."""
    pytest.importorskip('mmdet')
    thin = tmp_path / 'thin.png'
    Image.new('RGB', (2000, 3)).save(thin)
    photos = [thin, data / 'photos/a.jpg']
    summary = predict(photos, weights('det'), out_dir=tmp_path / 'out')
    assert summary.images == 1
    (problem,) = summary.problems
    assert problem.startswith(f'{thin}, of 2000 x 3 pixels, does not pass ')
    assert problem in capsys.readouterr().err.splitlines()[-2]


def test_a_work_dir_is_no_model(data, weights, tmp_path):
    folder = str(tmp_path)
    with pytest.raises(UserError, match=r'is a folder; give a checkpoint, or'):
        predict([data / 'clip.mp4'], folder, out_dir=tmp_path / 'out')
    assert main(['predict', 'x.jpg', '--model', folder]) == 1


def check_coco(file, data, number_of_crops):
    coco = COCO(str(file))
    images = coco.loadImgs(coco.getImgIds())
    assert [image['file_name'] for image in images] == [
        *(
            str(data / 'photos' / name)
            for name in ('a.jpg', 'b.png', 'sub/a.jpg')
        ),
        *[str(data / 'clip.mp4')] * 20,
    ]
    assert [image.get('frame') for image in images[3:]] == list(range(20))
    annotations = coco.loadAnns(coco.getAnnIds())
    assert len(annotations) >= number_of_crops > 0
    for annotation in annotations:
        x, y, width, height = annotation['bbox']
        assert min(x, y, width, height) >= 0
        image = coco.imgs[annotation['image_id']]
        mask = coco.annToMask(annotation)
        assert mask.shape == (image['height'], image['width'])
        assert annotation['score'] >= 0.1
    assert [c['id'] for c in coco.loadCats(coco.getCatIds())] == [*range(1, 7)]
    # Results that the library itself can evaluate.
    coco.loadRes(annotations)


def check_video(found, source):
    videos = [cv2.VideoCapture(str(path)) for path in (found, source)]
    for key in (
        cv2.CAP_PROP_FPS,
        cv2.CAP_PROP_FRAME_COUNT,
        cv2.CAP_PROP_FRAME_WIDTH,
        cv2.CAP_PROP_FRAME_HEIGHT,
    ):
        one, other = (video.get(key) for video in videos)
        assert one == pytest.approx(other, rel=0.01)


def test_label_maps(data, weights, tmp_path):
    pytest.importorskip('mmseg')
    predict(
        [data / 'photos/*.png'],
        weights('seg'),
        out_dir=tmp_path,
        pictures=False,
        label_maps=True,
    )
    assert files(tmp_path) == {'predictions.jsonl', 'label_maps/b.png'}
    (line,) = (tmp_path / 'predictions.jsonl').read_text().splitlines()
    result = json.loads(line)
    assert result['label_map'] == 'label_maps/b.png'
    picture = Image.open(tmp_path / result['label_map'])
    labels = np.asarray(picture)
    assert labels.shape == (96, 96)
    names = ['background', 'person', 'circle', 'square', 'triangle', 'star',
             'cross']  # fmt: skip
    shares = {
        names[label]: (labels == label).mean() for label in np.unique(labels)
    }
    assert result['shares'] == pytest.approx(shares, abs=1e-4)
    assert len(shares) > 1
    # The colours of the data set.
    assert picture.getpalette()[3:6] == [220, 60, 60]


def test_actions_on_videos(data, weights, tmp_path, capsys):
    pytest.importorskip('mmaction')
    summary = predict(
        [data / 'clip.mp4', data / 'photos/a.jpg', data / 'photos/cut.mp4'],
        weights('video'),
        out_dir=tmp_path,
    )
    assert summary.images == 1
    assert 'a.jpg is a photo, and the model takes whole' in summary.problems[0]
    assert 'cannot read the video' in summary.problems[1]
    assert files(tmp_path) == {'predictions.jsonl', 'videos/clip.mp4'}
    check_video(tmp_path / 'videos/clip.mp4', data / 'clip.mp4')
    result = json.loads((tmp_path / 'predictions.jsonl').read_text())
    assert len(result['top']) == 5
    assert set(result['top'][0]) == {'label', 'name', 'score'}


def test_photos_beside_videos_are_none_of_an_action_model(
    data, weights, tmp_path
):
    pytest.importorskip('mmaction')
    model = weights('video')
    summary = predict([data / 'photos'], model, out_dir=tmp_path / 'out')
    assert [Path(p.split(': ')[0]).name for p in summary.problems] == [
        'cut.mp4'
    ]
    with pytest.raises(UserError, match='there is none among the inputs'):
        predict([data / 'photos/sub'], model, out_dir=tmp_path / 'out')


def test_no_input_is_drawn_over(data, tmp_path):
    picture = tmp_path / 'out/pictures/a.jpg'
    picture.parent.mkdir(parents=True)
    picture.write_bytes((data / 'photos/a.jpg').read_bytes())
    with pytest.raises(UserError, match='lies where pictures are written'):
        predict([picture], 'any.pth', out_dir=tmp_path / 'out')
    boxes = tmp_path / 'out/predictions.json'
    with pytest.raises(UserError, match='take the place of --boxes'):
        predict(
            [data / 'photos'],
            'pose.pth',
            out_dir=tmp_path / 'out',
            boxes=tmp_path / 'out/../out/predictions.json',
        )
    assert not boxes.exists()


def test_poses_in_boxes_of_a_file(data, weights, tmp_path):
    pytest.importorskip('mmpose')
    boxes = dict(
        images=[dict(id=7, file_name='any/where/b.png')],
        categories=[],
        annotations=[
            dict(image_id=7, bbox=[10, 20, 30, 40], score=0.9),
            dict(image_id=7, bbox=[50, 20, 30, 40]),
            dict(image_id=7, bbox=[0, 0, 9, 9], score=0.1),
        ],
    )
    file = tmp_path / 'boxes.json'
    file.write_text(json.dumps(boxes))
    out = tmp_path / 'out'
    predict(
        [data / 'photos/b.png', data / 'photos/a.jpg'],
        weights('pose'),
        out_dir=out,
        boxes=file,
        crops=True,
    )
    coco = COCO(str(out / 'predictions.json'))
    first, second = coco.loadAnns(coco.getAnnIds())
    assert (first['bbox'], second['bbox']) == (
        [10, 20, 30, 40],
        [50, 20, 30, 40],
    )
    assert len(first['keypoints']) == 51
    (category,) = coco.loadCats(coco.getCatIds())
    assert category['keypoints'][0] == 'nose'
    assert len(coco.imgs) == 2
    crop = cv2.imread(str(out / 'crops/person/b-0.jpg'))
    assert crop.shape == (40, 30, 3)


def test_a_trained_pose_model_names_its_class(data, tmp_path):
    """mmpose writes COCO's categories as the classes of a checkpoint."""
    pytest.importorskip('mmpose')
    category = dict(id=1, name='cat', keypoints=['nose'] * 17, skeleton=[])
    model = predict_models.checkpoint(
        'pose', tmp_path, dataset_meta=dict(CLASSES=[category], sigmas=[0.1])
    )
    out = tmp_path / 'out'
    predict([data / 'photos/a.jpg'], model, out_dir=out, crops=True)
    coco = COCO(str(out / 'predictions.json'))
    (category,) = coco.loadCats(coco.getCatIds())
    assert category['name'] == 'cat'
    assert (out / 'crops/cat/a-0.jpg').is_file()


@pytest.mark.parametrize('form', ['coco', 'jsonl'])
def test_names_that_are_no_text(form, data, weights, tmp_path):
    pytest.importorskip('mmdet')
    odd = os.fsdecode(b'caf\xe9 \xe7\x8c\xab.jpg')
    try:
        shutil.copy(data / 'photos/a.jpg', tmp_path / odd)
    except OSError:
        pytest.skip('names are UTF-8 here')
    out = tmp_path / 'out'
    predict([tmp_path], weights('det'), out_dir=out, format=form)
    file = out / (
        'predictions.json' if form == 'coco' else 'predictions.jsonl'
    )
    read = json.loads(file.read_text(encoding='utf-8'))
    name = read['images'][0]['file_name'] if form == 'coco' else read['file']
    assert name == str(tmp_path / odd)
    assert (out / 'pictures' / odd).is_file()


@pytest.mark.skipif(
    not Path('/dev/full').exists(), reason='no disk that is always full'
)
@pytest.mark.parametrize('full', ['pictures/a.jpg', '.predictions.jsonl.part'])
def test_a_full_disk_is_one_line(full, data, weights, tmp_path):
    pytest.importorskip('mmpretrain')
    out = tmp_path / 'out'
    (out / full).parent.mkdir(parents=True)
    (out / full).symlink_to('/dev/full')
    photos = [data / 'photos/a.jpg', *[data / 'photos/b.png'] * 40]
    # The error is kept, and with it the frames that it came through.
    with pytest.raises(UserError, match=r'cannot write .*No space left'):
        predict(photos, weights('cls'), out_dir=out)
    assert not [
        t for t in threading.enumerate() if t.name.startswith('predict')
    ]


def run(capsys, *words):
    code = main(['predict', *map(str, words)])
    return code, capsys.readouterr().err


def test_exit_code_says_that_an_input_could_not_be_read(
    data, weights, tmp_path, capsys
):
    pytest.importorskip('mmpretrain')
    options = ['--model', weights('cls'), '--out-dir', tmp_path / 'out']
    code, err = run(capsys, data / 'photos/a.jpg', *options)
    assert code == 0
    assert 'error' not in err
    code, err = run(capsys, data / 'photos', *options)
    assert code == 1
    assert err.splitlines()[-1] == (
        'error: not read: 2 inputs, see above; predicted: 3 images'
    )


@pytest.mark.parametrize(
    ('words', 'told'),
    [
        (['--label-maps'], '--label-maps: a model for detection has none'),
        (['--device', 'cuda:77'], '--device cuda:77: '),
        (['--device', 'tpux'], '--device tpux: '),
        (['--threshold', '3'], 'the threshold is from 0 to 1, not 3'),
        (['--batch-size', '0'], '--batch-size must be at least 1'),
        (['--weights', 'x.pth'], 'is a checkpoint itself: leave out'),
        (['--detector', 'x.py'], 'a detector and boxes are for pose models'),
    ],
)
def test_mistakes_are_one_line(data, weights, tmp_path, capsys, words, told):
    pytest.importorskip('mmdet')
    options = ['--model', weights('det'), '--out-dir', tmp_path / 'out']
    code, err = run(capsys, data / 'photos/a.jpg', *options, *words)
    assert code == 1
    (line,) = [line for line in err.splitlines() if 'error: ' in line]
    assert told in line


def test_coco_has_no_form_for_classes(data, weights, tmp_path):
    pytest.importorskip('mmpretrain')
    with pytest.raises(UserError, match='--format coco is for boxes, masks'):
        predict(
            [data / 'photos/a.jpg'],
            weights('cls'),
            out_dir=tmp_path / 'out',
            format='coco',
        )


def test_ids_of_categories_are_those_of_coco():
    from mmuniformer.prediction.files import _category_ids

    datasets = pytest.importorskip('mmdet.datasets')
    ids = _category_ids(datasets.CocoDataset.METAINFO['classes'])
    assert (ids[0], ids[11], ids[-1], len(ids)) == (1, 13, 90, 80)
    assert _category_ids(['cat', 'dog']) == [1, 2]
