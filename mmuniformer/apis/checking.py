"""Looking at the data of a config without training."""

import sys
import traceback
from collections.abc import Callable, Collection, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from mmengine.config import Config

from mmuniformer.checks import Finding, data_checks
from mmuniformer.checks.coco_file import forget_files
from mmuniformer.checks.data_sets import DataSet, data_sets
from mmuniformer.checks.duplicates import (
    Duplicate,
    check_duplicates,
    duplicates,
)
from mmuniformer.checks.summaries import summary_of
from mmuniformer.checks.summary import Summary
from mmuniformer.engine.config import load_config
from mmuniformer.engine.explain import readable_errors
from mmuniformer.errors import UserError

PHASES = ('train', 'val', 'test')
# What a config may say of its run: its data are the same on any machine.
NO_RUN = dict(
    launcher='none', device=None, work_dir=None, load_from=None, resume=False
)
T = TypeVar('T')


@dataclass
class Report:
    """What was seen of the data of a config.

    Attributes:
        config (str): Its file.
        phases (tuple[str, ...]): Those that were looked at.
        findings (list[Finding]): What is wrong, the worst first.
        summary (list[Summary]): Figures of each data set.
        uncounted (list[str]): Where data sets stand whose files nothing here
            can read.
        duplicates (list[Duplicate]): Files of training in another phase.
    """

    config: str
    phases: tuple[str, ...]
    findings: list[Finding] = field(default_factory=list)
    summary: list[Summary] = field(default_factory=list)
    uncounted: list[str] = field(default_factory=list)
    duplicates: list[Duplicate] = field(default_factory=list)

    def of_level(self, level: str) -> list[Finding]:
        """The findings of a level: 'error', 'warning' or 'note'."""
        return [f for f in self.findings if f.level == level]

    @property
    def wrong(self) -> bool:
        """Whether there is an error or a warning."""
        return bool(self.of_level('error') or self.of_level('warning'))


def check_dataset(
    config: str,
    phases: Collection[str] | None = None,
    decode: bool = False,
    cfg_options: dict[str, Any] | None = None,
) -> Report:
    """Looks at all that a config says of its data, and at the data.

    No model is built and no checkpoint read, and what the run would need of
    the machine does not matter. What libraries print goes to stderr.

    Args:
        config (str): Config file.
        phases (Collection[str], optional): Of 'train', 'val' and 'test'; by
            default those that the config has.
        decode (bool): Decode every image and video.
        cfg_options (dict, optional): Values by dotted key.

    Returns:
        Report: Of everything: it does not stop at what it finds.

    Raises:
        UserError: If the config cannot be read, or has no such phase.
    """
    with redirect_stdout(sys.stderr):
        cfg = load_config(config, cfg_options, **NO_RUN)
        report = Report(cfg.filename, _phases(cfg, phases))
        findings = report.findings
        with readable_errors(cfg):
            for check in data_checks(cfg, report.phases, decode):
                findings += _all_of(check, check.__name__)
            findings += _count(cfg, report, decode)
            forget_files()
            report.duplicates = duplicates(report.summary)
            findings += check_duplicates(report.duplicates, report.summary)
    levels = ('error', 'warning', 'note')
    # The same file may be read by two phases.
    report.findings = sorted(
        dict.fromkeys(findings), key=lambda f: levels.index(f.level)
    )
    return report


def _phases(cfg: Config, phases: Collection[str] | None) -> tuple[str, ...]:
    present = [p for p in PHASES if cfg.get(f'{p}_dataloader') is not None]
    for phase in phases or ():
        if phase not in present:
            raise UserError(f'config {cfg.filename} has no {phase}_dataloader')
    if not present:
        raise UserError(f'config {cfg.filename} has no dataloader')
    return tuple(p for p in present if phases is None or p in phases)


def _all_of(check: Iterator[Finding], name: str) -> list[Finding]:
    """The findings of a check, and one for what kept it from going on."""
    found = []

    def take() -> bool:
        finding = next(check, None)
        if finding is not None:
            found.append(finding)
        return finding is not None

    while True:
        more, stopped = _attempt(take, name)
        if stopped is not None:
            return [*found, stopped]
        if not more:
            return found


def _attempt(
    work: Callable[[], T], name: str
) -> tuple[T | None, Finding | None]:
    """What ``work`` returns, or a finding of what kept it from that."""
    try:
        return work(), None
    except UserError as error:
        return None, Finding(str(error))
    except OSError as error:
        file = str(error.filename or '')
        what = error.strerror or str(error)
        return None, Finding(f'{file or name}: {what}', file=file)
    except Exception as error:
        # Others are not to be lost for it.
        traceback.print_exc(file=sys.stderr)
        return None, Finding(
            f'{name} could not go on: {type(error).__name__}: {error}',
            'this is a defect of the program: please report it with the '
            'traceback',
            entry=name,
        )


def _count(cfg: Config, report: Report, decode: bool) -> list[Finding]:
    """Adds the figures of the data sets, and returns what was in the way.

    Two data sets that are the same are looked at once.
    """
    seen: list[tuple[DataSet, Summary | None]] = []
    findings = []
    for data_set in data_sets(cfg, report.phases):
        same = [s for other, s in seen if other.node == data_set.node]
        if same:
            summary = same[0]
        else:
            summary, problem = _attempt(
                partial(summary_of, data_set, decode),
                f'summary of {data_set.path}',
            )
            findings += [problem] if problem else []
        seen.append((data_set, summary))
        if summary is None:
            report.uncounted.append(data_set.path)
        else:
            report.summary.append(
                replace(summary, path=data_set.path, phase=data_set.phase)
            )
    return findings
