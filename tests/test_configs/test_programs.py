"""Which leaves share a run, and that they do."""

from pathlib import Path

import pytest
from mmengine import Config
from programs import once, program

FOLDER = Path(__file__).parents[2] / 'configs/pose/topdown_heatmap'
SMALL = 'small_8xb128-210e_coco-256x192'


@pytest.mark.parametrize(('name', 'same'), [
    ('base_8xb32-210e_coco-448x320', True),
    ('small-h14_8xb128-210e_coco-384x288', False),
    ('small-w14_8xb128-210e_coco-384x288', False),
])  # fmt: skip
def test_rates_and_sizes_alone_tell_no_programs_apart(
    name, same, reduced_estimator
):
    texts = [
        program(
            reduced_estimator(
                Config.fromfile(FOLDER / f'td-hm_uniformer-{leaf}.py')
            )
        ).pretty_text
        for leaf in (SMALL, name)
    ]
    assert (texts[0] == texts[1]) == same


def test_what_has_failed_is_tried_again_and_what_was_made_is_not(tmp_path):
    calls = []

    def make() -> None:
        calls.append(len(calls))
        if len(calls) == 1:
            raise OSError

    with pytest.raises(OSError, match=r'^$'):
        once(tmp_path / 'made', make)
    for _ in range(2):
        once(tmp_path / 'made', make)
    assert calls == [0, 1]
