"""Simulate Sentinel-2 pixel years and small scenes, from physics and a table of covers.

    rng = np.random.default_rng(0)
    batch = simulate_series(1000, rng=rng)           # a SimulatedSeries
    batch.series, batch.cover                        # a PixelSeries, and the cover of each pixel
    scene = simulate_scene(rng=rng)                  # a SimulatedScene
    scene.cube, scene.cover                          # a Cube, and the index of the cover of each pixel

The chain: `covers.yaml` (what exists where, and its ranges) -> `covers` (draw parameters) -> `spectra` (leaves,
canopies, soils, water) -> `pixel` (layers through the seasons) -> `sensor` (haze, noise, missing months) -> `series`,
`scene`.
"""

from timesenclip.simulate.covers import cover_names, cover_weights
from timesenclip.simulate.scene import SimulatedScene, simulate_scene
from timesenclip.simulate.series import SimulatedSeries, simulate_series

__all__ = ["SimulatedScene", "SimulatedSeries", "cover_names", "cover_weights", "simulate_scene", "simulate_series"]
