"""A page of docs/tutorials, read as the steps that it has its reader take."""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[1] / 'docs' / 'tutorials'
PAGES = sorted(FOLDER.glob('*.md'))
BLOCK = re.compile(
    r'^```(shell|python)(?: title="([\w.]+)")?\n(.*?)^```$', re.M | re.S
)
# What a shell puts in place of $(cat FILE).
CONTENT = re.compile(r'\$\(cat ([\w./]+)\)')


@dataclass(frozen=True)
class Step:
    """A line of a shell, a file to save, or Python to run.

    Attributes:
        text (str): The line, or the code.
        file (str): Where the code is saved; empty if it is to be run.
        is_python (bool): Whether it is code.
    """

    text: str
    file: str = ''
    is_python: bool = False

    def words(self) -> list[str]:
        """The line, as a shell takes it apart in the current folder."""
        text = CONTENT.sub(lambda m: Path(m[1]).read_text(), self.text)
        return shlex.split(text)


def steps_of(page: Path) -> list[Step]:
    """Those of a page, in order."""
    steps = []
    for language, file, text in BLOCK.findall(page.read_text()):
        if language == 'python':
            steps.append(Step(text, file, is_python=True))
        else:
            steps += [Step(line) for line in text.splitlines()]
    return steps


def run_as_printed(page: Path, folder: Path) -> None:
    """Takes every step as a reader does, in a shell."""
    # `python` and `mmuniformer` of the environment that the tests run in.
    scripts = Path(sys.executable).parent
    path = os.pathsep.join([str(scripts), os.environ.get('PATH', '')])
    for step in steps_of(page):
        if step.file:
            (folder / step.file).write_text(step.text)
            continue
        command = [sys.executable, '-c'] if step.is_python else ['bash', '-ec']
        subprocess.run(
            [*command, step.text],
            cwd=folder,
            check=True,
            env=os.environ | {'PATH': path},
        )
