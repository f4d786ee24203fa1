"""mmengine's training loops, which go on from the middle of an epoch.

mmengine's loop by epochs begins the epoch again, its loop by iterations loads
and augments all data that it has seen before
(https://github.com/open-mmlab/mmengine/issues/1520), and neither makes the
validation that a run was ended in.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from mmengine.dist import get_rank
from mmengine.runner import EpochBasedTrainLoop as MMEngineEpochLoop
from mmengine.runner import IterBasedTrainLoop as MMEngineIterLoop
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmuniformer.engine.epoch_rest import EpochRest
from mmuniformer.engine.loaders import (
    ResumableLoader,
    goes_on,
    resumable,
    sampler_of,
)
from mmuniformer.engine.random_states import kept
from mmuniformer.errors import UserError
from mmuniformer.registry import LOOPS


@dataclass
class Place:
    """How far a training has read its data.

    Attributes:
        epoch (int): Epochs of the loader that are over.
        batch (int): Batches of the present one that were trained on.
        validated (bool): Whether the validation that may be due here is done.
    """

    epoch: int = 0
    batch: int = 0
    validated: bool = True


class _FromPlace:
    """What both loops have in common.

    Attributes:
        place (Place): Where the training is.
        rest (EpochRest, optional): What the present epoch reads, if it is not
            what the sampler gives.
    """

    runner: Runner
    place: Place
    rest: EpochRest | None = None
    _dataloader: DataLoader | None = None

    @property
    def dataloader(self) -> DataLoader:
        """What batches come from; hooks of libraries may give another one."""
        return self._dataloader

    @dataloader.setter
    def dataloader(self, loader: DataLoader) -> None:
        earlier, self._dataloader = self._dataloader, resumable(loader)
        if earlier is None:
            return
        # Built anew it has a seed of its own, and is in the first epoch.
        sampler, before = sampler_of(loader), sampler_of(earlier)
        if hasattr(sampler, 'seed') and hasattr(before, 'seed'):
            sampler.seed = before.seed
        rest, batch = self.rest, self.place.batch
        if rest is None or not isinstance(self.dataloader, ResumableLoader):
            self.go_to(self.place)
        else:
            self._set_epoch(self.place.epoch)
            self.go_on_with(rest, batch)

    def go_to(self, place: Place) -> None:
        """Goes on from a place, instead of from the beginning.

        Args:
            place (Place): Epochs and batches before it are passed over; of a
                sampler that goes on through epochs, one after the other.
        """
        self.place, self.rest = place, None
        sampler = sampler_of(self.dataloader)
        if sampler is not None and goes_on(sampler):
            for epoch in range(place.epoch):
                self._set_epoch(epoch)
                for _ in self.dataloader.batch_sampler:
                    pass
        self._set_epoch(place.epoch)
        if isinstance(self.dataloader, ResumableLoader):
            self._set_entropy()
            self.dataloader.batches.go_to(place.batch)

    def go_on_with(self, rest: EpochRest, batch: int | None = None) -> None:
        """Reads what is left of an epoch in place of the sampler's order.

        Args:
            rest (EpochRest): Of the epoch of the place.
            batch (int, optional): The next batch, if it is not the first one
                of the rest.
        """
        batches = self.dataloader.batches
        self.place.batch = rest.first if batch is None else batch
        self.rest = rest
        self._set_entropy()
        batches.go_to(self.place.batch, rest.first, rest.mine)

    def _set_entropy(self) -> None:
        numbers = (self.runner.seed, get_rank(), self.place.epoch)
        self.dataloader.batches.entropy = numbers

    def _rest_of_epoch(self) -> Iterator[Any]:
        """The batches of the epoch from the place on."""
        loader, place = self.dataloader, self.place
        if not isinstance(loader, ResumableLoader):
            # Read and passed over, as mmengine does.
            return islice(loader, place.batch, None)
        self._set_entropy()
        return iter(loader)

    def _begin_epoch(self, epoch: int, validated: bool) -> None:
        self.place = Place(epoch, validated=validated)
        self.rest = None

    def _set_epoch(self, epoch: int) -> None:
        sampler = sampler_of(self.dataloader)
        if hasattr(sampler, 'set_epoch'):
            sampler.set_epoch(epoch)

    def _validate_if_due(self, step: int, last: int) -> None:
        self._decide_current_val_interval()
        if (
            self.runner.val_loop is not None
            and step >= self.val_begin
            and (step % self.val_interval == 0 or step == last)
        ):
            self.runner.val_loop.run()
        self.place.validated = True


@LOOPS.register_module()
class EpochBasedTrainLoop(_FromPlace, MMEngineEpochLoop):
    """mmengine's loop by epochs, from any place of an epoch.

    Args:
        runner (Runner): The runner.
        dataloader (DataLoader or dict): Loader, or what builds one.
        max_epochs (int): Epochs to train.
        val_begin (int): The first epoch that may be validated.
        val_interval (int): Epochs between validations.
        dynamic_intervals (list[tuple[int, int]], optional): Other intervals
            from some epochs on.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict,
        max_epochs: int,
        val_begin: int = 1,
        val_interval: int = 1,
        dynamic_intervals: list[tuple[int, int]] | None = None,
    ) -> None:
        super().__init__(
            runner,
            _build(runner, dataloader),
            max_epochs,
            val_begin,
            val_interval,
            dynamic_intervals,
        )
        self.place = Place()

    def run(self) -> Any:
        """Trains from the place to the last epoch; returns the model."""
        self.runner.call_hook('before_train')
        if not self.place.validated and not self.place.batch:
            self._validate_if_due(self._epoch, self._max_epochs)
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self._validate_if_due(self._epoch, self._max_epochs)
        self.runner.call_hook('after_train')
        return self.runner.model

    def run_epoch(self) -> None:
        """Trains what is left of an epoch."""
        with kept():
            self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        batches = enumerate(self._rest_of_epoch(), self.place.batch)
        for index, batch in batches:
            self.place.batch = index + 1
            self.place.validated = True
            self.run_iter(index, batch)
        self._begin_epoch(self._epoch + 1, validated=False)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1


@LOOPS.register_module()
class IterBasedTrainLoop(_FromPlace, MMEngineIterLoop):
    """mmengine's loop by iterations, which passes over data by the sampler.

    Args:
        runner (Runner): The runner.
        dataloader (DataLoader or dict): Loader, or what builds one.
        max_iters (int): Iterations to train.
        val_begin (int): The first iteration that may be validated.
        val_interval (int): Iterations between validations.
        dynamic_intervals (list[tuple[int, int]], optional): Other intervals
            from some iterations on.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict,
        max_iters: int,
        val_begin: int = 1,
        val_interval: int = 1000,
        dynamic_intervals: list[tuple[int, int]] | None = None,
    ) -> None:
        super().__init__(
            runner,
            _build(runner, dataloader),
            max_iters,
            val_begin,
            val_interval,
            dynamic_intervals,
        )
        self.place = Place()
        self.dataloader_iterator = self._batches()

    def run(self) -> Any:
        """Trains from the place to the last iteration; returns the model."""
        self.runner.call_hook('before_train')
        if not self.place.validated:
            self._validate_if_due(self._iter, self._max_iters)
        with kept():
            self.runner.call_hook('before_train_epoch')
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            batch = next(self.dataloader_iterator)
            self.place.batch += 1
            self.place.validated = False
            self.run_iter(batch)
            self._validate_if_due(self._iter, self._max_iters)
        self.runner.call_hook('after_train_epoch')
        self.runner.call_hook('after_train')
        return self.runner.model

    def _batches(self) -> Iterator[Any]:
        """Batches without an end: the loader over and over."""
        while True:
            self._set_epoch(self.place.epoch)
            yield from self._rest_of_epoch()
            if not self.place.batch:
                raise UserError('train_dataloader gives no batch')
            self._begin_epoch(self.place.epoch + 1, validated=True)


def _build(runner: Runner, dataloader: DataLoader | dict) -> DataLoader:
    """The loader of a config, as mmengine's loops build it."""
    return runner.build_dataloader(
        dataloader,
        seed=runner.seed,
        diff_rank_seed=runner._randomness_cfg.get('diff_rank_seed', False),
    )
