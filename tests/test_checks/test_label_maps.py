"""Label maps mean what their user meant: found before the first step."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope
from PIL import Image

from mmuniformer.checks.data_sets import data_sets
from mmuniformer.checks.label_maps import check_label_maps, summary
from mmuniformer.checks.label_maps import files as label_map_files
from mmuniformer.checks.label_maps.files import as_turned
from mmuniformer.datasets.shapes import generate

pytest.importorskip('mmseg')

CLASSES = ('background', 'person', 'circle', 'square', 'triangle', 'star')
CLASSES += ('cross',)
PALETTE = [(k, 2 * k, 200 - k) for k in range(len(CLASSES))]
LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]


@pytest.fixture(scope='module')
def shapes(tmp_path_factory):
    root = tmp_path_factory.mktemp('shapes') / 'data'
    generate(root, train=6, val=4, size=64)
    return root


@pytest.fixture
def data(shapes, tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return Path(shutil.copytree(shapes, tmp_path / 'data'))


def node(data, phase='train', **keys):
    return (
        dict(
            type='BaseSegDataset',
            data_root=str(data),
            data_prefix=dict(
                img_path=f'images/{phase}',
                seg_map_path=f'segmentation/{phase}',
            ),
            metainfo=dict(classes=CLASSES, palette=PALETTE),
            pipeline=LOAD,
        )
        | keys
    )


def config(train, val=None, head=None, **others):
    init_default_scope('mmseg')
    head = dict(type='FCNHead', num_classes=7) | (head or {})
    loaders = dict(train_dataloader=dict(dataset=train))
    if val is not None:
        loaders['val_dataloader'] = dict(dataset=val)
    return Config(
        dict(
            default_scope='mmseg',
            model=dict(decode_head=head),
            **loaders,
            **others,
        )
    )


def check(train, val=None, decode=False, head=None, **others):
    cfg = config(train, val, head, **others)
    return list(check_label_maps(cfg, ('train', 'val'), decode))


def only(findings):
    (finding,) = [f for f in findings if f.level != 'note']
    return finding


def maps(data, phase='train'):
    return sorted((data / 'segmentation' / phase).iterdir())


def change(data, function, phase='train', count=None):
    """Rewrites the maps of a phase, or the first ``count`` of them."""
    for path in maps(data, phase)[:count]:
        labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path), function(labels))


def read(dataset):
    """What mmseg itself makes of the first map."""
    return DATASETS.build(dict(dataset))[0]['gt_seg_map']


class TestRightMaps:
    def test_generated(self, data):
        assert check(node(data), node(data, 'val')) == []

    def test_real(self, monkeypatch, tmp_path):
        import os

        root = os.environ.get('MMUNIFORMER_TEST_DATA')
        if not root:
            pytest.skip('no real data here')
        monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
        dataset = node(
            Path(root, 'coco-mini'),
            data_prefix=dict(img_path='images', seg_map_path='segmentation'),
            metainfo=dict(classes=('background', 'person')),
        )
        for head in (
            dict(num_classes=2),
            dict(num_classes=2, out_channels=1),
            dict(num_classes=1),
        ):
            assert check(dataset, dataset, head=head) == []

    @pytest.mark.parametrize('reduced', [False, True])
    def test_palettes_with_and_without_zero(self, data, reduced):
        classes = CLASSES[1:] if reduced else CLASSES
        for path in maps(data):
            image = Image.fromarray(np.array(Image.open(path)))
            image = Image.frombytes('P', image.size, image.tobytes())
            image.putpalette([v for c in PALETTE for v in c])
            image.save(path)
        dataset = node(
            data,
            reduce_zero_label=reduced,
            metainfo=dict(classes=classes),
        )
        head = dict(num_classes=len(classes))
        assert check(dataset, head=head) == []
        present = set(np.unique(read(dataset)))
        assert present <= {*range(len(classes)), 255}

    def test_ade20k_and_some_of_the_classes(self, data):
        init_default_scope('mmseg')
        ade = node(data, type='ADE20KDataset')
        ade.pop('metainfo')
        findings = check(ade, head=dict(num_classes=150))
        assert [f.level for f in findings] == ['note']
        found = summary(next(data_sets(config(ade), ['train']))).classes
        assert found['wall'] > 0
        assert found['ceiling'] > 0
        assert found['road'] == 0

    def test_subset_of_classes(self, data):
        init_default_scope('mmseg')
        some = node(
            data,
            type='ADE20KDataset',
            metainfo=dict(classes=('tree', 'wall')),
        )
        labels = read(some)
        assert set(np.unique(labels)) <= {0, 1, 255}
        found = summary(next(data_sets(config(some), ['train']))).classes
        assert list(found) == ['tree', 'wall']
        assert all(found.values())
        findings = check(some, head=dict(num_classes=2))
        assert all(f.level == 'note' for f in findings)

    @pytest.mark.parametrize('kind', ['1', 'I;16', 'I', 'tif'])
    def test_other_depths_that_fit(self, data, kind):
        dataset = node(data)
        for path in maps(data):
            labels = np.array(Image.open(path))
            if kind == '1':
                Image.fromarray(labels > 0).save(path)
            elif kind == 'I;16':
                cv2.imwrite(str(path), labels.astype(np.uint16))
            else:
                dtype = np.uint8 if kind == 'tif' else np.int32
                image = Image.fromarray(labels.astype(dtype))
                path.unlink()
                image.save(path.with_suffix('.tif'))
                dataset['seg_map_suffix'] = '.tif'
        head = dict(num_classes=2) if kind == '1' else None
        assert check(dataset, head=head) == []
        assert read(dataset).max() < 7

    def test_names_of_cityscapes_in_folders(self, data):
        init_default_scope('mmseg')
        for kind, begin in (
            ('images', '_leftImg8bit.png'),
            ('segmentation', ''),
        ):
            folder = data / kind / 'train'
            for path in sorted(folder.iterdir()):
                ends = (
                    [begin]
                    if begin
                    else ['_gtFine_labelTrainIds.png', '_gtFine_color.png']
                )
                for end in ends:
                    new = folder / 'aachen' / f'{path.stem}{end}'
                    new.parent.mkdir(exist_ok=True)
                    Image.open(path).save(new)
                path.unlink()
        city = node(data, type='CityscapesDataset')
        city.pop('metainfo')
        findings = check(city, head=dict(num_classes=19))
        assert [f.level for f in findings] == ['note']

    def test_list_of_some(self, data):
        names = [path.stem for path in maps(data)[:2]]
        (data / 'some.txt').write_text('\n'.join(names) + '\n')
        findings = check(node(data, ann_file='some.txt'))
        assert all(f.level == 'note' for f in findings)

    def test_what_is_not_read(self, data):
        shutil.rmtree(data / 'segmentation')
        images = node(data, pipeline=LOAD[:1])
        assert check(images) == []
        assert check(node('s3://bucket/data')) == []
        assert check(node(data, backend_args=dict(backend='petrel'))) == []

    def test_own_transform_may_give_other_labels(self, data):
        from mmseg.registry import TRANSFORMS

        @TRANSFORMS.register_module(force=True)
        class Divide:
            def __call__(self, results):
                results['gt_seg_map'] //= 255
                return results

        change(data, lambda m: (m > 0).astype(np.uint8) * 255)
        dataset = node(data, pipeline=[*LOAD, dict(type='Divide')])
        assert check(dataset, head=dict(num_classes=2)) == []
        assert set(np.unique(read(dataset))) == {0, 1}

    def test_own_image_transform_changes_no_labels(self, data):
        from mmseg.registry import TRANSFORMS

        @TRANSFORMS.register_module(force=True)
        class Brighter:
            def __call__(self, results):
                results['img'] = results['img'] + 1
                return results

        change(data, lambda m: (m > 0).astype(np.uint8) * 255)
        dataset = node(data, pipeline=[*LOAD, dict(type='Brighter')])
        assert check(dataset, head=dict(num_classes=2))


class TestValues:
    def test_foreground_of_255(self, data):
        change(data, lambda m: (m > 0).astype(np.uint8) * 255)
        finding = only(check(node(data), head=dict(num_classes=2)))
        assert finding.level == 'error'
        assert 'every pixel of the 6 maps' in finding.what
        assert 'is 0 or 255' in finding.what
        assert '0 and 1 (divide by 255)' in finding.mend
        assert set(np.unique(read(node(data)))) == {0, 255}

    def test_foreground_of_255_and_no_zero(self, data):
        change(data, lambda m: (m > 0).astype(np.uint8) * 255)
        reduced = node(data, reduce_zero_label=True)
        finding = only(check(reduced, head=dict(num_classes=2)))
        assert 'reduce_zero_label=False' in finding.mend
        assert set(np.unique(read(reduced))) == {255}

    def test_one_bit_by_opencv(self, data):
        for path in maps(data):
            Image.fromarray(np.array(Image.open(path)) > 0).save(path)
        load = [LOAD[0], dict(LOAD[1], imdecode_backend='cv2')]
        dataset = node(data, pipeline=load)
        finding = only(check(dataset, head=dict(num_classes=2)))
        assert 'leave imdecode_backend out' in finding.mend
        assert set(np.unique(read(dataset))) == {0, 255}

    def test_some_masks_among_maps(self, data):
        change(data, lambda m: (m > 0).astype(np.uint8))
        change(data, lambda m: m * 255, count=2)
        finding = only(check(node(data), head=dict(num_classes=2)))
        assert finding.level == 'warning'
        assert '000001.png' in finding.what
        assert '1 more' in finding.what

    def test_cut_to_8_bits(self, data):
        def wide(labels):
            labels = labels.astype(np.uint16)
            labels[0, 0], labels[0, 1] = 259, 512
            return labels

        change(data, wide, count=2)
        finding = only(check(node(data)))
        assert finding.level == 'error'
        assert finding.file.endswith('000001.png')
        assert 'the value 259, 512' in finding.what
        assert '259 becomes 3 (and 1 more: 000002.png)' in finding.what
        assert read(node(data))[0, :2].tolist() == [3, 0]

    def test_fractions(self, data):
        for path in maps(data):
            labels = np.array(Image.open(path)).astype(np.float32) / 2
            path.unlink()
            Image.fromarray(labels).save(path.with_suffix('.tif'))
        finding = only(check(node(data, seg_map_suffix='.tif')))
        assert 'the value 0.5, 1.5' in finding.what

    def test_out_of_range(self, data):
        change(data, lambda m: np.where(m == 3, 9, m).astype(np.uint8))
        finding = only(check(node(data)))
        assert 'has the label 9: the model has 7 classes' in finding.what
        assert finding.entry == 'label 9'

    def test_counted_from_one(self, data):
        change(data, lambda m: m + 1)
        finding = only(check(node(data)))
        assert 'has the label 7' in finding.what
        assert 'reduce_zero_label=True' in finding.mend
        assert check(node(data, reduce_zero_label=True)) == []

    def test_shades_of_grey(self, data):
        change(data, lambda m: m * 40)
        finding = only(check(node(data)))
        assert '0 to 0, 40 to 1, 80 to 2' in finding.mend

    def test_four_bits(self, data):
        change(data, lambda m: m)
        for path in maps(data):
            labels = np.array(Image.open(path))
            path.write_bytes(png_of_four_bits(labels))
        finding = only(check(node(data)))
        assert 'the file has 4 bits' in finding.mend
        assert read(node(data)).max() > 16

    def test_left_out_and_another_ignored_label(self, data):
        reduced = node(data, reduce_zero_label=True)
        head = dict(num_classes=6, ignore_index=100)
        finding = only(check(reduced, head=head))
        assert 'the label 255 (after reduce_zero_label)' in finding.what

    def test_zero_is_a_class(self, data):
        change(data, lambda m: (m > 0).astype(np.uint8))
        reduced = node(data, reduce_zero_label=True)
        finding = only(check(reduced, head=dict(num_classes=2)))
        assert "is 0 'background'" in finding.what
        assert 'whether 0 is a class' in finding.mend

    def test_only_ignored(self, data):
        change(data, lambda m: np.full_like(m, 255), count=2)
        finding = only(check(node(data)))
        assert finding.level == 'warning'
        assert 'only ignored pixels (label 255) (and 1 more' in finding.what
        change(data, lambda m: np.full_like(m, 255))
        finding = only(check(node(data)))
        assert finding.level == 'error'
        assert 'every pixel of the 6 maps' in finding.what

    def test_classes_that_never_occur(self, data):
        change(data, lambda m: np.where(m == 5, 0, m).astype(np.uint8))
        findings = check(node(data), node(data, 'val'))
        assert [f.level for f in findings] == ['note', 'warning']
        assert "is 5 'star'" in findings[0].what
        assert "no map of train_dataloader has 5 'star'" in findings[1].what
        assert check(node(data, 'val'), node(data, 'val')) == []

    def test_all_of_one_class(self, data):
        change(data, lambda m: m * 0)
        finding = only(check(node(data)))
        assert finding.level == 'warning'
        assert "is 0 'background', in all 6 maps" in finding.what


def png_of_four_bits(labels):
    """A grey PNG of four bits, which Pillow does not write."""
    import struct
    import zlib

    height, width = labels.shape
    packed = labels[:, ::2] << 4 | labels[:, 1::2]
    rows = b''.join(b'\0' + row.tobytes() for row in packed)

    def chunk(kind, content):
        check = zlib.crc32(kind + content)
        return (
            struct.pack('>I', len(content))
            + kind
            + content
            + struct.pack('>I', check)
        )

    head = struct.pack('>IIBBBBB', width, height, 4, 0, 0, 0, 0)
    parts = [(b'IHDR', head), (b'IDAT', zlib.compress(rows)), (b'IEND', b'')]
    return b'\x89PNG\r\n\x1a\n' + b''.join(chunk(*part) for part in parts)


class TestFiles:
    def test_colours_of_the_palette(self, data):
        colours = np.array(PALETTE, np.uint8)[:, ::-1]
        change(data, lambda m: colours[m])
        finding = only(check(node(data)))
        assert 'has 3 channels' in finding.what
        assert '(0, 0, 200) to 0 (background)' in finding.mend

    def test_three_alike_and_alpha(self, data):
        change(data, lambda m: np.dstack([m] * 3))
        assert 'channels are alike' in only(check(node(data))).mend
        for path in maps(data):
            Image.open(path).convert('RGBA').save(path)
        assert 'has 4 channels' in only(check(node(data))).what

    def test_palette_by_opencv(self, data):
        for path in maps(data):
            Image.open(path).convert('P').save(path)
        load = [LOAD[0], dict(LOAD[1], imdecode_backend='cv2')]
        finding = only(check(node(data, pipeline=load)))
        assert 'has a palette' in finding.what
        assert "'pillow' reads the indices" in finding.mend
        assert read(node(data, pipeline=load)).ndim == 3

    def test_jpeg(self, data):
        for path in maps(data):
            Image.open(path).save(path.with_suffix('.jpg'))
            path.unlink()
        finding = only(check(node(data, seg_map_suffix='.jpg')))
        assert 'is a JPEG' in finding.what
        assert '5 more' in finding.what

    def test_damaged(self, data):
        path = maps(data)[2]
        path.write_bytes(path.read_bytes()[:60])
        finding = only(check(node(data)))
        assert finding.file == str(path)
        assert 'cannot be read: it is damaged' in finding.what

    def test_damaged_image(self, data):
        path = data / 'images/train/000003.jpg'
        path.write_bytes(path.read_bytes()[:60])
        finding = only(check(node(data)))
        assert finding.file == str(path)

    def test_sizes(self, data):
        change(data, lambda m: m[:40], count=1)
        finding = only(check(node(data)))
        assert 'is 64 x 40 pixels and its image' in finding.what
        assert finding.what.endswith('64 x 64')

    def test_missing_and_spare(self, data):
        first, second = maps(data)[:2]
        first.unlink()
        findings = check(node(data))
        assert only(findings).what == (
            f'{first}, the map of {data}/images/train/000001.jpg, does not '
            'exist'
        )
        (data / 'images/train/000001.jpg').unlink()
        (data / 'images/train/000002.jpg').unlink()
        finding = only(check(node(data)))
        assert finding.level == 'warning'
        assert finding.file == str(second)

    def test_maps_of_all_phases_in_one_folder(self, data):
        for path in maps(data, 'val'):
            path.rename(data / 'segmentation/train' / f'val_{path.name}')
            image = data / 'images/val' / f'{path.stem}.jpg'
            image.rename(image.with_name(f'val_{image.name}'))
        prefix = dict(img_path='images/val', seg_map_path='segmentation/train')
        val = node(data, data_prefix=prefix)
        cfg = config(node(data), val)
        assert list(check_label_maps(cfg, ['train', 'val'])) == []
        assert list(check_label_maps(cfg, ['train'])) == []
        cfg.val_dataloader = None
        finding = only(check_label_maps(cfg, ['train']))
        assert 'val_000001.png is a map without an image' in finding.what

    def test_suffixes(self, data):
        for path in maps(data):
            path.rename(path.with_name(f'{path.stem}_mask.png'))
        findings = [f for f in check(node(data)) if f.level == 'error']
        assert 'and 5 more' in only(findings).what
        assert "seg_map_suffix='_mask.png'" in only(findings).mend
        finding = only(check(node(data, img_suffix='.png')))
        assert "6 of '.jpg'" in finding.what
        assert "img_suffix='.jpg'" in finding.mend

    def test_folders_and_lists(self, data):
        prefix = dict(img_path='pictures', seg_map_path='segmentation/train')
        finding = only(check(node(data, data_prefix=prefix)))
        assert f'{data}/pictures does not exist' in finding.what
        (data / 'pictures').touch()
        finding = only(check(node(data, data_prefix=prefix)))
        assert f'{data}/pictures is a file, not a folder' in finding.what
        # Of a folder mmseg takes all that is below the prefixes.
        assert list(check(node(data, ann_file='images'))) == []
        assert read(node(data, ann_file='images')).shape == (64, 64)
        (data / 'names.txt').write_text('000001.jpg\n000002.jpg\n')
        finding = only(check(node(data, ann_file='names.txt')))
        assert '000001.jpg.jpg does not exist' in finding.what
        assert 'without img_suffix' in finding.mend
        prefix = dict(img_path='images/train')
        finding = only(check(node(data, data_prefix=prefix)))
        assert 'has no seg_map_path' in finding.what

    def test_zero_label_said_twice(self, data):
        load = [LOAD[0], dict(LOAD[1], reduce_zero_label=True)]
        finding = only(check(node(data, pipeline=load)))
        assert 'LoadAnnotations(reduce_zero_label=True)' in finding.what
        with pytest.raises(AssertionError):
            read(node(data, pipeline=load))


class TestTurnedImages:
    def turn(self, data, orientation, cut=slice(None), maps_too=False):
        """Stores images turned back, so that EXIF makes them upright."""
        back = {6: 8, 8: 6}.get(orientation, orientation)
        for path in maps(data):
            image_path = data / 'images/train' / f'{path.stem}.jpg'
            image = np.asarray(Image.open(image_path))[cut]
            labels = np.asarray(Image.open(path))[cut]
            stored = np.dstack(
                [as_turned(image[..., c], back) for c in range(3)]
            )
            exif = Image.Exif()
            exif[274] = orientation
            Image.fromarray(stored).save(image_path, exif=exif, quality=95)
            if maps_too:
                labels = as_turned(labels, back)
            Image.fromarray(np.ascontiguousarray(labels)).save(path)

    @pytest.mark.parametrize('orientation', [3, 6])
    @pytest.mark.parametrize('cut', [slice(None), slice(0, 40)])
    def test_maps_of_upright_images_are_right(self, data, orientation, cut):
        self.turn(data, orientation, cut)
        assert not [f for f in check(node(data)) if f.level != 'note']

    def test_maps_of_stored_images(self, data):
        self.turn(data, 6, slice(0, 40), maps_too=True)
        finding = only(check(node(data)))
        assert finding.level == 'error'
        assert 'EXIF orientation 6 turns' in finding.what
        assert 'to 64 x 40 pixels' in finding.what
        stored = dict(LOAD[0], color_type='color_ignore_orientation')
        right = node(data, pipeline=[stored, LOAD[1]])
        assert not [f for f in check(right) if f.level != 'note']

    @pytest.mark.parametrize('orientation', [3, 6])
    def test_of_one_size(self, data, orientation):
        self.turn(data, orientation, maps_too=True)
        finding = only(check(node(data)))
        assert finding.level == 'warning'
        assert 'edges where the image has them as it is stored' in finding.what


class TestIgnored:
    def weights(self, **keys):
        return dict(
            loss_decode=dict(
                type='CrossEntropyLoss', class_weight=[1.0] * 7, **keys
            )
        )

    def test_ignored_pixels_need_no_weight(self, data):
        """mmseg stops there; a workaround has it read on."""
        change(data, lambda m: np.where(m == 0, 255, m).astype(np.uint8))
        found = check(node(data), head=self.weights())
        assert [f for f in found if f.level != 'note'] == []

    def test_heads_metrics_and_data_sets(self, data):
        val = node(data, 'val')
        metric = dict(type='IoUMetric')
        assert check(node(data), val, val_evaluator=metric) == []
        (finding,) = check(node(data, ignore_index=0))
        assert 'mmseg never looks at' in finding.what
        (finding,) = check(node(data), head=dict(ignore_index=0))
        assert finding.level == 'note'
        assert 'never learned' in finding.what
        _, finding = check(
            node(data), val, head=dict(ignore_index=0), val_evaluator=metric
        )
        assert finding.entry == 'val_evaluator.ignore_index'
        # Not to score the background is a choice.
        chosen = dict(metric, ignore_index=0)
        assert check(node(data), val, val_evaluator=[chosen]) == []
        model = config(node(data))
        model.model.auxiliary_head = [dict(num_classes=7, ignore_index=9)]
        (finding,) = check_label_maps(model, ['train'])
        assert finding.entry == 'model.auxiliary_head.0.ignore_index'


class TestLooking:
    def test_sample_and_all(self, data, monkeypatch):
        monkeypatch.setattr(label_map_files, 'SAMPLED_PIXELS', 3 * 64 * 64)
        change(data, lambda m: np.where(m == 6, 9, m).astype(np.uint8))
        path = maps(data)[1]
        labels = np.array(Image.open(path)).astype(np.uint16)
        labels[0, 0] = 300
        cv2.imwrite(str(path), labels)
        findings = check(node(data))
        assert any('300' in f.what for f in findings)
        change(data, lambda m: m.astype(np.uint8) % 7)
        (note,) = [f for f in check(node(data)) if 'of 6 maps' in f.what]
        assert 'the labels of 3 of 6 maps were read' in note.what
        assert not [
            f for f in check(node(data), decode=True) if 'of 6 maps' in f.what
        ]

    def test_read_once(self, data, monkeypatch):
        check(node(data))
        monkeypatch.setattr(label_map_files, '_look', None)
        assert check(node(data)) == []

    def test_summary(self, data):
        found = summary(next(data_sets(config(node(data)), ['train'])))
        pixels = sum(
            np.bincount(np.array(Image.open(p)).ravel(), minlength=7)
            for p in maps(data)
        )
        assert list(found.classes.values()) == pixels.tolist()
        assert list(found.classes) == list(CLASSES)
        assert (found.samples, found.unit) == (6, 'pixels')
        assert found.sizes == {(64, 64): 6}
