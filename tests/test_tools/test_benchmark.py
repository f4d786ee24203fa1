"""tools/analysis_tools/benchmark.py and what it is made of."""

import json
import math
import multiprocessing
import re
import time
from pathlib import Path

import cv2
import pytest
import torch
from benchmarking import (
    comparing,
    device,
    measuring,
    models,
    workloads,
)
from benchmarking.command import benchmark, choose
from benchmarking.comparing import Comparer, Measured, Result
from benchmarking.measuring import (
    peak_growth,
    quartiles,
    time_in_turn,
)
from benchmarking.models import build
from benchmarking.reference import PlainGlobalBlock, PlainUniFormer
from benchmarking.report import (
    Report,
    exponents,
    lines_over_sizes,
    plot,
    read_report,
    rows,
    speedup,
)
from benchmarking.workloads import (
    OTHERS,
    PRESETS,
    Comparison,
    Variant,
    Workload,
    grid,
)
from golden_data import fill, relative_l2

from mmuniformer.errors import UserError
from mmuniformer.models import UniFormer, UniFormer3D
from mmuniformer.models.layers import UniFormerBlock

ROOT = Path(__file__).parents[2]
TINY = dict(depths=(1, 1, 4, 1), embed_dims=(16, 32, 64, 96), head_dim=16)
SMALL = Workload('S', (64, 64))
REFERENCE, DEPLOY = Variant('reference'), Variant('deploy')


class TestReference:
    @pytest.mark.parametrize('stage3', ['global', 'window', 'hybrid'])
    def test_images(self, stage3):
        ours = UniFormer(TINY, stage3=stage3, window_size=3)
        self.compare(ours, (2, 3, 72, 104))

    def test_video(self):
        self.compare(UniFormer3D(TINY), (1, 3, 5, 64, 72))

    def compare(self, ours, shape):
        fill(ours).double()
        plain = PlainUniFormer(ours).double()
        x = torch.randn(shape, dtype=torch.float64)
        for training in (True, False):
            outs, expected = ours.train(training)(x), plain.train(training)(x)
            outs = [outs] if isinstance(outs, torch.Tensor) else outs
            for out, want in zip(outs, expected, strict=True):
                out, want = out.detach().numpy(), want.detach().numpy()
                assert relative_l2(out, want) < 1e-10

    def test_it_is_no_better_than_it_says(self):
        """NCHW maps, and nothing of the fused attention."""
        plain = PlainUniFormer(UniFormer(TINY))
        with torch.profiler.profile() as profile:
            outs = plain(torch.rand(1, 3, 64, 64))
        names = {event.name for event in profile.events()}
        assert not any('scaled_dot_product' in name for name in names)
        assert all(out.is_contiguous() for out in outs)


def attention_growth(block_type: str, side: int) -> int:
    """Memory of a training step of a global block; in its own process."""
    torch.set_num_threads(1)
    dim, heads = 64, 1
    if block_type == 'plain':
        block = PlainGlobalBlock(2, dim, 4.0, heads)
    else:
        block = UniFormerBlock(2, dim, 'global', heads)
    x = torch.rand(1, dim, side, side).to(memory_format=torch.channels_last)
    # What libraries set up once is not of the step.
    block(x[..., :8, :8], None).sum().backward()
    block.zero_grad()
    return peak_growth(lambda: block(x, None).sum().backward())


def test_memory_of_a_global_block_grows_linearly_with_tokens():
    context = multiprocessing.get_context('spawn')
    with context.Pool(1, maxtasksperchild=1) as pool:
        memory = {
            (kind, side): pool.apply(attention_growth, (kind, side))
            for kind in ('ours', 'plain')
            for side in (32, 64)
        }
    # Four times the tokens.
    assert 2 < memory['ours', 64] / memory['ours', 32] < 5
    # The same measurement sees the matrices where there are any.
    assert memory['plain', 64] / memory['plain', 32] > 8
    matrix = 64**4 * 4
    assert memory['plain', 64] > 2 * matrix > memory['ours', 64]


class TestTiming:
    def test_each_has_a_turn_in_each_round(self):
        calls = []

        def runner(name, seconds):
            def run():
                calls.append(name)
                time.sleep(seconds)

            return run

        runners = {'slow': runner('slow', 0.12), 'fast': runner('fast', 0.06)}
        times = time_in_turn(runners, 'cpu', rounds=4, seconds=60)
        assert [len(values) for values in times.values()] == [4, 4]
        # The first, which shows how long it takes, is a round where all are
        # long.
        assert len(calls) == 8
        turns = [set(calls[i : i + 2]) for i in range(0, 8, 2)]
        assert turns == [{'slow', 'fast'}] * 4
        ratios = [
            a / b for a, b in zip(times['slow'], times['fast'], strict=True)
        ]
        assert quartiles(ratios)[1] == pytest.approx(2, rel=0.3)

    def test_what_is_short_is_repeated(self):
        count = 0

        def run():
            nonlocal count
            count += 1
            time.sleep(0.01)

        (times,) = time_in_turn({'a': run}, 'cpu', 3, 60).values()
        assert count >= 10
        assert quartiles(times)[1] == pytest.approx(0.01, rel=0.5)

    def test_a_long_comparison_ends_with_three_rounds(self):
        run = lambda: time.sleep(0.05)  # noqa: E731
        (times,) = time_in_turn({'a': run}, 'cpu', 50, 0.01).values()
        assert len(times) == 3


def result(variant, *times, **kwargs):
    return Result(variant, list(times), macs=int(1e9), **kwargs)


def make_report():
    small = Measured(
        SMALL,
        [
            result(REFERENCE, 1.0, 1.2, 1.1, memory=int(1e9), error=0.0),
            result(DEPLOY, 0.5, 0.6, 0.5, memory=int(3e8), error=1e-7),
            Result(Variant('Swin-T'), note='not installed: mmdet'),
        ],
    )
    larger = Measured(
        Workload('S', (128, 128)),
        [result(REFERENCE, 3.0, 3.0), result(DEPLOY, 1.0, 1.5)],
    )
    return Report(dict(device='here'), dict(fp32=4e9), [small, larger])


class TestReport:
    def test_ratios_are_of_pairs(self):
        reference, deploy, _ = make_report().comparisons[0].results
        _, median, high = speedup(deploy, reference)
        assert median == pytest.approx(2.0)
        assert high == pytest.approx(2.1)

    def test_rows(self):
        report = make_report()
        _, deploy, swin = rows(report.comparisons[0], report.ceilings)
        assert deploy == {
            'variant': 'ours, deployed, fp32',
            'time (ms)': '500 (500-550)',
            'faster': '2.00 (2.00-2.10)',
            'per second': '2',
            'memory (MB)': '300',
            'of memory': '0.30',
            'GMACs': '1.0',
            'of ceiling': '50%',
            'error': '1e-07',
        }
        assert list(swin.values()) == ['Swin-T, fp32', 'not installed: mmdet']

    def test_a_table_has_the_columns_of_its_rows(self):
        report = make_report()
        small, larger, growth = report.to_markdown().split('## ')[1:]
        assert growth.startswith('Growth')
        assert '| ours, deployed, fp32 | 500 (500-550) | 2.00 ' in small
        end = '| Swin-T, fp32 | not installed: mmdet |  |  |  |  |  |  |  |'
        assert end in small
        assert 'memory' not in larger

    def test_figure(self, tmp_path):
        lines = lines_over_sizes(make_report().comparisons)
        assert lines.keys() == {'megapixels'}
        line = lines['megapixels']['S, ours, deployed, fp32']
        assert [size for size, *_ in line] == [64 * 64 / 1e6, 128 * 128 / 1e6]
        plot(lines, tmp_path / 'figure.png')
        assert (tmp_path / 'figure.png').read_bytes()[:4] == b'\x89PNG'

    def test_there_is_no_empty_panel(self, tmp_path):
        shapes = []
        for memory in (math.nan, 2.0):
            line = [(0.1, 1.0, memory), (0.2, 2.0, memory)]
            plot({'megapixels': {'S': line}}, tmp_path / 'figure.png')
            shapes.append(cv2.imread(str(tmp_path / 'figure.png')).shape)
        without, both = shapes
        assert both[0] == 2 * without[0]


@pytest.fixture
def tiny_s(monkeypatch):
    monkeypatch.setitem(workloads.MODELS['S'], 'arch', TINY)


@pytest.fixture
def tiny_models(monkeypatch, tiny_s):
    # With 8 channels, PyTorch 2.14 trains it in bfloat16 beyond its memory.
    tiny_resnet = dict(OTHERS['ResNet-50'], depth=18, base_channels=32)
    monkeypatch.setitem(OTHERS, 'ResNet-50', tiny_resnet)
    monkeypatch.setitem(device.LARGE, 'cpu', 256)
    # It has a process of its own, with the published models.
    monkeypatch.setattr(comparing, 'peak_memory', lambda *_: 10**6)


def test_a_run_from_end_to_end(tmp_path, tiny_models):
    report = benchmark(
        device='cpu',
        rounds=3,
        out_dir=str(tmp_path / 'new'),
        models=['S'],
        sizes=['64', '64x96'],
        modes=['inference', 'training'],
        dtypes=['fp32', 'bf16'],
        variants=['reference', 'ours', 'deploy', 'ResNet-50'],
    )
    assert [str(m.workload.size) for m in report.comparisons] == [
        '(64, 64)',
        '(64, 64)',
        '(64, 96)',
        '(64, 96)',
    ]
    for measured in report.comparisons:
        trains = measured.workload.mode == 'training'
        assert len(measured.results) == (6 if trains else 8)
        for one in measured.results:
            assert len(one.times) == 3
            assert min(one.times) > 0
            if one.variant.name == 'ResNet-50':
                assert one.error is None
                continue
            limit = 2e-6 if one.variant.dtype == 'fp32' else 0.03
            assert one.error <= limit
            assert (one.error > 1e-4) == (one.variant.dtype == 'bf16')
    content = json.loads((tmp_path / 'new' / 'benchmark.json').read_text())
    assert content['environment']['device']
    ours = content['comparisons'][0]['results'][1]
    assert ours['variant']['name'] == 'ours'
    assert ours['times'] == report.comparisons[0].results[1].times
    markdown = (tmp_path / 'new' / 'benchmark.md').read_text()
    assert '## S, 64x96, batch 1, training' in markdown
    assert (tmp_path / 'new' / 'benchmark.png').is_file()


def test_a_run_goes_on_where_it_was_ended(tmp_path, tiny_models, monkeypatch):
    how = dict(
        device='cpu',
        rounds=3,
        seconds=0,
        out_dir=str(tmp_path),
        variants=['deploy'],
    )
    first = benchmark(**how, sizes=['64'])
    both = benchmark(**how, sizes=['64', '96'], resume=True)
    small, large = both.comparisons
    assert small == first.comparisons[0]
    assert large.workload.size == (96, 96)
    assert both.ceilings == first.ceilings
    assert read_report(tmp_path / 'benchmark.json') == both
    assert both.left_out == []
    # What is not asked for stays, after what is; nothing is measured again.
    more = benchmark(**how, sizes=['96', '32'], resume=True, minutes=0)
    assert more.comparisons == [large, small]
    assert more.left_out == ['S, 32x32, batch 1, inference: ours, deployed']
    assert '## Not measured' in more.to_markdown()
    # A package that was not listed may have been there.
    content = (tmp_path / 'benchmark.json').read_text()
    fewer = content.replace(', timm', ', another 1.0, timm')
    (tmp_path / 'benchmark.json').write_text(fewer)
    assert benchmark(**how, sizes=['96'], resume=True).left_out == []
    other = content.replace('"packages": "torch ', '"packages": "torch 0')
    (tmp_path / 'benchmark.json').write_text(other)
    with pytest.raises(UserError, match='of another packages'):
        benchmark(**how, sizes=['96'], resume=True)
    (tmp_path / 'benchmark.json').write_text(content)
    monkeypatch.setattr(device, '_threads', lambda: '64 threads')
    with pytest.raises(UserError, match=r'of another device .*64 threads'):
        benchmark(**how, sizes=['64'], resume=True)
    (tmp_path / 'benchmark.json').write_text('{"comparisons": [1]}')
    with pytest.raises(UserError, match='cannot be gone on with'):
        benchmark(**how, sizes=['64'], resume=True)


def test_on_a_shared_machine_only_its_own_time_counts(tiny_s, monkeypatch):
    """Here it is the others' for a second, in each step."""

    class Slow(measuring.Runner):
        def __call__(self, inputs=None):
            time.sleep(0.2)
            return super().__call__(inputs)

    monkeypatch.setattr(measuring, 'Runner', Slow)
    (own,) = (
        Comparer('cpu', 3, 0, own_time=True)
        .run(Comparison(SMALL, (DEPLOY,)))
        .results
    )
    assert max(own.times) < 0.2 <= min(run(SMALL, DEPLOY)[0].times)
    with pytest.raises(UserError, match='--shared is of one thread'):
        benchmark(device='cpu', preset='quick', shared=True, threads=2)


def test_a_run_with_a_profile(tmp_path, tiny_models):
    benchmark(
        device='cpu',
        rounds=3,
        out_dir=str(tmp_path),
        sizes=['64'],
        variants=['reference', 'ours'],
        profile=True,
    )
    content = json.loads((tmp_path / 'benchmark.json').read_text())
    plain, ours = content['comparisons'][0]['results'][:2]
    for kind in ('matrix products', 'depthwise convolution', 'GELU'):
        assert 0 < ours['kinds'][kind] < max(ours['times'])
    fused, softmax = 'fused attention', 'softmax'
    assert plain['kinds'][fused] == ours['kinds'][softmax] == 0
    assert min(plain['kinds'][softmax], ours['kinds'][fused]) > 0
    total = sum(ours['kinds'].values())
    assert total == pytest.approx(quartiles(ours['times'])[1], rel=0.7)
    markdown = (tmp_path / 'benchmark.md').read_text()
    assert '| variant | depthwise convolution |' in markdown


def test_the_command_measures_memory_in_a_process_of_its_own(
    run_tool, tmp_path
):
    done = run_tool(
        'analysis_tools/benchmark.py',
        *('--models', 'S', '--sizes', 256, '--contenders', 'deploy'),
        *('--rounds', 3, '--seconds', 0, '--device', 'cpu'),
    )
    assert done.returncode == 0, done.stderr
    assert 'S, 256x256, batch 1, inference' in done.stdout
    out = tmp_path / 'work_dirs' / 'benchmark' / 'benchmark.json'
    (comparison,) = json.loads(out.read_text())['comparisons']
    largest_map = 64 * 64 * 64 * 4 * 4
    (deploy,) = comparison['results']
    assert largest_map < deploy['memory'] < 40 * largest_map


def test_another_function_is_not_timed(monkeypatch, tiny_s):
    def other(variant, workload):
        model = build(variant, workload)
        if variant.name == 'deploy':
            model.blocks1[0].conv1.weight.data[0] += 0.1
        return model

    monkeypatch.setattr(measuring, 'build', other)
    with pytest.raises(RuntimeError, match=r'deployed, fp32 is not the fun'):
        run(SMALL, REFERENCE, DEPLOY)


def run(workload, *variants, rounds=3, seconds=0):
    comparer = Comparer('cpu', rounds, seconds)
    return comparer.run(Comparison(workload, variants)).results


def test_exported_files_are_the_same_function(tiny_s):
    """Each in its own runtime, and 8 bits are rounded."""
    pytest.importorskip('onnxruntime')
    pytest.importorskip('nncf')
    _, *others = run(
        SMALL,
        DEPLOY,
        Variant('onnxruntime'),
        Variant('openvino'),
        Variant('openvino', 'int8'),
    )
    assert all(len(one.times) == 3 for one in others)
    for exact in others[:2]:
        assert exact.error < 1e-5
    assert 1e-4 < others[2].error < 0.2
    (row, *_) = rows(Measured(SMALL, others[2:]), {'fp32': 1e12})
    assert row['variant'] == 'ours, deployed, in OpenVINO, int8'
    assert 'of ceiling' not in row


def test_runtimes_have_formats_of_their_own():
    (comparison,) = grid(
        variants=['deploy', 'onnxruntime', 'openvino'],
        dtypes=['fp32', 'fp16', 'int8'],
        compile=['no', 'yes'],
    )
    assert [(v.name, v.dtype, v.compiled) for v in comparison.variants] == [
        ('deploy', 'fp32', False),
        ('deploy', 'fp32', True),
        ('onnxruntime', 'fp32', False),
        ('openvino', 'fp32', False),
        ('deploy', 'fp16', False),
        ('deploy', 'fp16', True),
        ('openvino', 'int8', False),
    ]


def test_a_missing_library_is_a_note(monkeypatch, tiny_s):
    monkeypatch.setitem(OTHERS, 'Swin-T', dict(type='nolib.SwinTransformer'))
    _, swin = run(SMALL, REFERENCE, Variant('Swin-T'))
    assert swin.note.startswith('not installed')


@pytest.mark.parametrize('name', [*OTHERS, 'mmaction2'])
def test_others_are_compared(name, tiny_s):
    pytest.importorskip('mmdet')
    pytest.importorskip('mmaction')
    if name in OTHERS and OTHERS[name]['type'] == 'timm':
        pytest.importorskip('timm')
    (comparison,) = grid(
        models=['S', 'video S'],
        sizes=['64', '4x64x64'],
        variants=[name],
    )
    _, other = run(comparison.workload, REFERENCE, *comparison.variants)
    assert other.note == ''
    assert len(other.times) == 3
    assert other.macs > 1e8
    assert (other.error is None) == (name != 'mmaction2')


def test_each_comparison_has_the_compiler_for_itself(monkeypatch, tiny_s):
    """Beyond its limit a model would run as it is, and be called compiled."""
    compiled = []

    def backend(graph, inputs):
        compiled.append(graph)
        return graph.forward

    monkeypatch.setattr(
        models, 'COMPILE', dict(dynamic=False, backend=backend)
    )
    for side in (32, 48, 64):
        workload = Workload('S', (side, side))
        before = len(compiled)
        with torch._dynamo.config.patch(recompile_limit=2):
            (ours,) = run(workload, Variant('ours', compiled=True))
        assert len(compiled) > before
        assert ours.compile_time > 0


def test_what_cannot_be_compiled_is_a_note(monkeypatch, tiny_s):
    def backend(graph, inputs):
        raise ValueError('no compiler')

    monkeypatch.setattr(models, 'COMPILE', dict(backend=backend))
    fine, broken = run(SMALL, DEPLOY, Variant('deploy', compiled=True))
    assert len(fine.times) == 3
    assert broken.times == []
    assert broken.note.startswith('not compiled')


def test_nan_is_no_agreement():
    good, bad = torch.ones(3), torch.full((3,), float('nan'))
    assert measuring.relative_error([good, good], [good, good]) == 0
    assert not measuring.relative_error([good, bad], [good, good]) < 1


@pytest.mark.parametrize('preset', PRESETS)
def test_presets_are_of_what_can_be_built(preset):
    for comparison in PRESETS[preset]:
        workload = comparison.workload
        assert workload.model in workloads.MODELS
        assert workload.is_video == workload.model.startswith('video')
        for variant in comparison.variants:
            assert variant.name in workloads.NAMES
            assert workloads.makes_sense(variant.name, workload)
            assert workloads.has_format(
                variant.name, variant.dtype, variant.compiled
            )
            assert (variant.name == 'keep-all') <= workload.is_light


@pytest.mark.parametrize(
    ('device', 'preset', 'number'),
    [('cpu', 'quick', 8), ('cuda', 'gpu', 7)],
)
def test_every_goal_is_in_the_preset_of_its_device(device, preset, number):
    """The tables of docs/benchmarks.md name what the reports name."""
    comparisons = choose(None, device, {})
    assert comparisons == PRESETS[preset]
    known = {str(c.workload): c for c in comparisons}
    goals = re.findall(
        r'^\| (.+?) \| (.+?) \| (.+?) \| [\d.]+ (faster|of memory)',
        (ROOT / 'docs' / 'benchmarks.md').read_text(),
        re.MULTILINE,
    )
    goals = [
        goal for goal in goals if ('autocast' in goal[2]) == (device == 'cuda')
    ]
    assert len(goals) == number
    for workload, *pair, ratio in goals:
        comparison = known[workload]
        assert set(pair) <= set(map(str, comparison.variants))
        assert comparison.memory or ratio == 'faster'


def test_light_models_are_compared_with_themselves():
    (comparison,) = grid(
        models=['XXS'],
        sizes=['64', '4x64x64'],
        batch_sizes=[2],
        variants=['reference', 'keep-all', 'ours', 'deploy'],
    )
    all_kept, ours, deployed = run(
        comparison.workload, *comparison.variants, seconds=1
    )
    assert ours.macs < all_kept.macs
    assert all_kept.error is None
    assert deployed.error < 1e-5


def test_the_grid_leaves_out_what_makes_no_sense():
    comparisons = grid(
        models=['S', 'video S'],
        sizes=['224', '16x112x112'],
        modes=['training'],
        variants=['reference', 'deploy', 'mmaction2', 'Swin-T'],
    )
    assert [
        (str(c.workload), [v.name for v in c.variants]) for c in comparisons
    ] == [
        ('S, 224x224, batch 1, training', ['reference', 'Swin-T']),
        (
            'video S, 16x112x112, batch 1, training',
            ['reference', 'mmaction2'],
        ),
    ]


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (dict(models=['S-h15']), ['--models', 'S-h14']),
        (dict(variants=['swin']), ['--variants', 'Swin-T']),
        (dict(sizes=['8xx']), ['--sizes 8xx', '800x1280']),
        (dict(models=['video S']), ['T x H x W']),
        (dict(batch_sizes=[0]), ['--batch-sizes']),
        (dict(preset='quick', models=['S']), ['leave out --models']),
        (dict(rounds=2), ['--rounds']),
        (dict(threads=0), ['--threads']),
        (dict(device='tpu'), ['--device']),
        (dict(device='mps'), ['--device mps', 'cpu or cuda']),
        (dict(preset='quick', compile=['yes']), ['leave out --compile']),
        (
            dict(modes=['training'], variants=['deploy']),
            ['deployed model does not train'],
        ),
    ],
)
def test_mistakes_are_told(arguments, words):
    with pytest.raises(UserError) as error:
        benchmark(**{'device': 'cpu', **arguments})
    assert all(word in str(error.value) for word in words)


class TestCompetitors:
    """Those of the paper's tables, each at its own size."""

    @pytest.fixture(autouse=True)
    def libraries(self):
        pytest.importorskip('timm')

    def test_each_is_built_and_counted(self):
        """At its own size, with the operations that are published of it."""
        expected = {
            'MobileViT-XS@256': 1.0,
            'EfficientNet-B1@240': 0.7,
            'PVTv2-B1@224': 2.1,
            'CAFormer-S18@224': 4.1,
        }
        for name, gmacs in expected.items():
            workload = Workload('S', (224, 224))
            variant = Variant(name)
            size = workloads.input_size(variant, workload)
            assert size == tuple([int(name.partition('@')[2])] * 2)
            macs = comparing._macs(name, 'S', size)
            assert macs / 1e9 == pytest.approx(gmacs, rel=0.1), name

    def test_paired_at_other_sizes(self, monkeypatch):
        """An image of each, and what is published of it."""
        known = dict(workloads.COMPETITORS)
        known['MobileViT-XXS@64'] = known['MobileViT-XXS@256']
        monkeypatch.setattr(workloads, 'COMPETITORS', known)
        monkeypatch.setitem(
            OTHERS, 'MobileViT-XXS@64', known['MobileViT-XXS@64']
        )
        comparison = Comparison(
            Workload('XXS', (128, 128), 1),
            (
                Variant('deploy'),
                Variant('MobileViT-XXS@64'),
                Variant('CoAtNet-0@224'),
            ),
        )
        measured = Comparer('cpu', 3, 0.1).run(comparison)
        ours, theirs, absent = measured.results
        assert ours.times
        assert theirs.times
        assert theirs.macs < 60e6 < ours.macs
        if not absent.times:
            assert absent.note.startswith('not installed')
        found = rows(measured, {'fp32': 1e12})
        assert found[0]['top-1, published'] == '76.8'
        # At this size nothing is.
        assert 'top-1, published' not in found[1]


def test_fitted_exponents():
    line = [(x, 3 * x**2.0, 5 * x) for x in (1.0, 2.0, 4.0)]
    (row,) = exponents({'megapixels': {'global': line}})
    assert (row['time'], row['memory']) == ('2.00', '1.00')
    (row,) = exponents({'frames': {'x': [(1, 1, math.nan), (2, 2, 1.0)]}})
    assert 'memory' not in row
