"""World coordinates of X-ray images and event lists: gnomonic (TAN), orthographic (SIN) and linear, numpy only.

The formulas are those of Calabretta & Greisen 2002 (A&A 395, 1077; "Paper II"), sections 2 and 5.1, with the old
CROTA convention of Greisen & Calabretta 2002 (A&A 395, 1061; "Paper I").
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wolter.errors import DataError, RegionError, warn
from wolter.sky.frames import convert

__all__ = ["TanWCS"]

_IDENTITY = ((1.0, 0.0), (0.0, 1.0))


@dataclass(frozen=True)
class TanWCS:
    """Pixel <-> sky transformation of an image or of a pair of event columns.

    Pixels count as in FITS: the centre of the first pixel is (1, 1); for event columns they are the column values.

    Attributes
    ----------
    crpix, crval : tuple of float
        Reference pixel, and longitude and latitude there (deg).
    cd : 2x2 tuple
        Degrees of (longitude-like, latitude-like) intermediate coordinate per pixel of x and y.
    projection : str
        ``"TAN"``, ``"SIN"`` or ``""`` (linear).
    frame : str
        Celestial frame of `crval`: fk5, icrs, fk4, galactic, ecliptic; ``""`` if the axes are not celestial.
    lonpole : float
        Native longitude of the celestial pole (deg).
    ctype : tuple of str
        The axis names as in the header.
    why_not : str
        Why there is no celestial system, in words, if there is none.
    physical : tuple
        ``(ltv1, ltv2, ltm1, ltm2)``: image pixel = ltm * physical pixel + ltv.
    """

    crpix: tuple[float, float] = (0.0, 0.0)
    crval: tuple[float, float] = (0.0, 0.0)
    cd: tuple[tuple[float, float], tuple[float, float]] = _IDENTITY
    projection: str = ""
    frame: str = ""
    lonpole: float = 180.0
    ctype: tuple[str, str] = ("", "")
    why_not: str = ""
    physical: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)

    # ---------------------------------------------------------------- reading

    @classmethod
    def from_columns(cls, source: Any, xcol: str = "X", ycol: str = "Y") -> TanWCS:
        """From the keywords of two event columns (TCTYPn, TCRPXn, TCRVLn, TCDLTn, TCROTn, and TPCn_k/TPn_k forms).

        Parameters
        ----------
        source : TableHDU or Header
            Anything with a ``header``, or a mapping of FITS keywords that includes TTYPEn.
        xcol, ycol : str
            Column names; case does not matter.

        Returns
        -------
        TanWCS
            Without celestial system (``frame == ""``) if the keywords are absent or not numbers, as in files whose
            coordinates follow a moving object; `why_not` says what is missing.

        Raises
        ------
        DataError
            If a column is absent or the projection is none of TAN, SIN, linear.
        """
        header = getattr(source, "header", source)
        i, j = _column_number(header, xcol), _column_number(header, ycol)
        keys: dict[str, Any] = {}
        for axis, n in ((1, i), (2, j)):
            for stem, names in _COLUMN_STEMS.items():
                value = next((header[f"{s}{n}"] for s in names if f"{s}{n}" in header), None)
                if value is not None:
                    keys[f"{stem}{axis}"] = value
        for a, n in ((1, i), (2, j)):
            for b, m in ((1, i), (2, j)):
                for stem in ("TP", "TPC"):
                    if f"{stem}{n}_{m}" in header:
                        keys[f"PC{a}_{b}"] = header[f"{stem}{n}_{m}"]
                for stem in ("TC", "TCD"):
                    if f"{stem}{n}_{m}" in header:
                        keys[f"CD{a}_{b}"] = header[f"{stem}{n}_{m}"]
        if "CTYPE1" not in keys:
            keys.update(_reference_keywords(header, xcol, ycol))
        for name in ("RADESYS", "RADECSYS", "EQUINOX"):
            if name in header:
                keys[name] = header[name]
        where = {"1": str(i), "2": str(j)}
        names = {f"{s}{a}": f"{_COLUMN_STEMS[s][0]}{where[a]}" for s in _COLUMN_STEMS for a in "12"}
        return cls._from_keys(keys, names)

    @classmethod
    def from_image_header(cls, header: Mapping[str, Any], key: str = "") -> TanWCS:
        """From the keywords of an image (CTYPEi, CRPIXi, CRVALi, and CDELTi with CROTA2 or PCi_j, or CDi_j).

        Parameters
        ----------
        header : Header
            Mapping of FITS keywords.
        key : str
            Letter of an alternative system, e.g. ``"L"``.

        Raises
        ------
        DataError
            If the projection is none of TAN, SIN, linear.
        """
        keys: dict[str, Any] = {}
        stems = [*_COLUMN_STEMS, "PC1_", "PC2_", "CD1_", "CD2_"]
        for stem in stems:
            for axis in "12":
                if f"{stem}{axis}{key}" in header:
                    keys[f"{stem}{axis}"] = header[f"{stem}{axis}{key}"]
        for name in ("LONPOLE", "RADESYS", "RADECSYS", "EQUINOX", "PV2_1", "PV2_2"):
            if f"{name}{key}" in header:
                keys[name] = header[f"{name}{key}"]
        out = cls._from_keys(keys, {})
        return replace(out, physical=_physical_keywords(header))

    @classmethod
    def _from_keys(cls, keys: dict[str, Any], names: dict[str, str]) -> TanWCS:
        ctype = (str(keys.get("CTYPE1", "")).strip().upper(), str(keys.get("CTYPE2", "")).strip().upper())
        why = ""
        for stem in ("CRPIX", "CRVAL", "CDELT"):
            for axis in "12":
                name = names.get(stem + axis, stem + axis)
                value = keys.get(stem + axis)
                if isinstance(value, str):
                    why = why or f"{name} is the text {value!r}, not a number"
                    keys[stem + axis] = _number(value, 1.0 if stem == "CDELT" else 0.0)
                elif value is None and stem == "CRVAL":
                    why = why or f"{name} is missing"
        crpix = (float(keys.get("CRPIX1", 0.0)), float(keys.get("CRPIX2", 0.0)))
        crval = (float(keys.get("CRVAL1", 0.0)), float(keys.get("CRVAL2", 0.0)))
        projection, kind, swapped = _axis_types(ctype)
        cd = _cd_matrix(keys, swapped)
        if not ctype[0]:
            why = f"{names.get('CTYPE1', 'CTYPE1')} is missing"
        elif not kind:
            why = why or f"the axes are {ctype[0]}, {ctype[1]}"
        if why or not kind:
            return cls(crpix, crval, cd, "", "", 180.0, ctype, why or "no celestial axes")
        if swapped:
            crval = (crval[1], crval[0])
            cd = (cd[1], cd[0])
        if any(float(keys.get(k, 0.0)) for k in ("PV2_1", "PV2_2")) and projection == "SIN":
            raise DataError("slant orthographic projection (PV2_1, PV2_2) is not supported")
        lonpole = float(keys.get("LONPOLE", 0.0 if projection and crval[1] >= 90.0 else 180.0))
        frame = _frame_of(kind, keys)
        return cls(crpix, crval, cd, projection, frame, lonpole, ctype, "")

    # ---------------------------------------------------------------- properties

    @property
    def celestial(self) -> bool:
        """Whether pixels have directions on the sky."""
        return bool(self.frame)

    @property
    def pixel_scale_deg(self) -> float:
        """Side of a square pixel of the same area, in degrees (in the axis unit if not celestial)."""
        (a, b), (c, d) = self.cd
        return math.sqrt(abs(a * d - b * c))

    @property
    def rotation_deg(self) -> float:
        """Angle from the direction of celestial west to the x axis's reflection, i.e. CROTA2 (deg)."""
        (_, b), (_, d) = self.cd
        return math.degrees(math.atan2(-b, d))

    def require_celestial(self, what: str = "a region given on the sky") -> None:
        """Raise RegionError if there is no celestial system."""
        if not self.celestial:
            reason = f": {self.why_not}" if self.why_not else ""
            raise RegionError(
                f"{what} cannot be placed because the coordinates have no celestial system{reason}",
                cure="Give the region in pixels (a line 'physical'), or a file with RA/DEC keywords for X and Y.",
            )

    # ---------------------------------------------------------------- transformations

    def sky_to_pixel(self, lon: Any, lat: Any, frame: str | None = None) -> tuple[Any, Any]:
        """Pixel coordinates of directions on the sky.

        Parameters
        ----------
        lon, lat : float or array
            Degrees.
        frame : str, optional
            Frame of `lon`, `lat`; by default the frame of this system.

        Returns
        -------
        x, y : float or ndarray
            NaN where a direction is not on the projected hemisphere.
        """
        self.require_celestial()
        if frame is not None and frame != self.frame:
            lon, lat = convert(lon, lat, frame, self.frame)
        lon, lat = np.asarray(lon, float), np.asarray(lat, float)
        if self.projection:
            xi, eta = self._project(lon, lat)
        else:
            xi = (lon - self.crval[0] + 180.0) % 360.0 - 180.0
            eta = lat - self.crval[1]
        (a, b), (c, d) = self.cd
        det = a * d - b * c
        x = self.crpix[0] + (d * xi - b * eta) / det
        y = self.crpix[1] + (a * eta - c * xi) / det
        return _scalars(x, y)

    def pixel_to_sky(self, x: Any, y: Any, frame: str | None = None) -> tuple[Any, Any]:
        """Directions (deg; longitude in [0, 360)) of pixel coordinates, in this system's frame or `frame`."""
        self.require_celestial()
        dx = np.asarray(x, float) - self.crpix[0]
        dy = np.asarray(y, float) - self.crpix[1]
        (a, b), (c, d) = self.cd
        xi, eta = a * dx + b * dy, c * dx + d * dy
        if self.projection:
            lon, lat = self._deproject(xi, eta)
        else:
            lon, lat = (self.crval[0] + xi) % 360.0, self.crval[1] + eta
        lon, lat = _scalars(lon, lat)
        if frame is not None and frame != self.frame:
            lon, lat = convert(lon, lat, self.frame, frame)
        return lon, lat

    def _project(self, lon: NDArray[Any], lat: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        da, dec = np.radians(lon - self.crval[0]), np.radians(lat)
        dec0 = math.radians(self.crval[1])
        s0, c0 = math.sin(dec0), math.cos(dec0)
        sd, cd = np.sin(dec), np.cos(dec)
        height = sd * s0 + cd * c0 * np.cos(da)
        height = np.where(height > 0.0, height, np.nan)
        # Direction cosines; 2 sin^2(da/2) instead of 1 - cos(da) keeps their digits near the reference point.
        west = cd * np.sin(da)
        north = np.sin(dec - dec0) + 2.0 * cd * s0 * np.sin(0.5 * da) ** 2
        scale = 1.0 / height if self.projection == "TAN" else np.where(np.isnan(height), np.nan, 1.0)
        xi, eta = np.degrees(west * scale), np.degrees(north * scale)
        return self._turn(xi, eta, self.lonpole - 180.0)

    def _deproject(self, xi: NDArray[Any], eta: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        xi, eta = self._turn(xi, eta, 180.0 - self.lonpole)
        p, q = np.radians(xi), np.radians(eta)
        dec0 = math.radians(self.crval[1])
        s0, c0 = math.sin(dec0), math.cos(dec0)
        if self.projection == "TAN":
            height = np.ones_like(p)
        else:
            r2 = p * p + q * q
            height = np.sqrt(np.where(r2 <= 1.0, 1.0 - r2, np.nan))
        along = height * c0 - q * s0
        lon = np.degrees(np.arctan2(p, along)) + self.crval[0]
        lat = np.degrees(np.arctan2(height * s0 + q * c0, np.hypot(p, along)))
        return lon % 360.0, lat

    @staticmethod
    def _turn(xi: Any, eta: Any, degrees: float) -> tuple[Any, Any]:
        if degrees == 0.0:
            return xi, eta
        c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        return xi * c - eta * s, eta * c + xi * s

    # ---------------------------------------------------------------- derived systems and output

    def binned(self, factor: float = 1, x_first: float = 1, y_first: float = 1) -> TanWCS:
        """System of an image whose first pixel starts at column pixel (`x_first`, `y_first`), binned by `factor`.

        CRPIX' = (CRPIX - (first - 1))/factor + (factor - 1)/(2 factor), as the extractor writes it.
        """
        shift = (factor - 1) / (2 * factor)
        first = (x_first, y_first)
        crpix = (
            (self.crpix[0] - (first[0] - 1)) / factor + shift,
            (self.crpix[1] - (first[1] - 1)) / factor + shift,
        )
        (a, b), (c, d) = self.cd
        cd = ((a * factor, b * factor), (c * factor, d * factor))
        ltm = 1.0 / factor
        old = self.physical
        physical = (
            (old[0] - (first[0] - 1)) * ltm + shift,
            (old[1] - (first[1] - 1)) * ltm + shift,
            old[2] * ltm,
            old[3] * ltm,
        )
        return replace(self, crpix=crpix, cd=cd, physical=physical)

    def header_cards(self, columns: tuple[int, int] | None = None) -> dict[str, Any]:
        """FITS keywords of this system.

        Parameters
        ----------
        columns : pair of int, optional
            Numbers of the x and y columns: then TCTYPn, TCRPXn, ... are written instead of CTYPEi, CRPIXi, ....
        """
        (a, b), (c, d) = self.cd
        swapped = self.celestial and _axis_types(self.ctype)[2]
        crval = (self.crval[1], self.crval[0]) if swapped else self.crval
        rows = ((c, d), (a, b)) if swapped else ((a, b), (c, d))
        straight = rows[0][1] == 0.0 and rows[1][0] == 0.0
        rotation = self.rotation_deg
        plain = straight or _is_rotation(self.cd)
        cdelt = (rows[0][0], rows[1][1])
        if not straight:
            cdelt = (-math.hypot(a, c) if a * d - b * c < 0 else math.hypot(a, c), math.hypot(b, d))
        t1, t2 = (str(columns[0]), str(columns[1])) if columns else ("1", "2")
        stem = {"CTYPE": "TCTYP", "CRPIX": "TCRPX", "CRVAL": "TCRVL", "CDELT": "TCDLT", "CUNIT": "TCUNI"}
        out: dict[str, Any] = {}
        unit = "deg" if self.celestial else ""
        for name, pair in (
            ("CTYPE", self.ctype),
            ("CRPIX", self.crpix),
            ("CRVAL", crval),
            ("CDELT", cdelt),
            ("CUNIT", (unit, unit)),
        ):
            key = stem[name] if columns else name
            if name == "CUNIT" and not unit:
                continue
            out[key + t1], out[key + t2] = pair
        if not straight:
            if plain and not swapped:
                out["TCROT" + t2 if columns else "CROTA2"] = rotation
            else:
                pc = [[rows[i][j] / cdelt[i] for j in (0, 1)] for i in (0, 1)]
                for i, ti in enumerate((t1, t2)):
                    for j, tj in enumerate((t1, t2)):
                        out[f"TP{ti}_{tj}" if columns else f"PC{ti}_{tj}"] = pc[i][j]
        if self.frame in ("fk5", "icrs", "fk4"):
            # Event lists of the field carry the older spelling.
            out["RADECSYS" if columns else "RADESYS"] = self.frame.upper()
            if self.frame != "icrs":
                out["EQUINOX"] = 1950.0 if self.frame == "fk4" else 2000.0
        if not columns and self.celestial and self.projection:
            default = 0.0 if self.crval[1] >= 90.0 else 180.0
            if self.lonpole != default:
                out["LONPOLE"] = self.lonpole
        return out

    def physical_to_image(self, x: float, y: float) -> tuple[float, float]:
        """Image pixel of a physical pixel (LTV, LTM)."""
        v1, v2, m1, m2 = self.physical
        return m1 * x + v1, m2 * y + v2

    def image_to_physical(self, x: float, y: float) -> tuple[float, float]:
        """Physical pixel of an image pixel (LTV, LTM)."""
        v1, v2, m1, m2 = self.physical
        return (x - v1) / m1, (y - v2) / m2


_COLUMN_STEMS = {
    "CTYPE": ("TCTYP", "TCTYPE"),
    "CRPIX": ("TCRPX",),
    "CRVAL": ("TCRVL",),
    "CDELT": ("TCDLT", "TCDELT"),
    "CROTA": ("TCROT",),
    "CUNIT": ("TCUNI",),
}


def _column_number(header: Mapping[str, Any], name: str) -> int:
    names: list[str] = []
    for n in range(1, int(header.get("TFIELDS", 999)) + 1):
        value = header.get(f"TTYPE{n}")
        if value is None:
            if "TFIELDS" not in header:
                break
            continue
        names.append(str(value).strip())
        if names[-1].lower() == name.lower():
            return n
    raise DataError(f"there is no column {name!r} among {', '.join(names) or 'no columns'}")


def _reference_keywords(header: Mapping[str, Any], xcol: str, ycol: str) -> dict[str, Any]:
    """The REFXCTYP, REFXCRPX, ... convention of some event lists, for columns X and Y only."""
    if (xcol.upper(), ycol.upper()) != ("X", "Y") or "REFXCTYP" not in header:
        return {}
    out: dict[str, Any] = {}
    for axis, letter in (("1", "X"), ("2", "Y")):
        for stem, tail in (("CTYPE", "CTYP"), ("CRPIX", "CRPX"), ("CRVAL", "CRVL"), ("CDELT", "CDLT")):
            if f"REF{letter}{tail}" in header:
                out[stem + axis] = header[f"REF{letter}{tail}"]
    return out


def _physical_keywords(header: Mapping[str, Any]) -> tuple[float, float, float, float]:
    """LTV/LTM, or the same from the alternative system "P" (CRVALiP, CRPIXiP, CDELTiP)."""
    if "LTM1_1" in header or "LTV1" in header:
        return (
            float(header.get("LTV1", 0.0)),
            float(header.get("LTV2", 0.0)),
            float(header.get("LTM1_1", 1.0)),
            float(header.get("LTM2_2", 1.0)),
        )
    if "CRVAL1P" in header:
        ltm = [1.0 / float(header.get(f"CDELT{i}P", 1.0)) for i in (1, 2)]
        ltv = [
            float(header.get(f"CRPIX{i}P", 1.0)) - float(header.get(f"CRVAL{i}P", 1.0)) * m
            for i, m in zip((1, 2), ltm, strict=True)
        ]
        return ltv[0], ltv[1], ltm[0], ltm[1]
    return 0.0, 0.0, 1.0, 1.0


def _number(text: str, default: float) -> float:
    try:
        return float(text)
    except ValueError:
        return default


def _cd_matrix(keys: Mapping[str, Any], swapped: bool) -> tuple[tuple[float, float], tuple[float, float]]:
    cdelt = (float(keys.get("CDELT1", 1.0)), float(keys.get("CDELT2", 1.0)))
    if any(f"CD{i}_{j}" in keys for i in "12" for j in "12"):
        m = [[float(keys.get(f"CD{i}_{j}", 0.0)) for j in "12"] for i in "12"]
    elif any(f"PC{i}_{j}" in keys for i in "12" for j in "12"):
        m = [[cdelt[i - 1] * float(keys.get(f"PC{i}_{j}", 1.0 if i == j else 0.0)) for j in (1, 2)] for i in (1, 2)]
    else:
        # CROTA of the latitude axis counts, and turns after scaling (Paper II, section 6.1, equation 189).
        rho = math.radians(float(keys.get("CROTA1" if swapped else "CROTA2", 0.0) or 0.0))
        c, s = math.cos(rho), math.sin(rho)
        s = -s if swapped else s
        m = [[cdelt[0] * c, -cdelt[1] * s], [cdelt[0] * s, cdelt[1] * c]]
    if m[0][0] * m[1][1] - m[0][1] * m[1][0] == 0.0:
        raise DataError("the pixel scale (CDELT, CD or PC keywords) is zero in some direction")
    return (m[0][0], m[0][1]), (m[1][0], m[1][1])


def _axis_types(ctype: tuple[str, str]) -> tuple[str, str, bool]:
    """Projection code, kind ("equatorial", "galactic", "ecliptic", "") and whether latitude comes first."""
    heads = [c[:4].rstrip("-") for c in ctype]
    kinds = {("RA", "DEC"): "equatorial", ("GLON", "GLAT"): "galactic", ("ELON", "ELAT"): "ecliptic"}
    swapped = (heads[1], heads[0]) in kinds
    kind = kinds.get((heads[1], heads[0]) if swapped else (heads[0], heads[1]), "")
    if not kind:
        return "", "", False
    code = ctype[0][4:].lstrip("-").rstrip()
    if code in ("TAN", "SIN"):
        return code, kind, swapped
    if code in ("", "CAR"):
        return "", kind, swapped
    raise DataError(
        f"projection {ctype[0]!r}, {ctype[1]!r} is not supported",
        cure="Supported are TAN, SIN and linear axes; reproject the image or use pixel coordinates.",
    )


def _frame_of(kind: str, keys: Mapping[str, Any]) -> str:
    if kind != "equatorial":
        return kind
    system = str(keys.get("RADESYS", keys.get("RADECSYS", "")) or "").strip().upper()
    try:
        equinox = float(keys.get("EQUINOX", 0.0) or 0.0)
    except (TypeError, ValueError):
        equinox = 0.0
    if system.startswith("FK4") or (not system and 0.0 < equinox < 1984.0):
        return "fk4"
    if equinox not in (0.0, 2000.0) and system != "ICRS":
        warn(f"EQUINOX is {equinox}; coordinates are used as if it were 2000 (no precession applied)")
    return "icrs" if system == "ICRS" else "fk5"


def _is_rotation(cd: tuple[tuple[float, float], tuple[float, float]]) -> bool:
    """Whether a matrix is a plain rotation of the two scaled axes (what CROTA2 can express)."""
    (a, b), (c, d) = cd
    sx, sy = math.hypot(a, c), math.hypot(b, d)
    return abs(a * b + c * d) <= 1e-12 * sx * sy


def _scalars(x: Any, y: Any) -> tuple[Any, Any]:
    if np.ndim(x) == 0 and np.ndim(y) == 0:
        return float(x), float(y)
    return x, y
