"""A request to stop, wherever the program is when it comes."""

import os
import signal
import threading

import pytest

from mmuniformer.errors import Preempted
from mmuniformer.signals import heed_parent_alone, stop_requests


def ask(name: str = 'SIGTERM') -> None:
    os.kill(os.getpid(), getattr(signal, name))


def test_before_the_first_step():
    before = signal.getsignal(signal.SIGTERM)
    with (
        pytest.raises(Preempted, match='SIGTERM: ended before'),
        stop_requests(),
    ):
        ask()
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize('end', ['another error', 'none'])
def test_a_library_that_catches_everything(end):
    def format_config():
        try:
            ask()
        except:  # noqa: E722 - as mmengine has it
            if end == 'another error':
                raise SyntaxError('Failed to format') from None

    def set_up():
        with stop_requests() as request:
            format_config()
            # The training begins.
            request.defer()

    with pytest.raises(Preempted):
        set_up()


def test_in_a_training():
    with stop_requests() as request:
        request.defer()
        ask('SIGUSR1')
        ask('SIGTERM')
        assert request.received == 'SIGUSR1'
        with stop_requests() as inner:
            assert inner is request


def test_errors_of_their_own_stay():
    with pytest.raises(ValueError, match='other'), stop_requests():
        raise ValueError('other')


def test_another_thread_cannot_listen():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def listen():
        with stop_requests() as request:
            seen.append((request.received, signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert seen == [(None, before)]


def test_a_worker_ends_with_its_parent_alone():
    reader, writer = os.pipe()
    worker = os.fork()
    if not worker:
        heed_parent_alone()
        os.write(writer, b'.')
        signal.pause()
        os._exit(3)
    os.read(reader, 1)
    stranger = os.fork()
    if not stranger:
        os.kill(worker, signal.SIGTERM)
        os.kill(worker, signal.SIGUSR1)
        os._exit(0)
    os.waitpid(stranger, 0)
    assert os.waitpid(worker, os.WNOHANG) == (0, 0)
    os.kill(worker, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) == 0
