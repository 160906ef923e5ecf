from __future__ import annotations

import sys
from pathlib import Path

import pytest

from timesenclip import doctor


@pytest.fixture
def torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Installs a stand-in for torchvision whose module body is the given code."""

    def install(body: str) -> None:
        (tmp_path / "torchvision.py").write_text(body, encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)

    yield install
    sys.modules.pop("torchvision", None)


def test_broken_torchvision_is_found_and_the_remedy_named(torchvision):
    torchvision("raise RuntimeError('operator torchvision::nms does not exist')")
    check = doctor._torchvision()
    assert check.status == "failed"
    assert "torchvision::nms" in check.detail
    assert check.remedy == "pip uninstall torchvision"


def test_working_torchvision_is_left_alone(torchvision):
    torchvision("")
    assert doctor._torchvision().status == "ok"


def test_folder_that_cannot_be_written_fails(tmp_path: Path):
    assert doctor._writable(tmp_path).status == "ok"
    assert doctor._writable(tmp_path / "absent").status == "failed"


def test_broken_weights_are_a_finding_not_a_crash(monkeypatch: pytest.MonkeyPatch):
    def broken() -> None:
        raise RuntimeError("header too large")

    monkeypatch.setattr("timesenclip.model.checkpoint.load", broken)
    check = doctor._checkpoint()
    assert check.status == "failed"
    assert "header too large" in check.detail


def test_this_installation_is_sound(tmp_path: Path):
    findings = {check.name: check for check in doctor.diagnose(out=tmp_path)}
    assert [name for name, check in findings.items() if check.status == "failed"] == []
    assert "torch" in findings["versions"].detail
