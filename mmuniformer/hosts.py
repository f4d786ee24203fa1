"""The OpenMMLab libraries, a row for each: what differs between them.

A config names its library by ``default_scope``.
"""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version


@dataclass(frozen=True)
class Host:
    """One library.

    Attributes:
        package (str): What pip installs.
        models (str): Module that has to be importable for its configs.
        hook (str): Its visualization hook, or ours if it has none that works.
        switch (str): The hook's argument that turns it on.
        folder (str or None): The hook's argument for a folder of pictures;
            None if the hook draws through the visualizer's backends only.
        dump (str): The metric that writes predictions.
        visualizer (str): What draws, where a config of a library whose hook
            needs one has none.
        numbers (bool): Whether the hook numbers the pictures of an image.
    """

    package: str
    models: str
    hook: str
    switch: str
    folder: str | None
    dump: str = 'DumpResults'
    visualizer: str = 'Visualizer'
    numbers: bool = False


HOSTS = {
    'mmdet': Host(
        package='mmdet',
        models='mmdet.models',
        hook='mmdet.DetVisualizationHook',
        switch='draw',
        folder='test_out_dir',
        dump='mmdet.DumpDetResults',
    ),
    'mmseg': Host(
        package='mmsegmentation',
        models='mmseg.models',
        hook='mmseg.SegVisualizationHook',
        switch='draw',
        folder=None,
        visualizer='mmseg.SegLocalVisualizer',
    ),
    'mmpose': Host(
        package='mmpose',
        models='mmpose.models',
        hook='mmpose.PoseVisualizationHook',
        switch='enable',
        folder='out_dir',
        numbers=True,
    ),
    'mmaction': Host(
        package='mmaction2',
        models='mmaction.models',
        hook='mmuniformer.VideoPictureHook',
        switch='enable',
        folder='out_dir',
    ),
    'mmpretrain': Host(
        package='mmpretrain',
        models='mmpretrain.models',
        hook='mmpretrain.VisualizationHook',
        switch='enable',
        folder='out_dir',
    ),
}
# What all of them stand on; no config has one of these for its scope.
FOUNDATION = {'mmengine': 'mmengine', 'mmcv': 'mmcv-lite'}
# The maintained forks have the same modules.
FORKS = {
    'mmengine': 'onedl-mmengine',
    'mmcv': 'onedl-mmcv',
    'mmdet': 'onedl-mmdetection',
    'mmseg': 'onedl-mmsegmentation',
    'mmpretrain': 'onedl-mmpretrain',
}
# Scopes that a config may have.
SCOPES = ('mmengine', 'mmuniformer', *HOSTS)


def packages() -> dict[str, str]:
    """What pip installs, by the module that a config or an import names.

    Where mmengine is the maintained fork, the other forks that there are.
    """
    originals = {
        **FOUNDATION,
        **{scope: host.package for scope, host in HOSTS.items()},
    }
    try:
        version(FORKS['mmengine'])
    except PackageNotFoundError:
        return originals
    return originals | FORKS
