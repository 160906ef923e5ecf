from __future__ import annotations

import numpy as np

from timesenclip.simulate.spectra import SOILS, canopy_reflectance, leaf_optics, water_reflectance


def test_canopy_has_the_right_limits() -> None:
    leaf = leaf_optics(
        structure=np.array([1.5]),
        chlorophyll=np.array([40.0]),
        brown=np.array([0.0]),
        water=np.array([0.012]),
        dry_matter=np.array([0.006]),
    )
    soil = np.array([SOILS["loam"]])
    assert np.allclose(canopy_reflectance(leaf, np.array([0.0]), soil), soil, atol=1e-6)
    deep = [canopy_reflectance(leaf, np.array([40.0]), np.array([SOILS[name]])) for name in ("loam", "pale sand")]
    assert np.allclose(deep[0], deep[1], atol=1e-4)  # the ground no longer shows
    assert (leaf[0] + leaf[1] < 1).all()


def test_sediment_brightens_and_organic_matter_darkens_water() -> None:
    def water(sediment: float, cdom: float) -> np.ndarray:
        given = (np.array([2.0]), np.array([sediment]), np.array([cdom]), np.array([0.0]))
        return water_reflectance(chlorophyll=given[0], sediment=given[1], cdom=given[2], surface=given[3])[0]

    assert (water(50, 0.2)[:4] > water(1, 0.2)[:4]).all()
    assert water(1, 5)[0] < water(1, 0.1)[0]
