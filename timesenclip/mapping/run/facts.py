"""Facts about a finished block, as the manifest records them in JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from timesenclip.eo.outliers import OUTLYING_STEPS, count_outlying
from timesenclip.files import json_text

__all__ = ["BlockFacts", "shared_input"]


@dataclass(frozen=True, slots=True)
class BlockFacts:
    """One finished block."""

    seen: int
    """Pixels with a clear observation."""
    pixels: int = 0
    """Pixels of the block; 0 where it was not counted."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Time of each step."""
    days: tuple[str, ...] = ()
    """First and last day of what was read."""
    input: Mapping[str, Any] = field(default_factory=dict)
    """Where the pixels come from; empty where an earlier block of the manifest has the same."""
    failed: tuple[str, ...] = ()
    """Files that could not be read."""
    contradicted: Mapping[str, str] = field(default_factory=dict)
    """Scenes whose pixels contradict the offset decided for them, and why."""
    outlying: Mapping[str, Any] = field(default_factory=dict)
    """Outlying steps that were left out; empty where the input says it."""

    def to_json(self) -> dict[str, Any]:
        """As the manifest holds it: a block that was read has its troubles only where there are some."""
        always = ("pixels", "seen", "seconds", "days", "input") if self.pixels else ("seen",)
        content = {name: getattr(self, name) for name in (*always, "failed", "contradicted", "outlying")}
        return {name: value for name, value in content.items() if value or name in always}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> BlockFacts:
        """What `to_json` gave; fields of other versions are left out."""
        known = {name: content[name] for name in cls.__slots__ if content.get(name) is not None}
        for name in ("days", "failed"):
            known[name] = tuple(known.get(name, ()))
        return cls(**known)

    @property
    def has_trouble(self) -> bool:
        """Whether files failed or scenes contradict their offset."""
        return bool(self.failed or self.contradicted)

    def without_repetition(self, known: str | None) -> BlockFacts:
        """Facts as the manifest keeps them: what differs by block in fields of its own, and no input that is `known`.

        The input names every scene of the area; kept with each block, the names alone would be gigabytes for a country.

        Args:
            known: the input of an earlier block, as JSON text.
        """
        if not self.input:
            return self
        own = dict(self.input)
        failed, contradicted = self.failed, self.contradicted
        if own.get("failed"):
            failed, own["failed"] = tuple(own["failed"]), []
        if own.get("contradicted"):
            contradicted, own["contradicted"] = own["contradicted"], {}
        outlying = self.outlying
        if isinstance(own.get(OUTLYING_STEPS), Mapping):
            outlying = own.pop(OUTLYING_STEPS)
        kept = {} if json_text(own) == known else own
        return replace(self, input=kept, failed=failed, contradicted=contradicted, outlying=outlying)


def shared_input(blocks: Iterable[BlockFacts]) -> dict[str, Any]:
    """Where the pixels of an area come from: what all blocks share, the troubles of each, and the counts of all."""
    shared: dict[str, Any] = {}
    failed: set[str] = set()
    contradicted: dict[str, str] = {}
    outlying: list[Mapping[str, Any]] = []
    for facts in blocks:
        outlying.append({OUTLYING_STEPS: facts.outlying} if facts.outlying else facts.input)
        shared = shared or dict(facts.input)
        failed.update(facts.failed, facts.input.get("failed", ()))  # early manifests keep them in the input
        contradicted |= {**facts.contradicted, **facts.input.get("contradicted", {})}
    if "failed" in shared:
        shared |= {"failed": sorted(failed), "contradicted": dict(sorted(contradicted.items()))}
    counted = count_outlying(outlying)
    return shared if counted is None else shared | {OUTLYING_STEPS: counted}
