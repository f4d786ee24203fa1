"""What the published recipes do: the sentences of docs/recipes.md.

Each sentence is a function of a config, so that it says what the config does,
and names the tests that hold it. A new behaviour or deviation is a new entry
here; ``write_recipes.py`` writes the page.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from mmengine.config import Config

OFFICIAL, INFERRED = 'official code', 'inferred'
CLIPS = 'tests/test_recipes/test_clips.py'
COLOURS = 'tests/test_recipes/test_colours.py'
AUGMENT = 'tests/test_recipes/test_video_augmentation.py'
IMAGES = 'tests/test_recipes/test_image_augmentation.py'
KEYPOINTS = 'tests/test_recipes/test_keypoints.py'
SCHEDULES = 'tests/test_recipes/test_schedules.py'
CHECKPOINTS = 'tests/test_recipes/test_checkpoints.py'
DEVIATIONS_HELD = 'tests/test_recipes/test_deviations.py'
STARTS = 'tests/test_models/test_initial_values.py'
CLASSIFIERS = 'tests/test_recipes/test_image_classification.py'
CLASSIFIER_VALUES = 'tests/test_configs/test_classification_recipes.py'
IMAGE_TRAINING = 'tests/test_engine/test_image_training.py'
TIMM = 'tests/test_datasets/test_timm_augment.py'
LABELS = 'tests/test_datasets/test_token_labels.py'
TOKENS = 'tests/test_models/test_image_classifiers.py'
BLENDING = 'tests/test_models/test_blending.py'


@dataclass
class Behaviour:
    """Something that configs of a task do.

    Attributes:
        task: Folder of ``configs/``.
        name: What it is about.
        say: Gives the sentence for a config, or an empty one if it is not
            for it; with a source besides, if that is not the official code.
        tests: The tests that hold it, ``file::function``.
    """

    task: str
    name: str
    say: Callable[[Config], str | tuple[str, str]]
    tests: list[str]


@dataclass
class Deviation:
    """Something that remains different from the official code.

    Attributes:
        task: Folder of ``configs/``.
        name: What it is about.
        official, here, size, reason: Columns of the page.
        concerns: Whether it is for a config.
        tests: The tests that hold what is said of it here.
    """

    task: str
    name: str
    official: str
    here: str
    size: str
    reason: str
    tests: list[str]
    concerns: Callable[[Config], bool] = field(default=lambda cfg: True)


def step(cfg: Config, name: str, split: str = 'train') -> dict | None:
    """The first transform of a pipeline whose type ends so."""
    nodes = list(cfg[f'{split}_dataloader'].dataset.pipeline)
    while nodes:
        node = nodes.pop(0)
        if isinstance(node, list):
            nodes = [*node, *nodes]
        elif node['type'].rpartition('.')[2] == name:
            return node
        else:
            nodes = [*node.get('transforms', []), *nodes]
    return None


def percent(share: float) -> str:
    return f'{100 * share:g} %'


def is_light(cfg: Config) -> bool:
    return 'Light' in cfg.model.backbone.type


def labels(cfg: Config) -> bool:
    """Whether a config trains on labels of tokens."""
    return 'TokenLabel' in cfg.model.head.type


def clips(cfg: Config) -> str | tuple[str, str]:
    dense = step(cfg, 'DenseSample')
    if dense:
        span = dense.clip_len * dense.frame_interval
        return (
            f'{dense.clip_len} frames spread over {span} frames of the file, '
            'whatever its frame rate; after its end, its last frame. From '
            'anywhere in training; in a test from the start to the end'
        )
    frames = step(cfg, 'UniformSample').clip_len
    text = (
        f'one frame of each of {frames} equal stretches of the file: anywhere '
        'in it in training, in its middle in a test'
    )
    return (text, INFERRED) if is_light(cfg) else text


def colours(cfg: Config) -> str:
    order = step(cfg, 'ChannelOrder')
    return f'{order.order.upper() if order else "RGB"}, from decoding on'


def policy(cfg: Config) -> str:
    node = step(cfg, 'ClipRandAugment')
    noise = node.magnitude_std
    more = node.policies == 'timm_increasing'
    return (
        f'{node.num_policies} of 15 operations, each with half a chance and a '
        f'strength of {node.magnitude_level}'
        + (f' (normal, deviation {noise:g}, within 0 to 10)' if noise else '')
        + ', drawn for each of them, also for one that is drawn twice; '
        'the same in all frames, another in each copy; '
        + ('more is stronger' if more else "timm's plain scale of strengths")
    )


def crop(cfg: Config) -> str:
    node, resize = step(cfg, 'RandomResizedCrop'), step(cfg, 'Resize')
    low, high = node.area_range
    narrow, wide = node.aspect_ratio_range
    flip = step(cfg, 'Flip')
    flipped = (
        f'mirrored in {percent(flip.flip_ratio)}'
        if flip
        else ('never mirrored')
    )
    return (
        f'{percent(low)} to {percent(high)} of the picture, ratio '
        f'{narrow:g} to {wide:g}, at '
        f'{resize.scale[0]} x {resize.scale[1]}; {flipped}'
    )


def erasing(cfg: Config) -> str:
    node = step(cfg, 'RandomErasing')
    return (
        f'in {percent(node.erase_prob)} of the copies a box is noise, the '
        'same box in all frames'
    )


def copies(cfg: Config) -> str:
    number = step(cfg, 'RepeatAugment').num_repeats
    batch = cfg.auto_scale_lr.base_batch_size
    return (
        f'{number} copies of each clip in a step: {number * batch} of '
        f'{batch} clips'
    )


def mixing(cfg: Config) -> str:
    node = cfg.model.data_preprocessor.blending
    return (
        f'each batch gets Mixup (alpha {node.mixup_alpha:g}) or CutMix '
        f'({node.cutmix_alpha:g}), with {percent(node.switch_prob)} for the '
        'latter: each sample with its mirror image in the batch; labels '
        f'smoothed by {cfg.model.cls_head.label_smooth_eps:g}'
    )


def video_rate(cfg: Config) -> str:
    warmup, cosine = cfg.param_scheduler
    rate = cfg.optim_wrapper.optimizer.lr
    return (
        f'by iteration: {warmup.start_factor * rate:g} to {rate:g} in '
        f'{warmup.end} epochs, then half a cosine to {cosine.eta_min:g} at '
        f'epoch {cosine.end}'
    )


def video_decay(cfg: Config) -> str:
    decay = cfg.optim_wrapper.optimizer.weight_decay
    return f'{decay:g}; none for what has one dimension (norms, biases)'


def views(cfg: Config) -> str:
    nodes = cfg.test_dataloader.dataset.pipeline
    number = next(t for t in nodes if 'clip_len' in t).get('num_clips', 1)
    three = step(cfg, 'ThreeCrop', 'test')
    side = (three or step(cfg, 'CenterCrop', 'test')).crop_size
    return (
        f'{number} x {3 if three else 1} views (clips x crops) of {side} '
        f'pixels, from a short side of {step(cfg, "Resize", "test").scale[1]}'
    )


def tested(cfg: Config) -> str:
    """Which checkpoint the published figures are those of."""
    if cfg.model.type == 'ImageClassifier' and (is_light(cfg) or labels(cfg)):
        return 'the best: `best_accuracy_top1_epoch_*.pth`'
    loop = cfg.train_cfg
    last = (
        f'epoch_{loop.max_epochs}'
        if 'max_epochs' in loop
        else f'iter_{loop.max_iters}'
    )
    if 'cls_head' in cfg.model and (is_light(cfg) or is_small(cfg)):
        return 'the best: `best_acc_top1_epoch_*.pth`'
    return f'the last: `{last}.pth`'


def is_small(cfg: Config) -> bool:
    """Whether the data set is UCF101 or HMDB51."""
    root = cfg.train_dataloader.dataset.data_root
    return 'ucf101' in root or 'hmdb51' in root


def start(cfg: Config) -> str:
    """What a backbone starts from that its file does not hold.

    Necks and heads of the image tasks start as their libraries start them.
    """
    text = (
        'what the file does not hold of the backbone: linear layers normal '
        '(deviation 0.02) with a bias of 0, norms a weight of 1 and a bias of '
        '0, convolutions as PyTorch starts them'
    )
    if is_light(cfg):
        text += ', the score token 0'
    if 'cls_head' in cfg.model or cfg.model.type == 'ImageClassifier':
        text += '; classifiers as linear layers'
    return text


def detection_scale(cfg: Config) -> str:
    choice = step(cfg, 'RandomChoice')
    if choice is None:
        scale = step(cfg, 'Resize').scale
        return f'within {max(scale)} x {min(scale)}'
    plain, cropped = choice.transforms
    short = sorted(min(scale) for scale in plain[0].scales)
    *before, last = (str(min(scale)) for scale in cropped[0].scales)
    low, high = cropped[1].crop_size
    return (
        f'a short side of {short[0]} to {short[-1]} ({len(short)} steps), a '
        'long one of at most 1333; half of the images are first resized '
        f'to a short side of {", ".join(before)} or {last} and cropped to '
        f'{low} to {high} pixels each way'
    )


def image_colours(cfg: Config) -> str:
    return "RGB, ImageNet's mean and deviation"


def detection_rate(cfg: Config) -> str:
    warmup, steps = cfg.param_scheduler
    rate = cfg.optim_wrapper.optimizer.lr
    after = ' and '.join(str(m) for m in steps.milestones)
    return (
        f'{warmup.start_factor * rate:g} to {rate:g} in {warmup.end} '
        f'iterations; times a tenth after each of epochs {after} of '
        f'{steps.end}'
    )


def image_decay(cfg: Config) -> str:
    decay = cfg.optim_wrapper.optimizer.weight_decay
    keys = cfg.optim_wrapper.get('paramwise_cfg', {}).get('custom_keys')
    return f'{decay:g}; ' + (
        "none for what has 'norm' in its name; biases are decayed"
        if keys
        else 'for every parameter'
    )


def segmentation_scale(cfg: Config) -> str:
    resize, cut = step(cfg, 'RandomResize'), step(cfg, 'RandomCrop')
    low, high = resize.ratio_range
    return (
        f'{low:g} to {high:g} times {resize.scale[0]} x {resize.scale[1]}, '
        f'then {cut.crop_size[0]} x {cut.crop_size[1]} with no class on more '
        f'than {percent(cut.cat_max_ratio)}, in up to ten draws'
    )


def segmentation_rate(cfg: Config) -> str:
    warmup, main = cfg.param_scheduler
    rate = cfg.optim_wrapper.optimizer.lr
    shape = 'half a cosine' if 'Cosine' in main.type else 'a line'
    low = main.get('eta_min', rate * main.get('eta_min_ratio', 0))
    return (
        f'{shape} from {rate:g} to {low:g} in {main.end} iterations, '
        f'times a warm-up from {warmup.start_factor:g} to 1 in the first '
        f'{warmup.end}'
    )


def segmentation_test(cfg: Config) -> str:
    align = step(cfg, 'ResizeToMultiple', 'test')
    scale = step(cfg, 'Resize', 'test').scale
    more = f', then up to multiples of {align.size_divisor}' if align else ''
    return f'whole images within {scale[0]} x {scale[1]}{more}'


def heatmap(cfg: Config) -> str:
    codec = cfg.model.head.decoder
    width, height = codec.heatmap_size
    return (
        f'a bell with a deviation of {codec.sigma} on a map of {height} x '
        f'{width}, 1 at the keypoint; people at {codec.input_size[1]} x '
        f'{codec.input_size[0]}'
    )


def people(cfg: Config) -> str:
    return (
        'turned by up to 80 degrees (60 %), 0.5 to 1.5 times as large, '
        'shifted by up to 0.2 of the box (30 %), half of the body alone '
        '(30 %, if more than 8 keypoints are there), mirrored (50 %)'
    )


def order(cfg: Config) -> str:
    if labels(cfg):
        return (
            'flip and RandAugment of the whole image and its label map, then '
            'the crop, normalisation, erasing; MixToken in the model'
        )
    name = 'AutoAugment' if step(cfg, 'TimmAutoAugment') else 'RandAugment'
    return (
        f'crop, flip, {name}, normalisation, erasing of each image; then '
        'Mixup or CutMix of the batch'
    )


def image_crop(cfg: Config) -> str:
    node = step(cfg, 'TokenLabelCrop') or step(cfg, 'RandomResizedCrop')
    low, high = node.crop_ratio_range
    how = 'bicubic'
    if node.interpolation == 'random':
        how = 'bilinear or bicubic'
    return (
        f'{percent(low)} to {percent(high)} of the image, ratio 3/4 to 4/3, '
        f'at {node.scale} x {node.scale}, {how}; mirrored in 50 %'
    )


def image_policy(cfg: Config) -> str:
    if step(cfg, 'TimmAutoAugment'):
        return (
            "AutoAugment by timm's policy v0 (of EfficientNet on TPU): one of "
            '25 pairs of operations; bicubic, filled with the mean'
        )
    node = step(cfg, 'TimmRandAugment')
    how = 'bicubic'
    if node.interpolation == 'random':
        how = 'bilinear or bicubic, drawn for each'
    return (
        f'RandAugment: {node.num_ops} of 15 operations, each with half a '
        f'chance and a strength of {node.magnitude} (normal, deviation '
        f'{node.magnitude_std:g}, within 0 to 10); more is stronger; {how}, '
        'filled with the mean'
        + ('; moves label maps, too' if labels(cfg) else '')
    )


def image_erasing(cfg: Config) -> str:
    return (
        'in 25 % of the images a box of 2 % to 33 % is noise of deviation 1, '
        'unclipped'
    )


def image_mixing(cfg: Config) -> str:
    if labels(cfg):
        return (
            'MixToken: in every batch a box of tokens after the first '
            'embedding is that of the image at the other end of the batch; '
            'tokens of the last stage are put back, bounds rounded down'
        )
    node = cfg.model.data_preprocessor.batch_augments.augments.augments[1]
    return (
        f'each batch gets Mixup (alpha {node.mixup_alpha:g}) or CutMix '
        f'({node.cutmix_alpha:g}), with {percent(node.switch_prob)} for the '
        'latter: each image with its mirror image in the batch; labels '
        f'smoothed by {node.label_smoothing:g}'
    )


def targets(cfg: Config) -> str:
    if labels(cfg):
        return (
            'of the label map alone: 5 classes a place, pooled by RoIAlign '
            'over the crop mirrored across the diagonal, softmax over 1000 '
            'classes, times 0.9001 and 0.0001 more; the image and each token '
            'weigh alike'
        )
    if is_light(cfg):
        return (
            'the mixed labels; half of the loss is that of the pooled map, '
            'half that of the score token'
        )
    return 'the mixed labels'


def image_copies(cfg: Config) -> str:
    loader = cfg.train_dataloader
    number = loader.sampler.get('num_repeats', 1)
    batch = f'{cfg.auto_scale_lr.base_batch_size} images a step'
    if number == 1:
        return f'each image once in an epoch, {batch}, full batches alone'
    return (
        f'{number} copies of an image go to different processes, a third of '
        f'the images in an epoch, {batch}, full batches alone'
    )


def image_rate(cfg: Config) -> str:
    rate = cfg.optim_wrapper.optimizer.lr
    epochs = cfg.train_cfg.max_epochs
    if not cfg.param_scheduler:
        return f'{rate:g} in all of {epochs} epochs'
    (node,) = cfg.param_scheduler
    late = ', each epoch with the rate of the one before' if node.lag else ''
    more = f', kept until epoch {epochs}' if epochs > node.epochs else ''
    return (
        f'by epoch: {node.warmup_lr:g} to {rate:g} in {node.warmup_epochs} '
        f'epochs, then a cosine, counted from epoch 0, to {node.eta_min:g} at '
        f'epoch {node.epochs}{more}{late}'
    )


def classifier_decay(cfg: Config) -> str:
    decay = cfg.optim_wrapper.optimizer.weight_decay
    more = ', and none for the score token' if is_light(cfg) else ''
    if 'large' in cfg.model.backbone.arch:
        more = (
            '; Layer Scale of convolutional blocks has three, and is decayed'
        )
    return f'{decay:g}; none for what has one dimension (norms, biases){more}'


def average(cfg: Config) -> str:
    if not cfg.custom_hooks:
        return 'none'
    (hook,) = cfg.custom_hooks
    use = (
        'it chooses the best checkpoint, and is tested'
        if hook.get('evaluate_on_ema', True)
        else 'the trained weights are validated and tested'
    )
    return (
        f'of weights and statistics, decay {1 - hook.momentum:g}, from the '
        f'first step on; {use}'
    )


def processes(cfg: Config) -> str:
    ddp = cfg.model_wrapper_cfg
    whose = "each has its own; the first one's are saved"
    if ddp and ddp.broadcast_buffers:
        whose = 'those of the first process'
    return (
        f'seed {cfg.randomness.seed} plus the number of the process; '
        f'statistics of BatchNorm: {whose}'
    )


def image_test(cfg: Config) -> str:
    _, resize, crop, _ = cfg.test_dataloader.dataset.pipeline
    text = (
        f'a short side of {resize.scale}, bicubic on Pillow, the '
        f'{crop.crop_size} x {crop.crop_size} in its middle'
    )
    if labels(cfg):
        text += (
            '; the class of the mean, plus half of the highest score of each '
            'class among the tokens'
        )
    return text


def image_start(cfg: Config) -> str:
    if cfg.load_from:
        return (
            'the trained weights of the same model at 224, both classifiers '
            'with them'
        )
    return start(cfg).replace(
        'what the file does not hold of the backbone: ', ''
    )


BEHAVIOURS = [
    Behaviour('classification', 'Order', order, [
        f'{CLASSIFIER_VALUES}::test_order_and_values_of_training',
        f'{CLASSIFIERS}::test_noise_and_mixing_are_behind_the_normalisation',
    ]),
    Behaviour('classification', 'Crop and flip', image_crop, [
        f'{CLASSIFIERS}::test_crops_and_flips',
    ]),
    Behaviour('classification', 'Augmentation', image_policy, [
        f'{CLASSIFIER_VALUES}::test_order_and_values_of_training',
        f'{TIMM}::test_operations',
        f'{TIMM}::test_what_rand_augment_draws',
        f'{TIMM}::test_what_auto_augment_draws',
        f'{TIMM}::test_label_maps_move_as_their_images',
        f'{LABELS}::test_flip',
    ]),
    Behaviour('classification', 'Erasing', image_erasing, [
        f'{CLASSIFIER_VALUES}::test_order_and_values_of_training',
        f'{CLASSIFIERS}::test_noise_and_mixing_are_behind_the_normalisation',
    ]),
    Behaviour('classification', 'Mixing', image_mixing, [
        f'{CLASSIFIERS}::test_noise_and_mixing_are_behind_the_normalisation',
        f'{TOKENS}::test_token_labeling_step_by_hand',
        f'{TOKENS}::test_box_is_drawn_as_in_the_official_code',
    ]),
    Behaviour('classification', 'Targets', targets, [
        f'{TOKENS}::test_targets_and_loss_of_the_official_code',
        f'{CLASSIFIER_VALUES}::test_model',
    ]),
    Behaviour('classification', 'Images of an epoch', image_copies, [
        f'{CLASSIFIER_VALUES}::test_batch_and_run',
        f'{IMAGE_TRAINING}::test_repeated_augmentation_over_ranks',
        f'{IMAGE_TRAINING}::test_steps_of_an_epoch_of_imagenet',
    ]),
    Behaviour('classification', 'Learning rate', image_rate, [
        f'{CLASSIFIERS}::test_rate_of_every_epoch',
        f'{CLASSIFIERS}::test_highest_rates',
    ]),
    Behaviour('classification', 'Weight decay', classifier_decay, [
        f'{SCHEDULES}::test_what_is_decayed',
        f'{IMAGE_TRAINING}::test_weight_decay_of_layer_scale',
    ]),
    Behaviour('classification', 'Average of weights', average, [
        f'{CLASSIFIERS}::test_which_weights_a_test_reads',
        f'{IMAGE_TRAINING}::test_average_of_weights_and_statistics',
    ]),
    Behaviour('classification', 'Processes', processes, [
        f'{CLASSIFIER_VALUES}::test_batch_and_run',
    ]),
    Behaviour('classification', 'Initial values', image_start, [
        f'{STARTS}::test_every_parameter_starts_as_in_the_official_code',
        f'{CLASSIFIERS}::test_classifiers_start_as_linear_layers',
        f'{CLASSIFIERS}::test_fine_tuning_starts_from_trained_weights',
    ]),
    Behaviour('classification', 'Test', image_test, [
        f'{CLASSIFIERS}::test_what_a_test_sees_is_what_torchvision_does',
        f'{TOKENS}::test_golden',
    ]),
    Behaviour('video', 'Frames', clips, [
        f'{CLIPS}::test_dense_clips_of_a_test',
        f'{CLIPS}::test_dense_clips_of_training',
        f'{CLIPS}::test_even_clips',
    ]),
    Behaviour('video', 'Colours', colours, [
        f'{COLOURS}::test_clips_of_training',
        f'{COLOURS}::test_clips_of_a_test',
    ]),
    Behaviour('video', 'RandAugment', policy, [
        f'{AUGMENT}::test_each_operation_is_drawn_for_itself',
        f'{AUGMENT}::test_frames_share_what_copies_do_not',
    ]),
    Behaviour('video', 'Crop and flip', crop, [
        f'{AUGMENT}::test_how_often_clips_are_flipped_and_erased',
        f'{AUGMENT}::test_something_something_is_never_flipped',
    ]),
    Behaviour('video', 'Erasing', erasing, [
        f'{AUGMENT}::test_how_often_clips_are_flipped_and_erased',
        f'{AUGMENT}::test_frames_share_what_copies_do_not',
    ]),
    Behaviour('video', 'Copies', copies, [
        f'{AUGMENT}::test_frames_share_what_copies_do_not',
    ]),
    Behaviour('video', 'Mixing', mixing, [
        f'{BLENDING}::test_mixup_mixes_both_ends_in_the_labels_shares',
        f'{BLENDING}::test_cutmix_exchanges_a_box_in_the_labels_shares',
        f'{BLENDING}::test_one_or_the_other_as_often_as_said',
    ]),
    Behaviour('video', 'Learning rate', video_rate, [
        f'{SCHEDULES}::test_half_a_wave_after_a_warm_up',
    ]),
    Behaviour('video', 'Weight decay', video_decay, [
        f'{SCHEDULES}::test_what_is_decayed',
    ]),
    Behaviour('video', 'Initial values', start, [
        f'{STARTS}::test_every_parameter_starts_as_in_the_official_code',
        f'{SCHEDULES}::test_classifiers_start_as_linear_layers',
    ]),
    Behaviour('video', 'Views of a test', views, [
        f'{CLIPS}::test_dense_clips_of_a_test',
        f'{COLOURS}::test_clips_of_a_test',
    ]),
    Behaviour('detection', 'Scales', detection_scale, [
        f'{IMAGES}::test_scales_of_detection',
        f'{IMAGES}::test_crops_of_detection',
    ]),
    Behaviour('detection', 'Flip', lambda cfg: 'mirrored in 50 %', [
        f'{IMAGES}::test_scales_of_detection',
    ]),
    Behaviour('detection', 'Colours', image_colours, [
        f'{COLOURS}::test_images',
    ]),
    Behaviour(
        'detection',
        'Padding',
        lambda cfg: 'to multiples of 32, with the mean',
        [f'{IMAGES}::test_padding_of_detection'],
    ),
    Behaviour('detection', 'Learning rate', detection_rate, [
        f'{SCHEDULES}::test_steps_after_a_warm_up',
    ]),
    Behaviour('detection', 'Weight decay', image_decay, [
        f'{SCHEDULES}::test_what_is_decayed',
    ]),
    Behaviour('detection', 'Initial values', start, [
        f'{STARTS}::test_every_parameter_starts_as_in_the_official_code',
    ]),
    Behaviour(
        'detection',
        'Test',
        lambda cfg: (
            'one scale, within {} x {}'.format(
                *step(cfg, 'Resize', 'test').scale
            )
        ),
        [f'{IMAGES}::test_sizes_of_a_test'],
    ),
    Behaviour('segmentation', 'Scales and crops', segmentation_scale, [
        f'{IMAGES}::test_scales_and_crops_of_segmentation',
        f'{IMAGES}::test_a_crop_with_one_class_alone_is_drawn_again',
    ]),
    Behaviour('segmentation', 'Flip', lambda cfg: 'mirrored in 50 %', [
        f'{IMAGES}::test_scales_and_crops_of_segmentation',
    ]),
    Behaviour('segmentation', 'Colours', image_colours, [
        f'{COLOURS}::test_images',
    ]),
    Behaviour(
        'segmentation',
        'Padding and labels',
        lambda cfg: (
            'to 512 x 512: images with the mean, maps with 255, which is '
            'ignored; label 0 of a file is ignored, too'
        ),
        [
            f'{IMAGES}::test_padding_of_segmentation',
            f'{IMAGES}::test_the_first_label_of_a_file_is_no_class',
        ],
    ),
    Behaviour('segmentation', 'Learning rate', segmentation_rate, [
        f'{SCHEDULES}::test_decay_from_the_first_iteration',
    ]),
    Behaviour('segmentation', 'Weight decay', image_decay, [
        f'{SCHEDULES}::test_what_is_decayed',
    ]),
    Behaviour('segmentation', 'Initial values', start, [
        f'{STARTS}::test_every_parameter_starts_as_in_the_official_code',
    ]),
    Behaviour('segmentation', 'Test', segmentation_test, [
        f'{IMAGES}::test_sizes_of_a_test',
    ]),
    Behaviour('pose', 'Heatmaps', heatmap, [
        f'{KEYPOINTS}::test_heatmaps',
        f'{KEYPOINTS}::test_people_are_cut_out_at_the_size_of_the_recipe',
    ]),
    Behaviour('pose', 'People', people, [
        f'{KEYPOINTS}::test_how_boxes_are_moved',
        f'{KEYPOINTS}::test_how_often_people_are_flipped_and_halved',
    ]),
    Behaviour('pose', 'Colours', image_colours, [
        f'{COLOURS}::test_images',
    ]),
    Behaviour('pose', 'Learning rate', detection_rate, [
        f'{SCHEDULES}::test_steps_after_a_warm_up',
    ]),
    Behaviour('pose', 'Weight decay', image_decay, [
        f'{SCHEDULES}::test_what_is_decayed',
    ]),
    Behaviour('pose', 'Initial values', start, [
        f'{STARTS}::test_every_parameter_starts_as_in_the_official_code',
    ]),
]  # fmt: skip

TESTED = [
    f'{CHECKPOINTS}::test_commands_test_the_best_one',
    f'{CHECKPOINTS}::test_commands_test_the_last_one',
    f'{CHECKPOINTS}::test_the_best_checkpoint_is_kept_beside_the_last_ones',
]

DEVIATIONS = [
    Deviation(
        'classification',
        'Mixed precision',
        'apex, level O1, if it is there; else float32',
        "PyTorch's own, with a loss scale that adapts",
        'not measured',
        "apex is no part of today's PyTorch",
        [f'{CLASSIFIER_VALUES}::test_optimizer_and_average'],
        labels,
    ),
    Deviation(
        'classification',
        'Mean and deviation of colours',
        "those of the installed timm: ImageNet's up to 0.4.9, 0.5 in 0.4.12",
        "ImageNet's; the others by options",
        'unknown: nothing in the release decides',
        "the release names no version; LV-ViT's is 0.4.5",
        [f'{CLASSIFIER_VALUES}::test_order_and_values_of_training'],
        labels,
    ),
    Deviation(
        'classification',
        'Validation',
        'of the average, which chooses, and of the trained weights; a test '
        'reads the latter where a file has both',
        'of the average alone; a test reads the average',
        'which of them the published files hold is unknown',
        'one set of weights chooses and is tested',
        [f'{CLASSIFIERS}::test_which_weights_a_test_reads'],
        lambda cfg: labels(cfg) and bool(cfg.custom_hooks),
    ),
    Deviation(
        'classification',
        'Best checkpoint',
        'trained weights whose score is the best so far, of their own or of '
        "the average's",
        'the best of the trained weights',
        'not measured',
        'the official rule leaves out checkpoints by chance',
        [f'{CLASSIFIERS}::test_which_weights_a_test_reads'],
        is_light,
    ),
    Deviation(
        'classification',
        'Precision',
        'float32, the loss being scaled: steps with infinite gradients are '
        'left out',
        'float32',
        'none where no gradient is infinite',
        'nothing needs a scaled loss there',
        [f'{CLASSIFIER_VALUES}::test_optimizer_and_average'],
        is_light,
    ),
    Deviation(
        'classification',
        'Start of the average',
        'the initial weights',
        'the weights after the first step',
        'one step of the warm-up, at a rate of 1e-6',
        "mmengine's average",
        [f'{IMAGE_TRAINING}::test_average_of_weights_and_statistics'],
        lambda cfg: bool(cfg.custom_hooks),
    ),
    Deviation(
        'classification',
        'Weights in a checkpoint',
        'the trained ones, and the average beside them',
        'the other way round; a test takes the right ones',
        'none in a test; what reads the file otherwise gets the average',
        "mmengine's hook; `publish_model.py --weights trained` writes the "
        'official form',
        [f'{CLASSIFIERS}::test_which_weights_a_test_reads'],
        lambda cfg: bool(cfg.custom_hooks),
    ),
    Deviation(
        'video',
        'RandAugment',
        'on Pillow',
        'on OpenCV, the same operations',
        'in the mean at most 2 of 255 for what moves pixels, 0.5 for '
        'saturation, 0.1 for the others',
        "mmpretrain's operations, which users know",
        [f'{DEVIATIONS_HELD}::test_operations_are_those_of_pillow'],
    ),
    Deviation(
        'video',
        'Random crop',
        'interpolated between normalised numbers',
        'between bytes',
        '0.3 of 255',
        'mmaction2 normalises on the device, behind the augmentation',
        [f'{DEVIATIONS_HELD}::test_operations_are_those_of_pillow'],
    ),
    Deviation(
        'video',
        'Erasing',
        'noise behind the normalisation',
        'the same in front of it, cut off at black and white',
        '3 % of the noise is cut off',
        'as for the crop',
        [f'{DEVIATIONS_HELD}::test_noise_is_cut_off'],
    ),
    Deviation(
        'video',
        'Validation',
        'random crops',
        'the centre of one clip',
        'not measured; chooses the best checkpoint where that is tested',
        'nearer to the test',
        [f'{COLOURS}::test_clips_of_a_test'],
    ),
    Deviation(
        'video',
        'Statistics of BatchNorm on several GPUs',
        'those of the first',
        "the mean of all; the official code's: `custom_hooks=[]`",
        'not measured',
        "mmaction2's default",
        [f'{CHECKPOINTS}::test_one_switch_leaves_the_statistics_of_rank_0'],
    ),
    Deviation(
        'video',
        'Choice of frames',
        'not in the release, whose loader fails',
        'that of Something-Something',
        'unknown',
        'the likely one',
        [f'{CLIPS}::test_even_clips'],
        is_light,
    ),
    Deviation(
        'video',
        'Precision',
        'mixed, but for scores (XXS with 32 frames: mixed throughout)',
        'float32',
        'not measured',
        'the official README calls mixed precision closed: it met NaN',
        ['tests/test_configs/test_video_light.py::test_schedule'],
        is_light,
    ),
    Deviation(
        'video',
        'Classes',
        '101, of which 51 occur',
        '51',
        '50 rows of the classifier',
        'the data set has 51',
        [
            'tests/test_configs/test_video_recipes.py::'
            'test_model_and_augmentation'
        ],
        lambda cfg: 'hmdb51' in cfg.train_dataloader.dataset.data_root,
    ),
    Deviation(
        'detection',
        'Mixed precision',
        'apex, level O1',
        "PyTorch's own, with a loss scale that adapts",
        'not measured',
        "mmdet 3 has PyTorch's alone",
        [
            'tests/test_configs/test_detection_recipes.py::'
            'test_values_are_the_official_ones'
        ],
        lambda cfg: cfg.optim_wrapper.type == 'AmpOptimWrapper',
    ),
    Deviation(
        'segmentation',
        'Order of the images',
        'a data set that is repeated 50 times',
        'a sampler without an end',
        'the order alone',
        "mmseg 1's way of training by iterations",
        [
            'tests/test_configs/test_segmentation_recipes.py::'
            'test_values_are_the_official_ones'
        ],
        lambda cfg: 'Cosine' in cfg.param_scheduler[1].type,
    ),
    Deviation(
        'pose',
        'Shift of a box',
        'drawn once for each person; replaced by a half-body box',
        'drawn every time, on top of a half-body box',
        'the same limits; uniform there, normal here',
        "mmpose 1's transform",
        [f'{KEYPOINTS}::test_how_boxes_are_moved'],
    ),
    Deviation(
        'pose',
        'Annotated boxes',
        'a pixel less wide and high',
        'as written',
        '1 pixel of the photo',
        "mmpose 1's data set",
        [f'{DEVIATIONS_HELD}::test_annotated_boxes_are_as_written'],
    ),
    Deviation(
        'pose',
        'Rotation',
        'normal, deviation of 40 degrees, clipped at 80',
        'none beyond 80',
        'a deviation of 43 degrees',
        "mmpose 1's transform",
        [f'{KEYPOINTS}::test_how_boxes_are_moved'],
    ),
    Deviation(
        'pose',
        'Scale',
        'normal, deviation of 0.5, clipped at 0.5 and 1.5',
        'none beyond 0.5 and 1.5',
        'a deviation of 0.27',
        "mmpose 1's transform",
        [f'{KEYPOINTS}::test_how_boxes_are_moved'],
    ),
    Deviation(
        'pose',
        'Statistics of BatchNorm on several GPUs',
        'those of the first',
        "the mean of all; the official code's: `custom_hooks=[]`",
        'not measured',
        "mmpose's default",
        [f'{CHECKPOINTS}::test_one_switch_leaves_the_statistics_of_rank_0'],
    ),
]
