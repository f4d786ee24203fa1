"""Looking at a batch whose step was not finite."""

from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmuniformer.engine.config import load_config
from mmuniformer.engine.explain import readable_errors
from mmuniformer.engine.prepare import set_host_defaults
from mmuniformer.engine.replaying import (
    Replay,
    read_batch_file,
    run_again,
    weights_of,
)


def replay(
    file: str, config: str | None = None, weights: str | None = None
) -> Replay:
    """Runs the training step of a batch again, to see where it goes wrong.

    Args:
        file (str): What a run wrote as it ended, ``iter_N_rank_R.pth`` in the
            folder ``not_finite`` of its work dir.
        config (str, optional): Config file; without it the text in ``file``,
            which is read as data. One that imports modules of a project has
            to be named.
        weights (str, optional): A checkpoint; by default what ``file`` names,
            beside it or in the work dir.

    Raises:
        CheckpointError: If the file is no batch, or holds code.
        UserError: If the config cannot be built.
    """
    if config is not None:
        # It imports what the text in the file names, too.
        cfg = load_config(config)
        content = read_batch_file(file)
    else:
        content = read_batch_file(file)
        cfg = Config.fromstring(content['meta']['cfg'], '.py')
        init_default_scope(cfg.get('default_scope') or 'mmengine')
    set_host_defaults(cfg)
    path = (
        weights_of(content, Path(file).parent)
        if weights is None
        else Path(weights)
    )
    with readable_errors(cfg):
        return run_again(content, cfg, path)


def describe(found: Replay) -> str:
    """What was found, for people."""
    trace = found.trace
    now = ', '.join(f'{k} {v:.6g}' for k, v in found.losses.items())
    then = ', '.join(f'{k} is {v}' for k, v in found.terms.items())
    lines = [
        f'iteration {found.iteration}, rank {found.rank}: '
        f'{then or "the loss was finite, the gradient not"}',
        f'files: {", ".join(found.files) or "none are named"}',
        f'weights: {found.weights}',
        f'this time, in {found.precision}: {now}',
    ]
    if trace.forward:
        lines.append(f'forward: it begins with {trace.forward}')
    elif trace.backward:
        lines.append(f'backward: it begins with {trace.backward}')
        lines += [f'  {line}' for line in trace.lines]
    if found.gradients and not trace.forward:
        lines.append(
            f'gradients of {len(found.gradients)} parameters are not finite, '
            f'such as {found.gradients[0]}'
        )
    if not (trace.forward or trace.backward or found.gradients):
        lines.append(
            'all is finite this time: another device or precision, or what '
            'the processes did together, made the difference'
        )
    return '\n'.join(lines)
