"""The protocol of a ground tower.

A ground tower embeds texts and (if it can) photographs taken on the ground as unit vectors. The satellite encoder is
trained into the same space; the tower itself is not trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

    ImageLike: TypeAlias = "Image.Image | str | Path"

__all__ = ["COMPACT_FOLDER", "GroundTower"]

COMPACT_FOLDER = Path(__file__).parents[1] / "weights" / "compact-text"
"""Folder of the compact text tower that is shipped with the package."""


@runtime_checkable
class GroundTower(Protocol):
    """Embeds text and ground photographs into one space; every vector has unit length."""

    @property
    def name(self) -> str:
        """The name that is stored with a checkpoint: `compact-text-v1`, a hub id or a folder."""

    @property
    def dim(self) -> int:
        """Length D of a vector."""

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(P, D) unit vectors of P texts.

        Raises:
            PromptError: a text is empty, or the tower knows none of its words.
        """

    def encode_images(self, images: Sequence[ImageLike]) -> NDArray[np.float32]:
        """(P, D) unit vectors of P photographs (PIL images or paths).

        Raises:
            TowerError: the tower reads text only.
            InputError: an image is broken or too large; the message names it.
        """
