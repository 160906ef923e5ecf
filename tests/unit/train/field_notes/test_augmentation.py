"""Augmentations of places: clouds, longer and shorter steps."""

from __future__ import annotations

import pytest
import torch

from timesenclip.bands import NORMALISATIONS
from timesenclip.model.inputs import EncoderInput
from timesenclip.train.field_notes.augmentation import CloudySteps, LongerSteps, ShorterSteps, places_augmentation


def _batch(count: int = 500, *, reflectance: float = 0.1) -> EncoderInput:
    start = (torch.arange(12) / 12).expand(count, -1)
    calendar = torch.stack([start, start + 1 / 12], dim=-1)
    valid = torch.rand(count, 12, generator=torch.Generator().manual_seed(0)) < 0.8
    valid[:, 0] = True
    x = torch.full((count, 12, 10), reflectance) ** 0.5 * valid[..., None]
    return EncoderInput(x, calendar, valid, valid[..., None].expand(-1, -1, 10).clone())


@pytest.mark.parametrize("normalisation", sorted(NORMALISATIONS))
def test_clouds_change_some_steps_of_some_places_and_no_missing_one(normalisation: str) -> None:
    batch = _batch()
    found = CloudySteps(normalisation, p=0.5, most=0.4)(batch, torch.Generator().manual_seed(1))
    changed = (found.x - batch.x).abs().amax(dim=2) > 1e-4
    assert not changed[~batch.valid].any()
    assert 0.03 < float(changed[batch.valid].float().mean()) < 0.2
    assert 0.2 < float(changed.any(dim=1).float().mean()) < 0.7
    assert float(found.x.max()) <= 1
    assert torch.equal(found.valid, batch.valid)


def test_a_thick_cloud_is_bright_and_darker_in_the_short_wave_infrared() -> None:
    batch = _batch(2000, reflectance=0.05)
    found = CloudySteps("sqrt", p=1.0, most=1.0)(batch, torch.Generator().manual_seed(1))
    reflectance = found.x**2
    thick = reflectance[..., 0] > 0.5
    assert thick.any()
    assert bool((reflectance[thick][:, 9] < reflectance[thick][:, 0]).all())
    bands = batch.bands
    assert bands is not None
    bands[..., 4] = False
    hidden = CloudySteps("sqrt", p=1.0, most=1.0)(batch._replace(x=batch.x * bands), torch.Generator().manual_seed(1))
    assert not hidden.x[..., 4].any()  # a band that is missing stays 0


def test_longer_steps_are_medians_dated_from_first_to_last() -> None:
    batch = _batch(400)
    x = torch.rand(400, 12, 10, generator=torch.Generator().manual_seed(2)) * batch.valid[..., None]
    found = LongerSteps(p=1.0)(batch._replace(x=x), torch.Generator().manual_seed(0))
    width = (found.calendar[:, 0, 1] - found.calendar[:, 0, 0]) * 12
    assert {round(float(value)) for value in width} == {2, 3}
    for count in (2, 3):
        i = int((width.round() == count).nonzero()[0, 0])
        seen = batch.valid[i, :count]
        assert torch.allclose(found.x[i, 0], x[i, :count][seen].nanmedian(dim=0).values)
        assert not found.valid[i, 12 // count :].any()
        assert torch.equal(found.valid[i, : 12 // count], batch.valid[i].view(-1, count).any(dim=1))
    assert found.valid.any(dim=1).all()


def test_shorter_steps_lie_within_the_longer_ones() -> None:
    batch = _batch()
    found = ShorterSteps(p=0.5)(batch, torch.Generator().manual_seed(0))
    changed = (found.calendar != batch.calendar).any(dim=-1).any(dim=-1)
    assert 0.4 < float(changed.float().mean()) < 0.6
    assert (found.calendar[..., 0] >= batch.calendar[..., 0] - 1e-6).all()
    assert (found.calendar[..., 1] <= batch.calendar[..., 1] + 1e-6).all()
    days = (found.calendar[changed, 0, 1] - found.calendar[changed, 0, 0]) * 365.25
    assert {round(float(value)) for value in days} == {1, 10}


def test_an_encoder_without_a_mask_by_band_gets_all_bands() -> None:
    batch = _batch()._replace(bands=None)
    assert places_augmentation("sqrt", band_dropout=0.0)(batch, torch.Generator().manual_seed(0)).bands is None
    masked = places_augmentation("sqrt", band_dropout=0.5)(_batch(), torch.Generator().manual_seed(0))
    assert masked.bands is not None
    assert 0.3 < float((~masked.bands.any(dim=1).all(dim=1)).float().mean()) < 0.7
