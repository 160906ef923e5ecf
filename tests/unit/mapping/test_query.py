"""The tower that a store is asked with is the one it was made with, in the same revision."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from timesenclip.eo.cube.open import open_cube
from timesenclip.errors import InputError, TowerError
from timesenclip.mapping.embed_area import embed_area
from timesenclip.mapping.query import tower_of
from timesenclip.mapping.store.store import EmbeddingStore
from timesenclip.model.checkpoint import Model, load
from timesenclip.testing import random_cube, write_netcdf_cube

HUB_ID = "somebody/a-clip"


@pytest.fixture(scope="module")
def model() -> Model:
    return load()


def with_tower(model: Model, **tower: Any) -> Model:
    config = model.config.model_copy(update={"tower": model.config.tower.model_copy(update=tower)})
    return Model(model.encoder, config, digest=model.digest)


def store_of(model: Model, place: Path) -> EmbeddingStore:
    folder = write_netcdf_cube(random_cube((16, 16)), place / "cube")
    return embed_area(open_cube(folder), place / "store.zarr", model=model, block=16, workers=1).store


def without_the_field(store: EmbeddingStore) -> EmbeddingStore:
    """The store as an earlier version wrote it."""
    file = store.path / "zarr.json"
    content = json.loads(file.read_text())
    del content["attributes"]["timesenclip"]["tower_revision"]
    file.write_text(json.dumps(content))
    manifest = store.path.with_suffix(".manifest.jsonl")
    job, *rest = manifest.read_text().splitlines()
    entry = json.loads(job)
    del entry["facts"]["tower_revision"]
    manifest.write_text("\n".join([json.dumps(entry), *rest]) + "\n")
    return EmbeddingStore.open(store.path)


@pytest.fixture
def revisions(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Revisions that the hub is asked for; nothing is found there."""
    import transformers

    asked: list[Any] = []

    def nothing(source: str, revision: str | None = None, **_: Any) -> Any:
        asked.append((source, revision))
        raise OSError("not in the cache")

    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", nothing)
    return asked


def test_a_checkpoint_loads_its_tower_in_the_recorded_revision(model: Model, revisions: list[Any]) -> None:
    with pytest.raises(TowerError, match="cannot be loaded"):
        with_tower(model, name=HUB_ID, revision="abc123").tower  # noqa: B018
    assert revisions == [(HUB_ID, "abc123")]


def test_a_store_records_the_revision_and_is_asked_with_it(model: Model, revisions: list[Any], tmp_path: Path) -> None:
    store = store_of(with_tower(model, name=HUB_ID, revision="abc123"), tmp_path)
    assert EmbeddingStore.open(store.path).info.tower_revision == "abc123"
    with pytest.raises(TowerError, match="cannot be loaded"):
        tower_of(store)
    assert revisions == [(HUB_ID, "abc123")]


def test_another_revision_is_another_tower(model: Model, tmp_path: Path) -> None:
    ours = with_tower(model, revision="abc123")
    store = store_of(ours, tmp_path)
    assert tower_of(store, ours) is ours.tower
    for other, said in (("def456", "compact@def456"), (None, "compact")):
        with pytest.raises(TowerError, match=rf"tower 'compact@abc123' .* has '{said}'"):
            tower_of(store, with_tower(model, revision=other))
    again: dict[str, Any] = {"model": with_tower(model, revision="def456"), "block": 16}
    with pytest.raises(InputError, match="tower_revision 'abc123', this is 'def456'"):
        embed_area(open_cube(tmp_path / "cube"), store.path, **again)


def test_a_store_without_a_revision_refuses_a_model_that_has_one(model: Model, tmp_path: Path) -> None:
    store = store_of(model, tmp_path)
    assert store.info.tower_revision is None
    assert tower_of(store).dim == model.config.tower.dim
    with pytest.raises(TowerError, match=r"tower 'compact' .* has 'compact@abc123'"):
        tower_of(store, with_tower(model, revision="abc123"))


def test_early_stores_are_read_asked_and_continued(model: Model, tmp_path: Path) -> None:
    ours = with_tower(model, revision="abc123")
    early = without_the_field(store_of(ours, tmp_path))
    assert early.info.tower_revision == ""
    assert tower_of(early).dim == model.config.tower.dim
    assert tower_of(early, ours) is ours.tower
    result = embed_area(open_cube(tmp_path / "cube"), early.path, model=ours, block=16, workers=1)
    assert (result.reused, result.blocks) == (1, 1)
