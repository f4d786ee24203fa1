"""tools/analysis_tools/benchmark.py and what it is made of."""

import json
import multiprocessing
import time
from dataclasses import replace

import cv2
import pytest
import torch
from golden_data import fill, relative_l2

from mmuniformer.analysis.benchmark import (
    contenders,
    measuring,
    racing,
    works,
)
from mmuniformer.analysis.benchmark.command import benchmark, choose
from mmuniformer.analysis.benchmark.contenders import PEERS, build
from mmuniformer.analysis.benchmark.measuring import (
    Spread,
    peak_growth,
    peak_memory,
    time_in_turn,
)
from mmuniformer.analysis.benchmark.racing import (
    RaceResult,
    Racing,
    Report,
    Result,
)
from mmuniformer.analysis.benchmark.reference import (
    PlainGlobalBlock,
    PlainUniFormer,
)
from mmuniformer.analysis.benchmark.report import (
    goal_rows,
    lines_over_sizes,
    plot,
    race_rows,
)
from mmuniformer.analysis.benchmark.works import (
    BASELINE,
    COMPILED,
    DEPLOY,
    Entry,
    Goal,
    Race,
    Work,
    grid,
)
from mmuniformer.errors import UserError
from mmuniformer.models import UniFormer, UniFormer3D
from mmuniformer.models.layers import UniFormerBlock

TINY = dict(depths=(1, 1, 4, 1), embed_dims=(16, 32, 64, 96), head_dim=16)
SMALL = Work('S', (64, 64))


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


def test_memory_of_an_entry_is_measured_in_its_own_process():
    work = Work('S', (256, 256))
    largest_map = 64 * 64 * 64 * 4 * 4
    assert largest_map < peak_memory(DEPLOY, work, 'cpu') < 40 * largest_map


class TestTiming:
    def test_everyone_has_a_turn_in_each_round(self):
        calls = []

        def runner(name, seconds):
            def run():
                calls.append(name)
                time.sleep(seconds)

            return run

        runners = {'slow': runner('slow', 0.12), 'fast': runner('fast', 0.06)}
        times = time_in_turn(runners, 'cpu', rounds=4, seconds=60)
        assert [len(values) for values in times.values()] == [4, 4]
        # One each to see how long it takes, then in turn.
        turns = [set(calls[i : i + 2]) for i in range(2, 10, 2)]
        assert turns == [{'slow', 'fast'}] * 4
        ratios = [
            a / b for a, b in zip(times['slow'], times['fast'], strict=True)
        ]
        assert Spread.of(ratios).median == pytest.approx(2, rel=0.3)

    def test_what_is_short_is_repeated(self):
        count = 0

        def run():
            nonlocal count
            count += 1
            time.sleep(0.01)

        (times,) = time_in_turn({'a': run}, 'cpu', 3, 60).values()
        assert count >= 10
        assert Spread.of(times).median == pytest.approx(0.01, rel=0.5)

    def test_a_long_race_ends_with_three_rounds(self):
        run = lambda: time.sleep(0.05)  # noqa: E731
        (times,) = time_in_turn({'a': run}, 'cpu', 50, 0.01).values()
        assert len(times) == 3


def result(entry, *times, **kwargs):
    return Result(entry, list(times), macs=int(1e9), **kwargs)


def make_report():
    race = RaceResult(
        SMALL,
        [
            result(BASELINE, 1.0, 1.2, 1.1, memory=int(1e9), error=0.0),
            result(DEPLOY, 0.5, 0.6, 0.5, memory=int(3e8), error=1e-7),
            Result(Entry('Swin-T'), note='not installed: mmdet'),
        ],
    )
    other = RaceResult(
        Work('S', (128, 128)),
        [result(BASELINE, 3.0, 3.0), result(DEPLOY, 1.0, 1.5)],
    )
    return Report(dict(device='here'), dict(fp32=4e9), [race, other])


class TestReport:
    def test_ratios_are_of_pairs(self):
        speedup = make_report().races[0].speedup(DEPLOY, BASELINE)
        assert speedup.median == pytest.approx(2.0)
        assert speedup.high == pytest.approx(2.1)

    def test_rows(self):
        report = make_report()
        rows = race_rows(report.races[0], report)
        assert rows[1] == [
            'ours, deployed, fp32',
            '500 (500-550)',
            '2.00 (2.00-2.10)',
            '2',
            '300',
            '0.30',
            '1.0',
            '50%',
            '1e-07',
        ]
        assert rows[2][:2] == ['Swin-T, fp32', 'not installed: mmdet']

    def test_goals(self):
        report = make_report()
        goals = [
            Goal(SMALL, DEPLOY, BASELINE, 1.9),
            Goal(SMALL, DEPLOY, BASELINE, 2.1),
            Goal(SMALL, DEPLOY, BASELINE, 0.4, memory=True),
            Goal(SMALL, DEPLOY, BASELINE, 0.2, memory=True),
            Goal(SMALL, Entry('ours'), BASELINE, 1.0),
            Goal(SMALL, DEPLOY, BASELINE, 2.1, only_with='amx'),
        ]
        rows = goal_rows(report, goals, 'avx512_bf16')
        assert [row[3] for row in rows] == [
            'yes',
            'no',
            'yes',
            'no',
            'not measured',
            'no (it is for a device with amx)',
        ]
        assert rows[0][2] == '2.00'

    def test_figure(self, tmp_path):
        lines = lines_over_sizes(make_report())
        assert lines.keys() == {False}
        assert [p[0] for p in lines[False]['S, ours, deployed, fp32']] == [
            64 * 64 / 1e6,
            128 * 128 / 1e6,
        ]
        plot(lines, tmp_path / 'figure.png')
        assert (tmp_path / 'figure.png').read_bytes()[:4] == b'\x89PNG'

    def test_there_is_no_empty_panel(self, tmp_path):
        shapes = []
        for memory in (None, 2e9):
            points = [(0.1, 1.0, memory), (0.2, 2.0, memory)]
            plot({False: {'S': points}}, tmp_path / 'figure.png')
            shapes.append(cv2.imread(str(tmp_path / 'figure.png')).shape)
        without, both = shapes
        assert both[0] == 2 * without[0]


def test_a_run_from_end_to_end(tmp_path, monkeypatch):
    monkeypatch.setattr(racing, 'peak_memory', lambda *_: 10**6)
    monkeypatch.setitem(works.MODELS, 'S', dict(arch=TINY))
    report = benchmark(
        device='cpu',
        rounds=3,
        out_dir=str(tmp_path / 'new'),
        models=['S'],
        sizes=['64', '64x96'],
        modes=['inference', 'training'],
        dtypes=['fp32', 'bf16'],
        contenders=['reference', 'ours', 'deploy', 'ResNet-50'],
        profile=True,
    )
    assert [str(race.work.size) for race in report.races] == [
        '(64, 64)',
        '(64, 64)',
        '(64, 96)',
        '(64, 96)',
    ]
    for race in report.races:
        trains = race.work.mode == 'training'
        assert len(race.results) == (6 if trains else 8)
        for one in race.results:
            assert len(one.times) == 3
            assert min(one.times) > 0
            if one.entry.contender == 'ResNet-50':
                assert one.error is None
                continue
            limit = 2e-6 if one.entry.dtype == 'fp32' else 0.03
            assert one.error <= limit
            assert (one.error > 1e-4) == (one.entry.dtype == 'bf16')
    content = json.loads((tmp_path / 'new' / 'benchmark.json').read_text())
    assert content['environment']['device']
    plain, entry = content['races'][0]['results'][:2]
    for kind in ('matrix products', 'depthwise convolution', 'GELU'):
        assert 0 < entry['kinds'][kind] < max(entry['times'])
    fused, softmax = 'fused attention', 'softmax'
    assert plain['kinds'][fused] == entry['kinds'][softmax] == 0
    assert min(plain['kinds'][softmax], entry['kinds'][fused]) > 0
    total = sum(entry['kinds'].values())
    assert total == pytest.approx(Spread.of(entry['times']).median, rel=0.7)
    assert entry['entry']['contender'] == 'ours'
    assert entry['times'] == report.races[0].results[1].times
    markdown = (tmp_path / 'new' / 'benchmark.md').read_text()
    assert '## S, 64x96, batch 1, training' in markdown
    assert '| who | depthwise convolution |' in markdown
    assert (tmp_path / 'new' / 'benchmark.png').is_file()


def test_another_function_is_no_contender(monkeypatch):
    def other(contender, work, compiled):
        model = build(contender, work)
        if contender == 'deploy':
            model.blocks1[0].conv1.weight.data[0] += 0.1
        return model

    monkeypatch.setattr(measuring, 'build', other)
    with pytest.raises(RuntimeError, match=r'deployed, fp32 is not the fun'):
        Racing('cpu', 3, 1).run(Race(SMALL, (BASELINE, DEPLOY)))


def test_a_missing_library_is_a_note(monkeypatch):
    monkeypatch.setitem(
        PEERS, 'Swin-T', lambda work: dict(type='nolib.SwinTransformer')
    )
    race = Race(SMALL, (BASELINE, Entry('Swin-T')))
    result = Racing('cpu', 3, 1).run(race).results[1]
    assert result.note.startswith('not installed')


@pytest.mark.parametrize('name', [*PEERS, 'mmaction2'])
def test_others_take_part(name):
    pytest.importorskip('mmdet')
    pytest.importorskip('mmaction')
    is_image = name in works.IMAGE_PEERS
    work = Work('S', (64, 64)) if is_image else Work('video S', (4, 64, 64))
    race = Race(work, (BASELINE, Entry(name)))
    (_, result) = Racing('cpu', 3, 0).run(race).results
    assert result.note == ''
    assert len(result.times) == 3
    assert result.macs > 1e8
    assert (result.error is None) == (name != 'mmaction2')


def test_each_race_has_the_compiler_for_itself(monkeypatch):
    """Beyond its limit a model would run as it is, and be called compiled."""
    compiled = []

    def backend(graph, inputs):
        compiled.append(graph)
        return graph.forward

    monkeypatch.setattr(
        contenders, 'COMPILE', dict(dynamic=False, backend=backend)
    )
    for side in (32, 48, 64):
        work = Work('XXS', (side, side))
        race = Race(work, (Entry('ours', compiled=True),))
        before = len(compiled)
        with torch._dynamo.config.patch(recompile_limit=2):
            (result,) = Racing('cpu', 3, 0).run(race).results
        assert len(compiled) > before
        assert result.compile_time > 0


def test_what_cannot_be_compiled_is_a_note(monkeypatch):
    def backend(graph, inputs):
        raise ValueError('no compiler')

    monkeypatch.setattr(contenders, 'COMPILE', dict(backend=backend))
    race = Race(SMALL, (DEPLOY, COMPILED))
    fine, broken = Racing('cpu', 3, 0).run(race).results
    assert len(fine.times) == 3
    assert broken.times == []
    assert broken.note.startswith('not compiled')


def test_nan_is_no_agreement():
    good, bad = torch.ones(3), torch.full((3,), float('nan'))
    assert measuring.relative_error([good, good], [good, good]) == 0
    assert not measuring.relative_error([good, bad], [good, good]) < 1


@pytest.mark.parametrize('preset', works.PRESETS)
def test_presets_are_of_what_can_be_built(preset):
    races = works.PRESETS[preset]()
    for race in races:
        assert race.work.model in works.MODELS
        assert race.work.is_video == race.work.model.startswith('video')
        for entry in race.entries:
            assert entry.contender in works.CONTENDERS
            assert entry.contender in works.LABELS or (
                entry.contender in works.VIDEO_PEERS
            ) == (race.work.is_video)
            assert (entry.contender == 'keep-all') <= race.work.is_light


@pytest.mark.parametrize(
    ('device', 'preset'), [('cpu', 'quick'), ('cuda', 'gpu')]
)
def test_every_goal_is_in_the_preset_of_its_device(device, preset):
    races = {race.work: race for race in works.PRESETS[preset]()}
    assert choose(None, device, {}) == list(races.values())
    for goal in works.GOALS[device]:
        race = races[goal.work]
        assert {goal.entry, goal.than} <= set(race.entries)
        assert race.memory or not goal.memory


def test_light_models_race_against_themselves():
    (race,) = grid(
        ['XXS'],
        ['64', '4x64x64'],
        [2],
        ['inference'],
        ['fp32'],
        ['reference', 'keep-all', 'ours', 'deploy'],
        [False],
    )
    result = Racing('cpu', 3, 1).run(replace(race, memory=False))
    all_kept, ours, deployed = result.results
    assert ours.macs < all_kept.macs
    assert all_kept.error is None
    assert deployed.error < 1e-5


def test_the_grid_leaves_out_what_makes_no_sense():
    races = grid(
        ['S', 'video S'],
        ['224', '16x112x112'],
        [1],
        ['training'],
        ['fp32'],
        ['reference', 'deploy', 'mmaction2', 'Swin-T'],
        [False],
    )
    assert [
        (str(r.work), [e.contender for e in r.entries]) for r in races
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
        (dict(contenders=['swin']), ['--contenders', 'Swin-T']),
        (dict(sizes=['8xx']), ['--sizes 8xx', '800x1280']),
        (dict(models=['video S']), ['T x H x W']),
        (dict(batch_sizes=[0]), ['--batch-sizes']),
        (dict(preset='quick', models=['S']), ['leave out --models']),
        (dict(rounds=2), ['--rounds']),
        (dict(threads=0), ['--threads']),
        (dict(device='tpu'), ['--device']),
        (dict(device='mps'), ['--device mps', 'cpu or cuda']),
        (dict(preset='quick', compiled=[True]), ['leave out --compile']),
        (
            dict(modes=['training'], contenders=['deploy']),
            ['deployed model does not train'],
        ),
    ],
)
def test_mistakes_are_told(arguments, words):
    with pytest.raises(UserError) as error:
        benchmark(**{'device': 'cpu', **arguments})
    assert all(word in str(error.value) for word in words)
