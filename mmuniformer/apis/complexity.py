"""Parameters and FLOPs of a config's model, as a table and as a file."""

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mmuniformer.analysis.complexity import (
    KINDS,
    Complexity,
    Part,
    measure_config,
)
from mmuniformer.engine.backends import AtomicLocalBackend
from mmuniformer.engine.config import load_config
from mmuniformer.engine.explain import readable_errors
from mmuniformer.errors import UserError

SIZES = {
    1: 'H = W',
    2: 'H W',
    3: 'T H W',
}
NARROWEST = 100


def get_flops(
    config: str,
    shape: list[int],
    depth: int = 1,
    out: str | None = None,
    cfg_options: dict | None = None,
) -> Complexity:
    """Prints parameters and FLOPs of a config's model.

    Args:
        config (str): Config file.
        shape (list[int]): One number for a square, (H, W), or (T, H, W).
        depth (int): How deep the rows of the table go.
        out (str, optional): JSON file that gets the same numbers.
        cfg_options (dict, optional): Values by dotted key.

    Returns:
        Complexity: What is printed.

    Raises:
        UserError: For a mistake in what the user gave.
    """
    if len(shape) not in SIZES or min(shape) < 1:
        raise UserError(
            f'--shape takes {", ".join(SIZES.values())}, all positive, not '
            f'{" ".join(map(str, shape))}'
        )
    if depth < 1:
        raise UserError(f'--depth must be at least 1, not {depth}')
    cfg = load_config(config, cfg_options)
    size = tuple(shape) if len(shape) > 1 else (shape[0], shape[0])
    with readable_errors(cfg):
        complexity = measure_config(cfg, size, depth)
    if out is not None:
        text = json.dumps(
            dict(config=cfg.filename, **complexity.to_dict()), indent=2
        )
        AtomicLocalBackend().put_text(text + '\n', Path(out))
    console = Console()
    console.print(
        complexity_table(complexity), width=max(console.width, NARROWEST)
    )
    return complexity


def complexity_table(complexity: Complexity) -> Table:
    """One row for each part and one for the whole model."""
    size = ' x '.join(map(str, complexity.shape))
    table = Table(
        title=f'Input {size}. G: 1e9 multiply-accumulates, norms included',
    )
    table.add_column('module')
    for name in ('params (M)', 'FLOPs (G)', *KINDS):
        table.add_column(name, justify='right')
    for part in complexity.parts:
        indent = '  ' * part.name.count('.')
        table.add_row(indent + part.name.split('.')[-1], *_cells(part))
    table.add_section()
    table.add_row('model', *_cells(complexity.model), style='bold')
    return table


def _cells(part: Part) -> list[str]:
    counts = [part.total, *part.flops.values()]
    return [f'{part.params / 1e6:.2f}', *(f'{n / 1e9:.2f}' for n in counts)]
