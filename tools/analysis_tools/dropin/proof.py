"""One config: swapped, written, read, trained on two processes, predicting."""

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import torch.distributed as torch_dist
from mmengine.config import Config
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import build_optim_wrapper

from mmuniformer.apis.swapping import check_leaf, read_host
from mmuniformer.dropin import leaf_text, swap
from mmuniformer.dropin.leaf import base_of
from mmuniformer.dropin.levels import Tied
from mmuniformer.dropin.samples import draw, make_batch, read
from mmuniformer.dropin.swap import KEYS
from mmuniformer.dropin.trial import (
    build_model,
    count_step,
    reduce,
    side_of,
)
from mmuniformer.engine.config import load_config
from mmuniformer.engine.devices import fit_to_devices
from mmuniformer.errors import UserError
from mmuniformer.models import UniFormer, UniFormer3D

TINY = dict(depths=(1, 1, 1, 1), embed_dims=(16, 32, 48, 64), head_dim=16)
RANKS, STEPS, BATCH = 2, 2, 2


def prove(config: str, image: str, folder: Path, control: bool) -> dict:
    """Does all of it, in processes of its own.

    As a control, a config that fails goes the same way with its own backbone:
    what fails there as well is no matter of the backbone.

    Args:
        config (str): Name or path of a host's config.
        image (str): A real image to predict on.
        folder (Path): For the leaf and what the processes say.
        control (bool): Whether there is a control.

    Returns:
        dict: ``step`` that failed, or 'passed'; ``error``; ``losses``; of a
        control, ``host``: what the same came to with the host's backbone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    leaf = folder / 'leaf.py'
    told = in_child(lambda: write_leaf(config, leaf), folder / 'swap.json')
    if told['step'] == 'passed':
        notes = told['notes']
        told = run_leaf(leaf, image, folder)
        told['notes'] = notes
    if control and told['step'] not in ('passed', 'tied', 'package'):
        own = folder / 'host' / 'leaf.py'
        own.parent.mkdir(exist_ok=True)
        own.write_text(f'_base_ = {base_of(config, own, False)!r}\n')
        told['host'] = run_leaf(own, image, own.parent)
    return told


def run_leaf(leaf: Path, image: str, folder: Path) -> dict:
    """Trains and predicts with a config, on two processes."""
    store = folder / 'store'
    store.unlink(missing_ok=True)
    ranks = []
    for rank in range(RANKS):
        report = folder / f'rank{rank}.json'

        def work(rank: int = rank) -> dict:
            return train_and_predict(leaf, rank, store, image)

        ranks.append((start_child(work, report), report))
    results = [finish_child(pid, report) for pid, report in ranks]
    # The other one's end is what the first one mostly dies of.
    failed = [r for r in results if r['step'] != 'passed']
    failed.sort(key=lambda r: 'gloo' in r.get('error', '').lower())
    return failed[0] if failed else results[0]


def write_leaf(config: str, leaf: Path) -> dict:
    """Swaps the backbone of a config, and reads what it writes."""
    try:
        host, lazy = read_host(config)
        swapped = swap(host, checkpoint='', arch=TINY)
        base = base_of(config, leaf, lazy)
    except (Tied, UserError, ValueError) as error:
        return dict(step='tied', error=str(error))
    text = leaf_text(
        base,
        host,
        swapped.cfg,
        KEYS,
        swapped.notes,
        swapped.checkpoint,
        lazy,
    )
    check_leaf(text, leaf, swapped)
    leaf.write_text(text)
    if swapped.missing:
        return dict(step='package', error='; '.join(swapped.missing))
    return dict(step='passed', notes=swapped.notes + swapped.warnings)


def train_and_predict(leaf: Path, rank: int, store: Path, image: str) -> dict:
    """Two steps of a process of two, and one prediction."""
    torch.set_num_threads(1)
    cfg = load_config(leaf)
    fit_to_devices(cfg)
    reduce(cfg)
    torch.manual_seed(0)
    model = at('build', lambda: build_model(cfg))
    torch_dist.init_process_group(
        'gloo', init_method=f'file://{store}', rank=rank, world_size=RANKS
    )
    losses = at('train', lambda: train(model, cfg, rank))
    if rank == 0:
        at('predict', lambda: predict(model, cfg, image))
    torch_dist.barrier()
    return dict(step='passed', losses=losses)


def train(model: torch.nn.Module, cfg: Config, rank: int) -> list[float]:
    """Steps of the config's optimizer on generated pictures."""
    # Some published configs are for tests alone.
    wrapper = cfg.get('optim_wrapper') or dict(
        type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-4)
    )
    optimizer = build_optim_wrapper(model, wrapper)
    # DEKR's scoring network, for one, is used in prediction alone.
    unused = cfg.get('find_unused_parameters', False)
    reached = watch_backbones(model)
    parallel = MMDistributedDataParallel(
        model, find_unused_parameters=unused, broadcast_buffers=False
    )
    parallel.train()
    side = side_of(cfg)
    losses = []
    for step in range(STEPS):
        seeds = range(BATCH * rank + 10 * step, BATCH * (rank + 1) + 10 * step)
        batch = make_batch(cfg, [draw(seed, side) for seed in seeds], True)
        count_step(step)
        logged = parallel.train_step(batch, optimizer)
        loss = float(logged['loss'])
        if loss != loss or loss in (float('inf'), float('-inf')):
            raise ArithmeticError(f'the loss of step {step + 1} is {loss}')
        losses.append(loss)
    missing = [name for name, times in reached.items() if times < STEPS]
    if missing:
        raise RuntimeError(f'{missing[0]} of the backbone gets no gradient')
    return losses


def watch_backbones(model: torch.nn.Module) -> dict[str, int]:
    """How often each parameter of a UniFormer that trains gets a gradient."""
    reached: dict[str, int] = {}
    for place, module in model.named_modules():
        if not isinstance(module, UniFormer | UniFormer3D):
            continue
        for name, parameter in module.named_parameters(place):
            if parameter.requires_grad:
                reached[name] = 0
                parameter.register_post_accumulate_grad_hook(
                    partial(count_gradient, reached, name)
                )
    return reached


def count_gradient(
    reached: dict[str, int], name: str, _: torch.Tensor
) -> None:
    reached[name] += 1


def predict(model: torch.nn.Module, cfg: Config, image: str) -> None:
    """A prediction on a real image; of a method without one, features."""
    model.eval()
    side = side_of(cfg)
    batch = make_batch(cfg, [read(image, side)], False)
    with torch.inference_mode():
        data = model.data_preprocessor(batch, False)
        # A retriever compares with images of its data set.
        mode = 'tensor' if 'prototype' in cfg.model else 'predict'
        try:
            outs = model(**data, mode=mode)
        except (NotImplementedError, RuntimeError) as error:
            if 'mode' not in str(error) and str(error):
                raise
            outs = model(**data, mode='tensor')
    if outs is None or len(outs) == 0:
        raise ValueError('nothing is predicted')


class At(Exception):
    """An error, and the step in which it was raised."""


def at(step: str, work: Callable) -> object:
    """Does ``work``, and names the step where it fails."""
    try:
        return work()
    except Exception as error:
        raise At(step) from error


def start_child(work: Callable[[], dict], report: Path) -> int:
    """Forks a process that writes what ``work`` gives."""
    report.unlink(missing_ok=True)
    pid = os.fork()
    if pid:
        return pid
    begin = time.time()
    with open(report.with_suffix('.log'), 'w') as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            told = work()
        except BaseException as error:
            traceback.print_exc()
            step, cause = 'swap', error
            if isinstance(error, At):
                step, cause = str(error), error.__cause__
            lines = str(cause).strip().splitlines() or ['']
            frame = traceback.extract_tb(cause.__traceback__)[-1]
            told = dict(
                step=step,
                error=f'{type(cause).__name__}: {lines[0][:300]}',
                where=f'{"/".join(Path(frame.filename).parts[-3:])}:'
                f'{frame.lineno}',
            )
        told['seconds'] = round(time.time() - begin, 1)
        report.write_text(json.dumps(told))
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)


def finish_child(pid: int, report: Path) -> dict:
    """Waits for a process, and reads what it wrote."""
    _, status = os.waitpid(pid, 0)
    if report.is_file():
        return json.loads(report.read_text())
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    name = signal.Signals(number).name if number else f'exit {status >> 8}'
    return dict(step='train', error=f'the process was ended: {name}')


def in_child(work: Callable[[], dict], report: Path) -> dict:
    """Does ``work`` in a process of its own."""
    return finish_child(start_child(work, report), report)
