"""The tasks of the paper on a small store, with findings in place of the suite's work."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from timesenclip.data.store import SeriesStore
from timesenclip.data.store_writer import store_points
from timesenclip.errors import InputError
from timesenclip.evaluation.labels.ground_vectors import Ground
from timesenclip.evaluation.labels.labelled import LabelledSet
from timesenclip.evaluation.scenic import Correlations, Scenicness
from timesenclip.evaluation.suite import paper
from timesenclip.evaluation.suite.findings import Findings
from timesenclip.evaluation.suite.run import SuiteResult
from timesenclip.model.checkpoint import load
from timesenclip.testing import random_series

MODEL = load()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """24 places in two countries, with land cover; other labels are missing."""
    folder = tmp_path / "test.zarr"
    store_points([random_series(24)], folder, source="test")
    index = pd.read_parquet(folder / "index.parquet")
    columns = {"lc1": ["B11", "C10"] * 12, "nuts0": ["BE"] * 12 + ["FR"] * 12}
    index.assign(**columns).to_parquet(folder / "index.parquet")
    return folder


@pytest.fixture
def asked(findings: Findings, monkeypatch: pytest.MonkeyPatch) -> list[tuple[LabelledSet, dict[str, Any]]]:
    """What `run_suite` was called with; its findings are those of the fixture."""
    calls: list[tuple[LabelledSet, dict[str, Any]]] = []

    def run_suite(model: object, data: LabelledSet, **options: Any) -> SuiteResult:
        calls.append((data, options))
        return SuiteResult(findings, {}, {"report": options["out"] / "report.html"})

    monkeypatch.setattr(paper, "run_suite", run_suite)
    return calls


def test_tasks_with_labels_run_and_the_others_are_listed(
    store: Path, asked: list[tuple[LabelledSet, dict[str, Any]]], tmp_path: Path
) -> None:
    calls: list[tuple[int, int]] = []
    out = tmp_path / "out"
    found = paper.run_paper_suite(MODEL, store, out=out, progress=lambda done, of: calls.append((done, of)))
    assert [data.taxonomy.name for data, _ in asked] == list(found.findings)
    assert {"lucas-land-cover", "countries"} <= set(found.findings)
    assert set(found.findings) | set(found.skipped) == set(paper.TASKS)
    assert {"lucas-land-use", "eunis-l2", "bioregions"} <= set(found.skipped)
    assert calls == [(done, 6) for done in range(1, 7)]
    assert len({id(options["cache"]) for _, options in asked}) == 1  # places are embedded once for all tasks
    page = found.files["report"].read_text()
    assert "lucas-land-use was not asked: " in page
    assert "<a href='countries/report.html'>countries</a>" in page
    written = json.loads(found.files["json"].read_text())
    assert written["skipped"] == found.skipped
    assert written["tasks"]["countries"]["zero-shot"]["accuracy"] == pytest.approx(19 / 24)
    rows = list(csv.DictReader((found.files["tables"] / "tasks.csv").read_text().splitlines()))
    first = rows[0]
    assert (first["task"], first["method"], first["samples"], first["classes"]) == (
        "lucas-land-cover",
        "zero-shot",
        "24",
        "3 of 4",
    )
    assert float(first["top-1"]) == pytest.approx(19 / 24)
    assert (out / "figures" / "map-countries.svg").is_file()
    assert (out / "figures" / "countries-lucas-land-cover.svg").is_file()
    assert not (out / "figures" / "countries-countries.svg").exists()


def test_a_store_without_labels_is_refused(
    store: Path, asked: list[tuple[LabelledSet, dict[str, Any]]], tmp_path: Path
) -> None:
    index = pd.read_parquet(store / "index.parquet")
    index.drop(columns=["lc1", "nuts0"]).to_parquet(store / "index.parquet")
    with pytest.raises(InputError, match="No task of the paper has labels in"):
        paper.run_paper_suite(MODEL, store, out=tmp_path / "out")
    assert asked == []
    assert not (tmp_path / "out").exists()


def test_wrong_photographs_are_refused_before_the_first_task(
    store: Path, asked: list[tuple[LabelledSet, dict[str, Any]]], tmp_path: Path
) -> None:
    ground = Ground(("nobody",), np.ones((1, MODEL.config.tower.dim), np.float32))
    with pytest.raises(InputError, match="None of the 1 ground vectors"):
        paper.run_paper_suite(MODEL, store, out=tmp_path / "out", ground=ground)
    assert asked == []


def test_photographs_of_other_places_are_left_out_with_a_note(findings: Findings) -> None:
    data = findings.data
    mine = Ground((data.series.sample_id[2], "x"), np.eye(2, dtype=np.float32))
    assert paper._matching_photos(data, mine) == (mine, [])
    assert paper._matching_photos(data, None) == (None, [])
    photos, notes = paper._matching_photos(data, Ground(("x",), np.ones((1, 2), np.float32)))
    assert photos is None
    assert notes[0].startswith("None of the photographs is of these places")


def test_labels_of_countries_come_before_those_of_the_store(store: Path, findings: Findings) -> None:
    opened = SeriesStore.open(store)
    own = paper._country(opened, None)
    assert (own["point-0"], own["point-23"]) == ("BE", "FR")
    codes = tuple(replace(taxon, code=f"C{k}") for k, taxon in enumerate(findings.data.taxonomy.classes))
    data = replace(findings.data, taxonomy=replace(findings.data.taxonomy, classes=codes)).take(np.array([0, 13]))
    both = paper._country(opened, replace(findings, data=data))
    assert {name: both[name] for name in ("point-0", "point-13", "point-23")} == {
        "point-0": "C0",
        "point-13": "C1",
        "point-23": "FR",
    }


def test_samples_are_counted_by_class_and_country(findings: Findings) -> None:
    country = {f"point-{i}": "BE" if i % 2 else "FR" for i in range(23)}  # the last place is in none
    table = paper._country_table("crops", findings.data, country)
    assert table.columns == ("class", "?", "BE", "FR")
    assert table.rows == (("maize <field>", 0, 6, 6), ("lake", 0, 5, 5), ("moor", 1, 0, 1))


def test_correlations_of_scenicness_have_their_intervals() -> None:
    contrast = Correlations(0.5, 0.4, 0.3, {"pearson": (0.4, 0.6)})
    empty = np.zeros(9)
    found = Scenicness(
        count=9,
        blocks=1,
        contrast=contrast,
        ridge=None,
        contrast_score=empty.astype(np.float32),
        ridge_score=None,
        truth=empty,
        sample_id=("a",) * 9,
        rows=np.arange(9),
        prompts={},
        notes=(),
        scores=(),
    )
    assert paper._scenic_table(found).rows == (("prompt contrast (zero-shot)", 9, (0.5, 0.4, 0.6), 0.4, 0.3),)
    both = paper._scenic_table(replace(found, ridge=Correlations(0.7, 0.7, 0.6, {})))
    assert both.rows[1] == ("ridge on embeddings (with labels)", 9, 0.7, 0.7, 0.6)
