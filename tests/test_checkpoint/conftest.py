"""What the tests of checkpoint files share."""

import json
import logging

import numpy as np
import pytest
import torch
from golden_data import FOLDER, fill_values
from mmengine.logging import MMLogger


@pytest.fixture(scope='session')
def state_dicts():
    """Names and shapes of the published models."""
    return json.loads((FOLDER / 'state_dicts.json').read_text())


@pytest.fixture(scope='session')
def inflated():
    """What the official code makes of image files."""
    return json.loads((FOLDER / 'inflation.json').read_text())


@pytest.fixture(scope='session')
def official(state_dicts):
    """Makes the tensors of an official file, filled by the rule."""

    def make(name):
        return {
            k: torch.from_numpy(np.asarray(fill_values(k, tuple(shape))))
            for k, shape in state_dicts[name].items()
        }

    return make


@pytest.fixture
def messages():
    """What is logged."""
    logger = MMLogger.get_current_instance()
    logger.setLevel(logging.INFO)
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)
