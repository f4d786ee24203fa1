"""Exit codes of the command lines, besides 0."""

# After an error that explains itself, or a traceback.
FAILED = 1
# argparse's, and Python's own where there is no such script.
USAGE = 2
# Asked to stop by SIGTERM or SIGUSR1, and saved. EX_TEMPFAIL of sysexits.h:
# try again later. No shell and no signal gives it, so that a script knows a
# run which saved itself from one that was killed.
PREEMPTED = 75
# After Ctrl-C.
INTERRUPTED = 130
