"""A picture of its own for each tested image."""

from collections import Counter
from collections.abc import Iterator
from os.path import abspath
from pathlib import Path, PurePath
from typing import Any

from mmengine.dataset import BaseDataset
from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.runner import Runner

from mmuniformer.engine.backends import PictureBackend
from mmuniformer.registry import HOOKS
from mmuniformer.shards import PREFIX, name_of
from mmuniformer.visualization.skeletons import scale_skeletons


@HOOKS.register_module()
class PicturesHook(Hook):
    """Has a library's hook draw every test image into a file of its own.

    The hooks name a picture by the last part of its image's path, so that of
    two images of one name in different folders the second one is what is
    left. Here the folders of the images, below the one that they all have in
    common, are made in ``out_dir``; images of one folder lie right in it. An
    image that is tested again, as part of another data set, is drawn into
    ``again-1`` beside the first.

    Args:
        hook (dict): The library's visualization hook.
        folder (str, optional): Its attribute for the folder of the pictures;
            None if it draws through a :class:`PictureBackend`.
        out_dir (str): Absolute folder for all pictures.
        numbers (bool): Whether the library's hook itself numbers the pictures
            of an image, as mmpose's does: one for a person.
    """

    def __init__(
        self,
        hook: dict,
        folder: str | None,
        out_dir: str,
        numbers: bool = False,
    ) -> None:
        with MMENGINE_HOOKS.switch_scope_and_registry(None) as registry:
            self.hook = registry.build(hook)
        self.folder = folder
        self.out_dir = Path(out_dir)
        self.numbers = numbers
        self._root: tuple[str, ...] = ()
        self._times: Counter[str] = Counter()
        self._drawn = 0

    def before_test(self, runner: Runner) -> None:
        """Looks where the images of the test lie."""
        folders = {_parts(p)[:-1] for p in _images(runner.test_dataloader)}
        self._root = _common(folders)
        self._times.clear()
        self._drawn = 0

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: list
    ) -> None:
        """Draws what the library's hook draws in a validation."""
        self.hook.after_val_iter(runner, batch_idx, data_batch, outputs)

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: list
    ) -> None:
        """Draws the samples of a batch one by one, each into its folder."""
        for position, sample in enumerate(outputs):
            self._write_into(runner, str(self._folder_of(sample)))
            visualizer = getattr(self.hook, '_visualizer', None)
            scale_skeletons(visualizer, sample.get('ori_shape'))
            batch = data_batch
            if isinstance(batch, dict) and 'inputs' in batch:
                # mmpretrain draws what the model got.
                one = batch['inputs'][position : position + 1]
                batch = {**batch, 'inputs': one}
            # Its number among all samples of all processes: mmpretrain names
            # images so that are no files.
            number = self._drawn * get_world_size() + get_rank()
            self.hook.after_test_iter(runner, number, batch, [sample])
            self._drawn += 1

    def _folder_of(self, sample: Any) -> Path:
        """Where the picture of a sample goes."""
        path = sample.get('img_path')
        if not path:
            return self.out_dir
        folders, root = _parts(path)[:-1], self._root
        if folders[: len(root)] == root:
            folders = folders[len(root) :]
        again = self._times[str(path)]
        self._times[str(path)] += 1
        if again and not self.numbers:
            folders = [*folders, f'again-{again}']
        return self.out_dir.joinpath(*folders)

    def _write_into(self, runner: Runner, folder: str) -> None:
        if self.folder is not None:
            setattr(self.hook, self.folder, folder)
            return
        for backend in runner.visualizer._vis_backends.values():
            if isinstance(backend, PictureBackend):
                backend.write_into(folder)


def _images(loader: Any) -> Iterator[str]:
    """The paths of all images of a loader, within wrappers of data sets."""
    waiting = [loader.dataset]
    while waiting:
        dataset = waiting.pop()
        waiting += getattr(dataset, 'datasets', None) or []
        inner = getattr(dataset, 'dataset', None)
        if inner is not None:
            waiting.append(inner)
        elif isinstance(dataset, BaseDataset):
            for index in range(len(dataset)):
                # A library's own method may add to it, which takes longer.
                info = BaseDataset.get_data_info(dataset, index)
                if info.get('img_path'):
                    yield str(info['img_path'])


def _parts(path: str) -> tuple[str, ...]:
    """Folders and name of a path or link, from the root of its disk.

    Of a sample in a shard, those that it has there.
    """
    if path.startswith(PREFIX):
        return PurePath(name_of(path)).parts
    link = path.partition('://')[2]
    return PurePath(link).parts if link else Path(abspath(path)).parts[1:]


def _common(folders: set[tuple[str, ...]]) -> tuple[str, ...]:
    """What all paths begin with."""
    if not folders:
        return ()
    first, last = min(folders), max(folders)
    count = 0
    for one, other in zip(first, last, strict=False):
        if one != other:
            break
        count += 1
    return first[:count]
