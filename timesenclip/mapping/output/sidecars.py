"""Names and colours of a class map, in files beside it that GDAL and QGIS read."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

from timesenclip.files import write_text
from timesenclip.ground.taxonomy import Taxonomy
from timesenclip.mapping.output.layers import class_colours

__all__ = ["write_class_sidecars"]


def write_class_sidecars(path: Path, taxonomy: Taxonomy) -> list[Path]:
    """Write the names and colours of a class map where GDAL (`.aux.xml`) and QGIS (`.qml`) look for them.

    GeoTIFF has no tag for class names that programs agree on.

    Args:
        path: the class map.
        taxonomy: its classes.

    Returns:
        The two files.
    """
    names = {0: "unknown"} | {k + 1: name for k, name in enumerate(taxonomy.names)}
    colours = class_colours(taxonomy)
    categories = "".join(f"<Category>{escape(name)}</Category>" for name in names.values())
    rows = "".join(
        f'<Row index="{i}"><F>{i}</F><F>{escape(names[i])}</F>' + "".join(f"<F>{v}</F>" for v in colours[i]) + "</Row>"
        for i in names
    )
    # Field usages of GDAL's raster attribute table: 5 value, 2 name, 6 red, 7 green, 8 blue; types 0 integer, 2 string.
    fields = (("Value", 0, 5), ("Class", 2, 2), ("Red", 0, 6), ("Green", 0, 7), ("Blue", 0, 8))
    heads = "".join(
        f'<FieldDefn index="{i}"><Name>{name}</Name><Type>{kind}</Type><Usage>{usage}</Usage></FieldDefn>'
        for i, (name, kind, usage) in enumerate(fields)
    )
    aux = (
        f'<PAMDataset><PAMRasterBand band="1"><CategoryNames>{categories}</CategoryNames>'
        f'<GDALRasterAttributeTable tableType="thematic">{heads}{rows}</GDALRasterAttributeTable>'
        "</PAMRasterBand></PAMDataset>\n"
    )
    entries = "".join(
        f'<paletteEntry value="{i}" color="#{"".join(f"{v:02x}" for v in colours[i])}" '
        f'label="{escape(names[i], {chr(34): "&quot;"})}" alpha="255"/>'
        for i in names
    )
    qml = (
        '<!DOCTYPE qgis PUBLIC "http://mrcc.com/qgis.dtd" "SYSTEM">\n<qgis version="3.28"><pipe>'
        '<rasterrenderer type="paletted" band="1" opacity="1" alphaBand="-1">'
        f"<colorPalette>{entries}</colorPalette></rasterrenderer></pipe></qgis>\n"
    )
    out = []
    for target, text in ((path.with_name(path.name + ".aux.xml"), aux), (path.with_suffix(".qml"), qml)):
        out.append(write_text(target, text))
    return out
