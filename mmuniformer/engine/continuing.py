"""Where a resumed run goes on in its data."""

from typing import Any

from mmengine.dataset import InfiniteSampler
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.runner import Runner
from torch.utils.data import BatchSampler

from mmuniformer.engine.epoch_rest import rest_of_epoch
from mmuniformer.engine.kept_attributes import plain
from mmuniformer.engine.loaders import (
    ResumableLoader,
    batch_size,
    is_endless,
    sampler_of,
)
from mmuniformer.engine.loops import EpochBasedTrainLoop, Place


def continue_data(
    runner: Runner, state: dict[str, Any]
) -> tuple[str, list[str]]:
    """Has the loop of a run go on where a checkpoint was written.

    After the batches that were read, if these are the first ones of the
    epoch still; else with the samples that were not, where they were
    counted; else after as many samples.

    Args:
        runner (Runner): Its loop is at the beginning.
        state (dict): What :class:`RunStateHook` has saved; may be empty.

    Returns:
        tuple[str, list[str]]: What is equal of the data, and lines about
        what is not.
    """
    loop = runner.train_loop
    if not hasattr(loop, 'place'):
        return '', [
            f'{type(loop).__name__} begins the epoch again: it cannot go on '
            'from the middle of one.'
        ]
    saved, data = state.get('place'), state.get('data') or {}
    if saved is None:
        loop.go_to(_place_without_state(runner))
        return '', []
    loader, place = loop.dataloader, Place(**saved)
    now = batch_size(loader) * get_world_size()
    before = state['samples']
    is_same = now == before and state['processes'] == get_world_size()
    length = data.get('length')
    if length is not None and length != len(loader.dataset):
        _after_as_many(loop, place, before, now)
        return '', [
            f'The data set has {len(loader.dataset)} samples instead of '
            f'{length}{_unknown(place)}.'
        ]
    seen = _seen(place, before, data)
    if not place.batch:
        loop.go_to(place)
        return seen, []
    if is_same and _is_repeated(loop, place, state, data):
        return seen, []
    why = 'The sampler gives other samples than before'
    if not is_same:
        why = f'{now} samples a step instead of {before}'
    if data.get('seen') is None:
        _after_as_many(loop, place, before, now)
        if not is_same and _takes_in_turn(loader):
            return seen, []
        return '', [f'{why}{_unknown(place)}.']
    loop.go_to(Place(place.epoch, 0, place.validated))
    loop.go_on_with(rest_of_epoch(loader, data['seen']))
    return seen, [
        f'{why}: of this epoch the samples that were not seen are read, in '
        'other batches.'
    ]


def _place_without_state(runner: Runner) -> Place:
    """Of a checkpoint of mmengine: of whole epochs, or of so many batches."""
    loop = runner.train_loop
    if isinstance(loop, EpochBasedTrainLoop):
        return Place(runner.epoch)
    sampler, length = sampler_of(loop.dataloader), len(loop.dataloader)
    if sampler is None or is_endless(sampler) or not length:
        return Place(0, runner.iter)
    return Place(*divmod(runner.iter, length))


def _is_repeated(
    loop: Any, place: Place, state: dict[str, Any], data: dict[str, Any]
) -> bool:
    """Goes to a place; whether the batches before it are those of then."""
    loader = loop.dataloader
    if data.get('before') is None:
        loop.go_to(place)
    else:
        loop.go_to(Place(place.epoch, 0, place.validated))
        rest = rest_of_epoch(loader, data['before'], data['first'])
        loop.go_on_with(rest, place.batch)
    if not isinstance(loader, ResumableLoader):
        return True
    then = state['ranks'][get_rank()].get('last_batch')
    now = plain(loader.batches.batch(place.batch - 1))
    return all(all_gather_object(then is None or then == now))


def _takes_in_turn(loader: Any) -> bool:
    """Whether what all processes have read is the beginning of an order.

    Of the last step some may come again.
    """
    return (
        type(loader.batch_sampler) is BatchSampler
        and type(sampler_of(loader)) is InfiniteSampler
    )


def _after_as_many(loop: Any, place: Place, before: int, now: int) -> None:
    """Goes on after as many samples as were read, or a few fewer."""
    if now and before:
        place.batch = place.batch * before // now
    loop.go_to(place)


def _unknown(place: Place) -> str:
    """What that means for the samples of an epoch."""
    if not place.batch:
        return ''
    return (
        ': it goes on after as many samples as were read, of which some may '
        'come again, and others not at all'
    )


def _seen(place: Place, samples: int, data: dict[str, Any]) -> str:
    counts = data.get('seen')
    number = place.batch * samples
    if counts is not None:
        number = int(counts.sum())
    return f'samples seen ({number} of epoch {place.epoch + 1} of the data)'
