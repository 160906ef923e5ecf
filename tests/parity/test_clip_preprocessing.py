"""Our image preprocessing against transformers' `CLIPImageProcessorPil` and `SiglipImageProcessorPil`."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from transformers import CLIPImageProcessorPil, SiglipImageProcessorPil

from timesenclip.ground.clip.preprocess import Preprocessing

SIZES = [(300, 400), (400, 300), (224, 224), (225, 337), (100, 50), (1000, 231), (64, 65)]
PROCESSORS = {
    "clip": CLIPImageProcessorPil(),
    "clip-small-crop": CLIPImageProcessorPil(size={"shortest_edge": 50}, crop_size={"height": 33, "width": 47}),
    "clip-padded-crop": CLIPImageProcessorPil(size={"shortest_edge": 40}, crop_size={"height": 61, "width": 60}),
    "clip-bilinear": CLIPImageProcessorPil(resample=2),
    "siglip": SiglipImageProcessorPil(size={"height": 96, "width": 128}),
}


@pytest.mark.parametrize("name", PROCESSORS)
def test_pixels_equal_those_of_transformers(name: str) -> None:
    reference = PROCESSORS[name]
    ours = Preprocessing.from_config(reference.to_dict(), source_name=name)
    rng = np.random.default_rng(0)
    for height, width in SIZES:
        image = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        expected = reference(image, return_tensors="np")["pixel_values"][0]
        np.testing.assert_allclose(ours(image), expected, atol=2e-6)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_other_modes_equal_those_of_transformers(mode: str) -> None:
    rng = np.random.default_rng(1)
    image = Image.fromarray(rng.integers(0, 256, (80, 90, 3), dtype=np.uint8)).convert(mode)
    reference = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    expected = reference(image, return_tensors="np")["pixel_values"][0]
    np.testing.assert_allclose(
        Preprocessing.from_config(reference.to_dict(), source_name="x")(image), expected, atol=2e-6
    )
