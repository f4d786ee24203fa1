"""The order of colours in which frames go on."""

import numpy as np

from mmuniformer.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ChannelOrder:
    """Puts decoded RGB frames into the order of colours of a model.

    Right after the decoding of mmaction2, which is RGB. The published models
    of Something-Something were trained and tested in BGR, although they start
    from weights of Kinetics, in RGB: the official loader of single frames
    never converts what OpenCV reads. Augmentation sees that order, too.

    Args:
        order (str): 'bgr', or 'rgb' for no change.

    Raises:
        ValueError: If it is neither.
    """

    def __init__(self, order: str = 'bgr') -> None:
        if order not in ('bgr', 'rgb'):
            raise ValueError(f"order must be 'bgr' or 'rgb', not {order!r}")
        self.order = order

    def __call__(self, results: dict) -> dict:
        """Changes ``imgs``, a list of frames (H, W, 3)."""
        if self.order == 'bgr':
            results['imgs'] = [
                np.ascontiguousarray(frame[..., ::-1])
                for frame in results['imgs']
            ]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(order={self.order!r})'
