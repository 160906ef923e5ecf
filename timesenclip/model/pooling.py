"""From several ground views of one place (photographs, notes) to one vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from timesenclip.errors import InputError

__all__ = ["AttentionPooling"]

_MODES = ("per-image", "per-dim", "mean")


class AttentionPooling(nn.Module):
    """Weighted sum of views, the weights a softmax over the views of a place.

    Source: the authors' pooling layer; `per-image` is `attpool_perimage` (one score a view, their default),
    `per-dim` is `attpool_perdim` (one score a view and dimension), `mean` is `avgpool`.

    Args:
        dim: D, dimension of a view.
        mode: `per-image`, `per-dim` or `mean`.
    """

    def __init__(self, dim: int, mode: str = "per-image") -> None:
        super().__init__()
        if mode not in _MODES:
            raise InputError(f"Unknown pooling '{mode}'; expected one of {', '.join(_MODES)}.")
        self.mode = mode
        if mode != "mean":
            self.linear = nn.Linear(dim, 1 if mode == "per-image" else dim, bias=False)

    def forward(self, views: Tensor, mask: Tensor | None = None) -> Tensor:
        """Pool views.

        Args:
            views: (B, P, D), any P >= 1.
            mask: (B, P) bool, True = there is such a view; at least one for each place. Default: all.

        Returns:
            (B, D), not normalised; a single view passes through unchanged.

        Raises:
            InputError: a place has no view.
        """
        keep = torch.ones(views.shape[:2], dtype=torch.bool, device=views.device) if mask is None else mask
        if not bool(keep.any(dim=1).all()):
            place = int((~keep.any(dim=1)).nonzero()[0])
            raise InputError(f"Place {place} of the batch has no ground view; leave such places out.")
        views = views.masked_fill(~keep[..., None], 0.0)
        scores = torch.zeros_like(views[..., :1]) if self.mode == "mean" else self.linear(views)  # (B, P, 1 or D)
        weights = scores.masked_fill(~keep[..., None], -torch.inf).softmax(dim=1)
        return (weights * views).sum(dim=1)  # (B, D)
