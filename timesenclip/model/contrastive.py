"""The contrastive loss (InfoNCE) between satellite and ground embeddings, and its learnable temperature."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from timesenclip.errors import InputError

__all__ = ["Temperature", "info_nce"]

_MAX_LOG_SCALE = math.log(100.0)


class Temperature(nn.Module):
    """The scale 1 / temperature of the logits, learnable on a log axis and clamped to 1..100.

    Source: CLIP (Radford et al. 2021), and the authors' `on_before_zero_grad`. Differs: a fixed temperature is
    converted to a scale too (the authors used it as a logarithm).

    Args:
        initial: temperature at the start.
        learnable: whether the optimiser may change it.
    """

    def __init__(self, initial: float = 0.07, *, learnable: bool = True) -> None:
        super().__init__()
        if not 0.01 <= initial <= 1.0:
            raise InputError(f"Temperature {initial:g} is outside 0.01..1; CLIP starts at 0.07.")
        self.log_scale = nn.Parameter(torch.tensor(math.log(1.0 / initial)), requires_grad=learnable)

    def forward(self) -> Tensor:
        """The scale, a scalar tensor within 1..100."""
        return self.log_scale.clamp(0.0, _MAX_LOG_SCALE).exp()

    @torch.no_grad()
    def clamp_(self) -> None:
        """Bring the parameter back into its range; call after each optimiser step, or it sticks outside."""
        self.log_scale.clamp_(0.0, _MAX_LOG_SCALE)


def info_nce(
    satellite: Tensor,
    ground: Tensor,
    *,
    scale: Tensor | float,
    bank_keys: Tensor | None = None,
    in_batch: bool = False,
    symmetric: bool = False,
    place: Tensor | None = None,
    bank_place: Tensor | None = None,
    label: Tensor | None = None,
    bank_label: Tensor | None = None,
    alike: Tensor | None = None,
) -> Tensor:
    """Contrastive loss of pairs of embeddings.

    With the defaults and a memory bank it is the loss of the paper: satellite -> ground, negatives from the bank only.
    `place` and `label` take false negatives out of the denominator.

    Args:
        satellite: (B, D) satellite embeddings; normalised here.
        ground: (B, D) pooled ground embeddings of the same places; normalised here.
        scale: 1 / temperature.
        bank_keys: (M, D) ground keys of earlier batches, used as negatives for the satellite side; normalised here. M
            may be 0: a bank is empty at the first step of training.
        in_batch: also use the other places' ground embeddings as negatives.
        symmetric: add the loss ground -> satellite and take the mean of the two; needs `in_batch`. The bank has only
            ground keys, so the negatives of this half are the batch's satellite embeddings alone.
        place: (B,) int64 place ids; keys of the same place are not negatives. -1 never matches.
        bank_place: (M,) the same for the bank.
        label: (B,) int64 labels; keys with the same label are not negatives. -1 never matches.
        bank_label: (M,) the same for the bank.
        alike: (places, places) bool and symmetric, True = keys of the one place are no negatives of the other; default:
            those of equal ids only.

    Returns:
        Scalar mean loss. A pair without any negative has a loss of 0 and gradients of 0: its positive is the whole
        denominator. With an empty bank and `in_batch` unset that holds for the whole batch, which is how the first step
        of the paper's recipe only fills the bank; so it is no error.

    Raises:
        InputError: shapes or widths differ, or `symmetric` is set without `in_batch`.

    Source: van den Oord et al. 2018; He et al. 2020; Radford et al. 2021.
    """
    if satellite.shape != ground.shape or satellite.ndim != 2:
        raise InputError(
            f"Embeddings have shapes {tuple(satellite.shape)} and {tuple(ground.shape)}; expected equal (B, D)."
        )
    if symmetric and not in_batch:
        raise InputError("A symmetric loss needs negatives for the ground side too: set in_batch=True.")
    if bank_keys is not None and (bank_keys.ndim != 2 or bank_keys.shape[1] != satellite.shape[1]):
        raise InputError(
            f"`bank_keys` have shape {tuple(bank_keys.shape)} and the embeddings {tuple(satellite.shape)}; expected "
            f"(M, D) and (B, D) of one width D. Use the bank of a model with embeddings of {satellite.shape[1]}."
        )
    s, g = F.normalize(satellite, dim=-1), F.normalize(ground, dim=-1)  # (B, D) each
    logits = scale * s @ g.T  # (B, B), the pairs on the diagonal
    positive = logits.diagonal()  # (B,)
    pair = torch.eye(len(s), dtype=torch.bool, device=s.device)  # (B, B)
    negatives = _negatives(place, place, label, label, pair, alike) & ~pair if in_batch else torch.zeros_like(pair)
    denominator = [logits.masked_fill(~(negatives | pair), -torch.inf)]
    if bank_keys is not None and len(bank_keys):
        bank_logits = scale * s @ F.normalize(bank_keys, dim=-1).T  # (B, M)
        bank_negatives = _negatives(place, bank_place, label, bank_label, bank_logits, alike)
        denominator.append(bank_logits.masked_fill(~bank_negatives, -torch.inf))
    loss = (torch.cat(denominator, dim=1).logsumexp(dim=1) - positive).mean()
    if not symmetric:
        return loss
    # The mask is symmetric, so it serves ground -> satellite as it is.
    back = (logits.T.masked_fill(~(negatives | pair), -torch.inf).logsumexp(dim=1) - positive).mean()
    return (loss + back) / 2


def _negatives(
    place: Tensor | None,
    other_place: Tensor | None,
    label: Tensor | None,
    other_label: Tensor | None,
    like: Tensor,
    alike: Tensor | None,
) -> Tensor:
    """Mask of the shape of `like`, (B, keys): True where a key has neither the place nor the label of a row."""
    rows, columns = like.shape
    same = _equal_ids(place, other_place, rows, columns, like.device)
    if alike is not None and place is not None and other_place is not None:
        known = (place[:, None] >= 0) & (other_place[None, :] >= 0)
        same = same | (alike[place.clamp(min=0)][:, other_place.clamp(min=0)] & known)
    return ~(same | _equal_ids(label, other_label, rows, columns, like.device))


def _equal_ids(own: Tensor | None, other: Tensor | None, rows: int, columns: int, device: torch.device) -> Tensor:
    """(rows, columns) True where both ids are known and equal."""
    if own is None or other is None:
        return torch.zeros(rows, columns, dtype=torch.bool, device=device)
    return (own[:, None] == other[None, :]) & (own[:, None] >= 0)
