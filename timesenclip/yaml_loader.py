"""PyYAML's safe loader with limits: no anchors, aliases, tags or merge keys, and nothing that grows beyond its text.

`read_files.py` imports it when a YAML file is read; it is a module of its own since PyYAML is slow to import.
"""

from __future__ import annotations

import math
from typing import Any

import yaml
from yaml.composer import Composer, ComposerError
from yaml.constructor import ConstructorError, SafeConstructor
from yaml.events import AliasEvent
from yaml.resolver import Resolver

from timesenclip.messages import show_value

__all__ = ["DEEPEST", "LONGEST_NUMBER", "LimitedLoader"]

DEEPEST = 64
"""How many lists and mappings may lie within each other."""
LONGEST_NUMBER = 100
"""Most digits of a number: it then fits a float."""

_PREFIX = "tag:yaml.org,2002:"

if yaml.__with_libyaml__:
    from yaml._yaml import CParser

    class _Base(Composer, CParser, SafeConstructor, Resolver):
        """PyYAML's composer on libyaml's events: libyaml's own composer has no place for the limits."""

        def __init__(self, stream: str) -> None:
            Composer.__init__(self)
            CParser.__init__(self, stream)
            SafeConstructor.__init__(self)
            Resolver.__init__(self)
else:
    _Base = yaml.SafeLoader  # type: ignore[assignment, misc]


class LimitedLoader(_Base):
    """The `Loader` of `yaml.load`; what it refuses is a `yaml.MarkedYAMLError`, which names the line."""

    def __init__(self, stream: str) -> None:
        """Begin at the start of a text."""
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """The next node; called for each node within it in turn."""
        event: Any = self.peek_event()
        if isinstance(event, AliasEvent) or event.anchor is not None:
            raise ComposerError(None, None, "anchors (&) and aliases (*) are not read: write it out", event.start_mark)
        if event.tag is not None:
            raise ComposerError(None, None, f"tags such as {show_value(event.tag)} are not read", event.start_mark)
        if self._depth > DEEPEST:
            raise ComposerError(None, None, f"lists and mappings lie more than {DEEPEST} deep", event.start_mark)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """The value of a node."""
        number = node.tag in (_PREFIX + "int", _PREFIX + "float")
        if number and len(node.value) > LONGEST_NUMBER:
            problem = f"a number of {len(node.value):,} characters; at most {LONGEST_NUMBER} are read"
            raise ConstructorError(None, None, problem, node.start_mark)
        try:
            value = super().construct_object(node, deep)
        except (ValueError, OverflowError) as error:  # 2018-02-31 has the form of a date
            problem = f"{show_value(node.value)}: {error}; put it in quotes if it is text"
            raise ConstructorError(None, None, problem, node.start_mark) from error
        if isinstance(value, float) and not math.isfinite(value):
            raise ConstructorError(None, None, f"{show_value(node.value)} is not a finite number", node.start_mark)
        return value

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """A mapping; a key that is given twice is refused, since one of its values would be lost."""
        seen = set()
        for key_node, _ in node.value:
            key = (key_node.tag, key_node.value) if isinstance(key_node, yaml.ScalarNode) else None
            if key is not None and key in seen:
                problem = f"the key {show_value(key_node.value)} is given twice"
                raise ConstructorError(None, None, problem, key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)

    def flatten_mapping(self, node: Any) -> None:
        """Refuse merge keys, which SafeConstructor would resolve here."""
        for key_node, _ in node.value:
            if key_node.tag == _PREFIX + "merge":
                raise ConstructorError(None, None, "merge keys (<<) are not read: write it out", key_node.start_mark)
        super().flatten_mapping(node)
