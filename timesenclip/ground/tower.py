"""What a ground tower is.

A ground tower puts words and (if it can) photographs taken on the ground into one space of unit vectors, into which the
satellite encoder is trained. It is never trained itself.
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
"""The compact text tower that travels with the package."""


@runtime_checkable
class GroundTower(Protocol):
    """Embeds text and ground photographs into one space; every vector has unit length."""

    @property
    def name(self) -> str:
        """What is stored with a checkpoint: `compact-text-v1`, or the hub id or folder it was loaded from."""

    @property
    def dim(self) -> int:
        """Length D of a vector."""

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(P, D) unit vectors of P texts.

        Raises:
            PromptError: a text is empty, or holds nothing that the tower knows.
        """

    def encode_images(self, images: Sequence[ImageLike]) -> NDArray[np.float32]:
        """(P, D) unit vectors of P photographs (PIL images or paths).

        Raises:
            TowerError: the tower reads text only.
            InputError: an image is broken or too large; the message names it.
        """
