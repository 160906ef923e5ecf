"""The six questions of the paper, on files in the formats of Sen4Map and LUCAS."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from timesenclip.cli.commands import app
from timesenclip.data.sen4map import convert_sen4map
from timesenclip.errors import DegradedInputWarning, InputError
from timesenclip.evaluation.baselines.external import PRESTO
from timesenclip.evaluation.baselines.presto import PrestoEncoder
from timesenclip.evaluation.labels.store import ground_views, labelled_store
from timesenclip.evaluation.suite.paper import TASKS
from timesenclip.ground.taxonomy import load_taxonomy
from timesenclip.testing import random_series
from timesenclip.testing.training import write_lucas_embeddings, write_sen4map_crops, write_test_labels

from .conftest import maize_dn, wide_frame

COUNT = 40
IDS = [f"4686{i:04d}" for i in range(COUNT)]
LABELS = [
    {
        "lc1": ["B11", "B16", "C10", "E20", "G11"][i % 5],
        "lu1": ["U111", "U112", "U120", "U420"][i % 4],
        "nuts0": ["BE", "FR", "EL"][i % 3],
        "EUNIS_L2": load_taxonomy("eunis-l2").names[i % 7],
        "bioregion_class_code": ["Atlantic", "Alpine"][i % 2],
    }
    for i in range(COUNT)
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("test-set")
    rng = np.random.default_rng(0)
    series = random_series(COUNT, year=2018)
    object.__setattr__(series, "lon_deg", rng.uniform(0, 20, COUNT))
    object.__setattr__(series, "lat_deg", rng.uniform(40, 60, COUNT))
    convert_sen4map([write_sen4map_crops(root / "test.h5", IDS, series=series, labels=LABELS)], root / "test.zarr")
    rows = [
        {"im_id": point, "lon_deg": series.lon_deg[i], "lat_deg": series.lat_deg[i], "lc_label": LABELS[i]["lc1"]}
        for i, point in enumerate(IDS[:-4])
    ]
    write_test_labels(root / "labels.csv", rows)
    write_lucas_embeddings(root / "ground.pt", {f"BE_{p}{v}": rng.normal(size=256) for p in IDS for v in "WENS"})
    return root


@pytest.mark.parametrize(
    ("taxonomy", "classes", "count"),
    [
        ("lucas-land-cover", {"Cropland", "Woodland", "Grassland", "Water"}, COUNT),
        ("lucas-land-use", {"Agriculture", "Forestry", "Semi-natural and natural areas not in use"}, COUNT),
        ("lucas-crops", {"Common wheat", "Maize"}, 16),
        ("eunis-l2", set(load_taxonomy("eunis-l2").names[:7]), COUNT),
        ("bioregions", {"Atlantic", "Alpine"}, COUNT),
        ("countries", {"Belgium", "France", "Greece"}, COUNT),
    ],
)
def test_every_task_finds_its_labels(files: Path, taxonomy: str, classes: set[str], count: int) -> None:
    found = labelled_store(files / "test.zarr", "auto", taxonomy=load_taxonomy(taxonomy))
    assert set(found.present) == classes
    assert len(found) == count
    assert sum(found.skipped.values()) == COUNT - count


def test_the_authors_table_is_joined_by_id(files: Path) -> None:
    taxonomy = load_taxonomy("lucas-land-cover")
    with pytest.warns(DegradedInputWarning, match="swapped"):
        found = labelled_store(files / "test.zarr", f"{files / 'labels.csv'}:lc1", taxonomy=taxonomy)
    assert len(found) == COUNT - 4
    for name, truth in zip(found.series.sample_id, found.truth, strict=True):
        assert taxonomy.classes[truth].code == LABELS[IDS.index(name)]["lc1"][0]
    assert len(labelled_store(files / "test.zarr", "lc1", taxonomy=taxonomy, only=IDS[:7])) == 7
    with pytest.raises(InputError, match="has no column 'lc9'"):
        labelled_store(files / "test.zarr", "lc9", taxonomy=taxonomy)
    with pytest.raises(InputError, match="do the ids agree"):
        labelled_store(files / "test.zarr", "lc1", taxonomy=taxonomy, only=["1"])


AUTHORS = {
    "lucas-land-cover": ("lc_label", ["Artificial Land", "Bare Land", "Wetlands"]),
    "lucas-land-use": (
        "lu_label",
        [
            "Transport, Communication Networks, Storage, Protection Works",
            "Commerce, Financial, Professional and Information Services",
            "Recreation, Leisure, Sport",
        ],
    ),
    "lucas-crops": ("crop_label", ["Rape and turnip rape", "NA", "Other fibre and oleaginous crops"]),
    "countries": ("nuts_label", ["Czech Republic", "United Kingdom", "Netherlands"]),
    "bioregions": ("bioregion_class", ["BlackSea", "Macaronesia", "Steppic"]),
    "eunis-l2": ("eunis_class", ["Aapa, palsa and polygon mires", "Shrub plantations", "Screes"]),
}
"""Columns and names as they stand in the authors' Sen4Map_Test_all_labels.csv."""


@pytest.mark.filterwarnings("ignore::timesenclip.errors.DegradedInputWarning")
@pytest.mark.parametrize("taxonomy", TASKS)
def test_every_column_of_the_authors_table_answers_its_task(files: Path, tmp_path: Path, taxonomy: str) -> None:
    rows = [
        {"im_id": f"Lucas_Point_{point}", "lon_deg": 4.0 + i, "lat_deg": 50.0}
        | {column: names[i] for column, names in AUTHORS.values()}
        for i, point in enumerate(IDS[:3])
    ]
    table = write_test_labels(tmp_path / "labels.csv", rows)
    column, names = AUTHORS[taxonomy]
    for asked in ("auto", column):
        found = labelled_store(files / "test.zarr", f"{table}:{asked}", taxonomy=load_taxonomy(taxonomy))
        assert len(found) == len(set(names) - {"NA"})
        assert not found.skipped


def test_published_embeddings_are_ground_views(files: Path) -> None:
    views = ground_views(files / "ground.pt")
    assert len(views.sample_id) == COUNT * 4
    assert np.allclose(np.linalg.norm(views.vectors, axis=1), 1, atol=1e-3)


@pytest.mark.slow
def test_all_tasks_of_the_paper_are_asked_at_once(files: Path, tmp_path: Path) -> None:
    arguments = ["evaluate", "paper", files / "test.zarr", "--labels", "auto"]
    torch.save(PrestoEncoder().state_dict(), tmp_path / "presto.pt")
    arguments += ["--presto", tmp_path / "presto.pt"]
    arguments += ["--templates", "a field note of {name}"]
    water = np.random.default_rng(0).normal(300, 20, (8, 12, 10)).astype(np.uint16)
    places = wide_frame(np.concatenate([maize_dn(8), water])).assign(lat=50 + 0.3 * np.arange(16))
    places.to_parquet(tmp_path / "scenic.parquet")
    votes = [f"{name}\t{50 + 0.3 * i}\t3\t{3 + i / 4}\t1\t3,4\thttp://x" for i, name in enumerate(places["sample_id"])]
    (tmp_path / "votes.tsv").write_text("\n".join(["ID\tLat\tLon\tAverage\tVariance\tVotes\tGeograph URI", *votes]))
    arguments += ["--scenic", tmp_path / "scenic.parquet", "--votes", tmp_path / "votes.tsv"]
    more = ["--ground", files / "ground.pt", "--draws", "10", "-o", tmp_path / "r"]
    found = CliRunner().invoke(app, [str(a) for a in [*arguments, *more, "--json"]])
    assert found.exit_code == 0, found.output
    answer = json.loads(found.stdout)
    assert list(answer["tasks"]) == list(TASKS)
    assert answer["scenicness"]["count"] == 16
    assert answer["scenicness"]["ridge"]["pearson"] > 0.5  # lakes got the higher votes
    assert "ridge on embeddings" in (tmp_path / "r" / "tables" / "scenicness.csv").read_text()
    assert (tmp_path / "r" / "scenicness" / "scenic.csv").is_file()
    methods = json.loads((tmp_path / "r" / "report.json").read_text())["tasks"]
    assert all(PRESTO in methods[task] for task in TASKS)
    assert PRESTO in (tmp_path / "r" / "tables" / "tasks.csv").read_text()
    assert "a field note of" in (tmp_path / "r" / "bioregions" / "report.html").read_text()
    assert answer["skipped"] == {}
    page = (tmp_path / "r" / "report.html").read_text()
    for task in TASKS:
        assert f"{task}/report.html" in page
        assert (tmp_path / "r" / task / "report.html").is_file()
    lines = (tmp_path / "r" / "tables" / "countries-bioregions.csv").read_text().splitlines()
    assert lines[0] == "class,BE,EL,FR"
    assert sum(int(cell) for line in lines[1:] for cell in line.split(",")[1:]) == COUNT
    for task in TASKS:
        assert f"Where the classes of {task} are" in page
        assert (tmp_path / "r" / "figures" / f"map-{task}.svg").is_file()
        assert (tmp_path / "r" / "figures" / f"countries-{task}.pdf").is_file() == (task != "countries")
    assert page.count("<svg ") == 2 * len(TASKS) - 1 + 1  # a map and bars a task, no bars of countries; scenicness
    refused = CliRunner().invoke(app, [str(a) for a in [*arguments, "-p", "maize", "-o", tmp_path / "x"]])
    assert refused.exit_code == 2
    assert "No such option" in refused.output  # each task has its own class list
    alone = CliRunner().invoke(app, [str(a) for a in [*arguments[:-2], "-o", tmp_path / "x"]])
    assert alone.exit_code == 2
    assert "--scenic and --votes go together" in alone.output


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::timesenclip.errors.DegradedInputWarning")
def test_photographs_of_some_places_do_not_stop_the_other_tasks(files: Path, tmp_path: Path) -> None:
    rows = [
        {"im_id": point, "lon_deg": 4.0 + i, "lat_deg": 50.0, "lc_label": "Water" if i % 2 else "Wetlands"}
        | {"nuts_label": "Malta" if i in (1, 4) else "NA"}
        for i, point in enumerate(IDS[:8])
    ]
    labels = write_test_labels(tmp_path / "labels.csv", rows)
    vectors = np.random.default_rng(0).normal(size=(2, 256))
    photos = {f"BE_{point}N": vector for point, vector in zip(IDS[5:7], vectors, strict=True)}  # none in Malta
    ground = write_lucas_embeddings(tmp_path / "photos.pt", photos)
    base = ["evaluate", "paper", files / "test.zarr", "--draws", "5"]
    more = ["--labels", labels, "--ground", ground, "-o", tmp_path / "r", "--json"]
    found = CliRunner().invoke(app, [str(a) for a in [*base, *more]])
    assert found.exit_code == 0, found.output
    assert set(json.loads(found.stdout)["tasks"]) == {"lucas-land-cover", "countries"}
    assert "None of the photographs is of these places" in (tmp_path / "r" / "countries" / "report.html").read_text()
    heads = (tmp_path / "r" / "tables" / "countries-lucas-land-cover.csv").read_text().splitlines()[0]
    assert "MT" in heads.split(",")  # Malta is in the labels beside the store only
    table = (tmp_path / "r" / "tables" / "retrieval.csv").read_text()
    assert table.count("satellite -> ground") == 1
    other = write_lucas_embeddings(tmp_path / "other.pt", {"BE_1N": vectors[0]})
    found = CliRunner().invoke(
        app, [str(a) for a in [*base, "--labels", labels, "--ground", other, "-o", tmp_path / "x"]]
    )
    assert found.exit_code == 2
    assert "None of the 1 ground vectors belongs to a sample" in found.output
    assert not (tmp_path / "x").exists()
    hdf5 = ["evaluate", "suite", files / "test.h5", "--labels", "lc1", "-o", tmp_path / "x"]
    found = CliRunner().invoke(app, [str(a) for a in [*hdf5, "-t", "lucas-land-cover"]])
    assert found.exit_code == 2
    assert "timesenclip data sen4map" in found.output


def test_the_suite_runs_on_a_store_with_retrieval(files: Path, tmp_path: Path) -> None:
    arguments = ["evaluate", "suite", files / "test.zarr", "--labels", "auto", "--draws", "20"]
    more = ["--taxonomy", "lucas-land-cover", "--ground", files / "ground.pt", "-o", tmp_path / "r", "--json"]
    found = CliRunner().invoke(app, [str(a) for a in [*arguments, *more]])
    assert found.exit_code == 0, found.output
    report = json.loads(found.stdout)
    assert len(report["retrieval"]) >= 2
    assert (tmp_path / "r" / "report.html").is_file()
