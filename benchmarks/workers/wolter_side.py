"""The benchmarks' work done with Wolter, through its public interface."""

import itertools
import os
import warnings

import common
import numpy as np

warnings.simplefilter("ignore")
IXPE_MODEL = "polconst*tbabs*(constant*powerlaw)"
SWIFT_MODEL = "tbabs*powerlaw"


def ixpe(job):
    from wolter.data import Spectrum, SpectrumSet
    from wolter.fit import Fit
    from wolter.models import Model, Settings

    chosen = [Spectrum.read(one["file"]) for one in job["spectra"]]
    notice = []
    for one, spectrum in zip(job["spectra"], chosen, strict=True):
        notice.append((spectrum.channel >= one["channels"][0]) & (spectrum.channel <= one["channels"][1]))
    spectra = SpectrumSet(chosen, groups=[one["group"] for one in job["spectra"]], notice=notice)
    fit = Fit(spectra, Model(IXPE_MODEL, settings=Settings(abund="wilm")))
    fit.free_by_group("constant.factor")

    def start():
        for name, value in job["start"].items():
            fit.set(name, value)

    out = {"warm": common.median(fit.run, job["repeat"], start)}
    out |= {"statistic": float(fit.statistic), "dof": int(fit.dof)}
    (a_lo, a_hi, a_n), (p_lo, p_hi, p_n) = job["grid"]
    axes = {"polconst.A": (a_lo, a_hi, a_n), "polconst.psi": (p_lo, p_hi, p_n)}
    if job["grid_repeat"]:
        out["grid"] = common.median(lambda: fit.grid(axes), max(5, job["grid_repeat"]))
        out["lowest"] = float(fit.grid(axes).statistic.min())
    return out


def swift_spectrum(job):
    from wolter.data import ARF, RMF, Spectrum

    return Spectrum.read(job["file"], rmf=RMF.read(job["rmf"]), arf=ARF.read(job["arf"]))


def swift_set(job, spectra):
    from wolter.data import SpectrumSet

    lo, hi = job["channels"]
    return SpectrumSet(spectra, groups=[1], notice=[(s.channel >= lo) & (s.channel <= hi) for s in spectra])


def swift(job):
    from wolter.fit import Fit
    from wolter.models import Model, Settings

    fit = Fit(
        swift_set(job, [swift_spectrum(job)]), Model(SWIFT_MODEL, settings=Settings(abund="wilm")), statistic="cstat"
    )

    def start():
        for name, value in job["start"].items():
            fit.set(name, value)

    out = {"warm": common.median(fit.run, job["repeat"], start), "statistic": float(fit.statistic)}
    (n_lo, n_hi, n_n), (g_lo, g_hi, g_n) = job["grid"]
    axes = {"TBabs.nH": (n_lo, n_hi, n_n), "powerlaw.PhoIndex": (g_lo, g_hi, g_n)}
    out["grid"] = common.median(lambda: fit.grid(axes), max(5, job["grid_repeat"]))
    out["lowest"] = float(fit.grid(axes).statistic.min())
    rows = np.load(job["points"])
    out["points"] = [float(s) for s in fit.likelihood.statistic(rows)[:20]]
    turn = itertools.count(1)  # never the same point twice: nothing is remembered from the call before
    evaluate = lambda n: fit.likelihood.statistic(rows[:n] * (1.0 + 1e-5 * next(turn)))  # noqa: E731
    out["evaluate"] = common.median(lambda: evaluate(len(rows)), 5) / len(rows)
    out["single"] = common.median(lambda: evaluate(1), 50)
    return out


def many(job):
    from dataclasses import replace

    from wolter.fit import fit_many
    from wolter.models import Model, Settings

    template = swift_spectrum(job)
    sources = [swift_set(job, [replace(template, values=row)]) for row in np.load(job["counts"]).astype(float)]
    model = Model(SWIFT_MODEL, settings=Settings(abund="wilm"))
    for name, value in job["start"].items():
        model[name].value = value
    found = {}

    def fit():
        found["fits"] = fit_many(sources, model, statistic="cstat")

    return {"warm": common.median(fit, 3), "statistic": [float(s) for s in found["fits"].statistic]}


def rmf(job):
    from wolter.data import RMF

    def read():
        one = RMF.read(job["file"])
        read.sum = float(np.sum(one.fold(np.ones(len(one.energ_lo)))))

    read()
    return {"warm": common.median(read, job["repeat"]), "sum": read.sum}


def temperatures(job):
    return np.geomspace(0.3, 12.0, job["number"])


def apec(job):
    import time

    os.environ["XDG_CACHE_HOME"] = job["cache"]
    from wolter.models import Model, Settings

    edges = np.geomspace(0.1, 12.0, 4097)
    model = Model("apec", settings=Settings(atomdb=job["atomdb"]))
    start = time.perf_counter()
    total = float(np.sum(model.evaluate(edges)))
    first = time.perf_counter() - start
    times = []
    for kt in temperatures(job):
        model["apec.kT"].value = kt
        start = time.perf_counter()
        model.evaluate(edges)
        times.append(time.perf_counter() - start)
    # Again at temperatures seen before and between them: what a fit does after its first steps.
    again = []
    for kt in temperatures(job) * 1.001:
        model["apec.kT"].value = kt
        start = time.perf_counter()
        model.evaluate(edges)
        again.append(time.perf_counter() - start)
    return {"first": first, "warm": float(np.median(times)), "again": float(np.median(again)), "sum": total}


if __name__ == "__main__":
    common.run({f.__name__: f for f in (ixpe, swift, many, rmf, apec)})
