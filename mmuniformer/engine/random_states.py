"""The random numbers of a process: Python's, numpy's and torch's."""

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

GENERATORS = (
    random.Random,
    np.random.Generator,
    np.random.RandomState,
    torch.Generator,
)


def take() -> dict[str, Any]:
    """The states of all generators, in tensors, numbers and None.

    Of several GPUs it is that of the current one, which a process trains on.
    """
    version, words, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = np.random.get_state()
    return dict(
        python=dict(version=version, words=torch.tensor(words), gauss=gauss),
        numpy=dict(
            kind=kind,
            keys=torch.from_numpy(keys.astype(np.int64)),
            position=int(position),
            has_gauss=int(has_gauss),
            cached=float(cached),
        ),
        torch=torch.get_rng_state(),
        cuda=_cuda_state(),
    )


def put(states: dict[str, Any]) -> None:
    """Puts back what :func:`take` gave, in this or in another process."""
    python, numpy = states['python'], states['numpy']
    random.setstate(
        (python['version'], tuple(python['words'].tolist()), python['gauss'])
    )
    np.random.set_state(
        (
            numpy['kind'],
            numpy['keys'].cpu().numpy().astype(np.uint32),
            numpy['position'],
            numpy['has_gauss'],
            numpy['cached'],
        )
    )
    # A file is read to where the model is.
    torch.set_rng_state(states['torch'].cpu())
    if states['cuda'] is not None and _has_cuda():
        torch.cuda.set_rng_state(states['cuda'].cpu())


def _has_cuda() -> bool:
    return torch.cuda.is_available() and torch.cuda.is_initialized()


def _cuda_state() -> torch.Tensor | None:
    return torch.cuda.get_rng_state() if _has_cuda() else None


@contextmanager
def kept() -> Iterator[None]:
    """What is drawn within has no say in what is drawn after it."""
    python, numpy = random.getstate(), np.random.get_state()
    cpu, cuda = torch.get_rng_state(), _cuda_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state(cuda)


def seed_own(objects: Iterable[Any], *entropy: int) -> None:
    """Seeds the generators that objects hold, each in a way of its own.

    Args:
        objects (Iterable[Any]): Their attributes are looked at.
        entropy (int): Numbers, none negative.
    """
    held = (g for each in objects for g in vars(each).values())
    for place, generator in enumerate(g for g in held if is_generator(g)):
        seeds = np.random.SeedSequence((*entropy, place + 1))
        words = seeds.generate_state(8)
        if isinstance(generator, np.random.Generator):
            bits = generator.bit_generator
            bits.state = type(bits)(seeds).state
        elif isinstance(generator, torch.Generator):
            generator.manual_seed(int(words[:2].view(np.int64)[0]))
        elif isinstance(generator, np.random.RandomState):
            generator.seed(words)
        else:
            generator.seed(words.tobytes())


def is_generator(value: Any) -> bool:
    """Whether an object gives random numbers."""
    return isinstance(value, GENERATORS)


def seed_cpu(*entropy: int) -> None:
    """Seeds the generators of the CPU by several numbers, none negative."""
    words = np.random.SeedSequence(entropy).generate_state(8)
    random.seed(words.tobytes())
    np.random.seed(words)
    # torch.manual_seed would queue a call for CUDA, in a worker forever.
    torch.default_generator.manual_seed(int(words[:2].view(np.int64)[0]))
