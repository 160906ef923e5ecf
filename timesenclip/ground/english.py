"""Which words are English: for towers that know no other language, yet read any Latin letters as pieces.

The list is english_words.txt.gz, made by scripts/build-english-words. It tells English words from others; whether a
word says anything about the ground is another question.
"""

from __future__ import annotations

import difflib
import gzip
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["Reading", "nearest_words", "read_words", "stems"]

_FILE = Path(__file__).with_name("english_words.txt.gz")
_SHORT_WORDS = "a an as at be by do eu go ha he if in is it km me my no of on or ox re so to uk up us we"
_EMPTY_WORDS = """
the and with for from its are was were has have this that these those other into over under near some any all very
photo photos photograph image images picture satellite aerial
land field fields area areas cover covered use used class type types region ground surface scene place
"""
_SHORT = frozenset(_SHORT_WORDS.split())
"""The English words of up to two letters."""
_EMPTY = _SHORT | frozenset(_EMPTY_WORDS.split())
"""Words that say nothing about what is there."""
_LEAST_PART = 4


@dataclass(frozen=True, slots=True)
class Reading:
    """The words of a text, as a tower for English reads them."""

    unknown: tuple[str, ...]
    """Words that are not English, as they were written."""
    known: tuple[str, ...]
    """English words that say something."""
    land: tuple[str, ...]
    """Those of them that name something on the land."""

    @property
    def says_nothing(self) -> bool:
        """Whether the unknown words carry the meaning: none names a thing on the land, and few are English at all."""
        return bool(self.unknown) and not self.land and len(self.unknown) >= len(self.known)


def read_words(text: str) -> Reading:
    """Sort the words of a text into English and others; what has digits, or one letter, is no word."""
    words, land = _lists()
    unknown, known, of_land = [], [], []
    for word in re.findall(r"[^\W_]+(?:['\u2019][^\W_]+)*", text):
        plain = _plain(word)
        if len(plain) == 1 or any(char.isdigit() for char in word) or plain in _EMPTY:
            continue
        if not _is_english(plain, words):
            unknown.append(word)
            continue
        known.append(word)
        if plain in land or any(stem in land for stem in stems(plain)):
            of_land.append(word)
    return Reading(tuple(dict.fromkeys(unknown)), tuple(known), tuple(of_land))


def nearest_words(word: str, most: int = 3) -> list[str]:
    """Words of the land that are spelt most like a word, the nearest first."""
    return difflib.get_close_matches(_plain(word), sorted(_lists()[1]), n=most, cutoff=0.5)


def stems(word: str) -> Iterator[str]:
    """What a word may be a form of: its singular, or the verb."""
    for ending, instead in (("ies", "y"), ("es", ""), ("s", ""), ("ed", ""), ("ed", "e"), ("ing", ""), ("ing", "e")):
        if word.endswith(ending) and len(word) - len(ending) > 2:
            yield word.removesuffix(ending) + instead


@cache
def _lists() -> tuple[frozenset[str], frozenset[str]]:
    """All words, and those of the land."""
    lines = gzip.decompress(_FILE.read_bytes()).decode().split()
    return frozenset(line.rstrip("*") for line in lines), frozenset(line[:-1] for line in lines if line.endswith("*"))


def _is_english(word: str, words: frozenset[str]) -> bool:
    if word in words or word in _SHORT or any(stem in words for stem in stems(word)):
        return True
    # A compound: `cornfield`, `lakeshore`.
    cuts = range(_LEAST_PART, len(word) - _LEAST_PART + 1)
    return any(word[:cut] in words and (word[cut:] in words or word[cut:-1] in words) for cut in cuts)


def _plain(word: str) -> str:
    """A word as the tower reads it: lower case, without accents and possessive."""
    letters = unicodedata.normalize("NFD", word.casefold())
    return re.sub(r"['\u2019]s?$|['\u2019]", "", "".join(char for char in letters if not unicodedata.combining(char)))
