"""Ground towers for photographs and text: CLIP and SigLIP models through transformers, without torchvision."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import CheckpointError, DegradedInputWarning, TowerError
from timesenclip.ground.clip.transformers_package import import_transformers, quiet_transformers
from timesenclip.ground.tower import checked_texts
from timesenclip.messages import shorten_error
from timesenclip.weights_files import check_finite, read_config_json

if TYPE_CHECKING:
    import torch

    from timesenclip.ground.clip.preprocess import Preprocessing
    from timesenclip.ground.tower import ImageLike

__all__ = ["ClipTower", "check_sizes"]

_KINDS = ("clip", "siglip")
_MOST = {
    "hidden_size": 16_384,
    "intermediate_size": 65_536,
    "num_hidden_layers": 128,
    "num_attention_heads": 1024,
    "projection_dim": 16_384,
    "vocab_size": 2_000_000,
    "max_position_embeddings": 131_072,
    "image_size": 4096,
    "patch_size": 512,
}
"""Largest value of each size of one side."""


class ClipTower:
    """A frozen CLIP or SigLIP model; the text and the image side are each loaded when first used."""

    def __init__(
        self, source: str | Path, *, revision: str | None = None, device: str = "cpu", batch_size: int = 32
    ) -> None:
        """Read the configuration (the weights come later).

        Args:
            source: a hub id, or a folder saved by transformers.
            revision: commit, tag or branch on the hub.
            device: where it runs, as torch names it.
            batch_size: images or texts in one pass; memory grows with it.

        Raises:
            TowerError: nothing can be loaded from there, or it is another kind of model.
            MissingExtraError: transformers is not installed.
        """
        self._transformers = import_transformers()
        self._source, self._revision = str(source), revision
        self._device, self._batch = device, batch_size
        self._config = self._load("configuration", self._transformers.AutoConfig.from_pretrained)
        self._kind = str(self._config.model_type)
        if self._kind not in _KINDS:
            raise TowerError(
                f"{self._source}: a '{self._kind}' model is no ground tower; expected one of {', '.join(_KINDS)}."
            )
        for side in ("text_config", "vision_config"):
            check_sizes(getattr(self._config, side).to_dict(), source_name=self._source)

    @property
    def name(self) -> str:
        """The hub id or folder it was loaded from."""
        return self._source

    @property
    def revision(self) -> str | None:
        """The commit, tag or branch that was given."""
        return self._revision

    @property
    def dim(self) -> int:
        """Length D of a vector: 512 for CLIP ViT-B/32."""
        if self._kind == "clip":
            return int(self._config.projection_dim)
        return int(getattr(self._config.text_config, "projection_size", None) or self._config.text_config.hidden_size)

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(P, D) float32 unit vectors of P texts.

        Raises:
            PromptError: a text is empty, holds control characters, or is very long.
            TowerError: the weights or the tokenizer cannot be loaded.

        Warns:
            DegradedInputWarning: a text is longer than the model reads and is cut.
        """
        cleaned = checked_texts(texts)
        self._warn_of_truncation(cleaned)
        return self._encode(cleaned, self._text_batch)

    def encode_images(self, images: Sequence[ImageLike]) -> NDArray[np.float32]:
        """(P, D) float32 unit vectors of P photographs (PIL images or paths); one batch is in memory at a time.

        Raises:
            InputError: an image is broken or too large; the message names it.
            DataNotFoundError: a path does not exist.
            TowerError: the weights or the configuration of the image processor cannot be loaded.
        """
        return self._encode(images, self._image_batch)

    def _encode(self, items: Sequence[Any], encode: Callable[[Sequence[Any]], torch.Tensor]) -> NDArray[np.float32]:
        """(P, D) unit vectors of P items, a batch at a time."""
        import torch

        out = np.zeros((len(items), self.dim), dtype=np.float32)
        with torch.inference_mode():
            for first in range(0, len(items), self._batch):
                vectors = encode(items[first : first + self._batch])  # (B, D)
                unit = torch.nn.functional.normalize(vectors.float(), dim=-1)
                out[first : first + len(unit)] = unit.cpu().numpy()
        return out

    def _text_batch(self, texts: Sequence[str]) -> torch.Tensor:
        # SigLIP pools the last position and was trained on full-length padding; CLIP pools the end token.
        padding = "longest" if self._kind == "clip" else "max_length"
        tokens = self.tokenizer(
            list(texts), padding=padding, truncation=True, max_length=self._max_tokens, return_tensors="pt"
        )
        ids = tokens["input_ids"].to(self._device)  # (B, L)
        if self._kind == "clip":
            mask = tokens["attention_mask"].to(self._device)
            return self.text_model(input_ids=ids, attention_mask=mask).text_embeds  # type: ignore[no-any-return]
        return _features(self.text_model.get_text_features(input_ids=ids))

    def _image_batch(self, images: Sequence[ImageLike]) -> torch.Tensor:
        import torch

        pixels = np.stack([self._preprocess(image) for image in images])  # (B, 3, Y, X)
        given = torch.from_numpy(pixels).to(self._device)
        if self._kind == "clip":
            return self._image_model(pixel_values=given).image_embeds  # type: ignore[no-any-return]
        return _features(self._image_model.get_image_features(pixel_values=given))

    def _warn_of_truncation(self, texts: Sequence[str]) -> None:
        if not texts:
            return
        lengths = [len(ids) for ids in self.tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]]
        long = [text for text, length in zip(texts, lengths, strict=True) if length > self._max_tokens]
        if long:
            warnings.warn(
                f"{len(long)} text(s) are longer than the {self._max_tokens} tokens that '{self.name}' reads and were "
                f"cut, the first being '{long[0][:40]}...'; shorten them.",
                DegradedInputWarning,
                stacklevel=3,
            )

    @property
    def _max_tokens(self) -> int:
        return int(self._config.text_config.max_position_embeddings)

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer of transformers, loaded on first use."""
        return self._load("tokenizer", self._transformers.AutoTokenizer.from_pretrained)

    @cached_property
    def text_model(self) -> Any:
        """The text side as a model of transformers in evaluation mode, loaded on first use."""
        if self._kind != "clip":
            return self._whole_model
        return self._weights("CLIPTextModelWithProjection", self._side_config(self._config.text_config))

    @cached_property
    def _image_model(self) -> Any:
        if self._kind != "clip":
            return self._whole_model
        return self._weights("CLIPVisionModelWithProjection", self._side_config(self._config.vision_config))

    @cached_property
    def _whole_model(self) -> Any:
        return self._weights("AutoModel", self._config)

    @cached_property
    def _preprocess(self) -> Preprocessing:
        from timesenclip.ground.clip.preprocess import Preprocessing

        # transformers 5 may save the image processor inside processor_config.json.
        for file, key in (("preprocessor_config.json", None), ("processor_config.json", "image_processor")):
            path = self._find(file)
            if path is not None:
                about = read_config_json(Path(path))
                config: Any = about if key is None else about.get(key)
                if config:
                    return Preprocessing.from_config(config, source_name=self._source)
        raise TowerError(
            f"{self._source}: no preprocessor_config.json, so photographs cannot be prepared; add that file."
        )

    def _find(self, file: str) -> str | None:
        found = self._transformers.utils.cached_file(
            self._source,
            file,
            revision=self._revision,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
        return None if found is None else str(found)

    def _side_config(self, config: Any) -> Any:
        """The configuration of one side; some files state the projection dimension for the whole model only."""
        side = copy.deepcopy(config)
        side.projection_dim = self._config.projection_dim
        return side

    def _weights(self, kind: str, config: Any) -> Any:
        """A model in evaluation mode.

        Raises:
            TowerError: weights are missing in the file; transformers would fill them with random numbers.
        """
        import torch

        def load(source: str, **options: Any) -> Any:
            loader = getattr(self._transformers, kind).from_pretrained
            return loader(source, config=config, dtype=torch.float32, output_loading_info=True, **options)

        model, info = self._load("weights", load)
        absent = sorted(info["missing_keys"])
        if absent:
            raise TowerError(
                f"{self._source}: {len(absent)} weights are missing ({absent[0]}, ...); use a complete model."
            )
        try:
            check_finite(model.state_dict(), file=self._source)
        except CheckpointError as error:
            raise TowerError(str(error)) from error
        return model.eval().requires_grad_(False).to(self._device)

    def _load(self, what: str, loader: Callable[..., Any]) -> Any:
        try:
            with quiet_transformers():
                return loader(self._source, revision=self._revision, trust_remote_code=False)
        except Exception as error:  # OSError from the hub; ValueError, KeyError, ImportError from broken folders
            if Path(self._source).is_dir():
                advice = "the folder must be one saved by transformers"
            else:
                advice = (
                    "check the id and the network, or run 'hf download' on a connected machine and give the folder "
                    "(with HF_HUB_OFFLINE=1 only what is in the cache is found)"
                )
            raise TowerError(
                f"{self._source}: the {what} cannot be loaded ({shorten_error(error)}); {advice}."
            ) from error


def check_sizes(sizes: Mapping[str, Any], *, source_name: str) -> None:
    """Check the sizes in the configuration of one side, before a model is built from them.

    Raises:
        TowerError: a size is no whole number, or larger than that of any published model by far.
    """
    for name, most in _MOST.items():
        value = sizes.get(name, 1)
        if type(value) is not int or not 1 <= value <= most:
            raise TowerError(f"{source_name}: {name} is {ascii(value)[:40]}; expected a whole number, 1..{most:,}.")


def _features(output: Any) -> torch.Tensor:
    """`get_*_features` returns a tensor in transformers 4 and an output object in 5."""
    return getattr(output, "pooler_output", output)  # type: ignore[no-any-return]
