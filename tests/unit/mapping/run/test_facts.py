from __future__ import annotations

import json

from timesenclip.files import json_text
from timesenclip.mapping.run.facts import BlockFacts, shared_input


def test_facts_come_back_from_the_manifest_as_they_were() -> None:
    facts = BlockFacts(
        seen=3,
        pixels=4,
        seconds={"load": 0.5},
        days=("2021-01-01", "2021-12-31"),
        input={"source": "cube"},
        failed=("a.tif",),
        contradicted={"scene": "too dark"},
    )
    assert BlockFacts.from_json(json.loads(json_text(facts.to_json()))) == facts
    assert BlockFacts(seen=0).to_json() == {"seen": 0}


def test_manifests_of_earlier_versions_are_read() -> None:
    early = {"pixels": 4, "seen": 0, "masked": 0, "days": [], "input": {}}
    assert BlockFacts.from_json(early) == BlockFacts(seen=0, pixels=4)


def test_an_input_is_kept_once_and_troubles_with_their_block() -> None:
    first = BlockFacts(seen=1, input={"source": "search", "failed": [], "contradicted": {}}).without_repetition(None)
    assert first.input == {"source": "search", "failed": [], "contradicted": {}}
    own = {"source": "search", "failed": ["b.tif"], "contradicted": {"s": "dark"}}
    second = BlockFacts(seen=1, input=own).without_repetition(json_text(first.input))
    assert (second.input, second.failed, second.contradicted) == ({}, ("b.tif",), {"s": "dark"})
    assert second.has_trouble
    assert not first.has_trouble
    assert own["failed"] == ["b.tif"]  # the block's own provenance is not changed
    other = BlockFacts(seen=1, input={"source": "another"}).without_repetition(json_text(first.input))
    assert other.input == {"source": "another"}


def test_the_input_of_an_area_joins_the_troubles_of_all_blocks() -> None:
    blocks = [
        BlockFacts(seen=0),
        BlockFacts(seen=1, input={"source": "search", "failed": ["c.tif"], "contradicted": {}}),  # an early manifest
        BlockFacts(seen=1, failed=("a.tif", "c.tif"), contradicted={"z": "1", "b": "2"}),
    ]
    assert shared_input(blocks) == {
        "source": "search",
        "failed": ["a.tif", "c.tif"],
        "contradicted": {"b": "2", "z": "1"},
    }
    assert shared_input([BlockFacts(seen=1, input={"source": "cube"})]) == {"source": "cube"}
    assert shared_input([]) == {}


def test_outlying_steps_are_counted_over_all_blocks_and_the_input_is_still_kept_once() -> None:
    def block(removed: int) -> BlockFacts:
        counted = {"rule": "r", "removed": removed, "steps": 100, "share": removed / 100}
        return BlockFacts(seen=1, pixels=1, input={"source": "cube", "outlying_steps": counted})

    first = block(3).without_repetition(None)
    second = block(5).without_repetition(json_text(first.input))
    assert second.input == {}
    total = {"rule": "r", "removed": 8, "steps": 200, "share": 0.04}
    assert shared_input([first, second]) == {"source": "cube", "outlying_steps": total}
    assert shared_input([block(3), block(5)]) == {"source": "cube", "outlying_steps": total}
    assert BlockFacts.from_json(json.loads(json_text(second.to_json()))) == second
    kept = BlockFacts(seen=1, input={"source": "cube", "outlying_steps": "kept"})
    assert shared_input([kept, kept.without_repetition(json_text(kept.input))]) == kept.input
