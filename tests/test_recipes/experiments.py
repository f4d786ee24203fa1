"""The published experiments by their ids, and what their configs resolve to.

A new experiment is a new entry of the model index with an ``Official`` id: it
gets the checks of its task by that. Whatever is costly is made once for all
experiments that write the same.
"""

import json
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import modelindex
import pytest
from mmengine import Config
from mmengine.dataset import Compose
from mmengine.registry import MODELS, TRANSFORMS, DefaultScope

ROOT = Path(__file__).parents[2]
RECIPES = {
    recipe_id: recipe
    for path in sorted((ROOT / 'tests/golden').glob('recipes_*.json'))
    for recipe_id, recipe in json.loads(path.read_text()).items()
}
SCOPES = {
    'image_classification': 'mmpretrain',
    'object_detection': 'mmdet',
    'semantic_segmentation': 'mmseg',
    'pose_estimation': 'mmpose',
    'video_classification': 'mmaction',
}
LIBRARIES = {task: find_spec(scope) for task, scope in SCOPES.items()}
# Those of a library that is not installed cannot be read.
CONFIGS = {
    entry.metadata.data['Official']: ROOT / entry.config
    for entry in modelindex.load(str(ROOT / 'model-index.yml')).models
    if 'Official' in entry.metadata.data
    and '_test-' not in entry.config
    and LIBRARIES[entry.metadata.data['Official'].partition('/')[0]]
}
SPLITS = ('train', 'val', 'test')
BUILT = {}


def task_of(experiment: str) -> str:
    return experiment.partition('/')[0]


def of_task(task: str) -> list[str]:
    return [e for e in CONFIGS if task_of(e) == task]


DETECTION = of_task('object_detection')
SEGMENTATION = of_task('semantic_segmentation')
POSE = of_task('pose_estimation')
VIDEO = of_task('video_classification')
CLASSIFICATION = of_task('image_classification')


def sampled(*samplers: str) -> list[str]:
    """The experiments of video with one of these ways to choose frames."""
    return [e for e in VIDEO if RECIPES[e]['pipeline']['sampler'] in samplers]


@cache
def config(experiment: str) -> Config:
    """The resolved config: for reading only."""
    return Config.fromfile(CONFIGS[experiment])


def pipeline(experiment: str, split: str) -> list[dict]:
    return config(experiment)[f'{split}_dataloader'].dataset.pipeline


def augmentation(experiment: str) -> list[dict]:
    """What a clip goes through twice, of an experiment of video."""
    last = pipeline(experiment, 'train')[-1]
    assert last.type == 'mmuniformer.RepeatAugment'
    return last.transforms


def alike(
    experiments: list[str], part: Callable[[str], object]
) -> list[pytest.param]:
    """One parameter for all experiments with the same text of a part.

    Each is a pair of that part and the experiments.
    """
    groups = {}
    for experiment in experiments:
        found = part(experiment)
        text = json.dumps(found, sort_keys=True, default=str)
        groups.setdefault(text, (found, []))[1].append(experiment)
    return [
        pytest.param(found, same, id=f'{same[0]}+{len(same) - 1}')
        for found, same in groups.values()
    ]


def built(experiment: str, transforms: list[dict]) -> Compose:
    """Transforms as the experiment's library builds them."""
    scope = SCOPES[task_of(experiment)]
    key = scope, repr(transforms)
    if key not in BUILT:
        with DefaultScope.overwrite_default_scope(scope):
            BUILT[key] = Compose(
                [TRANSFORMS.build(deepcopy(node)) for node in transforms]
            )
    return BUILT[key]


def preprocessor(experiment: str):
    """The model's own first step."""
    with DefaultScope.overwrite_default_scope(SCOPES[task_of(experiment)]):
        return MODELS.build(config(experiment).model.data_preprocessor)


def near(count: int, share: float, total: int) -> bool:
    """Whether a count is within four standard errors of its share."""
    error = (share * (1 - share) / total) ** 0.5
    return abs(count / total - share) < 4 * error
