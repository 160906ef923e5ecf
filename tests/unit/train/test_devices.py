"""What a CPU computes in."""

from __future__ import annotations

import logging

import pytest

from timesenclip.train.devices import make_fabric, precision_on_cpu


def test_a_cpu_computes_in_half_precision_only_where_that_is_no_slower(caplog: pytest.LogCaptureFixture) -> None:
    assert precision_on_cpu("32-true") == "32-true"
    with caplog.at_level(logging.WARNING):
        found = precision_on_cpu("16-mixed")
    assert found in ("bf16-mixed", "32-true")
    assert ("training in 32-true, not in 16-mixed" in caplog.text) == (found == "32-true")


@pytest.mark.filterwarnings("ignore")
def test_one_process_is_the_first() -> None:
    fabric = make_fabric("cpu", 1, "32-true")
    assert (fabric.global_rank, fabric.world_size) == (0, 1)
    assert str(fabric.strategy.precision.precision) == "32-true"


def test_nothing_is_said_of_the_precision(capfd: pytest.CaptureFixture[str]) -> None:
    import lightning.fabric  # which sets the level

    logger = logging.getLogger(lightning.fabric.__name__)
    level = logger.level
    make_fabric("cpu", 1, "bf16-mixed")
    assert "Precision" not in capfd.readouterr().err
    assert logger.level == level
