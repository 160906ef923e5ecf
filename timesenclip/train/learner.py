"""The learner: encoder, pooling, temperature and memory bank, with the loss on one or several devices.

The loss is InfoNCE (`timesenclip.model.contrastive`) between places and their ground views; with field notes,
`question_loss` is added to it, and with a teacher `teacher_loss` and `feature_loss`. Every process computes the loss of
the whole batch: embeddings are gathered with their gradients, so the negatives and the bank are the same everywhere,
and the gradient is that of one process with all of the batch.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from timesenclip.model.contrastive import Temperature, info_nce
from timesenclip.model.encoder import EncoderConfig, SeriesEncoder
from timesenclip.model.memory_bank import MemoryBank
from timesenclip.model.pooling import AttentionPooling
from timesenclip.train.batches import Batch, Lessons, Question
from timesenclip.train.recipe import FieldNotesObjective, ObjectiveConfig

__all__ = ["FEATURES", "Learner", "feature_loss", "gather", "question_loss", "teacher_loss"]

FEATURES = 128
"""Length of the features that a teacher gives (Presto's)."""


class Learner(nn.Module):
    """Embeds the satellite and the ground side of a batch and computes the loss."""

    def __init__(self, architecture: EncoderConfig, objective: ObjectiveConfig) -> None:
        """Build with random weights."""
        super().__init__()
        self.objective = objective
        self.encoder = SeriesEncoder(architecture)
        self.pooling = AttentionPooling(architecture.embed_dim, objective.pooling)
        self.temperature = Temperature(objective.temperature)
        self.temperature.requires_grad_(objective.learn_temperature)
        self.bank = MemoryBank(architecture.embed_dim, objective.bank_size)
        self.to_features: nn.Linear | None = None
        if isinstance(objective, FieldNotesObjective) and objective.feature_weight > 0:
            self.to_features = nn.Linear(architecture.embed_dim, FEATURES)

    def forward(
        self,
        x: Tensor,
        calendar: Tensor,
        valid: Tensor,
        views: Tensor,
        has_view: Tensor,
        place: Tensor,
        questions: Sequence[Question] = (),
        bands: Tensor | None = None,
        lessons: Lessons | None = None,
        alike: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor]]:
        """Compute the loss of the whole batch, keys (B, D) and places (B,) to add to the bank, and the loss's terms.

        Arguments are this process's share of the fields of `Batch`. The terms are empty unless the loss has several.

        If negatives come from the bank alone and it is still empty, the first batch has no negatives: its loss is zero,
        and it only fills the bank. Differs: the authors' bank starts with random vectors, which are negatives at once.
        """
        satellite = gather(F.normalize(self.encoder(x, calendar, valid, bands).float(), dim=-1))  # (B, D)
        ground = gather(F.normalize(self.pooling(views, has_view).float(), dim=-1))  # (B, D)
        place = gather(place)
        same = self.objective.ignore_same_place
        terms: dict[str, Tensor] = {}
        with torch.autocast(satellite.device.type, enabled=False):  # with a scale of 100 half precision is too coarse
            scale = self.temperature()
            loss = info_nce(
                satellite,
                ground,
                scale=scale,
                bank_keys=self.bank.keys.clone(),
                in_batch=self.objective.in_batch,
                symmetric=self.objective.symmetric,
                place=place if same else None,
                bank_place=self.bank.place if same else None,
                alike=alike if same else None,
            )
            if isinstance(self.objective, FieldNotesObjective):
                asked = question_loss(satellite, place, questions, scale=scale)
                terms = {"contrast": loss.detach(), "questions": asked.detach()}
                loss = self.objective.contrast_weight * loss + self.objective.question_weight * asked
                if lessons is not None:
                    loss = loss + self._of_teacher(satellite, lessons, terms, scale=scale)
        return loss, ground.detach(), place, terms

    def _of_teacher(
        self, satellite: Tensor, lessons: Lessons, terms: dict[str, Tensor], *, scale: Tensor | float
    ) -> Tensor:
        """The weighted losses of a teacher; they are added to the terms."""
        assert isinstance(self.objective, FieldNotesObjective)
        probabilities, features = gather(lessons.probabilities), gather(lessons.features)
        terms["teacher"] = teacher_loss(satellite, probabilities, lessons.vectors, scale=scale)
        loss = self.objective.teacher_weight * terms["teacher"]
        if self.to_features is not None:
            terms["features"] = feature_loss(self.to_features(satellite), features)
            loss = loss + self.objective.feature_weight * terms["features"]
        return loss

    def sides(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Unit vectors (B, D) of the satellite and of the ground side."""
        satellite = F.normalize(self.encoder(batch.x, batch.calendar, batch.valid, batch.bands).float(), dim=-1)
        return satellite, F.normalize(self.pooling(batch.views, batch.has_view).float(), dim=-1)


def question_loss(satellite: Tensor, kind: Tensor, questions: Sequence[Question], *, scale: Tensor | float) -> Tensor:
    """Mean over class lists of the InfoNCE between places and class vectors: the true classes against all classes.

    Args:
        satellite: (B, D) unit vectors.
        kind: (B,) int64, row of each place in `Question.true`.
        questions: at least one.
        scale: 1 / temperature.
    """
    losses = []
    for question in questions:
        true = question.true[kind]  # (B, K)
        asked = true.any(dim=1)
        if not bool(asked.any()):
            losses.append(satellite.sum() * 0.0)
            continue
        logits = scale * satellite[asked] @ question.vectors.T  # (B', K)
        hit = logits.masked_fill(~true[asked], -torch.inf).logsumexp(dim=1)
        losses.append((logits.logsumexp(dim=1) - hit).mean())
    return torch.stack(losses).mean()


def teacher_loss(satellite: Tensor, probabilities: Tensor, vectors: Tensor, *, scale: Tensor | float) -> Tensor:
    """Mean Kullback-Leibler divergence from a teacher's probabilities to those of the cosines with its classes.

    Args:
        satellite: (B, D) unit vectors.
        probabilities: (B, K) of the teacher; rows of zeros do not take part.
        vectors: (K, D) unit vectors of the classes.
        scale: 1 / temperature.
    """
    asked = probabilities.sum(dim=1) > 0
    if not bool(asked.any()):
        return satellite.sum() * 0.0
    target = probabilities[asked]
    log_likely = (scale * satellite[asked] @ vectors.T).log_softmax(dim=1)
    return F.kl_div(log_likely, target, reduction="batchmean")


def feature_loss(predicted: Tensor, features: Tensor) -> Tensor:
    """Mean of one minus the cosine of predicted features and a teacher's, (B, F) each; rows of zeros are left out."""
    asked = features.abs().sum(dim=1) > 0
    if not bool(asked.any()):
        return predicted.sum() * 0.0
    return (1 - F.cosine_similarity(predicted[asked], features[asked], dim=1)).mean()


def gather(tensor: Tensor) -> Tensor:
    """Rows of all processes, in rank order; the tensor itself where there is one process.

    The gradient of a row is the sum over the processes, each of which computes the same loss; averaging over processes,
    as DDP does, then gives the gradient of that loss once.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return tensor
    if torch.distributed.get_world_size() == 1:
        return tensor
    from torch.distributed.nn.functional import all_gather

    with warnings.catch_warnings():
        # torch 2.13 deprecates it for a function that torch 2.6 does not have.
        warnings.filterwarnings("ignore", message=".*all_gather is deprecated", category=FutureWarning)
        return torch.cat(all_gather(tensor))  # type: ignore[no-untyped-call]
