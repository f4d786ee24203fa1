"""Several nodes, as launchers that know of each other by a port alone."""

import signal
import socket
import time

import pytest

# A node that is gone is noticed in seconds.
QUICK = 'keep_alive_interval=1,keep_alive_max_attempt=6,last_call_timeout='


def nodes(port: int, count: str = '2', last_call: int = 2) -> list[str]:
    return [
        f'--nnodes={count}',
        f'--rdzv-endpoint=127.0.0.1:{port}',
        f'--rdzv-conf={QUICK}{last_call}',
    ]


def errors(launcher) -> list[str]:
    assert 'Traceback' not in launcher.text
    return launcher.lines('error: ')


class TestMeeting:
    def test_ranks_are_in_the_order_of_nodes(self, start, port):
        options = [*nodes(port), '--nproc-per-node=2']
        second = start('', *options, '--node-rank=1')
        first = start('', *options, '--node-rank=0')
        assert first.wait() == second.wait() == 0
        for launcher, ranks in (first, (0, 1)), (second, (2, 3)):
            for rank in ranks:
                assert f'rank {rank} of 4' in launcher.text
            assert 'launch: 2 nodes with 4 processes' in launcher.text

    def test_a_node_that_never_comes(self, start, port):
        began = time.monotonic()
        launcher = start(
            '', *nodes(port), '--node-rank=0', MMUNIFORMER_TIMEOUT='2'
        )
        assert launcher.wait() == 1
        assert time.monotonic() - began < 30
        place = f'127.0.0.1:{port}'
        assert f'waiting at {place} for 2 nodes, at most 2 s' in launcher.text
        assert errors(launcher) == [
            f'error: fewer than 2 nodes came to {place} within 2 s (TIMEOUT)'
        ]

    @pytest.mark.parametrize('host', ['127.0.0.1', 'nowhere.invalid'])
    def test_no_first_node(self, start, port, host):
        launcher = start(
            '',
            '--nnodes=2',
            f'--rdzv-endpoint={host}:{port}',
            '--node-rank=1',
            MMUNIFORMER_TIMEOUT='2',
        )
        assert launcher.wait() == 1
        (error,) = errors(launcher)
        assert error.startswith(
            f'error: no first node at {host}:{port} within 2 s ('
        )

    @pytest.mark.parametrize('count', ['1', '2'])
    def test_a_port_in_use(self, start, count):
        with socket.socket() as other:
            other.bind(('', 0))
            other.listen()
            port = other.getsockname()[1]
            launcher = start('', *nodes(port, count), '--node-rank=0')
            assert launcher.wait() == 1
        (error,) = errors(launcher)
        assert f'port {port} of 127.0.0.1 cannot be used' in error

    def test_another_program_in_place_of_the_first_node(self, start):
        with socket.socket() as other:
            other.bind(('', 0))
            other.listen()
            port = other.getsockname()[1]
            launcher = start(
                '', *nodes(port), '--node-rank=1', MMUNIFORMER_TIMEOUT='2'
            )
            assert launcher.wait() == 1
        (error,) = errors(launcher)
        assert f'127.0.0.1:{port}' in error

    @pytest.mark.parametrize('count', ['two', '2:1:3'])
    def test_no_number_of_nodes(self, start, port, count):
        launcher = start('', *nodes(port, count))
        assert launcher.wait() == 1
        (error,) = errors(launcher)
        assert f'NNODES={count}' in error


# Processes of a node that lose those of another one fail, as those of gloo.
LOSES = """
if world == 1 or restarts > 1:
    print('alone' if world == 1 else 'together', flush=True)
    sys.exit()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
print('ready', flush=True)
wait_for('gone')
sys.exit(int((folder / 'gone').read_text()))
"""


class TestLosing:
    def start_two(self, start, port, count, timeout='30'):
        options = [*nodes(port, count), '--max-restarts=1']
        first = start(
            LOSES, *options, '--node-rank=0', MMUNIFORMER_TIMEOUT=timeout
        )
        second = start(LOSES, *options, '--node-rank=1')
        first.wait_for('ready')
        second.wait_for('ready')
        return first, second

    def test_the_others_go_on(self, start, port, tmp_path):
        first, second = self.start_two(start, port, '1:2')
        second.vanish()
        (tmp_path / 'gone').write_text('1')
        assert first.wait() == 0, first.text
        assert 'rank 0 of 1, restart 1\nalone' in first.text

    def test_or_end_in_time(self, start, port, tmp_path):
        first, second = self.start_two(start, port, '2', timeout='8')
        second.vanish()
        (tmp_path / 'gone').write_text('1')
        assert first.wait() == 1
        (error,) = errors(first)
        assert 'fewer than 2 nodes' in error

    def test_the_first_node(self, start, port, tmp_path):
        first, second = self.start_two(start, port, '1:2')
        first.vanish()
        (tmp_path / 'gone').write_text('1')
        assert second.wait() == 1
        (error,) = errors(second)
        assert f'the first node, at 127.0.0.1:{port}, is gone' in error

    def test_a_node_that_is_taken_away(self, start, port, tmp_path):
        """Preempted, its processes save, and so do all others."""
        first, second = self.start_two(start, port, '1:2')
        second.signal(signal.SIGTERM)
        assert second.wait() == 75
        (tmp_path / 'gone').write_text('75')
        assert first.wait() == 0, first.text
        assert 'going on with the nodes that remain' in first.text
        assert 'rank 0 of 1, restart 1\nalone' in first.text

    def test_all_are_preempted(self, start, port, tmp_path):
        first, second = self.start_two(start, port, '2')
        second.signal(signal.SIGTERM)
        (tmp_path / 'gone').write_text('75')
        assert first.wait() == second.wait() == 75

    def test_an_error_on_another_node(self, start, port, tmp_path):
        options = [*nodes(port), '--max-restarts=1']
        fails = 'be_done_before(60, True); give_up(); sys.exit(1)'
        first = start(LOSES, *options, '--node-rank=0')
        second = start(fails, *options, '--node-rank=1')
        assert second.wait() == 1
        (tmp_path / 'gone').write_text('1')
        assert first.wait() == 1
        (error,) = errors(first)
        assert 'the run has ended on another node' in error

    def test_the_node_where_processes_meet(self, start, port, tmp_path):
        """The others learn where the processes meet from then on."""
        program = """
if not restarts:
    print('ready', flush=True)
    wait_for('gone')
    sys.exit(1)
place = os.environ['MASTER_ADDR'], int(os.environ['MASTER_PORT'])
socket.create_connection(place, 5).close()
print('met', flush=True)
"""
        options = [*nodes(port, '2:3', last_call=15), '--max-restarts=1']
        # torch has processes meet at the node with the lowest number of a
        # process; nodes meet at the one that is the first.
        gone = start(program, *options, '--node-rank=1')
        other = start(program, *options, '--node-rank=2')
        first = start(program, *options, '--node-rank=0')
        assert gone.process.pid < min(other.process.pid, first.process.pid)
        for launcher in (gone, other, first):
            launcher.wait_for('ready')
        gone.vanish()
        (tmp_path / 'gone').touch()
        assert other.wait() == first.wait() == 0, other.text + first.text
        assert 'met' in other.text
        assert 'met' in first.text


class TestJoining:
    def test_one_that_comes_later_resumes_with_the_others(self, start, port):
        program = """
if world == 1:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
    print('ready', flush=True)
    time.sleep(60)
"""
        first = start(program, *nodes(port, '1:2'))
        first.wait_for('ready')
        second = start(program, *nodes(port, '1:2'))
        assert (first.wait(), second.wait()) == (0, 0), (
            first.text + second.text
        )
        texts = first.text + second.text
        assert 'rank 0 of 2, restart 1' in texts
        assert 'rank 1 of 2, restart 1' in texts
