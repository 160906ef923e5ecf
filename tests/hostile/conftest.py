"""One pool of warm processes for all tests of a session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .runner import Pool


@pytest.fixture(scope="session")
def hostile_pool() -> Iterator[Pool]:
    """A warm process; it is patient, for the machine may be busy with other tests."""
    with Pool(workers=1, patience=3) as pool:
        yield pool
