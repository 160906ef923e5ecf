"""A first-in, first-out bank of ground keys from earlier batches, used as negatives in the contrastive loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from timesenclip.errors import InputError

__all__ = ["MemoryBank"]


class MemoryBank(nn.Module):
    """The last `size` keys with the place and label each came from.

    Source: He et al. 2020 (MoCo), as the paper uses it. Differs: it starts empty instead of holding random vectors,
    takes batches of any size, and remembers places and labels so that false negatives can be left out.

    Args:
        dim: D, dimension of a key.
        size: K, largest number of keys; 0 makes a bank that stays empty.

    Raises:
        InputError: `size` is negative.
    """

    keys_buffer: Tensor
    place_buffer: Tensor
    label_buffer: Tensor
    filled: Tensor
    pointer: Tensor

    def __init__(self, dim: int, size: int) -> None:
        super().__init__()
        if size < 0:
            raise InputError(f"A memory bank cannot hold {size} keys; give 0 or more.")
        self.size = size
        self.register_buffer("keys_buffer", torch.zeros(size, dim))
        self.register_buffer("place_buffer", torch.full((size,), -1, dtype=torch.int64))
        self.register_buffer("label_buffer", torch.full((size,), -1, dtype=torch.int64))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.int64))

    def __len__(self) -> int:
        """Number of keys held."""
        return int(self.filled)

    @property
    def keys(self) -> Tensor:
        """(M, D) the keys held, M = len(self); in no particular order."""
        return self.keys_buffer[: len(self)]

    @property
    def place(self) -> Tensor:
        """(M,) int64 place of each key, -1 where none was given."""
        return self.place_buffer[: len(self)]

    @property
    def label(self) -> Tensor:
        """(M,) int64 label of each key, -1 where none was given."""
        return self.label_buffer[: len(self)]

    @torch.no_grad()
    def push(self, keys: Tensor, *, place: Tensor | None = None, label: Tensor | None = None) -> None:
        """Add a batch (B, D); the oldest keys leave. Of a batch larger than the bank the last `size` stay."""
        if self.size == 0 or len(keys) == 0:
            return
        none = torch.full((len(keys),), -1, dtype=torch.int64, device=keys.device)
        place, label = (none if ids is None else ids for ids in (place, label))
        keys, place, label = (t.detach()[-self.size :] for t in (keys, place, label))
        slot = (int(self.pointer) + torch.arange(len(keys), device=keys.device)) % self.size
        self.keys_buffer[slot] = keys.to(self.keys_buffer.dtype)
        self.place_buffer[slot] = place
        self.label_buffer[slot] = label
        self.pointer.fill_((int(self.pointer) + len(keys)) % self.size)
        self.filled.fill_(min(len(self) + len(keys), self.size))
