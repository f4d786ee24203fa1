"""What every format has."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch.export import ExportedProgram

from mmuniformer.errors import UserError, first_line

Outputs = Mapping[str, np.ndarray]


@contextmanager
def readable(path: Path, runtime: str) -> Iterator[None]:
    """Has a runtime tell in a line why it does not open a file.

    Raises:
        UserError: For whatever the runtime raises within.
    """
    try:
        yield
    except Exception as error:
        raise UserError(
            f'{runtime} cannot open {path}: {first_line(error)}'
        ) from error


class Runtime(Protocol):
    """A file that is ready to run, in its own runtime.

    Attributes:
        about (dict): What the file says of itself.
    """

    about: dict[str, Any]

    def __call__(self, images: np.ndarray) -> Outputs:
        """Outputs by name, of images as ``about['input']`` has them."""


class Format:
    """A kind of file.

    Attributes:
        name (str): The word for ``--to``.
        suffix (str): Of its files.
        dtypes (tuple[str, ...]): What its weights may be.
    """

    name: str
    suffix: str
    dtypes: tuple[str, ...]

    def check(self) -> None:
        """Looks whether this machine can write and run it; torch can.

        Raises:
            UserError: If something is not installed.
        """

    def write(
        self,
        program: ExportedProgram,
        path: Path,
        about: Mapping[str, Any],
    ) -> None:
        """Writes the file, with what is known of it."""
        raise NotImplementedError

    def open(self, path: Path) -> Runtime:
        """The file, ready to run in this process."""
        raise NotImplementedError

    def run_apart(
        self, path: Path, inputs: Sequence[np.ndarray]
    ) -> list[Outputs]:
        """Runs it, where nothing of this package is loaded if it needs that.

        A runtime of its own needs nothing of this package and runs here.

        Raises:
            UserError: If it does not run.
        """
        model = self.open(path)
        try:
            return [model(images) for images in inputs]
        except Exception as error:
            raise UserError(
                f'{path.name} does not run in the runtime of {self.name}: '
                f'{first_line(error)}'
            ) from error

    def files(self, path: Path) -> list[Path]:
        """All files that belong to the one of that name, the last one first.

        The one that names the others is to appear last.
        """
        return [path]
