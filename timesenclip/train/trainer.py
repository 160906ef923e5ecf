"""The trainer: one training loop for every kind of recipe, on one or several devices.

    RUN/recipe.yaml     the recipe as it was understood        RUN/metrics.csv   the log (TensorBoard beside it)
    RUN/run.json        versions, data, plan                   RUN/state.pt      the state to resume from
    RUN/best/           checkpoint chosen by held-out retrieval    RUN/last/     checkpoint of the last step

Batches come from a `Source` (source.py), the loss from the `Learner` (learner.py). A run that was killed and resumed
ends with the same weights, bit for bit on a CPU: random draws are seeded by (seed, step), or the state of their
generator is saved. Lightning's Fabric handles devices and precision; its Trainer cannot resume exactly inside an epoch
(docs/design/0008-training.md).
"""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
import yaml
from safetensors import SafetensorError
from torch import Tensor

from timesenclip._version import __version__
from timesenclip.errors import CheckpointError, RunStoppedError, TrainingDivergedError
from timesenclip.files import write_json, write_text
from timesenclip.messages import shorten_error
from timesenclip.model.checkpoint_config import CHECKPOINT_FILES, read_config
from timesenclip.owned import claimed, require_own_names, require_replaceable
from timesenclip.train.batches import Batch
from timesenclip.train.devices import make_fabric
from timesenclip.train.learner import Learner
from timesenclip.train.optimiser import average_weights, make_optimiser, make_schedule
from timesenclip.train.recipe import Recipe, recipe_digest
from timesenclip.train.source import Source, open_source
from timesenclip.train.state import RunLog, load_state, locked, save_state
from timesenclip.train.validation import HeldOut, Validation, retrieval

__all__ = ["RUN_FILES", "Progress", "Trained", "check_run_folder", "pretrain"]

RUN_FILES = ("recipe.yaml", "run.json", "state.pt", "metrics.csv")
"""Files of a run, beside its checkpoints and the logs of TensorBoard."""

Progress = Callable[[int, int, dict[str, float]], None]
"""Called with (step, steps, figures)."""


@dataclass(frozen=True, slots=True)
class Trained:
    """The result of a run."""

    folder: Path
    """The run's folder."""
    checkpoint: Path
    """The checkpoint to use: `best/`, or `last/` without held-out places."""
    steps: int
    """Optimiser steps done."""
    resumed_from: int
    """Step at which this call began, 0 for a new run."""
    best: float | None
    """Held-out retrieval of the chosen checkpoint; None without held-out places."""
    stopped_early: bool
    """Whether training stopped early, because validation did not improve any more."""
    rank: int = 0
    """Rank of this process; the process of rank 0 prints the result."""


def pretrain(
    recipe: Recipe,
    out: str | Path,
    *,
    accelerator: str = "auto",
    devices: int = 1,
    progress: Progress | None = None,
) -> Trained:
    """Train as a recipe says, or continue the run in the folder.

    Args:
        recipe: the recipe.
        out: folder of the run.
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
    check_run_folder(folder)
    # Read twice: here for the precision, which is fixed before processes start and a run's folder is locked; and under
    # the lock, since until then another process could have gone on with the run.
    state = load_state(folder, digest=recipe_digest(recipe))
    fabric = make_fabric(accelerator, devices, recipe.precision if state is None else state["computed_in"])
    is_rank_0 = fabric.global_rank == 0
    source = open_source(recipe, rank=fabric.global_rank, world=fabric.world_size)
    with locked(folder) if is_rank_0 else contextlib.nullcontext():
        state = load_state(folder, digest=recipe_digest(recipe))
        run = _Run(fabric, recipe, source, folder, state)
        if is_rank_0 and state is None:
            run.describe()
        return run.train(progress)


def check_run_folder(folder: str | Path) -> None:
    """Check, before any work, that a run replaces nothing that is not ours.

    Raises:
        InputError: it would.
    """
    require_own_names(folder, "training run", RUN_FILES)
    for name in ("best", "last"):
        require_replaceable(Path(folder) / name, "checkpoint")


class _Run:
    """A run in progress."""

    def __init__(self, fabric: Any, recipe: Recipe, source: Source, folder: Path, state: dict[str, Any] | None) -> None:
        self.fabric, self.recipe, self.source, self.folder = fabric, recipe, source, folder
        self.is_rank_0 = fabric.global_rank == 0
        self.step, self.best, self.evaluations_without_gain = 0, -1.0, 0
        if state is not None:
            self.step, self.best = state["step"], state["best"]
            self.evaluations_without_gain = state["waited"]
        self.resumed_from = self.step
        torch.manual_seed(source.weights_seed)
        learner = Learner(source.architecture, recipe.objective)
        optimiser = make_optimiser(recipe.optimiser, learner)
        self.averaged = average_weights(learner, recipe.ema, step=self.step) if recipe.ema is not None else None
        self.kept = learner if self.averaged is None else cast("Learner", self.averaged.module)
        """The averaged weights, or the trained ones: those that are validated and saved."""
        if state is not None:
            learner.load_state_dict(state["learner"])
            if self.averaged is not None:
                self.kept.load_state_dict(state["averaged"])
        self.scale = float(learner.temperature().detach())
        self.computed_in = str(fabric.strategy.precision.precision)
        self.model, self.optimiser = fabric.setup(learner, optimiser)
        if state is not None:
            # After `setup`, which moves the parameters: an optimiser puts its state where its parameters are.
            optimiser.load_state_dict(state["optimiser"])
        per_epoch = max(1, source.epoch_batches // recipe.accumulate)
        self.schedule = make_schedule(
            optimiser, recipe.optimiser, step=self.step, steps=source.steps, per_epoch=per_epoch
        )
        self.learner: Learner = learner
        if self.averaged is not None:
            self.averaged.to(fabric.device)
        if state is not None and state.get("precision"):
            fabric.strategy.precision.load_state_dict(state["precision"])
        if state is not None and state.get("source"):
            source.restore(state["source"])

    def describe(self) -> None:
        """Write the recipe and the plan beside the run."""
        text = yaml.safe_dump(self.recipe.model_dump(mode="json"), sort_keys=False)
        about = {
            "timesenclip": __version__,
            "torch": torch.__version__,
            "digest": recipe_digest(self.recipe),
            "steps": self.source.steps,
            "computed_in": self.computed_in,
            "parameters": sum(p.numel() for p in self.learner.parameters()),
            **self.source.about(),
        }
        with claimed(self.folder, "training run", RUN_FILES, exclusive=False):  # the run has a lock of its own
            write_text(self.folder / "recipe.yaml", text)
            write_json(self.folder / "run.json", about)

    def train(self, progress: Progress | None) -> Trained:
        """Train until the last step of the recipe or until early stopping.

        What is logged are the figures of rank 0; its loss is that of the whole batch, as all embeddings are gathered.
        """
        recipe, steps = self.recipe, self.source.steps
        if self._is_finished():
            return self._trained()
        log = RunLog(self.folder, step=self.step, terms=self.source.terms) if self.is_rank_0 else None
        stream = self.source.stream(self.step * recipe.accumulate)
        saved_step, clock_start, clock_step = self.step, time.perf_counter(), self.step
        while self.step < steps and not self._out_of_patience():
            figures = self._one_step(stream)
            samples = (self.step - clock_step) * recipe.batch_size * recipe.accumulate
            figures["samples_per_s"] = samples / (time.perf_counter() - clock_start)
            ends_epoch = self._epoch(self.step) != self._epoch(self.step - 1) or self.step == steps
            validation = self.source.validation
            if ends_epoch and validation is not None and self._validation_is_due(validation):
                figures |= self._validate(validation)
                clock_start, clock_step = time.perf_counter(), self.step  # the rate is that of training alone
            if log is not None and (ends_epoch or self.step % 10 == 0):
                log.add(self.step, self._epoch(self.step - 1), figures)
            if ends_epoch or self.step - saved_step >= recipe.save_every_steps:
                self._save_state()
                saved_step = self.step
            if progress is not None and self.is_rank_0:
                progress(self.step, steps, figures)
        if log is not None:
            log.close()
            self._write_checkpoint("last", None)
        self.fabric.barrier()
        return self._trained()

    def _is_finished(self) -> bool:
        """Whether an earlier call took the last step and wrote all of `last/`, whose card comes at the end."""
        if self.step < self.source.steps and not self._out_of_patience():
            return False
        try:
            last = read_config(self.folder / "last").training
        except CheckpointError:
            return False
        whole = all((self.folder / "last" / name).is_file() for name in CHECKPOINT_FILES)
        return whole and (last.get("step"), last.get("digest")) == (self.step, recipe_digest(self.recipe))

    def _epoch(self, step: int) -> int:
        return step * self.recipe.accumulate // self.source.epoch_batches

    def _one_step(self, stream: Iterator[Batch]) -> dict[str, float]:
        """One optimiser step and its metrics. The bank changes after it: all micro-batches have the same negatives."""
        recipe = self.recipe
        figures = dict.fromkeys(("loss", *self.source.terms), 0.0)
        learnt: list[tuple[Tensor, Tensor]] = []
        for micro in range(recipe.accumulate):
            batch = next(stream).to(self.fabric.device)
            self.source.seed_dropout(self.step * recipe.accumulate + micro, self.fabric.global_rank)
            with self.fabric.no_backward_sync(self.model, enabled=micro + 1 < recipe.accumulate):
                loss, keys, place, terms = self.model(*batch.inputs())
                if not torch.isfinite(loss.detach()):
                    self._diverged(f"loss is {float(loss.detach())}", micro)
                self.fabric.backward(loss / recipe.accumulate)
            for name, value in {"loss": loss, **terms}.items():
                figures[name] += float(value.detach()) / recipe.accumulate
            learnt.append((keys, place))
        if recipe.optimiser.clip_norm is not None:
            self._clip_gradients(recipe.optimiser.clip_norm)
        figures["learning_rate"] = float(self.schedule.get_last_lr()[0])
        self.optimiser.step()
        self.schedule.step()
        self.optimiser.zero_grad()
        self._after_step(learnt)
        return figures | {"scale": self.scale}

    def _clip_gradients(self, most: float) -> None:
        """Shorten the gradient to the norm `most`. In 16-mixed the loss scaler skips steps whose gradient overflows."""
        norm = self.fabric.clip_gradients(self.model, self.optimiser, max_norm=most, error_if_nonfinite=False)
        scaled = getattr(self.fabric.strategy.precision, "scaler", None) is not None
        if not scaled and not torch.isfinite(norm):
            self._diverged(f"norm of the gradient is {float(norm)}", self.recipe.accumulate - 1)

    def _diverged(self, what: str, micro: int) -> None:
        kept = "the last good checkpoint is kept in " + str(self.folder / "best")
        if not (self.folder / "best").is_dir():
            kept = "no checkpoint was saved yet"
        raise TrainingDivergedError(
            f"The {what} at step {self.step + 1} (epoch {self._epoch(self.step) + 1}, micro-batch {micro + 1} "
            f"of {self.recipe.accumulate}); {kept}. Lower optimiser.learning_rate (now "
            f"{self.recipe.optimiser.learning_rate:g}) or set precision to 32-true."
        )

    @torch.no_grad()
    def _after_step(self, learnt: list[tuple[Tensor, Tensor]]) -> None:
        """Update the temperature, the bank and the averaged weights after a step."""
        self.learner.temperature.clamp_()
        self.scale = float(self.learner.temperature())
        for keys, place in learnt:
            self.learner.bank.push(keys, place=place)
        if self.averaged is not None:
            self.averaged.update_parameters(self.learner)
        self.step += 1

    def _validation_is_due(self, validation: Validation) -> bool:
        return self._epoch(self.step) % validation.selection.every_epochs == 0 or self.step == self.source.steps

    def _validate(self, validation: Validation) -> dict[str, float]:
        """Measure retrieval among the held-out places, and save the checkpoint if it is the best so far."""
        held = retrieval(self.kept, validation.batches, most=validation.selection.places, device=self.fabric.device)
        figure = held.mean(validation.selection.recall_at)
        if figure > self.best:
            self.best, self.evaluations_without_gain = figure, 0
            if self.is_rank_0:
                self._write_checkpoint("best", held)
        else:
            self.evaluations_without_gain += 1
        return {"s2g": held.satellite_to_ground[1], "g2s": held.ground_to_satellite[1], "selection": figure}

    def _out_of_patience(self) -> bool:
        validation = self.source.validation
        patience = None if validation is None else validation.selection.patience
        return patience is not None and self.evaluations_without_gain >= patience

    def _save_state(self) -> None:
        if self.is_rank_0:
            state = {
                "digest": recipe_digest(self.recipe),
                "step": self.step,
                "best": self.best,
                "waited": self.evaluations_without_gain,
                "learner": self.learner.state_dict(),
                "averaged": self.kept.state_dict() if self.averaged is not None else {},
                "optimiser": self.optimiser.state_dict(),
                "precision": self.fabric.strategy.precision.state_dict(),
                "computed_in": self.computed_in,
                "source": self.source.state(),
            }
            save_state(self.folder, state)
        self.fabric.barrier()

    def _write_checkpoint(self, name: str, held: HeldOut | None) -> None:
        encoder = copy.deepcopy(self.kept.encoder).cpu()
        try:
            self.source.write_checkpoint(encoder, self.folder / name, scale=self.scale, step=self.step, held=held)
        except (OSError, SafetensorError) as error:  # safetensors has an error of its own for a full disk
            raise RunStoppedError(
                f"Cannot write '{self.folder / name}' ({shorten_error(error)}); the state saved before is kept. Make "
                "room and run the same command."
            ) from error

    def _trained(self) -> Trained:
        selects = self.source.validation is not None
        return Trained(
            folder=self.folder,
            checkpoint=self.folder / ("best" if selects else "last"),
            steps=self.step,
            resumed_from=self.resumed_from,
            best=self.best if selects else None,
            stopped_early=self._out_of_patience(),
            rank=self.fabric.global_rank,
        )
