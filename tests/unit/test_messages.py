"""Messages of other libraries in one line; lists cut short."""

from __future__ import annotations

from timesenclip import messages


def test_a_reason_is_one_line_cut_at_a_word() -> None:
    assert messages.reason_of(ValueError("no\n  such   file")) == "no such file"
    assert messages.reason_of(ValueError("one two three four"), 13) == "one two ..."
    assert messages.reason_of(KeyError()) == "KeyError"
