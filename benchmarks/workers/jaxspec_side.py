"""The benchmarks' work done with jaxspec. It samples posteriors and has no minimiser; its likelihood gets one here.

The minimiser is a damped Newton descent with the derivatives that JAX makes of jaxspec's likelihood, compiled.
"""

import time
import warnings
from pathlib import Path

import common
import numpy as np

warnings.simplefilter("ignore")
NAMES = ("spectrum.tbabs_1.nh", "spectrum.powerlaw_1.alpha", "spectrum.powerlaw_1.norm")


class SwiftFit:
    """One spectrum with few counts, absorbed power law; cstat is twice the Poisson likelihood less that of the data."""

    def __init__(self, job):
        import jax

        jax.config.update("jax_enable_x64", True)
        import jax.numpy as jnp
        import numpyro.distributions as dist
        from jax.scipy.special import gammaln, xlogy
        from jaxspec.data import Instrument, ObsConfiguration, Observation
        from jaxspec.fit import BayesianModel
        from jaxspec.model.additive import Powerlaw
        from jaxspec.model.multiplicative import Tbabs
        from jaxspec.util.online_storage import table_manager

        if job.get("tables"):  # its own files, which it would fetch otherwise
            table_manager.path = Path(job["tables"])
        instrument = Instrument.from_ogip_file(job["rmf"], job["arf"])
        observation = Observation.from_pha_file(job["file"])
        data = ObsConfiguration.from_instrument(instrument, observation, *job["energies"])
        prior = dict(zip(NAMES, (dist.Uniform(0, 1e3), dist.Uniform(-3, 10), dist.Uniform(0, 1e3)), strict=True))
        likelihood = BayesianModel(Tbabs() * Powerlaw(), prior, data).log_likelihood
        counts = jnp.asarray(np.asarray(data.folded_counts.data), dtype=float)
        perfect = (xlogy(counts, counts) - counts - gammaln(counts + 1.0)).sum()

        def statistic(nh, index, log_norm):
            values = (nh, index, jnp.exp(log_norm))
            return 2.0 * (perfect - likelihood({n: v[None] for n, v in zip(NAMES, values, strict=True)}))

        def descend(function, start, lower):
            """Minimum of a function of a few variables above lower limits: Newton steps, damped where they fail."""
            slope, curvature = jax.grad(function), jax.hessian(function)

            def step(state):
                x, now, damping, rounds, gain = state
                matrix, gradient = curvature(x), slope(x)
                stuck = (x <= lower) & (gradient > 0)
                matrix = jnp.where(stuck[:, None] | stuck[None], 0.0, matrix)
                scale = jnp.abs(jnp.diag(matrix)) + 1e-10
                matrix = matrix + jnp.diag(damping * scale + jnp.where(stuck, 1.0, 0.0))
                new = jnp.maximum(x - jnp.linalg.solve(matrix, jnp.where(stuck, 0.0, gradient)), lower)
                then = function(new)
                better = then < now
                state = jnp.where(better, new, x), jnp.where(better, then, now)
                return *state, damping * jnp.where(better, 0.1, 10.0), rounds + 1, jnp.where(better, now - then, gain)

            def goes_on(state):
                return (state[3] < 60) & (state[4] > 1e-4) & (state[2] < 1e12)

            begin = (start, function(start), jnp.array(1e-3), jnp.array(0), jnp.array(1e9))
            found = jax.lax.while_loop(goes_on, step, begin)
            return found[0], found[1]

        def best(start):
            return descend(lambda x: statistic(x[0], x[1], x[2]), start, jnp.array([0.0, -3.0, -40.0]))

        def profile(nh, index):
            return descend(lambda y: statistic(nh, index, y[0]), self.first[2:], jnp.array([-40.0]))[1]

        values = [job["start"][n] for n in ("TBabs.nH", "powerlaw.PhoIndex", "powerlaw.norm")]
        self.first = jnp.array([values[0], values[1], np.log(values[2])])
        self.best = jax.jit(best)
        self.statistic = jax.jit(statistic)
        self.batch = jax.jit(jax.vmap(statistic))
        self.profiles = jax.jit(jax.vmap(profile))

    def fit(self):
        return float(self.best(self.first)[1])


def swift_cold(job):
    return {"statistic": SwiftFit(job).fit()}


def swift(job):
    import jax

    fit = SwiftFit(job)
    start = time.perf_counter()
    statistic = fit.fit()
    out = {"first": time.perf_counter() - start, "statistic": statistic}
    out["warm"] = common.median(fit.fit, job["repeat"])
    (n_lo, n_hi, n_n), (g_lo, g_hi, g_n) = job["grid"]
    nh, index = (a.ravel() for a in np.meshgrid(np.linspace(n_lo, n_hi, n_n), np.linspace(g_lo, g_hi, g_n)))
    found = {}

    def grid():
        found["y"] = np.asarray(jax.block_until_ready(fit.profiles(nh, index)))

    grid()
    out["grid"] = common.median(grid, max(3, job["grid_repeat"]))
    out["lowest"] = float(np.nanmin(found["y"]))
    rows = np.load(job["points"])

    def evaluate():
        found["s"] = np.asarray(jax.block_until_ready(fit.batch(rows[:, 0], rows[:, 1], np.log(rows[:, 2]))))

    evaluate()
    out["evaluate"] = common.median(evaluate, 5) / len(rows)
    out["points"] = [float(s) for s in found["s"][:20]]
    one = rows[0, 0], rows[0, 1], np.log(rows[0, 2])
    out["single"] = common.median(lambda: float(fit.statistic(*one)), 50)
    return out


def rmf(job):
    from jaxspec.data import Instrument

    def read():
        one = Instrument.from_ogip_file(job["file"])
        read.sum = float((one.redistribution.data @ np.asarray(one.area.data)).sum())

    read()
    return {"warm": common.median(read, job["repeat"]), "sum": read.sum}


if __name__ == "__main__":
    common.run({f.__name__: f for f in (swift_cold, swift, rmf)})
