"""Read the tensors of a weights file without running code that the file may hold.

A `.pt` or `.ckpt` is a pickle, which can call any function while it is read. Here only tensors and plain values are
rebuilt; every other object is replaced by a placeholder that does nothing.
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import torch
from torch import Tensor

from timesenclip.errors import CheckpointError, DataNotFoundError
from timesenclip.messages import shorten_error

__all__ = ["read_tensors"]

_NESTED = ("state_dict", "model_state_dict", "model")
"""Where the tensors stand in a training checkpoint: Lightning and open_clip, plain torch loops."""


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Read every tensor of a file by name; of a training checkpoint (Lightning, open_clip) those of its `state_dict`.

    Args:
        path: `.safetensors`, or a file of `torch.save`.

    Raises:
        DataNotFoundError: there is no such file.
        CheckpointError: it cannot be read, is a TorchScript archive, or holds no tensors.
    """
    file = Path(path)
    if not file.is_file():
        raise DataNotFoundError(f"No weights at '{file}'; give a .pt, .ckpt or .safetensors file.")
    if file.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(file)
        except SafetensorError as error:
            raise CheckpointError(
                f"'{file}' is cut short or no safetensors file ({shorten_error(error)}); fetch it again."
            ) from error
    content = _load(file)
    if isinstance(content, Mapping):
        content = next((content[key] for key in _NESTED if isinstance(content.get(key), Mapping)), content)
    if not isinstance(content, Mapping):
        raise CheckpointError(f"'{file}' holds a {type(content).__name__}; expected a dictionary of tensors.")
    tensors = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        raise CheckpointError(f"'{file}' holds no tensors; expected the weights of a model.")
    return tensors


def _load(file: Path) -> Any:
    if _is_torchscript(file):
        raise CheckpointError(
            f"'{file}' is a TorchScript archive, which is a program and is not run; take the same model as a state "
            "dictionary or as a folder of transformers (OpenAI's own: openai/clip-vit-base-patch32)."
        )
    # Memory-mapped, so that the state of an optimiser, twice as large as the model, is not read.
    options: dict[str, Any] = {"map_location": "cpu", "mmap": zipfile.is_zipfile(file)}
    try:
        return torch.load(str(file), weights_only=True, **options)
    except pickle.UnpicklingError:
        pass  # a Lightning file also holds an argparse.Namespace and the state of callbacks: read it without these
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"'{file}' cannot be read ({shorten_error(error)}); fetch it again.") from error
    try:
        return torch.load(str(file), weights_only=False, pickle_module=_TENSORS_ONLY, **options)
    except Exception as error:  # a hostile or broken pickle can fail in any way, but no code of it runs
        raise CheckpointError(f"'{file}' cannot be read ({shorten_error(error)}); fetch it again.") from error


def _is_torchscript(file: Path) -> bool:
    """Whether a file is a TorchScript archive: it has `constants.pkl`, which is how torch itself tells."""
    try:
        with zipfile.ZipFile(file) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError):
        return False  # an older file of torch.save, or a broken one


class _Placeholder:
    """Replaces an object that is neither tensor nor plain value; accepts what a pickle does to it and does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> _Placeholder:
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __call__(self, *_: Any, **__: Any) -> _Placeholder:
        return self

    def __setstate__(self, _: Any) -> None:
        pass

    def __setitem__(self, _: Any, __: Any) -> None:
        pass

    def append(self, _: Any) -> None:
        """The unpickler adds single items of a list with this method."""

    def extend(self, _: Any) -> None:
        """The unpickler adds several items of a list with this method."""


class _TensorUnpickler(pickle.Unpickler):
    """Rebuilds tensors and plain values; it looks up no other class or function."""

    _KNOWN: ClassVar[dict[tuple[str, str], Any]] = {
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
        ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
        ("torch", "Size"): torch.Size,
    }

    def find_class(self, module: str, name: str) -> Any:
        """Return a tensor builder, dtype or storage type, and the placeholder for every other name."""
        if (module, name) in self._KNOWN:
            return self._KNOWN[module, name]
        if module == "torch" and (name.endswith("Storage") or isinstance(getattr(torch, name, None), torch.dtype)):
            return getattr(torch, name)
        if (module, name) == ("torch.storage", "UntypedStorage"):
            return torch.UntypedStorage
        return _Placeholder


def _load_tensors(file: Any, **options: Any) -> Any:
    return _TensorUnpickler(file, **options).load()


_TENSORS_ONLY = SimpleNamespace(Unpickler=_TensorUnpickler, load=_load_tensors, __name__="tensors_only")
