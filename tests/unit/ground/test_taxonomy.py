from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from timesenclip.errors import DataNotFoundError, PromptError, TaxonomyError
from timesenclip.ground.taxonomy import (
    Taxonomy,
    as_taxonomy,
    colour_cycle,
    list_taxonomies,
    load_taxonomy,
    taxonomy_from_phrases,
)

GOOD = """
name: mine
classes:
  - name: Cropland
    code: B
    colour: "#E6B422"
    synonyms: [arable land]
    prompts: ["Rows of wheat."]
  - name: " Water "
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_users_file_is_read_with_what_it_leaves_out_filled_in(tmp_path: Path) -> None:
    taxonomy = load_taxonomy(write(tmp_path, GOOD))
    assert (taxonomy.name, taxonomy.title, taxonomy.names) == ("mine", "mine", ("Cropland", "Water"))
    assert taxonomy.classes[0].synonyms == ("arable land",)
    assert (taxonomy.colours[0], len(set(taxonomy.colours))) == ("#e6b422", 2)
    assert as_taxonomy(str(tmp_path / "mine.yaml")) == taxonomy
    assert as_taxonomy(taxonomy) is taxonomy


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("code: B", "code: NO", r"class 1 'Cropland': `code` is False: .*put it in quotes"),
        ('"#E6B422"', "#E6B422", None),
        ('"#E6B422"', "yellow", r"class 1 'Cropland': `colour` is 'yellow': .*write a colour as \"#rrggbb\""),
        ("synonyms: [arable land]", "synonym: [arable land]", r"class 1 'Cropland': unknown key `synonym`"),
        ("synonyms: [arable land]", "synonyms: [arable land, '']", r"`synonyms\.2` is ''"),
        ("synonyms: [arable land]", "synonyms: [water]", r"class 'Cropland': synonym 'water' already belongs"),
        ('" Water "', "cropland", "class 'cropland' is given more than once"),
        ('- name: " Water "', "- code: C", r"class 2: `name` is missing"),
        ('- name: " Water "', "- Water", r"class 2: `entry` is 'Water'"),
        ("name: mine", "nmae: mine", "`name` is missing"),
        ("name: mine", "name: mine\nversion: 2", "unknown key `version`"),
        ("classes:", "classes: [", "not readable as YAML"),
    ],
)  # fmt: skip
def test_a_broken_file_names_file_class_and_problem(old: str, new: str, said: str | None, tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.replace(old, new))
    if said is None:  # an unquoted colour is a YAML comment: the same as none given
        assert load_taxonomy(path).colours[0] == colour_cycle(1)[0]
        return
    with pytest.raises(TaxonomyError, match=said) as caught:
        load_taxonomy(path)
    assert str(caught.value).startswith((f"{path}: ", f"'{path}' is not readable as YAML"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"), [("", "holds nothing"), ("- a", "holds a list"), ("name: x\nclasses: []", "at least 1")]
)
def test_a_file_that_is_no_taxonomy_is_refused(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(TaxonomyError, match=said):
        load_taxonomy(write(tmp_path, text))


def test_an_unknown_name_suggests_the_nearest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timesenclip.ground.taxonomy._SHIPPED", tmp_path)
    (tmp_path / "lucas-crops.yaml").write_text(GOOD.replace("mine", "lucas-crops"))
    assert list_taxonomies() == ["lucas-crops"]
    assert load_taxonomy("lucas-crops").name == "lucas-crops"
    with pytest.raises(TaxonomyError, match=r"Unknown taxonomy 'Lucas_Crop': .*Did you mean 'lucas-crops'\?"):
        load_taxonomy("Lucas_Crop")
    with pytest.raises(
        TaxonomyError, match=r"Unknown taxonomy 'nope': expected one of lucas-crops, or a path ending in \.yaml\.$"
    ):
        load_taxonomy("nope")
    with pytest.raises(DataNotFoundError, match=r"away\.yaml: no such taxonomy file"):
        load_taxonomy("away.yaml")


def test_phrases_become_classes() -> None:
    taxonomy = taxonomy_from_phrases([" maize ", "spruce   forest", "lake"])
    assert taxonomy.names == ("maize", "spruce forest", "lake")
    assert len(set(taxonomy.colours)) == len(taxonomy) == 3
    assert isinstance(as_taxonomy(["maize", "lake"]), Taxonomy)


@pytest.mark.parametrize(
    ("phrases", "said"),
    [
        ([], "No phrase is given"),
        (["maize", " "], "Phrase 2 of 2 is empty"),
        (["maize", "Maize "], "'Maize' is given more than once"),
        ("maize", "in brackets"),
    ],
)
def test_phrases_that_make_no_sense_are_refused(phrases: list[str] | str, said: str) -> None:
    with pytest.raises(PromptError, match=said):
        taxonomy_from_phrases(phrases)


def test_colours_stay_different_for_long_lists() -> None:
    colours = colour_cycle(80)
    assert len(set(colours)) == 80
    assert all(len(colour) == 7 and int(colour[1:], 16) >= 0 for colour in colours)


FEWEST_PROMPTS = {"bioregions": 3, "countries": 3, "lucas-land-cover-l3": 2, "eurosat": 5, "bigearthnet-19": 5}
"""Lists that need fewer than eight sentences a class."""


def test_the_promised_taxonomies_are_shipped() -> None:
    sizes = {name: len(load_taxonomy(name)) for name in list_taxonomies()}
    assert sizes == {
        "bigearthnet-19": 19,
        "bioregions": 12,
        "countries": 28,
        "dynamic-world": 9,
        "eunis-l2": 44,
        "eurosat": 10,
        "lucas-crops": 40,
        "lucas-land-cover": 8,
        "lucas-land-cover-l3": 74,
        "lucas-land-use": 16,
        "worldcover": 11,
    }


@pytest.mark.parametrize("name", list_taxonomies())
def test_a_shipped_taxonomy_is_complete(name: str) -> None:
    taxonomy = load_taxonomy(name)
    assert taxonomy.name == name
    assert taxonomy.title
    assert taxonomy.source
    assert len(set(taxonomy.colours)) == len(taxonomy)
    for taxon in taxonomy.classes:
        assert len(taxon.prompts) >= FEWEST_PROMPTS.get(name, 8), taxon.name
        assert len(set(taxon.prompts)) == len(taxon.prompts), taxon.name
    assert len(taxonomy) <= 254  # a map is uint8: 0 unknown, 255 nodata


@pytest.mark.parametrize(
    ("phrase", "said"),
    [
        ("\udcff", "control characters or bytes that are no UTF-8"),
        ("a\x1b[31m", r"control characters .*\\x1b\[31m"),
        ("a\0b", "control characters"),
        ("\u200b\u202e", "shows nothing"),
        ("x" * 1_000_000, "has 1,000,000 characters, at most 2,000 are read"),
        (" \n ", "is empty"),
    ],
)
def test_a_phrase_that_cannot_be_used_is_refused_in_one_short_line(phrase: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(PromptError, match=said) as caught:
        taxonomy_from_phrases(["maize", phrase])
    assert str(caught.value).startswith("Phrase 2 of 2 ")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300
    if "\udcff" not in phrase:
        entry = yaml.safe_dump({"name": phrase}, allow_unicode=False, default_flow_style=True, width=10**9)
        with pytest.raises(TaxonomyError) as refused:
            load_taxonomy(write(tmp_path, f"name: mine\nclasses: [{entry.strip()}]\n"))
        assert str(refused.value).isprintable()
        assert len(str(refused.value)) < 500


def test_phrases_of_every_script_and_ten_thousand_of_them_work() -> None:
    odd = [
        "blé\ntendre",
        "شجرة",
        "עץ",
        "👍🏽",
        "木",
        "a 👨‍👩‍👧 b",
        "$x^2$",
        "<script>",
        "[red]x[/red]",
        "{0.__class__}",
    ]
    assert taxonomy_from_phrases(odd).names == ("blé tendre", *odd[1:])
    assert len(taxonomy_from_phrases([f"phrase {i}" for i in range(10_000)])) == 10_000


@pytest.mark.parametrize("name", ["1", "~", "[a]", "{a: b}", "2018-02-03", "true", "1.5"])
def test_a_name_that_is_no_text_is_shown(name: str, tmp_path: Path) -> None:
    with pytest.raises(TaxonomyError, match=r"`name` is .*put it in quotes"):
        load_taxonomy(write(tmp_path, f"name: mine\nclasses: [{{name: {name}}}]\n"))


@pytest.mark.parametrize("colour", ["'#zzz'", "-1", "'red'", "'#123456;background:url(x)'", "'#1234567'", "[1]"])
def test_a_colour_is_six_hexadecimal_digits(colour: str, tmp_path: Path) -> None:
    with pytest.raises(TaxonomyError, match="`colour` is "):
        load_taxonomy(write(tmp_path, f"name: mine\nclasses: [{{name: a, colour: {colour}}}]\n"))


def test_a_file_of_a_hundred_thousand_classes_is_refused_by_its_size(tmp_path: Path) -> None:
    with pytest.raises(TaxonomyError, match="too large: at most 1 MB"):
        load_taxonomy(write(tmp_path, "name: mine\nclasses:\n" + "".join(f"- name: c{i}\n" for i in range(100_000))))


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "x" * 100_000, "\x1b[2J"])
def test_an_unknown_name_is_shown_short(name: str) -> None:
    with pytest.raises(TaxonomyError, match="Unknown taxonomy") as caught:
        load_taxonomy(name)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_within_names_classes_of_the_list(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nclasses:\n  - {name: crops}\n  - {name: maize, within: [crops]}\n")
    assert [taxon.within for taxon in load_taxonomy(file).classes] == [(), ("crops",)]
    file.write_text("name: mine\nclasses:\n  - {name: maize, within: [cropz]}\n")
    with pytest.raises(TaxonomyError, match="class 'maize': `within` names 'cropz', which is no class of this list"):
        load_taxonomy(file)
    file.write_text("name: mine\nclasses:\n  - {name: a, within: [b]}\n  - {name: b, within: [a]}\n")
    with pytest.raises(TaxonomyError, match="class 'a' lies within itself"):
        load_taxonomy(file)


def test_the_background_is_a_list_of_its_own() -> None:
    assert load_taxonomy("background").name == "background"
    assert "background" not in list_taxonomies()
