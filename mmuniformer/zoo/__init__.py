"""The catalogue of published weights, and getting them.

Nothing here imports torch before a file is to be got: the catalogue is read
by command lines that answer at once.
"""

from mmuniformer.zoo.catalogue import (
    Experiment,
    Result,
    Weights,
    derived,
    experiments,
    weights,
)
from mmuniformer.zoo.getting import file_of, get
from mmuniformer.zoo.names import (
    find,
    find_experiment,
    hint,
    trained_by,
)
from mmuniformer.zoo.paper import PaperRow, PaperTable, paper_tables

__all__ = [
    'Experiment',
    'PaperRow',
    'PaperTable',
    'Result',
    'Weights',
    'derived',
    'experiments',
    'file_of',
    'find',
    'find_experiment',
    'get',
    'hint',
    'paper_tables',
    'trained_by',
    'weights',
]
