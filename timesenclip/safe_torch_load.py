"""Other people's weights, read without running what is in the file.

A `.pt` or `.ckpt` is a pickle, and a pickle is a program. Tensors and plain values are read, every other object becomes
an empty husk.
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
from timesenclip.messages import reason_of

__all__ = ["read_tensors"]

_NESTED = ("state_dict", "model_state_dict", "model")
"""Where the tensors stand in a training checkpoint: Lightning and open_clip, plain torch loops."""


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Every tensor of a file by name; of a training checkpoint (Lightning, open_clip) those of its `state_dict`.

    Args:
        path: `.safetensors`, or a file of `torch.save`.

    Raises:
        DataNotFoundError: there is no such file.
        CheckpointError: it holds no tensors, or cannot be read.
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
                f"'{file}' is cut short or no safetensors file ({reason_of(error)}); fetch it again."
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
    if _is_program(file):
        raise CheckpointError(
            f"'{file}' is a TorchScript archive, which is a program and is not run; take the same model as a state "
            "dictionary or as a folder of transformers (OpenAI's own: openai/clip-vit-base-patch32)."
        )
    # Mapped, so that an optimiser's state, twice as large as the model, is never read.
    how: dict[str, Any] = {"map_location": "cpu", "mmap": zipfile.is_zipfile(file)}
    try:
        return torch.load(str(file), weights_only=True, **how)
    except pickle.UnpicklingError:
        pass  # a Lightning file holds an argparse.Namespace and whatever its callbacks left: read it without them
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"'{file}' cannot be read ({reason_of(error)}); fetch it again.") from error
    try:
        return torch.load(str(file), weights_only=False, pickle_module=_INERT, **how)
    except Exception as error:  # a hostile or broken pickle can fail in any way, but it runs nothing
        raise CheckpointError(f"'{file}' cannot be read ({reason_of(error)}); fetch it again.") from error


def _is_program(file: Path) -> bool:
    """Whether it is TorchScript, as torch itself tells: the archive has constants."""
    try:
        with zipfile.ZipFile(file) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError):
        return False  # an older file of torch.save, or a broken one


class _Husk:
    """Stands for any object of a pickle that is neither tensor nor plain value; takes everything, does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> _Husk:
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __call__(self, *_: Any, **__: Any) -> _Husk:
        return self

    def __setstate__(self, _: Any) -> None:
        pass

    def __setitem__(self, _: Any, __: Any) -> None:
        pass

    def append(self, _: Any) -> None:
        """Pickle adds the items of lists so."""

    def extend(self, _: Any) -> None:
        """And so."""


class _InertUnpickler(pickle.Unpickler):
    """Knows how to rebuild tensors and nothing else."""

    _KNOWN: ClassVar[dict[tuple[str, str], Any]] = {
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
        ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
        ("torch", "Size"): torch.Size,
    }

    def find_class(self, module: str, name: str) -> Any:
        """A tensor builder, a dtype or a storage type; a husk for everything else."""
        if (module, name) in self._KNOWN:
            return self._KNOWN[module, name]
        if module == "torch" and (name.endswith("Storage") or isinstance(getattr(torch, name, None), torch.dtype)):
            return getattr(torch, name)
        if (module, name) == ("torch.storage", "UntypedStorage"):
            return torch.UntypedStorage
        return _Husk


def _load_inert(file: Any, **options: Any) -> Any:
    return _InertUnpickler(file, **options).load()


_INERT = SimpleNamespace(Unpickler=_InertUnpickler, load=_load_inert, __name__="inert")
