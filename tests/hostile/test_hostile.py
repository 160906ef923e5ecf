"""A hundred hostile inputs of every kind; `./scripts/fuzz` runs all of them."""

from __future__ import annotations

import shlex

import pytest

from .case import Case
from .kinds import all_cases
from .runner import Pool

SAMPLE = 100


def stratified(cases: list[Case], count: int) -> list[Case]:
    """`count` cases: of every kind a share like its own, evenly spread over its list, at least two."""
    kinds: dict[str, list[Case]] = {}
    for case in cases:
        kinds.setdefault(case.kind, []).append(case)
    shares = {kind: max(2, count * len(found) // len(cases)) for kind, found in kinds.items()}
    while sum(shares.values()) < count:
        shares[max(kinds, key=lambda kind: len(kinds[kind]) / shares[kind])] += 1
    while sum(shares.values()) > count:
        shares[max(shares, key=lambda kind: shares[kind])] -= 1
    return [found[i * len(found) // shares[kind]] for kind, found in kinds.items() for i in range(shares[kind])]


@pytest.mark.parametrize("case", stratified(all_cases(), SAMPLE), ids=lambda case: case.name)
def test_a_hostile_input_is_refused_or_works_as_promised(case: Case, hostile_pool: Pool) -> None:
    result = hostile_pool.run_one(case)
    again = f"./scripts/fuzz --case {shlex.quote(case.name)} --keep DIR"
    assert result.as_promised, f"{result.faults}\n{result.stderr}\nagain: {again}"


def test_the_sample_has_a_hundred_cases_of_every_kind() -> None:
    cases = all_cases()
    sample = stratified(cases, SAMPLE)
    assert len({case.name for case in sample}) == SAMPLE
    assert {case.kind for case in sample} == {case.kind for case in cases}
