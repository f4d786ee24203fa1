"""mmdet's PAA and LAD fit a mixture to losses of 32 bits.

Defect: ``PAAHead`` gives scikit-learn losses of 32 bits, in which the variance
of losses that are large and close to each other vanishes: ``Fitting the
mixture model failed because some components have ill-defined empirical
covariance`` early in training.
Applies to: mmdet 3.3.0 with scikit-learn, which computes in the type that it
is given.
Upstream: https://github.com/open-mmlab/mmdetection (no issue found)
Gone when: the losses are fitted in 64 bits; a mixture of them is the same.
"""

from __future__ import annotations

from types import ModuleType, SimpleNamespace

from mmuniformer.compat.import_hooks import after_import
from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import installed

_MODULE = 'mmdet.models.dense_heads.paa_head'


def _in_double(mixture: type) -> type:
    class GaussianMixture(mixture):
        def fit(self, X, y=None):
            return super().fit(X.astype('float64'), y)

    return GaussianMixture


def _patch(module: ModuleType) -> None:
    # None without scikit-learn.
    if isinstance(module.skm, ModuleType):
        mixture = _in_double(module.skm.GaussianMixture)
        module.skm = SimpleNamespace(GaussianMixture=mixture)


def apply() -> None:
    after_import(_MODULE, _patch)


def status() -> Status:
    name = 'mmdet fits the mixture of PAA'
    if not installed('mmdet') or not installed('sklearn'):
        return Status(name, 'not needed', 'no mmdet with scikit-learn')
    from mmdet.models.dense_heads import paa_head

    if isinstance(paa_head.skm, SimpleNamespace):
        return Status(name, 'active', 'losses are fitted in 64 bits')
    return Status(name, 'not needed', 'losses are fitted in 64 bits')
