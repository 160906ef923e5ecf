"""Pool the ground views of one place (photographs, field notes) into one vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from timesenclip.errors import InputError

__all__ = ["AttentionPooling"]

_MODES = ("per-image", "per-dim", "mean", "one-view")


class AttentionPooling(nn.Module):
    """Weighted sum of views, the weights a softmax over the views of a place.

    Source: the authors' pooling layer; `per-image` is `attpool_perimage` (one score a view, their default),
    `per-dim` is `attpool_perdim` (one score a view and dimension), `mean` is `avgpool`. `one-view` takes one view
    of each place: a random one in every training step (from torch's generator, which a run seeds by step), in
    evaluation the first one that the place has, so that the figures of a checkpoint are reproducible.

    Args:
        dim: D, dimension of a view.
        mode: `per-image`, `per-dim`, `mean` or `one-view`.
    """

    def __init__(self, dim: int, mode: str = "per-image") -> None:
        super().__init__()
        if mode not in _MODES:
            raise InputError(f"Unknown pooling '{mode}'; expected one of {', '.join(_MODES)}.")
        self.mode = mode
        if mode in ("per-image", "per-dim"):
            self.linear = nn.Linear(dim, 1 if mode == "per-image" else dim, bias=False)

    def forward(self, views: Tensor, mask: Tensor | None = None) -> Tensor:
        """Pool views.

        Args:
            views: (B, P, D), any P >= 1.
            mask: (B, P) bool, True = the view exists; at least one for each place. Default: all.

        Returns:
            (B, D), not normalised; a single view passes through unchanged.

        Raises:
            InputError: a place has no view.
        """
        present = torch.ones(views.shape[:2], dtype=torch.bool, device=views.device) if mask is None else mask
        if not bool(present.any(dim=1).all()):
            place = int((~present.any(dim=1)).nonzero()[0])
            raise InputError(f"Place {place} of the batch has no ground view; leave such places out.")
        if self.mode == "one-view":
            present = self._choose_one(present)
        views = views.masked_fill(~present[..., None], 0.0)
        scores = self.linear(views) if hasattr(self, "linear") else torch.zeros_like(views[..., :1])  # (B, P, 1 or D)
        weights = scores.masked_fill(~present[..., None], -torch.inf).softmax(dim=1)
        return (weights * views).sum(dim=1)  # (B, D)

    def _choose_one(self, present: Tensor) -> Tensor:
        """(B, P) bool with one view of each place: any while training, else the first."""
        # Drawn on the CPU, so that the same seed means the same photographs on every device.
        order = (
            torch.rand(present.shape).to(present.device)
            if self.training
            else torch.zeros(present.shape, device=present.device)
        )
        first = order.masked_fill(~present, 2.0).argmin(dim=1, keepdim=True)  # (B, 1), the first of several smallest
        return torch.zeros_like(present).scatter(1, first, True)
