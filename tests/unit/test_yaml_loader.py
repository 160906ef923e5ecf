"""The limits of the YAML loader, with libyaml and without."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import pytest
import yaml

from timesenclip import yaml_loader


@pytest.fixture(params=[True, False], ids=["libyaml", "pure"], scope="module")
def loader(request: pytest.FixtureRequest) -> Iterator[type]:
    if request.param and not yaml.__with_libyaml__:
        pytest.skip("PyYAML without libyaml")
    before = yaml.__with_libyaml__
    yaml.__with_libyaml__ = request.param
    try:
        yield importlib.reload(yaml_loader).LimitedLoader
    finally:
        yaml.__with_libyaml__ = before
        importlib.reload(yaml_loader)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &x [1]\nb: *x", "anchors"),
        ("a: *x", "anchors"),
        ("a: !!python/object:os.system x", "tags such as"),
        ("a: ! x", "tags such as"),
        ("b: 1\na: {<<: {b: 1}}", "merge keys"),
        ("a: 1\nb: 2\na: 3", "key 'a' is given twice"),
        ("d: 2018-02-31", "'2018-02-31': day is out of range"),
        ("d: 2018-01-01 99:99:99", "hour must be"),
        ("n: " + "9" * 5000, "5,000 characters"),
        ("n: " + "1:" * 1000 + "1", "2,001 characters"),
        ("x: " + "[" * 65 + "]" * 65, "64 deep"),
        ("x: .inf", "not a finite number"),
        ("x: 1.0e+999", "not a finite number"),
        ("? [a]\n: 1", "unhashable"),
        ("--- 1\n--- 2", "another document"),
    ],
)
def test_it_is_refused_with_its_line(loader: type, text: str, said: str) -> None:
    with pytest.raises(yaml.MarkedYAMLError) as caught:
        yaml.load(text, Loader=loader)
    assert said in str(caught.value.problem)
    assert caught.value.problem_mark is not None


def test_ordinary_yaml_is_read_as_before(loader: type) -> None:
    text = "a: [1, 2.5, -1.0e-3, 1_000, NO, ~, 'x', \"\\u00e9\"]\nb:\n  - {c: 2018-02-03}\n  - |\n    text\n"
    assert yaml.load(text, Loader=loader) == yaml.safe_load(text)
    assert yaml.load("x: " + "[" * 60 + "]" * 60, Loader=loader)
