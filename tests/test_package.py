"""The package as it is installed and imported."""

import ast
import re
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
import yaml
from package_build import NEEDED, build
from packaging.requirements import Requirement

import mmuniformer

ROOT = Path(__file__).parents[1]


def run(code):
    return subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True
    )


def test_import_needs_no_host_library():
    """mmdet and the others are needed only by the configs that name them."""
    done = run(
        'import sys\n'
        'hosts = ["mmdet", "mmseg", "mmpose", "mmaction", "mmpretrain"]\n'
        'sys.modules.update(dict.fromkeys(hosts + ["mmcv"]))\n'
        'import torch, mmuniformer\n'
        'arch = dict(depths=(1,) * 4, embed_dims=(8,) * 4, head_dim=8)\n'
        'mmuniformer.UniFormer(arch)(torch.rand(1, 3, 32, 32))\n'
    )
    assert done.returncode == 0, done.stderr


def test_import_is_light():
    """Importing loads none of the host libraries."""
    done = run(
        'import sys, mmuniformer\n'
        'hosts = {"mmdet", "mmseg", "mmpose", "mmaction", "mmpretrain"}\n'
        'hosts.add("torchvision")\n'
        'import mmuniformer.datasets\n'
        'sys.exit(sorted(hosts & set(sys.modules)) or 0)\n'
    )
    assert done.returncode == 0, done.stderr


def test_prefix_alone_imports_the_package():
    done = run(
        'from mmengine.registry import MODELS\n'
        'assert MODELS.get("mmuniformer.UniFormer")\n'
    )
    assert done.returncode == 0, done.stderr


def test_without_torch_the_cause_is_named():
    done = run(
        'import sys\n'
        'sys.modules["mmengine"] = None\n'
        'import mmuniformer\n'
        'mmuniformer.UniFormer\n'
    )
    assert 'ImportError: mmuniformer.UniFormer is not available' in done.stderr
    assert 'mmuniformer.doctor' in done.stderr


def test_mim_finds_configs_and_tools():
    """An editable install links them into the package."""
    mim = Path(mmuniformer.__file__).parent / '.mim'
    for name in ('configs', 'tools', 'model-index.yml'):
        assert (mim / name).resolve() == ROOT / name


@pytest.fixture(scope='module')
def metadata(wheel):
    with zipfile.ZipFile(wheel) as file:
        (name,) = (n for n in file.namelist() if n.endswith('/METADATA'))
        return message_from_bytes(file.read(name))


def contents(wheel: Path) -> dict[str, bytes]:
    """Files of a wheel by their names, but for the list of their digests."""
    with zipfile.ZipFile(wheel) as file:
        names = [n for n in file.namelist() if not n.endswith('/RECORD')]
        return {name: file.read(name) for name in names}


def test_wheel_holds_every_file(wheel, checkout):
    held = set(contents(wheel))
    for folder, place in (
        ('mmuniformer', ''),
        ('configs', 'mmuniformer/.mim/'),
        ('tools', 'mmuniformer/.mim/'),
    ):
        files = [f for f in (checkout / folder).rglob('*') if f.is_file()]
        assert len(files) > 40
        for file in files:
            name = f'{place}{file.relative_to(checkout).as_posix()}'
            if not {'.mim', '__pycache__'} & set(Path(name).parts[1:-1]):
                assert name in held
    assert not [name for name in held if name.endswith('.pyc')]


def test_sdist_builds_the_same_wheel(wheel, checkout, tmp_path):
    sdist = build('sdist', checkout, tmp_path / 'sdist')
    with tarfile.open(sdist) as file:
        file.extractall(tmp_path, filter='data')
    (source,) = tmp_path.glob('mmuniformer-*')
    again = build('wheel', source, tmp_path / 'wheel')
    assert contents(again) == contents(wheel)
    assert {path.name for path in source.iterdir()} >= set(NEEDED)


def test_metadata(metadata):
    assert metadata['Version'] == mmuniformer.__version__
    assert metadata['License-Expression'] == 'Apache-2.0'
    assert metadata.get_all('Project-URL')
    assert 'Typing :: Typed' in metadata.get_all('Classifier')
    assert 'OpenMMLab' in metadata['Keywords']


def test_description_needs_no_file_beside_it(metadata):
    """A package index shows it alone."""
    text = metadata.get_payload()
    links = re.findall(r'\]\(([^)]*)\)', text)
    assert links
    assert not [link for link in links if not link.startswith('https://')]
    # What is no link is as it was, code above all.
    code = re.findall(r'^```.*?^```', text, re.MULTILINE | re.DOTALL)
    readme = (ROOT / 'README.md').read_text()
    assert code
    assert all(block in readme for block in code)
    assert 'docs/detection.md' in text


def test_what_is_imported_is_required(metadata):
    """Of a clean environment, and of its commands.

    mmcv and torchvision are in no list, as setup.py explains, and the five
    libraries are extras.
    """
    wanted = [Requirement(each) for each in metadata.get_all('Requires-Dist')]
    names = {each.name for each in wanted if 'extra' not in str(each.marker)}
    (mmengine,) = set(packages_distributions()['mmengine'])
    names |= {Requirement(each).name for each in requires(mmengine)}
    modules = {'pillow': 'PIL', 'opencv-python': 'cv2', 'pyyaml': 'yaml'}
    known = {modules.get(name.lower(), name) for name in names}
    known |= {'mmuniformer', 'mmcv', 'torchvision'} | sys.stdlib_module_names
    known |= {'mmdet', 'mmseg', 'mmpose', 'mmaction', 'mmpretrain'}
    missing = {}
    for path in (ROOT / 'mmuniformer').rglob('*.py'):
        if '.mim' in path.parts:
            continue
        for node in ast.parse(path.read_text()).body:
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module]
            for module in modules:
                if module.partition('.')[0] not in known:
                    missing[module] = path.name
    assert not missing


def test_commands_of_an_installed_wheel(wheel, own_environment, tmp_path):
    """Outside any checkout, with configs by their names."""
    own_environment.install(wheel)

    def run(*words):
        return own_environment.run(*words, program='mmuniformer', cwd=tmp_path)

    done = run('--help')
    assert (done.returncode, done.stderr) == (0, '')
    done = run('flops', 'uniformer-tiny_shapes', '--shape', '64', '--out', 'f')
    assert done.returncode == 0, done.stderr
    place = own_environment.packages / 'mmuniformer' / '.mim' / 'configs'
    assert str(place) in (tmp_path / 'f').read_text()


def test_citation_is_that_of_this_version():
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
    assert citation['version'] == mmuniformer.__version__
    paper = citation['preferred-citation']
    readme = (ROOT / 'README.md').read_text()
    for key in ('title', 'journal', 'doi'):
        assert paper[key] in readme
    names = [
        f'{a["family-names"]}, {a["given-names"]}' for a in paper['authors']
    ]
    assert ' and '.join(names) in readme


def test_reports_ask_for_the_doctor():
    files = (ROOT / '.github' / 'ISSUE_TEMPLATE').glob('*.yml')
    forms = [yaml.safe_load(file.read_text()) for file in files]
    forms = [form for form in forms if 'body' in form]
    assert len(forms) == 3
    for form in forms:
        assert {'name', 'description', 'body'} <= set(form)
        labels = [e['attributes'].get('label', '') for e in form['body']]
        assert 'Output of `mmuniformer doctor`' in labels


def test_names_of_test_files_are_unique():
    """pytest imports them by their name alone."""
    files = [path.name for path in (ROOT / 'tests').rglob('test_*.py')]
    assert len(files) == len(set(files))
