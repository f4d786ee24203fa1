from pathlib import Path

import predict_models
import pytest


@pytest.fixture(scope='session')
def checkpoints(tmp_path_factory) -> dict[str, str]:
    """A checkpoint of each task."""
    folder = tmp_path_factory.mktemp('models')
    return {
        task: predict_models.checkpoint(task, folder)
        for task in predict_models.CONFIGS
    }


@pytest.fixture(scope='session')
def images(tmp_path_factory) -> list[str]:
    return predict_models.make_images(tmp_path_factory.mktemp('images'))


@pytest.fixture(scope='session')
def videos(tmp_path_factory) -> list[str]:
    return predict_models.make_videos(tmp_path_factory.mktemp('videos'))[:2]


@pytest.fixture
def photo(images) -> Path:
    return Path(images[0])
