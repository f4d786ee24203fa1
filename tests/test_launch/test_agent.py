"""When processes are started again, and when they are not."""

import signal

import pytest

ALONE = '--rdzv-endpoint=127.0.0.1:0'
TWO = (ALONE, '--nproc-per-node=2')


def said(launcher) -> str:
    return '\n'.join(launcher.lines('launch: '))


class TestRestarts:
    def test_a_killed_process(self, start):
        launcher = start(
            """
if rank == 1 and not restarts:
    os.kill(os.getpid(), signal.SIGKILL)
if not restarts:
    time.sleep(60)
""",
            *TWO,
            '--max-restarts=2',
        )
        assert launcher.wait() == 0, launcher.text
        assert 'was killed by SIGKILL; restart 1 of 2' in said(launcher)
        assert 'rank 0 of 2, restart 1' in launcher.text
        assert 'rank 1 of 2, restart 1' in launcher.text

    def test_not_more_often_than_allowed(self, start):
        launcher = start('sys.exit(3)', ALONE, '--max-restarts=1')
        assert launcher.wait() == 1
        assert launcher.text.count('rank 0 of 1') == 2
        assert 'ended with exit code 3; 1 restarts were made' in said(launcher)
        assert 'Traceback' not in launcher.text

    @pytest.mark.parametrize('code', [0, 75])
    def test_a_preemption_is_no_failure(self, start, code):
        launcher = start(f'sys.exit({code})', *TWO, '--max-restarts=3')
        assert launcher.wait() == code
        # One may be ended before it says so.
        assert 'of 2, restart 0' in launcher.text
        assert 'restart 1' not in launcher.text

    def test_one_process_saves_longer_than_the_other(self, start):
        """torch ends the second one as soon as the first has ended."""
        launcher = start(
            """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if rank:
    (folder / 'begun').touch()
    time.sleep(2)
    (folder / 'saved').touch()
else:
    wait_for('begun')
sys.exit(75)
""",
            *TWO,
            '--max-restarts=3',
        )
        assert launcher.wait() == 75
        assert (launcher.log.parent / 'saved').exists()

    def test_an_error_that_would_come_again(self, start):
        launcher = start(
            """
be_done_before(60, has_stepped=True)
if rank:
    time.sleep(60)
give_up()
sys.exit(1)
""",
            *TWO,
            '--max-restarts=3',
        )
        assert launcher.wait() == 1
        assert launcher.text.count('rank 0 of 2') == 1
        assert 'would come again' in said(launcher)

    @pytest.mark.parametrize(('stepped', 'starts'), [(True, 2), (False, 1)])
    def test_an_error_before_the_first_step(self, start, stepped, starts):
        launcher = start(
            f'be_done_before(60, {stepped}); sys.exit(1)',
            ALONE,
            '--max-restarts=1',
        )
        assert launcher.wait() == 1
        assert launcher.text.count('rank 0 of 1') == starts
        assert ('first step' in said(launcher)) is not stepped

    def test_arguments_that_the_script_does_not_know(self, start):
        """It says so before it has anything to promise."""
        launcher = start('sys.exit(2)', ALONE, '--max-restarts=3')
        assert launcher.wait() == 1
        assert launcher.text.count('rank 0 of 1') == 1
        assert 'does not know its arguments' in said(launcher)


class TestHanging:
    def test_a_stopped_process_is_ended(self, start):
        launcher = start(
            """
# A second from now.
be_done_before(1 - environment.MARGIN, has_stepped=True)
if not restarts:
    os.kill(os.getpid(), signal.SIGSTOP)
""",
            ALONE,
            '--max-restarts=1',
        )
        assert launcher.wait() == 0, launcher.text
        assert 'process 0' in said(launcher)
        assert 'hangs' in said(launcher)
        assert 'restart 1' in launcher.text

    def test_one_that_takes_long_to_end(self, start):
        """Longer than the first node may take for an answer."""
        launcher = start(
            """
if not restarts:
    if rank:
        def end(signum, frame):
            time.sleep(7)
            sys.exit(1)

        signal.signal(signal.SIGTERM, end)
        (folder / 'ready').touch()
        time.sleep(60)
    wait_for('ready')
    sys.exit(3)
# The launcher might take it for one of those that it has to end.
time.sleep(7)
""",
            *TWO,
            '--max-restarts=1',
            MMUNIFORMER_TIMEOUT='2',
        )
        assert launcher.wait() == 0, launcher.text
        assert 'is gone' not in launcher.text
        assert 'rank 1 of 2, restart 1' in launcher.text

    def test_it_says_where(self, start):
        launcher = start(
            """
def wait_for_the_moon():
    time.sleep(60)

# Seconds from now, of which a busy machine takes some.
be_done_before(4 - environment.MARGIN, has_stepped=True)
wait_for_the_moon()
""",
            ALONE,
        )
        assert launcher.wait() == 1
        assert 'in wait_for_the_moon' in launcher.text

    def test_a_process_that_promised_nothing_is_left_alone(self, start):
        launcher = start('time.sleep(2)', ALONE, MMUNIFORMER_TIMEOUT='1')
        assert launcher.wait() == 0


SAVES = """
def save(signum, frame):
    print('saved after', signal.Signals(signum).name, flush=True)
    sys.exit(75)

signal.signal(signal.SIGTERM, save)
signal.signal(signal.SIGUSR1, save)
print('ready', flush=True)
time.sleep(60)
"""


class TestSignals:
    @pytest.mark.parametrize('name', ['SIGTERM', 'SIGUSR1', 'SIGINT'])
    def test_processes_save(self, start, name):
        launcher = start(SAVES, *TWO, '--max-restarts=3')
        launcher.wait_for('ready', times=2)
        launcher.signal(signal.Signals[name])
        assert launcher.wait() == 75
        sent = 'SIGTERM' if name == 'SIGINT' else name
        assert launcher.text.count(f'saved after {sent}') == 2
        assert f'stopped by {name}; the state' in said(launcher)
        assert 'Traceback' not in launcher.text

    def test_before_the_first_step_nothing_is_saved(self, start):
        program = f'be_done_before(60, has_stepped=False)\n{SAVES}'
        launcher = start(program, ALONE)
        launcher.wait_for('ready')
        launcher.signal(signal.SIGTERM)
        assert launcher.wait() == 75
        assert 'SIGTERM; it had not come to its first step' in said(launcher)

    def test_one_that_does_not_end(self, start):
        launcher = start(
            """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('ready', flush=True)
time.sleep(60)
""",
            ALONE,
            GRACE='1',
        )
        launcher.wait_for('ready')
        launcher.signal(signal.SIGTERM)
        assert launcher.wait(30) == 128 + signal.SIGTERM
        assert 'saved' not in said(launcher)

    def test_hangup_that_nohup_ignores(self, start):
        launcher = start(
            "print('ready', flush=True); wait_for('go')",
            ALONE,
            ignored=(signal.SIGHUP,),
        )
        launcher.wait_for('ready')
        launcher.signal(signal.SIGHUP)
        (launcher.log.parent / 'go').touch()
        assert launcher.wait() == 0
