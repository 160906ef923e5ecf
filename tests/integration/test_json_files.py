"""Every JSON document that the product writes is JSON: a NaN in what a source says of itself becomes null."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from timesenclip.eo.area import CubeInMemory
from timesenclip.mapping.ask_store import ask_store
from timesenclip.mapping.change import change_stores
from timesenclip.mapping.embed_area import embed_area
from timesenclip.mapping.map_area import map_cube
from timesenclip.model.checkpoint import load, save
from timesenclip.series import Cube
from timesenclip.simulate.scene import simulate_scene
from timesenclip.tasks.parquet import PROVENANCE_KEY, embed_schema, open_table


def strict(text: str) -> Any:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def cube_that_says_nan() -> Cube:
    cube = simulate_scene(rng=np.random.default_rng(5), size=16).cube
    return replace(cube, provenance={**cube.provenance, "sun_deg": float("nan"), "height_m": np.float32("inf")})


def test_every_json_document_is_json(tmp_path: Path) -> None:
    model, cube = load(), cube_that_says_nan()
    phrases = ["maize", "water"]
    map_cube(cube, phrases, out=tmp_path / "map", model=model, workers=1)
    for name in ("a", "b"):
        embed_area(CubeInMemory(cube), tmp_path / f"{name}.zarr", model=model, dims=32, block=16, workers=1)
    ask_store(tmp_path / "a.zarr", phrases, out=tmp_path / "ask", model=model)
    change_stores(tmp_path / "a.zarr", tmp_path / "b.zarr", out=tmp_path / "change", threshold=0.5)
    save(model, tmp_path / "checkpoint")
    with open_table(tmp_path / "points.parquet", embed_schema()) as table:
        assert table is not None
        table.finish({"sun_deg": float("nan")})

    files = [file for ending in ("json", "jsonl") for file in tmp_path.rglob(f"*.{ending}")]
    names = {file.name for file in files}
    assert names >= {
        "provenance.json",
        "change.json",
        "a.zarr.item.json",
        "a.zarr.manifest.jsonl",
        "zarr.json",
        "config.json",
    }
    for file in files:
        text = file.read_text(encoding="utf-8")
        for document in text.splitlines() if file.suffix == ".jsonl" else [text]:
            strict(document)
    said = strict((tmp_path / "map" / "provenance.json").read_text(encoding="utf-8"))["input"]
    assert (said["sun_deg"], said["height_m"]) == (None, None)
    metadata = pq.read_metadata(tmp_path / "points.parquet").metadata
    assert strict(metadata[PROVENANCE_KEY].decode()) == {"sun_deg": None}
