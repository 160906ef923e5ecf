from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from timesenclip.errors import InputError
from timesenclip.mapping.embed_area import StoreResult
from timesenclip.mapping.store.info import BlockData, StoreInfo, chunk_side


@pytest.mark.parametrize(("block", "side"), [(256, 128), (320, 64), (96, 32), (16, 16), (1024, 128)])
def test_chunks_divide_blocks(block: int, side: int) -> None:
    assert chunk_side(block) == side


@pytest.mark.parametrize("block", [8, 250, 0])
def test_blocks_that_no_chunk_divides_are_refused(block: int) -> None:
    with pytest.raises(InputError, match=f"Blocks of {block} pixels; give a multiple of 16"):
        chunk_side(block)


def test_levels_halve_until_they_fit_into_256_pixels(embedded: StoreResult) -> None:
    info = embedded.store.info
    assert info.level_shapes == ((32, 48),)
    large = info.model_copy(update={"shape": (1025, 300)})
    assert large.level_shapes == ((1025, 300), (513, 150), (257, 75), (129, 38))


def test_fields_of_another_format_are_refused_and_a_missing_revision_is_early(embedded: StoreResult) -> None:
    content = embedded.store.info.model_dump()
    with pytest.raises(ValidationError, match="extra_forbidden"):
        StoreInfo.model_validate(content | {"flavour": "sweet"})
    del content["tower_revision"]
    assert StoreInfo.model_validate(content).tower_revision == ""


def test_unpacked_vectors_are_nan_where_not_seen() -> None:
    vectors = np.arange(-6, 6, dtype=np.int8).reshape(2, 2, 3)
    scale = np.array([[0.5, 0.0], [0.25, 1.0]], dtype=np.float32)
    zeros = np.zeros((2, 2), dtype=np.uint16)
    unpacked = BlockData(vectors, scale, zeros, np.zeros((2, 2, 3), dtype=np.uint8)).unpacked()
    assert np.isnan(unpacked[0, 1]).all()
    assert unpacked[0, 0].tolist() == [-3.0, -2.5, -2.0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("shape", (-16, 16)), ("shape", (1 << 40, 16)), ("dims", 0), ("block", 0), ("chunk", -1)],
        *[("crs", "nowhere"), ("transform", [0.0] * 6), ("transform", [float("nan")] * 6), ("transform", [1, 2])],
    ],
)
def test_sizes_grids_and_crs_that_cannot_be_are_refused(name: str, value: object, embedded: StoreResult) -> None:
    content = embedded.store.info.model_dump(mode="json")
    with pytest.raises(ValidationError, match=name):
        StoreInfo.model_validate(content | {name: value})
