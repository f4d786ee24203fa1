#!/usr/bin/env python
"""Makes hostile checkpoints, and has every reader read them.

Each file tries to run a program (a folder appears), to end or to stop the
process, or to pass for a whole file. Child processes read the files; what each
reader made of each is counted.
"""

import argparse
import io
import json
import random
import resource
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve()
BATCH = 250
SECONDS = 20  # a file takes milliseconds
MEMORY = 16 << 30  # bytes of address space; torch itself takes some of them
# What may come of a file, the first two being right.
OUTCOMES = ('refused', 'read', 'executed', 'crashed', 'hung', 'unexplained')

# What mmengine and the Inferencers raise at plain data of another kind.
KNOWN = (AssertionError, LookupError, RuntimeError, ValueError)
# Names that a file may ask for: those that are allowed in one form, those that
# run something, and some that are in between.
NAMES = [
    'argparse.Namespace',
    'builtins.bytes',
    'builtins.dict',
    'builtins.eval',
    'builtins.exec',
    'builtins.getattr',
    'builtins.open',
    'builtins.set',
    'builtins.__import__',
    'codecs.encode',
    'collections.Counter',
    'collections.OrderedDict',
    'functools.partial',
    'importlib.import_module',
    'mmengine.config.config.Config',
    'mmengine.config.config.ConfigDict',
    'mmengine.fileio.io.remove',
    'mmengine.logging.history_buffer.HistoryBuffer',
    'mmengine.optim.scheduler.param_scheduler.OneCycleParamScheduler',
    'numpy.core.multiarray._reconstruct',
    'numpy._core.multiarray._reconstruct',
    'numpy.core.multiarray.scalar',
    'numpy._core.multiarray.scalar',
    'numpy.dtype',
    'numpy.fromfile',
    'numpy.memmap',
    'numpy.ndarray',
    'numpy.dtypes.Float32DType',
    'operator.attrgetter',
    'os.mkdir',
    'os.system',
    'pathlib.Path',
    'posix.mkdir',
    'posix.system',
    'runpy.run_path',
    'shutil.rmtree',
    'subprocess.Popen',
    'sys.exit',
    'torch.FloatStorage',
    'torch.Size',
    'torch.Tensor',
    'torch._utils._rebuild_parameter',
    'torch._utils._rebuild_tensor_v2',
    'torch._utils._rebuild_sparse_tensor',
    'torch.device',
    'torch.hub.load',
    'torch.nn.parameter.Parameter',
    'types.CodeType',
    'types.FunctionType',
]
TEXTS = [
    "__import__('os').mkdir(MARK)",
    'import os\nos.mkdir(MARK)',
    "a = [__import__('os').mkdir(MARK)]",
    "a = dict(b=open(MARK, 'w'))",
    "a = (lambda: __import__('os').mkdir(MARK))()",
    "class A:\n    __import__('os').mkdir(MARK)",
    'a = f\'{__import__("os").mkdir(MARK)}\'',
    "model = dict(type='os.mkdir', path=MARK)",
    "model = dict(type='mmengine.mkdir_or_exist', dir_name=MARK)",
    "model = dict(type='subprocess.run', args=['mkdir', MARK])",
    '_base_ = BASE',
    'x = """ ""{{$A:""}},__import__(\'os\').mkdir(MARK),""{{$B:""}} """',
    "model = dict([('type', 'os.mkdir'), ('path', MARK)])",
    "model = dict(type='CameraMotionCompensation', "
    'warp_mode="__import__(\'os\').mkdir(MARK)")',
    "collate_fn = 'hostile_module'",
    "custom_imports = dict(imports=['hostile_module'])",
    'a = ' + '[' * 5000,
    "a = 'x' * 10 ** 10",
    '\0',
]
PLACES = [
    ('meta', 'cfg'),
    ('meta', 'config'),
    ('message_hub', 'runtime_info', 'cfg'),
]


def opcode(rng: random.Random, mark: str) -> bytes:
    """One instruction of a pickle, with an argument if it has one."""
    text = rng.choice([mark, mark, '', 'f4', 'O', 'U5', 'max', '__class__'])
    module, _, name = rng.choice(NAMES).rpartition('.')
    raw = text.encode()
    return rng.choice([
        lambda: f'c{module}\n{name}\n'.encode(),
        lambda: f'c{module}\n{name}\n'.encode(),
        lambda: b'X' + len(raw).to_bytes(4, 'little') + raw,
        lambda: b'X' + len(raw).to_bytes(4, 'little') + raw,
        lambda: b'U' + bytes([len(raw)]) + raw,
        lambda: b'K' + bytes([rng.randrange(256)]),
        lambda: b'J' + rng.choice([b'\0\0\0\x40', b'\xff\xff\xff\xff']),
        lambda: b'\x8a\x05' + rng.randbytes(5),
        lambda: b'G' + rng.randbytes(8),
        lambda: b'q' + bytes([rng.randrange(8)]),
        lambda: b'h' + bytes([rng.randrange(8)]),
        lambda: b'r' + rng.randbytes(4),
        *[lambda c=c: c for c in (
            b'R', b'R', b'R', b'\x81', b'b', b'b', b'(', b't', b'\x85',
            b'\x86', b'\x87', b'N', b'\x88', b'\x89', b')', b']', b'}',
            b'\x8f', b'a', b'e', b's', b'u', b'Q', b'0', b'2', b'o', b'\x82',
        )],
    ])()  # fmt: skip


def program(rng: random.Random, mark: str) -> bytes:
    """A pickle that calls something, or random instructions."""
    call, text = rng.choice(NAMES), mark
    if rng.random() < 0.5:
        # These act at once.
        code = f"__import__('os').mkdir({mark!r})"
        call, text = rng.choice([
            ('os.mkdir', mark),
            ('posix.mkdir', mark),
            ('builtins.eval', code),
            ('builtins.exec', code),
        ])  # fmt: skip
    module, _, name = call.rpartition('.')
    argument = b'X' + len(text).to_bytes(4, 'little') + text.encode()
    body = rng.choice([
        lambda: f'c{module}\n{name}\n'.encode() + argument + b'\x85R',
        lambda: f'c{module}\n{name}\n'.encode() + argument + b'\x85\x81',
        lambda: f'c{module}\n{name}\n'.encode() + b')\x81}' + b'b',
        lambda: b''.join(opcode(rng, mark) for _ in range(rng.randrange(40))),
        lambda: b''.join(opcode(rng, mark) for _ in range(rng.randrange(40))),
    ])()  # fmt: skip
    # Beside a state dict, so that a reader that survives it goes on.
    start = b'\x80\x02}(X\x0a\0\0\0state_dict}X\x01\0\0\0x'
    return start + body + b'u.'


def archive(content: bytes, folder: str = 'archive') -> bytes:
    """A checkpoint in today's form around a pickle."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w') as parts:
        parts.writestr(f'{folder}/data.pkl', content)
        parts.writestr(f'{folder}/byteorder', b'little')
        parts.writestr(f'{folder}/version', b'3\n')
    return file.getvalue()


class Maker:
    """Makes file number ``n``, the same one each time.

    Args:
        folder (Path): For what it needs once.
        mark (str): What a program that runs would make.
    """

    def __init__(self, folder: Path, mark: str) -> None:
        import torch

        self.mark = mark
        base = folder / 'base.py'
        base.write_text(f'import os\nos.mkdir({mark!r})\n')
        (folder / 'hostile_module.py').write_text(base.read_text())
        self.base = str(base)
        file = io.BytesIO()
        state = {f'layer{i}.weight': torch.randn(16, 16) for i in range(4)}
        self.state = state
        torch.save(dict(state_dict=state, meta=dict(epoch=1, iter=1)), file)
        self.whole = file.getvalue()
        script = io.BytesIO()
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), script)
        self.script = script.getvalue()
        self.kinds: list[Callable[[random.Random], tuple[str, bytes]]] = [
            self.pickled, self.pickled, self.zipped, self.zipped, self.zipped,
            self.text, self.text, self.flipped, self.flipped, self.cut,
            self.nested, self.tar, self.torchscript, self.safetensors,
        ]  # fmt: skip

    def __call__(self, number: int) -> tuple[str, str, bytes]:
        rng = random.Random(number)
        make = self.kinds[number % len(self.kinds)]
        suffix, content = make(rng)
        return make.__name__, suffix, content

    def pickled(self, rng: random.Random) -> tuple[str, bytes]:
        return '.pth', program(rng, self.mark)

    def zipped(self, rng: random.Random) -> tuple[str, bytes]:
        return '.pth', archive(program(rng, self.mark))

    def text(self, rng: random.Random) -> tuple[str, bytes]:
        import torch

        text = rng.choice(TEXTS).replace('MARK', repr(self.mark))
        text = text.replace('BASE', repr(self.base))
        place = rng.choice(PLACES)
        content = dict(state_dict=self.state, meta=dict(epoch=1, iter=1))
        node: dict = content
        for key in place[:-1]:
            node = node.setdefault(key, {})
        node[place[-1]] = rng.choice(['', 'a = 1\n']) + text
        file = io.BytesIO()
        torch.save(content, file)
        return '.pth', file.getvalue()

    def flipped(self, rng: random.Random) -> tuple[str, bytes]:
        content = bytearray(self.whole)
        for _ in range(rng.choice([1, 1, 2, 20])):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        return '.pth', bytes(content)

    def cut(self, rng: random.Random) -> tuple[str, bytes]:
        whole = rng.choice([self.whole, self.script])
        return '.pth', whole[: len(whole) * rng.randrange(10) // 10]

    def nested(self, rng: random.Random) -> tuple[str, bytes]:
        inner = program(rng, self.mark)
        for _ in range(rng.randrange(1, 4)):
            inner = archive(
                inner, rng.choice(['archive', '../up', '/abs', ''])
            )
        return '.pth', inner

    def tar(self, rng: random.Random) -> tuple[str, bytes]:
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode='w') as parts:
            for name in ('storages', 'tensors', 'pickle', '../escaped'):
                content = program(rng, self.mark)
                info = tarfile.TarInfo(name)
                info.size = len(content)
                parts.addfile(info, io.BytesIO(content))
        return '.pth', file.getvalue()

    def torchscript(self, rng: random.Random) -> tuple[str, bytes]:
        content = bytearray(self.script)
        if rng.random() < 0.5:
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        return '.pth', bytes(content)

    def safetensors(self, rng: random.Random) -> tuple[str, bytes]:
        size = rng.choice([4, 1 << 40])
        header = json.dumps({
            'a': dict(
                dtype=rng.choice(['F32', 'I8', 'X']),
                shape=[rng.choice([1, -1, 1 << 40])],
                data_offsets=[0, size],
            ),
            '__metadata__': {'cfg': f"__import__('os').mkdir({self.mark!r})"},
        }).encode()  # fmt: skip
        length = rng.choice([len(header), len(header), 1 << 62, 0])
        return '.safetensors', length.to_bytes(
            8, 'little'
        ) + header + b'\0' * 4


def readers() -> dict[str, Callable[[str], object]]:
    """Every way in which the project or a host library reads a file."""
    import torch
    from mmengine.model import BaseModel
    from mmengine.runner import Runner, load_checkpoint
    from mmengine.runner.checkpoint import CheckpointLoader

    from mmuniformer import UniFormer
    from mmuniformer.checkpoint import load_pretrained, read_checkpoint
    from mmuniformer.checks.checkpoints import check_checkpoint

    class Model(BaseModel):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)

        def forward(self, *_: object, **__: object) -> dict:
            return dict(loss=self.layer(torch.ones(1)).sum())

    arch = dict(depths=(1,) * 4, embed_dims=(8,) * 4, head_dim=8)
    backbone, model = UniFormer(arch), Model()
    folder = tempfile.mkdtemp()
    runner = Runner(
        Model(),
        folder,
        train_dataloader=dict(
            dataset=[1], sampler=dict(type='DefaultSampler'), batch_size=1
        ),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        log_level='CRITICAL',
    )
    ways = {
        'read_checkpoint': read_checkpoint,
        'check_checkpoint': lambda path: list(check_checkpoint(path, True)),
        'init_cfg': lambda path: load_pretrained(backbone, path),
        'CheckpointLoader': lambda path: CheckpointLoader.load_checkpoint(
            path, logger='silent'
        ),
        'load_checkpoint': lambda path: load_checkpoint(
            model, path, logger='silent'
        ),
        '--resume': runner.resume,
    }
    if find_spec('mmdet'):
        from mmdet.apis import DetInferencer

        ways['Inferencer'] = lambda path: DetInferencer(
            weights=path, device='cpu'
        )
    return ways


def read_batch(first: int, last: int, folder: Path) -> None:
    """Reads files ``first`` to ``last``, a line of JSON for each."""
    import logging
    import warnings

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    logging.disable(logging.CRITICAL)
    warnings.simplefilter('ignore')
    from mmuniformer.compat.mmengine_checkpoint import UnsafeCheckpoint
    from mmuniformer.errors import CheckpointError, UserError

    mark = folder / f'ran-{first}'
    sys.path.insert(0, str(folder))
    ways, make = readers(), Maker(folder, str(mark))
    for number in range(first, last):
        kind, suffix, content = make(number)
        path = folder / f'file-{first}{suffix}'
        path.write_bytes(content)
        result: dict = dict(number=number, kind=kind)
        for name, read in ways.items():
            print(json.dumps(dict(result, begins=name)), flush=True)  # noqa: T201
            try:
                read(str(path))
                outcome, words = 'read', ''
            except (CheckpointError, UnsafeCheckpoint, UserError) as error:
                outcome, words = 'refused', str(error)
                if '\n' in words or path.name not in words:
                    outcome = 'unexplained'
            # A file that was read and holds no training: mmengine's words.
            except KNOWN as error:
                known = name in ('--resume', 'load_checkpoint', 'Inferencer')
                outcome = 'read' if known else 'unexplained'
                words = repr(error)
            except Exception as error:
                outcome, words = 'unexplained', repr(error)
            if mark.exists():
                outcome = 'executed'
                mark.rmdir()
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
            print(  # noqa: T201
                json.dumps(
                    dict(
                        result,
                        reader=name,
                        outcome=outcome,
                        words=words[:200],
                        peak=peak,
                    )
                ),
                flush=True,
            )
        path.unlink()


def run(count: int, seed: int) -> Iterator[dict]:
    """Results of ``count`` files, read in child processes."""
    with tempfile.TemporaryDirectory() as folder:
        first, end = seed, seed + count
        while first < end:
            last = min(first + BATCH, end)
            command = [
                sys.executable,
                str(HERE),
                '--batch',
                str(first),
                str(last),
            ]
            done, hung = b'', False
            try:
                done = subprocess.run(
                    [*command, folder],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    timeout=60 + SECONDS * (last - first) / 10,
                    cwd=folder,
                ).stdout
            except subprocess.TimeoutExpired as error:
                done, hung = error.stdout or b'', True
            lines = [
                json.loads(line)
                for line in done.splitlines()
                if line[:1] == b'{'
            ]
            yield from (line for line in lines if 'outcome' in line)
            first = last
            if lines and 'begins' in lines[-1]:
                # The process ended, or stood still, within this one.
                broken = lines[-1]
                yield dict(
                    number=broken['number'],
                    kind=broken['kind'],
                    reader=broken['begins'],
                    outcome='hung' if hung else 'crashed',
                    words='',
                    peak=0,
                )
                first = broken['number'] + 1
            elif not lines:
                raise SystemExit(f'no file of {command[-2:]} could be read')


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--files', type=int, default=10_000, metavar='N', help='default: 10000'
    )
    parser.add_argument('--seed', type=int, default=0, help='default: 0')
    parser.add_argument('--batch', nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.batch:
        first, last, folder = arguments.batch
        read_batch(int(first), int(last), Path(folder))
        return 0

    from rich.console import Console
    from rich.progress import track
    from rich.table import Table

    console = Console()
    counts: dict[str, Counter] = {}
    wrong, peak, files = [], 0, set()
    results = run(arguments.files, arguments.seed)
    for result in track(
        results, total=7 * arguments.files, description='reading'
    ):
        files.add(result['number'])
        peak = max(peak, result['peak'])
        counts.setdefault(result['reader'], Counter())[result['outcome']] += 1
        if result['outcome'] not in ('refused', 'read'):
            wrong.append(result)
    table = Table('reader', *OUTCOMES, title=f'{len(files)} files')
    for reader, found in counts.items():
        table.add_row(reader, *(str(found[outcome]) for outcome in OUTCOMES))
    console.print(table)
    console.print(f'Largest memory of a process: {peak} MiB')
    for result in wrong[:20]:
        console.print(result, markup=False)
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
