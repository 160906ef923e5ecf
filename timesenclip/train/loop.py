"""The training loop: places and their notes meet in the space of a frozen ground tower."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from timesenclip.errors import TrainingDivergedError
from timesenclip.ground.load import load_tower
from timesenclip.model.augment import Augmentation, Compose, MonthDropout, RandomTS, TSMixAug
from timesenclip.model.checkpoint import Model
from timesenclip.model.checkpoint_config import CheckpointConfig, TowerRef, encoder_fields
from timesenclip.model.contrastive import Temperature, info_nce
from timesenclip.model.encoder import PRESETS, SeriesEncoder
from timesenclip.model.memory_bank import MemoryBank
from timesenclip.model.pooling import AttentionPooling
from timesenclip.train.config import TrainConfig
from timesenclip.train.notes import Notebook, Question
from timesenclip.train.places import Places, simulate_places

__all__ = ["fit"]

_LOG = logging.getLogger(__name__)

AUGMENTATION: Augmentation = Compose((TSMixAug(p=0.15), RandomTS(p=0.25), MonthDropout(p=0.4, most=0.5)))
"""What every batch goes through. Differs: gentler than the paper's, because simulated years already lack months."""


class _Learner(nn.Module):
    """Everything that learns, and the loss."""

    def __init__(self, config: TrainConfig, encoder: SeriesEncoder, notebook: Notebook) -> None:
        super().__init__()
        self.config, self.notebook = config.loss, notebook
        self.encoder = encoder
        self.pooling = AttentionPooling(notebook.dim, config.loss.pooling)
        self.temperature = Temperature(config.loss.temperature)
        self.bank = MemoryBank(notebook.dim, config.loss.bank_size)

    def loss(self, places: Places, notes: Tensor, rng: np.random.Generator) -> dict[str, Tensor]:
        """Contrast with the notes of other places, and with what is false of this place."""
        satellite = F.normalize(self.encoder(places.x, places.calendar, places.valid), dim=-1)  # (B, D)
        ground = F.normalize(self.pooling(notes), dim=-1)  # (B, D)
        scale = self.temperature()
        # Places of one kind have the same words: a label, not a place, says what is no negative.
        contrast = info_nce(
            satellite,
            ground,
            scale=scale,
            bank_keys=self.bank.keys,
            in_batch=True,
            symmetric=True,
            label=places.kind,
            bank_label=self.bank.label,
        )
        asked = [_question_loss(satellite, places.kind, q, scale, rng) for q in self.notebook.questions]
        self.bank.push(ground, label=places.kind)
        return {"contrast": contrast, "questions": torch.stack(asked).mean()}


def _question_loss(
    satellite: Tensor, kind: Tensor, question: Question, scale: Tensor, rng: np.random.Generator
) -> Tensor:
    """InfoNCE against the class vectors of one list: all true classes against all classes.

    Half of the time each class speaks through one phrase, half of the time through the mean of all its phrases, so
    that a single word typed by a user and a full prompt ensemble both work.
    """
    weights = torch.from_numpy(question.weights(single=bool(rng.random() < 0.5), rng=rng))  # (K, D)
    true = torch.from_numpy(question.true)[kind]  # (B, K)
    asked = true.any(dim=1)
    if not bool(asked.any()):
        return satellite.sum() * 0.0
    logits = scale * satellite[asked] @ weights.T  # (B', K)
    hit = logits.masked_fill(~true[asked], -torch.inf).logsumexp(dim=1)
    return (logits.logsumexp(dim=1) - hit).mean()


def fit(
    config: TrainConfig,
    *,
    real: Places | None = None,
    progress: Callable[[int, int, dict[str, float]], None] | None = None,
) -> Model:
    """Train an encoder.

    Args:
        config: the recipe.
        real: real places to mix in; used only where `config.world.real` says so.
        progress: called with (step, steps, figures) every 50 steps.

    Returns:
        The model with averaged weights, not yet calibrated.

    Raises:
        TrainingDivergedError: the loss became NaN or infinite.
    """
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    tower = load_tower(config.tower)
    notebook = Notebook(tower)
    architecture = replace(PRESETS[config.encoder], embed_dim=tower.dim, dropout=config.dropout)
    learner = _Learner(config, SeriesEncoder(architecture), notebook)
    averaged = copy.deepcopy(learner.encoder)
    optimiser, schedule = _optimiser(config, learner)
    source = _Source(config, real if config.world.real else None, rng, generator)
    began = time.perf_counter()
    for step in range(1, config.steps + 1):
        places = source.batch(step)
        notes = torch.from_numpy(notebook.views(places.kind.tolist(), places.climate, rng=rng))
        losses = learner.loss(places, notes, rng)
        total = config.loss.contrast_weight * losses["contrast"] + config.loss.question_weight * losses["questions"]
        if not bool(torch.isfinite(total)):
            raise TrainingDivergedError(
                f"The loss is {float(total.detach())} at step {step}; lower learning_rate in the recipe."
            )
        optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        learner.temperature.clamp_()
        _average(averaged, learner.encoder, min(config.ema, (step + 1) / (step + 10)))
        if progress is not None and (step % 50 == 0 or step == config.steps):
            rate = step * config.batch_size / (time.perf_counter() - began)
            figures = {name: float(value.detach()) for name, value in losses.items()}
            progress(step, config.steps, figures | {"scale": float(learner.temperature().detach()), "places/s": rate})
    return Model(averaged, _checkpoint_config(config, architecture, tower.dim))


class _Source:
    """Batches of augmented places: simulated, renewed now and then, and a share of real ones."""

    def __init__(
        self, config: TrainConfig, real: Places | None, rng: np.random.Generator, generator: torch.Generator
    ) -> None:
        self.config, self.real, self.rng, self.generator = config, real, rng, generator
        self.real_count = round(config.batch_size * config.world.real_share) if real is not None and len(real) else 0
        # Rare kinds come more often than they are, but not as often as common ones.
        self.real_weights = None if real is None else torch.bincount(real.kind)[real.kind].float().rsqrt()
        self.simulated = self._simulate()

    def _simulate(self) -> Places:
        return simulate_places(
            self.config.world.simulated,
            self.config.world,
            normalisation=self.config.normalisation,
            hemisphere_shift=self.config.hemisphere_shift,
            rng=self.rng,
        )

    def batch(self, step: int) -> Places:
        """The augmented batch of a step."""
        if step > 1 and step % self.config.world.refresh_steps == 1:
            self.simulated = self._simulate()
        places = self._draw(self.simulated, self.config.batch_size - self.real_count)
        if self.real is not None and self.real_count:
            places = places + _perturbed(self._draw(self.real, self.real_count, self.real_weights), self.generator)
        x, calendar, valid = AUGMENTATION(places.x, places.calendar, places.valid, self.generator)
        return replace(places, x=x, calendar=calendar, valid=valid)

    def _draw(self, places: Places, count: int, weights: Tensor | None = None) -> Places:
        if weights is None:
            index = torch.randint(0, len(places), (count,), generator=self.generator)
        else:
            index = torch.multinomial(weights, count, replacement=True, generator=self.generator)
        return Places(
            x=places.x[index],
            calendar=places.calendar[index],
            valid=places.valid[index],
            kind=places.kind[index],
            climate=tuple(places.climate[i] for i in index.tolist()),
        )


def _perturbed(places: Places, generator: torch.Generator) -> Places:
    """Real places are few: vary their brightness by place, band and step, so that none is learnt by heart."""
    n, t, c = places.x.shape
    noise = sum(
        torch.randn(*shape, generator=generator) * spread
        for shape, spread in (((n, 1, 1), 0.03), ((n, 1, c), 0.02), ((n, t, 1), 0.02), ((n, t, c), 0.01))
    )
    return replace(places, x=(places.x * (1 + noise)).clamp(0, 1))


def _optimiser(
    config: TrainConfig, learner: _Learner
) -> tuple[torch.optim.AdamW, torch.optim.lr_scheduler.LRScheduler]:
    decay = [p for p in learner.parameters() if p.ndim >= 2]
    plain = [p for p in learner.parameters() if p.ndim < 2]
    groups: list[dict[str, Any]] = [
        {"params": decay, "weight_decay": config.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=config.learning_rate)
    warm = max(1, round(config.steps * config.warmup))

    def factor(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        return float(0.5 * (1 + np.cos(np.pi * min(1.0, (step - warm) / max(1, config.steps - warm)))))

    return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, factor)


@torch.no_grad()
def _average(target: nn.Module, source: nn.Module, decay: float) -> None:
    for mine, theirs in zip(target.parameters(), source.parameters(), strict=True):
        mine.lerp_(theirs, 1 - decay)


def _checkpoint_config(config: TrainConfig, architecture: Any, dim: int) -> CheckpointConfig:
    return CheckpointConfig(
        name=config.name,
        encoder=encoder_fields(architecture),
        normalisation=config.normalisation,
        tower=TowerRef(name=config.tower, dim=dim),
        hemisphere_shift=config.hemisphere_shift,
        weights_dtype="float16",
        training={"recipe": config.model_dump(), "torch": torch.__version__},
    )
