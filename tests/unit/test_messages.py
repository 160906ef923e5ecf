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


def test_what_a_terminal_obeys_or_does_not_show_becomes_text() -> None:
    text = "a\x1b[31m\n\x9b\u202e\u200b\ud800 é 日本\u3000👍"
    assert messages.visible(text) == "a\\x1b[31m\\n\\x9b\\u202e\\u200b\\ud800 é 日本\u3000👍"
    assert messages.visible("") == ""


def test_a_text_is_cut_in_the_middle() -> None:
    assert messages.cut_middle("short", 10) == "short"
    cut = messages.cut_middle("beginning " + "x" * 100 + " what to do", 40)
    assert len(cut) == 40
    assert cut.startswith("beginning ")
    assert cut.endswith(" what to do")


@pytest.mark.parametrize(
    "value", ["\x1b" * 1000, 10**5000, list(range(1000)), {"a" * 500: 1}, "x" * 10**6, None], ids=range(6)
)
def test_a_value_is_shown_in_eighty_visible_characters(value: object) -> None:
    shown = messages.show_value(value)
    assert 0 < len(shown) <= 80
    assert shown.isprintable()


def test_a_short_value_is_shown_as_python_writes_it() -> None:
    assert messages.show_value("it's") == repr("it's")
    assert messages.show_value(3.5) == "3.5"
    assert messages.show_value(["https://u:p@h"]) == "['https://...@h']"


def test_a_credential_is_not_cut_in_two() -> None:
    text = "x" * 150 + " https://h/a?sig=CANARY" + "y" * 100
    assert "CANARY" not in messages.shorten_error(ValueError(text))
    assert "CANARY" not in messages.show_value("x" * 60 + "https://h/a?sig=CANARY")
    assert "CANARY" not in messages.one_line(text)


def test_a_line_has_no_break_and_no_more_than_four_hundred_characters() -> None:
    assert messages.one_line(" a\n\t b\x1b ") == "a b\\x1b"
    assert len(messages.one_line("x" * 10_000)) == messages.LONGEST_LINE == 400
