"""Items of folders that are in no catalogue."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from timesenclip.eo.stac.addresses import Origin
from timesenclip.eo.stac.local import local_items
from timesenclip.errors import DataNotFoundError, InputError, TimeError

PRODUCT = "S2A_MSIL2A_20230506T105031_N0509_R051_T31UFS_20230506T170000.SAFE"
METADATA = """<root><PRODUCT_START_TIME>2023-05-06T10:50:31.024Z</PRODUCT_START_TIME>
<PROCESSING_BASELINE>05.09</PROCESSING_BASELINE><BOA_ADD_OFFSET band_id="0">-1000</BOA_ADD_OFFSET>
<Cloud_Coverage_Assessment>12.5</Cloud_Coverage_Assessment></root>"""


def touched(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_a_product_is_an_item_with_the_finest_copy_of_each_band(tmp_path: Path) -> None:
    images = tmp_path / PRODUCT / "GRANULE" / "L2A_T31UFS" / "IMG_DATA"
    touched(*[images / f"R{m}m" / f"T31UFS_20230506T105031_B02_{m}m.jp2" for m in (60, 20, 10)])
    touched(*[images / f"R{m}m" / f"T31UFS_20230506T105031_SCL_{m}m.jp2" for m in (60, 20)])
    (tmp_path / PRODUCT / "MTD_MSIL2A.xml").write_text(METADATA)
    (found,) = local_items(tmp_path)
    assert found["id"] == PRODUCT.removesuffix(".SAFE")
    assert found["properties"] == {
        "datetime": "2023-05-06T10:50:31.024Z",
        "s2:processing_baseline": "05.09",
        "s2:mgrs_tile": "31UFS",
        "platform": "S2A",
        "eo:cloud_cover": 12.5,
        "timesenclip:boa_add_offset": -1000,
    }
    assert {band: Path(asset["href"]).name for band, asset in found["assets"].items()} == {
        "B02": "T31UFS_20230506T105031_B02_10m.jp2",
        "SCL": "T31UFS_20230506T105031_SCL_20m.jp2",
    }
    assert found["geometry"] is None  # no file of it can be opened: it may lie anywhere


def test_without_metadata_the_name_of_the_product_speaks(tmp_path: Path) -> None:
    touched(tmp_path / PRODUCT / "GRANULE" / "g" / "IMG_DATA" / "R10m" / "T31UFS_20230506T105031_B02_10m.jp2")
    (found,) = local_items(tmp_path / PRODUCT)
    assert found["properties"]["s2:processing_baseline"] == "05.09"
    assert found["properties"]["datetime"] == "2023-05-06T10:50:31Z"
    assert "timesenclip:boa_add_offset" not in found["properties"]


def test_loose_files_that_share_a_name_are_one_item(tmp_path: Path) -> None:
    for day in ("20230506T105031", "20230511"):
        touched(*[tmp_path / f"T31UFS_{day}_{band}_10m.tif" for band in ("B02", "B03")])
    touched(tmp_path / "T31UFS_20230506T105031_TCI_10m.tif")
    found = local_items(tmp_path)
    assert [sorted(one["assets"]) for one in found] == [["B02", "B03"]] * 2
    assert [one["properties"]["datetime"] for one in found] == ["2023-05-06T10:50:31Z", "2023-05-11T10:30:00Z"]


def test_the_folders_of_buckets_say_the_day(tmp_path: Path) -> None:
    touched(tmp_path / "tiles" / "31" / "U" / "FS" / "2022" / "1" / "26" / "0" / "R10m" / "B02.jp2")
    (found,) = local_items(tmp_path)
    assert found["properties"]["datetime"] == "2022-01-26T10:30:00Z"


def test_folders_that_hold_nothing_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match="holds no Sentinel-2 images"):
        local_items(tmp_path)
    touched(tmp_path / "B02.tif")
    with pytest.raises(TimeError, match="names no date"):
        local_items(tmp_path)
    (tmp_path / "B02.tif").unlink()
    (tmp_path / PRODUCT).mkdir()
    with pytest.raises(DataNotFoundError, match="it may be unpacked only in part"):
        local_items(tmp_path)


def test_symbolic_links_that_lead_out_of_the_folder_need_the_option(tmp_path: Path) -> None:
    secret = tmp_path / "secret.tif"
    touched(secret)
    images = tmp_path / "all" / PRODUCT / "GRANULE" / "g" / "IMG_DATA"
    loose = tmp_path / "loose"
    for link in (images / "T31UFS_20230506T105031_B02_10m.jp2", loose / "T31UFS_20230506T105031_B02_10m.tif"):
        link.parent.mkdir(parents=True)
        link.symlink_to(secret)
    for folder in (tmp_path / "all", loose):
        with pytest.raises(InputError, match=r"B02_10m\.\w+' is refused: it is outside .*--allow-elsewhere"):
            local_items(folder)
        (found,) = local_items(folder, Origin.of(str(folder), allow_elsewhere=True))
        assert found["assets"]["B02"]["href"] == str(secret)
    inside = tmp_path / "inside"
    touched(inside / "store" / "x.bin")
    (inside / "T31UFS_20230506T105031_B02_10m.tif").symlink_to(inside / "store" / "x.bin")
    assert len(local_items(inside)) == 1


@pytest.mark.parametrize("name", ["GRANULE/g/IMG_DATA/T31UFS_20230506T105031_B03_10m.jp2", "MTD_MSIL2A.xml"])
def test_pipes_in_a_product_are_refused_at_once(tmp_path: Path, name: str) -> None:
    product = tmp_path / PRODUCT
    touched(product / "GRANULE" / "g" / "IMG_DATA" / "T31UFS_20230506T105031_B02_10m.jp2")
    os.mkfifo(product / name)
    with pytest.raises(InputError, match="is refused: it is no regular file"):
        local_items(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"<root>", b"\xff\xfe", b'<?xml version="1.0" encoding="nothing"?><a/>', b"\x00" * 100]
)
def test_broken_metadata_leave_the_names(tmp_path: Path, content: bytes) -> None:
    touched(tmp_path / PRODUCT / "GRANULE" / "g" / "IMG_DATA" / "T31UFS_20230506T105031_B02_10m.jp2")
    (tmp_path / PRODUCT / "MTD_MSIL2A.xml").write_bytes(content)
    (found,) = local_items(tmp_path)
    assert found["properties"]["datetime"] == "2023-05-06T10:50:31Z"


def test_metadata_that_are_no_numbers_stay_to_be_named(tmp_path: Path) -> None:
    touched(tmp_path / PRODUCT / "GRANULE" / "g" / "IMG_DATA" / "T31UFS_20230506T105031_B02_10m.jp2")
    broken = METADATA.replace(">-1000<", ">much<").replace(">12.5<", ">cloudy<")
    (tmp_path / PRODUCT / "MTD_MSIL2A.xml").write_text(broken)
    (found,) = local_items(tmp_path)
    assert found["properties"]["eo:cloud_cover"] == "cloudy"
    assert found["properties"]["timesenclip:boa_add_offset"] == "much"
