"""Keys of ``--cfg-options``."""

import pytest
from mmengine.config import Config

from mmuniformer.checks import stop_on_errors
from mmuniformer.checks.options import check_option
from mmuniformer.errors import UserError

CONFIG = Config(
    dict(
        model=dict(
            type='Model',
            backbone=dict(type='Backbone', depth=50),
            test_cfg=dict(mode='whole', crop_size=512),
            plain=dict(width=1),
        ),
        optim_wrapper=dict(
            type='OptimWrapper',
            optimizer=dict(type='AdamW', lr=1e-4),
            paramwise_cfg=dict(norm_decay_mult=0.0, custom_keys=dict()),
        ),
        train_dataloader=dict(batch_size=2, dataset=dict(data_root='data/')),
        default_hooks=dict(logger=dict(type='LoggerHook')),
        param_scheduler=[dict(type='LinearLR')],
        data_root='data/',
        depth=50,
        load_from=None,
    )
)


class TestOptions:
    @pytest.mark.parametrize(
        'option',
        [
            'model.backbone.depth',
            'model.backbone.with_cp',
            'model.backbone.init_cfg.checkpoint',
            'model.test_cfg.stride',
            'optim_wrapper.optimizer.weight_decay',
            'optim_wrapper.paramwise_cfg.bias_decay_mult',
            'optim_wrapper.paramwise_cfg.custom_keys.head.lr_mult',
            'param_scheduler.0.begin',
            'default_hooks.visualization.type',
            'randomness.seed',
            'env_cfg.dist_cfg.timeout',
            'resume',
            'compile.mode',
            'find_unused_parameters',
            'load_from',
            'work_dir',
        ],
    )
    def test_accepted(self, option):
        assert not list(check_option(CONFIG, option, 1))

    @pytest.mark.parametrize(
        ('option', 'message'),
        [
            ('modle.backbone', 'did you mean model'),
            ('lr', r'did you mean optim_wrapper\.optimizer\.lr'),
            ('optim_wraper.optimizer.lr', 'did you mean optim_wrapper'),
            ('randomness.sed', 'did you mean seed'),
            ('train_dataloader.batchsize', 'did you mean batch_size'),
            ('model.plain.height', 'it has width'),
            ('model.test_cfg.crop_sise', 'did you mean crop_size'),
            ('optim_wrapper.paramwise_cfg.norm_decay', 'norm_decay_mult'),
            ('param_scheduler.1.begin', r'1 entries'),
            ('model.backbone.depth.x', 'is 50'),
            ('load_from.x', 'is None'),
            ('data_root', r'set train_dataloader\.dataset\.data_root'),
            ('depth', r'changes nothing; set model\.backbone\.depth$'),
        ],
    )
    def test_refused(self, option, message):
        with pytest.raises(UserError, match=message):
            stop_on_errors(check_option(CONFIG, option, 'other'))
