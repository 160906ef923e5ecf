"""Read and write the authors' weights, in every layout that they published or that their code writes.

    F1  bare encoder           {time_pos_encoding, time_token, spectral_embedding.1.weight, ...}
    F2  Lightning, newest      {"state_dict": {"learner.ts_encoder.<E>", "learner.pooling_layer...", "learner.queue"}}
    F3  Lightning 8dfc8e61     {"state_dict": {"TS_ViT.<E>", "learner.ts_encoder.<E>", ...}}, both share storage
    F4  Lightning, older       {"state_dict": {"TS_ViT.<E'>", "learner.TS_ViT.<E'>", ...}}, class_token for time_token

Only the first prefix of `PREFIXES` that the file has is read: in F2 `TS_ViT.*` is a stale copy, with which the authors'
own loader overwrites the trained `learner.ts_encoder.*`. Pickled code is never run (`timesenclip.safe_torch_load`).
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from timesenclip._version import __version__
from timesenclip.errors import CheckpointError, InputError
from timesenclip.files import atomic_path
from timesenclip.model.checkpoint import Model
from timesenclip.model.checkpoint_config import Calibration, CheckpointConfig, TowerRef, encoder_fields
from timesenclip.model.encoder import PRESETS, EncoderConfig, SeriesEncoder
from timesenclip.owned import require_own_file
from timesenclip.safe_torch_load import read_tensors
from timesenclip.weights_files import check_finite

__all__ = ["Imported", "export_official", "import_official", "read_tensors"]

PREFIXES = ("learner.ts_encoder.", "learner.TS_ViT.", "ts_encoder.", "TS_ViT.", "")
"""Prefixes under which the encoder may stand, in the order in which they are tried."""

_TOWER = "openai/clip-vit-base-patch32"
_MONTHS = 12
_OLD_TOKEN = "class_token"
_EXPORT_MARK = "timesenclip.txt"
"""Record that says that we wrote a file, in the zip archive that a file of torch is."""
_FIRST_LAYER = "transformer.layers.0.linear1.weight"


@dataclass(frozen=True, slots=True)
class Imported:
    """A model read from a file of the authors, and which of its tensors were used."""

    model: Model
    """Ready to be used and saved."""
    prefix: str
    """Prefix under which the encoder stood; "" for a bare one."""
    used: tuple[str, ...]
    """Names of the tensors that were used."""
    ignored: dict[str, int]
    """Number of unused tensors by the part of the file that they belong to."""
    notes: tuple[str, ...]
    """Remarks for the user: renamed tensors, the temperature, tensors that were not expected."""


def import_official(path: str | Path, *, name: str | None = None, tower: str = _TOWER) -> Imported:
    """Read the authors' weights as a `Model`.

    Args:
        path: `.pt`, `.pth` or `.ckpt` in any layout above, or the same tensors as `.safetensors`.
        name: name of the checkpoint; default: the file's.
        tower: ground tower that the encoder was trained with.

    Raises:
        DataNotFoundError: there is no such file.
        CheckpointError: it cannot be read, or holds no such encoder; the message names what is missing.
    """
    tensors = read_tensors(path)
    prefix = next((p for p in PREFIXES if p + "spectral_embedding.1.weight" in tensors), None)
    if prefix is None:
        some = ", ".join(list(tensors)[:4]) or "none"
        raise CheckpointError(
            f"'{path}' holds no TimeSenCLIP encoder: no tensor 'spectral_embedding.1.weight' under any known prefix "
            f"(tensors: {some}, ...)."
        )
    state = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    notes = []
    old = _OLD_TOKEN in state
    if old:
        state["time_token"] = state.pop(_OLD_TOKEN)
        notes.append("class_token, the older name, was read as time_token")
    config = _architecture(state, Path(path))
    with torch.device("meta"):  # nothing is allocated before the tensors fit
        encoder = SeriesEncoder(config)
    wanted = encoder.state_dict()
    missing = sorted(wanted.keys() - state.keys())
    wrong = [key for key in wanted.keys() & state.keys() if wanted[key].shape != state[key].shape]
    if missing or wrong:
        key = (missing or sorted(wrong))[0]
        shape = f" {tuple(state[key].shape)}, expected {tuple(wanted[key].shape)}" if key in state else ""
        raise CheckpointError(
            f"'{path}': {len(missing)} tensors of the encoder are missing and {len(wrong)} have another shape, such as "
            f"'{key}'{shape}."
        )
    weights = {key: state[key].float().clone(memory_format=torch.contiguous_format) for key in wanted}
    check_finite(weights, file=path)
    encoder.load_state_dict(weights, assign=True)
    scale = _scale(tensors, path)
    if scale is not None:
        notes.append(f"logit scale {scale:.2f}: probabilities use the temperature {1 / scale:.4f}")
    extra = [key for key in state if key not in wanted and prefix]
    if extra:
        notes.append(f"{len(extra)} unexpected tensors beside the encoder, such as '{extra[0]}', were ignored")
    about = CheckpointConfig(
        name=name or Path(path).stem,
        encoder=encoder_fields(config),
        normalisation="sen4map",
        tower=TowerRef(name=tower, dim=config.embed_dim),
        calibration=Calibration(temperature=1 / scale if scale else 0.07),
        training={"source": f"authors' weights, {Path(path).name}", "prefix": prefix},
    )
    used = tuple(sorted(prefix + (_OLD_TOKEN if old and key == "time_token" else key) for key in wanted))
    return Imported(Model(encoder, about), prefix, used, _ignored(tensors, set(used)), tuple(notes))


def export_official(model: Model, path: str | Path) -> Path:
    """Write an encoder as the authors' bare dictionary (layout F1), which their code and their README's snippet load.

    Raises:
        InputError: the encoder is of another architecture than theirs, or the file exists and was not exported by us.
    """
    target = Path(path)
    require_own_file(target, _is_export, what="checkpoint in the authors' layout")
    if model.config.band_names is not None:
        raise InputError(
            f"'{model.config.name}' reads only {', '.join(model.config.band_names)}; the authors' layout has all ten "
            "bands. Export an encoder of all bands."
        )
    config = model.encoder.config
    theirs = replace(PRESETS["paper"], patch_size=config.patch_size, dropout=config.dropout, max_steps=config.max_steps)
    if replace(config, positions="monthly") != replace(theirs, positions="monthly") or config.positions == "calendar":
        differ = [
            f"{key} {value} (theirs {getattr(theirs, key)})"
            for key, value in config.to_dict().items()
            if key not in ("max_steps", "dropout", "harmonics") and value != getattr(theirs, key)
        ]
        raise InputError(
            f"'{model.config.name}' cannot be written in the authors' layout: {', '.join(differ)}. Only encoders of "
            "the preset `paper` with monthly positions can."
        )
    with atomic_path(target) as scratch:
        torch.save({key: value.detach().float().clone() for key, value in model.encoder.state_dict().items()}, scratch)
        with zipfile.ZipFile(scratch, "a") as archive:  # torch reads the records that it knows, and no other
            inside = archive.namelist()[0].split("/")[0]
            archive.writestr(zipfile.ZipInfo(f"{inside}/{_EXPORT_MARK}"), f"Written by timesenclip {__version__}.\n")
        require_own_file(target, _is_export, what="checkpoint in the authors' layout")
    return target


def _is_export(path: Path) -> bool:
    """Whether a file was written by `export_official`; the tensors alone could be the authors' own."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.split("/")[1:] == [_EXPORT_MARK] for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False


def _architecture(state: Mapping[str, Tensor], path: Path) -> EncoderConfig:
    """The paper's architecture at the sizes of the tensors."""
    weight = state["spectral_embedding.1.weight"]
    base = PRESETS["paper"]
    axes = {"spectral_embedding.1.weight": 2, "time_pos_encoding": 3, "mlp_head.1.weight": 2, _FIRST_LAYER: 2}
    odd = next((key for key, count in axes.items() if key in state and state[key].ndim != count), None)
    if odd is not None:
        raise CheckpointError(f"'{path}': '{odd}' has shape {tuple(state[odd].shape)}; expected {axes[odd]} axes.")
    side = round((weight.shape[1] / base.bands) ** 0.5)
    if side**2 * base.bands != weight.shape[1]:
        raise CheckpointError(
            f"'{path}': the first layer reads {weight.shape[1]} values a month; expected {base.bands} bands x p x p."
        )
    depth = len({key.split(".")[2] for key in state if key.startswith("transformer.layers.")})
    if not depth or "mlp_head.1.weight" not in state or _FIRST_LAYER not in state:
        raise CheckpointError(
            f"'{path}' is not a whole encoder: no transformer.layers or mlp_head beside the embedding."
        )
    months = state["time_pos_encoding"].shape[1] if "time_pos_encoding" in state else 0
    if months != _MONTHS:
        raise CheckpointError(
            f"'{path}' has {months} positions; expected {_MONTHS}, one a month. Models trained on quarterly or annual "
            "composites only are not supported."
        )
    dim = int(weight.shape[0])
    sizes = {
        "patch_size": side,
        "dim": dim,
        "depth": depth,
        "heads": base.heads if dim % base.heads == 0 else 1,
        "ffn_dim": int(state[_FIRST_LAYER].shape[0]),
        "embed_dim": int(state["mlp_head.1.weight"].shape[0]),
        "positions": "official",
    }
    try:
        return base.changed(sizes)
    except InputError as error:
        raise CheckpointError(f"'{path}' holds no encoder of a size that is known: {error}") from error


def _scale(tensors: Mapping[str, Tensor], path: str | Path) -> float | None:
    """exp(logit_scale) where it was learned. Source: clamped to 1..100 in their training."""
    for key in ("logit_scale", "learner.logit_scale"):
        if key in tensors and tensors[key].numel() == 1:
            check_finite({key: tensors[key]}, file=path)
            return float(tensors[key].float().exp().clamp(1.0, 100.0))
    return None


def _ignored(tensors: Mapping[str, Tensor], used: set[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for key in tensors:
        if key not in used:
            part = ".".join(key.split(".")[:2]) if key.startswith("learner") else key.split(".")[0]
            counts[part] = counts.get(part, 0) + 1
    return counts
