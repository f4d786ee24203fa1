"""Label maps, folders of classes, lists of images and videos."""

import numpy as np
import pytest
from own_forms import write_masks
from PIL import Image

from mmuniformer.errors import UserError
from mmuniformer.owndata.label_maps import write_maps
from mmuniformer.owndata.recognising import Given, recognise
from mmuniformer.owndata.writing import write_part

MAP = np.array([[0, 1, 2, 0], [1, 1, 2, 0], [0, 0, 255, 0]], np.uint8)
COLOURS = np.array([[0, 0, 0], [128, 0, 0], [0, 128, 7]], np.uint8)


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / 'images'
    folder.mkdir()
    for name in 'ab':
        Image.new('RGB', (4, 3)).save(folder / f'{name}.jpg')
    return folder


def read(images, maps, tmp_path, classes=None):
    """Classes and the labels that a model would be given."""
    labels = write_masks(maps, tmp_path / 'maps')
    found = recognise(Given('seg', images, labels, classes=classes))
    part = found.parts['train']
    folder, suffix = part.maps, part.map_suffix
    if part.convert is not None:
        folder, suffix = tmp_path / 'out', '.png'
        write_maps(part, folder)
    out = {
        name: np.array(Image.open(folder / f'{name}{suffix}'))
        for name in part.files
    }
    return found, out


def test_labels_stay_as_they_are(images, tmp_path):
    maps = {'a': MAP, 'b': np.zeros_like(MAP)}
    found, out = read(images, maps, tmp_path, 'road,car,tree')
    assert found.classes == ('road', 'car', 'tree')
    assert found.parts['train'].convert is None
    np.testing.assert_array_equal(out['a'], MAP)
    # 255 is counted for none.
    assert found.parts['train'].pixels[0].total() == MAP.size - 1


@pytest.mark.parametrize('other', [0, 255])
def test_0_and_255_become_0_and_1(images, tmp_path, other):
    binary = np.where(MAP == 1, 255, 0).astype(np.uint8)
    maps = {'a': binary, 'b': np.full_like(MAP, other)}
    found, out = read(images, maps, tmp_path)
    assert found.classes == ('background', 'foreground')
    np.testing.assert_array_equal(out['a'], MAP == 1)
    np.testing.assert_array_equal(out['b'], np.full_like(MAP, other > 0))


def test_grey_in_three_channels(images, tmp_path):
    binary = np.where(MAP == 1, 255, 0).astype(np.uint8)
    maps = {name: np.stack([binary] * 3, -1) for name in 'ab'}
    _, out = read(images, maps, tmp_path, 'ground,thing')
    np.testing.assert_array_equal(out['a'], MAP == 1)


@pytest.mark.parametrize(
    'table',
    [
        'road:0,0,0::\ncar:128,0,0::\ntree:0,128,7::\n',
        'name,r,g,b\nroad,0,0,0\ncar,128,0,0\ntree,0,128,7\n',
        '0 0 0 road\n128 0 0 car\n0 128 7 tree\n',
    ],
)
def test_colours_by_a_table(images, tmp_path, table):
    file = tmp_path / 'table.txt'
    file.write_text(table)
    labels = np.where(MAP == 255, 0, MAP)
    maps = {'a': COLOURS[labels], 'b': COLOURS[np.zeros_like(labels)]}
    found, out = read(images, maps, tmp_path, str(file))
    assert found.classes == ('road', 'car', 'tree')
    np.testing.assert_array_equal(out['a'], labels)
    np.testing.assert_array_equal(out['b'], 0)


def test_values_of_16_bits_with_gaps(images, tmp_path):
    wide = np.array([0, 700, 42], np.uint16)[np.where(MAP == 255, 0, MAP)]
    maps = {'a': wide, 'b': wide}
    found, out = read(images, maps, tmp_path, '42=tree,0=road,700=car')
    assert found.classes == ('tree', 'road', 'car')
    wanted = np.array([1, 2, 0])[np.where(MAP == 255, 0, MAP)]
    np.testing.assert_array_equal(out['a'], wanted)


def test_palettes_are_indices_and_colours(images, tmp_path):
    labels = tmp_path / 'maps'
    labels.mkdir()
    for name in 'ab':
        image = Image.fromarray(MAP, 'P')
        image.putpalette([*COLOURS.ravel().tolist(), *[9] * (256 * 3 - 9)])
        image.save(labels / f'{name}.png')
    given = Given('seg', images, labels, classes='road,car,tree')
    found = recognise(given)
    assert found.parts['train'].convert is None
    assert found.metainfo['palette'] == [tuple(c) for c in COLOURS.tolist()]


def test_labels_from_1(images, tmp_path):
    ones = np.where(MAP == 255, 255, MAP + 1).astype(np.uint8)
    found, out = read(images, dict.fromkeys('ab', ones), tmp_path, 'a,b,c')
    np.testing.assert_array_equal(out['a'], MAP)
    assert any('count from 1' in note for note in found.notes)


STRAY = {
    'colours.txt': '255 0 0 header\n0 255 0 footer\n',
    'colors.txt': 'what the hall\n is painted in: 5 6',
    'labels.txt': 'a\nb\nc\n',
    'labelmap.txt': '7 cat\n9 dog\n',
}


@pytest.mark.parametrize('name', STRAY)
@pytest.mark.parametrize('channels', [1, 3])
def test_a_stray_table_is_not_taken_for_maps_of_two(
    images, tmp_path, name, channels
):
    (tmp_path / name).write_text(STRAY[name])
    binary = np.where(MAP == 1, 255, 0).astype(np.uint8)
    if channels == 3:
        binary = np.stack([binary] * 3, -1)
    found, out = read(images, dict.fromkeys('ab', binary), tmp_path)
    assert found.classes == ('background', 'foreground')
    np.testing.assert_array_equal(out['a'], MAP == 1)
    told = [note for note in found.notes if name in note]
    assert len(told) == 1
    assert 'is not read' in told[0]


def test_a_table_that_does_not_fit_is_named(images, tmp_path):
    (tmp_path / 'colours.txt').write_text(STRAY['colours.txt'])
    labels = write_masks(dict.fromkeys('ab', MAP), tmp_path / 'maps')
    with pytest.raises(
        UserError, match=r'colours\.txt has colours, and the m'
    ):
        recognise(Given('seg', images, labels))
    found = recognise(Given('seg', images, labels, classes='road,car,tree'))
    assert found.classes == ('road', 'car', 'tree')


def test_palettes_are_read_through_a_table(images, tmp_path):
    """Each file has a palette of its own; VOC's border is in no table."""
    labels = tmp_path / 'maps'
    labels.mkdir()
    turned = np.array([2, 0, 1], np.uint8)
    for name, order in (('a', np.arange(3)), ('b', turned)):
        values = np.where(MAP == 255, 255, order[np.minimum(MAP, 2)])
        image = Image.fromarray(values.astype(np.uint8), 'P')
        colours = np.zeros((256, 3), np.uint8)
        colours[order] = COLOURS
        colours[255] = (224, 224, 192)
        image.putpalette(colours.ravel().tolist())
        image.save(labels / f'{name}.png')
    table = tmp_path / 'labelmap.txt'
    table.write_text('road:0,0,0::\ncar:128,0,0::\ntree:0,128,7::\n')
    found = recognise(Given('seg', images, labels))
    assert found.classes == ('road', 'car', 'tree')
    write_maps(found.parts['train'], tmp_path / 'out')
    for name in 'ab':
        out = np.array(Image.open(tmp_path / f'out/{name}.png'))
        np.testing.assert_array_equal(out, MAP)
    # Without the table values are read, and that these differ is told.
    table.unlink()
    notes = recognise(Given('seg', images, labels, classes='a,b,c')).notes
    assert any('values are read, and not colours' in note for note in notes)


def test_grey_with_alpha(images, tmp_path):
    maps = np.dstack([np.minimum(MAP, 2), np.full_like(MAP, 255)])
    _, out = read(images, dict.fromkeys('ab', maps), tmp_path, 'a,b,c')
    np.testing.assert_array_equal(out['a'], np.minimum(MAP, 2))


@pytest.mark.parametrize(
    ('maps', 'classes', 'said'),
    [
        (MAP, None, 'nothing names them'),
        (MAP, 'road,car', r'a\.png holds the value 2, and 2 names'),
        (COLOURS[np.minimum(MAP, 2)], None, 'in colours.*nothing says'),
        (MAP, '0=road,1=car', r'a\.png has 2 pixels of 2'),
    ],
)
def test_values_without_a_name(images, tmp_path, maps, classes, said):
    labels = write_masks({'a': maps, 'b': maps}, tmp_path / 'maps')
    with pytest.raises(UserError, match=said):
        recognise(Given('seg', images, labels, classes=classes))


@pytest.mark.parametrize('white', [1, 255])
def test_one_name_for_maps_of_two_values(images, tmp_path, white):
    maps = {name: (MAP == 1).astype(np.uint8) * white for name in 'ab'}
    with pytest.raises(UserError, match=r'name .* too: background,crack'):
        read(images, maps, tmp_path, 'crack')


def test_several_maps_of_an_image(images, tmp_path):
    maps = {f'{n}_{kind}': MAP for n in 'ab' for kind in ('ids', 'view')}
    with pytest.raises(UserError, match=r'several maps .*_ids\.png, _view'):
        read(images, maps, tmp_path, 'road,car,tree')
    # One is named like the image.
    for name in 'ab':
        Image.fromarray(MAP).save(tmp_path / f'maps/{name}.png')
    given = Given('seg', images, tmp_path / 'maps', classes='road,car,tree')
    assert recognise(given).parts['train'].map_suffix == '.png'


@pytest.mark.parametrize(
    'table',
    [
        'name;r;g;b\nthe road;0;0;0\nmy car;128;0;0\ntree;0;128;7',
        'the road\t0\t0\t0\nmy car\t128\t0\t0\ntree\t0\t128\t7',
        'the road 0 0 0\nmy car 128 0 0\ntree 0 128 7',
    ],
)
def test_tables_of_other_programs(images, tmp_path, table):
    file = tmp_path / 'table.csv'
    file.write_text(table)
    rgb = COLOURS[np.where(MAP == 255, 0, MAP)]
    found, out = read(images, {'a': rgb, 'b': rgb}, tmp_path, str(file))
    assert found.classes == ('the road', 'my car', 'tree')
    np.testing.assert_array_equal(out['a'], np.where(MAP == 255, 0, MAP))


def test_a_table_of_names_and_values(images, tmp_path):
    file = tmp_path / 'table.csv'
    file.write_text('name,id\nroad,0\ncar,2\ntree,1\n')
    found, out = read(images, dict.fromkeys('ab', MAP), tmp_path, str(file))
    assert found.classes == ('road', 'car', 'tree')
    swapped = np.array([0, 2, 1])[np.where(MAP == 255, 0, MAP)]
    np.testing.assert_array_equal(out['a'][MAP < 255], swapped[MAP < 255])
    file.write_bytes(b'0,caf\xe9\n')
    given = Given('seg', images, tmp_path / 'maps', classes=str(file))
    with pytest.raises(UserError, match='line 1: byte 0xe9 is not UTF-8'):
        recognise(given)


def test_maps_that_are_not_there_or_lossy(images, tmp_path):
    labels = write_masks({'a': MAP}, tmp_path / 'maps')
    with pytest.raises(UserError, match=r'1 of 2 images have no map.*b\.png'):
        recognise(Given('seg', images, labels, classes='a,b,c'))
    folder = tmp_path / 'jpegs'
    folder.mkdir()
    for name in 'ab':
        Image.fromarray(MAP * 80).save(folder / f'{name}.jpg')
    with pytest.raises(UserError, match='is a JPEG'):
        recognise(Given('seg', images, folder, classes='a,b,c'))


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / 'videos'
    folder.mkdir()
    for name in ('one.mp4', 'two two.mp4', 'three.mp4'):
        (folder / name).write_bytes(b'')
    return folder


LISTS = {
    'header': 'path,label\none.mp4,run\ntwo two.mp4,jump high\nthree.mp4,run',
    'other order': 'id;class_id;class;file\n7;1;run;one\n8;0;jump high;two two'
    '\n9;1;run;three.mp4',
    'spaces': 'one.mp4 run\ntwo two.mp4 jump high\nthree.mp4 run',
    'tabs': 'x/one.mp4\trun\nx/two two.mp4\tjump high\nx/three.mp4\trun\n\n',
    'quotes': '"one.mp4","run"\n"two two.mp4","jump high"\n"three.mp4","run"',
}


@pytest.mark.parametrize('form', LISTS)
def test_lists_of_videos(videos, tmp_path, form):
    file = tmp_path / 'list.csv'
    file.write_text(LISTS[form])
    found = recognise(Given('video', videos, file))
    part = found.parts['train']
    assert found.classes == ('jump high', 'run')
    assert part.files == ['one.mp4', 'two two.mp4', 'three.mp4']
    assert part.labels == [1, 0, 1]
    assert part.file is None


def test_a_list_that_mmaction2_reads_is_left_alone(videos, tmp_path):
    file = tmp_path / 'list.txt'
    file.write_text('one.mp4 1\nthree.mp4 0\n')
    given = Given('video', videos, file, classes='jump,run')
    part = recognise(given).parts['train']
    assert part.file == file
    assert part.labels == [1, 0]


@pytest.mark.parametrize(
    ('text', 'classes', 'said'),
    [
        ('one.mp4 1\nthree.mp4\n', None, r"line 2: 'three\.mp4' has no label"),
        ('one.mp4 1\nfour.mp4 0\n', None, r'four\.mp4 \(line 2\)'),
        ('one.mp4 5\n', 'jump,run', 'line 1: there is no class 5'),
        ('one.mp4 ran\n', 'jump,run', "'ran' is none of the 2.*mean run"),
        ('one.mp4 1\nthree.mp4 run\n', None, 'is a name, and others are num'),
        ('one.mp4 1\none.mp4 0\n', None, 'has 1 files twice'),
        ('a,b,c\none.mp4,run,fast\n', None, 'line 1: .*columns'),
        ('frames 30 1\n', None, 'folders of frames'),
        ('', None, 'is empty'),
    ],
)
def test_mistakes_of_lists_name_the_line(
    videos, tmp_path, text, classes, said
):
    file = tmp_path / 'list.txt'
    file.write_text(text)
    with pytest.raises(UserError, match=said) as caught:
        recognise(Given('video', videos, file, classes=classes))
    assert str(file) in str(caught.value)


def test_blank_lines_above_a_header(videos, tmp_path):
    file = tmp_path / 'list.csv'
    file.write_text('\n\npath,label\none.mp4,run\n\nthree.mp4,jump\n')
    part = recognise(Given('video', videos, file)).parts['train']
    assert part.files == ['one.mp4', 'three.mp4']
    assert part.labels == [1, 0]


def test_one_class_is_none(videos, tmp_path):
    file = tmp_path / 'list.csv'
    file.write_text('one.mp4,run\nthree.mp4,run\n')
    with pytest.raises(UserError, match='has one class, run; two are needed'):
        recognise(Given('video', videos, file))


@pytest.mark.parametrize(
    ('other', 'told'), [('test', True), ('Val', False), ('validation', False)]
)
def test_folders_of_sides_are_no_classes(other, told, tmp_path):
    folder = tmp_path / 'all'
    names = ['Train/cat/1', 'Train/dog/1', f'{other}/dog/2', '__MACOSX/cat/1']
    for name in names:
        file = folder / f'{name}.png'
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (2, 2)).save(file)
    found = recognise(Given('cls', folder, None))
    assert found.classes == ('cat', 'dog')
    assert found.parts['train'].files == ['cat/1.png', 'dog/1.png']
    assert found.parts['val'].files == ['dog/2.png']
    assert found.parts['val'].labels == [1]
    assert told == any('images of the test' in n for n in found.notes)


def test_folders_of_classes(tmp_path):
    for name in ('cat/1', 'cat/2', 'dog/1'):
        file = tmp_path / f'all/{name}.png'
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (2, 2)).save(file)
    found = recognise(Given('cls', tmp_path / 'all', None))
    assert found.classes == ('cat', 'dog')
    assert found.parts['train'].labels == [0, 0, 1]
    given = Given('cls', tmp_path / 'all', None, classes='dog,cat')
    assert recognise(given).parts['train'].labels == [1, 1, 0]
    with pytest.raises(UserError, match='none of --classes; did you mean'):
        recognise(Given('cls', tmp_path / 'all', None, classes='dog,cats'))
    (tmp_path / 'all/bird').mkdir()
    with pytest.raises(UserError, match='bird has no file'):
        recognise(Given('cls', tmp_path / 'all', None))


def test_videos_in_folders_of_classes_become_a_list(tmp_path):
    """mmaction2 finds none in folders; names have what divides columns."""
    for name in ('wash car/1.MP4', 'jump, high/1.mp4', 'jump, high/._1.mp4'):
        file = tmp_path / f'all/{name}'
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b'')
    found = recognise(Given('video', tmp_path / 'all', None))
    texts = {}
    node = write_part(
        found.parts['train'],
        'train',
        tmp_path,
        lambda text, file: texts.update({file.name: text}),
        'video',
    ).node
    assert found.classes == ('jump, high', 'wash car')
    assert node['delimiter'] == ';'
    assert texts['train.txt'] == 'jump, high/1.mp4;0\nwash car/1.MP4;1\n'


def test_images_that_mmpretrain_does_not_find_are_listed(tmp_path):
    for name in ('cat/1.png', 'dog/1.webp'):
        file = tmp_path / f'all/{name}'
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (2, 2)).save(file)
    part = recognise(Given('cls', tmp_path / 'all', None)).parts['train']
    assert (part.files, part.folders) == (['cat/1.png', 'dog/1.webp'], False)


def test_a_column_of_the_split(videos, tmp_path):
    file = tmp_path / 'list.csv'
    head = 'File Name,Label,Split,fps\n'
    rows = 'one.mp4,run,train,9\ntwo two.mp4,jump,{},9\nthree.mp4,run,test,9\n'
    file.write_text(head + rows.format('Validation'))
    found = recognise(Given('video', videos, file))
    train, val = found.parts['train'], found.parts['val']
    assert (train.files, train.labels) == (['one.mp4'], [1])
    assert (val.files, val.labels) == (['two two.mp4'], [0])
    assert any('not read are the columns fps' in n for n in found.notes)
    assert any('test are left out: 1' in n for n in found.notes)
    # Without a validation, the test is it.
    file.write_text(head + rows.format('train'))
    assert recognise(Given('video', videos, file)).parts['val'].labels == [1]
    file.write_text(head + rows.format('both'))
    with pytest.raises(UserError, match="line 3: the split 'both' is none of"):
        recognise(Given('video', videos, file))


def test_a_list_with_a_mark_or_spaces_is_written_anew(videos, tmp_path):
    file = tmp_path / 'list.txt'
    for text in ('\ufeffone.mp4 1\nthree.mp4 0\n', 'two two.mp4 0\n'):
        file.write_text(text, encoding='utf-8')
        given = Given('video', videos, file, classes='jump,run')
        part = recognise(given).parts['train']
        assert part.file is None
    assert (part.files, part.labels) == (['two two.mp4'], [0])


def test_a_file_of_the_same_name_is_not_guessed(videos, tmp_path):
    for folder in ('x', 'y'):
        (videos / folder).mkdir()
        (videos / folder / 'four.mp4').write_bytes(b'')
    (videos / 'x' / 'five.mp4').write_bytes(b'')
    file = tmp_path / 'list.csv'
    file.write_text('path,label\nold/five.mp4,run\nfive,jump\n')
    with pytest.raises(UserError, match=r'1 files twice: x/five\.mp4'):
        recognise(Given('video', videos, file))
    file.write_text('path,label\nold/four.mp4,run\n')
    with pytest.raises(UserError, match=r'may be x/four\.mp4, y/four\.mp4'):
        recognise(Given('video', videos, file))
