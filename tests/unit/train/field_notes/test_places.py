"""Places to train on."""

from __future__ import annotations

import pytest

from timesenclip.train.field_notes.places import cover_shares


def test_shares_favour_no_group_for_its_number_of_covers() -> None:
    assert cover_shares().sum() == pytest.approx(1.0)
