"""UniFormer as plainly as the paper writes it: what the others are timed with.

Attention is the product of matrices that equation 7 shows, all of them in
memory; maps are in PyTorch's default layout (NCHW), and become tokens for a
global block and maps again after it. Nothing is fused, folded or skipped. The
parameters have the names of the backbones, so that both run on one set of
weights, and what both give out can be compared in the run that times them.
"""

from collections import OrderedDict
from collections.abc import Callable
from copy import deepcopy
from functools import partial

from torch import Tensor, nn
from torch.nn import functional as F

from mmuniformer.models.backbones.base import UniFormerBase
from mmuniformer.models.layers import BATCH_NORMS, CONVS


class PlainUniFormer(nn.Module):
    """The function of a backbone of patches and joint attention.

    Args:
        backbone (UniFormerBase): What it is to agree with; its weights are
            copied.
    """

    def __init__(self, backbone: UniFormerBase):
        super().__init__()
        self.windows = getattr(backbone, 'test_windows', None)
        self.norm_names = {
            i: backbone._norm_name(i) for i in backbone.out_indices
        }
        arch, ndim = backbone.arch, backbone.ndim
        for i, (depth, dim) in enumerate(
            zip(arch.depths, arch.embed_dims, strict=True)
        ):
            proj = deepcopy(getattr(backbone, f'patch_embed{i + 1}').proj)
            embed = OrderedDict(proj=proj, norm=MapNorm(dim))
            self.add_module(f'patch_embed{i + 1}', nn.Sequential(embed))
            heads = () if i < 2 else (dim // arch.head_dim,)
            block = PlainLocalBlock if i < 2 else PlainGlobalBlock
            blocks = [
                block(ndim, dim, arch.mlp_ratio, *heads) for _ in range(depth)
            ]
            self.add_module(f'blocks{i + 1}', nn.ModuleList(blocks))
            if i in self.norm_names:
                norm = deepcopy(getattr(backbone, self.norm_names[i]))
                if isinstance(norm, nn.LayerNorm):
                    norm = MapNorm(dim, eps=norm.eps)
                self.add_module(self.norm_names[i], norm)
        self.load_state_dict(backbone.state_dict())

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Extracts the maps that the backbone extracts."""
        outs = []
        for i in range(4):
            x = getattr(self, f'patch_embed{i + 1}')(x)
            for j, block in enumerate(getattr(self, f'blocks{i + 1}')):
                window = self.windows[j] if self.windows and i == 2 else None
                x = block(x) if i < 2 else block(x, window)
            if i in self.norm_names:
                outs.append(getattr(self, self.norm_names[i])(x))
        return tuple(outs)


class MapNorm(nn.LayerNorm):
    """LayerNorm of a map: a copy to put channels last, and one back."""

    def forward(self, x: Tensor) -> Tensor:
        x = super().forward(x.movedim(1, -1).contiguous())
        return x.movedim(-1, 1).contiguous()


def _feed_forward(
    layer: Callable[[int, int], nn.Module], dim: int, mlp_ratio: float
) -> nn.Sequential:
    hidden = int(dim * mlp_ratio)
    fc1, fc2 = layer(dim, hidden), layer(hidden, dim)
    return nn.Sequential(OrderedDict(fc1=fc1, act=nn.GELU(), fc2=fc2))


class PlainLocalBlock(nn.Module):
    """Equations 1 to 3 with the aggregator of equation 6."""

    def __init__(self, ndim: int, dim: int, mlp_ratio: float):
        super().__init__()
        conv, norm = CONVS[ndim], BATCH_NORMS[ndim]
        self.pos_embed = conv(dim, dim, 3, padding=1, groups=dim)
        self.norm1 = norm(dim)
        self.conv1 = conv(dim, dim, 1)
        self.conv2 = conv(dim, dim, 1)
        self.attn = conv(dim, dim, 5, padding=2, groups=dim)
        self.norm2 = norm(dim)
        self.mlp = _feed_forward(partial(conv, kernel_size=1), dim, mlp_ratio)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.pos_embed(x)
        x = x + self.conv2(self.attn(self.conv1(self.norm1(x))))
        return x + self.mlp(self.norm2(x))


class PlainGlobalBlock(nn.Module):
    """Equations 1 to 3 with the aggregator of equation 7."""

    def __init__(self, ndim: int, dim: int, mlp_ratio: float, heads: int):
        super().__init__()
        self.pos_embed = CONVS[ndim](dim, dim, 3, padding=1, groups=dim)
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = PlainAttention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = _feed_forward(nn.Linear, dim, mlp_ratio)

    def forward(self, x: Tensor, window: int | None) -> Tensor:
        x = x + self.pos_embed(x)
        shape = x.shape
        tokens = x.flatten(2).transpose(1, 2).contiguous()
        normed = self.norm1(tokens)
        if window is None:
            attended = self.attn(normed)
        else:
            attended = self._in_windows(normed, shape, window)
        tokens = tokens + attended
        tokens = tokens + self.mlp(self.norm2(tokens))
        return tokens.transpose(1, 2).contiguous().reshape(shape)

    def _in_windows(
        self, tokens: Tensor, shape: tuple[int, ...], side: int
    ) -> Tensor:
        """Attention within squares, after padding with zeros."""
        batch, dim, height, width = shape
        right, bottom = -width % side, -height % side
        x = tokens.reshape(batch, height, width, dim)
        x = F.pad(x, (0, 0, 0, right, 0, bottom))
        rows, columns = x.shape[1] // side, x.shape[2] // side
        x = x.reshape(batch, rows, side, columns, side, dim)
        x = x.transpose(2, 3).reshape(-1, side * side, dim)
        x = self.attn(x)
        x = x.reshape(batch, rows, columns, side, side, dim).transpose(2, 3)
        x = x.reshape(batch, rows * side, columns * side, dim)
        return x[:, :height, :width].reshape(tokens.shape)


class PlainAttention(nn.Module):
    """Equation 7, with the matrix of all pairs of tokens."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, dim = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        affinity = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5
        x = affinity.softmax(-1) @ v
        return self.proj(x.transpose(1, 2).reshape(batch, tokens, dim))
