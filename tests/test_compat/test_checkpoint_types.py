"""Forms that a checkpoint may have, and constructors that it may not call."""

import argparse
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.optim.scheduler import param_scheduler

from mmuniformer.checkpoint import CheckpointError, read_checkpoint
from mmuniformer.compat import checkpoint_types

pytestmark = pytest.mark.skipif(
    not checkpoint_types.can_allow(), reason='torch below 2.5'
)


class Calls:
    """Pickles as a call of a function, or an object with a state."""

    def __init__(self, function, *args, state=None):
        self.parts = (function, args, state) if state else (function, args)

    def __reduce__(self):
        return self.parts


def read(tmp_path, **content):
    path = tmp_path / 'file.pth'
    torch.save(dict(state_dict=dict(a=torch.ones(1)), **content), path)
    return read_checkpoint(str(path))


class TestData:
    @pytest.mark.parametrize(
        'code', [*'?bBhHiIlLqQefdFD', 'U7', 'S3', '>f4', '<i8', '>U2']
    )
    def test_arrays_and_scalars(self, tmp_path, code):
        array = np.array([[0, 1, 1], [1, 0, 1]]).astype(code)
        found = read(tmp_path, x=array, y=array.T, z=array[0, 1], w=array[:0])
        for name, want in zip('xyw', (array, array.T, array[:0]), strict=True):
            assert type(found[name]) is np.ndarray
            assert found[name].dtype == array.dtype
            assert found[name].shape == want.shape
            assert (found[name] == want).all()
            assert found[name].flags.writeable
        assert found['z'].dtype == array[0, 1].dtype
        assert found['z'] == array[0, 1]

    def test_containers_of_them(self, tmp_path):
        array = np.arange(3)
        shared = [array, array]
        content = dict(
            a=(1, (array, 'x')),
            b=OrderedDict(k=[dict(c=array)]),
            c=ConfigDict(d=dict(e=array)),
            d=shared,
        )
        found = read(tmp_path, x=content)['x']
        assert isinstance(found['a'], tuple)
        assert (found['a'][1][0] == array).all()
        assert (found['b']['k'][0]['c'] == array).all()
        assert type(found['c']) is ConfigDict
        assert (found['c'].d.e == array).all()
        assert found['d'][0] is found['d'][1]

    def test_what_mmengine_and_official_scripts_store(self, tmp_path):
        buffer = HistoryBuffer([1.0, 3.0], [1, 1])
        arguments = argparse.Namespace(
            lr=1e-3, sizes=[1, 2], x=np.float64(2), out=Path('a', 'b')
        )
        anneal = param_scheduler.OneCycleParamScheduler._annealing_cos
        found = read(tmp_path, a=buffer, b=arguments, c=anneal)
        assert type(found['a']) is HistoryBuffer
        assert found['a'].mean() == 2
        assert found['a'].statistics('max') == 3
        assert found['b'] == arguments
        assert found['c'] is anneal

    def test_a_list_that_holds_itself(self, tmp_path):
        endless = [np.float32(1)]
        endless.append(endless)
        found = read(tmp_path, x=endless)['x']
        assert found[1] is found


U5 = (3, '<', None, None, None, 20, 4, 8)
F4 = (3, '<', None, None, None, -1, -1, 0)


def dtype(code='f4', *rest, state=F4):
    return Calls(np.dtype, code, *(rest or (False, True)), state=state)


def array(state, shape=(0,), owner=np.ndarray):
    return Calls(
        np._core.multiarray._reconstruct, owner, shape, b'b', state=state
    )


HOSTILE = {
    'an array by its constructor': Calls(np.ndarray, (1 << 40,)),
    'a dtype of objects': dtype('O'),
    'a dtype of fields': dtype('V8'),
    'a dtype of dates': dtype('M8[s]'),
    'a dtype of a list': Calls(np.dtype, [('a', 'f4')]),
    'a dtype of more arguments': dtype('f4', True, False),
    'another item size': dtype(state=(*F4[:5], 400, -1, 0)),
    'an item size of text': dtype('U5', state=(*U5[:5], 4000, 4, 8)),
    'field names': dtype(state=(3, '<', None, ('a',), {}, 4, 4, 0)),
    'a sub-array': dtype(state=(3, '<', ('f4', (9,)), None, None, 4, 4, 0)),
    'flags of objects': dtype(state=(*F4[:7], 63)),
    'a state that is no tuple': dtype(state=[1]),
    'too little data': array((1, (9,), np.dtype('f4'), False, b'1234')),
    'too much data': array((1, (1,), np.dtype('f4'), False, b'12345678')),
    'negative sizes': array((1, (-1, -1), np.dtype('f4'), False, b'1234')),
    'a list of objects': array((1, (1,), np.dtype('O'), False, [1])),
    'an array without content': array(None),
    'an array of another class': array(None, owner=list),
    'an array of a shape': array(None, shape=(1 << 40,)),
    'a scalar of objects': Calls(
        np._core.multiarray.scalar, np.dtype('O'), b'12345678'
    ),
    'a scalar of too little': Calls(
        np._core.multiarray.scalar, np.dtype('f8'), b'1'
    ),
    'a history by its constructor': Calls(HistoryBuffer, [1], [1]),
    'a config of arguments': Calls(ConfigDict, [('a', 1)]),
    'a method of another class': Calls(getattr, torch.Tensor, 'cpu'),
    'a private method': Calls(getattr, HistoryBuffer, '__init__'),
    'a set of types': Calls(np.dtypes.Float64DType),
    'a function of numpy': Calls(np.load, 'x.npy'),
    'a memory map': Calls(np.memmap, 'x', 'f4'),
    'a namespace by its constructor': Calls(argparse.Namespace, 1),
    'a record array': Calls(np.rec.array, [1]),
}


class TestNoConstructor:
    @pytest.mark.parametrize('name', HOSTILE)
    def test_refused(self, tmp_path, name):
        path = tmp_path / 'file.pth'
        torch.save(dict(state_dict={}, x=HOSTILE[name]), path)
        with pytest.raises(
            CheckpointError, match=r'file\.pth (was ref|is no)'
        ):
            read_checkpoint(str(path))

    def test_deep_nesting_is_an_error(self, tmp_path):
        path = tmp_path / 'file.pth'
        deep = b']' * 100_000 + b'a' * 99_999
        path.write_bytes(b'\x80\x02' + deep + b'.')
        with pytest.raises(CheckpointError):
            read_checkpoint(str(path))


def test_a_later_protocol_is_said(tmp_path):
    path = tmp_path / 'file.pth'
    torch.save(dict(a=torch.ones(1)), path, pickle_protocol=4)
    with pytest.raises(CheckpointError, match='pickle of protocol 4'):
        read_checkpoint(str(path))


class Mine:
    """A class that a program of its user stores."""


class TestNarrow:
    @pytest.fixture
    def allowed(self):
        """What is often advised, and what the fork of mmengine allows."""
        everything = [getattr, np.ndarray, np.dtype, HistoryBuffer, ConfigDict]
        everything += [
            np._core.multiarray._reconstruct,
            (np._core.multiarray.scalar, 'numpy._core.multiarray.scalar'),
            Mine,
        ]
        with torch.serialization.safe_globals(everything):
            yield set(everything)

    @pytest.mark.parametrize('name', HOSTILE)
    def test_what_the_process_allows_opens_nothing(
        self, tmp_path, name, allowed
    ):
        TestNoConstructor().test_refused(tmp_path, name)
        assert set(torch.serialization.get_safe_globals()) >= allowed

    def test_classes_of_the_user_are_read(self, tmp_path, allowed):
        buffer = HistoryBuffer([1.0, 3.0], [1, 1])
        found = read(tmp_path, x=Mine(), y=np.arange(2), z=buffer)
        assert type(found['x']) is Mine
        assert found['y'].tolist() == [0, 1]
        assert found['z'].mean() == 2
        assert set(torch.serialization.get_safe_globals()) >= allowed

    def test_other_readings_are_as_strict_as_before(self, tmp_path):
        path = tmp_path / 'file.pth'
        before = set(torch.serialization.get_safe_globals())
        read(tmp_path, x=np.arange(2), y=argparse.Namespace(a=1))
        assert set(torch.serialization.get_safe_globals()) == before
        with pytest.raises(pickle.UnpicklingError):
            torch.load(path, weights_only=True)

    def test_also_after_an_error(self, tmp_path):
        before = set(torch.serialization.get_safe_globals())
        path = tmp_path / 'file.pth'
        torch.save(dict(x=HOSTILE['a memory map']), path)
        with pytest.raises(CheckpointError):
            read_checkpoint(str(path))
        assert set(torch.serialization.get_safe_globals()) == before
