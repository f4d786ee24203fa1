"""Processes that train together: a wrapper with what saves them time."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.model import MMDistributedDataParallel
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks

from mmuniformer.errors import UserError
from mmuniformer.registry import MODEL_WRAPPERS

COMPRESSIONS = {
    'bf16': default_hooks.bf16_compress_hook,
    'fp16': default_hooks.fp16_compress_hook,
}


@MODEL_WRAPPERS.register_module()
class DistributedDataParallel(MMDistributedDataParallel):
    """mmengine's wrapper with its usual settings, and compressed gradients.

    A ``model_wrapper_cfg`` replaces what mmengine takes without one; its
    ``MMDistributedDataParallel`` then broadcasts all buffers in each forward
    pass. This one does so only if it is told to.

    Args:
        module (nn.Module): The model.
        compress_gradients (str, optional): 'bf16' or 'fp16': what the
            processes send each other, in half of the bytes. The gradients of
            the optimizer stay in single precision, rounded.
        static_graph (bool): The same parameters are used, in the same way,
            in every step. Not of a detector whose loss leaves out heads
            without boxes.
        gradient_as_bucket_view (bool): Gradients lie in the memory that is
            sent: less memory by their size, and no copies.
        broadcast_buffers (bool): See torch's class.
        find_unused_parameters (bool): See torch's class.
        bucket_cap_mb (int, optional): See torch's class.
        device_ids (list[int], optional): See torch's class; mmengine passes
            it.
        detect_anomalous_params (bool): See mmengine's class.

    Raises:
        UserError: If the compression has another name.
    """

    def __init__(
        self,
        module: nn.Module,
        compress_gradients: str | None = None,
        static_graph: bool = False,
        gradient_as_bucket_view: bool = False,
        broadcast_buffers: bool = False,
        find_unused_parameters: bool = False,
        bucket_cap_mb: int | None = None,
        device_ids: list[int] | None = None,
        detect_anomalous_params: bool = False,
    ) -> None:
        known = (None, *COMPRESSIONS)
        if compress_gradients not in known:
            raise UserError(
                f'model_wrapper_cfg: compress_gradients={compress_gradients!r}'
                f' must be one of {", ".join(map(repr, known))}'
            )
        # Before torch 2.3 a number is needed.
        more: dict[str, Any] = (
            {} if bucket_cap_mb is None else dict(bucket_cap_mb=bucket_cap_mb)
        )
        super().__init__(
            module,
            detect_anomalous_params=detect_anomalous_params,
            device_ids=device_ids,
            broadcast_buffers=broadcast_buffers,
            find_unused_parameters=find_unused_parameters,
            gradient_as_bucket_view=gradient_as_bucket_view,
            static_graph=static_graph,
            **more,
        )
        self._is_first = True
        if compress_gradients is not None:
            hook = COMPRESSIONS[compress_gradients]
            self.register_comm_hook(None, hook)

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """Leaves gradients to each process, for accumulating them.

        The first pass of a static graph, in which torch learns the graph,
        fails within torch's. There they are averaged; a second average of
        what is equal changes nothing.
        """
        if self.static_graph and self._is_first:
            self._is_first = False
            yield
            return
        with super().no_sync():
            yield
