"""Names and numbers of classes that disagree, each planted once."""

import json
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmuniformer.checks.classes import check_classes
from mmuniformer.datasets.shapes import CLASSES, generate

ALL = ('train', 'val', 'test')


@pytest.fixture(scope='module')
def shapes(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('classes') / 'shapes'
    generate(folder, train=8, val=2, size=96)
    return folder


def looked_at(cfg: dict, phases=ALL) -> list[str]:
    """Level and text of each finding."""
    cfg = Config(cfg)
    pytest.importorskip(cfg.default_scope)
    init_default_scope(cfg.default_scope)
    return [f'{f.level}: {f}' for f in check_classes(cfg, phases)]


def coco(root: Path, split: str, classes=CLASSES, **keys) -> dict:
    metainfo = {} if classes is None else dict(metainfo=dict(classes=classes))
    return dict(
        type='CocoDataset',
        data_root=str(root),
        ann_file=f'annotations/instances_{split}.json',
        data_prefix=dict(img=f'images/{split}/'),
        **metainfo,
        **keys,
    )


def detector(root: Path, train=CLASSES, val=CLASSES, number=6) -> dict:
    return dict(
        default_scope='mmdet',
        model=dict(
            type='MaskRCNN',
            rpn_head=dict(type='RPNHead'),
            roi_head=dict(
                type='StandardRoIHead',
                bbox_head=dict(type='Shared2FCBBoxHead', num_classes=number),
                mask_head=dict(type='FCNMaskHead', num_classes=number),
            ),
        ),
        train_dataloader=dict(dataset=coco(root, 'train', train)),
        val_dataloader=dict(dataset=coco(root, 'val', val)),
    )


def test_what_is_right_in_any_order(shapes):
    assert looked_at(detector(shapes)) == []
    other = CLASSES[::-1]
    assert looked_at(detector(shapes, list(other), list(other))) == []


@pytest.mark.parametrize(
    ('written', 'meant'),
    [
        ('Circle', 'circle'),
        (' circle', 'circle'),
        ('circles', 'circle'),
        ('circel', 'circle'),
    ],
)
def test_a_name_that_the_file_lacks(shapes, written, meant):
    names = tuple(written if n == 'circle' else n for n in CLASSES)
    found = looked_at(detector(shapes, names, names))
    errors = [text for text in found if text.startswith('error')]
    assert len(errors) == 2
    for text, split in zip(errors, ('train', 'val'), strict=True):
        assert repr(written) in text
        assert f'instances_{split}.json; did you mean {meant}?' in text
        assert f'{split}_dataloader.dataset.metainfo.classes' in text


@pytest.mark.parametrize('written', ['traffic_light', 'Traffic  Lights'])
def test_underscores_spaces_and_plurals(shapes, tmp_path, written):
    content = read(shapes, 'train')
    content['categories'][1]['name'] = 'traffic light'
    cfg = detector(shapes, names := ('person', written))
    write(cfg, 'train', tmp_path, content)
    found = looked_at(cfg, ['train'])
    assert any('did you mean traffic light?' in text for text in found), names


def read(root: Path, split: str) -> dict:
    file = root / 'annotations' / f'instances_{split}.json'
    return json.loads(file.read_text())


def write(cfg: dict, phase: str, folder: Path, content: dict) -> None:
    file = folder / f'{phase}.json'
    file.write_text(json.dumps(content))
    cfg[f'{phase}_dataloader']['dataset']['ann_file'] = str(file)


def test_names_left_out_with_their_share(shapes):
    content = read(shapes, 'train')
    left = {c['id'] for c in content['categories'][:3]}
    boxes = [a['category_id'] in left for a in content['annotations']]
    share = f'{sum(boxes) / len(boxes):.0%}'.replace('%', ' %')
    chosen = CLASSES[3:]
    (text,) = looked_at(detector(shapes, chosen, number=3), ['train'])
    assert text.startswith('warning: 3 of 6 categories of ')
    assert f', {share} of the boxes, are left out: person, circle' in text


def test_categories_without_objects_may_be_left_out(shapes, tmp_path):
    content = read(shapes, 'train')
    content['categories'].insert(0, dict(id=0, name='shapes'))
    cfg = detector(shapes)
    write(cfg, 'train', tmp_path, content)
    assert looked_at(cfg, ['train']) == []


def test_a_class_of_the_other_file_only(shapes, tmp_path):
    content = read(shapes, 'val')
    content['categories'] = content['categories'][:5]
    content['annotations'] = [
        a for a in content['annotations'] if a['category_id'] != 6
    ]
    cfg = detector(shapes)
    write(cfg, 'val', tmp_path, content)
    (text,) = looked_at(cfg)
    assert text.startswith('note: val_dataloader')
    assert text.endswith('it is not scored')


def test_a_name_twice_in_the_file(shapes, tmp_path):
    content = read(shapes, 'train')
    content['categories'].append(dict(id=77, name='star'))
    cfg = detector(shapes)
    write(cfg, 'train', tmp_path, content)
    (text,) = looked_at(cfg, ['train'])
    assert text.startswith('warning')
    assert "has 2 categories 'star'" in text


@pytest.mark.parametrize(
    ('classes', 'said'),
    [
        ('person', "is the text 'person'"),
        ('no/such.txt', 'there is no such file'),
        (['person', 3], 'has 3: names are texts'),
        ([['person']], "has ['person']: names are texts"),
        ({'person': 0}, 'no list of names'),
        ([], 'is empty'),
        (['person', 'circle', 'person'], 'has person more than once'),
        (['person', ''], 'no name for the label 1'),
    ],
)
def test_what_is_no_list_of_names(shapes, classes, said):
    cfg = detector(shapes)
    cfg['train_dataloader']['dataset']['metainfo']['classes'] = classes
    (text,) = looked_at(cfg, ['train'])
    assert text.startswith('error: train_dataloader.dataset.metainfo.classes')
    assert said in text


def test_a_file_of_names(shapes, tmp_path):
    names = tmp_path / 'names.txt'
    names.write_text('\n'.join(CLASSES[::-1]))
    assert looked_at(detector(shapes, str(names), str(names))) == []
    names.write_text('\n'.join([*CLASSES[:5], 'Cross']))
    text, *_ = looked_at(detector(shapes, str(names), str(names)))
    assert 'did you mean cross?' in text


def test_names_of_the_library_are_in_force(shapes):
    text, *others = looked_at(detector(shapes, None, None))
    assert 'is 6, and' in text or 'are 6, and' in text
    assert 'has 80 classes: person, bicycle' in text
    assert 'those of CocoDataset are in force' in text
    assert any(
        o.startswith('error: 5 of 6 categories')
        and 'set train_dataloader.dataset.metainfo=dict(classes=(...))' in o
        for o in others
    )


def test_a_file_with_some_of_the_library_s_names(shapes, tmp_path):
    content = read(shapes, 'train')
    content['categories'] = content['categories'][:1]
    content['annotations'] = [
        a for a in content['annotations'] if a['category_id'] == 1
    ]
    cfg = detector(shapes, None, None, number=80)
    write(cfg, 'train', tmp_path, content)
    (text,) = looked_at(cfg, ['train'])
    assert text.startswith('note: 79 of the 80 classes of CocoDataset')


def test_none_of_the_library_s_names(shapes, tmp_path):
    content = read(shapes, 'train')
    for category in content['categories']:
        category['name'] = f'rare {category["name"]}'
    cfg = detector(shapes, None, None, number=80)
    write(cfg, 'train', tmp_path, content)
    (text,) = looked_at(cfg, ['train'])
    assert 'none of the 80 classes of CocoDataset' in text


def test_a_key_of_earlier_releases(shapes):
    cfg = detector(shapes)
    cfg['train_dataloader']['dataset']['metainfo'] = dict(CLASSES=CLASSES)
    (text,) = looked_at(cfg, ['train'])
    assert "metainfo has 'CLASSES', which the library does not read" in text


def test_numbers_of_heads_in_one_finding(shapes):
    (text,) = looked_at(detector(shapes, number=3))
    assert text.startswith(
        'error: model.roi_head.bbox_head.num_classes, '
        'model.roi_head.mask_head.num_classes are 3, and '
        'train_dataloader.dataset has 6 classes: person, circle'
    )
    assert text.endswith('set num_classes=6, or name the classes that are '
                         'missing')  # fmt: skip


def test_classes_without_a_name_in_training_alone(shapes):
    """Heads of 80 classes train on data of 6; nobody is told a name."""
    (text,) = looked_at(cfg := detector(shapes, number=80), ['train'])
    assert text.startswith('warning: model.roi_head.bbox_head.num_classes')
    cfg['custom_hooks'] = [dict(type='mmdet.NumClassCheckHook')]
    for found in (
        looked_at(cfg, ['train']),
        looked_at(detector(shapes, number=3), ['train']),
        looked_at(detector(shapes, number=80)),
    ):
        assert len(found) == 1
        assert found[0].startswith('error')


def test_a_number_that_nobody_gave(shapes):
    cfg = detector(shapes)
    del cfg['model']['roi_head']['mask_head']['num_classes']
    (text,) = looked_at(cfg)
    assert 'mask_head.num_classes is, by default, 80' in text


def test_cascades_and_one_stage(shapes):
    cfg = detector(shapes)
    head = cfg['model']['roi_head']['bbox_head']
    cfg['model']['roi_head']['bbox_head'] = [head, {**head, 'num_classes': 7}]
    (text,) = looked_at(cfg)
    assert 'model.roi_head.bbox_head.1.num_classes is 7' in text
    cfg['model'] = dict(
        type='RetinaNet', bbox_head=dict(type='RetinaHead', num_classes=5)
    )
    (text,) = looked_at(cfg)
    assert 'model.bbox_head.num_classes is 5' in text


@pytest.mark.parametrize(
    'model',
    [
        dict(type='RPN', rpn_head=dict(type='RPNHead')),
        dict(
            type='GroundingDINO',
            language_model=dict(type='BertModel'),
            bbox_head=dict(type='GroundingDINOHead', num_classes=256),
        ),
        dict(
            type='Mask2Former',
            panoptic_head=dict(
                type='Mask2FormerHead',
                num_things_classes=6,
                num_stuff_classes=0,
                loss_cls=dict(class_weight=[1.0] * 6 + [0.1]),
            ),
        ),
        dict(
            type='MaskRCNN',
            roi_head=dict(
                type='StandardRoIHead',
                bbox_head=dict(type='Shared2FCBBoxHead', num_classes=6),
                mask_head=dict(type='FCNMaskHead', class_agnostic=True),
                semantic_head=dict(type='FusedSemanticHead', num_classes=183),
            ),
        ),
    ],
    ids=lambda model: model['type'],
)
def test_heads_with_numbers_of_their_own(shapes, model):
    assert looked_at(detector(shapes) | dict(model=model)) == []


def test_weights_of_classes(shapes):
    cfg = detector(shapes)
    head = cfg['model']['roi_head']['bbox_head']
    head['loss_cls'] = dict(type='CrossEntropyLoss', class_weight=[1.0] * 4)
    (text,) = looked_at(cfg)
    assert 'bbox_head.loss_cls.class_weight has 4 weights' in text
    head['loss_cls']['class_weight'] = [1.0] * 7
    assert looked_at(cfg) == []


def test_few_colours(shapes):
    cfg = detector(shapes)
    metainfo = cfg['train_dataloader']['dataset']['metainfo']
    metainfo['palette'] = [(0, 0, 255)]
    (text,) = looked_at(cfg, ['train'])
    assert text.startswith('warning: train_dataloader.dataset.metainfo.palett')
    assert 'has 1 colours, and there are 6 classes' in text


def test_training_and_validation_in_another_order(shapes):
    (text,) = looked_at(detector(shapes, CLASSES, CLASSES[::-1]))
    assert text.startswith(
        'error: val_dataloader.dataset has other classes than '
        "train_dataloader.dataset: label 0 is 'person' there and 'cross' here"
    )


def test_members_of_a_wrapper(shapes):
    cfg = detector(shapes)
    cfg['train_dataloader']['dataset'] = dict(
        type='ConcatDataset',
        datasets=[
            coco(shapes, 'train'),
            coco(shapes, 'val', CLASSES[::-1]),
            coco(shapes, 'val', CLASSES[::-1]),
        ],
    )
    (text,) = looked_at(cfg, ['train'])
    assert 'dataset.datasets.1 has other classes than ' in text


def xml(root: Path, names: list[str]) -> dict:
    (root / 'Annotations').mkdir(exist_ok=True)
    for number, name in enumerate(names):
        (root / 'Annotations' / f'{number}.xml').write_text(
            f'<annotation><object><name>{name}</name></object></annotation>'
        )
    (root / 'list.txt').write_text('\n'.join(map(str, range(len(names)))))
    return dict(
        type='XMLDataset',
        data_root=str(root),
        ann_file='list.txt',
        data_prefix=dict(sub_data_root=''),
        metainfo=dict(classes=('cat', 'dog')),
    )


def test_names_in_files_of_xml(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    cfg = dict(default_scope='mmdet')
    data = xml(tmp_path, ['dog', 'cat', 'dog'])
    cfg['train_dataloader'] = dict(dataset=data)
    assert looked_at(cfg) == []
    xml(tmp_path, ['dog', 'Cat', 'dog', 'cow'])
    error, warning = looked_at(cfg)
    assert "has 'cat', which is no category" in error
    assert 'did you mean Cat?' in error
    assert '2 of 3 categories' in warning
    assert '50 % of the boxes, are left out: Cat, cow' in warning
    xml(tmp_path, ['dog', 'dog', 'dog', 'dog'])
    (text,) = looked_at(cfg)
    assert text.startswith('warning')
    assert 'it is not learned here' in text


def panoptic(folder: Path, **metainfo) -> dict:
    file = folder / 'panoptic.json'
    names = [('cat', 1), ('dog', 1), ('sky', 0)]
    file.write_text(
        json.dumps(
            dict(
                images=[],
                annotations=[
                    dict(
                        image_id=1,
                        segments_info=[dict(id=1, category_id=3)],
                    )
                ],
                categories=[
                    dict(id=i, name=name, isthing=thing)
                    for i, (name, thing) in enumerate(names, 1)
                ],
            )
        )
    )
    data = dict(
        type='CocoPanopticDataset', ann_file=str(file), metainfo=metainfo
    )
    return dict(default_scope='mmdet', train_dataloader=dict(dataset=data))


def test_things_come_before_stuff(tmp_path):
    right = dict(
        classes=('dog', 'cat', 'sky'),
        thing_classes=('dog', 'cat'),
        stuff_classes=('sky',),
    )
    assert looked_at(panoptic(tmp_path, **right)) == []
    (text,) = looked_at(panoptic(tmp_path, classes=('dog', 'cat', 'sky')))
    assert 'thing_classes and stuff_classes' in text
    right['classes'] = ('sky', 'dog', 'cat')
    (text,) = looked_at(panoptic(tmp_path, **right))
    assert 'thing_classes and stuff_classes' in text


def segmentor(train=CLASSES, val=CLASSES, number=6, **head) -> dict:
    def data(classes):
        metainfo = None if classes is None else dict(classes=classes)
        return dict(dataset=dict(type='BaseSegDataset', metainfo=metainfo))

    return dict(
        default_scope='mmseg',
        model=dict(
            type='EncoderDecoder',
            decode_head=dict(type='FPNHead', num_classes=number, **head),
        ),
        train_dataloader=data(train),
        val_dataloader=data(val),
    )


def test_segmentation():
    assert looked_at(segmentor()) == []
    (text,) = looked_at(segmentor(CLASSES[:3], CLASSES[:3]))
    assert 'decode_head.num_classes is 6, and' in text
    assert 'has 3 classes: person, circle, square' in text
    cfg = segmentor()
    cfg['model']['auxiliary_head'] = [
        dict(type='FCNHead', num_classes=6),
        dict(type='FCNHead', num_classes=19),
        dict(type='STDCHead', num_classes=2, boundary_threshold=0.1),
    ]
    (text,) = looked_at(cfg)
    assert 'model.auxiliary_head.1.num_classes is 19' in text


def test_segmentation_without_names():
    train, val = looked_at(segmentor(None, None))
    assert train.startswith('warning: train_dataloader.dataset has no classes')
    assert val.startswith('error: val_dataloader.dataset has no classes')
    assert 'metainfo=dict(classes=(...))' in val


@pytest.mark.parametrize(
    ('head', 'right'),
    [
        (dict(number=2), True),
        (dict(number=2, out_channels=1), True),
        (dict(number=1, out_channels=1), True),
        (dict(number=3), False),
    ],
)
def test_segmentation_of_two_classes(head, right):
    two = ('background', 'crack')
    assert (looked_at(segmentor(two, two, **head)) == []) == right


def test_segmentation_has_weights_and_colours_for_each():
    loss = dict(type='CrossEntropyLoss', class_weight=[1.0] * 7)
    (text,) = looked_at(segmentor(loss_decode=[loss]))
    assert 'decode_head.loss_decode.0.class_weight has 7 weights' in text
    cfg = segmentor()
    data = cfg['val_dataloader']['dataset']
    data['metainfo']['palette'] = [[0, 0, 0]] * 5
    (text,) = looked_at(cfg)
    assert text.startswith('error: val_dataloader.dataset.metainfo.palette')


def test_some_classes_of_a_benchmark():
    cfg = segmentor(number=2)
    chosen = dict(
        type='CityscapesDataset', metainfo=dict(classes=('car', 'road'))
    )
    for phase in ('train', 'val'):
        cfg[f'{phase}_dataloader'] = dict(dataset=chosen)
    assert looked_at(cfg) == []
    chosen['metainfo']['classes'] = ('car', 'roads')
    text, *_ = looked_at(cfg)
    assert "has 'roads', which CityscapesDataset does not have" in text
    assert 'did you mean road' in text


def classifier(folder: Path, classes, number=3, **keys) -> dict:
    for name in ('ant', 'bee', 'cow'):
        (folder / 'images' / name).mkdir(parents=True, exist_ok=True)
    data = dict(
        type='CustomDataset', data_root=str(folder), data_prefix='images'
    )
    if classes is not None:
        data['metainfo'] = dict(classes=classes)
    return dict(
        default_scope='mmpretrain',
        model=dict(
            type='ImageClassifier',
            head=dict(type='LinearClsHead', num_classes=number),
        ),
        train_dataloader=dict(dataset=data),
        **keys,
    )


@pytest.mark.parametrize(
    ('classes', 'said'),
    [
        (None, ''),
        (('cow', 'ant', 'bee'), ''),
        (('Formica', 'Apis', 'Bos'), ''),
        (('Ant', 'Bee', 'Cow'), ''),
        (('Cow', 'Ant', 'Bee'), "'Cow' as label 0"),
        (('cow', 'ant', 'bea'), "'bea' as label 2"),
        (('ant', 'bee'), 'has 2 names, and'),
    ],
)
def test_folders_of_images(tmp_path, classes, said):
    found = looked_at(classifier(tmp_path, classes, len(classes or 'abc')))
    assert len(found) == bool(said)
    assert said in ''.join(found)


def test_numbers_of_a_classifier(tmp_path):
    (text,) = looked_at(classifier(tmp_path, None, number=2))
    assert text.startswith('error: model.head.num_classes is 2, and')
    (text,) = looked_at(classifier(tmp_path, None, number=1000))
    assert text.startswith('warning: model.head.num_classes is 1000')
    mixing = dict(data_preprocessor=dict(num_classes=1000))
    (text,) = looked_at(classifier(tmp_path, None, **mixing))
    assert 'data_preprocessor.num_classes is 1000' in text


def test_types_that_are_classes(shapes):
    pytest.importorskip('mmdet.models')
    from mmdet.datasets import CocoDataset
    from mmdet.models import FCNMaskHead

    cfg = detector(shapes)
    cfg['train_dataloader']['dataset']['type'] = CocoDataset
    cfg['model']['roi_head']['mask_head'] = dict(type=FCNMaskHead)
    (text,) = looked_at(cfg, ['train'])
    assert 'mask_head.num_classes is, by default, 80' in text


def test_numbers_of_videos():
    def lists(number):
        return dict(
            dataset=dict(type='AVADataset', ann_file='', num_classes=number)
        )

    cfg = dict(
        default_scope='mmaction',
        model=dict(
            type='FastRCNN',
            roi_head=dict(bbox_head=dict(type='BBoxHeadAVA', num_classes=81)),
        ),
        train_dataloader=lists(81),
        val_dataloader=lists(5),
    )
    (text,) = looked_at(cfg)
    assert text.startswith('error: val_dataloader.dataset.num_classes is 5')
