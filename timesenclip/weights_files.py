"""Look at weights before they are believed: the header of a safetensors file, the numbers, and the JSON beside them.

A folder of weights may come from anyone. Its configuration says sizes, and what is built after it takes memory; so the
header of the weights file, which is short and names every tensor with its shape, is read first and compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from timesenclip.errors import CheckpointError
from timesenclip.messages import shorten_error
from timesenclip.read_files import parse_json, read_json

__all__ = ["check_finite", "check_names", "compare_shapes", "read_config_json", "read_safetensors_header"]

_LONGEST_HEADER = 16 * 2**20
_LONGEST_CONFIG = 4 * 2**20
_LONGEST_NAME = 512
_MOST_TENSORS = 100_000


def read_config_json(file: Path) -> dict[str, Any]:
    """Read a JSON object that stands beside weights, such as `config.json`.

    Raises:
        CheckpointError: the file is too large, no JSON, or no object; it names a key twice; or it holds NaN, an
            infinity, a number without bounds or lists within lists without end.
    """
    content = read_json(
        file,
        what="configuration",
        error=CheckpointError,
        fix="fetch the checkpoint again",
        most_bytes=_LONGEST_CONFIG,
    )
    if not isinstance(content, dict):
        raise CheckpointError(f"'{file}' holds a {type(content).__name__}; expected an object of settings.")
    return content


def read_safetensors_header(file: Path) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor of a safetensors file by name, from its header alone.

    Raises:
        CheckpointError: the header is too long or damaged, or the tensors are not those bytes that follow it.
    """
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if size < 8 or length > min(size - 8, _LONGEST_HEADER):
                raise ValueError(f"its header would have {length:,} bytes")
            header = parse_json(stream.read(length), name="the header", error=CheckpointError)
        shapes, end = _shapes(header)
    except OSError as error:
        raise CheckpointError(f"'{file}' cannot be read ({shorten_error(error)}).") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            f"'{file}' is cut short or no safetensors file ({shorten_error(error)}); fetch it again."
        ) from error
    if size != 8 + length + end:
        raise CheckpointError(
            f"'{file}' is cut short or no safetensors file ({size:,} bytes, its header says {8 + length + end:,}); "
            "fetch it again."
        )
    check_names(shapes, file)
    return shapes


def _shapes(header: dict[str, Any]) -> tuple[dict[str, tuple[int, ...]], int]:
    """Shapes by name, and where the last tensor ends."""
    entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    if len(entries) > _MOST_TENSORS:
        raise ValueError(f"{len(entries):,} tensors; expected at most {_MOST_TENSORS:,}")
    shapes, ends = {}, [0]
    for name, entry in entries.items():
        shape, (start, stop) = tuple(entry["shape"]), entry["data_offsets"]
        if not all(type(number) is int and number >= 0 for number in (*shape, start, stop)) or stop < start:
            raise ValueError(f"the entry of '{name[:40]}' is damaged")
        shapes[name] = shape
        ends.append(stop)
    return shapes, max(ends)


def check_names(names: Iterable[str], file: Path) -> None:
    """Check the names of tensors, which messages repeat.

    Raises:
        CheckpointError: a name has over 512 characters, or characters that cannot be shown.
    """
    odd = next((name for name in names if len(name) > _LONGEST_NAME or not name.isprintable()), None)
    if odd is not None:
        raise CheckpointError(f"'{file}' has a tensor whose name is no name ({odd[:40]!a}); it holds no weights.")


def compare_shapes(
    found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]], *, file: Path
) -> None:
    """Compare the tensors of a file with those that its configuration implies.

    Raises:
        CheckpointError: names or shapes differ.
    """
    missing, extra = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    wrong = sorted(key for key in expected.keys() & found.keys() if expected[key] != found[key])
    if missing or extra or wrong:
        key = (missing or extra or wrong)[0]
        raise CheckpointError(
            f"'{file}' does not fit its config: {len(missing)} tensors missing, {len(extra)} unexpected, {len(wrong)} "
            f"of another shape, such as '{key}'. The folder mixes two checkpoints; fetch it again."
        )


def check_finite(tensors: Mapping[str, Any], *, file: str | Path) -> None:
    """Check that weights are numbers; one look at each tensor, no copy.

    Args:
        tensors: NumPy arrays or torch tensors by name; integers are not looked at.
        file: where they come from, for the message.

    Raises:
        CheckpointError: a tensor holds NaN or an infinity; the message names it.
    """
    for name, tensor in tensors.items():
        if not _is_finite(tensor):
            raise CheckpointError(
                f"'{file}': the tensor '{name}' holds NaN or an infinity; the weights are damaged, fetch them again."
            )


def _is_finite(tensor: Any) -> bool:
    """Whether smallest and largest number are finite; both are NaN where any number is."""
    if hasattr(tensor, "aminmax"):  # torch's
        if not tensor.numel() or not tensor.dtype.is_floating_point:
            return not tensor.dtype.is_complex
        low, high = tensor.detach().aminmax()
        return math.isfinite(float(low)) and math.isfinite(float(high))
    if not tensor.size or tensor.dtype.kind in "iub":
        return True
    return math.isfinite(float(tensor.min())) and math.isfinite(float(tensor.max()))
