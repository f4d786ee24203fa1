"""What a config becomes for its library, its command and our own parts."""

import inspect

import pytest
from mmengine.config import Config
from mmengine.dataset import ConcatDataset
from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS, METRICS, MODELS, init_default_scope

from mmuniformer.engine.prepare import (
    add_trackers,
    draw_predictions,
    dump_predictions,
    host_of,
    leave_out_workers,
    prepare,
    set_host_defaults,
    use_own_parts,
)
from mmuniformer.engine.tta import augment_at_test_time
from mmuniformer.engine.written import RunConfig
from mmuniformer.errors import UserError
from mmuniformer.hosts import HOSTS

LOAD = dict(type='LoadAnnotations')
CHECK = dict(type='mmuniformer.CheckLabels', num_classes=7, ignore_index=255)


def host_config(scope: str, **values) -> Config:
    return Config(
        dict(
            default_scope=scope,
            model=dict(type='Model', **values.pop('model', {})),
            test_dataloader=dict(
                num_workers=2,
                dataset=dict(
                    type='Repeat',
                    dataset=dict(pipeline=[dict(type='Load'), PACK]),
                ),
            ),
            test_evaluator=dict(type='Metric'),
            visualizer=dict(type='Visualizer'),
            **values,
        )
    )


PACK = dict(type='Pack', meta_keys=('img_id',))


@pytest.mark.parametrize('scope', list(HOSTS))
class TestHosts:
    def test_names_exist_in_the_library(self, scope):
        """What the table says of a library is what the library has."""
        pytest.importorskip(scope)
        init_default_scope(scope)
        host = HOSTS[scope]
        arguments = inspect.signature(HOOKS.get(host.hook)).parameters
        named = {host.switch, host.folder, 'interval', 'show'} - {None}
        assert named <= set(arguments)
        assert METRICS.get(host.dump) is not None

    def test_pictures_and_predictions(self, scope, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        cfg = host_config(scope)
        draw_predictions(cfg, show=False, show_dir='out', wait_time=0)
        dump_predictions(cfg, 'p.pkl')
        hook = cfg.default_hooks.visualization
        if hook.type == 'mmuniformer.PicturesHook':
            assert hook.out_dir == str(tmp_path / 'out')
            hook = hook.hook
        assert hook.type == HOSTS[scope].hook
        assert hook[HOSTS[scope].switch] is True
        assert hook.interval == 1
        folder = str(tmp_path / 'out')
        if HOSTS[scope].folder:
            assert hook[HOSTS[scope].folder] == folder
        else:
            (backend,) = cfg.visualizer.vis_backends
            assert backend == dict(
                type='mmuniformer.PictureBackend', save_dir=folder
            )
        assert cfg.test_evaluator[0].type == 'Metric'
        assert cfg.test_evaluator[1].out_file_path == 'p.pkl'

    def test_own_augmentation_wins(self, scope):
        cfg = host_config(
            scope,
            tta_model=dict(type='Mine'),
            tta_pipeline=[dict(type='Mine')],
        )
        augment_at_test_time(cfg)
        assert cfg.model.type == 'Mine'
        assert cfg.model.module.type == 'Model'
        dataset = cfg.test_dataloader.dataset.dataset
        assert dataset.pipeline == [dict(type='Mine')]


class TestAugmentation:
    @pytest.mark.parametrize('scope', ['mmdet', 'mmpretrain'])
    def test_flip_is_the_default(self, scope):
        pytest.importorskip(scope)
        cfg = host_config(scope)
        augment_at_test_time(cfg)
        init_default_scope(scope)
        with MODELS.switch_scope_and_registry(scope) as registry:
            assert registry.get(cfg.model.type) is not None
        last = cfg.test_dataloader.dataset.dataset.pipeline[-1]
        assert last.type == 'TestTimeAug'
        flips, (pack,) = last.transforms
        assert [flip.prob for flip in flips] == [1.0, 0.0]
        assert pack.type == 'Pack'

    def test_mmpose_has_a_flip_test(self):
        cfg = host_config('mmpose', model=dict(test_cfg=dict()))
        augment_at_test_time(cfg)
        assert cfg.model.test_cfg.flip_test is True

    @pytest.mark.parametrize(
        ('scope', 'message', 'model'),
        [
            ('mmseg', 'no tta_pipeline', {}),
            ('mmaction', 'several clips and crops', {}),
            ('mmdet', 'not masks', dict(roi_head=dict(mask_head=dict()))),
        ],
    )
    def test_refused(self, scope, message, model):
        with pytest.raises(UserError, match=message):
            augment_at_test_time(host_config(scope, model=model))


def test_mmpretrain_loaders():
    cfg = host_config('mmpretrain')
    set_host_defaults(cfg)
    loader = cfg.test_dataloader
    assert loader.collate_fn.type == 'default_collate'
    assert loader.persistent_workers is True


def mmseg_config(pipeline: list, **model: object) -> Config:
    dataset = dict(type='RepeatDataset', dataset=dict(pipeline=pipeline))
    return Config(
        dict(
            default_scope='mmseg',
            model=model or dict(decode_head=dict(num_classes=7)),
            test_dataloader=dict(dataset=dataset),
        )
    )


def checked(cfg: Config) -> list:
    use_own_parts(cfg)
    return cfg.test_dataloader.dataset.dataset.pipeline


class TestCheckIsAdded:
    def test_after_loading_and_once(self):
        cfg = mmseg_config([LOAD, dict(type='PackSegInputs')])
        use_own_parts(cfg)
        assert checked(cfg) == [LOAD, CHECK, dict(type='PackSegInputs')]

    def test_as_a_step_of_a_multi_scale_test(self):
        steps = [[dict(type='Resize')] * 2, [LOAD], [dict(type='Pack')]]
        tta = dict(type='TestTimeAug', transforms=steps)
        head = dict(decode_head=dict(num_classes=7))
        (found,) = checked(mmseg_config([tta], type='TTA', module=head))
        assert found.transforms == [*steps[:2], [CHECK], steps[2]]

    def test_for_the_last_head_of_a_cascade(self):
        heads = [dict(num_classes=3), dict(num_classes=7, ignore_index=9)]
        pipeline = checked(mmseg_config([LOAD], decode_head=heads))
        assert pipeline == [LOAD, CHECK | dict(ignore_index=9)]

    def test_not_where_nothing_is_known(self):
        assert checked(mmseg_config([LOAD], type='Any')) == [LOAD]
        cfg = mmseg_config([LOAD])
        cfg.default_scope = 'mmdet'
        assert checked(cfg) == [LOAD]


@pytest.mark.parametrize('kind', ['VideoDataset', 'RepeatAugDataset'])
def test_video_data_sets_are_ours_wherever_they_stand(kind):
    pytest.importorskip('mmaction')
    init_default_scope('mmaction')
    inner = dict(type=f'mmaction.{kind}')
    other = dict(type='RawframeDataset')
    cfg = Config(
        dict(
            default_scope='mmaction',
            train_dataloader=dict(
                dataset=dict(type='RepeatDataset', dataset=inner)
            ),
            val_dataloader=dict(dataset=other),
        )
    )
    use_own_parts(cfg)
    dataset = cfg.train_dataloader.dataset
    assert dataset.dataset.type == f'mmuniformer.{kind}'
    assert cfg.val_dataloader.dataset == other


@pytest.mark.parametrize(
    ('kind', 'replaced'),
    [
        ('CheckpointHook', True),
        ('mmengine.CheckpointHook', True),
        (CheckpointHook, True),
        ('mmengine.hooks.CheckpointHook', True),
        ('myproject.CheckpointHook', False),
        ('MyHook', False),
    ],
)
def test_mmengines_checkpoint_hook_alone_is_replaced(kind, replaced):
    hook = dict(type=kind, interval=3)
    cfg = Config(dict(train_cfg={}, default_hooks=dict(checkpoint=hook)))
    use_own_parts(cfg)
    found = cfg.default_hooks.checkpoint
    ours = 'mmuniformer.SafeCheckpointHook'
    assert (found.type == ours) == replaced
    assert found.interval == 3


class TestLibrary:
    """That of the data sets, where a config has no scope."""

    @pytest.mark.parametrize('scope', [dict(), dict(default_scope=None)])
    def test_of_classes(self, scope):
        pytest.importorskip('mmdet')
        from mmdet.datasets import CocoDataset

        dataset = dict(type=CocoDataset, pipeline=[PACK])
        loader = dict(dataset=dict(type=ConcatDataset, datasets=[dataset]))
        cfg = Config(dict(test_dataloader=loader, **scope))
        assert host_of(cfg, '--tta') is HOSTS['mmdet']
        draw_predictions(cfg, show=False, show_dir='out', wait_time=0)
        hook = cfg.default_hooks.visualization.hook
        assert hook.type == 'mmdet.DetVisualizationHook'

    def test_of_nothing(self):
        cfg = Config(dict(default_scope=None))
        words = r'--out needs a default_scope of mmdet, .* the config has None'
        with pytest.raises(UserError, match=words):
            host_of(cfg, '--out')


def test_what_is_for_workers_is_left_out_without_any():
    """torch raises an AssertionError or a ValueError for each."""
    wanted = dict(timeout=60, prefetch_factor=2, persistent_workers=True)
    loaders = {
        f'{phase}_dataloader': dict(num_workers=workers, **wanted)
        for phase, workers in (('train', 0), ('val', 2))
    }
    cfg = Config(loaders)
    (note,) = leave_out_workers(cfg)
    assert cfg.train_dataloader == dict(num_workers=0)
    assert cfg.val_dataloader == dict(num_workers=2, **wanted)
    assert note.startswith('train_dataloader has no workers')


def test_a_loader_without_workers_is_written_as_any_tool_takes_it():
    loader = dict(num_workers=0, persistent_workers=True)
    cfg = RunConfig.of(Config(dict(train_dataloader=loader)))
    (note,) = prepare(cfg)
    assert note.startswith('train_dataloader has no workers')
    assert cfg.written.train_dataloader == dict(num_workers=0)


def test_samples_of_mmaction2_name_their_files():
    """For training; keys of the config stay."""
    pytest.importorskip('mmaction')
    init_default_scope('mmaction')
    pipelines = [
        [dict(type='PackActionInputs')],
        [dict(type='PackActionInputs', meta_keys=('filename', 'label'))],
        [dict(type='FormatShape')],
    ]
    cfg = Config(
        dict(
            default_scope='mmaction',
            train_dataloader=dict(
                dataset=dict(
                    type='ConcatDataset',
                    datasets=[dict(pipeline=p) for p in pipelines],
                )
            ),
            test_dataloader=dict(dataset=dict(pipeline=pipelines[0])),
        )
    )
    use_own_parts(cfg)
    packs = [
        data_set.pipeline[0].get('meta_keys')
        for data_set in cfg.train_dataloader.dataset.datasets
    ]
    assert {'img_shape', 'filename', 'frame_dir'} < set(packs[0])
    assert list(packs[1]) == ['filename', 'label', 'frame_dir']
    assert packs[2] is None
    assert 'meta_keys' not in cfg.test_dataloader.dataset.pipeline[0]


def test_where_mlflow_keeps_a_run(tmp_path, monkeypatch):
    """MLflow 3 refuses the folder that mmengine names by default."""
    monkeypatch.delenv('MLFLOW_TRACKING_URI', raising=False)
    monkeypatch.chdir(tmp_path)
    cfg = Config(dict(work_dir='run', default_scope='mmseg'))
    add_trackers(cfg, ['tensorboard', 'mlflow'])
    _, board, mlflow = cfg.visualizer.vis_backends
    assert board == dict(type='mmengine.TensorboardVisBackend')
    assert mlflow.tracking_uri == f'sqlite:///{tmp_path}/run/mlflow.db'
    assert (mlflow.exp_name, mlflow.artifact_suffix) == ('run', ())
    assert mlflow.artifact_location == f'file://{tmp_path}/run/mlflow'
    monkeypatch.setenv('MLFLOW_TRACKING_URI', 'http://localhost:5000')
    cfg = Config(dict(work_dir='run', default_scope='mmseg'))
    add_trackers(cfg, ['mlflow'])
    assert cfg.visualizer.vis_backends[1] == dict(
        type='mmengine.MLflowVisBackend', tracking_uri='http://localhost:5000'
    )
