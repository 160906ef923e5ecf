"""Class names to text prompts (`prompts_for`) and prompts to one text vector for each class.

The templates are in templates.yaml; synonyms and descriptive sentences come from the taxonomy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
import yaml
from numpy.typing import NDArray

from timesenclip.errors import PromptError
from timesenclip.ground.taxonomy import TaxonClass, Taxonomy
from timesenclip.ground.tower import GroundTower, text_problem
from timesenclip.ground.wording import check_templates, check_wording
from timesenclip.messages import show_value

__all__ = ["DEFAULT", "DESCRIPTIVE", "class_vectors", "load_templates", "prompts_for", "template_sets"]

DEFAULT = "default"
"""The class name, its synonyms, and its descriptive sentences where it has any."""
DESCRIPTIVE = "descriptive"
"""The descriptive sentences alone, as in the paper's headline results."""

_FILE = Path(__file__).with_name("templates.yaml")


@cache
def load_templates() -> Mapping[str, tuple[str, ...]]:
    """The template sets of templates.yaml: name -> templates with `{name}` or `{a name}`."""
    content = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return MappingProxyType({key: tuple(templates) for key, templates in content.items()})


def template_sets() -> tuple[str, ...]:
    """Names of the template sets, the default first."""
    return (DEFAULT, DESCRIPTIVE, *load_templates())


def prompts_for(taxon: TaxonClass, templates: str | Sequence[str] = DEFAULT) -> list[str]:
    """The prompts of a class, without duplicates, in a fixed order.

    Args:
        taxon: the class.
        templates: a set's name (`default`, `descriptive`, `name`, `generic`, `land-cover`, ...), or the user's own
            template or list of templates, each with `{name}` or `{a name}`.

    Raises:
        PromptError: the set is unknown, a template lacks `{name}`, a prompt is empty, or the class has no descriptive
            sentences and `templates` is `descriptive`.
    """
    if isinstance(templates, str) and templates == DEFAULT:
        texts = [taxon.name, *taxon.synonyms, *taxon.prompts]
    elif isinstance(templates, str) and templates == DESCRIPTIVE:
        texts = list(taxon.prompts)
        if not texts:
            raise PromptError(
                f"Class '{taxon.name}' has no descriptive prompts; add `prompts` to it, or use '{DEFAULT}'."
            )
    else:
        texts = [_fill(template, taxon.name) for template in _templates(templates)]
    texts = [text.strip() for text in texts]
    if "" in texts:
        raise PromptError(f"Class {show_value(taxon.name)} has an empty prompt; write it, or remove it.")
    for text in texts:
        problem = text_problem(text)
        if problem is not None:
            raise PromptError(f"A prompt of class {show_value(taxon.name)} {problem}; correct it.")
    return list(dict.fromkeys(texts))


def class_vectors(
    taxonomy: Taxonomy, tower: GroundTower, templates: str | Sequence[str] = DEFAULT
) -> NDArray[np.float32]:
    """One unit vector for each class: the mean of the unit vectors of its prompts, normalised.

    Each prompt is encoded once; compute the vectors once and use them for every batch.

    Args:
        taxonomy: K classes.
        tower: the tower that the checkpoint was trained with.
        templates: as in `prompts_for`.

    Returns:
        (K, D) float32.

    Raises:
        PromptError: as `prompts_for` and `timesenclip.ground.wording.check_wording`, or the tower knows no word of a
            prompt, or the prompts of a class sum to zero.

    Warns:
        DegradedInputWarning: as `check_wording`.

    Source: the authors' zeroshot.py: the mean of the unit vectors of a class's prompts, normalised again
    (arXiv 2508.11919 averages prompts too).
    """
    prompts = [prompts_for(taxon, templates) for taxon in taxonomy.classes]
    if templates != DESCRIPTIVE:
        check_templates(templates)
        check_wording(taxonomy, tower)
    unique = list(dict.fromkeys(text for texts in prompts for text in texts))
    row = {text: i for i, text in enumerate(unique)}
    vectors = tower.encode_text(unique)  # (P, D)
    means = np.stack([vectors[[row[text] for text in texts]].mean(axis=0) for texts in prompts])  # (K, D)
    length = np.linalg.norm(means, axis=1, keepdims=True)  # (K, 1)
    if (length < 1e-6).any():
        taxon = taxonomy.classes[int(np.argmin(length))]
        raise PromptError(f"The prompts of class '{taxon.name}' cancel out; describe one thing with them.")
    return np.asarray(means / length, dtype=np.float32)


def _templates(templates: str | Sequence[str]) -> Sequence[str]:
    if not isinstance(templates, str):
        if not templates:
            raise PromptError("The list of templates is empty; give at least one, such as 'a photo of {name}.'.")
        return templates
    if "{" in templates:
        return [templates]
    known = load_templates()
    if templates not in known:
        raise PromptError(
            f"Unknown template set {show_value(templates)}: expected one of {', '.join(template_sets())}, or a "
            "sentence with {name} in it."
        )
    return known[templates]


def _fill(template: str, name: str) -> str:
    # No str.format: `{name.__class__}` in a user's file would reach into the program.
    filled = re.sub(r"\{a name\}|\{name\}", lambda at: f"{_article(name)} {name}" if "a " in at[0] else name, template)
    if filled == template:
        raise PromptError(
            f"Template {show_value(template)} has no place for the class; write {{name}} where it belongs."
        )
    return filled


def _article(name: str) -> str:
    return "an" if name[:1].lower() in "aeiou" else "a"
