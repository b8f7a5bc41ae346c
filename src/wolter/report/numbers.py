"""Numbers as people read them."""

from __future__ import annotations

import math

__all__ = ["energy_range", "plain", "probability", "value_and_error"]

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
MINUS = "\N{MINUS SIGN}"


def plain(value: float | None, digits: int = 4) -> str:
    """A number with so many significant digits; an em dash for what is not known."""
    if value is None or math.isnan(value):
        return "\N{EM DASH}"
    if math.isinf(value):
        return MINUS + "∞" if value < 0 else "∞"
    if value != 0 and not 1e-3 <= abs(value) < 1e6:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa} × 10{str(int(exponent)).translate(_SUPERSCRIPT)}".replace("-", MINUS)
    if value != 0:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
        text = f"{value:.{decimals}f}"
    else:
        text = "0"
    return text.replace("-", MINUS)


def value_and_error(value: float, error: float | None) -> tuple[str, str]:
    """A value and its error with the same number of decimals: two significant digits of the error."""
    if error is None or not math.isfinite(error) or error <= 0:
        return plain(value, 5), ""
    scale = max(abs(value), error)
    exponent = 0 if 1e-3 <= scale < 1e5 else math.floor(math.log10(scale))
    factor = 10.0**-exponent
    decimals = max(0, 1 - math.floor(math.log10(error * factor)))
    if decimals > 9:
        return plain(value, 8), plain(error, 2)
    suffix = f" × 10{str(exponent).translate(_SUPERSCRIPT)}" if exponent else ""
    first, second = f"{value * factor:.{decimals}f}{suffix}", f"{error * factor:.{decimals}f}{suffix}"
    return first.replace("-", MINUS), second.replace("-", MINUS)


def probability(value: float) -> str:
    """A probability: as it is, or as a power of ten where it is small."""
    return f"{value:.3f}" if value >= 0.001 else plain(value, 2)


def energy_range(lo: float, hi: float) -> str:
    """Two energies in keV."""
    return f"{lo:.2f}–{hi:.2f} keV"
