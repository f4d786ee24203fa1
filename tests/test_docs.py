"""Pages: what they show works, and their links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine import Config
from mmengine.registry import MODELS, DefaultScope

import mmuniformer.apis
import mmuniformer.checkpoint
import mmuniformer.models
from mmuniformer.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / 'README.md',
    ROOT / 'CHANGELOG.md',
    ROOT / 'CONTRIBUTING.md',
    ROOT / 'SECURITY.md',
    *sorted((ROOT / 'docs').rglob('*.md')),
    *sorted((ROOT / 'configs').rglob('README.md')),
]


def snippet(page: str, words: str) -> str:
    """The one example in Python that has these words."""
    text = (ROOT / 'docs' / page).read_text()
    found = re.findall(r'```python\n(.*?)```', text, re.DOTALL)
    (code,) = (code for code in found if words in code)
    return code


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    text = re.sub(r'```.*?```', '', page.read_text(), flags=re.DOTALL)
    titles = re.findall(r'^#+ (.+)$', text, re.MULTILINE)
    plain = (re.sub(r'[^\w\- ]', '', title).lower() for title in titles)
    return {title.replace(' ', '-') for title in plain}


@pytest.mark.parametrize(
    'page', PAGES, ids=lambda page: str(page.relative_to(ROOT))
)
def test_links_lead_somewhere(page):
    for link in re.findall(r'\]\(([^)\s]+)\)', page.read_text()):
        if '://' in link:
            continue
        path, _, anchor = link.partition('#')
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_site_is_built_and_has_the_public_names(tmp_path):
    pytest.importorskip('material', reason='requirements/docs.txt')
    pytest.importorskip('mkdocstrings_handlers.python')
    # Strict: links, anchors and pages that are in no menu.
    command = [sys.executable, '-m', 'mkdocs', 'build', '-q', '-d', tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for room in (mmuniformer.models, mmuniformer.apis, mmuniformer.checkpoint):
        name = room.__name__.rpartition('.')[2]
        page = (tmp_path / 'api' / f'{name}.html').read_text()
        for public in room.__all__:
            assert f'id="{room.__name__}.{public}"' in page
    assert not re.search(':(class|func|meth|mod):', page)


def test_table_of_commands_is_complete():
    text = (ROOT / 'docs' / 'tools.md').read_text()
    rows = re.findall(r'^\| `([\w ]+)` \|', text.partition('\n## ')[0], re.M)
    assert {row.split()[0] for row in rows} == set(COMMANDS)


def test_a_light_detector():
    pytest.importorskip('mmdet')
    cfg = Config.fromstring(snippet('light.md', "'mmdet::mask"), '.py')
    cfg.model.backbone.init_cfg = None
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg.model).eval()
    with torch.no_grad():
        maps = model.extract_feat(torch.rand(1, 3, 64, 96))
    assert [tuple(m.shape[-2:]) for m in maps] == [
        (16, 24), (8, 12), (4, 6), (2, 3), (1, 2)
    ]  # fmt: skip


def test_a_light_classifier():
    structures = pytest.importorskip('mmpretrain.structures')
    cfg = Config.fromstring(snippet('light.md', 'ImageClassifier'), '.py')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(cfg.model)
    samples = [structures.DataSample().set_gt_label(i) for i in (3, 5)]
    losses = model(torch.rand(2, 3, 64, 64), samples, mode='loss')
    assert set(losses) == {'loss', 'token_loss'}
    assert all(0 < loss < 10 for loss in losses.values())


def test_half_precision_of_a_backbone():
    torch.manual_seed(0)
    backbone = mmuniformer.models.UniFormerLight('xxs').eval()
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        expected = backbone(images)
        names = dict(backbone=backbone, images=images)
        exec(snippet('speed.md', 'backbone.bfloat16()'), names)
    for found, want in zip(names['maps'], expected, strict=True):
        assert found.dtype == torch.float32
        assert (found - want).norm() < 0.1 * want.norm()
