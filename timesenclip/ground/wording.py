"""Check that a tower can read what is asked: no negation, and words that it knows."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence

from timesenclip.errors import DegradedInputWarning, PromptError
from timesenclip.ground.compact import CompactTextTower
from timesenclip.ground.english import nearest_words, read_words
from timesenclip.ground.negation import absent_thing
from timesenclip.ground.taxonomy import TaxonClass, Taxonomy
from timesenclip.ground.tower import GroundTower
from timesenclip.messages import show_value

__all__ = ["check_templates", "check_wording"]

_NEGATION = re.compile(
    r"^(?:[-\u2212\u2013!~\xac]\s*|(?:no|not|non|without|never|lacking|minus|except|any|a|an|the)\b[- ]?)+"
)


def check_wording(taxonomy: Taxonomy, tower: GroundTower) -> None:
    """Refuse names that ask for what is not there and, for a tower that knows English only, names in other languages.

    Sentences that describe a class are not checked.

    Raises:
        PromptError: a name or synonym asks for the absence of a thing, or a name has no English word that says anything
            and nothing else describes the class.

    Warns:
        DegradedInputWarning: some words of a name or synonym are not English.
    """
    for taxon in taxonomy.classes:
        for text in (taxon.name, *taxon.synonyms):
            _refuse_absence(text, taxon)
    if isinstance(tower, CompactTextTower) and tower.language == "en":
        for taxon in taxonomy.classes:
            for text in (taxon.name, *taxon.synonyms):
                _check_english(text, taxon, tower.name)


def check_templates(templates: str | Sequence[str]) -> None:
    """Refuse sentences of the user's own that ask for what is not there ("no {name}").

    Raises:
        PromptError: names the sentence.
    """
    for template in (templates,) if isinstance(templates, str) else templates:
        if "{" in template and absent_thing(template.replace("{a name}", "a forest").replace("{name}", "forest")):
            raise PromptError(
                f"Template {show_value(template)} asks for what is not there; it would be read as the thing itself, "
                "write it without a negation."
            )


def _refuse_absence(text: str, taxon: TaxonClass) -> None:
    thing = absent_thing(text, described=bool(taxon.prompts))
    if thing is not None:
        named = _NEGATION.sub("", thing)
        raise PromptError(
            f"{show_value(text)} asks for what is not there, and a phrase is read as the things that it names; ask for "
            f"{show_value(named)} alone: where it does not fit, the answer is unknown."
        )


def _check_english(text: str, taxon: TaxonClass, tower: str) -> None:
    reading = read_words(text)
    if not reading.unknown:
        return
    listed = ", ".join(show_value(word) + _nearest(word) for word in reading.unknown[:4])
    more = ", ..." if len(reading.unknown) > 4 else ""
    found = f"Tower '{tower}' reads English only and does not know {listed}{more}"
    found += "" if reading.unknown == (text,) else f" in {show_value(text)}"
    if reading.says_nothing and not taxon.prompts and not (text == taxon.name and taxon.synonyms):
        raise PromptError(f"{found}; ask in English, such as 'maize field'.")
    warnings.warn(f"{found}; what it makes of them says little.", DegradedInputWarning, stacklevel=4)


def _nearest(word: str) -> str:
    near = nearest_words(word)
    return f" (nearest known: {', '.join(near)})" if near else ""
