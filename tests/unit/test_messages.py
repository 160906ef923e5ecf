"""Messages of other libraries in one line; lists cut short."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from timesenclip import messages


def test_a_reason_is_one_line_cut_at_a_word() -> None:
    assert messages.shorten_error(ValueError("no\n  such   file")) == "no such file"
    assert messages.shorten_error(ValueError("one two three four"), 13) == "one two ..."
    assert messages.shorten_error(KeyError()) == "KeyError"


def test_a_list_is_cut_and_counted() -> None:
    assert messages.list_some(["a", "b", "c"]) == "a; b; c"
    assert messages.list_some(["a", "b", "c", "d", "e"]) == "a; b; c and 2 more"
    assert messages.list_some(("a", "b", "c"), 1, separator=", ") == "a and 2 more"
    assert messages.list_some([]) == ""


class _Optimiser(BaseModel):
    model_config = ConfigDict(extra="forbid")
    learning_rate: float = 0.1


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")
    epochs: int
    optimiser: _Optimiser = _Optimiser()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            {"epochs": 1, "optimiser": {"learning_rat": 1}},
            "`optimiser.learning_rat` is no setting; did you mean `learn",
        ),
        ({"epochs": 1, "xyz": 1}, "`xyz` is no setting; remove it."),
        ({}, "`epochs` is missing; add it."),
        ({"epochs": "many"}, "(given: 'many')."),
    ],
)
def test_the_first_mistake_names_the_key(content: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        _Settings.model_validate(content)
    assert said in messages.first_validation_error(caught.value, _Settings)
