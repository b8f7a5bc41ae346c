"""OGIP files for the tests of `wolter.data`: an independent reader, and files of a telescope that does not exist."""

from __future__ import annotations

import functools
import lzma
import tempfile
from pathlib import Path

import numpy as np
from astropy.io import fits as afits

_SCRATCH = tempfile.TemporaryDirectory(prefix="wolter-test-")  # removed when Python ends


@functools.cache
def unpacked(path: Path) -> Path:
    """Copy of an .xz file without its compression, made once per test run."""
    out = Path(_SCRATCH.name) / path.stem
    with lzma.open(path) as packed:
        out.write_bytes(packed.read())
    return out


def naive_rmf(path):
    """Dense matrix, energy bins and channel bounds by the plainest reading of the OGIP memo, with astropy."""
    with afits.open(path) as file:
        names = [h.name.strip().upper() for h in file]
        table = file[names.index("MATRIX" if "MATRIX" in names else "SPECRESP MATRIX")]
        bounds = file[names.index("EBOUNDS")].data
        columns = [c.upper() for c in table.columns.names]
        origin = table.header.get(f"TLMIN{columns.index('F_CHAN') + 1}", 1)
        data = table.data
        matrix = np.zeros((len(data), len(bounds)))
        for i, row in enumerate(data):
            first, number = np.atleast_1d(row["F_CHAN"]), np.atleast_1d(row["N_CHAN"])
            elements = np.atleast_1d(row["MATRIX"])
            used = 0
            for g in range(int(row["N_GRP"])):
                low, n = int(first[g]) - origin, int(number[g])
                matrix[i, low : low + n] += elements[used : used + n]
                used += n
        energy = np.array(data["ENERG_LO"], float), np.array(data["ENERG_HI"], float)
        return matrix, energy, (np.array(bounds["E_MIN"], float), np.array(bounds["E_MAX"], float))


def power_law(edges, index=1.7, norm=0.01):
    """photon/cm²/s in bins of a power law."""
    power = 1.0 - index
    return norm * np.diff(edges**power) / power


class Novascope:
    """Files of TELESCOP = 'NOVASCOPE': channels from 3, energies descending in the RMF, rows in several groups."""

    first = 3
    nch = 60
    ne = 80

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        rng = np.random.default_rng(20261120)
        edges = np.geomspace(0.4, 9.0, self.ne + 1).astype("f4").astype(float)
        self.lo, self.hi = edges[:-1], edges[1:]
        bounds = np.linspace(0.3, 10.0, self.nch + 1).astype("f4").astype(float)
        self.e_min, self.e_max = bounds[:-1], bounds[1:]
        self.groups = []  # of each energy: list of (first channel from 0, elements)
        centre = np.interp(0.5 * (self.lo + self.hi), 0.5 * (self.e_min + self.e_max), np.arange(self.nch))
        for i in range(self.ne):
            peak = int(centre[i])
            low = max(0, peak - 3)
            groups = [(low, rng.uniform(0.05, 0.13, min(7, self.nch - low)).astype("f4"))]
            if i % 3 == 0 and low > 12:  # an escape peak and a tail
                groups.insert(0, (low - 9, rng.uniform(0.001, 0.01, 4).astype("f4")))
            if i % 5 == 0 and low > 20:
                groups.insert(0, (1, rng.uniform(0.0001, 0.001, 2).astype("f4")))
            if i == 7:
                groups = []  # a photon energy that is never recorded
            self.groups.append(groups)
        self.area = (50.0 + 100.0 * np.sin(np.linspace(0.2, 2.8, self.ne))).astype("f4").astype(float)
        self.counts = rng.poisson(20.0, self.nch)

    @property
    def dense(self):
        """Matrix [energy ascending, channel] by explicit loops."""
        out = np.zeros((self.ne, self.nch))
        for i, groups in enumerate(self.groups):
            for first, elements in groups:
                for k, value in enumerate(elements):
                    out[i, first + k] += float(value)
        return out

    def write_rmf(self, name="nova.rmf", *, layout="variable", extname="MATRIX", ebounds_first=False, tlmin=True):
        """RMF; layout: "variable" or "fixed" arrays for F_CHAN, N_CHAN and MATRIX."""
        rows = list(range(self.ne))[::-1]  # descending energies
        first = [[f + self.first for f, _ in self.groups[i]] for i in rows]
        number = [[len(e) for _, e in self.groups[i]] for i in rows]
        flat = [np.concatenate([e for _, e in self.groups[i]]) if self.groups[i] else np.zeros(0, "f4") for i in rows]
        columns = [
            afits.Column("ENERG_LO", "E", "keV", array=self.lo[rows]),
            afits.Column("energ_hi", "E", "keV", array=self.hi[rows]),
            afits.Column("N_GRP", "I", array=[len(f) for f in first]),
        ]
        if layout == "variable":
            for label, values, code in (("F_CHAN", first, "I"), ("N_CHAN", number, "I"), ("MATRIX", flat, "E")):
                kind = {"I": np.int16, "E": np.float32}[code]
                array = np.empty(len(values), dtype=object)
                array[:] = [np.array(v, dtype=kind) for v in values]
                columns.append(afits.Column(label, f"P{code}()", array=array))
        else:
            most, longest = max(map(len, first)), max(map(len, flat))

            def padded(values, width, kind):
                out = np.zeros((len(values), width), kind)
                for i, v in enumerate(values):
                    out[i, : len(v)] = v
                return out

            columns += [
                afits.Column("F_CHAN", f"{most}I", array=padded(first, most, np.int16)),
                afits.Column("N_CHAN", f"{most}I", array=padded(number, most, np.int16)),
                afits.Column("MATRIX", f"{longest}E", array=padded(flat, longest, np.float32)),
            ]
        matrix = afits.BinTableHDU.from_columns(columns, name=extname)
        keys = {"TELESCOP": "NOVASCOPE", "INSTRUME": "SPECTRO", "DETNAM": "A", "HDUCLASS": "OGIP"}
        matrix.header.update(keys | {"HDUCLAS1": "RESPONSE", "HDUCLAS2": "RSP_MATRIX", "DETCHANS": self.nch})
        if tlmin:
            matrix.header["TLMIN4"] = self.first
        ebounds = afits.BinTableHDU.from_columns(
            [
                afits.Column("CHANNEL", "I", array=np.arange(self.first, self.first + self.nch)),
                afits.Column("E_MIN", "E", "keV", array=self.e_min),
                afits.Column("E_MAX", "E", "keV", array=self.e_max),
            ],
            name="EBOUNDS",
        )
        ebounds.header.update(keys | {"HDUCLAS2": "EBOUNDS", "DETCHANS": self.nch})
        blocks = [ebounds, matrix] if ebounds_first else [matrix, ebounds]
        path = self.folder / name
        afits.HDUList([afits.PrimaryHDU(), *blocks]).writeto(path)
        return path

    def write_arf(self, name="nova.arf", *, area=None, **keywords):
        """ARF, energies descending as in the RMF."""
        area = self.area if area is None else area
        hdu = afits.BinTableHDU.from_columns(
            [
                afits.Column("ENERG_LO", "E", "keV", array=self.lo[::-1][: len(area)]),
                afits.Column("ENERG_HI", "E", "keV", array=self.hi[::-1][: len(area)]),
                afits.Column("SPECRESP", "E", "cm**2", array=np.asarray(area)[::-1]),
            ],
            name="SPECRESP",
        )
        hdu.header.update({"TELESCOP": "NOVASCOPE", "INSTRUME": "SPECTRO", "DETNAM": "A"} | keywords)
        path = self.folder / name
        afits.HDUList([afits.PrimaryHDU(), hdu]).writeto(path)
        return path

    def write_pha(self, name="nova.pha", *, columns=None, drop=(), **keywords):
        """Spectrum of counts; `columns` adds or replaces columns, `drop` leaves out keywords or columns."""
        table = {
            "CHANNEL": ("J", np.arange(self.first, self.first + self.nch)),
            "COUNTS": ("J", self.counts),
        } | (columns or {})
        hdu = afits.BinTableHDU.from_columns(
            [afits.Column(k, code, array=values) for k, (code, values) in table.items() if k not in drop],
            name="SPECTRUM",
        )
        header = {
            "TELESCOP": "NOVASCOPE", "INSTRUME": "SPECTRO", "DETNAM": "A", "FILTER": "NONE", "EXPOSURE": 1000.0,
            "BACKFILE": "none", "RESPFILE": "nova.rmf", "ANCRFILE": "nova.arf", "CORRFILE": "none", "CORRSCAL": 1.0,
            "BACKSCAL": 1.0, "AREASCAL": 1.0, "HDUCLASS": "OGIP", "HDUCLAS1": "SPECTRUM", "HDUVERS": "1.2.0",
            "POISSERR": True, "CHANTYPE": "PI", "DETCHANS": self.nch, "TLMIN1": self.first,
        }  # fmt: skip
        header |= keywords
        hdu.header.update({k: v for k, v in header.items() if k not in drop})
        path = self.folder / name
        afits.HDUList([afits.PrimaryHDU(), hdu]).writeto(path)
        return path
