"""Phrases that ask for the absence of a thing: `no maize`, `without trees`, `-water`.

Towers read a phrase as the things it names: "no trees" lies close to "trees". A phrase that asks for what is not there
is therefore refused, and never read as the thing itself. A negation that only describes something else stays: `no-till
field`, `non-irrigated arable land`, `areas not in use`.
"""

from __future__ import annotations

import re

__all__ = ["absent_thing"]

_DASHES = "\\-\u2212\u2013!~\xac"
_SIGN = re.compile(rf"^\s*[{_DASHES}]\s*(?=[^\W\d_])|(?<=\s)[{_DASHES}](?=[^\W\d_])")
"""A sign at the beginning, or one that hangs on the word behind it; a dash between words has spaces on both sides."""
_ALWAYS = re.compile(
    r"\b(?:neither|nor(?!['\u2019])|none|nothing|nowhere|minus|lacking|lacks?(?= )|lack of|except(?:ing)?"
    r"|exclud(?:e|es|ing)|without any|devoid of|absence of|absent|free (?:of|from)|other than|rather than"
    r"|apart from|instead of"
    r"|(?:any|every)(?:thing|where)? but|all but|anything else|\w+n['\u2019]t)\b"
)
_MAYBE = re.compile(r"\b(?:no|not|without|never|non)(?:\b[- ]?|$)")
_PASSED_OVER_WORDS = "a an the any current currently more longer much many yet very really so being in under of"
_STATE_WORDS = """
use used usage till tillage tilled plough plow ploughing management man man's name mown sown grown cut burnt built
only far known fully entirely
"""
_GENERIC_WORDS = """
land lands area areas field fields ground place places region site sites cover covered is are and
"""
_PASSED_OVER = frozenset(_PASSED_OVER_WORDS.split())
"""Words between a negation and what it negates."""
_STATES = frozenset(_STATE_WORDS.split())
"""What is negated of something else: a state, and no thing that lies on the ground."""
_STATE_ENDINGS = (
    "ed",
    "ing",
    "al",
    "ous",
    "ive",
    "ent",
    "ant",
    "ic",
    "ary",
    "ile",
    "able",
    "ible",
    "woody",
    "built-up",
)
_GENERIC = frozenset(_GENERIC_WORDS.split())
"""Words for a place that name nothing on it."""


def absent_thing(phrase: str, *, described: bool = False) -> str | None:
    """What a phrase asks the absence of, as written there ("no maize"); None if it asks for nothing absent.

    Args:
        phrase: a phrase, or the name of a class.
        described: whether sentences of its own describe the class; a negation within its name then only narrows it
            ("Shrubland without tree cover").
    """
    text = " ".join(phrase.casefold().split())
    sign = _SIGN.search(text)
    if sign:
        return text[sign.start() :].strip()
    always = _ALWAYS.search(text)
    if always and not (described and always.start() > 0):
        return text[always.start() :]
    for found in _MAYBE.finditer(text):
        if (described and found.start() > 0) or _describes(text[: found.start()], text[found.end() :]):
            continue
        return text[found.start() :]
    return None


def _describes(before: str, after: str) -> bool:
    """Whether a negation only describes something else: what it negates is a state, and there is a thing beside it."""
    words = re.findall(r"[^\W_]+(?:[-'\u2019][^\W_]+)*", after)
    while words and words[0] in _PASSED_OVER:
        words.pop(0)
    if not words:
        return True  # negates nothing: "no", "non"
    negated, rest = words[0], words[1:]
    state = negated in _STATES or negated.endswith(_STATE_ENDINGS) or negated.split("-")[0] in _STATES
    beside = [word for word in (*re.findall(r"[^\W_]+", before), *rest) if word not in _GENERIC | _PASSED_OVER]
    return state and (bool(beside) or negated in _STATES)
