"""Places to train on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from timesenclip.errors import InputError
from timesenclip.testing import random_series
from timesenclip.train.field_notes.notes import everyday_group, kinds_of_place
from timesenclip.train.field_notes.places import GROUP_SHARES, Places, cover_shares, exact_mixture, group_weights


def _places(count: int, **changes: object) -> Places:
    series = replace(random_series(count), **changes)  # type: ignore[arg-type]
    kinds = [kinds_of_place()[i % 5] for i in range(count)]
    return Places.of(series, exact_mixture(kinds), [None] * count, normalisation="sqrt", hemisphere_shift=True)


def test_shares_favour_no_group_for_its_number_of_covers() -> None:
    assert cover_shares().sum() == pytest.approx(1.0)


def test_places_keep_which_bands_were_seen() -> None:
    bands = np.ones((6, 12, 10), dtype=np.bool_)
    bands[:3, :, 3:7] = False
    places = _places(6, band_valid=bands, valid=np.ones((6, 12), dtype=np.bool_))
    masked = places.encoder_input(band_mask=True)
    assert masked.bands is not None
    assert not masked.x[~masked.bands].any()
    assert masked.valid.all()
    assert places.encoder_input(band_mask=False).valid.any(dim=1).tolist() == [False] * 3 + [True] * 3


def test_joined_places_are_padded_with_missing_steps() -> None:
    one, other = _places(3), _places(2)
    short = Places(
        other.x[:, :4],
        other.calendar[:, :4],
        other.valid[:, :4],
        other.bands[:, :4],
        other.mixture,
        other.likely,
        other.features,
        other.climate,
    )
    both = one + short
    assert both.x.shape == (5, 12, 10)
    assert not both.valid[3:, 4:].any()
    assert not both.bands[3:, 4:].any()
    again = both.take(torch.tensor([4, 4, 0]))
    assert torch.equal(again.mixture, both.mixture[[4, 4, 0]])
    assert again.climate == (None,) * 3
    with pytest.raises(InputError, match="Cannot pad"):
        both._padded(4)


def test_groups_are_drawn_by_their_shares_whatever_their_numbers() -> None:
    kinds = ["any woodland"] * 9000 + ["any grassland"] * 3000 + ["maize"] * 1500 + ["any water"] * 20
    mixture = torch.from_numpy(exact_mixture(kinds))
    weights = group_weights(mixture, torch.ones(len(kinds)))
    mass = {
        group: float(weights[[everyday_group(kind) == group for kind in kinds]].sum())
        for group in ("woodland", "grassland", "crops", "water")
    }
    assert mass["woodland"] / mass["grassland"] == pytest.approx(
        GROUP_SHARES["woodland"] / GROUP_SHARES["grassland"], rel=0.1
    )
    assert mass["water"] < 0.2 * mass["crops"]  # twenty places are not repeated without end
