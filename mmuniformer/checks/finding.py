"""What a check has to say."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from mmuniformer.errors import UserError


@dataclass(frozen=True)
class Finding:
    """Something wrong with what a user brings.

    Attributes:
        what (str): The sentence for the user: it names the file or key, the
            place in it and what is wrong.
        mend (str): What to do about it; may be empty.
        file (str): The file that was looked at; empty for a config's key.
        entry (str): The line, annotation or key.
        level ('error', 'warning' or 'note'): Whether a run would stop or be
            wrong, whether something is not as its author meant it, or whether
            that may well be meant (a class that no file has).
    """

    what: str
    mend: str = ''
    file: str = ''
    entry: str = ''
    level: Literal['error', 'warning', 'note'] = 'error'

    def __str__(self) -> str:
        return f'{self.what}; {self.mend}' if self.mend else self.what


def stop_on_errors(findings: Iterable[Finding]) -> list[str]:
    """Ends a command at the first error.

    Args:
        findings (Iterable[Finding]): They are not asked for what comes after
            the first error.

    Returns:
        list[str]: The warnings and notes, a line each.

    Raises:
        UserError: With the first error.
    """
    warnings = []
    for finding in findings:
        if finding.level == 'error':
            raise UserError(str(finding))
        warnings.append(str(finding))
    return warnings


def few(entries: Sequence[str], number: int = 3) -> str:
    """The first entries of many, for a message."""
    shown = ', '.join(entries[:number])
    return f'{shown}, ...' if len(entries) > number else shown


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> list[str]:
    """At most three words of ``known`` that ``word`` may stand for."""
    return get_close_matches(word, sorted(known), n=3, cutoff=cutoff)


def did_you_mean(words: list[str]) -> str:
    """The end of a message: a question, or nothing if there are no words."""
    return f'; did you mean {", ".join(words)}?' if words else ''


def suggest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """:func:`did_you_mean` of the :func:`nearest` words."""
    return did_you_mean(nearest(word, known, cutoff))
