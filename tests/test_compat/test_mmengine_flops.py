"""The counter's sum against products counted by hand."""

import torch
import torch.nn.functional as F
from mmengine.analysis import FlopAnalyzer, get_model_complexity_info
from mmengine.analysis import complexity_analysis as complexity
from torch import nn

from mmuniformer.compat import mmengine_flops


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        parts = self.qkv(x).unflatten(-1, (3, self.heads, -1))
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        out = F.scaled_dot_product_attention(q, k, v)
        return self.proj(out.transpose(1, 2).flatten(2))


class Cross(nn.Module):
    """Other lengths and widths of query, key and value."""

    def forward(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v)


def test_attention_of_the_design():
    tokens, width = 4200, 320
    products = 2 * tokens * tokens * width
    linear = tokens * width * (3 * width + width)
    model, x = Attention(width, 5).eval(), torch.zeros(1, tokens, width)
    with torch.no_grad():
        flops = get_model_complexity_info(
            model, inputs=(x,), show_table=False, show_arch=False
        )['flops']
    assert flops == products + linear
    assert round(flops / 1e9, 1) == 13.0


def test_query_key_and_value_of_different_sizes():
    q, k, v = torch.rand(2, 3, 7, 4), torch.rand(2, 3, 5, 4), None
    v = torch.rand(2, 3, 5, 6)
    counter = FlopAnalyzer(Cross(), (q, k, v))
    assert counter.total() == 2 * 3 * (7 * 5 * 4 + 7 * 5 * 6)
    assert not counter.unsupported_ops()


def test_the_other_layers_of_the_block_follow_the_convention():
    """One per multiply-accumulate; BatchNorm 2, LayerNorm 5 per element."""
    model = nn.Sequential(
        nn.Conv2d(16, 16, 5, padding=2, groups=16),
        nn.BatchNorm2d(16),
        nn.Conv2d(16, 32, 1),
        nn.Flatten(2),
        nn.LayerNorm(100),
        nn.Linear(100, 10),
    ).eval()
    counts = FlopAnalyzer(model, (torch.zeros(1, 16, 10, 10),)).by_operator()
    assert counts == {
        'conv': 1600 * 25 + 1600 * 32,
        'batch_norm': 1600 * 2,
        'layer_norm': 3200 * 5,
        'linear': 3200 * 10,
    }


def test_a_handler_of_mmengine_is_kept(monkeypatch):
    def theirs(inputs, outputs):
        return 0

    handlers = {mmengine_flops.OPERATOR: theirs}
    monkeypatch.setattr(complexity, '_DEFAULT_SUPPORTED_FLOP_OPS', handlers)
    mmengine_flops._patch(complexity)
    assert handlers == {mmengine_flops.OPERATOR: theirs}
    assert mmengine_flops.status().state == 'not needed'


def test_status():
    assert mmengine_flops.status().state == 'active'
