"""The files beside a store belong to it alone, and never replace a file of somebody else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from timesenclip.errors import InputError
from timesenclip.mapping.store.sidecars import (
    adopt_older_manifest,
    item_path,
    manifest_path,
    remove_older_item,
    require_own_sidecars,
)


def manifest_of(store: str, kind: str = "embed-area") -> str:
    return json.dumps({"kind": "job", "key": kind, "facts": {"store": store}}) + "\n"


def item_of(store: str) -> str:
    href = {"embeddings": {"href": f"./{store}"}}
    return json.dumps({"type": "Feature", "properties": {"timesenclip:digest": "a"}, "assets": href})


def test_two_stores_share_no_file(tmp_path: Path) -> None:
    names = {path(tmp_path / store) for store in ("f.2018", "f.2019", "f.zarr") for path in (item_path, manifest_path)}
    assert len(names) == 6


@pytest.mark.parametrize("name", ["a.zarr.item.json", "a.zarr.manifest.jsonl"])
@pytest.mark.parametrize("content", ["my own", "{}", "[1]", manifest_of("a.zarr", "map"), '{"type": "Feature"}'])
def test_a_file_of_somebody_else_is_refused_by_name(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=name):
        require_own_sidecars(tmp_path / "a.zarr")


def test_files_of_ours_are_accepted(tmp_path: Path) -> None:
    manifest_path(tmp_path / "a.zarr").write_text(manifest_of("a.zarr"))
    item_path(tmp_path / "a.zarr").write_text(item_of("a.zarr"))
    require_own_sidecars(tmp_path / "a.zarr")


def test_files_of_an_earlier_version_are_taken_over_only_if_they_are_of_this_store(tmp_path: Path) -> None:
    store, manifest, item = tmp_path / "a.2018", tmp_path / "a.manifest.jsonl", tmp_path / "a.json"
    store.mkdir()
    for theirs, about in ((manifest_of("a.2019"), item_of("a.2019")), ("mine", "mine")):
        manifest.write_text(theirs)
        item.write_text(about)
        adopt_older_manifest(store)
        remove_older_item(store)
        assert (manifest.read_text(), item.read_text()) == (theirs, about)
    manifest.write_text(manifest_of("a.2018"))
    item.write_text(item_of("a.2018"))
    adopt_older_manifest(store)
    remove_older_item(store)
    assert not manifest.exists()
    assert not item.exists()
    assert manifest_path(store).read_text() == manifest_of("a.2018")
