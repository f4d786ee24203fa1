"""The results in README.md: the paper's, and what was measured here.

What ``write_tables.py`` writes, from the catalogue, docs/reproduction and
its results.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmuniformer.reproduction import results as kept
from mmuniformer.reproduction.cells import AS_CONFIGURED
from mmuniformer.reproduction.figures import NOT_MEASURED
from mmuniformer.reproduction.report import Page
from mmuniformer.reproduction.speed_figures import TABLES_FILE
from mmuniformer.reproduction.speed_section import beside, summary
from mmuniformer.reproduction.speeds import read_run
from mmuniformer.zoo import Experiment, find_experiment

# Of each task a small model and the best one, and those of the light ones
# that the paper's abstract is about.
SHOWN = (
    'uniformer_small',
    'uniformer_large_ls_tl_384',
    'xxs_160',
    'xs_192',
    'mask_rcnn_3x_ms_hybrid_small',
    'cascade_mask_rcnn_3x_ms_hybrid_base',
    'fpn_global_small',
    'upernet_global_base',
    'top_down_256x192_global_small',
    'top_down_384x288_global_base',
    'uniformer_s16x4_k400',
    'uniformer_b32x4_k400',
    'uniformer_xxs16_128_k400',
    'uniformer_b32_sthv2_prek600',
)
PAGE = 'docs/reproduction.md'
FOLDER = Path(__file__).resolve().parents[2] / 'docs' / 'reproduction'


def lines() -> Iterator[str]:
    """The lines between the marks."""
    counted = json.loads((FOLDER / 'complexity.json').read_text())
    measured = kept.read(FOLDER / 'results.json')
    chosen = kept.chosen(measured)
    page = Page(counted, measured, [])
    page.text()
    yield '| Config | Data | Published | Here | Params (M) | FLOPs (G) |'
    yield '| :-- | :-- | :-- | :-- | --: | --: |'
    for name in SHOWN:
        experiment = find_experiment(name)
        assert experiment is not None, name
        result = chosen.get((experiment.id, AS_CONFIGURED), {'metrics': {}})
        yield _row(experiment, counted, result)
    yield ''
    yield 'Parameters and FLOPs (multiply-accumulates, of all views of a clip)'
    yield (
        f'as counted here. {page.accuracies.known} of {page.accuracies.cells} '
        'accuracies of the paper were measured here:'
    )
    yield f'[all tables and figures]({PAGE}).'
    run = read_run(FOLDER / TABLES_FILE)
    if run is not None:
        yield ''
        yield 'The abstract claims 2 to 4 times the throughput of light models'
        yield f'([each pair]({PAGE}#throughput-beside-accuracy-measured)):'
        yield ''
        yield from summary(beside(run))


def _row(
    experiment: Experiment,
    counted: list[dict[str, Any]],
    measured: dict[str, Any],
) -> str:
    published, here = [], []
    found = measured['metrics']
    for result in experiment.results:
        metric, value = next(iter(result.metrics.items()))
        published.append(f'{metric.removesuffix(" Accuracy")} {value}')
        here.append(found.get(metric, {}).get('measured'))
    known = [f'{value:.2f}' for value in here if value is not None]
    if known and not measured.get('weights'):
        known.append('given file')
    sizes = next((r for r in counted if r['id'] == experiment.id), None)
    cells = [
        f'[{experiment.name}]({experiment.config})',
        experiment.results[0].dataset,
        ', '.join(published),
        ', '.join(known) or NOT_MEASURED,
        '-' if sizes is None else f'{sizes["params"] / 1e6:.1f}',
        '-' if sizes is None else _billions(sizes['flops']),
    ]
    return f'| {" | ".join(cells)} |'


def _billions(flops: int) -> str:
    billions = flops / 1e9
    return f'{billions:.0f}' if billions > 100 else f'{billions:.3g}'
