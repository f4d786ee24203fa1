"""The order of ``classes`` where mmdet reads files of COCO's form.

Defect: mmdet asks pycocotools for the ids of the names in ``classes`` and
counts labels in the order of the answer, which is that of the file: names in
another order are those of other objects, and one that the file lacks or has
twice moves those after it. The table of the AP of each class pairs names with
ids that pycocotools has sorted.
Applies to: mmdet 3.0 to 3.3.0, in CocoDataset and what is made from it,
Objects365, videos, CocoPanopticDataset and their metrics.
Upstream: https://github.com/open-mmlab/mmdetection/issues/4167, mended in
2.13 and lost in 3.0
Gone when: the ids come in the order of the names; then all that is done here
is what mmdet does.

LVIS is read by another package, which takes all categories in the order of
the file: :mod:`mmuniformer.checks.classes.lists` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from mmuniformer.compat.import_hooks import after_import
from mmuniformer.compat.replacing import is_replaced, replace_once
from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import installed

_FILES = 'mmdet.datasets.api_wrappers.coco_api'
_METRIC = 'mmdet.evaluation.metrics.coco_metric'


def _in_order_of_names(get_cat_ids: Callable) -> Callable:
    def get(self, cat_names=(), sup_names=(), cat_ids=()):
        names = [cat_names] if isinstance(cat_names, str) else cat_names
        if not names or sup_names or cat_ids:
            return get_cat_ids(self, cat_names, sup_names, cat_ids)
        return _arrange(self, names)

    return get


def _arrange(coco: Any, names: Sequence[str]) -> list[int]:
    """Gives each name one category of the file, in their order.

    Args:
        coco (COCO): Its categories are put in the order of the names, before
            those that have none: the table of panoptic quality pairs both.
        names (Sequence[str]): Names of classes.

    Returns:
        list[int]: The id of each name.
    """
    found: dict[str, dict] = {}
    others = []
    for category in coco.dataset['categories']:
        name = category['name']
        if name not in names:
            others.append(category)
        elif name in found:
            _merge(coco, category['id'], into=found[name]['id'])
        else:
            found[name] = category
    # All that a category of this file has, 'isthing' for one, a class has
    # that is not in it: what stands beside it is most like it.
    like = next((found[name] for name in names if name in found), {})
    free = min([0, *(c for c in coco.cats if isinstance(c, int))])
    for name in names:
        if name not in found:
            free -= 1
            found[name] = {**like, 'id': free, 'name': name}
        like = found[name]
    ordered = [found[name] for name in dict.fromkeys(names)] + others
    coco.dataset['categories'] = ordered
    kept = {category['id']: category for category in ordered}
    # The metric of panoptic quality holds the same dict.
    coco.cats.clear()
    coco.cats.update(kept)
    return [found[name]['id'] for name in names]


def _merge(coco: Any, category: int, into: int) -> None:
    """Moves the annotations of a name that the file has twice."""
    for annotation in coco.dataset.get('annotations', []):
        for part in annotation.get('segments_info', [annotation]):
            if part['category_id'] == category:
                part['category_id'] = into
    coco.catToImgs[into] += coco.catToImgs.pop(category, [])


def _labels_to_ids(results2json: Callable) -> Callable:
    def write(self, results, outfile_prefix):
        if self._coco_api is None:
            return results2json(self, results, outfile_prefix)
        self.cat_ids = self._coco_api.get_cat_ids(
            cat_names=self.dataset_meta['classes']
        )
        files = results2json(self, results, outfile_prefix)
        # From here on they pair names with the results of pycocotools, which
        # sorts the ids.
        self.cat_ids = sorted(set(self.cat_ids))
        return files

    return write


def _patch_files(module: ModuleType) -> None:
    replace_once(module.COCO, 'get_cat_ids', _in_order_of_names, by=__name__)


def _patch_metric(module: ModuleType) -> None:
    metric = module.CocoMetric
    replace_once(metric, 'results2json', _labels_to_ids, by=__name__)


def apply() -> None:
    after_import(_FILES, _patch_files)
    after_import(_METRIC, _patch_metric)


def status() -> Status:
    name = "mmdet's order of classes"
    if not installed('mmdet'):
        return Status(name, 'not needed', 'mmdet is not installed')
    from mmdet.datasets.api_wrappers import COCO

    if is_replaced(COCO.get_cat_ids, by=__name__):
        return Status(name, 'active', 'labels follow `classes`')
    return Status(name, 'broken', "labels follow the file's categories")
