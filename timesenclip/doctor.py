"""Check the installation: what is wrong with it and how to repair it. `timesenclip doctor` prints the result."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import platform
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from timesenclip._version import __version__
from timesenclip.messages import shorten_error
from timesenclip.settings import cpu_count

__all__ = ["Check", "diagnose"]

_PACKAGES = ("torch", "numpy", "rasterio", "pyproj", "xarray", "pandas", "pyarrow", "model2vec", "transformers")


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check."""

    name: str
    """What was checked."""
    status: Literal["ok", "warning", "failed"]
    """`warning`: works, but slower or worse than it could. `failed`: something will not work."""
    detail: str
    """What was found."""
    remedy: str = ""
    """What to do; empty where there is nothing to do."""


def diagnose(*, out: Path | None = None) -> list[Check]:
    """Check what is known to go wrong in installations; takes a few seconds, raises no error and needs no network.

    Args:
        out: folder that results will be written to; the current folder by default.
    """
    checks: Sequence[Callable[[], Check]] = (
        _versions,
        _torch,
        _torchvision,
        _projections,
        _checkpoint,
        _text_tower,
        lambda: _writable(out or Path.cwd()),
    )
    return [check() for check in checks]


def _versions() -> Check:
    found = [f"timesenclip {__version__}", f"Python {platform.python_version()}"]
    for name in _PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{name} absent")
    return Check("versions", "ok", ", ".join(found))


def _torch() -> Check:
    try:
        import torch
    except Exception as error:  # a broken binary raises OSError, RuntimeError or ImportError
        return Check("torch", "failed", _brief(error), "pip install -c constraints.txt --force-reinstall torch")
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    threads, cores = torch.get_num_threads(), cpu_count()
    detail = f"{device}, {threads} threads on {cores} cores"
    if threads > cores:
        return Check("torch", "warning", detail, f"set TIMESENCLIP_THREADS={cores}: more threads than cores is slower")
    return Check("torch", "ok", detail)


def _torchvision() -> Check:
    """A torchvision of another torch build breaks `from transformers import CLIPModel`, though nothing here uses it."""
    if importlib.util.find_spec("torchvision") is None:
        return Check("torchvision", "ok", "absent, as it should be: nothing here needs it")
    try:
        importlib.import_module("torchvision")
    except Exception as error:  # RuntimeError: operator torchvision::nms does not exist
        return Check("torchvision", "failed", f"installed but broken: {_brief(error)}", "pip uninstall torchvision")
    return Check("torchvision", "ok", "installed and importable; nothing here uses it")


def _projections() -> Check:
    """PROJ_DATA with the tables of another installation (conda, QGIS) makes every CRS unreadable."""
    try:
        from rasterio.crs import CRS

        CRS.from_epsg(32631).to_wkt()
    except Exception as error:  # rasterio.errors.CRSError, or ImportError of a broken GDAL
        return Check("projections", "failed", _brief(error), "unset PROJ_DATA PROJ_LIB GDAL_DATA, then try again")
    return Check("projections", "ok", "EPSG database readable")


def _checkpoint() -> Check:
    try:
        from timesenclip.model.checkpoint import load

        model = load()
        parameters = sum(p.numel() for p in model.encoder.parameters())
    except Exception as error:  # whatever is wrong with it, the remedy is the same
        return Check("weights", "failed", _brief(error), "pip install --force-reinstall --no-deps timesenclip")
    return Check("weights", "ok", f"default checkpoint {model.digest[:12]}, {parameters:,} parameters")


def _text_tower() -> Check:
    try:
        from timesenclip.model.checkpoint import load

        tower = load().tower
        shape = tower.encode_text(["a field of maize"]).shape
    except Exception as error:  # whatever is wrong with it, the remedy is the same
        return Check("text tower", "failed", _brief(error), "pip install --force-reinstall --no-deps timesenclip")
    return Check("text tower", "ok", f"{tower.name}, {shape[-1]} dimensions, works offline")


def _writable(folder: Path) -> Check:
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Check(
            "output folder", "failed", f"{folder}: {_brief(error)}", "go to a folder you may write to, or use -o"
        )
    return Check("output folder", "ok", f"{folder} is writable")


def _brief(error: BaseException) -> str:
    return f"{type(error).__name__}: {shorten_error(error)}"
