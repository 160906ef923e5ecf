"""Readers of values: whatever is given, a valid result or one of our errors; found by hypothesis.

Every test asserts something of the result, so that a reader that returns nonsense fails as one that crashes. The
search is derandomised: the same examples in every run.
"""

from __future__ import annotations

import contextlib
import json
import struct
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from timesenclip.bands import BANDS
from timesenclip.eo.period import Period
from timesenclip.errors import TimeSenCLIPError, TimeSenCLIPWarning

FIXED = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)

ODD_TEXT = st.text(st.characters(), max_size=30) | st.sampled_from(
    ["", " ", "\x1b[31m", "\x9b2J", "\ud800", "\x00", "../..", "nan", "1e999", "9" * 50, "2021-02-31", "NaT", "NO"]
)
CLEAN_TEXT = ODD_TEXT.filter(lambda text: not any("\ud800" <= letter <= "\udfff" for letter in text))
"""What a table can hold."""
ODD_NUMBERS = st.sampled_from([0, -1, 1, 65535, 2**31, 2**62, -(2**62), 10**30]) | st.floats(width=64)
ODD_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | ODD_NUMBERS | ODD_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ODD_TEXT, inner, max_size=3),
    max_leaves=5,
)


@contextlib.contextmanager
def only_our_errors() -> Any:
    """Let our errors and warnings pass; every other one fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TimeSenCLIPWarning)
        with contextlib.suppress(TimeSenCLIPError):
            yield


def wide_frame(rows: int = 3) -> Any:
    import pandas as pd

    rng = np.random.default_rng(0)
    bands = {
        f"OPTICAL-{band.name}-ts{t}-{band.resolution_m}m": rng.integers(100, 4000, rows)
        for band in BANDS
        for t in range(3)
    }
    place = {"sample_id": [f"p{i}" for i in range(rows)], "lat": 50.0 + np.arange(rows), "lon": 3.0}
    return pd.DataFrame(place | {"start_date": "2021-01-01"} | bands)


COLUMNS = ["sample_id", "lat", "lon", "start_date", "OPTICAL-B02-ts0-10m", "OPTICAL-B11-ts2-20m", "valid_time", "year"]
CELLS = (
    st.none()
    | st.booleans()
    | ODD_NUMBERS
    | CLEAN_TEXT
    | st.binary(max_size=4)
    | st.lists(st.integers(), max_size=2)
    | st.dates()
)


def check_series(series: Any) -> None:
    """What every `PixelSeries` promises."""
    n, t = series.valid.shape
    assert series.reflectance.shape[:2] == (n, t)
    assert n == len(series.sample_id)
    assert all(isinstance(name, str) for name in series.sample_id)
    assert np.isfinite(series.reflectance[series.valid]).all()
    assert not np.isnat(series.start).any()
    assert (series.end > series.start).all()
    for values, limit in ((series.lat_deg, 90), (series.lon_deg, 360)):
        assert ((np.abs(values) <= limit) | np.isnan(values)).all()


@FIXED
@given(
    column=st.sampled_from(COLUMNS),
    cells=st.lists(CELLS, min_size=3, max_size=3),
    step=st.sampled_from(["month", 5, 30]),
)
@example(column="lat", cells=["north", "n", "x"], step="month")
@example(column="lat", cells=[float("inf"), 1e300, 50.0], step="month")
@example(column="lon", cells=[[1], [2], [3]], step="month")
@example(column="sample_id", cells=[["a"], ["b"], ["c"]], step="month")
@example(column="start_date", cells=["9999-12-31"] * 3, step="month")
@example(column="OPTICAL-B02-ts0-10m", cells=[2**62, 1e308, None], step="month")
def test_points_of_any_cells(column: str, cells: list[Any], step: Any) -> None:
    import pandas as pd

    from timesenclip.eo.points.read import points_from_frame

    frame = wide_frame().assign(**{column: pd.Series(cells, dtype=object)})
    with only_our_errors():
        check_series(points_from_frame(frame, source_name="t", step=step))


@FIXED
@given(names=st.lists(CLEAN_TEXT | st.sampled_from(COLUMNS), max_size=8, unique=True), rows=st.integers(0, 2))
@example(names=["S2-L2A-B02", "timestamp"], rows=0)
@example(names=[f"OPTICAL-B02-ts{10**30}-10m"], rows=1)
def test_points_of_any_columns(names: list[str], rows: int) -> None:
    import pandas as pd

    from timesenclip.eo.points.read import points_from_frame

    frame = pd.DataFrame({name: [1] * rows for name in names})
    with only_our_errors():
        check_series(points_from_frame(frame, source_name="t"))


@FIXED
@given(text=ODD_TEXT | st.from_regex(r"\A\d{1,5}(-\d{1,3}){0,3}(\.\.)?(\d{4}(-\d\d){0,2})?\Z"))
@example(text="2018-02-30")
@example(text="\uff12\uff10\uff11\uff18")
@example(text="²²²²")
def test_periods_of_any_text(text: str) -> None:
    with only_our_errors():
        period = Period.parse(text)
        assert np.datetime64("1971") < period.start < period.end < np.datetime64("2102")
        assert Period.parse(str(period)) == period


PROPERTIES = [
    "datetime",
    "start_datetime",
    "platform",
    "s2:mgrs_tile",
    "grid:code",
    "s2:processing_baseline",
    "s2:datatake_id",
    "s2:datastrip_id",
    "s2:generation_time",
    "eo:cloud_cover",
    "timesenclip:boa_add_offset",
    "created",
    "s2:product_uri",
]
GOOD = {"id": "x", "collection": "sentinel-2-l2a", "properties": {"datetime": "2021-05-06T10:50:31Z"}, "assets": {}}


@FIXED
@given(properties=st.dictionaries(st.sampled_from(PROPERTIES), ODD_VALUES, max_size=4))
@example(properties={"datetime": "2021-99-99T00:00:00Z"})
@example(properties={"datetime": ["2021-01-01"]})
@example(properties={"eo:cloud_cover": "some"})
@example(properties={"timesenclip:boa_add_offset": "x"})
@example(properties={"timesenclip:boa_add_offset": float("inf")})
def test_scenes_of_any_properties(properties: dict[str, Any]) -> None:
    scene_of({**GOOD, "properties": {**GOOD["properties"], **properties}})  # type: ignore[dict-item]


@FIXED
@given(
    changes=st.dictionaries(
        st.sampled_from(["id", "collection", "properties", "assets", "geometry"]), ODD_VALUES, min_size=1
    )
)
@example(changes={"assets": {"B02": None}})
@example(changes={"assets": [1]})
@example(changes={"properties": "x"})
def test_scenes_of_any_item(changes: dict[str, Any]) -> None:
    scene_of({**GOOD, **changes})


def scene_of(item: dict[str, Any]) -> None:
    from timesenclip.eo.stac.items import scene_from_item
    from timesenclip.eo.stac.providers import PROVIDERS

    item = json.loads(json.dumps(item))  # as a catalogue would send it
    with only_our_errors():
        scene = scene_from_item(item, provider=PROVIDERS["planetary-computer"], collection="c", lon_deg=5.0)
        assert not np.isnat(scene.day)
        assert not np.isnat(scene.sensed)
        assert scene.cloud is None or scene.cloud == scene.cloud + 0
        assert isinstance(scene.offset.offset_dn, int)
        assert all(isinstance(address, str) for address in scene.assets.values())


COORDINATES = st.recursive(ODD_NUMBERS | st.none() | ODD_TEXT, lambda inner: st.lists(inner, max_size=4), max_leaves=12)
RINGS = st.lists(st.lists(st.floats(-200, 200), min_size=2, max_size=3), max_size=6).map(lambda ring: [ring])
KINDS = st.sampled_from(["Polygon", "MultiPolygon", "Point", "GeometryCollection", "Circle", None, 7])


@FIXED
@given(geometry=st.fixed_dictionaries({"type": KINDS, "coordinates": COORDINATES | RINGS}) | ODD_VALUES)
@example(geometry={"type": "Polygon", "coordinates": [[[float("nan")] * 2] * 5]})
@example(geometry={"type": "Polygon", "coordinates": [[[3, 50]]]})
@example(geometry="x")
def test_footprints_of_any_geometry(geometry: Any) -> None:
    from timesenclip.eo.stac.items import footprint

    with only_our_errors():
        found = footprint(geometry)
        assert found is None or found.is_valid


YAML_PARTS = st.sampled_from(
    [
        "name: x\n",
        "classes:\n",
        "- name: a\n",
        "  code: 1\n",
        "&a ",
        "*a",
        "[",
        "]",
        "{",
        "}",
        "!!python/name:os.system ",
        "!!set ",
        "'",
        '"',
        "|\n",
        "? ",
        ": ",
        "<<: ",
        "---\n",
        "2021-99-99",
        "99" * 3000,
        "\\x9b",
        "\t",
        "#",
        "%YAML 9.9\n",
        "~",
    ]
)


@FIXED
@given(raw=st.lists(YAML_PARTS | ODD_TEXT, max_size=12).map("".join) | st.binary(max_size=60))
@example(raw="name: 2021-99-99")
@example(raw="[" * 2000)
@example(raw=b"name: \xe9")
@example(raw="name: " + "9" * 5000)
def test_taxonomies_of_any_text(raw: str | bytes) -> None:
    from timesenclip.ground.taxonomy import load_taxonomy

    with tempfile.TemporaryDirectory() as folder, only_our_errors():
        path = Path(folder) / "classes.yaml"
        path.write_bytes(raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogatepass"))
        taxonomy = load_taxonomy(path)
        assert len(taxonomy) > 0
        assert len({name.casefold() for name in taxonomy.names}) == len(taxonomy)


CONFIG_KEYS = [
    "format_version",
    "name",
    "encoder",
    "normalisation",
    "band_names",
    "tower",
    "hemisphere_shift",
    "calibration",
    "weights_dtype",
    "training",
    "\x1b[31m",
]


def shipped_config() -> dict[str, Any]:
    import timesenclip

    return dict(json.loads((Path(timesenclip.__file__).parent / "weights" / "default" / "config.json").read_text()))


@FIXED
@given(changes=st.dictionaries(st.sampled_from(CONFIG_KEYS), ODD_VALUES, min_size=1, max_size=3))
@example(changes={"calibration": {"temperature": float("nan")}})
@example(changes={"calibration": {"temperature": float("inf")}})
@example(changes={"encoder": []})
def test_configurations_of_any_values(changes: dict[str, Any]) -> None:
    read_config_of({**shipped_config(), **changes})


@FIXED
@given(
    changes=st.dictionaries(
        st.sampled_from(
            [
                "bands",
                "patch_size",
                "dim",
                "depth",
                "heads",
                "ffn_dim",
                "dropout",
                "embed_dim",
                "positions",
                "harmonics",
                "max_steps",
                "eval",
            ]
        ),
        ODD_VALUES,
        min_size=1,
        max_size=2,
    )
)
@example(changes={"heads": 0})
@example(changes={"dim": "wide"})
@example(changes={"eval": 1})
@example(changes={"depth": -1})
def test_architectures_of_any_values(changes: dict[str, Any]) -> None:
    config = shipped_config()
    read_config_of({**config, "encoder": {**config["encoder"], **changes}})


def read_config_of(content: dict[str, Any]) -> None:
    from timesenclip.model.checkpoint_config import read_config

    with tempfile.TemporaryDirectory() as folder, only_our_errors():
        (Path(folder) / "config.json").write_text(json.dumps(content))
        config = read_config(Path(folder))
        assert 0 < config.calibration.temperature < float("inf")
        encoder = config.encoder_config()
        assert encoder.dim % encoder.heads == 0
        assert all(type(value) is int and value > 0 for value in (encoder.dim, encoder.heads, encoder.bands))


@FIXED
@given(phrases=st.lists(ODD_TEXT, max_size=4))
@example(phrases=["maize", "\ud800"])
@example(phrases=["maize", "MAIZE"])
def test_phrases_of_any_text(phrases: list[str]) -> None:
    from timesenclip.ground.taxonomy import taxonomy_from_phrases

    with only_our_errors():
        taxonomy = taxonomy_from_phrases(phrases)
        assert len(taxonomy) == len(phrases)
        assert all(name.strip() == name and name for name in taxonomy.names)
        "".join(taxonomy.names).encode()  # what cannot be written to a file is no phrase


@FIXED
@given(text=ODD_TEXT | st.text(max_size=2000), most=st.integers(20, 400))
def test_messages_of_any_text(text: str, most: int) -> None:
    from timesenclip.messages import shorten_error

    line = shorten_error(ValueError(text), most)
    assert line
    assert len(line) <= most
    assert len(line.splitlines()) == 1


ENTRY = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "F16", "I64", "F3", 7, None]),
        "shape": st.lists(st.integers(-2, 2**60), max_size=3) | ODD_VALUES,
        "data_offsets": st.lists(st.integers(-1, 2**62), max_size=3),
    }
)


@FIXED
@given(
    header=st.dictionaries(ODD_TEXT, ENTRY | ODD_VALUES, max_size=3),
    body=st.binary(max_size=16),
    length=st.none() | st.integers(0, 2**64 - 1),
)
@example(header={"a": {"dtype": "F32", "shape": [1 << 40, 1 << 40], "data_offsets": [0, 4]}}, body=b"1234", length=None)
@example(header={}, body=b"", length=2**64 - 1)
def test_safetensors_of_any_header(header: dict[str, Any], body: bytes, length: int | None) -> None:
    from timesenclip.safe_torch_load import read_tensors

    raw = json.dumps(header).encode()
    with tempfile.TemporaryDirectory() as folder, only_our_errors():
        path = Path(folder) / "model.safetensors"
        path.write_bytes(struct.pack("<Q", len(raw) if length is None else length) + raw + body)
        tensors = read_tensors(path)
        assert sum(tensor.numel() for tensor in tensors.values()) <= len(body)


@FIXED
@given(
    lines=st.lists(
        st.sampled_from(
            ['{"kind":"job","key":"x","facts":{}}', '{"kind":"done","key":"a"}', "{}", "[]", "", '{"kind":7}']
        )
        | ODD_TEXT,
        max_size=5,
    )
)
def test_manifests_of_any_lines(lines: list[str]) -> None:
    from timesenclip.manifest import read_manifest

    with tempfile.TemporaryDirectory() as folder, only_our_errors():
        path = Path(folder) / "x.manifest.jsonl"
        path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
        read_manifest(path)


def test_a_planted_fault_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that keeps coordinates as they are is caught by what every result is asked."""
    from timesenclip.eo.points import read

    real = read.places

    def careless(rows: Any, *, source_name: str) -> Any:
        lat, lon = real(rows.assign(lat=50.0), source_name=source_name)
        return lat + np.asarray(rows["lat"], dtype=float) - 50.0, lon

    @FIXED
    @given(lat=st.floats(width=64))
    def search(lat: float) -> None:
        with only_our_errors():
            check_series(read.points_from_frame(wide_frame().assign(lat=lat), source_name="t"))

    search()
    monkeypatch.setattr(read, "places", careless)
    with pytest.raises(AssertionError):
        search()
