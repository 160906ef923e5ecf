"""What is asked becomes vectors by the tower that belongs to the pixels' embeddings, in the same revision."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from timesenclip.eo.cube.open import open_cube
from timesenclip.errors import CheckpointError, InputError, TowerError
from timesenclip.ground.taxonomy import taxonomy_from_phrases
from timesenclip.mapping.embed_area import StoreResult, embed_area
from timesenclip.mapping.query import load_store_tower, make_query
from timesenclip.mapping.store.sidecars import manifest_path
from timesenclip.mapping.store.store import EmbeddingStore
from timesenclip.model.checkpoint import Model
from timesenclip.tasks.heads import Head
from timesenclip.testing import random_cube, write_netcdf_cube

HUB_ID = "somebody/a-clip"


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
    manifest = manifest_path(store.path)
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
        load_store_tower(store)
    assert revisions == [(HUB_ID, "abc123")]


def test_another_revision_is_another_tower(model: Model, tmp_path: Path) -> None:
    ours = with_tower(model, revision="abc123")
    store = store_of(ours, tmp_path)
    assert load_store_tower(store, ours) is ours.tower
    for other, said in (("def456", "compact@def456"), (None, "compact")):
        with pytest.raises(TowerError, match=rf"tower 'compact@abc123' .* has '{said}'"):
            load_store_tower(store, with_tower(model, revision=other))
    again: dict[str, Any] = {"model": with_tower(model, revision="def456"), "block": 16}
    with pytest.raises(InputError, match="tower_revision 'abc123', this is 'def456'"):
        embed_area(open_cube(tmp_path / "cube"), store.path, **again)


def test_a_store_without_a_revision_refuses_a_model_that_has_one(model: Model, tmp_path: Path) -> None:
    store = store_of(model, tmp_path)
    assert store.info.tower_revision is None
    assert load_store_tower(store).dim == model.config.tower.dim
    with pytest.raises(TowerError, match=r"tower 'compact' .* has 'compact@abc123'"):
        load_store_tower(store, with_tower(model, revision="abc123"))


def test_early_stores_are_read_asked_and_continued(model: Model, tmp_path: Path) -> None:
    ours = with_tower(model, revision="abc123")
    early = without_the_field(store_of(ours, tmp_path))
    assert early.info.tower_revision == ""
    assert load_store_tower(early).dim == model.config.tower.dim
    assert load_store_tower(early, ours) is ours.tower
    result = embed_area(open_cube(tmp_path / "cube"), early.path, model=ours, block=16, workers=1)
    assert (result.reused, result.blocks) == (1, 1)


def test_words_become_one_vector_a_class(model: Model) -> None:
    query = make_query(model, ["maize", "water"], templates="a photo of {name}.")
    assert query.taxonomy.names == ("maize", "water")
    assert np.allclose(np.linalg.norm(query.vectors, axis=1), 1, atol=1e-6)
    assert query.vectors is query.full
    assert query.origin["prompts"] == {"maize": ["a photo of maize."], "water": ["a photo of water."]}
    assert query.origin["checkpoint"]["digest"] == model.digest
    assert query.calibration == model.config.calibration
    same, other = make_query(model, ["maize", "water"]), make_query(model, ["maize", "rivers"])
    assert same.label.startswith("maize, water (")
    assert len({query.label, same.label, other.label}) == 3


def test_scores_are_cosines_and_classes_follow_the_calibration(model: Model) -> None:
    query = make_query(model, ["maize", "water"], unknown_below=0.5)
    vectors = np.stack([query.vectors[1], query.vectors[0], -query.vectors[0], np.full(256, np.nan, np.float32)])
    scores = query.scores(vectors)
    assert scores[0, 1] == pytest.approx(1, abs=1e-5)
    answers = query.classify(scores)
    assert answers.label_index.tolist() == [1, 0, -1, -1]
    assert answers.seen.tolist() == [True, True, True, False]
    assert query.origin["calibration"]["unknown_score"] == model.config.calibration.unknown_score
    with pytest.raises(InputError, match="12 dimensions, the classes 256"):
        query.scores(vectors[:, :12])


def test_a_store_is_asked_in_its_own_dimensions(model: Model, embedded) -> None:
    store = embedded.store
    query = make_query(store, ["maize", "water"], model=model)
    assert query.vectors.shape == (2, 64)
    assert np.array_equal(query.vectors, store.project(query.full))
    assert np.array_equal(make_query(model, ["maize", "water"]).full, query.full)
    assert np.array_equal(query.for_store(store).vectors, query.vectors)
    assert query.origin["store"] == str(store.path)


def test_what_cannot_be_asked_is_refused_before_anything_is_embedded(model: Model, tmp_path: Path) -> None:
    class Silent:
        def encode_text(self, texts: Any) -> Any:
            raise AssertionError("nothing is embedded")

    for how, words in (
        ({}, "with phrases or a class list, or with photographs"),
        ({"taxonomy": ["maize"], "photos": ["a.jpg"]}, "one of them"),
        ({"taxonomy": [f"phrase {i} field" for i in range(255)]}, "255 classes; a class map holds at most 254"),
        ({"taxonomy": ["maize"], "unknown_below": 1.5}, "unknown_below is 1.5; a cosine is -1..1"),
        ({"photos": [tmp_path / "a.jpg", tmp_path / "b" / "a.png"]}, r"the same name \(a, a\)"),
    ):
        with pytest.raises(InputError, match=words):
            make_query(model, tower=Silent(), **how)  # type: ignore[arg-type]


def test_a_head_asks_alone_and_with_its_own_calibration(model: Model, embedded) -> None:
    store = embedded.store
    weights = make_query(model, ["maize", "water"]).full
    classes = taxonomy_from_phrases(["maize", "water"])
    head = Head(classes, weights, 0.25, checkpoint=model.config.name, digest=model.digest)
    query = make_query(store, head=head)
    assert np.array_equal(query.vectors, store.project(weights))
    assert (query.calibration.temperature, query.calibration.unknown_score) == (0.25, None)
    assert query.origin["checkpoint"]["tower"] == head.tower_name
    assert make_query(store, head=head, unknown_below=0.3).calibration.unknown_score == 0.3
    for asked, how in ((store, {"taxonomy": ["maize"]}), (store, {"model": model}), (model, {})):
        with pytest.raises(InputError, match="ask with it alone"):
            make_query(asked, head=head, **how)
    with pytest.raises(CheckpointError, match=r"made for checkpoint 'timesenclip-default' \(another\)"):
        make_query(store, head=replace(head, digest="another"))


def test_one_phrase_brings_what_it_is_compared_with(model: Model, embedded: StoreResult) -> None:
    query = make_query(embedded.store, ["maize"])
    assert query.rivals is not None
    assert query.compared.shape == (1 + len(query.rivals.names), 64)
    assert query.origin["against"]["background"] == "background"
    assert "maize" in query.origin["against"]["left_out_as_kin"]
    pixels = np.random.default_rng(0).normal(size=(5, 64)).astype(np.float32) * 0.1
    answers = query.classify(query.scores(pixels))
    assert answers.scores.shape == (5, 1)
    assert make_query(model, ["maize", "water"]).rivals is None


def test_another_background_is_another_question(model: Model) -> None:
    plain, other = make_query(model, ["maize"]), make_query(model, ["maize"], against=["sea", "glacier"])
    assert plain.label != other.label
    assert other.origin["against"]["competitors"] == ["sea", "glacier"]
    with pytest.raises(InputError, match="without a phrase"):
        make_query(model, photos=["p.jpg"], against=["sea"])


def test_the_background_follows_into_another_store(model: Model, embedded: StoreResult, tmp_path: Path) -> None:
    query = make_query(embedded.store, ["maize"])
    moved = query.for_store(store_of(model, tmp_path))
    assert moved.compared.shape == (len(query.compared), model.config.tower.dim)
    assert moved.rivals is not None
    assert query.rivals is not None
    assert moved.rivals.names == query.rivals.names


def test_all_that_was_seen_is_answered_and_the_origin_says_it(model: Model) -> None:
    query = make_query(model, ["maize", "water"], answer_all=True)
    vectors = np.stack([query.vectors[1], -query.vectors[0], np.full(256, np.nan, np.float32)])
    assert query.classify(query.scores(vectors)).label_index.tolist()[::2] == [1, -1]
    assert query.classify(query.scores(vectors)).label_index[1] >= 0
    assert query.origin["answer_all"] is True
    assert make_query(model, ["maize", "water"]).origin["answer_all"] is False
    with pytest.raises(InputError, match="was given with answer_all"):
        make_query(model, ["maize", "water"], answer_all=True, unknown_below=0.1)
