"""The suite, adapt, compare, scenic and sweep as a user runs them, on small files of the real formats."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio

from timesenclip.ground.taxonomy import load_taxonomy
from timesenclip.model.checkpoint import load

from .conftest import cube_dataset, maize_dn, wide_frame

WATER = np.array([300, 350, 250, 200, 180, 150, 140, 130, 100, 80])
CLASSES = ["-p", "maize field", "-p", "deep lake", "-p", "glacier"]


def _table(path: Path, count: int = 24) -> Path:
    """Half maize, half water, in eight blocks of land; two labels of no class, and an id that comes twice."""
    rng = np.random.default_rng(0)
    water = rng.normal(WATER, 5, (count // 2, 12, 10)).astype(np.uint16)
    frame = wide_frame(np.concatenate([maize_dn(count - count // 2), water]))
    kind = ["m"] * (count - count // 2) + ["w"] * (count // 2)
    kind[0], kind[-1] = "hops", "hops"
    names = [f"p{i}" for i in range(count)]
    names[3] = "p2"
    lat = 50.0 + 0.3 * (np.arange(count) % 8)
    frame.assign(kind=kind, sample_id=names, lat=lat, lon=3.0 + 0.01 * np.arange(count)).to_parquet(path)
    return path


class _Page(HTMLParser):
    """What a page points to, and its ids."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for key, value in attrs:
            if key == "id":
                self.ids.append(value or "")
            if key in ("src", "href", "xlink:href"):
                self.links.append(value or "")


@pytest.mark.filterwarnings("ignore::timesenclip.errors.DegradedInputWarning")
def test_the_suite_writes_one_report_in_every_form(run, tmp_path: Path) -> None:
    table = _table(tmp_path / "points.parquet")
    tower = load().tower
    photos = tower.encode_text(["a maize field in July", "maize stubble", "a deep lake of clear water"])
    ground = {
        "sample_id": ["p5", "p5", "p20"],
        "embedding": pa.array(photos.tolist(), type=pa.list_(pa.float32(), 256)),
    }
    pq.write_table(pa.table(ground), tmp_path / "photos.parquet")
    out = tmp_path / "report"
    said = run(
        *("evaluate", "suite", table, "--labels", "kind", "-o", out, "--draws", "50", "--json"),
        *("--mapping", "m=corn,w=lake", "--mapping", "corn=maize field,lake=deep lake", *CLASSES),
        *("--ground", tmp_path / "photos.parquet"),
    )
    assert said.exit_code == 0, said.stderr
    report = json.loads(said.stdout)
    written = json.loads((out / "report.json").read_text())
    assert written["methods"] == report["methods"]
    first = report["methods"]["zero-shot"]
    assert (first["count"], first["blocks"]) == (22, 8)
    assert first["absent"] == ["glacier"]
    assert report["data"]["skipped"] == {"hops": 2}
    assert any("repeat the id" in note for note in report["data"]["notes"])
    assert first["top5_accuracy"] is None  # three classes
    assert first["accuracy"] > 0.9
    assert list(report["methods"])[:2] == ["zero-shot", "zero-shot, prior-corrected"]
    directions = {one["direction"]: one for one in report["retrieval"]}
    assert set(directions) == {
        "text -> satellite",
        "satellite -> satellite",
        "satellite -> ground",
        "ground -> satellite",
    }
    assert directions["ground -> satellite"]["queries"] == 3
    assert directions["satellite -> ground"]["without_place"] == 20
    assert directions["text -> satellite"]["recall"]["1"] == 1.0
    assert {one["name"] for one in report["prompts"]} >= {"default", "name", "generic", "satellite"}
    assert [one["kept"] for one in report["robustness"]] == list(range(12, 0, -1))
    assert {one["method"] for one in report["few_labels"]} == {"anchored", "prototype", "probe"}

    rows = list(csv.reader((out / "tables" / "methods.csv").read_text().splitlines()))
    assert float(rows[1][1]) == pytest.approx(first["accuracy"])
    assert all(len(row) == len(rows[0]) for row in rows)
    latex = (out / "tables" / "classes.tex").read_text()
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 1
    assert {path.suffix for path in (out / "figures").iterdir()} == {".svg", ".pdf"}

    text = (out / "report.html").read_text()
    page = _Page()
    page.feed(text)
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert len(page.ids) == len(set(page.ids))
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in page.links)
    assert all(f'id="{target}"' in text for target in re.findall(r"url\(#([^)]+)\)", text))
    assert "prefers-color-scheme: dark" in text
    assert "a satellite photo of a glacier." in text  # every prompt is there
    assert "hops (2)" in text
    assert "<h1>maize field, deep lake, glacier</h1>" in text
    assert text.count("<svg ") == len(list((out / "figures").glob("*.svg")))


@pytest.mark.filterwarnings("ignore::timesenclip.errors.DegradedInputWarning")
def test_one_class_in_one_place_still_gives_a_report(run, tmp_path: Path) -> None:
    frame = wide_frame(maize_dn(4)).assign(kind="maize field")
    frame.to_parquet(tmp_path / "points.parquet")
    said = run(
        *("evaluate", "suite", tmp_path / "points.parquet", "--labels", "kind"),
        *("-o", tmp_path / "report", "--draws", "20", *CLASSES),
    )
    assert said.exit_code == 0, said.stderr
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["few_labels"] == []
    assert report["methods"]["zero-shot"]["intervals"] == {}
    assert "No model with labels" in (tmp_path / "report" / "report.html").read_text()


@pytest.mark.filterwarnings("ignore::timesenclip.errors.DegradedInputWarning")
def test_the_suite_says_what_it_cannot_use(run, tmp_path: Path) -> None:
    table = _table(tmp_path / "points.parquet", 8)
    base = ["evaluate", "suite", table, "-o", tmp_path / "report"]
    for more, expected in (
        (["--labels", "nothing", *CLASSES], "has no column 'nothing'"),
        (["--labels", "kind", *CLASSES], "labels seen: 'm' (3), 'w' (3), 'hops' (2)"),
        (["--labels", "kind", "--mapping", "m=maize field", "-p", "lake"], "which is not among lake"),
    ):
        said = run(*base, *more)
        assert said.exit_code == 2
        assert expected in said.stderr
        assert said.stderr.strip().count("\n") <= 1  # a warning at most, and one line of error
    said = run(*base[:-1], table, "--labels", "kind", *CLASSES)
    assert said.exit_code == 2
    assert said.stderr.startswith("error: Invalid value for '--output'")  # before anything is read or computed
    photos = pa.table({"sample_id": ["nobody"], "embedding": pa.array([[0.1] * 256], type=pa.list_(pa.float32()))})
    pq.write_table(photos, tmp_path / "photos.parquet")
    mapped = ["--labels", "kind", "--mapping", "m=maize field,w=deep lake", *CLASSES]
    said = run(*base, *mapped, "--ground", tmp_path / "photos.parquet", "--draws", "5")
    assert said.exit_code == 2
    assert "None of the 1 ground vectors belongs to a sample" in said.stderr
    assert not (tmp_path / "report").exists()


@pytest.mark.filterwarnings("ignore::timesenclip.errors.DegradedInputWarning")
@pytest.mark.parametrize(
    ("vectors", "expected"),
    [
        ([[0.1] * 256, [0.1] * 7], "embeddings of 7, 256 numbers"),
        ([[0.1] * 7] * 2, "have 7 dimensions and the checkpoint's 256"),
        ([[float("nan")] * 256] * 2, "All 2 ground vectors of the samples hold NaN"),
        ([None, None], "embeddings none at all"),
        (["a", "b"], "embeddings of 1 numbers"),
    ],
)
def test_photographs_that_cannot_be_used_are_one_line(run, tmp_path: Path, vectors, expected: str) -> None:
    table = _table(tmp_path / "points.parquet")
    pq.write_table(pa.table({"sample_id": ["p4", "p5"], "embedding": vectors}), tmp_path / "photos.parquet")
    mapped = ["--labels", "kind", "--mapping", "m=maize field,w=deep lake", *CLASSES]
    said = run(
        *("evaluate", "suite", table, "-o", tmp_path / "report", *mapped),
        *("--ground", tmp_path / "photos.parquet", "--draws", "5"),
    )
    assert said.exit_code == 2
    assert expected in said.stderr.splitlines()[-1]


@pytest.mark.filterwarnings("ignore::timesenclip.errors.DegradedInputWarning")
def test_places_without_coordinates_are_said_and_draws_must_be_some(run, tmp_path: Path) -> None:
    frame = pd.read_parquet(_table(tmp_path / "points.parquet")).drop(columns=["lat", "lon"])
    frame.to_parquet(tmp_path / "nowhere.parquet")
    base = ["evaluate", "suite", tmp_path / "nowhere.parquet", "--labels", "kind", "--json", *CLASSES]
    said = run(*base, "--mapping", "m=maize field,w=deep lake")
    assert said.exit_code == 0, said.stderr
    assert any("22 samples have no coordinates" in note for note in json.loads(said.stdout)["notes"])
    more = ["--labels", "kind", "--mapping", "m=maize field,w=deep lake", *CLASSES, "--draws", "0"]
    said = run("evaluate", "suite", tmp_path / "points.parquet", "-o", tmp_path / "r", *more)
    assert said.exit_code == 2
    assert "'--draws': Input should be greater than or equal to 1" in said.stderr


@pytest.mark.filterwarnings("ignore::timesenclip.errors.DegradedInputWarning")
def test_adapt_learns_and_classify_and_map_use_it(run, tmp_path: Path) -> None:
    table, head = _table(tmp_path / "points.parquet"), tmp_path / "head"
    said = run(
        *("adapt", table, "--labels", "kind", "--mapping", "m=maize field,w=deep lake", *CLASSES, "-o", head, "--json")
    )
    assert said.exit_code == 0, said.stderr
    assert json.loads(said.stdout)["examples"] == {"maize field": 11, "deep lake": 11, "glacier": 0}
    answer = run("classify", table, "--head", head, "-o", tmp_path / "answer.parquet")
    assert answer.exit_code == 0, answer.stderr
    frame = pd.read_parquet(tmp_path / "answer.parquet")
    assert frame["label"].tolist() == ["maize field"] * 12 + ["deep lake"] * 12
    assert [c for c in frame if c.startswith("p_")] == ["p_maize field", "p_deep lake", "p_glacier"]
    cube_dataset().to_netcdf(tmp_path / "cube.nc", engine="h5netcdf")
    drawn = run("map", tmp_path / "cube.nc", "--year", "2020", "--head", head, "-o", tmp_path / "map", "--json")
    assert drawn.exit_code == 0, drawn.stderr
    shares = {row["label"]: row["share"] for row in json.loads(drawn.stdout)["classes"]}
    assert shares["maize field"] == 1.0
    assert "a head learned from labelled points" in (tmp_path / "map" / "map.html").read_text()
    truth = ("--labels", "kind", "--mapping", "m=maize field,w=deep lake")
    found = run("evaluate", "suite", table, *truth, "--head", head, "--json")
    assert found.exit_code == 0, found.stderr
    assert json.loads(found.stdout)["methods"]["zero-shot"]["accuracy"] == 1.0
    stored = run("embed-area", tmp_path / "cube.nc", "--year", "2020", "-o", tmp_path / "area.zarr")
    assert stored.exit_code == 0, stored.stderr
    asked = run("ask", tmp_path / "area.zarr", "--head", head, "-o", tmp_path / "answer", "--json")
    assert asked.exit_code == 0, asked.stderr
    assert {row["label"]: row["share"] for row in json.loads(asked.stdout)["classes"]} == shares
    mapped, answered = (json.loads(one.stdout)["classes"][0]["mean_confidence"] for one in (drawn, asked))
    assert answered == pytest.approx(mapped, abs=0.01)  # the head's temperature, on vectors of eight bits
    assert "a head learned from labelled points" in (tmp_path / "answer" / "map.html").read_text()
    for command in (
        ("classify", table),
        ("map", tmp_path / "cube.nc", "-o", tmp_path / "map3"),
        ("ask", tmp_path / "area.zarr", "-o", tmp_path / "map3"),
        ("evaluate", "suite", table, "--labels", "kind"),
    ):
        for templates in ("name", "default"):  # the default too, where somebody asks for it
            worded = run(*command, "--head", head, "--templates", templates)
            assert worded.exit_code == 2
            assert f"--head was given with --templates {templates}; a head has no prompts" in worded.output
            assert len(worded.output.strip().splitlines()) == 1
    assert not (tmp_path / "map3").exists()
    both = run("classify", table, "--head", head, "-p", "lake")
    assert both.exit_code == 2
    assert "a head has its own classes" in both.stderr
    content = json.loads((head / "head.json").read_text())
    content["checkpoint"]["digest"] = "000000000000"
    (head / "head.json").write_text(json.dumps(content))
    foreign = run("map", tmp_path / "cube.nc", "--year", "2020", "--head", head, "-o", tmp_path / "map2")
    assert foreign.exit_code == 2
    assert "made for checkpoint" in foreign.stderr
    foreign = run("ask", tmp_path / "area.zarr", "--head", head, "-o", tmp_path / "map2")
    assert foreign.exit_code == 2
    assert "made for checkpoint" in foreign.stderr


@pytest.mark.filterwarnings("ignore::timesenclip.errors.DegradedInputWarning")
def test_compare_two_checkpoints_on_one_page(run, tmp_path: Path) -> None:
    import torch

    from timesenclip.model.checkpoint import save

    worse = load()
    with torch.no_grad():
        for parameter in worse.encoder.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)) * 0.2)
    save(worse, tmp_path / "worse")
    table = _table(tmp_path / "points.parquet")
    said = run(
        *("compare", "default", tmp_path / "worse", "--data", table, "--labels", "kind", "-o", tmp_path / "page"),
        *("--mapping", "m=maize field,w=deep lake", *CLASSES, "--json"),
    )
    assert said.exit_code == 0, said.stderr
    found = json.loads(said.stdout)
    rows = {row["name"]: row for row in found["rows"]}
    assert rows["accuracy"]["difference"] == pytest.approx(rows["accuracy"]["second"] - rows["accuracy"]["first"])
    assert rows["accuracy"]["verdict"] == "A better"
    assert {"maize field", "deep lake"} < set(rows)
    assert "glacier" not in rows
    assert "A better" in (tmp_path / "page" / "compare.html").read_text()


@pytest.mark.filterwarnings("ignore::timesenclip.errors.DegradedInputWarning")
def test_scenic_and_sweep_on_the_command_line(run, tmp_path: Path) -> None:
    table = _table(tmp_path / "points.parquet")
    rng = np.random.default_rng(1)
    lines = ["ID\tLat\tLon\tAverage\tVariance\tVotes\tGeograph URI"]
    for i in range(24):
        average = 3 + 4 * (i >= 12) + rng.normal(scale=0.3)  # people like the lake
        lines.append(f"p{i}\t{50 + 0.3 * (i % 8):.3f}\t3.0\t{average:.3f}\t1.0\t5,6,7\thttp://example.org/{i}")
    (tmp_path / "votes.tsv").write_text("\n".join(lines) + "\n")
    cube_dataset().to_netcdf(tmp_path / "cube.nc", engine="h5netcdf")
    asked = ["evaluate", "scenic", table, "--votes", tmp_path / "votes.tsv", "--map", tmp_path / "cube.nc"]
    refused = run(*asked)
    assert refused.exit_code == 2
    assert "add -o FOLDER" in refused.stderr
    said = run(
        *(*asked, "-o", tmp_path / "scenic", "--json"),
        *("--beautiful", "a deep lake", "--ugly", "a maize field"),
    )
    assert said.exit_code == 0, said.stderr
    found = json.loads(said.stdout)
    assert found["contrast"]["pearson"] > 0.8
    assert found["ridge"]["spearman"] > 0.6
    assert (tmp_path / "scenic" / "scenic.pdf").is_file()
    with rasterio.open(found["files"]["map_raster"]) as drawn:
        vote, contrast = drawn.read(masked=True)
    assert 2 < vote.mean() < 4.5  # the cube is maize
    assert contrast.mean() < 0
    (tmp_path / "sweep.yaml").write_text(
        "name: x\ndata: [points.parquet]\nlabels: kind\nmapping: ['m=maize field,w=deep lake']\n"
        "prompts: [maize field, deep lake]\nmonths_kept: [12, 1]\n"
    )
    said = run("evaluate", "sweep", tmp_path / "sweep.yaml", "-o", tmp_path / "sweep", "--json")
    assert said.exit_code == 0, said.stderr
    assert json.loads(said.stdout)["computed"] == 2
    assert load_taxonomy("lucas-land-cover").names
