"""The protocol of a ground tower.

A ground tower embeds texts and (if it can) photographs taken on the ground as unit vectors. The satellite encoder is
trained into the same space; the tower itself is not trained.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import PromptError
from timesenclip.messages import show_value

if TYPE_CHECKING:
    from PIL import Image

    ImageLike: TypeAlias = "Image.Image | str | Path"

__all__ = [
    "COMPACT_FOLDER",
    "LONGEST_TEXT",
    "GroundTower",
    "checked_texts",
    "text_problem",
]

LONGEST_TEXT = 2000
"""Characters of the longest phrase, name or descriptive sentence; towers read some 60 words."""

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


def checked_texts(texts: Sequence[str]) -> list[str]:
    """Texts for a tower, without spaces around them.

    Raises:
        PromptError: one text was given instead of a list, or a text cannot be used (`text_problem`).
    """
    if isinstance(texts, str):
        raise PromptError(f"One text was given ({show_value(texts)}) where a list is expected; put it in brackets.")
    cleaned = [text.strip() for text in texts]
    for number, text in enumerate(cleaned, start=1):
        problem = text_problem(text)
        if problem is not None:
            raise PromptError(f"Text {number} of {len(cleaned)} {problem}; write what to look for.")
    return cleaned


def text_problem(text: str) -> str | None:
    """Why a phrase or a name cannot be used, as the end of a sentence; None if it can.

    Refused are texts that are empty, of more than `LONGEST_TEXT` characters, or hold control characters or halves of
    characters (bytes that are no UTF-8): tokenizers fail on them, and files and terminals show them wrongly.
    """
    if not text.strip():
        return "is empty"
    if len(text) > LONGEST_TEXT:
        return f"has {len(text):,} characters, at most {LONGEST_TEXT:,} are read"
    if any(unicodedata.category(char) in ("Cc", "Cs") and char not in "\t\r\n" for char in text):
        return f"holds control characters or bytes that are no UTF-8 ({show_value(text)})"
    if not any(char.isprintable() and not char.isspace() for char in text):
        return f"shows nothing ({show_value(text)})"
    return None
