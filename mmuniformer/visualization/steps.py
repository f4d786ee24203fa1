"""The steps that a sample goes through, whatever data sets are around it.

Each transform of each pipeline of a data set, its wrappers and their members
is replaced by a :class:`_Recorder` that does the same and notes what came
out. The notes travel with the sample, so a wrapper that mixes, repeats or
joins samples is asked for them as by a dataloader, and none has to be known.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmuniformer.datasets import CheckLabels, RepeatAugment
from mmuniformer.errors import UserError
from mmuniformer.visualization.samples import frames_of

MODES = ('transformed', 'original', 'pipeline')
# Transforms that read and decode: what they give is the original.
READING = ('Load', 'Decord', 'OpenCV', 'PyAV', 'RawFrame', 'SampleFrames')
READING += ('UniformSample', 'DenseSample')
# The key of a sample below which its notes travel.
NOTES = 'mmuniformer_steps'


@dataclass(frozen=True, eq=False)
class Step:
    """What one transform gave.

    Attributes:
        name (str): Name of its class.
        results (dict): The sample after it.
        changed (bool): Whether it changed the image or the frames.
        metainfo (dict): That of the data set whose pipeline it is of.
    """

    name: str
    results: dict
    changed: bool
    metainfo: dict

    def packed_by(self, transform: Any) -> Any:
        """The annotations after this step, as a packing transform has them."""
        pack = deepcopy(transform)
        if hasattr(pack, 'pack_transformed'):
            pack.pack_transformed = True
        return pack.transform(_copy(self.results))['data_samples']


@dataclass(frozen=True, eq=False)
class Notes:
    """What has happened to a sample.

    Attributes:
        asked_for (bool): Whether it is the one that was asked for, and none
            that is mixed into it.
        metainfo (dict): Classes, keypoints and colours that it has now.
        steps (tuple[Step, ...]): Those that the mode needs.
        pack (Any): The transform that made the model's input of it.
    """

    asked_for: bool
    metainfo: dict
    steps: tuple[Step, ...] = ()
    pack: Any = None

    def __deepcopy__(self, memo: dict) -> 'Notes':
        # Mixing copies samples, and nothing here is changed.
        return self


class StepRecorder:
    """Gives samples of a data set with the steps that led to them.

    Args:
        dataset (Any): Built, and fully initialised. Its pipelines and those
            of its members are changed.
        mode (str): 'transformed' for what the model gets, 'original' for what
            the files hold, 'pipeline' for each step that changes the image.
    """

    def __init__(self, dataset: Any, mode: str) -> None:
        self.dataset = dataset
        self.mode = mode
        self.index = 0
        self.begun = 0
        for owner in _with_members(dataset):
            pipeline = getattr(owner, 'pipeline', None)
            # A list in wrappers that mix: they try again what gave nothing.
            mixes = isinstance(pipeline, list)
            transforms = (
                pipeline if mixes else getattr(pipeline, 'transforms', [])
            )
            self._record(transforms, owner, mixes)

    def _record(self, transforms: list, owner: Any, mixes: bool) -> None:
        for place, transform in enumerate(transforms):
            within = _pipelines_within(transform)
            for pipeline in within:
                self._record(pipeline.transforms, owner, mixes)
            # The check is ours, and no step of the config.
            if not within and not isinstance(
                transform, (CheckLabels, _Recorder)
            ):
                transforms[place] = _Recorder(transform, owner, mixes, self)

    def read(self, index: int) -> list[tuple[str, Notes]]:
        """Reads a sample as a dataloader does.

        Args:
            index (int): Its place in the whole.

        Returns:
            list[tuple[str, Notes]]: One, without a name; or one for each
            branch of a pipeline that has several.

        Raises:
            UserError: If a transform drops it.
        """
        self.index, self.begun = index, 0
        sample = self.dataset[index]
        if isinstance(sample, list):
            # Several copies of one.
            sample = sample[0]
        notes = sample.get(NOTES)
        if isinstance(notes, dict):
            return list(notes.items())
        if notes is None or notes.pack is None:
            raise UserError(
                f'sample {index}: no transform of the pipeline packs it for '
                'the model (PackDetInputs or the like, as the last one)'
            )
        return [('', notes)]

    def begin(self, owner: Any) -> Notes:
        """Notes of a sample that enters its first pipeline."""
        self.begun += 1
        return Notes(self.begun == 1, owner.metainfo)


class _Recorder:
    """A transform that does what another does, and notes it.

    Args:
        transform (Any): The other.
        owner (Any): The data set whose pipeline it is of.
        mixes (bool): Whether that is a wrapper that mixes samples.
        recorder (StepRecorder): Whom it is for.
    """

    def __init__(
        self, transform: Any, owner: Any, mixes: bool, recorder: StepRecorder
    ) -> None:
        self.transform = transform
        self.owner = owner
        self.mixes = mixes
        self.recorder = recorder

    def __getattr__(self, name: str) -> Any:
        # Wrappers ask transforms that mix for indices.
        if name.startswith('__'):
            raise AttributeError(name)
        return getattr(self.transform, name)

    def __call__(self, results: dict) -> dict | None:
        notes = results.pop(NOTES, None) or self.recorder.begin(self.owner)
        before = frames_of(results)
        given = dict(results)
        results = self.transform(results)
        name = type(self.transform).__name__
        if results is None:
            if notes.asked_for and not self.mixes:
                raise UserError(
                    f'sample {self.recorder.index}: {name} dropped it '
                    '(nothing is left to learn from); choose others'
                )
            return None
        results[NOTES] = self._noted(notes, name, before, given, results)
        return results

    def _noted(
        self,
        notes: Notes,
        name: str,
        before: Sequence[np.ndarray],
        given: dict,
        results: dict,
    ) -> Notes:
        """The notes with one more step, or with what is packed."""
        # A list in wrappers whose members differ.
        metainfo = self.owner.metainfo
        metainfo = metainfo if isinstance(metainfo, dict) else notes.metainfo
        if 'data_samples' in results:
            steps = notes.steps
            if self.recorder.mode == 'transformed':
                steps = (Step('', _copy(given), True, metainfo),)
            return replace(
                notes, steps=steps, pack=self.transform, metainfo=metainfo
            )
        needed = self.recorder.mode == 'pipeline' or (
            self.recorder.mode == 'original' and name.startswith(READING)
        )
        if not needed:
            return notes
        changed = _changed(before, frames_of(results))
        step = Step(name, _copy(results), changed, metainfo)
        return replace(notes, steps=(*notes.steps, step))


def shown_steps(notes: Notes, mode: str) -> list[Step]:
    """Those of the steps of a sample that a mode shows."""
    steps = [step for step in notes.steps if frames_of(step.results)]
    if mode == 'pipeline':
        return [
            step
            for step in steps
            if step.changed
            or step.name.startswith('Load')
            or step is steps[-1]
        ]
    return steps[-1:]


def metainfo_at(notes: Notes, step: Step) -> dict:
    """The classes, keypoints and colours that a sample has after a step.

    Those of the whole, unless its keypoints are made another set later.
    """
    later = notes.steps[notes.steps.index(step) + 1 :] if notes.steps else ()
    if any(other.name == 'KeypointConverter' for other in later):
        return step.metainfo
    return notes.metainfo


def members(dataset: Any, start: int = 0) -> list[range]:
    """Where the samples of each member of a data set are in the whole.

    Args:
        dataset (Any): Built, and fully initialised.
        start (int): Index of its first sample.

    Returns:
        list[range]: Indices, once for those that a wrapper repeats.
    """
    end = start + len(dataset)
    sizes = getattr(dataset, 'lens', None)
    if sizes is not None:
        # mmpose's CombinedDataset.
        ends = start + np.cumsum(sizes)
        return list(map(range, [start, *ends[:-1]], ends))
    if hasattr(dataset, 'datasets'):
        found = []
        for member in dataset.datasets:
            found += members(member, start)
            start += len(member)
        return found
    inner = getattr(dataset, 'dataset', None)
    if inner is None:
        return [range(start, end)]
    found = members(inner, start)
    repeated = getattr(dataset, 'repeat_indices', None)
    if repeated is not None:
        # In order, with some of them several times.
        edges = [(r.start - start, r.stop - start) for r in found]
        ends = start + np.searchsorted(repeated, edges)
        found = [range(*pair) for pair in ends]
    return found


def first_of_each(
    parts: Sequence[range], number: int, total: int
) -> list[int]:
    """Indices of ``number`` samples: as many of each member as can be.

    Args:
        parts (Sequence[range]): See :func:`members`.
        number (int): How many indices; fewer if there are not as many.
        total (int): How many samples there are, repeated ones included.
    """
    ranks = [
        (rank, index)
        for part in parts
        for rank, index in enumerate(part[:number])
    ]
    chosen = {int(index) for _, index in sorted(ranks)[:number]}
    for index in range(total):
        if len(chosen) >= min(number, total):
            break
        chosen.add(index)
    return sorted(chosen)


def _with_members(dataset: Any) -> Iterator[Any]:
    yield dataset
    inner = [
        getattr(dataset, 'dataset', None),
        *getattr(dataset, 'datasets', ()),
    ]
    for member in inner:
        if member is not None:
            yield from _with_members(member)


def _pipelines_within(transform: Any) -> list[Any]:
    """Pipelines of a transform that pack what they give."""
    if isinstance(transform, RepeatAugment):
        return [transform.transforms]
    # mmdet's MultiBranch.
    return list(getattr(transform, 'branch_pipelines', {}).values())


def _copy(results: dict) -> dict:
    # An open video cannot be copied, and no later step reads it; the data set
    # that mmpose puts beside a sample is large.
    left_out = ('video_reader', 'dataset')
    return deepcopy({k: v for k, v in results.items() if k not in left_out})


def _changed(
    before: Sequence[np.ndarray], after: Sequence[np.ndarray]
) -> bool:
    return len(before) != len(after) or any(
        a is not b and not np.array_equal(a, b)
        for a, b in zip(before, after, strict=True)
    )
