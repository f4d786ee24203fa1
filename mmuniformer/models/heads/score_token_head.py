"""Training the score token of a light model (paper, section 5.1)."""

from typing import Any

from mmengine.model import BaseModule
from torch import Tensor

from mmuniformer.registry import MODELS


@MODELS.register_module()
class ScoreTokenHead(BaseModule):
    """A classifier of the map, and one of the score token for training.

    Both are heads of the host library with the same settings. The second one
    has the score token learn what the classes need, and so which tokens
    matter; predictions are those of the first.

    The backbone must have ``with_token=True``. In mmpretrain the neck
    ``GlobalAveragePooling`` pools both features; the heads of mmaction2 pool
    by themselves.

    Args:
        head_type (str): Class of both heads: 'I3DHead' in a config of
            mmaction2, 'LinearClsHead' in one of mmpretrain.
        token_weight (float): Weight of the token's loss, the other one's
            being what is left to 1.
        kwargs: Arguments of the heads, such as ``num_classes`` and
            ``init_cfg``.

    Attributes:
        head (nn.Module): Classifier of the map.
        token_head (nn.Module): Classifier of the score token.
        num_classes (int): Number of classes of each.

    Raises:
        ValueError: If ``token_weight`` is not in [0, 1].
    """

    def __init__(
        self,
        head_type: str,
        token_weight: float = 0.5,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        if not 0 <= token_weight <= 1:
            raise ValueError(
                'token_weight must be a number in [0, 1], but it is '
                f'{token_weight!r}'
            )
        self.token_weight = token_weight
        self.head = MODELS.build(dict(type=head_type, **kwargs))
        self.token_head = MODELS.build(dict(type=head_type, **kwargs))
        self.num_classes = self.head.num_classes

    def forward(self, feats: tuple[Tensor, ...], **kwargs: Any) -> Tensor:
        """Logits (B, num_classes) of the map.

        Args:
            feats (tuple[Tensor, ...]): The map and the score token, pooled
                or not as the heads take them.
        """
        return self.head(self._of_map(feats), **kwargs)

    def loss(
        self, feats: tuple[Tensor, ...], data_samples: list, **kwargs: Any
    ) -> dict[str, Tensor]:
        """Losses of both heads, those of the token with ``token_`` in front.

        Args:
            feats (tuple[Tensor, ...]): The map and the score token.
            data_samples (list): Labels, as the host library has them.

        Raises:
            ValueError: If there is no score token.
        """
        if isinstance(feats, Tensor) or len(feats) != 2:
            raise ValueError(
                'ScoreTokenHead trains on the map and the score token: set '
                'with_token=True in the backbone'
            )
        of_map = self.head.loss(self._of_map(feats), data_samples, **kwargs)
        token = self._for_head(feats[1])
        of_token = self.token_head.loss(token, data_samples, **kwargs)
        token_weight = self.token_weight
        return {
            **_weigh(of_map, 1 - token_weight, ''),
            **_weigh(of_token, token_weight, 'token_'),
        }

    def predict(
        self,
        feats: tuple[Tensor, ...],
        data_samples: list | None = None,
        **kwargs: Any,
    ) -> list:
        """Predictions of the map's head; see that of the host library."""
        return self.head.predict(self._of_map(feats), data_samples, **kwargs)

    def _of_map(self, feats: tuple[Tensor, ...] | Tensor) -> Any:
        # A backbone without the token returns a tensor in video.
        feat = feats if isinstance(feats, Tensor) else feats[0]
        return self._for_head(feat)

    def _for_head(self, feat: Tensor) -> Any:
        # Heads of mmpretrain choose among stages before their logits.
        return (feat,) if hasattr(self.head, 'pre_logits') else feat


def _weigh(
    losses: dict[str, Tensor], weight: float, prefix: str
) -> dict[str, Tensor]:
    return {
        prefix + name: value * weight if 'loss' in name else value
        for name, value in losses.items()
    }
