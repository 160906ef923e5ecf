from __future__ import annotations

import json
from dataclasses import replace

import pytest
import shapely

from timesenclip.errors import GridError
from timesenclip.mapping.embed_area import StoreResult
from timesenclip.mapping.store.stac_item import stac_item


def test_the_stac_item_is_one(embedded: StoreResult) -> None:
    pystac = pytest.importorskip("pystac")
    from pystac.validation.stac_validator import JsonSchemaSTACValidator

    written = json.loads(embedded.item.read_text())
    # The core schemas travel with pystac; an unknown one would be asked of the network, which no test reaches.
    kind, version = pystac.STACObjectType.ITEM, written["stac_version"]
    assert JsonSchemaSTACValidator().validate_core(written, kind, version)
    with pytest.raises(pystac.STACValidationError):
        JsonSchemaSTACValidator().validate_core({**written, "bbox": "everywhere"}, kind, version)
    item = pystac.Item.from_dict(written)
    assert item.properties["timesenclip:digest"] == embedded.store.info.digest
    west, south, east, north = item.bbox
    assert west < east
    assert south < north
    assert shapely.geometry.shape(item.geometry).is_valid
    assert shapely.geometry.shape(item.geometry).exterior.is_ccw
    assert (embedded.item.parent / item.assets["embeddings"].href).resolve() == embedded.store.path


def test_the_item_says_the_days_and_the_place(embedded: StoreResult) -> None:
    item = stac_item(embedded.store, start="2018-01-01", end="2018-12-31")
    assert item["properties"]["start_datetime"] == "2018-01-01T00:00:00Z"
    assert item["properties"]["end_datetime"] == "2018-12-31T23:59:59Z"
    assert item["properties"]["proj:code"] == "EPSG:32631"
    west, south, east, north = item["bbox"]
    assert (west, north) == (pytest.approx(3.0, abs=1e-6), pytest.approx(50.55, abs=0.01))  # 500,000 m: 3 degrees east
    assert (east - west) * 111_320 * 0.635 == pytest.approx(480, rel=0.01)
    assert (north - south) * 111_320 == pytest.approx(320, rel=0.01)


def test_a_crs_that_cannot_be_understood_is_refused(embedded: StoreResult) -> None:
    moved = replace(embedded.store, info=embedded.store.info.model_copy(update={"crs": "nowhere"}))
    with pytest.raises(GridError, match="Cannot understand the CRS 'nowhere'"):
        stac_item(moved, start="2018-01-01", end="2018-12-31")
