"""Keys of ``--cfg-options``, on published recipes."""

import re
from functools import cache
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmuniformer.checks.options import check_options, merged
from mmuniformer.cli.values import parse_value

ROOT = Path(__file__).parents[2]
CONFIGS = {
    'mmdet': 'detection/mask_rcnn/'
    'mask-rcnn_uniformer-s-h14_fpn_amp-1x_coco.py',
    'mmseg': 'segmentation/semantic_fpn/'
    'fpn_uniformer-s_8xb4-80k_ade20k-512x512.py',
    'mmpose': 'pose/topdown_heatmap/'
    'td-hm_uniformer-small_8xb128-210e_coco-256x192.py',
    'mmaction': 'video/uniformer/'
    'uniformer-small_imagenet1k-pre_8xb4-16x4x1-110e_kinetics400-rgb.py',
}
# Read by mmengine, torch or the library; options of one line go together.
ACCEPTED = {
    'mmdet': [
        'train_dataloader.pin_memory=True',
        'train_dataloader.num_batch_per_epoch=1',
        'train_dataloader.timeout=60',
        'train_dataloader.prefetch_factor=4',
        'train_dataloader.drop_last=True',
        'train_dataloader.multiprocessing_context=spawn',
        'train_dataloader.persistent_workers=False',
        'train_dataloader.worker_init_fn.type=default_worker_init_fn',
        'train_dataloader.collate_fn.type=pseudo_collate',
        'train_dataloader.sampler.shuffle=False',
        'train_dataloader.sampler.round_up=False',
        'train_dataloader.sampler.type=InfiniteSampler',
        'train_dataloader.batch_sampler.drop_last=True',
        'train_dataloader.disable_subprocess_warning=True',
        'train_dataloader.dataset.filter_cfg.min_size=8',
        'train_dataloader.dataset.filter_cfg.filter_empty_gt=False',
        'train_dataloader.dataset.indices=100',
        'train_dataloader.dataset.metainfo.classes=a,b',
        'train_dataloader.dataset.metainfo.palette=[(1,2,3)]',
        'train_dataloader.dataset.data_prefix.img=images/',
        'train_dataloader.dataset.data_prefix.seg=seg/',
        'train_dataloader.dataset.serialize_data=False',
        'train_dataloader.dataset.lazy_init=True',
        'train_dataloader.dataset.max_refetch=10',
        'train_dataloader.dataset.proposal_file=x.pkl',
        'train_dataloader.dataset.backend_args.backend=petrel',
        'train_dataloader.dataset.pipeline.0.to_float32=True',
        'train_dataloader.dataset.pipeline.0.imdecode_backend=pillow',
        'train_dataloader.dataset.pipeline.1.poly2mask=False',
        'train_dataloader.dataset.pipeline.3.prob=0.3',
        'optim_wrapper.clip_grad.norm_type=1',
        'optim_wrapper.clip_grad.max_norm=1 '
        'optim_wrapper.clip_grad.error_if_nonfinite=True',
        'optim_wrapper.accumulative_counts=2',
        'optim_wrapper.dtype=bfloat16',
        'optim_wrapper.loss_scale=512',
        'optim_wrapper.optimizer.betas=(0.9,0.95)',
        'optim_wrapper.optimizer.type=SGD '
        'optim_wrapper.optimizer.momentum=0.9',
        'optim_wrapper.optimizer.fused=True',
        'optim_wrapper.paramwise_cfg.bias_lr_mult=2',
        'optim_wrapper.paramwise_cfg.bypass_duplicate=True',
        'optim_wrapper.paramwise_cfg.flat_decay_mult=0',
        'optim_wrapper.paramwise_cfg.custom_keys.backbone.lr_mult=0.1',
        'optim_wrapper.constructor=LearningRateDecayOptimizerConstructor '
        'optim_wrapper.paramwise_cfg.num_layers=12 '
        'optim_wrapper.paramwise_cfg.decay_rate=0.9 '
        'optim_wrapper.paramwise_cfg.decay_type=layer_wise',
        'param_scheduler.0.begin=5',
        'param_scheduler.0.verbose=True',
        'param_scheduler.0.convert_to_iter_based=True',
        'train_cfg.max_epochs=1',
        'train_cfg.val_begin=2',
        'train_cfg.dynamic_intervals=[(1,2)]',
        'val_cfg.fp16=True',
        'test_cfg.fp16=True',
        'model.test_cfg.rcnn.score_thr=0.1',
        'model.test_cfg.rcnn.nms.iou_threshold=0.3',
        'model.test_cfg.rcnn.nms.class_agnostic=True',
        'model.test_cfg.rcnn.nms.score_threshold=0.1',
        'model.test_cfg.rpn.nms_post=300',
        'model.test_cfg.rpn.nms.split_thr=100',
        'model.test_cfg.rpn.min_bbox_size=4',
        'model.train_cfg.rcnn.sampler.num=256',
        'model.train_cfg.rcnn.assigner.gpu_assign_thr=50',
        'model.backbone.with_cp=True',
        'model.backbone.compile=True',
        'model.backbone.compile.dynamic=True',
        'model.backbone.init_cfg.checkpoint=x.pth',
        'model.backbone.init_cfg.prefix=backbone.',
        'model.backbone.init_cfg.inflation=centre',
        'model.backbone.drop_path_rate=0.3',
        'model.neck.norm_cfg.type=BN',
        'model.neck.norm_cfg.type=BN model.neck.norm_cfg.requires_grad=False',
        'model.roi_head.bbox_head.loss_bbox.loss_weight=2',
        'model.roi_head.bbox_head.reg_class_agnostic=True',
        'model.data_preprocessor.pad_size_divisor=64',
        'model.init_cfg.type=Pretrained model.init_cfg.checkpoint=x',
        'log_processor.window_size=5',
        'log_processor.num_digits=6',
        'log_level=DEBUG',
        'visualizer.line_width=2',
        'visualizer.vis_backends.0.type=TensorboardVisBackend',
        'default_hooks.checkpoint.save_best=auto',
        'default_hooks.checkpoint.published_keys=meta,state_dict',
        'default_hooks.checkpoint.priority=LOW',
        'default_hooks.logger.log_metric_by_epoch=False',
        'default_hooks.early_stopping.type=EarlyStoppingHook '
        'default_hooks.early_stopping.monitor=coco/bbox_mAP',
        'default_hooks.visualization.test_out_dir=x',
        'env_cfg.cudnn_benchmark=True',
        'env_cfg.mp_cfg.mp_start_method=spawn',
        'env_cfg.dist_cfg.timeout=3600',
        'env_cfg.dist_cfg.port=29501',
        'env_cfg.resource_limit=8192',
        'randomness.seed=0',
        'randomness.deterministic=True',
        'randomness.diff_rank_seed=True',
        'auto_scale_lr.enable=True',
        'compile=True',
        'compile.mode=max-autotune',
        'compile.backend=inductor',
        'model_wrapper_cfg.find_unused_parameters=True',
        'model_wrapper_cfg.static_graph=True',
        'find_unused_parameters=True',
        'sync_bn=torch',
        'activation_checkpointing=backbone',
        'efficient_conv_bn_eval=backbone',
        'experiment_name=x',
        'resume=True',
        'load_from=x.pth',
        'work_dir=x',
        'launcher=none',
        'custom_imports.imports=mmuniformer',
        'test_evaluator.classwise=True',
        'test_evaluator.outfile_prefix=x',
        'test_evaluator.format_only=True',
        'val_evaluator.proposal_nums=(1,10,100)',
        'val_evaluator.iou_thrs=[0.5]',
        'val_evaluator.metric_items=mAP',
        'tta_model.type=DetTTAModel',
        'tta_model.type=DetTTAModel tta_model.tta_cfg.max_per_img=100',
        'default_scope=mmdet',
    ],
    'mmseg': [
        'log_processor.window_size=5',
        'train_dataloader.dataset.reduce_zero_label=False',
        'train_dataloader.dataset.ignore_index=254',
        'train_dataloader.dataset.img_suffix=.png',
        'train_dataloader.dataset.data_prefix.img_path=x',
        'train_cfg.max_iters=10',
        'model.test_cfg.mode=slide '
        'model.test_cfg.stride=(341,341) '
        'model.test_cfg.crop_size=(512,512)',
        'model.decode_head.loss_decode.class_weight=[1,2]',
        'model.decode_head.sampler.type=OHEMPixelSampler '
        'model.decode_head.sampler.thresh=0.7',
        'model.data_preprocessor.size=(512,512)',
        'test_evaluator.iou_metrics=mDice',
        'test_evaluator.output_dir=x',
        'train_dataloader.dataset.pipeline.2.keep_ratio=False',
        'tta_pipeline.1.transforms.0.0.scale_factor=0.5',
        'model.decode_head.loss_decode.avg_non_ignore=True',
    ],
    'mmpose': [
        'optim_wrapper.clip_grad.max_norm=1',
        'optim_wrapper.accumulative_counts=2',
        'optim_wrapper.dtype=bfloat16',
        'model.test_cfg.flip_test=False',
        'model.test_cfg.shift_heatmap=False',
        'model.test_cfg.output_heatmaps=True',
        'model.head.decoder.unbiased=True',
        'test_dataloader.dataset.bbox_file=None',
        'test_dataloader.dataset.filter_cfg.bbox_score_thr=0.2',
        'val_evaluator.use_area=False',
        'val_evaluator.score_mode=bbox',
        'model.head.loss.use_target_weight=False',
    ],
    'mmaction': [
        'train_dataloader.dataset.unreadable=skip',
        'train_dataloader.dataset.pipeline.1.target_fps=30',
        'test_dataloader.dataset.pipeline.1.num_clips=1',
        'test_dataloader.dataset.delimiter=,',
        'train_dataloader.dataset.start_index=1',
        'model.cls_head.average_clips=None',
        'model.backbone.with_cp=[0,0,4,0]',
        'custom_hooks=[]',
        'custom_hooks.0.priority=LOW',
        'model.test_cfg.max_testing_views=4',
        'test_evaluator.metric_options.top_k_accuracy.topk=(1,3)',
        'model.train_cfg.blending.type=MixupBlending',
        'test_dataloader.dataset.pipeline.4.type=ThreeCrop',
    ],
}
# What is mistyped, or read by nothing, and what the message says of it.
REFUSED = [
    ('mmdet', 'modle.backbone=1', 'did you mean model?'),
    ('mmdet', 'lr=1', 'did you mean optim_wrapper.optimizer.lr?'),
    ('mmdet', 'optim_wraper.optimizer.lr=1', 'did you mean optim_wrapper?'),
    ('mmdet', 'randomness.sed=0', 'did you mean seed?'),
    ('mmdet', 'train_dataloader.batchsize=2', 'did you mean batch_size'),
    ('mmdet', 'train_dataloader.num_worker=2', 'did you mean num_workers'),
    (
        'mmdet',
        'train_dataloader.dataset.filter_cfg.min_sise=8',
        'did you mean min_size?',
    ),
    ('mmdet', 'train_dataloader.dataset.data_rot=x', 'mean data_root'),
    (
        'mmdet',
        'train_dataloader.dataset.metainfo.clases=a,b',
        'did you mean classes?',
    ),
    (
        'mmdet',
        'train_dataloader.dataset.pipeline.3.probability=0.3',
        '(RandomFlip) has no key',
    ),
    (
        'mmdet',
        'train_dataloader.dataset.pipeline.99.prob=0.3',
        "'99' is not one of 0 to 4",
    ),
    ('mmdet', 'optim_wrapper.clip_grad.max_nrom=1', 'mean max_norm?'),
    (
        'mmdet',
        'optim_wrapper.acumulative_counts=2',
        'did you mean accumulative_counts?',
    ),
    (
        'mmdet',
        'optim_wrapper.optimizer.weight_decy=0.1',
        '(AdamW) has no key',
    ),
    (
        'mmdet',
        'optim_wrapper.paramwise_cfg.norm_decay=0',
        'did you mean norm_decay_mult?',
    ),
    (
        'mmdet',
        'optim_wrapper.paramwise_cfg.custom_keys.backbone.lr_mul=0.1',
        'did you mean lr_mult?',
    ),
    (
        'mmdet',
        'optim_wrapper.paramwise_cfg.custom_keys.backbone.norm.lr_mult=0.1',
        "custom_keys.backbone has no key 'norm'",
    ),
    ('mmdet', 'param_scheduler.0.start_facter=0.1', 'mean start_factor?'),
    ('mmdet', 'param_scheduler.9.begin=1', 'a list of 2 entries'),
    ('mmdet', 'train_cfg.max_epoch=1', 'did you mean max_epochs?'),
    ('mmdet', 'train_cfg.max_iters=1', '(EpochBasedTrainLoop) has no key'),
    ('mmdet', 'val_cfg.fp61=True', 'did you mean fp16?'),
    ('mmdet', 'model.test_cfg.rcnn.score_thrs=0.1', 'mean score_thr?'),
    (
        'mmdet',
        'model.test_cfg.rcnn.nms.iou_thresold=0.3',
        'did you mean iou_threshold?',
    ),
    ('mmdet', 'model.test_cfg.rcnn.blub_qwe=0.3', 'it has mask_thr_binary'),
    ('mmdet', 'model.backbone.depth=50', '(mmuniformer.UniFormer) has no'),
    ('mmdet', 'model.backbone.init_cfg.checkpont=x', 'mean checkpoint?'),
    ('mmdet', 'model.backbone.compile.dynamik=True', 'mean dynamic?'),
    ('mmdet', 'log_processor.windowsize=5', 'did you mean window_size?'),
    ('mmdet', 'visualizer.linewidth=2', 'did you mean line_width?'),
    ('mmdet', 'default_hooks.checkpoint.intervall=1', 'mean interval?'),
    ('mmdet', 'default_hooks.chekpoint.interval=1', 'mean checkpoint?'),
    ('mmdet', 'env_cfg.cudnn_benchmarks=True', 'mean cudnn_benchmark?'),
    ('mmdet', 'env_cfg.mp_cfg.mp_start=spawn', 'mean mp_start_method?'),
    ('mmdet', 'env_cfg.dist_cfg.backnd=gloo', 'did you mean backend'),
    ('mmdet', 'auto_scale_lr.base_batchsize=8', 'mean base_batch_size'),
    ('mmdet', 'compile.modus=x', 'did you mean mode?'),
    (
        'mmdet',
        'model_wrapper_cfg.find_unused_parameter=True',
        'did you mean find_unused_parameters',
    ),
    ('mmdet', 'test_evaluator.clasewise=True', 'did you mean classwise?'),
    ('mmdet', 'load_from.x=1', "load_from is None, it has no 'x'"),
    ('mmdet', 'model.backbone.type.x=1', "it has no 'x'"),
    ('mmdet', 'train_cfg.max_epochs=ten', "a number, and 'ten' is none"),
    ('mmdet', 'train_dataloader.batch_size=two', "a number, and 'two'"),
    ('mmdet', 'optim_wrapper.optimizer.lr=abc', "a number, and 'abc'"),
    ('mmdet', 'data_root=other/', 'set train_dataloader.dataset.data_root'),
    # A word that the library reads elsewhere, one letter from the right one.
    ('mmseg', 'model.test_cfg.strides=(1,1)', 'did you mean stride?'),
    ('mmdet', 'model.test_cfg.rcnn.max_per_image=4', 'mean max_per_img?'),
    ('mmdet', 'train_dataloader.dataset.data_prefix.image=x', 'mean img'),
    (
        'mmseg',
        'train_dataloader.dataset.data_prefix.seg_map=x',
        'did you mean seg_map_path?',
    ),
    # Of a registry that is mmpose's alone.
    ('mmpose', 'model.head.decoder.sigmas=2', 'did you mean sigma?'),
    ('mmseg', 'model.test_cfg.crop_sise=1', 'did you mean crop_size?'),
    ('mmseg', 'model.decode_head.num_class=3', 'did you mean num_classes?'),
    ('mmpose', 'model.test_cfg.flip_tst=False', 'did you mean flip_test?'),
    ('mmpose', 'model.head.out_chanels=17', 'did you mean out_channels'),
    (
        'mmaction',
        'train_dataloader.dataset.unreadble=skip',
        'did you mean unreadable?',
    ),
    ('mmaction', 'model.cls_head.average_clip=None', 'mean average_clips?'),
    (
        'mmaction',
        'test_evaluator.metric_options.top_k_acuracy.topk=(1,3)',
        'did you mean top_k_accuracy?',
    ),
]


@cache
def config(host: str, path: str = '') -> Config:
    pytest.importorskip(host)
    return Config.fromfile(ROOT / 'configs' / (path or CONFIGS[host]))


def options(words: str) -> dict:
    pairs = (word.partition('=') for word in words.split(' '))
    return {key: parse_value(value) for key, _, value in pairs}


def findings(host: str, words: str, path: str = '') -> list[str]:
    cfg = config(host, path)
    init_default_scope(host)
    return list(map(str, check_options(cfg, options(words))))


@pytest.mark.parametrize(
    ('host', 'words'),
    [(host, words) for host, rows in ACCEPTED.items() for words in rows],
)
def test_accepted(host, words):
    assert not findings(host, words)


@pytest.mark.parametrize(('host', 'words', 'message'), REFUSED)
def test_refused(host, words, message):
    (found,) = findings(host, words)
    assert found.startswith(f'--cfg-options {words.partition("=")[0]}: ')
    assert message in found


def test_mixed_precision_takes_more():
    cfg = Config(dict(optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1))))
    wanted = {'optim_wrapper.dtype': 'bfloat16'}
    assert not list(check_options(cfg, wanted, amp=True))
    (found,) = check_options(cfg, wanted)
    assert str(found).endswith("has no key 'dtype'; with --amp it has")


def test_a_dict_as_a_value_is_looked_into():
    """As functions of :mod:`mmuniformer.apis` may be given it."""
    cfg = config('mmdet')
    init_default_scope('mmdet')
    given = {'optim_wrapper': dict(clip_grad=dict(max_nrom=1))}
    (found,) = check_options(cfg, given)
    assert found.entry == 'optim_wrapper.clip_grad.max_nrom'


def test_the_library_that_a_scope_names():
    """mmaction2 builds its detectors by the registries of mmdet."""
    pytest.importorskip('mmdet')
    pytest.importorskip('mmaction.models')
    init_default_scope('mmaction')
    head = dict(bbox_head=dict(type='BBoxHeadAVA', in_channels=2048))
    cfg = Config(dict(model=dict(roi_head=head, _scope_='mmdet')))
    assert not list(check_options(cfg, {'model.roi_head.bbox_head.topk': 3}))
    (found,) = check_options(cfg, {'model.roi_head.bbox_head.topks': 3})
    assert 'did you mean topk?' in str(found)


def test_none_becomes_a_dict():
    cfg = Config(dict(optim_wrapper=dict(type='OptimWrapper', clip_grad=None)))
    wanted = {'optim_wrapper.clip_grad.max_norm': 1}
    assert not list(check_options(cfg, wanted))
    assert merged(cfg, wanted).optim_wrapper.clip_grad == dict(max_norm=1)
    assert cfg.optim_wrapper.clip_grad is None


def commands() -> list[tuple[str, str]]:
    """The options of every command of the pages, each with its page."""
    pages = [ROOT / 'README.md', *(ROOT / 'docs').glob('*.md')]
    pages += (ROOT / 'configs').rglob('README.md')
    found = []
    for page in pages:
        # Prose breaks a line between two options.
        text = re.sub(r'\s*\n\s*', ' ', page.read_text())
        for match in re.finditer(
            r'--cfg-options((?: +"?[\w.]+=(?:"[^"]*"|[^\s`"|]+)"?)+)', text
        ):
            if 'KEY=' not in match[1]:
                found.append((str(page.relative_to(ROOT)), match[1].strip()))
    return found


# Commands for videos of Something-Something.
STH = ('pipeline.2.order', 'pipeline.0.num_clips')
STH_CONFIG = (
    'video/uniformer/uniformer-base_k400-pre_8xb4-u32-60e_sthv1-rgb.py'
)


def _classifier(words: str) -> str:
    """The config of image classification that a command is for."""
    if 'arch.depths' in words:
        return 'classification/ablations/uniformer-small-llll_8xb128_in1k.py'
    return 'classification/uniformer_tl/uniformer-small_8xb128-tl_in1k.py'


@pytest.mark.parametrize(('page', 'words'), commands())
def test_commands_of_the_pages(page, words):
    kinds = {
        'segmentation': 'mmseg',
        'pose': 'mmpose',
        'video': 'mmaction',
    }
    host = next((h for k, h in kinds.items() if k in page), 'mmdet')
    if 'classification' in page:
        host, path = 'mmpretrain', _classifier(words)
        assert not findings(host, words.replace('"', ''), path=path)
        return
    if 'unreadable' in words or 'delimiter' in words:
        host = 'mmaction'
    path = STH_CONFIG if any(place in words for place in STH) else ''
    assert not findings(host, words.replace('"', ''), path=path)


def test_commands_are_found():
    assert len(commands()) > 20
