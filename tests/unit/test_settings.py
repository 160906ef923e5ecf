from __future__ import annotations

import pytest

from timesenclip.errors import InputError
from timesenclip.settings import settings


@pytest.fixture(autouse=True)
def fresh():
    settings.cache_clear()
    yield
    settings.cache_clear()


def test_environment_sets_defaults(monkeypatch: pytest.MonkeyPatch):
    assert settings().checkpoint == "default"
    settings.cache_clear()
    monkeypatch.setenv("TIMESENCLIP_CHECKPOINT", "local-dir:/models/mine")
    monkeypatch.setenv("TIMESENCLIP_THREADS", "3")
    assert (settings().checkpoint, settings().threads) == ("local-dir:/models/mine", 3)


def test_a_bad_value_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TIMESENCLIP_THREADS", "many")
    with pytest.raises(InputError, match=r"TIMESENCLIP_THREADS='many': .*integer"):
        settings()
