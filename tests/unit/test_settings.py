from __future__ import annotations

import re
from pathlib import Path

import pytest

import timesenclip
from timesenclip.errors import InputError
from timesenclip.settings import hub_is_offline, settings


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


@pytest.mark.parametrize(("value", "offline"), [(None, False), ("", False), ("0", False), ("1", True), ("yes", True)])
def test_the_hub_is_offline_where_its_variable_says_so(value: str | None, offline: bool, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    if value is not None:
        monkeypatch.setenv("HF_HUB_OFFLINE", value)
    assert hub_is_offline() is offline


def test_no_other_module_reads_the_environment_but_the_one_that_hides_its_secrets():
    package = Path(timesenclip.__file__).parent
    reading = {path.name for path in package.rglob("*.py") if re.search(r"\benviron\b|\bgetenv\b", path.read_text())}
    assert reading == {"settings.py", "credentials.py"}
