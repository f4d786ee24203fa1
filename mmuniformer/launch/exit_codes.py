"""Exit codes of the command lines, besides 0 and argparse's 2."""

# After an error that explains itself, or a traceback.
FAILED = 1
# Stopped by SIGTERM or SIGUSR1, and saved: to be started again as it is.
PREEMPTED = 75
# After Ctrl-C.
INTERRUPTED = 130
