from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from timesenclip.bands import BAND_NAMES, SENSORS
from timesenclip.eo.points.absent_bands import AbsentBands, describe_absent_bands
from timesenclip.errors import DegradedInputWarning
from timesenclip.series import PixelSeries
from timesenclip.testing import random_series


def _of(sensor: str, **provenance: object) -> PixelSeries:
    series = random_series(3)
    here = np.isin(BAND_NAMES, SENSORS[sensor])
    return replace(series, band_valid=np.broadcast_to(here, series.reflectance.shape), provenance=provenance)


def test_the_bands_that_are_not_there_are_named_with_the_columns_of_the_others() -> None:
    seen = np.isin(BAND_NAMES, SENSORS["rgb"])
    columns = {"B02": "SR_B2", "B03": "SR_B3", "B04": "SR_B4"}
    text = describe_absent_bands(seen, {"sensor": "landsat", "bands": columns})
    assert text == (
        "no B05, B06, B07, B08, B8A, B11, B12: 3 of 10 bands are there (read as landsat: B02 from SR_B2, B03 from "
        "SR_B3, B04 from SR_B4); docs/how-good.md tells the loss by bands"
    )
    assert describe_absent_bands(seen) == text.replace(text[text.index(" (read") : text.index(";")], "")
    assert describe_absent_bands(np.ones(10, dtype=bool)) == describe_absent_bands(np.zeros(10, dtype=bool)) == ""


def test_they_are_told_once_for_all_pieces() -> None:
    absent = AbsentBands()
    for piece in (_of("rgb"), _of("landsat")):
        absent.add(piece)
    with pytest.warns(DegradedInputWarning, match=r"t: no B05, B06, B07, B08: 6 of 10 bands are there") as said:
        absent.tell("t")
    assert len(said) == 1


def test_nothing_is_told_where_a_piece_has_all_bands_or_none_was_seen() -> None:
    absent = AbsentBands()
    absent.add(replace(random_series(2), valid=np.zeros((2, 12), dtype=bool)))
    absent.tell("t")
    absent.add(_of("landsat"))
    absent.add(random_series(2))
    absent.tell("t")
