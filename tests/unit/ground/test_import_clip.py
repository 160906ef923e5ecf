"""What is refused before any weights are read; tests/parity/test_clip_import.py compares vectors in every layout."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from timesenclip.errors import CheckpointError, DataNotFoundError, InputError
from timesenclip.ground.import_clip import import_clip

ABSENT = "weights-that-are-not-there.pt"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"mean": (0.1, 0.2)}, r"mean is \[0\.1, 0\.2\]; expected three numbers"),
        ({"std": (0.1, 0.2, 0.0)}, r"std is \[0\.1, 0\.2, 0\.0\]; expected three numbers"),
        ({"mean": (0.1, 0.2, float("nan"))}, "mean is .*expected three numbers"),
    ],
)
def test_colours_are_checked_first(tmp_path: Path, options: dict[str, tuple[float, ...]], said: str) -> None:
    with pytest.raises(InputError, match=said):
        import_clip(ABSENT, tmp_path / "out", **options)  # type: ignore[arg-type]


def test_a_folder_with_other_content_and_a_file_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file, and a folder is to be written"):
        import_clip(ABSENT, tmp_path / "file")
    with pytest.raises(InputError, match="was not written by timesenclip as a tower"):
        import_clip(ABSENT, tmp_path)
    (tmp_path / "file").unlink()
    (tmp_path / "preprocessor_config.json").write_text("{}")
    (tmp_path / "README.md").write_text("made by `timesenclip import clip`.")  # an older import
    with pytest.raises(DataNotFoundError, match="No weights"):
        import_clip(ABSENT, tmp_path)


def test_weights_of_another_model_are_named_and_nothing_is_written(tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.ones(2, 2)}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=r"no CLIP that is known here.*fc\.weight"):
        import_clip(tmp_path / "x.pt", tmp_path / "out")
    assert not (tmp_path / "out").exists()
