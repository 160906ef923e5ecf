from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from timesenclip.errors import BandError, DegradedInputWarning
from timesenclip.model.checkpoint import Model
from timesenclip.model.checkpoint_config import CheckpointConfig, TowerRef, encoder_fields
from timesenclip.model.embed import embed
from timesenclip.model.encoder import PRESETS, SeriesEncoder
from timesenclip.model.substitute import with_near_infrared
from timesenclip.series import PixelSeries
from timesenclip.testing import random_series

_B05, _B08, _B8A = 3, 6, 7


def _model(*, band_mask: bool = False, band_names: tuple[str, ...] | None = None) -> Model:
    torch.manual_seed(0)
    tiny = replace(PRESETS["tiny"], dim=16, depth=1, heads=2, ffn_dim=8, embed_dim=256, band_mask=band_mask)
    tiny = replace(tiny, bands=len(band_names or range(10)))
    config = CheckpointConfig(
        name="t",
        tower=TowerRef(name="compact", dim=256),
        encoder=encoder_fields(tiny),
        normalisation="sqrt",
        band_names=band_names,
    )
    return Model(SeriesEncoder(tiny), config)


def _without(series: PixelSeries, band: int, rows: slice = slice(None)) -> PixelSeries:
    seen, reflectance = series.bands_seen(), series.reflectance.copy()
    seen[rows, :, band], reflectance[rows, :, band] = False, 0.0
    return replace(series, band_valid=seen, reflectance=reflectance)


def test_b08_stands_in_for_b8a_where_the_encoder_needs_it_and_says_so() -> None:
    whole = random_series(3)
    part = _without(whole, _B8A, slice(0, 2))
    with pytest.warns(DegradedInputWarning, match="B8A is absent; B08"):
        found = with_near_infrared(part, _model())
    assert np.array_equal(found.reflectance[:2, :, _B8A], whole.reflectance[:2, :, _B08])
    assert np.array_equal(found.reflectance[2], whole.reflectance[2])
    assert found.band_valid is None
    assert found.provenance["substituted"] == "B8A by B08"
    assert (part.reflectance[:2, :, _B8A] == 0).all()


def test_nothing_is_substituted_for_an_encoder_that_reads_what_is_there() -> None:
    part = _without(random_series(3), _B8A)
    assert with_near_infrared(part, _model(band_mask=True)) is part
    assert with_near_infrared(part, _model(band_names=("B04", "B08"))) is part


def test_only_b8a_is_ever_substituted() -> None:
    part = _without(random_series(3), _B05)
    assert with_near_infrared(part, _model()) is part
    with pytest.raises(BandError, match="B05 never there"):
        embed(part, model=_model())


def test_embedding_a_table_without_b8a_works_with_either_encoder() -> None:
    part = _without(random_series(3), _B8A)
    assert np.isfinite(embed(part, model=_model(band_mask=True))).all()
    with pytest.warns(DegradedInputWarning, match="stands in its place"):
        assert np.isfinite(embed(part, model=_model())).all()
