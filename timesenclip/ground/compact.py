"""The compact text tower: one vector a token, looked up and averaged; offline, with NumPy and tokenizers only.

Made by scripts/distill-compact-tower; weights/compact-text/README.md describes its training and limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import PromptError, TowerError
from timesenclip.ground.tower import COMPACT_FOLDER, checked_texts
from timesenclip.messages import shorten_error
from timesenclip.weights_files import check_finite, read_config_json, read_safetensors_header

if TYPE_CHECKING:
    from timesenclip.ground.tower import ImageLike

__all__ = ["CompactTextTower"]

_FILES = ("config.json", "model.safetensors", "tokenizer.json")


class CompactTextTower:
    """A static text tower read from a model2vec folder; it cannot read photographs."""

    def __init__(self, folder: Path | str = COMPACT_FOLDER) -> None:
        """Load the token table (about 8 MB).

        Args:
            folder: a model2vec folder; default: the shipped one. It is not looked for on the hub.

        Raises:
            TowerError: the folder lacks a file, or a file is broken.
        """
        from model2vec import StaticModel

        folder = Path(folder)
        missing = [name for name in _FILES if not (folder / name).is_file()]
        if missing:
            raise TowerError(
                f"{folder}: no compact text tower, {', '.join(missing)} is missing; reinstall timesenclip."
            )
        try:
            config = read_config_json(folder / "config.json")
            read_safetensors_header(folder / "model.safetensors")
            self._model = StaticModel.from_pretrained(folder)
            tables = {"embeddings": self._model.embedding, "weights": self._model.weights}
            check_finite({key: np.asarray(table) for key, table in tables.items() if table is not None}, file=folder)
        except Exception as error:  # safetensors and tokenizers raise bare exceptions of their own
            raise TowerError(
                f"{folder}: the compact text tower is broken ({shorten_error(error)}); reinstall timesenclip."
            ) from error
        self._name = str(config.get("name", folder.name))
        self._language = str(config.get("language", ""))

    @property
    def name(self) -> str:
        """`compact-text-v1` for the shipped tower."""
        return self._name

    @property
    def language(self) -> str:
        """Code of the only language whose words it knows, `en`; empty where the folder does not say."""
        return self._language

    @property
    def dim(self) -> int:
        """Length D of a vector: 256 for the shipped tower."""
        return int(self._model.dim)

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(P, D) float32 unit vectors of P texts; a vector does not depend, to the last bit, on the rest of the batch.

        Raises:
            PromptError: a text is empty, holds control characters or is very long, or the tower knows none of its
                words ("of the", "???", another script than Latin).
        """
        cleaned = checked_texts(texts)
        if not cleaned:
            return np.zeros((0, self.dim), dtype=np.float32)
        summed = self._model.encode(cleaned, normalize=False, use_multiprocessing=False)
        vectors = np.asarray(summed, dtype=np.float64)  # (P, D)
        length = np.linalg.norm(vectors, axis=1, keepdims=True)  # (P, 1)
        unknown = np.flatnonzero(length[:, 0] == 0)
        if unknown.size:
            raise PromptError(
                f"'{cleaned[unknown[0]]}' holds no word that tower '{self.name}' knows; it reads English words for "
                "things on the ground, such as 'maize field'."
            )
        return np.asarray(vectors / length, dtype=np.float32)

    def encode_images(self, images: Sequence[ImageLike]) -> NDArray[np.float32]:
        """Not possible with this tower.

        Raises:
            TowerError: always; the message says which tower can.
        """
        raise TowerError(
            f"Tower '{self.name}' reads text only, so {len(images)} photograph(s) cannot be embedded; use a CLIP tower "
            "and a checkpoint trained with it, such as load_tower('openai/clip-vit-base-patch32')."
        )
