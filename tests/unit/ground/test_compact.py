from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from timesenclip.errors import PromptError, TowerError
from timesenclip.ground.compact import CompactTextTower
from timesenclip.ground.tower import COMPACT_FOLDER

# Nothing here is the same word twice: what is close must be known, not spelled.
NEAR = {
    "maize": "a field of corn",
    "spruce forest": "pine woodland",
    "oak woodland": "beech forest",
    "lake": "pond",
    "river": "streams",
    "alfalfa": "lucerne",
    "peat bog": "mire",
    "houses": "residential area",
    "oilseed rape": "canola",
    "glacier": "snow and ice",
    "pasture": "grazed meadow",
    "quarry": "open pit mine",
    "maquis": "scrub",
    "vineyard": "grapes",
    "beach": "sand dunes",
    "wetland": "marshes",
    "greenhouse": "polytunnels",
    "motorway": "roads",
    "factory": "industrial buildings",
    "park": "urban gardens",
}


@pytest.fixture(scope="module")
def tower() -> CompactTextTower:
    return CompactTextTower()


def test_near_things_are_near_and_unrelated_ones_are_spread(tower: CompactTextTower) -> None:
    asked, meant = tower.encode_text(list(NEAR)), tower.encode_text(list(NEAR.values()))
    similarity = meant @ asked.T  # (P, P)
    assert (similarity.argmax(axis=1) == np.arange(len(NEAR))).mean() >= 0.85
    apart = (asked @ asked.T)[~np.eye(len(NEAR), dtype=bool)]
    assert abs(apart.mean()) < 0.05
    assert np.quantile(apart, 0.95) < 0.5 * np.diag(similarity).mean()


def test_vectors_are_unit_float32_and_do_not_depend_on_the_batch(tower: CompactTextTower) -> None:
    together = tower.encode_text(["maize", "a spruce forest in winter", "xqzv"])
    assert (together.shape, together.dtype) == ((3, tower.dim), np.float32)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-6)
    assert np.array_equal(together[1], tower.encode_text(["a spruce forest in winter"])[0])
    assert tower.encode_text([]).shape == (0, 256)
    assert (tower.name, tower.dim) == ("compact-text-v1", 256)


@pytest.mark.parametrize(
    ("text", "same", "least"),
    [
        ("maize", "  MAIZE ", 1.0),
        ("lake", "a satellite photo of a lake.", 0.95),
        ("maize", "a land cover photo of maize", 0.9),
        ("vineyard", "Vineyards", 0.85),
        ("triticale", "triticales", 0.98),
        ("café garden", "cafe garden", 1.0),
    ],
)
def test_case_plural_accent_and_template_matter_little(
    tower: CompactTextTower, text: str, same: str, least: float
) -> None:
    first, second = tower.encode_text([text, same])
    assert first @ second >= least - 1e-6


@pytest.mark.parametrize("text", ["?!", "日本", "🌽"])
def test_a_text_without_a_known_word_is_named_not_nan(tower: CompactTextTower, text: str) -> None:
    with pytest.raises(PromptError, match="holds no word that tower 'compact-text-v1' knows"):
        tower.encode_text(["lake", text])


def test_empty_texts_and_bare_strings_are_refused(tower: CompactTextTower) -> None:
    with pytest.raises(PromptError, match="Text 2 of 2 is empty"):
        tower.encode_text(["lake", " \n"])
    with pytest.raises(PromptError, match="in brackets"):
        tower.encode_text("lake")


def test_photographs_are_refused_with_the_way_out(tower: CompactTextTower) -> None:
    with pytest.raises(TowerError, match=r"reads text only.*load_tower\('openai/clip-vit-base-patch32'\)"):
        tower.encode_images(["photo.jpg"])


def test_a_missing_or_broken_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(TowerError, match=r"config\.json, model\.safetensors, tokenizer\.json is missing"):
        CompactTextTower(tmp_path)
    shutil.copytree(COMPACT_FOLDER, tmp_path / "broken")
    (tmp_path / "broken" / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(TowerError, match="is broken"):
        CompactTextTower(tmp_path / "broken")


def test_it_is_small_and_needs_no_torch() -> None:
    assert sum(path.stat().st_size for path in COMPACT_FOLDER.iterdir()) < 8e6
    code = (
        "import sys; from timesenclip.ground.load import load_tower; load_tower('compact').encode_text(['lake']); "
        "sys.exit(', '.join({'torch', 'transformers', 'sklearn'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
