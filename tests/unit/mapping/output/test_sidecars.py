from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from timesenclip.ground.taxonomy import taxonomy_from_phrases
from timesenclip.mapping.output.sidecars import write_class_sidecars


def test_names_and_colours_are_where_gdal_and_qgis_look(tmp_path: Path) -> None:
    taxonomy = taxonomy_from_phrases(['wood "old" & young', "water"])
    aux, qml = write_class_sidecars(tmp_path / "classes.tif", taxonomy)
    assert (aux.name, qml.name) == ("classes.tif.aux.xml", "classes.qml")
    band = ElementTree.parse(aux).getroot().find("PAMRasterBand")
    assert band is not None
    names = [each.text for each in band.iter("Category")]
    assert names == ["unknown", 'wood "old" & young', "water"]
    rows = [[cell.text for cell in row] for row in band.iter("Row")]
    assert rows[0] == ["0", "unknown", "128", "128", "128"]
    assert rows[2][:2] == ["2", "water"]
    entries = re.findall(r'value="(\d)" color="(#\w{6})"', qml.read_text())
    assert entries == [("0", "#808080"), ("1", taxonomy.colours[0]), ("2", taxonomy.colours[1])]
    labels = [each.get("label") for each in ElementTree.parse(qml).getroot().iter("paletteEntry")]
    assert labels == names
