"""The benchmarks' work done with sherpa; runs in the peers' environment, which has no Wolter.

The models of XSPEC are not part of the sherpa that pip builds. The optical depth per unit column density is read from
a file that the benchmark writes, so that all programs absorb alike; the polarisation is a model of five lines.
"""

import logging
import warnings

import common
import numpy as np
from sherpa.models.model import ArithmeticModel
from sherpa.models.parameter import Parameter

warnings.simplefilter("ignore")
logging.getLogger("sherpa").setLevel(logging.ERROR)


class Absorption(ArithmeticModel):
    """exp(-nH * depth) on the energy bins of the response."""

    def __init__(self, name, depth):
        self.nH = Parameter(name, "nH", 1.0, 0.0, 1e5, 0.0, 1e6)
        self.depth = depth
        ArithmeticModel.__init__(self, name, (self.nH,))

    def calc(self, p, x, xhi=None, *args, **kwargs):
        return np.exp(-p[0] * self.depth[-len(x) :])


class Polarisation(ArithmeticModel):
    """Q/I or U/I of a constant polarisation."""

    def __init__(self, name, stokes):
        self.A = Parameter(name, "A", 0.1, 0.0, 1.0)
        self.psi = Parameter(name, "psi", 45.0, -90.0, 90.0)
        self.wave = np.cos if stokes == 1 else np.sin
        ArithmeticModel.__init__(self, name, (self.A, self.psi))

    def calc(self, p, x, xhi=None, *args, **kwargs):
        return np.full(len(x), p[0] * self.wave(2.0 * np.radians(p[1])))


class IxpeFit:
    """Nine spectra, seven free parameters."""

    def __init__(self, job):
        from sherpa.astro import ui
        from sherpa.models.basic import PowLaw1D, Scale1D

        self.ui = ui
        ui.set_stat("chi2datavar")
        ui.set_method("levmar")
        absorption = Absorption("tbabs", np.load(job["depth"]))
        powerlaw = PowLaw1D("powerlaw")
        pol = {1: Polarisation("q", 1), 2: Polarisation("u", 2)}
        pol[2].A, pol[2].psi = pol[1].A, pol[1].psi
        factors = [Scale1D(f"c{d}") for d in (1, 2, 3)]
        factors[0].c0.freeze()
        for number, one in enumerate(job["spectra"], 1):
            ui.load_pha(number, one["file"], use_errors=True)
            ui.load_rmf(number, one["rmf"])
            ui.load_arf(number, one["arf"])
            ui.set_analysis(number, "channel")
            ui.notice_id(number, one["channels"][0], one["channels"][1])
            source = absorption * factors[one["group"] - 1] * powerlaw
            ui.set_source(number, pol[one["stokes"]] * source if one["stokes"] else source)
        self.pol = pol[1]
        self.parameters = {
            "polconst.A": pol[1].A,
            "polconst.psi": pol[1].psi,
            "TBabs.nH": absorption.nH,
            "powerlaw.PhoIndex": powerlaw.gamma,
            "powerlaw.norm": powerlaw.ampl,
            "2:constant.factor": factors[1].c0,
            "3:constant.factor": factors[2].c0,
        }
        self.values = job["start"]
        self.start()

    def start(self):
        for name, value in self.values.items():
            self.parameters[name].val = value


def ixpe_cold(job):
    fit = IxpeFit(job)
    fit.ui.fit()
    return {"statistic": float(fit.ui.calc_stat()), "dof": int(fit.ui.get_fit_results().dof)}


def ixpe(job):
    fit = IxpeFit(job)
    warm = common.median(fit.ui.fit, job["repeat"], fit.start)
    out = {"statistic": float(fit.ui.calc_stat()), "dof": int(fit.ui.get_fit_results().dof), "warm": warm}
    out["values"] = {name: float(p.val) for name, p in fit.parameters.items()}
    (a_lo, a_hi, a_n), (p_lo, p_hi, p_n) = job["grid"]
    found = {}

    def grid():
        found["y"] = fit.ui.get_reg_proj(
            fit.pol.A,
            fit.pol.psi,
            recalc=True,
            min=(a_lo, p_lo),
            max=(a_hi, p_hi),
            nloop=(a_n, p_n),
            numcores=job["threads"],
        ).y

    if job["grid_repeat"]:
        out["grid"] = common.median(grid, job["grid_repeat"])
        out["lowest"] = float(np.min(found["y"]))
    return out


class SwiftFit:
    """One spectrum with few counts, absorbed power law, cstat."""

    def __init__(self, job):
        from sherpa.astro import ui
        from sherpa.models.basic import PowLaw1D

        self.ui = ui
        ui.set_stat("cstat")
        ui.set_method("levmar")
        self.absorption = Absorption("tbabs", np.load(job["depth"]))
        self.powerlaw = PowLaw1D("powerlaw")
        self.powerlaw.gamma.set(min=-3.0, max=10.0)
        ui.load_pha(1, job["file"])
        ui.load_rmf(1, job["rmf"])
        ui.load_arf(1, job["arf"])
        ui.set_analysis(1, "channel")
        ui.notice_id(1, job["channels"][0], job["channels"][1])
        ui.set_source(1, self.absorption * self.powerlaw)
        self.values = job["start"]
        self.start()

    def start(self):
        self.absorption.nH.val = self.values["TBabs.nH"]
        self.powerlaw.gamma.val = self.values["powerlaw.PhoIndex"]
        self.powerlaw.ampl.val = self.values["powerlaw.norm"]


def swift_cold(job):
    fit = SwiftFit(job)
    fit.ui.fit()
    return {"statistic": float(fit.ui.calc_stat())}


def swift(job):
    fit = SwiftFit(job)
    warm = common.median(fit.ui.fit, job["repeat"], fit.start)
    out = {"statistic": float(fit.ui.calc_stat()), "warm": warm}
    (n_lo, n_hi, n_n), (g_lo, g_hi, g_n) = job["grid"]
    found = {}

    def grid():
        found["y"] = fit.ui.get_reg_proj(
            fit.absorption.nH,
            fit.powerlaw.gamma,
            recalc=True,
            min=(n_lo, g_lo),
            max=(n_hi, g_hi),
            nloop=(n_n, g_n),
            numcores=job["threads"],
        ).y

    out["grid"] = common.median(grid, job["grid_repeat"])
    out["lowest"] = float(np.min(found["y"]))
    return out


def many(job):
    """The same model fitted to many spectra, in a loop over one fit object."""
    import time

    from sherpa.fit import Fit
    from sherpa.optmethods import LevMar
    from sherpa.stats import CStat

    one = SwiftFit(job)
    data, model = one.ui.get_data(1), one.ui.get_model(1)
    counts = np.load(job["counts"])
    statistic = []
    start = time.perf_counter()
    for row in counts:
        data.counts = row
        one.start()
        statistic.append(Fit(data, model, CStat(), LevMar()).fit().statval)
    return {"warm": time.perf_counter() - start, "statistic": [float(s) for s in statistic]}


def rmf(job):
    """Reading a response matrix and folding one spectrum with it."""
    from sherpa.astro import ui

    ui.load_pha  # noqa: B018  (the I/O backend is loaded by the import)

    def read():
        one = ui.unpack_rmf(job["file"])
        read.sum = float(np.sum(one.apply_rmf(np.ones(len(one.energ_lo)))))

    read()
    return {"warm": common.median(read, job["repeat"]), "sum": read.sum}


if __name__ == "__main__":
    common.run({f.__name__: f for f in (ixpe_cold, ixpe, swift_cold, swift, many, rmf)})
