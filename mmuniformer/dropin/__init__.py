"""UniFormer in a config of somebody else's: what changes, and why.

:func:`swap` makes the changes, :func:`leaf_text` writes them as a config that
inherits the other, and :func:`try_model` builds the result and runs it on
generated pictures.
"""

from mmuniformer.dropin.leaf import leaf_text
from mmuniformer.dropin.swap import Swapped, swap
from mmuniformer.dropin.trial import try_model

__all__ = ['Swapped', 'leaf_text', 'swap', 'try_model']
