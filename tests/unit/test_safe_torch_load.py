"""Tensors are read from pickles of any content, and no code of theirs runs."""

from __future__ import annotations

import argparse
import functools
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from timesenclip.errors import CheckpointError, DataNotFoundError
from timesenclip.safe_torch_load import read_tensors

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2, dtype=torch.float16)}


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
def test_other_objects_are_replaced(zipped: bool, tmp_path: Path) -> None:
    """As Lightning and its users store them: settings, paths, callbacks, and the state of an optimiser."""
    model = torch.nn.Linear(2, 3)
    optimiser = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    content = {
        "hyper_parameters": argparse.Namespace(lr=0.1, path=Path("x"), kinds={"a"}, make=functools.partial(dict, a=1)),
        "callbacks": [np.random.default_rng(0), np.float64(3), torch.device("cpu"), b"bytes", 2**80, 1.5],
        "optimizer_states": [optimiser.state_dict()],
        "state_dict": TENSORS,
    }
    torch.save(content, tmp_path / "x.ckpt", _use_new_zipfile_serialization=zipped)
    assert _same(read_tensors(tmp_path / "x.ckpt"))


@pytest.mark.parametrize("zipped", [True, False])
def test_every_kind_of_tensor_comes_back_bit_for_bit(zipped: bool, tmp_path: Path) -> None:
    whole = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    state = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)).state_dict()  # an OrderedDict
    state |= {"nan": torch.tensor([float("nan"), float("-inf"), -0.0]), "empty": torch.zeros(0, 4)}
    state |= {"transposed": whole.T, "part": whole[1:3, 2:5], "again": whole, "scalar": torch.tensor(4)}
    state |= {"parameter": torch.nn.Parameter(torch.ones(3)), "bool": torch.tensor([True, False])}
    for name in ("float64", "bfloat16", "int8", "uint8", "int16", "int32", "int64", "uint16", "float8_e4m3fn"):
        state[name] = torch.arange(5).to(getattr(torch, name))
    for protocol in (2, 4, 5) if zipped else (2,):
        torch.save(state, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
        found = read_tensors(tmp_path / "x.pt")
        assert found.keys() == state.keys()
        for name, tensor in state.items():
            assert found[name].dtype == tensor.dtype, name
            assert found[name].shape == tensor.shape, name
            assert _bytes(found[name]) == _bytes(tensor), name
        assert found["again"].untyped_storage().data_ptr() == found["part"].untyped_storage().data_ptr()


def _bytes(tensor: torch.Tensor) -> bytes:
    return tensor.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes()


def test_a_tensor_that_is_read_can_be_changed_and_the_file_cannot(tmp_path: Path) -> None:
    torch.save(TENSORS, tmp_path / "x.pt")
    before = (tmp_path / "x.pt").read_bytes()
    read_tensors(tmp_path / "x.pt")["b"].zero_()
    assert (tmp_path / "x.pt").read_bytes() == before


def test_an_object_of_a_class_is_named_with_the_command_that_converts_it(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "whole.pt")
    with pytest.raises(CheckpointError, match=r"holds an object \(torch.*Linear\).*torch\.save\(model\.state"):
        read_tensors(tmp_path / "whole.pt")


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


def _archive(file: Path, changes: dict[str, bytes | None], *, compression: int = zipfile.ZIP_STORED) -> Path:
    """A file of torch.save with parts replaced, added, or left out (None)."""
    torch.save(TENSORS, file)
    with zipfile.ZipFile(file) as archive:
        parts = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in (parts | changes).items():
            if content is not None:
                archive.writestr(f"x/{name}", content)
    return file


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data.pkl": None}, "without the file data.pkl"),
        ({"data/0": None}, "a part of the archive is missing"),
        ({"data/0": b"1234"}, "another length than the pickle says"),
        ({"byteorder": b"big"}, "'big'-endian"),
        ({"data.pkl": b"\x80\x02N."}, "holds a NoneType"),
        ({"data.pkl": b"\x80\x02" + b"]" * 5}, "pickle is damaged"),
    ],
)
def test_parts_of_an_archive_that_do_not_fit_are_named(changes: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=said):
        read_tensors(_archive(tmp_path / "x.pt", changes))


def test_an_archive_that_would_grow_is_not_unpacked(tmp_path: Path) -> None:
    bomb = _archive(tmp_path / "x.pt", {"data/2": bytes(2**26)}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(CheckpointError, match="parts are larger than the file"):
        read_tensors(bomb)
    with pytest.raises(CheckpointError, match="compressed, which torch"):
        read_tensors(_archive(tmp_path / "x.pt", {"data/2": os.urandom(2**12)}, compression=zipfile.ZIP_DEFLATED))
    with pytest.raises(CheckpointError, match=r"data\.pkl has .* bytes, expected at most"):
        read_tensors(_archive(tmp_path / "x.pt", {"data.pkl": bytes(2**25 + 1)}))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_with_two_parts_of_one_name_or_too_many_is_refused(tmp_path: Path) -> None:
    file = _archive(tmp_path / "x.pt", {})
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("x/data/0", bytes(24))
    with pytest.raises(CheckpointError, match="two parts have one name"):
        read_tensors(file)
    with zipfile.ZipFile(file, "a") as archive:
        for number in range(200):
            archive.writestr(f"{number:03}" + "x" * 60_000, b"")
    with pytest.raises(CheckpointError, match="list of its parts is too long"):
        read_tensors(file)


def _view_of_six(offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    """A pickle of {"a": tensor}, a view of six numbers."""

    def push(number: int) -> bytes:
        return b"\x8a\x08" + number.to_bytes(8, "little", signed=True)

    def numbers(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(map(push, values)) + b"t"

    storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x06tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + push(offset) + numbers(size) + numbers(stride)
    return b"\x80\x02}X\x01\0\0\0a" + tensor + b"\x89NtRs."


@pytest.mark.parametrize(
    ("offset", "size", "stride", "said"),
    [
        (1, (2, 3), (3, 1), "reaches beyond its numbers"),
        (0, (7,), (1,), "reaches beyond its numbers"),
        (2**40, (1,), (1,), "reaches beyond its numbers"),
        (0, (2**40, 2**40), (0, 0), "more elements than its storage"),
        (0, (2**21,), (0,), "more elements than its storage"),
        (-1, (1,), (1,), "impossible size or position"),
        (0, (-2,), (1,), "impossible size or position"),
        (0, (2,), (-1,), "impossible size or position"),
        (0, (2**60,), (1,), "impossible size or position"),
        (0, (2, 3), (1,), "damaged"),
        (0, (1,) * 17, (1,) * 17, "damaged"),
    ],
)
def test_a_tensor_is_compared_with_the_numbers_that_there_are(
    offset: int, size: tuple[int, ...], stride: tuple[int, ...], said: str, tmp_path: Path
) -> None:
    file = _archive(tmp_path / "x.pt", {"data.pkl": _view_of_six(0, (2, 3), (3, 1))})
    assert torch.equal(read_tensors(file)["a"], torch.arange(6.0).reshape(2, 3))
    _archive(file, {"data.pkl": _view_of_six(offset, size, stride)})
    with pytest.raises(CheckpointError, match=said):
        read_tensors(file)


def test_many_views_of_few_numbers_are_refused(tmp_path: Path) -> None:
    torch.save({str(i): torch.ones(1).expand(100_000) for i in range(100)}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="more numbers than the file"):
        read_tensors(tmp_path / "x.pt")


def test_names_that_a_terminal_would_act_on_are_refused(tmp_path: Path) -> None:
    for name in ("a\x1b[31m", "a\nb", "\ud800", "x" * 1000):
        torch.save({name: torch.ones(1)}, tmp_path / "x.pt")
        with pytest.raises(CheckpointError, match="whose name is no name") as caught:
            read_tensors(tmp_path / "x.pt")
        assert str(caught.value).isprintable()


@pytest.mark.parametrize("zipped", [True, False])
def test_a_damaged_file_is_read_or_refused(zipped: bool, tmp_path: Path) -> None:
    """1,000 files of torch.save with bytes changed, cut off or repeated, from a seed."""
    torch.save({"epoch": 1, "state_dict": TENSORS}, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    whole = (tmp_path / "x.pt").read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(1000):
        content = bytearray(whole[: rng.integers(0, len(whole))] if rng.random() < 0.2 else whole)
        for _ in range(rng.integers(1, 6)):
            if content:
                content[rng.integers(len(content))] = rng.integers(256)
        (tmp_path / "y.pt").write_bytes(bytes(content))
        try:
            read_tensors(tmp_path / "y.pt")
        except CheckpointError:
            refused += 1
    assert 100 < refused < 1000
