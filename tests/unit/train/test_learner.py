"""The loss, on one process and on two."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.unit.train.photo_world import DIM
from timesenclip.model.encoder import PRESETS
from timesenclip.train.batches import Batch, Question
from timesenclip.train.learner import Learner, question_loss
from timesenclip.train.recipe import FieldNotesObjective, ObjectiveConfig


def _loss_and_gradients(rank: int, world_size: int, file: str, bank: bool) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    config = PRESETS["tiny"].__class__(**{**PRESETS["tiny"].to_dict(), "dim": 16, "heads": 2, "embed_dim": DIM})
    objective = ObjectiveConfig(bank_size=16, in_batch=True, symmetric=True, ignore_same_place=True)
    learner = Learner(config, objective).eval()  # no dropout: the draws of two processes cannot be those of one
    rng = torch.Generator().manual_seed(1)
    x, views = torch.rand(8, 12, 10, generator=rng), torch.randn(8, 4, DIM, generator=rng)
    start = torch.arange(12) / 12
    calendar = torch.stack([start, start + 1 / 12], dim=-1).expand(8, -1, -1)
    valid = torch.rand(8, 12, generator=rng) < 0.8
    valid[:, 0] = True
    has_view = torch.ones(8, 4, dtype=torch.bool)
    place = torch.tensor([0, 1, 2, 3, 3, 5, 6, 7])
    if bank:
        learner.bank.push(torch.randn(16, DIM, generator=rng), place=torch.arange(16))
    share = slice(rank * 8 // world_size, (rank + 1) * 8 // world_size)
    model: torch.nn.Module = learner
    if world_size > 1:
        torch.distributed.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=world_size)
        model = torch.nn.parallel.DistributedDataParallel(learner)
    loss, keys, places, _ = model(x[share], calendar[share], valid[share], views[share], has_view[share], place[share])
    loss.backward()
    learner.bank.push(keys, place=places)
    out = {name: p.grad.clone() for name, p in learner.named_parameters() if p.grad is not None}
    out |= {"loss": loss.detach(), "bank": learner.bank.keys.clone(), "bank_place": learner.bank.place.clone()}
    if world_size > 1:
        torch.distributed.destroy_process_group()
    return out


def _process(rank: int, world_size: int, file: str, bank: bool, out: str) -> None:
    torch.set_num_threads(1)
    torch.save(_loss_and_gradients(rank, world_size, file, bank), f"{out}-{rank}.pt")


@pytest.mark.parametrize("bank", [False, True])
def test_two_processes_have_the_loss_the_gradient_and_the_bank_of_one(tmp_path: Path, bank: bool) -> None:
    torch.multiprocessing.spawn(_process, args=(2, str(tmp_path / "meet"), bank, str(tmp_path / "got")), nprocs=2)
    alone = _loss_and_gradients(0, 1, "", bank)
    for rank in (0, 1):
        got = torch.load(tmp_path / f"got-{rank}.pt", weights_only=True)
        assert got.keys() == alone.keys()
        for name, expected in alone.items():
            assert torch.allclose(got[name], expected, atol=1e-5, rtol=1e-4), name
    assert alone["encoder.spectral_embedding.1.weight"].abs().max() > 1e-4


def test_accumulated_gradients_are_those_of_the_whole_batch_when_the_bank_gives_the_negatives() -> None:
    torch.manual_seed(0)
    config = PRESETS["tiny"].__class__(**{**PRESETS["tiny"].to_dict(), "dim": 16, "heads": 2, "embed_dim": DIM})
    learner = Learner(config, ObjectiveConfig(bank_size=32)).eval()
    learner.bank.push(torch.randn(32, DIM))
    start = torch.arange(12) / 12
    inputs = [
        torch.rand(8, 12, 10),
        torch.stack([start, start + 1 / 12], dim=-1).expand(8, -1, -1),
        torch.ones(8, 12, dtype=torch.bool),
        torch.randn(8, 4, DIM),
        torch.ones(8, 4, dtype=torch.bool),
        torch.arange(8),
    ]
    learner(*inputs)[0].backward()
    whole = learner.encoder.spectral_embedding[1].weight.grad.clone()
    learner.zero_grad()
    for half in (slice(0, 4), slice(4, 8)):
        (learner(*(part[half] for part in inputs))[0] / 2).backward()
    assert torch.allclose(learner.encoder.spectral_embedding[1].weight.grad, whole, atol=1e-6)


def test_the_question_loss_is_the_cross_entropy_of_lists_with_one_true_class() -> None:
    rng = torch.Generator().manual_seed(0)
    satellite, vectors = torch.randn(6, DIM, generator=rng), torch.randn(5, DIM, generator=rng)
    kind = torch.tensor([0, 1, 2, 2, 3, 0])
    true = torch.zeros(4, 5, dtype=torch.bool)
    true[[0, 1, 2], [4, 0, 2]] = True  # nothing is true of kind 3: it is not asked
    asked = kind != 3
    expected = torch.nn.functional.cross_entropy(3.0 * satellite[asked] @ vectors.T, true.int().argmax(1)[kind[asked]])
    found = question_loss(satellite, kind, [Question(vectors, true)], scale=3.0)
    assert torch.allclose(found, expected, atol=1e-6)
    nothing = Question(vectors, torch.zeros_like(true))
    assert torch.allclose(question_loss(satellite, kind, [Question(vectors, true), nothing], scale=3.0), expected / 2)


def test_the_questions_are_a_term_of_the_loss_of_field_notes_only() -> None:
    config = PRESETS["tiny"].__class__(**{**PRESETS["tiny"].to_dict(), "dim": 16, "heads": 2, "embed_dim": DIM})
    start = torch.arange(12) / 12
    batch = Batch(
        torch.rand(4, 12, 10),
        torch.stack([start, start + 1 / 12], dim=-1).expand(4, -1, -1),
        torch.ones(4, 12, dtype=torch.bool),
        torch.randn(4, 2, DIM),
        torch.ones(4, 2, dtype=torch.bool),
        torch.tensor([0, 1, 1, 0]),
        questions=(Question(torch.randn(2, DIM), torch.eye(2, dtype=torch.bool)),),
    )
    objective = FieldNotesObjective(contrast_weight=0.5, question_weight=2.0)
    loss, _, place, terms = Learner(config, objective).eval()(*batch.inputs())
    assert torch.allclose(loss, 0.5 * terms["contrast"] + 2.0 * terms["questions"])
    assert torch.equal(place, batch.place)
    assert Learner(config, ObjectiveConfig()).eval()(*batch.inputs())[3] == {}
