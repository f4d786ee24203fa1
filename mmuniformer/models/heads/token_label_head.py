"""Training on the labels of tokens (token labeling)."""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmuniformer.models.token_labels import make_targets, soft_cross_entropy
from mmuniformer.models.token_mixing import mix_box
from mmuniformer.registry import MODELS

# Tokens of stage 1 beside a token of stage 4.
STRIDE = 8
# What the pipeline packs besides the image.
KEYS = ('token_label', 'token_crop')
INIT = dict(type='TruncNormal', layer='Linear', std=0.02, bias=0.0)


@MODELS.register_module()
class TokenLabelHead(BaseModule):
    """A classifier of the map, and an auxiliary one of its tokens.

    The head of an ``ImageClassifier`` of mmpretrain, without a neck. `All
    Tokens Matter: Token Labeling for Training Better Vision Transformers
    <https://arxiv.org/abs/2104.10858>`_, as the published models of UniFormer
    were trained.

    The pipeline gives the label map of the whole image and the place of the
    crop (``LoadTokenLabel``, ``TokenLabelCrop``), and
    ``PackInputs(algorithm_keys=('token_label', 'token_crop'))`` packs both.
    Neither loss reads the label of the image.

    Args:
        num_classes (int): Number of classes.
        in_channels (int): Channels of the map.
        aux_loss_weight (float): Weight of the tokens' loss, the class's being
            1.
        aux_score_weight (float): Weight of the tokens' highest score of each
            class in the prediction.
        label_smoothing (float): Share of a target that all classes get alike.
        swap_axes (bool): Whether crops are read from label maps with their
            axes swapped, as the published models were trained; see
            :func:`make_targets`.
        init_cfg (dict, optional): Initialisation of both classifiers.

    Attributes:
        fc (nn.Linear): Classifier of the map's mean.
        aux_fc (nn.Linear): Classifier of tokens.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        aux_loss_weight: float = 1.0,
        aux_score_weight: float = 0.5,
        label_smoothing: float = 0.1,
        swap_axes: bool = True,
        init_cfg: dict | None = INIT,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.num_classes = num_classes
        self.aux_loss_weight = aux_loss_weight
        self.aux_score_weight = aux_score_weight
        self.label_smoothing = label_smoothing
        self.swap_axes = swap_axes
        self.fc = nn.Linear(in_channels, num_classes)
        self.aux_fc = nn.Linear(in_channels, num_classes)
        # Has no weights: turns logits into data samples of mmpretrain.
        self.predictor = MODELS.build(dict(type='mmpretrain.ClsHead'))

    def pre_logits(self, feats: tuple[Tensor, ...]) -> Tensor:
        """The mean (B, C) of the map.

        Args:
            feats (tuple[Tensor, ...]): The map (B, C, H, W); in training with
                ``mix_token`` the mixed box after it.
        """
        return feats[0].flatten(2).mean(2)

    def classify(self, feats: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Logits of the images (B, num_classes), and of their tokens.

        Args:
            feats (tuple[Tensor, ...]): See :meth:`pre_logits`.

        Returns:
            tuple[Tensor, Tensor]: The latter are (B, H * W, num_classes), by
            rows, each where its token is from if the box was mixed.
        """
        tokens = self.aux_fc(feats[0].flatten(2).transpose(1, 2))
        if len(feats) > 1:
            grid = tokens.transpose(1, 2).unflatten(2, feats[0].shape[-2:])
            grid = mix_box(grid, feats[1] // STRIDE)
            tokens = grid.flatten(2).transpose(1, 2)
        return self.fc(self.pre_logits(feats)), tokens

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Logits (B, num_classes) of a prediction.

        Args:
            feats (tuple[Tensor, ...]): See :meth:`pre_logits`.
        """
        logits, tokens = self.classify(feats)
        return logits + self.aux_score_weight * tokens.amax(1)

    def loss(
        self, feats: tuple[Tensor, ...], data_samples: list
    ) -> dict[str, Tensor]:
        """Losses of both classifiers, at least in single precision.

        Args:
            feats (tuple[Tensor, ...]): See :meth:`pre_logits`.
            data_samples (list[DataSample]): With ``token_label`` (2, k, h, w)
                and ``token_crop`` (4,).

        Raises:
            ValueError: If they lack one of these.
        """
        logits, tokens = self.classify(feats)
        with torch.autocast(logits.device.type, enabled=False):
            dtype = torch.promote_types(logits.dtype, torch.float32)
            size = feats[0].shape[-2:]
            of_class, dense = self._targets(
                data_samples, size, logits.device, dtype
            )
            if len(feats) > 1:
                share = _share_outside(feats[1] // STRIDE, size).to(dtype)
                of_class = share * of_class + (1 - share) * of_class.flip(0)
            return dict(
                loss_cls=soft_cross_entropy(logits.to(dtype), of_class),
                loss_aux=self.aux_loss_weight
                * soft_cross_entropy(tokens.to(dtype), dense),
            )

    def predict(
        self,
        feats: tuple[Tensor, ...],
        data_samples: list | None = None,
    ) -> list:
        """Predictions as those of mmpretrain's heads.

        Args:
            feats (tuple[Tensor, ...]): See :meth:`pre_logits`.
            data_samples (list[DataSample], optional): Get the predictions.
        """
        return self.predictor.predict((self(feats),), data_samples)

    @torch.no_grad()
    def _targets(
        self,
        data_samples: list,
        size: tuple[int, int],
        device: torch.device,
        dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor]:
        for key in KEYS:
            if any(key not in sample for sample in data_samples):
                raise ValueError(
                    f'TokenLabelHead trains on label maps, and the samples '
                    f'have no {key}: the pipeline needs LoadTokenLabel, '
                    'TokenLabelCrop and PackInputs(algorithm_keys='
                    f'{KEYS})'
                )
        maps, crops = (
            [
                torch.as_tensor(sample.get(key)).to(device, dtype)
                for sample in data_samples
            ]
            for key in KEYS
        )
        return make_targets(
            maps,
            torch.stack(crops),
            self.num_classes,
            size,
            self.label_smoothing,
            self.swap_axes,
        )


def _share_outside(box: Tensor, size: tuple[int, int]) -> Tensor:
    """The share of a map that is not in a box, which may be empty."""
    top, left, bottom, right = box
    area = ((bottom - top) * (right - left)).double()
    return 1 - area / (size[0] * size[1])
