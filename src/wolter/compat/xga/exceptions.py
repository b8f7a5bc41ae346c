"""XGA's exceptions, by the names that scripts catch."""

from __future__ import annotations

__all__ = [
    "FailedProductError",
    "NoMatchFoundError",
    "NoProductAvailableError",
    "NoRegionsError",
    "NoValidObservationsError",
    "NotAssociatedError",
    "NotSampleMemberError",
    "PeakConvergenceFailedError",
    "SASNotFoundError",
    "XGAConfigError",
]


class XGAConfigError(Exception):
    """The configuration file is missing or incomplete."""


class NoMatchFoundError(Exception):
    """No observation covers the position."""


class NoValidObservationsError(Exception):
    """No observation is left."""


class NotAssociatedError(Exception):
    """An observation, instrument or telescope does not belong to the source."""


class NotSampleMemberError(Exception):
    """A source is not in the sample."""


class NoProductAvailableError(Exception):
    """A product has not been made."""


class NoRegionsError(Exception):
    """There are no regions."""


class FailedProductError(Exception):
    """A product could not be made."""


class PeakConvergenceFailedError(Exception):
    """A peak could not be found."""


class SASNotFoundError(Exception):
    """Never raised: SAS is not needed."""
