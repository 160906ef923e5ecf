"""Taxonomies: lists of classes with their names, synonyms, descriptive sentences, codes and colours.

A taxonomy is a YAML file, shipped or the user's own; both are read and checked in the same way.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from timesenclip.errors import DataNotFoundError, PromptError, TaxonomyError
from timesenclip.ground.tower import text_problem
from timesenclip.messages import cut_middle, show_value
from timesenclip.read_files import read_yaml

__all__ = [
    "BACKGROUND",
    "BACKGROUND_FILE",
    "TaxonClass",
    "Taxonomy",
    "as_taxonomy",
    "colour_cycle",
    "list_taxonomies",
    "load_taxonomy",
    "loose_name",
    "taxonomy_from_content",
    "taxonomy_from_phrases",
]

_SHIPPED = Path(__file__).parent / "taxonomies"
BACKGROUND = "background"
"""Name of the shipped list of general phrases, with which one phrase alone is compared."""
BACKGROUND_FILE = Path(__file__).with_name("background.yaml")
"""The file of that list; it is no class list for maps, and stands apart from those."""

# Okabe and Ito (2008) without black, then Tol's "muted" (2021): told apart with any common colour vision.
# fmt: off
_SAFE_COLOURS = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442",
    "#332288", "#88ccee", "#44aa99", "#117733", "#999933", "#ddcc77", "#cc6677", "#882255", "#aa4499",
)
# fmt: on


@dataclass(frozen=True, slots=True)
class TaxonClass:
    """One class of a taxonomy."""

    name: str
    """Name in maps and tables, such as `Cropland`."""
    synonyms: tuple[str, ...] = ()
    """Other names of the same thing."""
    prompts: tuple[str, ...] = ()
    """Descriptive sentences: how the class looks on the ground over the year."""
    code: str | None = None
    """Code in the source, such as `B11`."""
    colour: str = "#808080"
    """`#rrggbb` for maps and legends."""
    within: tuple[str, ...] = ()
    """Names of more general classes that hold wherever this one does; used where one phrase is asked alone."""


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """A list of classes; class i of K is value i + 1 in a map."""

    name: str
    """Short name, as in `load_taxonomy`."""
    title: str
    """One line for people to read."""
    source: str
    """Where the list comes from; empty for the user's own."""
    classes: tuple[TaxonClass, ...]
    """(K,) in map order."""

    def __len__(self) -> int:
        """Number of classes, K."""
        return len(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """(K,) class names."""
        return tuple(taxon.name for taxon in self.classes)

    @property
    def colours(self) -> tuple[str, ...]:
        """(K,) `#rrggbb`."""
        return tuple(taxon.colour for taxon in self.classes)


def _usable(text: str) -> str:
    problem = text_problem(text)
    if problem is not None:
        raise ValueError(problem)
    return text


_Text = Annotated[str, StringConstraints(strict=True, strip_whitespace=True, min_length=1), AfterValidator(_usable)]
_Colour = Annotated[str, StringConstraints(strict=True, pattern=r"^#[0-9a-fA-F]{6}$", to_lower=True)]


class _ClassEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: _Text
    code: _Text | None = None
    colour: _Colour | None = None
    synonyms: tuple[_Text, ...] = ()
    prompts: tuple[_Text, ...] = ()
    within: tuple[_Text, ...] = ()


class _TaxonomyFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: _Text
    title: _Text | None = None
    source: Annotated[str, StringConstraints(strict=True, strip_whitespace=True)] = ""
    classes: Annotated[tuple[_ClassEntry, ...], Field(min_length=1)]


def list_taxonomies() -> list[str]:
    """Names of the shipped taxonomies, sorted."""
    return sorted(path.stem for path in _SHIPPED.glob("*.yaml"))


def load_taxonomy(name: str | Path) -> Taxonomy:
    """Read a shipped taxonomy by name, or a YAML file.

    Args:
        name: one of `list_taxonomies()`, `background`, or the path of a `.yaml` file with `name` and `classes` (each
            with `name` and, if wished, `code`, `colour`, `synonyms`, `prompts`, `within`).

    Raises:
        TaxonomyError: the name is unknown (the nearest is suggested), or the file is broken (file, class and problem).
        DataNotFoundError: the path does not exist.
    """
    text = str(name)
    if not isinstance(name, Path) and not text.lower().endswith((".yaml", ".yml")):
        known = list_taxonomies()
        if text == BACKGROUND:
            return _read(BACKGROUND_FILE)
        if text not in known:
            near = difflib.get_close_matches(text.lower().replace("_", "-"), known, n=1, cutoff=0.5)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise TaxonomyError(
                f"Unknown taxonomy {show_value(text)}: expected one of {', '.join(known)}, or a path "
                f"ending in .yaml.{hint}"
            )
        return _read(_SHIPPED / f"{text}.yaml")
    path = Path(name).expanduser()
    if not path.is_file():
        raise DataNotFoundError(f"{path}: no such taxonomy file; correct the path, or use one of the shipped names.")
    return _read(path)


def taxonomy_from_phrases(phrases: Sequence[str], *, name: str = "phrases") -> Taxonomy:
    """Make a taxonomy of phrases, one class each, in distinct colours.

    Raises:
        PromptError: no phrase is given, one is empty, or one is given twice.
    """
    if isinstance(phrases, str):
        raise PromptError(
            f"One text was given ({show_value(phrases)}) where a list of phrases is expected; put it in brackets."
        )
    cleaned = [" ".join(phrase.split()) for phrase in phrases]
    if not cleaned:
        raise PromptError("No phrase is given; name at least one thing to look for.")
    for number, phrase in enumerate(cleaned, start=1):
        problem = text_problem(phrase)
        if problem is not None:
            raise PromptError(f"Phrase {number} of {len(cleaned)} {problem}; write what to look for, or remove it.")
    double = _first_duplicate([phrase.casefold() for phrase in cleaned])
    if double is not None:
        raise PromptError(f"Phrase {show_value(cleaned[double])} is given more than once; keep one.")
    colours = colour_cycle(len(cleaned))
    classes = tuple(TaxonClass(phrase, colour=colour) for phrase, colour in zip(cleaned, colours, strict=True))
    return Taxonomy(name=name, title="Phrases of the user", source="", classes=classes)


def as_taxonomy(what: Taxonomy | str | Path | Sequence[str]) -> Taxonomy:
    """Return a taxonomy as it is, load one by shipped name or YAML path, or make one of a list of phrases.

    Raises:
        TaxonomyError, DataNotFoundError: as `load_taxonomy`.
        PromptError: as `taxonomy_from_phrases`.
    """
    if isinstance(what, Taxonomy):
        return what
    return load_taxonomy(what) if isinstance(what, str | Path) else taxonomy_from_phrases(what)


def loose_name(name: str) -> str:
    """A class name without case, spaces, punctuation and the word `and`, for comparing names of different tables.

    `BlackSea` and `Black Sea` become one name, as do the names of professional services in Sen4Map and LUCAS.
    """
    return "".join(word for word in re.findall(r"\w+", name.casefold()) if word != "and")


def colour_cycle(count: int) -> tuple[str, ...]:
    """`count` distinct colours: sixteen for any common colour vision, then darker and lighter ones of these."""
    colours = []
    for i in range(count):
        base, lap = _SAFE_COLOURS[i % len(_SAFE_COLOURS)], i // len(_SAFE_COLOURS)
        towards = 0 if lap % 2 else 255
        share = 0.0 if lap == 0 else 1 - 0.68 ** ((lap + 1) // 2)
        channels = (int(base[k : k + 2], 16) for k in (1, 3, 5))
        colours.append("#" + "".join(f"{round(c + (towards - c) * share):02x}" for c in channels))
    return tuple(colours)


def _read(path: Path) -> Taxonomy:
    return taxonomy_from_content(read_yaml(path, what="taxonomy file", error=TaxonomyError), name=str(path))


def taxonomy_from_content(content: object, *, name: str) -> Taxonomy:
    """Check the content of a file, and make a taxonomy of it.

    Args:
        content: what was read.
        name: name of the file, for messages.

    Raises:
        TaxonomyError: class, field and problem.
    """
    if not isinstance(content, dict):
        raise TaxonomyError(f"{name}: holds {_describe(content)}; expected the keys name, title, source and classes.")
    try:
        parsed = _TaxonomyFile.model_validate(content)
    except ValidationError as error:
        raise TaxonomyError(f"{name}: {_explain(error, content)}") from error
    _refuse_duplicates(name, parsed.classes)
    _refuse_unknown_general(name, parsed.classes)
    colours = colour_cycle(len(parsed.classes))
    classes = tuple(
        TaxonClass(entry.name, entry.synonyms, entry.prompts, entry.code, entry.colour or colour, entry.within)
        for entry, colour in zip(parsed.classes, colours, strict=True)
    )
    return Taxonomy(parsed.name, parsed.title or parsed.name, parsed.source, classes)


def _refuse_duplicates(name: str, classes: Sequence[_ClassEntry]) -> None:
    double = _first_duplicate([entry.name.casefold() for entry in classes])
    if double is not None:
        raise TaxonomyError(
            f"{name}: class {show_value(classes[double].name)} is given more than once; keep one, or rename it."
        )
    owner = {entry.name.casefold(): entry.name for entry in classes}
    for entry in classes:
        for synonym in entry.synonyms:
            other = owner.setdefault(synonym.casefold(), entry.name)
            if other != entry.name:
                raise TaxonomyError(
                    f"{name}: class {show_value(entry.name)}: synonym {show_value(synonym)} already belongs to "
                    f"class {show_value(other)}; keep one."
                )


def _refuse_unknown_general(name: str, classes: Sequence[_ClassEntry]) -> None:
    """Refuse a `within` that names no class of the list, or leads back to the class itself."""
    above = {entry.name: entry.within for entry in classes}
    for entry in classes:
        seen, waiting = {entry.name}, list(entry.within)
        while waiting:
            general = waiting.pop()
            if general not in above:
                raise TaxonomyError(
                    f"{name}: class {show_value(entry.name)}: `within` names {show_value(general)}, which is no class "
                    "of this list; correct it."
                )
            if general == entry.name:
                raise TaxonomyError(f"{name}: class {show_value(entry.name)} lies within itself; correct `within`.")
            if general not in seen:
                seen.add(general)
                waiting += above[general]


def _first_duplicate(keys: Sequence[str]) -> int | None:
    seen: set[str] = set()
    for i, key in enumerate(keys):
        if key in seen:
            return i
        seen.add(key)
    return None


def _explain(error: ValidationError, content: dict[str, Any]) -> str:
    """The first problem in one line: class, field, what is wrong, value seen, what to do."""
    first = error.errors()[0]
    location = list(first["loc"])
    prefix = ""
    if location[:1] == ["classes"] and len(location) > 1:
        number = int(location[1])
        entry = content["classes"][number]
        label = f" {show_value(entry['name'])}" if isinstance(entry, dict) and entry.get("name") else ""
        prefix = f"class {number + 1}{label}: "
        location = location[2:]
    field = ".".join(str(part + 1) if isinstance(part, int) else str(part) for part in location)
    if first["type"] == "missing":
        return f"{prefix}`{field}` is missing; add it."
    if first["type"] == "extra_forbidden":
        return f"{prefix}unknown key `{cut_middle(field, 60)}`; remove it or correct the spelling."
    hint = "correct it"
    if first["type"] == "string_type":
        hint = "put it in quotes (YAML reads NO as false, 10 as a number and # as a comment)"
    elif first["type"] == "string_pattern_mismatch":
        hint = 'write a colour as "#rrggbb"'
    said = str(first["msg"]).removeprefix("Value error, ")
    return f"{prefix}`{field or 'entry'}` is {show_value(first['input'], 60)}: {said[:1].lower()}{said[1:]}; {hint}."


def _describe(content: object) -> str:
    return "nothing" if content is None else f"a {type(content).__name__}"
