"""What a terminal shows of an exported file."""

from rich.console import Console
from rich.table import Table

from mmuniformer.apis.exporting import Exported
from mmuniformer.errors import UserError


def report_on_export(exported: Exported | None) -> None:
    """Shows how a file differs from its model.

    Args:
        exported (Exported, optional): None of a checkpoint, which is the
            model.

    Raises:
        UserError: If it differs by more than it may.
    """
    if exported is None:
        return
    console = Console(soft_wrap=True)
    table = Table('input', 'output', 'largest', 'relative', 'limit')
    for row in exported.rows:
        colour = '[red]' if row.is_large else ''
        of_values = row.relative is not None
        table.add_row(
            ' x '.join(map(str, row.shape)),
            row.output,
            colour + (f'{row.largest:.1e}' if of_values else ''),
            colour
            + (
                f'{row.relative:.1e}'
                if of_values
                else f'{row.largest:.2%} differ'
            ),
            f'{row.limit:.0e}' if of_values else f'{row.limit:.1%}',
        )
    console.print(table)
    if not exported.is_good:
        raise UserError(
            'the file differs from the model by more than it may; it is left '
            f'as {exported.path}'
        )
    console.print(f'Wrote {exported.path}.', markup=False, highlight=False)
