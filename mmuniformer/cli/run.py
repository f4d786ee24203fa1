"""Running a command line: its exit code, and its mistakes in one line."""

import os
import sys
import time
from collections.abc import Callable
from io import TextIOWrapper
from typing import Any

from mmuniformer.errors import CheckpointError, LostProcess, UserError
from mmuniformer.launch.environment import give_up
from mmuniformer.launch.exit_codes import FAILED, INTERRUPTED

# Seconds that a process other than the first waits with its error.
OTHERS_WAIT = 10


def run_command(command: Callable[[], Any]) -> int:
    """Runs a command line and returns its exit code.

    Args:
        command (Callable): The work, without arguments.

    Returns:
        int: 0, 1 after an error that explains itself, 130 after Ctrl-C.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        # Names of files and classes may not fit its encoding.
        sys.stdout.reconfigure(errors='backslashreplace')
    try:
        command()
    except (UserError, CheckpointError) as error:
        if not isinstance(error, LostProcess):
            give_up()
        rank = int(os.environ.get('RANK', os.environ.get('SLURM_PROCID', 0)))
        if rank != 0 and not isinstance(error, LostProcess):
            # Most mistakes are met by all processes. The first one tells, and
            # its end ends the others, unless the mistake is theirs alone.
            time.sleep(OTHERS_WAIT)
        sys.stderr.write(f'error: {error}\n')
        return FAILED
    except KeyboardInterrupt:
        sys.stderr.write('interrupted\n')
        return INTERRUPTED
    finally:
        # A command that ended before its run may not have imported torch.
        dist = sys.modules.get('torch.distributed')
        if dist is not None and dist.is_initialized():
            dist.destroy_process_group()
    return 0
