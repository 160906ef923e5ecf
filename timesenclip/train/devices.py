"""Devices, processes and precision, by Lightning's Fabric."""

from __future__ import annotations

import logging
import time
from typing import Any

import torch

from timesenclip.extras import require

__all__ = ["make_fabric", "precision_on_cpu"]

_LOG = logging.getLogger(__name__)


def make_fabric(accelerator: str, devices: int, precision: str) -> Any:
    """Start the processes of a run.

    Args:
        accelerator: `auto`, `cpu` or `gpu`, as Lightning names them.
        devices: processes, one a device.
        precision: as Lightning names it; on a CPU, `precision_on_cpu` of it.

    Raises:
        MissingExtraError: Lightning is not installed.
    """
    fabric_module = require("train", "lightning.fabric", needed_by="Training")
    strategy = "ddp" if devices > 1 else "auto"
    if accelerator == "cpu" or (accelerator == "auto" and not torch.accelerator.is_available()):
        precision = precision_on_cpu(precision)
    # They name the precision on stderr; it stands in the run's configuration.
    said = [logging.getLogger(name) for name in ("lightning.fabric", "lightning.pytorch")]
    levels = [logger.level for logger in said]
    for logger in said:
        logger.setLevel(logging.WARNING)
    try:
        fabric = fabric_module.Fabric(accelerator=accelerator, devices=devices, strategy=strategy, precision=precision)
        fabric.launch()
    finally:
        for logger, level in zip(said, levels, strict=True):
            logger.setLevel(level)
    return fabric


def precision_on_cpu(wanted: str) -> str:
    """Precision to use on a CPU: half precision becomes bfloat16, or 32 bits if bfloat16 is measured to be slower.

    Without the instructions for it (AVX-512 BF16, AMX) bfloat16 was 70 times slower than 32 bits.
    """
    if wanted == "32-true":
        return wanted

    def spent(dtype: torch.dtype) -> float:
        a, b = torch.ones(256, 512, dtype=dtype), torch.ones(512, 512, dtype=dtype)
        times = []
        for _ in range(3):
            began = time.perf_counter()
            a @ b
            times.append(time.perf_counter() - began)
        return min(times)

    if spent(torch.bfloat16) < spent(torch.float32):
        return "bf16-mixed"
    _LOG.warning("This processor is slower in bfloat16 than in 32 bits: training in 32-true, not in %s.", wanted)
    return "32-true"
