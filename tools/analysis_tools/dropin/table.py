"""The table of the matrix, in a page."""

from pathlib import Path

BEGIN, END = '<!-- matrix: begin -->', '<!-- matrix: end -->'


def write_table(page: Path, results: dict, names: list[str]) -> None:
    """Replaces what is between the marks of a page."""
    text = page.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    lines = table(results, names)
    page.write_text(
        '\n'.join([before + BEGIN, '', *lines, '', END]) + after
    )


def table(results: dict, names: list[str]) -> list[str]:
    return []
