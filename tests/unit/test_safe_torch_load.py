"""Tensors are read from pickles of any content, and no code of theirs runs."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from timesenclip.errors import CheckpointError, DataNotFoundError
from timesenclip.safe_torch_load import read_tensors

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2, dtype=torch.float16)}


class Evil:
    """Runs a command when it is unpickled in the usual way."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


def _same(found: dict[str, torch.Tensor]) -> bool:
    return found.keys() == TENSORS.keys() and all(torch.equal(found[key], TENSORS[key]) for key in TENSORS)


@pytest.mark.parametrize("key", [None, "state_dict", "model_state_dict", "model"])
@pytest.mark.parametrize("zipped", [True, False])
def test_the_state_is_found_where_training_loops_put_it(key: str | None, zipped: bool, tmp_path: Path) -> None:
    content: object = TENSORS if key is None else {"epoch": 3, key: TENSORS}
    torch.save(content, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    assert _same(read_tensors(tmp_path / "x.pt"))


def test_safetensors_are_read_too(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "x.safetensors")
    assert _same(read_tensors(tmp_path / "x.safetensors"))
    (tmp_path / "x.safetensors").write_bytes(b"x" * 20)
    with pytest.raises(CheckpointError, match="no safetensors file"):
        read_tensors(tmp_path / "x.safetensors")


@pytest.mark.parametrize("zipped", [True, False])
def test_other_objects_are_replaced_and_run_nothing(zipped: bool, tmp_path: Path) -> None:
    content = {
        "hyper_parameters": argparse.Namespace(lr=0.1, path=Path("x")),
        "callbacks": [Evil(tmp_path / "ran")] * 2,
        "state_dict": TENSORS,
    }
    torch.save(content, tmp_path / "x.ckpt", _use_new_zipfile_serialization=zipped)
    assert _same(read_tensors(tmp_path / "x.ckpt"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_files_without_tensors_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match="No weights at"):
        read_tensors(tmp_path / "none.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(CheckpointError, match="holds a list; expected a dictionary"):
        read_tensors(tmp_path / "list.pt")
    torch.save({"epoch": 3}, tmp_path / "none.pt")
    with pytest.raises(CheckpointError, match="holds no tensors"):
        read_tensors(tmp_path / "none.pt")
    (tmp_path / "text.pt").write_text("not a pickle")
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_tensors(tmp_path / "text.pt")
    torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)).save(str(tmp_path / "script.pt"))
    with pytest.raises(CheckpointError, match="TorchScript archive"):
        read_tensors(tmp_path / "script.pt")
