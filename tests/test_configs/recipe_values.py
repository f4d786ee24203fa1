"""The official recipes, and what the configs say in their words."""

import json
from dataclasses import asdict
from pathlib import Path

import modelindex
from mmengine import Config

from mmuniformer.models import UniFormerLight
from mmuniformer.registry import MODELS as REGISTRY

ROOT = Path(__file__).parents[2]
RECIPES = {
    recipe_id: recipe
    for path in sorted((ROOT / 'tests/golden').glob('recipes_*.json'))
    for recipe_id, recipe in json.loads(path.read_text()).items()
}
MODELS = list(modelindex.load(str(ROOT / 'model-index.yml')).models)


def entries_of(task: str) -> list:
    """The entries of the model index whose configs are in a task's folder."""
    return [m for m in MODELS if m.config.startswith(f'configs/{task}/')]


def recipe_of(entry) -> tuple[dict, list[str]]:
    """The official recipe of an entry and the backbone keys it changes."""
    metadata = entry.metadata.data
    if 'Official' in metadata:
        return RECIPES[metadata['Official']], []
    return RECIPES[metadata['Derived From']], metadata['Changed']


def backbone_values(cfg: Config) -> dict:
    backbone = cfg.model.backbone
    cls = REGISTRY.get(backbone.type)
    arch = asdict(cls.archs[backbone.arch])
    values = {
        'depth': list(arch['depths']),
        'dims': list(arch['embed_dims']),
        'head_dim': arch['head_dim'],
        'mlp_ratio': arch['mlp_ratio'],
        'drop_path': backbone.drop_path_rate,
        'drop_rate': backbone.get('drop_rate', 0.0),
        'attn_drop_rate': backbone.get('attn_drop_rate', 0.0),
        'checkpoint_num': backbone.get('with_cp') or [0, 0, 0, 0],
        'norm_eval': backbone.get('norm_eval', False),
        'pretrained': backbone.init_cfg.checkpoint,
    }
    if issubclass(cls, UniFormerLight):
        running_mean = backbone.get('running_mean', True)
        return values | {
            'keep_ratio': backbone.get('keep_ratio', 0.5),
            'score_trade_off': 0.5 if running_mean else 1,
        }
    return values | {
        'stage3': backbone.get('stage3', 'global'),
        'window_size': backbone.get('window_size'),
    }


def different_values(cfg: Config, recipe: dict) -> set[str]:
    """Keys in which a config's backbone is not the recipe's."""
    values = backbone_values(cfg)
    return {key for key in values if values[key] != recipe['backbone'][key]}


def step_schedule_values(cfg: Config) -> dict:
    """Warm-up by iterations, then steps by epochs."""
    warmup, steps = cfg.param_scheduler
    assert warmup.type == 'mmuniformer.LinearWarmupLR'
    assert steps.type == 'MultiStepLR'
    assert not warmup.by_epoch
    assert steps.by_epoch
    assert steps.end == cfg.train_cfg.max_epochs
    return {
        'epochs': cfg.train_cfg.max_epochs,
        'milestones': steps.milestones,
        'gamma': steps.gamma,
        'warmup_iters': warmup.end,
        'warmup_ratio': warmup.start_factor,
    }
