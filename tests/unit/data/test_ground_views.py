from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from timesenclip.data.ground_views import embed_photos, read_ground_views
from timesenclip.data.photos import find_photos
from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.testing.training import write_lucas_embeddings, write_lucas_photos


class Colours:
    """A real tower in miniature: the mean colour and its spread."""

    name, dim, revision = "colours", 6, None

    def __init__(self) -> None:
        self.seen = 0

    def encode_text(self, texts: list[str]) -> np.ndarray:
        raise NotImplementedError

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        self.seen += len(images)
        pixels = [np.asarray(image, dtype=np.float32).reshape(-1, 3) for image in images]
        out = np.stack([np.concatenate([p.mean(axis=0), p.std(axis=0) + 1]) for p in pixels])
        return np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True), dtype=np.float32)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    names = [f"4100000{i}{view}" for i in range(3) for view in "NESWP"][:-2]
    photos = {name: rng.integers(0, 255, (40, 60, 3), dtype=np.uint8) for name in names}
    return write_lucas_photos(tmp_path / "photos", photos)


def test_embedding_names_broken_files_and_goes_on_where_it_stopped(tree: Path, tmp_path: Path) -> None:
    photos = find_photos(tree).photos
    photos[3].path.write_bytes(photos[3].path.read_bytes()[:200])
    tower = Colours()
    done = embed_photos(photos[:8], tmp_path / "g", tower=tower, batch_size=3)
    assert (done.written, done.known) == (7, 0)
    assert list(done.failed) == [photos[3].photo_id]
    assert str(photos[3].path) in done.failed[photos[3].photo_id]
    tower.seen = 0
    again = embed_photos(photos, tmp_path / "g", tower=tower, batch_size=3)
    assert (again.written, again.known, tower.seen) == (5, 7, 5)
    views = read_ground_views(tmp_path / "g")
    assert len(views) == 12
    assert views.tower == "colours"
    assert len(set(views.photo_id)) == 12
    row = list(views.photo_id).index(photos[0].photo_id)
    assert np.allclose(views.vectors[row], tower.encode_images([Image.open(photos[0].path)])[0], atol=1e-3)


def test_a_store_stays_with_its_tower(tree: Path, tmp_path: Path) -> None:
    photos = find_photos(tree).photos
    embed_photos(photos[:1], tmp_path / "g", tower=Colours())
    other = Colours()
    other.name = "others"
    with pytest.raises(InputError, match="begun with the tower 'colours'"):
        embed_photos(photos, tmp_path / "g", tower=other)


def test_the_published_dictionary_is_read_as_it_is(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vectors = {f"BE_4100000{i}{view}": rng.normal(size=512).astype(np.float32) for i in range(2) for view in "WENS"}
    views = read_ground_views(write_lucas_embeddings(tmp_path / "l.pt", vectors))
    assert (len(views), views.dim, views.tower) == (8, 512, None)
    row = list(views.photo_id).index("BE_41000001E")
    assert (views.point_id[row], views.direction[row]) == ("41000001", "E")
    assert np.allclose(views.vectors[row], vectors["BE_41000001E"], atol=2e-3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"nonsense": torch.ones(1, 4)}, "expected '{NUTS0}_{point}"),
        ({"BE_41000001E": torch.ones(1, 4), "BE_41000001W": torch.ones(1, 5)}, "4 and 5 dimensions"),
        ({"BE_41000001E": torch.full((1, 4), torch.nan)}, "not finite"),
        ({"BE_41000001E": torch.zeros(1, 4)}, "zero or not finite"),
        ([1, 2], "holds a list"),
    ],
)
def test_broken_dictionaries_are_refused(tmp_path: Path, content: object, message: str) -> None:
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(InputError, match=message):
        read_ground_views(tmp_path / "x.pt")


def test_pickled_code_in_a_dictionary_never_runs(tmp_path: Path) -> None:
    import os

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    torch.save({"BE_41000001E": Evil()}, tmp_path / "x.pt")
    with pytest.raises(DataNotFoundError, match="no dictionary of tensors"):
        read_ground_views(tmp_path / "x.pt")
    assert not (tmp_path / "ran").exists()


def test_a_users_table_of_embeddings_is_read(tmp_path: Path) -> None:
    frame = pd.DataFrame({"photo_id": ["a", "b"], "embedding": [[1.0, 2.0], [3.0, 4.0]]})
    frame.to_parquet(tmp_path / "e.parquet")
    assert read_ground_views(tmp_path / "e.parquet").vectors.tolist() == [[1, 2], [3, 4]]
    frame.drop(columns="photo_id").to_parquet(tmp_path / "e.parquet")
    with pytest.raises(InputError, match="neither photo_id nor point_id"):
        read_ground_views(tmp_path / "e.parquet")


def test_a_store_of_which_no_photograph_can_be_read_is_not_begun(tree: Path, tmp_path: Path) -> None:
    photos = find_photos(tree).photos[:1]
    photos[0].path.write_bytes(b"junk")
    done = embed_photos(photos, tmp_path / "g", tower=Colours())
    assert (done.written, len(done.failed)) == (0, 1)
    assert not (tmp_path / "g").exists()
