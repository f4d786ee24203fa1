"""Running a command line: its exit code, and its mistakes in one line."""

import os
import sys
import time
from collections.abc import Callable
from io import TextIOWrapper
from typing import Any

from mmuniformer.errors import (
    CheckpointError,
    LostProcess,
    Preempted,
    UserError,
)
from mmuniformer.launch.environment import give_up
from mmuniformer.launch.exit_codes import FAILED, INTERRUPTED, PREEMPTED

# Seconds that a process other than the first waits with its error.
OTHERS_WAIT = 10


def run_command(command: Callable[[], Any]) -> int:
    """Runs a command line and returns its exit code.

    Args:
        command (Callable): The work, without arguments.

    Returns:
        int: 0, 1 after an error that explains itself, 130 after Ctrl-C, 75
        after SIGTERM or SIGUSR1 when a training has saved what it had.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        # Names of files and classes may not fit its encoding.
        sys.stdout.reconfigure(errors='backslashreplace')
    try:
        command()
    except (UserError, CheckpointError) as error:
        is_lost = isinstance(error, LostProcess)
        if not is_lost:
            give_up()
        if not (_is_first() or is_lost):
            # Most mistakes are met by all processes. The first one tells, and
            # its end ends the others, unless the mistake is theirs alone.
            time.sleep(OTHERS_WAIT)
        sys.stderr.write(f'error: {error}\n')
        return FAILED
    except KeyboardInterrupt as interrupt:
        # All processes of a terminal get it.
        if _is_first():
            told = f'interrupted: {interrupt}'.removesuffix(': ')
            sys.stderr.write(f'{told}\n')
        return INTERRUPTED
    except Preempted as request:
        if _is_first():
            sys.stderr.write(f'{request}\n')
        return PREEMPTED
    finally:
        # A command that ended before its run may not have imported torch.
        dist = sys.modules.get('torch.distributed')
        if dist is not None and dist.is_initialized():
            dist.destroy_process_group()
    return 0


def _is_first() -> bool:
    """Whether this is the first process of a job, or the only one."""
    env = os.environ
    return int(env.get('RANK', env.get('SLURM_PROCID', 0))) == 0
