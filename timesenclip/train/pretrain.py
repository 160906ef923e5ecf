"""Train on photographs, as the paper does: one loop that reads top to bottom, on one device or many.

    RUN/recipe.yaml     the recipe as it was understood        RUN/metrics.csv   the log (TensorBoard beside it)
    RUN/run.json        versions, data, plan                   RUN/state.pt      what a killed run goes on from
    RUN/best/           checkpoint chosen by held-out retrieval    RUN/last/     checkpoint of the last step

Everything random is drawn from (seed, step), so a run that was killed and resumed ends with the same weights, bit for
bit on a CPU. Lightning's Fabric does devices and precision; its Trainer cannot resume inside an epoch exactly
(docs/design/0008-training.md).
"""

from __future__ import annotations

import contextlib
import copy
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn

from timesenclip._version import __version__
from timesenclip.bands import BAND_NAMES
from timesenclip.errors import TrainingDivergedError
from timesenclip.extras import require
from timesenclip.files import write_json, write_text
from timesenclip.model.augment import AUGMENTATIONS, Compose
from timesenclip.model.checkpoint import Model, save
from timesenclip.model.checkpoint_config import Calibration, CheckpointConfig, TowerRef, encoder_fields
from timesenclip.model.encoder import PRESETS, EncoderConfig
from timesenclip.train.batches import Batch, Batches, draw_seed
from timesenclip.train.held_out import HeldOut, retrieval
from timesenclip.train.learner import Learner, learning_rate_factor
from timesenclip.train.photo_card import photo_card
from timesenclip.train.recipe import Recipe, recipe_digest
from timesenclip.train.run_state import RunLog, load_state, locked, save_state
from timesenclip.train.training_data import TrainingData, read_training_data

_LOG = logging.getLogger(__name__)

__all__ = ["Trained", "architecture_of", "batches_of", "pretrain"]

Progress = Callable[[int, int, dict[str, float]], None]
"""Called with (step, steps, figures)."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run gave."""

    folder: Path
    """The run's folder."""
    checkpoint: Path
    """The chosen checkpoint, `best/`."""
    steps: int
    """Optimiser steps done."""
    resumed_from: int
    """Step that this call went on from, 0 for a new run."""
    best: float
    """Held-out retrieval of the chosen checkpoint."""
    stopped_early: bool
    """Whether patience ran out."""
    rank: int = 0
    """Of this process; 0 is the one that speaks."""


def pretrain(
    recipe: Recipe,
    out: str | Path,
    *,
    accelerator: str = "auto",
    devices: int = 1,
    progress: Progress | None = None,
) -> Trained:
    """Train, or go on with what the folder holds.

    Args:
        recipe: the recipe.
        out: the run's folder.
        accelerator: `auto`, `cpu` or `gpu`, as Lightning names them.
        devices: processes, one a device.
        progress: called after every step.

    Raises:
        InputError: the data do not fit, another run is in the folder, or it is of another recipe.
        TrainingDivergedError: the loss is not finite; the last saved state and checkpoint are kept.
        RunStoppedError: a state could not be written.
        MissingExtraError: Lightning is not installed.
    """
    folder = Path(out)
    state = load_state(folder, digest=recipe_digest(recipe))
    fabric = _fabric(accelerator, devices, recipe.precision if state is None else state["computed_in"])
    first = fabric.global_rank == 0
    data = read_training_data(recipe)
    with locked(folder) if first else contextlib.nullcontext():
        state = load_state(folder, digest=recipe_digest(recipe))
        run = _Run(fabric, recipe, data, folder, state)
        if first and state is None:
            run.describe()
        return run.to_the_end(progress)


def _fabric(accelerator: str, devices: int, precision: str) -> Any:
    fabric_module = require("train", "lightning.fabric", needed_by="Training")
    strategy = "ddp" if devices > 1 else "auto"
    if accelerator == "cpu" or (accelerator == "auto" and not torch.accelerator.is_available()):
        precision = _precision_on_cpu(precision)
    fabric = fabric_module.Fabric(accelerator=accelerator, devices=devices, strategy=strategy, precision=precision)
    fabric.launch()
    return fabric


def _precision_on_cpu(wanted: str) -> str:
    """What a CPU can do: half precision as bfloat16, and only where that is no slower, which depends on the processor.

    Without the instructions for it (AVX-512 BF16, AMX) bfloat16 was 70 times slower than 32 bits.
    """
    if wanted == "32-true":
        return wanted

    def spent(dtype: torch.dtype) -> float:
        a, b = torch.ones(256, 512, dtype=dtype), torch.ones(512, 512, dtype=dtype)
        times = []
        for _ in range(3):
            began = time.perf_counter()
            a @ b
            times.append(time.perf_counter() - began)
        return min(times)

    if spent(torch.bfloat16) < spent(torch.float32):
        return "bf16-mixed"
    _LOG.warning("This processor is slower in bfloat16 than in 32 bits: training in 32-true, not in %s.", wanted)
    return "32-true"


def architecture_of(recipe: Recipe, data: TrainingData) -> EncoderConfig:
    """The encoder that a recipe trains on these data."""
    options: dict[str, Any] = {
        "embed_dim": data.dim,
        "bands": len(recipe.data.bands or BAND_NAMES),
        "patch_size": recipe.data.patch_size or data.store.patch_size,
    }
    options |= recipe.encoder_options
    return replace(PRESETS[recipe.encoder], **options)


def batches_of(recipe: Recipe, data: TrainingData, *, held_out: bool = False, rank: int = 0, world: int = 1) -> Batches:
    """Batches of the training or of the validation places; only the former are augmented."""
    places = data.validation if held_out else data.train
    augmentation = Compose([replace(AUGMENTATIONS[part.name], p=part.p) for part in recipe.augment])  # type: ignore[type-var]
    return Batches(
        data.store,
        places,
        batch_size=min(recipe.batch_size, len(places)) if held_out else recipe.batch_size,
        normalisation=recipe.normalisation,
        seed=recipe.seed,
        augmentation=augmentation if recipe.augment and not held_out else None,
        hemisphere_shift=recipe.hemisphere_shift,
        unit_views=recipe.data.unit_views,
        bands=recipe.data.bands,
        patch_size=recipe.data.patch_size,
        rank=0 if held_out else rank,
        world=1 if held_out else world,
    )


class _Run:
    """A run in progress."""

    def __init__(
        self, fabric: Any, recipe: Recipe, data: TrainingData, folder: Path, state: dict[str, Any] | None
    ) -> None:
        self.fabric, self.recipe, self.data, self.folder = fabric, recipe, data, folder
        self.batches = batches_of(recipe, data, rank=fabric.global_rank, world=fabric.world_size)
        self.held_out = batches_of(recipe, data, held_out=True)
        self.steps = max(1, recipe.epochs * len(self.batches) // recipe.accumulate)
        torch.manual_seed(draw_seed(recipe.seed, 0))
        learner = Learner(architecture_of(recipe, data), recipe.objective)
        optimiser = _optimiser(recipe, learner)
        self.averaged = copy.deepcopy(learner) if recipe.ema is not None else None
        self.step, self.best, self.waited = 0, -1.0, 0
        self.scale = float(learner.temperature().detach())
        if state is not None:
            learner.load_state_dict(state["learner"])
            optimiser.load_state_dict(state["optimiser"])
            if self.averaged is not None:
                self.averaged.load_state_dict(state["averaged"])
            self.step, self.best, self.waited = state["step"], state["best"], state["waited"]
        self.resumed_from = self.step
        self.computed_in = str(fabric.strategy.precision.precision)
        self.model, self.optimiser = fabric.setup(learner, optimiser)
        self.learner: Learner = learner
        if self.averaged is not None:
            self.averaged.to(fabric.device)
        if state is not None and state.get("precision"):
            fabric.strategy.precision.load_state_dict(state["precision"])

    def to_the_end(self, progress: Progress | None) -> Trained:
        """Steps until the recipe is done or patience runs out."""
        recipe, first = self.recipe, self.fabric.global_rank == 0
        log = RunLog(self.folder, step=self.step) if first else None
        stream = self.batches.stream(self.step * recipe.accumulate)
        stopped, saved, began, since = self._out_of_patience(), self.step, time.perf_counter(), self.step
        while self.step < self.steps and not stopped:
            loss = self._one_step(stream)
            self.step += 1
            rate = (self.step - since) * recipe.batch_size * recipe.accumulate / (time.perf_counter() - began)
            figures = {"loss": loss, "scale": self.scale, "samples_per_s": rate}
            figures["learning_rate"] = self._rate(self.step - 1)
            ends_epoch = self._epoch(self.step) != self._epoch(self.step - 1) or self.step == self.steps
            if ends_epoch and (self._epoch(self.step) % recipe.selection.every_epochs == 0 or self.step == self.steps):
                held = self._validate()
                stopped = self._select(held)
                figures |= {"s2g": held.satellite_to_ground[1], "g2s": held.ground_to_satellite[1]}
                figures["selection"] = held.mean(recipe.selection.recall_at)
                began, since = time.perf_counter(), self.step  # the rate is that of training alone
            if log is not None and (ends_epoch or self.step % 10 == 0):
                log.add(self.step, self._epoch(self.step - 1), figures)
            if ends_epoch or self.step - saved >= recipe.save_every_steps:
                self._save_state()
                saved = self.step
            if progress is not None and first:
                progress(self.step, self.steps, figures)
        if log is not None:
            log.close()
            self._write_checkpoint("last", None)
        self.fabric.barrier()
        rank = self.fabric.global_rank
        return Trained(self.folder, self.folder / "best", self.step, self.resumed_from, self.best, stopped, rank)

    def _one_step(self, stream: Iterator[Batch]) -> float:
        """One optimiser step. The bank changes after it: every micro-batch sees the same negatives."""
        recipe, total = self.recipe, 0.0
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate(self.step)
        learnt: list[tuple[Tensor, Tensor]] = []
        for micro in range(recipe.accumulate):
            batch = next(stream).to(self.fabric.device)
            number = self.step * recipe.accumulate + micro
            torch.manual_seed(draw_seed(recipe.seed, 3, number, self.fabric.global_rank))  # dropout
            with self.fabric.no_backward_sync(self.model, enabled=micro + 1 < recipe.accumulate):
                loss, keys, place = self.model(
                    batch.x, batch.calendar, batch.valid, batch.views, batch.has_view, batch.place
                )
                value = float(loss.detach())
                if not torch.isfinite(loss.detach()):
                    self._diverged(value, micro)
                self.fabric.backward(loss / recipe.accumulate)
            total += value / recipe.accumulate
            learnt.append((keys, place))
        if recipe.optimiser.clip_norm is not None:
            self.fabric.clip_gradients(self.model, self.optimiser, max_norm=recipe.optimiser.clip_norm)
        self.optimiser.step()
        self.optimiser.zero_grad()
        with torch.no_grad():
            self.learner.temperature.clamp_()
            self.scale = float(self.learner.temperature())
            for keys, place in learnt:
                self.learner.bank.push(keys, place=place)
            if self.averaged is not None and recipe.ema is not None:
                _average(self.averaged, self.learner, min(recipe.ema, (self.step + 1) / (self.step + 10)))
        return total

    def _diverged(self, value: float, micro: int) -> None:
        kept = "the last good checkpoint is kept in " + str(self.folder / "best")
        if not (self.folder / "best").is_dir():
            kept = "no checkpoint was saved yet"
        raise TrainingDivergedError(
            f"The loss is {value} at step {self.step + 1} (epoch {self._epoch(self.step) + 1}, micro-batch {micro + 1} "
            f"of {self.recipe.accumulate}); {kept}. Lower optimiser.learning_rate (now "
            f"{self.recipe.optimiser.learning_rate:g}) or set precision to 32-true."
        )

    def _epoch(self, step: int) -> int:
        return step * self.recipe.accumulate // len(self.batches)

    def _rate(self, step: int) -> float:
        chosen = self.recipe.optimiser
        per_epoch = max(1, len(self.batches) // self.recipe.accumulate)
        return chosen.learning_rate * learning_rate_factor(
            step,
            steps=self.steps,
            per_epoch=per_epoch,
            schedule=chosen.schedule,
            period=chosen.period_epochs,
            warmup=chosen.warmup,
        )

    def _validate(self) -> HeldOut:
        chosen = self.averaged if self.averaged is not None else self.learner
        return retrieval(chosen, self.held_out, most=self.recipe.selection.places, device=self.fabric.device)

    def _select(self, held: HeldOut) -> bool:
        """Keep the checkpoint if it is the best so far; whether patience has run out."""
        figure = held.mean(self.recipe.selection.recall_at)
        if figure > self.best:
            self.best, self.waited = figure, 0
            if self.fabric.global_rank == 0:
                self._write_checkpoint("best", held)
        else:
            self.waited += 1
        return self._out_of_patience()

    def _out_of_patience(self) -> bool:
        return self.recipe.selection.patience is not None and self.waited >= self.recipe.selection.patience

    def _save_state(self) -> None:
        if self.fabric.global_rank == 0:
            state = {
                "digest": recipe_digest(self.recipe),
                "step": self.step,
                "best": self.best,
                "waited": self.waited,
                "learner": self.learner.state_dict(),
                "averaged": self.averaged.state_dict() if self.averaged is not None else {},
                "optimiser": self.optimiser.state_dict(),
                "precision": self.fabric.strategy.precision.state_dict(),
                "computed_in": self.computed_in,
            }
            save_state(self.folder, state)
        self.fabric.barrier()

    def _write_checkpoint(self, name: str, held: HeldOut | None) -> None:
        source = self.averaged if self.averaged is not None else self.learner
        encoder = copy.deepcopy(source.encoder).cpu()
        config = CheckpointConfig(
            name=self.recipe.name,
            encoder=encoder_fields(encoder.config),
            normalisation=self.recipe.normalisation,
            band_names=self.recipe.data.bands,
            tower=TowerRef(name=self.data.tower, dim=self.data.dim, revision=self.data.revision),
            hemisphere_shift=self.recipe.hemisphere_shift,
            # Nobody has labels here: the temperature that was learned is the best guess, and is marked as not fitted.
            calibration=Calibration(temperature=1 / max(self.scale, 1e-6)),
            training={
                "recipe": self.recipe.model_dump(mode="json"),
                "digest": recipe_digest(self.recipe),
                "step": self.step,
                "torch": torch.__version__,
                "data": self.data.parts,
            }
            | ({} if held is None else {"held_out": asdict(held)}),
        )
        model = Model(encoder, config)
        save(model, self.folder / name, card=photo_card(model, self.recipe, self.data, held, step=self.step))

    def describe(self) -> None:
        """Write the recipe and the plan beside the run."""
        text = yaml.safe_dump(self.recipe.model_dump(mode="json"), sort_keys=False)
        about = {
            "timesenclip": __version__,
            "torch": torch.__version__,
            "digest": recipe_digest(self.recipe),
            "steps": self.steps,
            "computed_in": self.computed_in,
            "parameters": sum(p.numel() for p in self.learner.parameters()),
            "places": self.data.parts,
            "nearest_held_out_m": self.data.nearest_m if self.data.nearest_m < float("inf") else None,
            "tower": self.data.tower,
            "series": dict(self.data.store.attributes),
        }
        write_text(self.folder / "recipe.yaml", text)
        write_json(self.folder / "run.json", about)


def _optimiser(recipe: Recipe, learner: Learner) -> torch.optim.AdamW:
    chosen = recipe.optimiser
    parameters = [p for p in learner.parameters() if p.requires_grad]
    decay = parameters if chosen.decay_all else [p for p in parameters if p.ndim >= 2]
    plain = [] if chosen.decay_all else [p for p in parameters if p.ndim < 2]
    groups: list[dict[str, Any]] = [{"params": decay, "weight_decay": chosen.weight_decay}]
    if plain:
        groups.append({"params": plain, "weight_decay": 0.0})
    return torch.optim.AdamW(groups, lr=chosen.learning_rate)


def _average(target: nn.Module, source: nn.Module, decay: float) -> None:
    for mine, theirs in zip(target.parameters(), source.parameters(), strict=True):
        mine.lerp_(theirs, 1 - decay)
