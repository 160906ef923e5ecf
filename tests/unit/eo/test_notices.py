from __future__ import annotations

import pickle
import warnings

import pytest

from timesenclip.eo.notices import MaskNotice
from timesenclip.errors import DegradedInputWarning


def test_a_missing_scl_is_warned_of_once_by_an_area_and_its_copies() -> None:
    warning = MaskNotice()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):  # raised as an error it is raised again
            with pytest.raises(DegradedInputWarning, match="area has no SCL, so clouds are not masked"):
                warning.give("area")
    with pytest.warns(DegradedInputWarning, match="area has no SCL") as given:
        warning.give("area", stacklevel=1)
    assert given[0].filename == __file__
    pickle.loads(pickle.dumps(warning)).give("area")  # silent
    warning.give("area")
