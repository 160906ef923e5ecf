"""Failures and contradictions while scenes are read: collected for each window, and warned about once for an area."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

from timesenclip.eo.pixel_checks import contradicts_offset
from timesenclip.eo.stac.items import Scene
from timesenclip.eo.stac.reader import Failure, SceneWindow
from timesenclip.errors import DataNotFoundError, DegradedInputWarning
from timesenclip.messages import list_some

__all__ = ["ReadingReport", "WarnedOnce"]


@dataclass
class ReadingReport:
    """What went wrong while one window was read."""

    asked: int = 0
    """Scenes that were asked for."""
    failed: list[Failure] = field(default_factory=list)
    """Files that could not be read."""
    doubts: dict[int, dict[str, str]] = field(default_factory=dict)
    """Offset in DN -> id of a scene -> how its pixels contradict that offset."""

    def add(self, scene: Scene, found: SceneWindow | Failure | None) -> None:
        """Take what came of one scene, and compare its pixels with the offset that was decided for it."""
        self.asked += 1
        if isinstance(found, Failure):
            self.failed.append(found)
        elif found is not None and (scene.may_hold_offset or scene.offset.offset_dn):
            why = contradicts_offset(found.lowest_dn, scene.offset.offset_dn)
            if why is not None:
                self.doubts.setdefault(scene.offset.offset_dn, {})[scene.id] = why


@dataclass
class WarnedOnce:
    """What was already warned about, so that a map of many windows warns of each thing once."""

    any_read: bool = False
    """Whether any scene could be read so far."""
    offsets: set[int] = field(default_factory=set)
    """DN offsets that pixels contradict."""
    files: set[tuple[str, str]] = field(default_factory=set)
    """(scene, band) that could not be read."""

    def tell(
        self, report: ReadingReport, source_name: str, *, access: str, failures: list[Failure], stacklevel: int = 2
    ) -> None:
        """Warn of files that failed and of pixels that contradict their offset.

        Args:
            report: of one window.
            source_name: name of the area.
            access: what to check where nothing can be read; empty: the network and the addresses.
            failures: takes the failures that were not known before.
            stacklevel: as of `warnings.warn`, counted from the caller.

        Raises:
            DataNotFoundError: no scene of the window could be read, and that is not the fault of a single broken file.

        Warns:
            DegradedInputWarning: scenes give nothing to the window, or contradict the offset decided for them.
        """
        if len(report.failed) < report.asked:
            self.any_read = True
        elif report.failed and (any(failure.of_network for failure in report.failed) or not self.any_read):
            # A hole in the map would look like cloud; a single broken file, elsewhere, is only named.
            raise DataNotFoundError(
                f"None of the {report.asked} scenes of a window of {source_name} could be read; first: "
                f"{report.failed[0]}. {access or 'Check the network and the addresses.'}"
            )
        texts = []
        new = [failure for failure in report.failed if (failure.scene, failure.band) not in self.files]
        if new:
            self.files.update((failure.scene, failure.band) for failure in new)
            failures.extend(new)  # not every window's: the list must not grow with the area
            texts.append(
                f"{len(new)} of {report.asked} scenes could not be read and give nothing to a window: "
                f"{list_some([str(failure) for failure in new])}"
            )
        for offset, doubts in report.doubts.items():
            if offset in self.offsets:
                continue
            self.offsets.add(offset)
            scenes = [f"{name}: {why}" for name, why in doubts.items()]
            texts.append(
                f"the pixels of {len(scenes)} of {report.asked} scenes contradict the offset of {offset} DN "
                f"decided for them ({list_some(scenes)}). Say the offset or the provider."
            )
        for text in texts:
            warnings.warn(f"{source_name}: {text}", DegradedInputWarning, stacklevel=stacklevel + 1)
