"""Headers, numbers and settings of weights are looked at before anything is built from them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from timesenclip.errors import CheckpointError
from timesenclip.weights_files import (
    check_finite,
    check_names,
    compare_shapes,
    read_config_json,
    read_safetensors_header,
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1]", "holds a list; expected an object"),
        ("{", "is not readable as JSON"),
        ("[" * 100_000, "lie more than 64 deep"),
        ('{"a": NaN}', "NaN is no number of JSON"),
        ('{"a": -Infinity}', "-Infinity is no number of JSON"),
        ('{"a": 1e999}', "1e999. is too large"),
        ('{"a": 1, "b": 2, "a": 3}', "'a' is given twice"),
        ('{"a": ' + "9" * 5000 + "}", "of 5,000 digits"),
        ('{"a": "' + "x" * 2**22 + '"}', "is too large"),
        (b'{"a": "\xff"}', "is not UTF-8"),
    ],
    ids=lambda value: str(value)[:12],
)
def test_odd_settings_are_one_line(text: str | bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CheckpointError, match=said) as caught:
        read_config_json(tmp_path / "config.json")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def header(file: Path, content: object, *, numbers: bytes = b"", length: int | None = None) -> Path:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    file.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + numbers)
    return file


def entry(shape: object, start: object, stop: object) -> dict[str, object]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [start, stop]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"a": entry([2], 0, 8)}, "its header says"),
        ({"a": entry([2**40], 0, 2**42)}, "its header says"),
        ({"a": entry([-1], 0, 8)}, "is damaged"),
        ({"a": entry([True], 0, 8)}, "is damaged"),
        ({"a": entry([1.5], 0, 8)}, "is damaged"),
        ({"a": entry([2], 8, 0)}, "is damaged"),
        ({"a": entry([2], None, 0)}, "is damaged"),
        ({"a": entry(3, 0, 0)}, "no safetensors file"),
        ({"a": 3}, "no safetensors file"),
        ([1], "no safetensors file"),
        (b"\xff\xff", "no safetensors file"),
        (b'{"a": {}, "a": {}}', "given twice"),
        (b"[" * 100_000, "no safetensors file"),
        ({"a\x1b[31m": entry([0], 0, 0)}, "whose name is no name"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_headers_that_lie_are_refused(content: object, said: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=said):
        read_safetensors_header(header(tmp_path / "x.safetensors", content))


def test_a_header_of_any_length_is_not_read(tmp_path: Path) -> None:
    for length in (2**63, 2**40, 3):
        with pytest.raises(CheckpointError, match="no safetensors file"):
            read_safetensors_header(header(tmp_path / "x.safetensors", b"{}", length=length))
    for content in (b"", b"1234567"):
        (tmp_path / "x.safetensors").write_bytes(content)
        with pytest.raises(CheckpointError, match="no safetensors file"):
            read_safetensors_header(tmp_path / "x.safetensors")


def test_the_shapes_of_a_real_file_are_read(tmp_path: Path) -> None:
    tensors = {"a": torch.ones(2, 3), "b": torch.ones(0), "c": torch.ones(())}
    save_file(tensors, tmp_path / "x.safetensors", metadata={"format": "pt"})
    assert read_safetensors_header(tmp_path / "x.safetensors") == {"a": (2, 3), "b": (0,), "c": ()}


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_a_number_that_is_not_finite_is_found_anywhere(number: float, dtype: torch.dtype) -> None:
    good = torch.randn(7, 9).to(dtype)
    check_finite({"good": good, "empty": torch.zeros(0), "whole": torch.ones(2, dtype=torch.int64)}, file="x")
    for place in (0, 31, 62):
        bad = good.clone()
        bad.view(-1)[place] = number
        with pytest.raises(CheckpointError, match="the tensor 'bad' holds NaN or an infinity"):
            check_finite({"good": good, "bad": bad}, file="x")
        if dtype != torch.bfloat16:
            check_finite({"good": good.numpy(), "empty": np.zeros(0), "whole": np.ones(2, np.int8)}, file="x")
            with pytest.raises(CheckpointError, match="the tensor 'bad'"):
                check_finite({"bad": bad.numpy()}, file="x")


def test_shapes_that_differ_and_odd_names_are_named(tmp_path: Path) -> None:
    shapes = {"a": (1, 2), "b": (3,)}
    compare_shapes(shapes, dict(shapes), file=tmp_path)
    for found in ({"a": (1, 2)}, shapes | {"c": (1,)}, shapes | {"b": (4,)}):
        with pytest.raises(CheckpointError, match="does not fit its config"):
            compare_shapes(found, shapes, file=tmp_path)
    check_names(["a.b", "ü"], tmp_path)
    with pytest.raises(CheckpointError, match="whose name is no name"):
        check_names(["a\nb"], tmp_path)
