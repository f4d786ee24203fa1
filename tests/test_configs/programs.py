"""Runs configs as a user does, each distinct one once.

A program is the text of a reduced config. Workers of a session share what
came out, in a folder that all of them see.
"""

import hashlib
import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock
from mmengine import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from mmuniformer import apis
from mmuniformer.checks.options.keys import top_level

# What chooses the code of a run; the rest of a config are names, and
# variables of its text.
READ = top_level() - {'work_dir', 'load_from', 'resume', 'experiment_name'}
# The optimizer's state is of no use to a test.
OPTIONS = {
    'default_hooks.checkpoint.save_optimizer': False,
    'default_hooks.checkpoint.save_param_scheduler': False,
    'randomness.seed': 0,
}
SEEN = 'seen.json'


@dataclass(frozen=True)
class Outcome:
    """What came out of a run.

    Attributes:
        scalars: The last value of each name that the training logged, its
            validation included.
        unused: Trained parameters that a step gave no gradient.
        changed: Whether the step changed the model.
        trained: Shapes that the backbone was given in training.
        validated: Shapes that it was given in the validation.
        tested: Shapes that it was given in the test.
        metrics: What the test returned.
    """

    scalars: dict[str, float]
    unused: list[str]
    changed: bool
    trained: list[list[int]]
    validated: list[list[int]]
    tested: list[list[int]]
    metrics: dict[str, float]


@HOOKS.register_module()
class Witness(Hook):
    """Writes what it sees of a run into the run's folder."""

    def before_run(self, runner: Runner) -> None:
        self.seen = dict(trained=[], evaluated=[], unused=[])
        runner.model.backbone.register_forward_pre_hook(self._look_at_input)

    def before_train(self, runner: Runner) -> None:
        state_dict = runner.model.state_dict()
        self.before = {k: v.clone() for k, v in state_dict.items()}
        runner.optim_wrapper.optimizer.register_step_pre_hook(
            lambda *_: self._look_at_gradients(runner.model)
        )

    def after_run(self, runner: Runner) -> None:
        self.seen['scalars'] = {
            name: float(values.current())
            for name, values in runner.message_hub.log_scalars.items()
        }
        after = runner.model.state_dict()
        before = getattr(self, 'before', after)
        self.seen['changed'] = any(
            not after[name].equal(value) for name, value in before.items()
        )
        path = Path(runner.work_dir) / SEEN
        path.write_text(json.dumps(self.seen))

    def _look_at_input(self, backbone, inputs) -> None:
        kind = 'trained' if backbone.training else 'evaluated'
        self.seen[kind].append(list(inputs[0].shape))

    def _look_at_gradients(self, model) -> None:
        self.seen['unused'] += [
            name
            for name, parameter in model.named_parameters()
            if parameter.requires_grad and parameter.grad is None
        ]


def once(path: Path, make: Callable[[], None]) -> Path:
    """Has the first of all workers make what lies at a path."""
    made = path.with_name(f'{path.name}.made')
    with FileLock(path.with_name(f'{path.name}.lock')):
        if not made.exists():
            make()
            made.touch()
    return path


def program(cfg: Config) -> Config:
    """What chooses the code of a config's run; equal texts run once."""
    return Config(
        {key: deepcopy(value) for key, value in cfg.items() if key in READ}
    )


def run(cfg: Config, folder: Path) -> Outcome:
    """What comes out of a reduced config; ``folder`` is the workers' own."""
    cfg = program(cfg)
    name = hashlib.sha256(cfg.pretty_text.encode()).hexdigest()[:16]
    path = folder / f'{name}.json'
    once(path, lambda: _run(cfg, path))
    return Outcome(**json.loads(path.read_text()))


def _run(cfg: Config, path: Path) -> None:
    """Trains a config, tests what was saved and writes what came out."""
    hooks = cfg.get('custom_hooks') or []
    cfg.custom_hooks = [*hooks, dict(type='Witness')]
    # mmengine keeps loggers by the config's name and the second it runs in.
    config, work = str(path.with_suffix('.py')), path.with_suffix('')
    cfg.dump(config)
    apis.train(config, str(work), cfg_options=OPTIONS)
    seen = json.loads((work / SEEN).read_text())
    (work / SEEN).unlink()
    checkpoint = (work / 'last_checkpoint').read_text()
    metrics = apis.test(config, checkpoint, str(work), cfg_options=OPTIONS)
    tested = json.loads((work / SEEN).read_text())
    outcome = Outcome(
        scalars=seen['scalars'],
        unused=seen['unused'],
        changed=seen['changed'],
        trained=seen['trained'],
        validated=seen['evaluated'],
        tested=tested['evaluated'],
        metrics={name: float(value) for name, value in metrics.items()},
    )
    path.write_text(json.dumps(asdict(outcome)))
    for checkpoint in work.glob('*.pth'):
        checkpoint.unlink()
