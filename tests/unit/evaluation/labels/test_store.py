"""Labelled samples from a training store, with its own labels or those of a table beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from timesenclip.data.store import SeriesStore
from timesenclip.data.store_writer import store_points
from timesenclip.errors import InputError
from timesenclip.evaluation.labels.store import ground_views, is_store, labelled_store
from timesenclip.ground.taxonomy import load_taxonomy, taxonomy_from_phrases
from timesenclip.testing import random_series
from timesenclip.testing.training import write_lucas_embeddings, write_test_labels

NAMES = taxonomy_from_phrases(["maize", "lake"])


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Six places; the third has no label, and the label of the fifth is no class."""
    folder = tmp_path / "places.zarr"
    store_points([random_series(6)], folder, source="test")
    index = pd.read_parquet(folder / "index.parquet")
    kinds = ["maize", "lake", None, "lake", "rock", "maize"]
    index.assign(kind=kinds).to_parquet(folder / "index.parquet")
    return folder


def test_places_keep_their_series_and_their_own_label(store: Path) -> None:
    found = labelled_store(store, "kind", taxonomy=NAMES)
    assert found.title == "places.zarr"
    assert found.series.sample_id == ("point-0", "point-1", "point-3", "point-5")
    assert found.truth.tolist() == [0, 1, 1, 0]
    assert found.skipped == {"rock": 1}
    rows = np.array([0, 1, 3, 5])
    assert np.array_equal(found.series.reflectance, SeriesStore.open(store).series(rows).reflectance)


def test_only_some_places_are_read_and_labels_are_mapped(store: Path) -> None:
    only = ["point-4", "point-1", "nobody"]
    found = labelled_store(store, "kind", taxonomy=NAMES, mapping={"rock": "lake", "lake": "maize"}, only=only)
    assert found.series.sample_id == ("point-1", "point-4")
    assert found.truth.tolist() == [0, 1]


@pytest.mark.filterwarnings("ignore::timesenclip.errors.DegradedInputWarning")  # the file swaps lon and lat
def test_labels_of_a_table_are_joined_by_id(store: Path, tmp_path: Path) -> None:
    crops = load_taxonomy("lucas-land-cover")
    names = [crops.names[0], crops.names[2]]
    rows = [
        {"im_id": f"point-{i}", "lon_deg": 4.0, "lat_deg": 50.0, "lc_label": names[i % 2]} for i in (5, 0)
    ]  # in another order than the store, and not of every place
    file = write_test_labels(tmp_path / "labels.csv", rows)
    for column in ("lc_label", "auto"):
        found = labelled_store(store, f"{file}:{column}", taxonomy=crops)
        assert found.series.sample_id == ("point-0", "point-5")
        assert found.truth.tolist() == [0, 2]
    with pytest.raises(InputError, match="has no column 'nothing'"):
        labelled_store(store, f"{file}:nothing", taxonomy=crops)


def test_what_has_no_labels_says_why(store: Path) -> None:
    with pytest.raises(InputError, match=r"places\.zarr' has no column 'lc'; it has .*kind"):
        labelled_store(store, "lc", taxonomy=NAMES)
    with pytest.raises(InputError, match=r"none of its places has a label in 'kind'; do the ids agree\?"):
        labelled_store(store, "kind", taxonomy=NAMES, only=["nobody"])


def test_a_store_is_a_folder_with_an_index_and_a_zarr_group(store: Path) -> None:
    assert is_store(store)
    (store / "zarr.json").unlink()
    assert not is_store(store)
    assert not is_store(store / "index.parquet")


def test_published_photographs_become_unit_vectors_by_place(tmp_path: Path) -> None:
    vectors = {"BE_41000001N": np.array([3, 4], np.float32), "BE_41000002S": np.array([0, 2], np.float32)}
    found = ground_views(write_lucas_embeddings(tmp_path / "ground.pt", vectors))
    by_place = dict(zip(found.sample_id, found.vectors.tolist(), strict=True))
    assert by_place == {"41000001": pytest.approx([0.6, 0.8]), "41000002": [0.0, 1.0]}


def test_the_survey_does_not_depend_on_the_name_of_the_file(store: Path, tmp_path: Path) -> None:
    rows = {"point_id": ["point-0", "point-1"], "lon": 4.0, "lat": 50.0, "lc1": ["A11", "B11"]}
    table = pd.DataFrame(rows).assign(year=2022)
    for name in ("survey.csv", "survey_of_the_year.csv"):
        table.to_csv(tmp_path / name, index=False)
        found = labelled_store(store, f"{tmp_path / name}:lc1", taxonomy=load_taxonomy("lucas-land-cover"))
        assert found.series.sample_id == ("point-0", "point-1")
