"""Build script: package data, extras and the files that `mim` looks for."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
# What Python runs when it starts, beside the installed packages.
STARTUP = ROOT / 'mmuniformer' / 'compat' / 'startup_hook.py'
STARTUP_MODULE = '_mmuniformer_startup'
MIM_ITEMS = ('configs', 'tools', 'model-index.yml')
FENCED = re.compile(r'^(```.*?^```)$', re.MULTILINE | re.DOTALL)
RELATIVE_LINK = re.compile(r'(!?)\[([^\]]*)\]\((?!https?:|#)[^)]*\)')


class Build(build_py):
    """Adds what `mim` looks for, and the start-up hook.

    Configs, tools and the model index go into ``mmuniformer/.mim``.

    A wheel gets copies. An editable install (``pip install -e .``, where pip
    calls ``editable_wheel``, not ``develop``) gets links, so that an edited
    config is the one that `mim` finds. The hook is copied in either case: it
    stands beside the package, so that uninstalling removes it.
    """

    def run(self):
        super().run()
        editable = getattr(self, 'editable_mode', False)
        self.add_startup(editable)
        base = ROOT if editable else Path(self.build_lib)
        mim = base / 'mmuniformer' / '.mim'
        shutil.rmtree(mim, ignore_errors=True)
        mim.mkdir(parents=True)
        for item in MIM_ITEMS:
            source, target = ROOT / item, mim / item
            if editable:
                target.symlink_to(Path('..', '..', item))
            elif source.is_dir():
                ignore = shutil.ignore_patterns('__pycache__')
                shutil.copytree(source, target, ignore=ignore)
            else:
                shutil.copy2(source, target)

    def add_startup(self, editable):
        root = Path(self.build_lib)
        if editable:
            # Of an editable wheel, what is in it and no link.
            root = Path(self.get_finalized_command('install').install_purelib)
        root.mkdir(parents=True, exist_ok=True)
        shutil.copy2(STARTUP, root / f'{STARTUP_MODULE}.py')
        line = f'import {STARTUP_MODULE}\n'
        (root / f'{STARTUP_MODULE}.pth').write_text(line)


def requirements(name):
    """Requirement lines of ``requirements/<name>.txt``."""
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
    lines = (line.split('#')[0].strip() for line in lines)
    return [line for line in lines if line and not line.startswith('-')]


def long_description():
    """README.md as a package index shows it, without the files beside it.

    Of a link to one of them the text is left, of a picture nothing.
    """
    parts = FENCED.split((ROOT / 'README.md').read_text(encoding='utf-8'))
    parts[::2] = [
        RELATIVE_LINK.sub(lambda link: '' if link[1] else link[2], part)
        for part in parts[::2]
    ]
    return ''.join(parts)


# mmcv is in no list: mmcv and mmcv-lite share one import name, and pip would
# write the one over the other. torchvision is in none either: its newest
# release would replace the torch that is there. The doctor says what to type.
EXTRAS = {
    'det': ['mmdet>=3.3'],
    'seg': ['mmsegmentation>=1.2.2', 'ftfy', 'regex'],
    # mmpose itself requires chumpy, which cannot be built: it comes with
    # `pip install --no-deps mmpose`.
    'pose': ['json-tricks', 'munkres', 'scipy', 'xtcocotools'],
    # mmpretrain has the RandAugment of the recipes.
    'video': ['mmaction2>=1.2', 'mmpretrain>=1.2'],
    'cls': ['mmpretrain>=1.2'],
}
EXTRAS['all'] = sorted({item for extra in EXTRAS.values() for item in extra})
EXTRAS['export'] = requirements('export')
EXTRAS['tests'] = requirements('tests')

version = {}
exec((ROOT / 'mmuniformer' / 'version.py').read_text(), version)

setup(
    name='mmuniformer',
    version=version['__version__'],
    description='UniFormer for mmdet, mmseg, mmpose, mmaction2, mmpretrain',
    long_description=long_description(),
    long_description_content_type='text/markdown',
    license_expression='Apache-2.0',
    project_urls={'Paper': 'https://arxiv.org/abs/2201.09450'},
    keywords=[
        'UniFormer',
        'vision transformer',
        'backbone',
        'OpenMMLab',
        'object detection',
        'instance segmentation',
        'semantic segmentation',
        'pose estimation',
        'action recognition',
        'image classification',
    ],
    classifiers=[
        'Development Status :: 4 - Beta',
        'Environment :: Console',
        'Intended Audience :: Developers',
        'Intended Audience :: Science/Research',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3 :: Only',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Programming Language :: Python :: 3.13',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Topic :: Scientific/Engineering :: Image Recognition',
        'Typing :: Typed',
    ],
    python_requires='>=3.11',
    packages=find_packages(include=['mmuniformer', 'mmuniformer.*']),
    # Every file below mmuniformer/ that MANIFEST.in names.
    include_package_data=True,
    install_requires=[
        'torch>=2.1',
        'mmengine>=0.10.4',
        'filelock',
        'gdown>=6',
        'jinja2',
        'matplotlib',
        'numpy',
        'orjson',
        'pillow',
        'pycocotools',
        'pyyaml',
        'rich',
        'safetensors',
        'setuptools<81',
        'shtab',
    ],
    entry_points={
        'console_scripts': ['mmuniformer = mmuniformer.cli.main:main'],
    },
    extras_require=EXTRAS,
    cmdclass={'build_py': Build},
)
