"""Formats of files that run without the training stack."""

import zipfile
from pathlib import Path

from mmuniformer.deployment.formats.base import Format, Outputs, Runtime
from mmuniformer.deployment.formats.compiled import Compiled
from mmuniformer.deployment.formats.onnx import Onnx
from mmuniformer.deployment.formats.openvino import OpenVino
from mmuniformer.deployment.formats.program import Program
from mmuniformer.errors import UserError

__all__ = [
    'FORMATS',
    'Format',
    'Outputs',
    'Runtime',
    'format_of',
    'open_exported',
]

# By the word for --to.
FORMATS: dict[str, Format] = {
    form.name: form for form in (Program(), Onnx(), OpenVino(), Compiled())
}


def format_of(path: str | Path) -> Format:
    """The format of a file that there is.

    Args:
        path (str or Path): The file.

    Raises:
        UserError: If it is none of ``FORMATS``.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f'{path} does not exist')
    if path.suffix == '.pt2':
        return FORMATS['aoti' if _has_machine_code(path) else 'torch']
    for form in FORMATS.values():
        if path.suffix == form.suffix:
            return form
    suffixes = sorted({form.suffix for form in FORMATS.values()})
    raise UserError(f'{path}: exported files end in {", ".join(suffixes)}')


def open_exported(path: str | Path) -> Runtime:
    """An exported file in its runtime, in this process.

    Args:
        path (str or Path): The file.

    Returns:
        Runtime: Call it with an array of images as ``about['input']`` says;
        it gives arrays by name.

    Raises:
        UserError: If it is no file that ``mmuniformer export`` has written,
            or its runtime is not installed.
    """
    model = format_of(path).open(Path(path))
    if 'outputs' not in model.about:
        raise UserError(f'{path} was not written by mmuniformer export')
    return model


def _has_machine_code(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise UserError(f'{path} is damaged, or no file of torch') from error
    return any('aotinductor' in name for name in names)
