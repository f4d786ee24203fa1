"""Classifiers of images and of videos."""

from collections.abc import Sequence

from torch import Tensor, nn

from mmuniformer.deployment.networks.base import Network, Output
from mmuniformer.errors import UserError
from mmuniformer.models.heads import ScoreTokenHead
from mmuniformer.prediction.models import LoadedModel

SCORES = Output(
    'scores', ('batch', 'classes'), 'probability of each class, by softmax'
)
SIGMOIDS = Output(
    'scores',
    ('batch', 'classes'),
    'probability of each class by itself, by sigmoid',
)
LOGITS = Output(
    'logits',
    ('batch', 'classes'),
    'value of each class before the softmax; to be averaged over the clips',
)


class Classifier(Network):
    """An ``ImageClassifier`` of mmpretrain, to scores of classes.

    Args:
        loaded (LoadedModel): The model.
    """

    task = 'classification'

    def __init__(self, loaded: LoadedModel) -> None:
        super().__init__(loaded)
        from mmpretrain.models.heads import MultiLabelClsHead

        self.is_multi_label = isinstance(
            bare_head(loaded.net.head), MultiLabelClsHead
        )
        self.outputs = (SIGMOIDS if self.is_multi_label else SCORES,)

    def results(self, x: Tensor, size: tuple[int, int]) -> Sequence[Tensor]:
        """Computes the scores."""
        logits = self.net.head(self.net.extract_feat(x))
        if self.is_multi_label:
            return (logits.sigmoid(),)
        return (logits.softmax(1),)


class Recognizer(Network):
    """A ``Recognizer3D`` of mmaction2, to scores of each clip.

    Args:
        loaded (LoadedModel): The model.

    Raises:
        UserError: If it averages over clips in no way that is known.
    """

    task = 'video'

    def __init__(self, loaded: LoadedModel) -> None:
        super().__init__(loaded)
        average = bare_head(loaded.net.cls_head).average_clips
        if average not in ('prob', 'score'):
            raise UserError(
                f'average_clips={average!r} of the head leaves open what the '
                "score of a video is; set 'prob' or 'score'"
            )
        self.outputs = (SCORES if average == 'prob' else LOGITS,)

    def results(self, x: Tensor, size: tuple[int, int]) -> Sequence[Tensor]:
        """Computes the scores."""
        maps = self.net.backbone(x)
        if self.net.with_neck:
            maps, _ = self.net.neck(maps)
        logits = self.net.cls_head(maps)
        return (logits.softmax(1) if self.outputs[0] is SCORES else logits,)


def bare_head(head: nn.Module) -> nn.Module:
    """The host's head within that which trains the score token."""
    return head.head if isinstance(head, ScoreTokenHead) else head
