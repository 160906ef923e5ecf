"""Presto's loader and batches with a small encoder; `tests/parity/test_presto.py` compares it with another one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.evaluation.baselines.presto import (
    GROUPS,
    INPUTS,
    Presto,
    PrestoEncoder,
    load_presto,
    presto_features,
)
from timesenclip.testing import random_series


@pytest.fixture
def encoder() -> PrestoEncoder:
    torch.manual_seed(0)
    model = PrestoEncoder(16, depth=1, hidden=8, heads=2)
    torch.nn.init.normal_(model.pos_embed)
    return model.eval().requires_grad_(False)


def test_every_channel_is_in_one_group() -> None:
    assert sorted(channel for group in GROUPS.values() for channel in group) == list(range(INPUTS))


@torch.no_grad()
def test_values_of_masked_groups_change_nothing_and_those_of_others_do(encoder: PrestoEncoder) -> None:
    x, masked = torch.rand(2, 5, INPUTS), torch.zeros(2, 5, INPUTS, dtype=torch.bool)
    masked[:, 2, GROUPS["S2_RGB"][0]] = True  # one masked channel masks its group
    rest = torch.tensor([0, 6]), torch.tensor([[4.0, 50.0], [5.0, 51.0]])
    before = encoder(x, masked, *rest)
    other = x.clone()
    other[:, 2, GROUPS["S2_RGB"]] = 9.0
    assert torch.equal(encoder(other, masked, *rest), before)
    other[:, 3, GROUPS["S2_RGB"]] = 9.0
    assert (encoder(other, masked, *rest) - before).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("prefix", "ignored"), [("", {}), ("encoder.", {"decoder": 2}), ("model.encoder.", {"decoder": 2})]
)
def test_a_saved_encoder_is_read_back_with_its_sizes(
    encoder: PrestoEncoder, prefix: str, ignored: dict[str, int], tmp_path: Path
) -> None:
    rest = {f"decoder.{name}": torch.zeros(3) for name in ("a", "b")} if prefix else {}
    torch.save({prefix + key: value for key, value in encoder.state_dict().items()} | rest, tmp_path / "presto.pt")
    found = load_presto(tmp_path / "presto.pt", heads=2)
    assert (found.source, found.ignored) == ("presto.pt", ignored)
    series = random_series(3)
    assert np.array_equal(presto_features(series, found), presto_features(series, Presto(encoder, "", {})))


def test_batches_are_reported_and_do_not_change_the_features(encoder: PrestoEncoder) -> None:
    model, series, calls = Presto(encoder, "", {}), random_series(5, missing=0.4), []
    whole = presto_features(series, model)
    parts = presto_features(series, model, batch_size=2, progress=lambda done, of: calls.append((done, of)))
    assert calls == [(2, 5), (4, 5), (5, 5)]
    assert parts == pytest.approx(whole, abs=1e-6)
    with pytest.raises(InputError, match="batch_size is 0"):
        presto_features(series, model, batch_size=0)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"nothing\.pt"):
        load_presto(tmp_path / "nothing.pt")
