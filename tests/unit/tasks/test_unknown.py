from __future__ import annotations

import pytest

from timesenclip.errors import InputError
from timesenclip.model.checkpoint_config import Calibration
from timesenclip.tasks.unknown import calibration_for

OWN = Calibration(temperature=0.1, unknown_score=0.3, fitted=True)


def test_the_rule_of_the_checkpoint_holds_unless_another_is_given() -> None:
    assert calibration_for(OWN) is OWN
    assert calibration_for(OWN, 0.2) == Calibration(temperature=0.1, unknown_score=0.2, fitted=True)
    assert calibration_for(OWN, answer_all=True) == Calibration(temperature=0.1, unknown_score=None, fitted=True)
    assert calibration_for(OWN, answer_all=True, classes=2).unknown_score is None


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"unknown_below": 0.2, "answer_all": True}, r"unknown_below 0.2 .* was given with answer_all"),
        ({"answer_all": True, "classes": 1}, "with one phrase would give it to every point; give two phrases"),
    ],
)
def test_rules_that_make_no_sense_are_refused(given: dict, line: str) -> None:
    with pytest.raises(InputError, match=line):
        calibration_for(OWN, **given)
