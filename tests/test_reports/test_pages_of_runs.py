"""Pages about work dirs, from whole to empty, read as a browser does."""

import json
import shutil
import subprocess

import pytest
from report_pages import Page, write_run

from mmuniformer.apis import report
from mmuniformer.errors import UserError

CONFIG = """
train_dataloader = dict(batch_size=4)
train_cfg = dict(max_epochs=3, type='EpochBasedTrainLoop')
default_hooks = dict(checkpoint=dict(save_best='acc/top1'))
optim_wrapper = dict(optimizer=dict(lr={lr}))
"""
LOG = """2026/11/26 10:00:00 - mmengine - INFO -
------------------------------------------------------------
System environment:
    sys.platform: linux
    PyTorch: 2.14.1
    OpenCV: 5.0.0 <b>

Runtime environment:
    GPU number: 2
------------------------------------------------------------

2026/11/26 10:00:10 - mmengine - INFO - x
2026/11/26 11:01:00 - mmengine - INFO - the end
"""
EVIL = '<script>alert(1)</script> $x_$ 猫 "quoted" & \'more\''


def lines(scale: float = 1.0, epochs: int = 3) -> list[str]:
    found = []
    for epoch in range(1, epochs + 1):
        step = 10 * epoch
        record = dict(
            lr=0.1 / epoch, loss=scale / epoch, time=0.5, data_time=0.1
        )
        record |= dict(memory=1000, epoch=epoch, iter=step, step=step)
        found.append(json.dumps(record))
        record = {'acc/top1': scale * epoch, 'acc/mean1': 0.5, 'step': epoch}
        found.append(json.dumps(record))
    return found


@pytest.fixture
def run(tmp_path):
    folder = write_run(
        tmp_path / 'run', {'20261126_100000': lines()}, CONFIG.format(lr=0.1)
    )
    log = folder / '20261126_100000' / '20261126_100000.log'
    log.write_text(LOG)
    (folder / 'best_acc_top1_epoch_3.pth').write_bytes(b'')
    (folder / 'epoch_3.pth').write_bytes(b'')
    (folder / 'last_checkpoint').write_text('/moved/away/epoch_3.pth')
    return folder


def test_a_run(run):
    path = report([str(run)])
    assert path == run / 'report' / 'report.html'
    page = Page(path)
    result = {
        name: page.column('Result', name)['run']
        for name in page.tables['Result'][0]
    }
    assert result == {
        'run': 'run',
        'metric': 'acc/top1',
        'best': '3',
        'at': 'epoch 3',
        'last': '3',
        'trained': 'epoch 3 of 3',
        'last loss': '0.3333',
        'time': '1 h 01 min',
        'checkpoint': 'best_acc_top1_epoch_3.pth, epoch_3.pth',
    }
    # Four images on each of two GPUs in half a second.
    assert page.column('Speed', 'images a second') == {'run': '16'}
    assert page.column('Speed', 'share') == {'run': '20%'}
    assert page.column('What the log says', 'run')['GPU number'] == '2'
    assert 'max_epochs=3' in page.text
    names = {path.name for path in path.parent.glob('*.png')}
    assert {'train_loss.png', 'val_acc-top1.png', 'train_lr.png'} <= names
    assert len(names) == len(page.pictures) >= 7
    assert not page.tags & {'script', 'iframe', 'object', 'link', 'form'}


def test_runs_beside_each_other(run, tmp_path):
    other = write_run(
        tmp_path / EVIL.replace('/', '_') / 'run',
        {'20261127_100000': lines(2.0)},
        CONFIG.format(lr=0.2) + f'evil = {EVIL!r}\n',
    )
    page = Page(report([str(run), str(other)], out=str(tmp_path / 'out')))
    head, *rows = page.tables['Best of each']
    assert len(head) == 3
    assert ['acc/top1', '3', '6'] in rows
    assert page.tables['What differs'][1:3] == [
        ['optim_wrapper.optimizer.lr', '0.1', '0.2'],
        ['evil', '', repr(EVIL)],
    ]
    assert '<script>' in page.text
    assert 'script' not in page.tags
    # The same one twice is one.
    assert report([str(run), f'{run}/.']).parent.parent == run


@pytest.mark.parametrize('what', ['empty', 'begun', 'cut', 'damaged', 'nan'])
def test_what_is_half_written(tmp_path, what):
    folder = tmp_path / 'run'
    starts = {
        'empty': {},
        'begun': {'20261126_100000': []},
        'cut': {'20261126_100000': [*lines(epochs=1), lines()[2][:30]]},
        'damaged': {'20261126_100000': ['\0', '[]', '{"step": "x"}']},
        'nan': {
            '20261126_100000': [
                *lines(epochs=1),
                lines(epochs=2)[2].replace('0.5', 'NaN', 1),
                '{"acc/top1": NaN, "step": 2}',
            ]
        },
    }[what]
    write_run(folder, starts, 'model = dict(' if what == 'cut' else '')
    page = Page(report([str(folder)]))
    told = {
        'empty': 'no training has begun',
        'begun': 'before it had logged anything',
        'cut': '1 lines of the numbers are cut',
        'damaged': '3 lines of the numbers are cut',
        'nan': 'loss is not finite in 1 of 2 entries, the first at '
        'iteration 20',
    }[what]
    assert told in page.text
    if what == 'nan':
        assert page.column('Result', 'best') == {'run': '1'}
        assert page.column('Result', 'last') == {'run': 'not a number'}


def test_columns_without_a_value_are_left_out(tmp_path):
    train = [line for line in lines() if 'acc/' not in line]
    folder = write_run(tmp_path / 'run', {'20261126_100000': train}, '')
    head = Page(report([str(folder)])).tables['Result'][0]
    assert head == ['run', 'trained', 'last loss']


def test_a_folder_of_something_else(run, tmp_path):
    """An empty one may become a work dir; one of photos does not."""
    (tmp_path / 'photo.jpg').write_bytes(b'')
    (tmp_path / 'make.py').write_text('import os\n')
    with pytest.raises(
        UserError, match=r'it has make\.py, .*vis_data'
    ) as told:
        report([str(tmp_path)])
    assert f'{run} is one' in str(told.value)
    assert not (tmp_path / 'report').exists()


def test_mistakes_are_told(run, tmp_path):
    with pytest.raises(UserError, match='nowhere does not exist'):
        report([str(tmp_path / 'nowhere')])
    with pytest.raises(UserError, match='is a file'):
        report([str(run / 'epoch_3.pth')])
    with pytest.raises(UserError, match=r'--out .* is a file'):
        report([str(run)], out=str(run / 'epoch_3.pth'))
    (run / 'best_acc_top1_epoch_3.pth').unlink()
    (run / 'epoch_3.pth').unlink()
    with pytest.raises(UserError, match=r'no epoch_3\.pth, where acc/top1'):
        report([str(run)], checkpoint='best')
    with pytest.raises(UserError, match='has no checkpoint'):
        report([str(run)], checkpoint='last')


def find_browser() -> str:
    names = ('chromium', 'chromium-browser', 'google-chrome')
    found = [path for path in map(shutil.which, names) if path]
    if not found:
        pytest.skip('no chromium and no google-chrome to look at the page')
    return found[0]


@pytest.mark.parametrize('width', [390, 1280])
def test_a_browser_shows_it(run, tmp_path, width):
    """Nothing is wider than the screen, and every picture is shown."""
    browser = find_browser()
    long = write_run(
        tmp_path / ('a_long_name_without_a_space' * 4),
        {'20261127_100000': lines(2.0)},
        CONFIG.format(lr=0.2) + f'evil = {EVIL!r}\n',
    )
    page = report([str(run), str(long)], out=str(tmp_path / 'out'))
    # A window may be no narrower than 500 pixels; a frame may.
    source = page.read_text().replace('&', '&amp;').replace('"', '&quot;')
    frame = tmp_path / 'frame.html'
    frame.write_text(
        f'<iframe id="f" width="{width}" height="900" srcdoc="{source}">'
        '</iframe><p id="told"></p><script>onload = () => {'
        'const d = f.contentDocument, root = d.documentElement;'
        'const wide = root.clientWidth;'
        'const shown = [...d.images].filter(i => i.naturalWidth > 100 && '
        'i.getBoundingClientRect().right <= wide).length;'
        'told.textContent = `${root.scrollWidth - wide} too wide, ${shown} '
        'images, ${f.contentWindow.innerWidth}`;'
        '}</script>'
    )
    done = subprocess.run(
        [
            browser,
            '--headless',
            '--no-sandbox',
            '--disable-gpu',
            '--no-first-run',
            '--disable-sync',
            '--disable-background-networking',
            '--disable-component-update',
            f'--user-data-dir={tmp_path / "profile"}',
            '--virtual-time-budget=5000',
            '--dump-dom',
            frame.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    number = len(Page(page).pictures)
    told = done.stdout.partition('id="told">')[2].partition('<')[0]
    assert told == f'0 too wide, {number} images, {width}'
