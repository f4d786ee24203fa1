import pytest
from export_models import model_of

from mmuniformer.apis import export


@pytest.fixture(scope='session')
def exported(tmp_path_factory):
    """Files of tiny models: ``exported('cls', '.onnx')``, made once each."""
    folder = tmp_path_factory.mktemp('exported')
    made = {}

    def get(task: str, suffix: str):
        if (task, suffix) not in made:
            config, checkpoint = model_of(task, folder)
            out = str(folder / f'{task}{suffix}')
            made[task, suffix] = export(config, checkpoint, out)
        return made[task, suffix]

    get.folder = folder
    return get
