"""Options of areas: what goes together, and that every one of them reaches what opens the pixels."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from tests.unit.cli.fixture_types import StandIn
from timesenclip.cli import options as opt
from timesenclip.cli.area_options import (
    AreaOptions,
    WorkOptions,
    open_area,
    open_cube_with_options,
    refuse_given,
    require_one_source,
    search_area,
)
from timesenclip.errors import InputError

SCENES = SimpleNamespace(
    shape=(20, 30), scenes=["a", "b", "c"], dates=["2021-01-01"], source_name="a catalogue", crs="EPSG:32631"
)


NOTHING_GIVEN: Any = SimpleNamespace(get_parameter_source=lambda name: None, params={})
"""A command's context in which every option has its default."""


@pytest.mark.parametrize(
    ("cube", "area", "said"),
    [
        (None, AreaOptions(), "Neither CUBE nor --aoi was given; give a cube on disk, or an area to search for."),
        (Path("c.nc"), AreaOptions(aoi="31UFS"), "CUBE 'c.nc' and --aoi 31UFS were both given; give one of them."),
        (
            Path("c.nc"),
            AreaOptions(catalog="cdse"),
            "--catalog cdse searches for an area, but --aoi was not given; give --aoi.",
        ),
    ],
)
def test_pixels_come_from_one_place(cube: Path | None, area: AreaOptions, said: str) -> None:
    with pytest.raises(InputError) as caught:
        require_one_source(NOTHING_GIVEN, cube, area)
    assert str(caught.value) == said


def test_a_cube_or_an_area_alone_is_accepted() -> None:
    require_one_source(NOTHING_GIVEN, Path("c.nc"), AreaOptions())
    require_one_source(NOTHING_GIVEN, None, AreaOptions(aoi="31UFS", catalog="cdse"))


@pytest.mark.parametrize(
    ("area", "span", "units", "said"),
    [
        (AreaOptions(), 2021, "auto", "--aoi was not given; give the area to search for."),
        (AreaOptions(aoi="31UFS"), None, "auto", "--aoi needs a period: give --period 2023"),
        (AreaOptions(aoi="31UFS"), 2021, "reflectance", "--units reflectance cannot be used with --aoi"),
    ],
)
def test_a_search_needs_an_area_a_time_and_digital_numbers(
    area: AreaOptions, span: int | None, units: Any, said: str, stand_in: StandIn
) -> None:
    calls = stand_in("eo.stac.open.open_stac", SCENES)
    with pytest.raises(InputError, match=said):
        search_area(area, span, units=units)
    assert calls == []


def test_every_option_reaches_the_search(stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    calls = stand_in("eo.stac.open.open_stac", SCENES)
    area = AreaOptions(
        aoi="3,50,4,51",
        catalog="earth-search",
        collection="sentinel-2-c1-l2a",
        max_cloud=40.0,
        provider="cdse",
        baseline="05.09",
        offset_dn=1000,
        resampling="bilinear",
        readers=7,
        allow_elsewhere=True,
    )
    assert search_area(area, "2021-03..2021-05") is SCENES
    assert calls == [
        {
            "aoi": "3,50,4,51",
            "period": "2021-03..2021-05",
            "catalog": "earth-search",
            "collection": "sentinel-2-c1-l2a",
            "max_cloud": 40.0,
            "provider": "cdse",
            "baseline": "05.09",
            "offset_dn": 1000,
            "resampling": "bilinear",
            "workers": 7,
            "allow_elsewhere": True,
        }
    ]
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "a catalogue: 3 scenes, 1 day, 20 x 30 pixels, EPSG:32631\n")


def test_the_search_has_a_catalogue_where_none_is_named(stand_in: StandIn) -> None:
    calls = stand_in("eo.stac.open.open_stac", SCENES)
    open_area(None, AreaOptions(aoi="31UFS"), opt.InputOptions(year=2021))
    assert (calls[0]["catalog"], calls[0]["period"], calls[0]["offset_dn"]) == ("planetary-computer", 2021, None)


def test_every_option_reaches_the_cube(stand_in: StandIn) -> None:
    calls = stand_in("eo.cube.open.open_cube", "the cube")
    area = AreaOptions(provider="cdse", collection="sentinel-2-c1-l2a", baseline="05.09", offset_dn=1000)
    assert open_cube_with_options(Path("c.nc"), area) == "the cube"
    assert open_area(Path("c.nc"), area, opt.InputOptions(units="dn")) == "the cube"
    expected = {
        "path": "c.nc",
        "units": "auto",
        "provider": "cdse",
        "collection": "sentinel-2-c1-l2a",
        "baseline": "05.09",
        "offset_dn": 1000,
        "sensor": "auto",
    }
    assert calls == [expected, expected | {"units": "dn"}]


def test_threads_or_a_cluster() -> None:
    WorkOptions(workers=2).check()
    WorkOptions(dask="local:2").check()
    with pytest.raises(
        InputError, match="--workers and --dask were both given; the cluster sets the number of workers"
    ):
        WorkOptions(workers=2, dask="local:2").check()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], None),
        (["--other", "3"], None),
        (
            ["--max-cloud", "40"],
            "--max-cloud 40.0 has no effect; leave it out, or give the cubes or --aoi to which it applies.",
        ),
        (
            ["--max-cloud", "80"],
            "--max-cloud 80.0 has no effect; leave it out, or give the cubes or --aoi to which it applies.",
        ),
    ],
)
def test_an_option_without_effect_is_refused_also_with_its_default(given: list[str], said: str | None) -> None:
    app = typer.Typer()

    @app.command()
    def go(
        context: typer.Context,
        max_cloud: Annotated[float, typer.Option()] = 80.0,
        other: Annotated[int, typer.Option()] = 1,
    ) -> None:
        refuse_given(context, ["max_cloud"], "has no effect")

    found = CliRunner().invoke(app, given)
    if said is None:
        assert found.exit_code == 0
    else:
        assert isinstance(found.exception, InputError)
        assert str(found.exception) == said
