"""Processes of a run that are late, gone or never there."""

import multiprocessing
import os
import socket
import threading
import time

import pytest
import torch
import torch.distributed as dist
from mmengine.config import Config

from mmuniformer.engine.joining import (
    join_on_cpu,
    limit_waiting,
    lost_process,
    waiting_time,
)
from mmuniformer.errors import LostProcess

FORKING = multiprocessing.get_context('fork')


def process(rank: int, port: int, seconds: int, others: str, told) -> None:
    """Joins, and then does what ``others`` says."""
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE='2',
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(port),
    )
    if rank == 1 and others == 'stopped':
        # It has come, and goes no further.
        dist.TCPStore('127.0.0.1', port, 2, is_master=False)
        time.sleep(60)
    cfg = Config(dict(launcher='pytorch', env_cfg=dict(dist_cfg={})))
    cfg.env_cfg.dist_cfg.timeout = seconds
    try:
        join_on_cpu(cfg)
    except LostProcess as error:
        told.put(str(error))
        return
    if rank == 1:
        if others == 'late':
            time.sleep(60)
        os._exit(0)
    try:
        while True:
            dist.all_reduce(torch.ones(1))
    except RuntimeError as error:
        told.put(str(lost_process(error, cfg)))
        os._exit(0)


def told_by(ranks: tuple[int, ...], port: int, others: str = '') -> str:
    """What the first of them says that says something."""
    told = FORKING.SimpleQueue()
    started = [
        FORKING.Process(target=process, args=(rank, port, 4, others, told))
        for rank in ranks
    ]
    try:
        for each in started:
            each.start()
        started[0].join(60)
        assert not started[0].is_alive()
        return told.get()
    finally:
        for each in started:
            each.kill()


@pytest.fixture
def port() -> int:
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return listener.getsockname()[1]


class TestMeeting:
    def test_one_that_never_comes(self, port):
        assert told_by((0,), port) == (
            f'1 of 2 processes came to 127.0.0.1:{port} within 4 s (TIMEOUT)'
        )

    def test_no_first_one(self, port):
        assert told_by((1,), port) == (
            f'process 1 of 2: no first process at 127.0.0.1:{port} within 4 s '
            '(TIMEOUT)'
        )

    def test_one_that_hangs_while_it_joins(self, port):
        assert told_by((0, 1), port, 'stopped') == (
            f'process 0 of 2 waited at 127.0.0.1:{port} in vain, for 4 s '
            '(TIMEOUT)'
        )

    def test_port_in_use(self):
        with socket.socket() as other:
            other.bind(('', 0))
            other.listen()
            port = other.getsockname()[1]
            assert told_by((0,), port) == (
                f'port {port} of 127.0.0.1 is in use: choose another one with '
                'MASTER_PORT'
            )

    @pytest.mark.parametrize('answer', [b'HTTP/1.1 400 What?\r\n', b''])
    def test_another_program_answers(self, answer):
        with socket.socket() as other:
            other.bind(('127.0.0.1', 0))
            other.listen()
            port = other.getsockname()[1]
            threading.Thread(
                target=answer_all, args=(other, answer), daemon=True
            ).start()
            assert told_by((1,), port) == (
                'process 1 of 2: what answers at '
                f'127.0.0.1:{port} is not the first process of this run, or '
                'has ended: look at MASTER_ADDR and MASTER_PORT'
            )


def answer_all(listener: socket.socket, answer: bytes) -> None:
    """A program that is no run: it answers, and closes the connection."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.recv(64)
            connection.sendall(answer)


class TestLosing:
    def test_one_that_ends(self, port):
        assert told_by((0, 1), port) == (
            'process 0 of 2 has lost another one, which has ended'
        )

    def test_one_that_is_late(self, port):
        told = told_by((0, 1), port, 'late')
        assert told.startswith(
            'process 0 of 2 waited in vain for another one, for 4 s (TIMEOUT)'
        )

    def test_another_error_is_no_lost_process(self):
        error = RuntimeError('mat1 and mat2 shapes cannot be multiplied')
        assert lost_process(error, Config({})) is None
        assert lost_process(ValueError('gloo timed out'), Config({})) is None


class TestLimit:
    def test_of_the_user(self, monkeypatch):
        monkeypatch.setenv('MMUNIFORMER_TIMEOUT', '60')
        cfg = Config(dict(launcher='pytorch'))
        limit_waiting(cfg)
        assert cfg.env_cfg.dist_cfg.timeout == waiting_time(cfg) == 60
        alone = Config(dict(launcher='none'))
        limit_waiting(alone)
        assert 'env_cfg' not in alone

    def test_of_the_config(self, monkeypatch):
        monkeypatch.delenv('MMUNIFORMER_TIMEOUT', raising=False)
        env_cfg = dict(dist_cfg=dict(backend='nccl', timeout=100))
        cfg = Config(dict(launcher='pytorch', env_cfg=env_cfg))
        limit_waiting(cfg)
        assert waiting_time(cfg) == 100
