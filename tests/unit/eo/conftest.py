from __future__ import annotations

import numpy as np
import pytest

from timesenclip.eo import composite_kernel
from timesenclip.eo.composite_kernel import compiled


@pytest.fixture(params=["numba", "numpy"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways, whatever the size."""
    if request.param == "numba":
        if compiled() is None:
            pytest.skip("numba is not installed")
        monkeypatch.setattr(composite_kernel, "_WORTH_COMPILING", 0)
    else:
        monkeypatch.setattr(composite_kernel, "_WORTH_COMPILING", np.inf)
    return str(request.param)
