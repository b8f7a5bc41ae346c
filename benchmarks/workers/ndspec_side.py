"""The nine-spectrum fit done with ndspec: one spectro-polarimetric fitter per detector, fitted jointly by lmfit."""

import warnings

import matplotlib

matplotlib.use("Agg")
import common
import numpy as np

warnings.simplefilter("ignore")


class IxpeFit:
    """Three detectors, seven free parameters."""

    def __init__(self, job):
        from lmfit import Model, Parameters
        from ndspec.FitSpectroPolarimetry import FitSpectroPolarimetry
        from ndspec.JointFit import JointFit
        from ndspec.Response import ResponseMatrix

        depth = np.load(job["depth"])
        names = {"polconst.A": "A", "polconst.psi": "psi", "TBabs.nH": "nH", "powerlaw.PhoIndex": "gamma"}
        names |= {"powerlaw.norm": "norm", "2:constant.factor": "c2", "3:constant.factor": "c3"}
        limits = {"A": (0.0, 1.0)}  # lmfit maps bounds to a sine: wide ones leave it nothing to differentiate
        self.start = {names[name]: value for name, value in job["start"].items()} | {"c1": 1.0}

        def stokes(ear, a, psi, nh, gamma, norm, factor):
            lo, hi = ear[:-1], ear[1:]
            flux = norm * (hi ** (1 - gamma) - lo ** (1 - gamma)) / (1 - gamma) * np.exp(-nh * depth)
            flux = factor * flux / (hi - lo)  # ndspec multiplies by the bin widths
            angle = 2.0 * np.radians(psi)
            return np.array([flux, flux * a * np.cos(angle), flux * a * np.sin(angle)])

        def model1(energ, ear, A, psi, nH, gamma, norm, c1):
            return stokes(ear, A, psi, nH, gamma, norm, c1)

        def model2(energ, ear, A, psi, nH, gamma, norm, c2):
            return stokes(ear, A, psi, nH, gamma, norm, c2)

        def model3(energ, ear, A, psi, nH, gamma, norm, c3):
            return stokes(ear, A, psi, nH, gamma, norm, c3)

        self.joint = JointFit()
        for detector, function in ((1, model1), (2, model2), (3, model3)):
            mine = {s["stokes"]: s for s in job["spectra"] if s["group"] == detector}
            one = FitSpectroPolarimetry()
            one.set_data(
                ResponseMatrix(mine[0]["rmf"], mine[0]["arf"]),
                *(mine[k]["file"] for k in range(3)),
                response_pol=ResponseMatrix(mine[1]["rmf"], mine[1]["arf"]),
            )
            lo, hi = job["energies"]
            one.ignore_energies(0.0, lo)
            one.ignore_energies(hi, 100.0)
            parameters = Parameters()
            for name in ("A", "psi", "nH", "gamma", "norm", f"c{detector}"):
                low, high = limits.get(name, (-np.inf, np.inf))
                parameters.add(name, value=self.start[name], min=low, max=high, vary=name != "c1")
            one.set_model(Model(function, independent_vars=["energ", "ear"]), params=parameters)
            self.joint.add_fitobj(one, f"du{detector}")

    def restart(self):
        for name, value in self.start.items():
            self.joint.model_params[name].value = value

    def fit(self):
        self.joint.fit_data()
        return self.joint.fit_result


def ixpe_cold(job):
    found = IxpeFit(job).fit()
    return {"statistic": float(found.chisqr), "dof": int(found.nfree)}


def ixpe(job):
    fit = IxpeFit(job)
    warm = common.median(fit.fit, max(3, job["repeat"] // 3), fit.restart)
    found = fit.joint.fit_result
    return {"statistic": float(found.chisqr), "dof": int(found.nfree), "warm": warm}


if __name__ == "__main__":
    common.run({f.__name__: f for f in (ixpe_cold, ixpe)})
