"""The mistakes that are told in one line, without a traceback.

Everything else that is raised here is a defect of the program, and its
traceback is what finds it.
"""


class UserError(Exception):
    """A mistake of the user, which the message explains."""


class UnreadableVideo(UserError):
    """A video that is missing, empty, damaged or cut off."""


class UnwritableFile(UserError, OSError):
    """A file that cannot be written where it is to be."""


class DamagedSample(UserError):
    """A sample of a shard whose bytes are not those that were written."""


class LostProcess(UserError):
    """A process of the run that has ended, hangs or never came."""


class CheckpointError(ValueError):
    """A checkpoint that cannot be read, or does not fit the model."""


class SettingError(ValueError):
    """An argument of a backbone that has a value which is not allowed."""


class InputError(ValueError):
    """An input whose shape a backbone cannot take."""


class Preempted(BaseException):
    """A run that ended because it was asked to, by SIGTERM or SIGUSR1.

    No error, and like ``KeyboardInterrupt`` nothing that a library may catch
    as one.
    """


def first_line(error: BaseException) -> str:
    """What a library's error says first, for a message of one line."""
    lines = [line.strip() for line in str(error).splitlines()]
    return next(filter(None, lines), type(error).__name__)
