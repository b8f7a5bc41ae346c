"""The benchmarks' work done with NumPy, SciPy and astropy alone: what a user would write for one fit."""

import common
import numpy as np


def table(path, extension):
    from astropy.io import fits

    with fits.open(path, memmap=False) as f:
        return f[extension].data, f[extension].header


def matrix(path):
    """A response matrix as a dense array [energies, channels], and the energy edges."""
    from astropy.io import fits

    with fits.open(path, memmap=False) as f:
        hdu = next(h for h in f if h.name in ("MATRIX", "SPECRESP MATRIX"))
        data, first = hdu.data, hdu.header.get("TLMIN4", 1)
        out = np.zeros((len(data), len(f["EBOUNDS"].data)))
        for row, (starts, widths, values) in enumerate(
            zip(data["F_CHAN"], data["N_CHAN"], data["MATRIX"], strict=True)
        ):
            at = 0
            for start, width in zip(np.atleast_1d(starts), np.atleast_1d(widths), strict=True):
                out[row, start - first : start - first + width] = values[at : at + width]
                at += width
        return out, np.append(data["ENERG_LO"], data["ENERG_HI"][-1]).astype(float)


class IxpeFit:
    """Nine spectra and seven free parameters: dense responses, scipy's least squares."""

    def __init__(self, job):
        self.depth = np.load(job["depth"])
        self.names = list(job["start"])
        self.first = np.array(list(job["start"].values()))
        self.rows, self.data, self.error = [], [], []
        matrices = {}
        for one in job["spectra"]:
            if one["rmf"] not in matrices:
                matrices[one["rmf"]] = matrix(one["rmf"])
            full, self.edges = matrices[one["rmf"]]
            area = table(one["arf"], "SPECRESP")[0]["SPECRESP"].astype(float)
            data = table(one["file"], "SPECTRUM")[0]
            lo, hi = one["channels"]
            keep = (data["CHANNEL"] >= lo) & (data["CHANNEL"] <= hi)
            self.rows.append((one["stokes"], one["group"], np.ascontiguousarray((full[:, keep] * area[:, None]).T)))
            self.data.append(data["RATE"][keep].astype(float))
            self.error.append(data["STAT_ERR"][keep].astype(float))
        self.data, self.error = np.concatenate(self.data), np.concatenate(self.error)

    def residuals(self, free, fixed=None):
        a, psi, nh, gamma, norm, c2, c3 = free if fixed is None else (*fixed, *free)
        lo, hi = self.edges[:-1], self.edges[1:]
        flux = norm * (hi ** (1 - gamma) - lo ** (1 - gamma)) / (1 - gamma) * np.exp(-nh * self.depth)
        angle = 2.0 * np.radians(psi)
        wave = (1.0, a * np.cos(angle), a * np.sin(angle))
        factor = (1.0, c2, c3)
        model = [m @ flux * (wave[stokes] * factor[group - 1]) for stokes, group, m in self.rows]
        return (self.data - np.concatenate(model)) / self.error

    def fit(self):
        from scipy.optimize import least_squares

        self.found = least_squares(self.residuals, self.first, method="lm", x_scale=np.abs(self.first))
        return 2.0 * self.found.cost

    def grid(self, axes):
        from scipy.optimize import least_squares

        (a_lo, a_hi, a_n), (p_lo, p_hi, p_n) = axes
        out, best = np.empty((a_n, p_n)), self.found.x[2:]
        for i, a in enumerate(np.linspace(a_lo, a_hi, a_n)):
            for j, psi in enumerate(np.linspace(p_lo, p_hi, p_n)):
                found = least_squares(self.residuals, best, method="lm", x_scale=np.abs(best), args=((a, psi),))
                out[i, j] = 2.0 * found.cost
        return out


def ixpe_cold(job):
    return {"statistic": IxpeFit(job).fit()}


def ixpe(job):
    fit = IxpeFit(job)
    out = {"warm": common.median(fit.fit, job["repeat"]), "statistic": fit.fit()}
    found = {}

    def grid():
        found["y"] = fit.grid(job["grid"])

    if job["grid_repeat"]:
        out["grid"] = common.median(grid, job["grid_repeat"])
        out["lowest"] = float(found["y"].min())
    return out


def rmf(job):
    """Reading all columns of a response matrix with astropy; no matrix is built and nothing folded."""
    from astropy.io import fits

    def read():
        with fits.open(job["file"]) as f:
            hdu = next(h for h in f if h.name in ("MATRIX", "SPECRESP MATRIX"))
            for name in ("ENERG_LO", "ENERG_HI", "N_GRP", "F_CHAN", "N_CHAN"):
                np.array(hdu.data[name])
            values = hdu.data["MATRIX"]
            read.sum = float(np.sum(np.concatenate(list(values)) if values.dtype == object else np.array(values)))

    read()
    return {"warm": common.median(read, job["repeat"]), "sum": read.sum}


if __name__ == "__main__":
    common.run({f.__name__: f for f in (ixpe_cold, ixpe, rmf)})
