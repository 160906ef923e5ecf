from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from timesenclip.ground.taxonomy import taxonomy_from_phrases
from timesenclip.mapping.output.result import MapResult, Preview


@pytest.mark.parametrize(
    ("source", "clipped"), [({"area": {"clipped": True}}, True), ({"area": {"clipped": False}}, False), ({}, False)]
)
def test_an_area_is_clipped_where_its_source_says_so(source: dict[str, object], clipped: bool) -> None:
    values = np.zeros((1, 1), dtype=np.uint8)
    preview = Preview(1, np.zeros((1, 1, 3), dtype=np.float32), values, values)
    taxonomy = taxonomy_from_phrases(["water"])
    result = MapResult(Path("map"), {}, taxonomy, (), 0, preview, (), {"input": source})
    assert result.clipped is clipped
