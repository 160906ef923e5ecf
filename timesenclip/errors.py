"""Every error and warning that TimeSenCLIP raises on purpose.

    TimeSenCLIPError
    |- InputError (ValueError)            something the user gave cannot be used
    |  |- BandError                       a band is missing, unknown or given twice
    |  |- UnitsError                      DN where reflectance was declared, or the reverse
    |  |- TimeError                       dates missing, unsorted, duplicate, or outside the period
    |  |- GridError                       no CRS, or rasters that do not share a grid
    |  |- LeakageError                    training and held-out places closer than they may be
    |  |- BrokenItemError                 a STAC item cannot be used; the other items of the catalogue are
    |  |- PromptError                     an empty prompt or a broken prompt file
    |  '- TaxonomyError                   an unknown taxonomy, or a taxonomy file that is broken
    |- DataNotFoundError (FileNotFoundError)   a file or folder does not exist, or cannot be read
    |- NoClearObservationError (ValueError)    every observation is cloudy or missing
    |- CheckpointError (ValueError)       a checkpoint is absent, broken or of another version
    |- TowerError (RuntimeError)          a ground tower cannot be loaded, or cannot do what is asked
    |- RunStoppedError (OSError)          training cannot go on; the last saved state is kept
    |- TrainingDivergedError (FloatingPointError)   the loss is not finite
    |- MissingExtraError (ImportError)    an optional dependency is not installed
    '- PartialFailureError (RuntimeError) some of the work failed; the rest is kept (exit code 1)

    TimeSenCLIPWarning (UserWarning)
    |- DegradedInputWarning               input was usable only after a substitution that is named
    '- CalibrationWarning                 a probability is shown where none was fitted

A message says the value seen, what was expected, and what to do next, in one line.
On the command line every error ends with exit code 2, `PartialFailureError` with 1. Private exceptions that the
module itself catches are not listed.
"""

from __future__ import annotations

__all__ = [
    "BandError",
    "BrokenItemError",
    "CalibrationWarning",
    "CheckpointError",
    "DataNotFoundError",
    "DegradedInputWarning",
    "GridError",
    "InputError",
    "LeakageError",
    "MissingExtraError",
    "NoClearObservationError",
    "PartialFailureError",
    "PromptError",
    "RunStoppedError",
    "TaxonomyError",
    "TimeError",
    "TimeSenCLIPError",
    "TimeSenCLIPWarning",
    "TowerError",
    "TrainingDivergedError",
    "UnitsError",
]


class TimeSenCLIPError(Exception):
    """Base of every error that TimeSenCLIP raises on purpose."""


class InputError(TimeSenCLIPError, ValueError):
    """Something the user gave cannot be used."""


class BandError(InputError):
    """A band is missing, unknown or given twice."""


class UnitsError(InputError):
    """Digital numbers were given where reflectance was declared, or the reverse."""


class TimeError(InputError):
    """Dates are missing, unsorted, duplicate, or outside the period asked for."""


class GridError(InputError):
    """A raster has no CRS, or rasters do not share a grid."""


class LeakageError(InputError):
    """Training and held-out places are closer than they may be."""


class BrokenItemError(InputError):
    """A STAC item cannot be used; it is left out where others can."""


class PromptError(InputError):
    """A prompt is empty, or a prompt file is broken."""


class TaxonomyError(InputError):
    """A taxonomy is unknown, or its file is broken."""


class DataNotFoundError(TimeSenCLIPError, FileNotFoundError):
    """A file or folder is not there, or cannot be read as what it claims to be."""


class NoClearObservationError(TimeSenCLIPError, ValueError):
    """Every observation of the period is cloudy or missing."""


class CheckpointError(TimeSenCLIPError, ValueError):
    """A checkpoint is absent, broken, or written by another version."""


class TowerError(TimeSenCLIPError, RuntimeError):
    """A ground tower cannot be loaded, or cannot do what was asked of it."""


class RunStoppedError(TimeSenCLIPError, OSError):
    """Training cannot go on, for instance because the disk is full; the last saved state is kept."""


class TrainingDivergedError(TimeSenCLIPError, FloatingPointError):
    """The loss is not finite; the message says at which step."""


class MissingExtraError(TimeSenCLIPError, ImportError):
    """An optional dependency is not installed; the message names the extra to install."""


class PartialFailureError(TimeSenCLIPError, RuntimeError):
    """Some of the work failed; what succeeded was kept and the failed pieces are named."""


class TimeSenCLIPWarning(UserWarning):
    """Base of our warnings: the result is degraded in a way that is named (`--strict` makes it an error)."""


class DegradedInputWarning(TimeSenCLIPWarning):
    """Input was usable only after a substitution, which the message names."""


class CalibrationWarning(TimeSenCLIPWarning):
    """A probability is shown where no calibration was fitted for this checkpoint or class list."""
