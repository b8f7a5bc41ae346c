"""Several sources per spectrum, each with a model and a response; chains of XSPEC's kind, natively."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest

from wolter.data import ARF, RMF, Spectrum, SpectrumSet
from wolter.data.response_tools import diagonal_response, shift_gain
from wolter.errors import FitError, ParameterError
from wolter.fit import Fit
from wolter.fit.sources import Gain, Source, SourcesFit, gain_parameters
from wolter.fit.table import ParameterTable
from wolter.fit.xspec_chain import XspecChain, convergence, margin, metropolis, proposal_root, read_chain
from wolter.models import Model

pytestmark = pytest.mark.filterwarnings("ignore::wolter.errors.WolterWarning")


@pytest.fixture(scope="module")
def loaded(shared):
    folder = shared("swift", "2m0259_00092220001")
    rmf, arf = RMF.read(folder / "swxpc0to12s6_20130101v014.rmf.gz"), ARF.read(folder / "target_sr.arf")
    spectrum = Spectrum.read(folder / "target_sr.pha", rmf=rmf, arf=arf, follow=False)
    return SpectrumSet([spectrum]).select(0.3 * u.keV, 8.0 * u.keV), rmf, arf


def table(expression, *values, groups=1):
    model = Model(expression)
    for parameter, value in zip(model.parameters, values, strict=True):
        parameter.value = value
    return ParameterTable(model, groups)


def test_predictions_are_sums_through_the_response_of_each(loaded):
    spectra, rmf, arf = loaded
    other = diagonal_response(rmf)
    sources = [Source(1, table("powerlaw", 2.0, 1e-4)), Source(3, table("bbody", 0.5, 1e-6), "back")]
    fit = SourcesFit(spectra, sources, [{1: (rmf, arf), 3: (other, None)}], statistic="cstat")
    one = rmf.fold(sources[0].table.models[0].evaluate(rmf.edges) * arf.specresp)
    two = other.fold(sources[1].table.models[0].evaluate(other.edges))
    chosen = fit.dataset.spectra[0].binned.bins.position - 1  # numbers from one
    np.testing.assert_allclose(fit.folded()[0], (one + two)[chosen], rtol=1e-9)
    np.testing.assert_allclose(fit.source_folded(3)[0], two[chosen], rtol=1e-9)
    assert fit.names == ["powerlaw.PhoIndex", "powerlaw.norm", "back:bbody.kT", "back:bbody.norm"]
    # derivatives see both responses
    free = fit.table.free
    slopes = fit.likelihood.derivatives(free.start[None]).beta[0]
    for k in range(4):
        h = 1e-5 * free.start[k]
        up, down = free.start.copy(), free.start.copy()
        up[k] += h
        down[k] -= h
        values = fit.likelihood.statistic(np.stack([up, down]))
        assert slopes[k] == pytest.approx(-(values[0] - values[1]) / (4 * h), rel=2e-3)


def test_groups_ties_and_release(loaded):
    spectra, rmf, arf = loaded
    both = SpectrumSet([spectra[0], spectra[0]], groups=[1, 2], notice=[spectra.notice[0]] * 2)
    a, b = table("powerlaw", 2.0, 1e-4, groups=2), table("bbody", 0.5, 1e-6, groups=2)
    # the second spectrum does not see the second source
    responses = [{1: (rmf, arf), 2: (rmf, arf)}, {1: (rmf, arf)}]
    fit = SourcesFit(both, [Source(1, a), Source(2, b, "back")], responses, statistic="cstat")
    assert len(fit.table.parameters) == 8
    assert fit.table.free.size == 4
    joint = Fit(SpectrumSet([spectra[0]], notice=spectra.notice), "powerlaw+bbody", statistic="cstat")
    for name, value in (("PhoIndex", 2.0), ("powerlaw.norm", 1e-4), ("kT", 0.5), ("bbody.norm", 1e-6)):
        joint.set(name, value)
    assert fit.contributions[0] == pytest.approx(joint.statistic)
    b.parameters[1].tie = "0.01*_unnamed.p2"
    assert fit.table.refresh()[3] == pytest.approx(1e-6)
    assert [fit.table.locate(i) for i in range(8)] == [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (0, 3), (1, 2), (1, 3)]
    assert all(fit.table.position(*fit.table.locate(i)) == i for i in range(8))
    with pytest.raises(ParameterError, match="circle"):
        a.parameters[1].tie = "back.p2"
    with pytest.raises(ParameterError, match="no parameter 9"):
        a.parameters[1].tie = "back.p9"
    fit.table.release()
    with pytest.raises(ParameterError):
        a.parameters[1].tie = "back.p1"  # on its own it knows no other model


def test_a_gain_that_is_held_is_a_shifted_response(loaded):
    spectra, rmf, arf = loaded
    slope, offset = gain_parameters()
    slope.value, offset.value = 0.99, 0.03
    slope.frozen = offset.frozen = True
    source = Source(1, table("powerlaw", 2.0, 1e-4))
    fit = SourcesFit(spectra, [source], [{1: (rmf, arf)}], gains=[Gain(0, 1, slope, offset)], statistic="cstat")
    moved = Spectrum.replace(spectra[0], **dict(zip(("rmf", "arf"), shift_gain(rmf, arf, 0.99, 0.03), strict=True)))
    plain = Fit(SpectrumSet([moved], notice=spectra.notice), Model("powerlaw"), statistic="cstat")
    plain.set("PhoIndex", 2.0)
    plain.set("norm", 1e-4)
    assert fit.statistic == pytest.approx(plain.statistic, rel=1e-10)
    assert fit.run("leven").statistic == pytest.approx(plain.run("leven").statistic, abs=1e-4)
    assert fit.dof == plain.dof


def test_what_cannot_be_fitted(loaded):
    spectra, rmf, arf = loaded
    source = Source(1, table("powerlaw", 2.0, 1e-4))
    with pytest.raises(FitError, match="one model each"):
        SourcesFit(spectra, [source, source], [{1: (rmf, arf)}])
    with pytest.raises(FitError, match="no response for any"):
        SourcesFit(spectra, [source], [{2: (rmf, arf)}])


# -- chains -----------------------------------------------------------------------------------------------------------


def test_metropolis_samples_a_known_distribution(loaded):
    """With Gaussian priors that are much narrower than the likelihood the chain is a sample of them."""
    spectra, _, _ = loaded
    fit = Fit(spectra, "powerlaw", statistic="cstat")
    fit.set("norm", 8e-5)
    fit.run("leven")
    fit.prior("PhoIndex", "gauss 2.2 0.01")
    fit.prior("norm", "gauss 8e-5 1e-6")
    root = proposal_root(fit, "diagonal", (0.015**2, 1.5e-6**2))
    chain = metropolis(fit, 3000, burn=300, root=root, seed=4)
    assert chain.column(1).mean() == pytest.approx(2.2, abs=0.004)
    assert chain.column(1).std() == pytest.approx(0.01, rel=0.2)
    assert chain.column(2).std() == pytest.approx(1e-6, rel=0.2)
    assert 0.2 < chain.accepted < 0.8
    assert chain.repeats == pytest.approx(1 - chain.accepted, abs=0.02)
    hot = metropolis(fit, 2000, burn=300, root=root, temperature=4.0, seed=4)
    assert hot.column(1).std() == pytest.approx(0.02, rel=0.25)  # root of the temperature times wider


def test_proposals(loaded):
    spectra, _, _ = loaded
    fit = Fit(spectra, "powerlaw", statistic="cstat")
    with pytest.raises(FitError, match="covariance of a fit"):
        proposal_root(fit)
    root = proposal_root(fit, "matrix", (4.0, 1.0, 9.0), scale=2.0)
    np.testing.assert_allclose(root @ root.T, [[8.0, 2.0], [2.0, 18.0]])
    for source, values in (("diagonal", (1.0,)), ("matrix", (1.0, 2.0)), ("diagonal", (1.0, -1.0))):
        with pytest.raises(FitError):
            proposal_root(fit, source, values)


def test_what_is_read_off_chains(tmp_path):
    rng = np.random.default_rng(3)
    values = rng.standard_normal((40000, 2)) * [1.0, 2.0]
    chain = XspecChain((1, 4), ("kT", "norm"), values, (values**2).sum(axis=1))
    assert chain.interval(1, 0.9) == pytest.approx((-1.645, 1.645), abs=0.03)
    mean, variance, within, ratio = convergence([values[:20000, 1], values[20000:, 1]])
    assert (mean, variance, within, ratio) == pytest.approx((0.0, 4.0, 4.0, 1.0), abs=0.08)
    apart = convergence([values[:20000, 1], values[20000:, 1] + 10])
    assert apart[3] > 2
    result = margin(chain, [(1, np.linspace(-5, 5, 21)), (4, np.linspace(-10, 10, 21))])
    assert result.probability.max() == pytest.approx(1 / (2 * np.pi * 2), rel=0.12)
    inside = result.integrated <= 0.6827  # the smallest region with 68 %
    assert (inside.sum() * 0.5 * 1.0) == pytest.approx(2.30 * np.pi * 2, rel=0.1)  # delta chi-squared of two parameters
    for form in ("fits", "ascii"):
        again = read_chain(chain.write(tmp_path / f"c.{form}", form=form))
        assert (again.numbers, again.names) == ((1, 4), ("kT", "norm"))
        np.testing.assert_allclose(again.values, values, rtol=1e-9)
    with pytest.raises(FitError, match="no parameter 2"):
        chain.column(2)
    (tmp_path / "no.txt").write_text("a b\n1 2\n")
    with pytest.raises(FitError, match="not those of a chain"):
        read_chain(tmp_path / "no.txt")
    with pytest.raises(FitError, match="different parameters"):
        XspecChain.join([chain, XspecChain((1,), ("kT",), values[:, :1], values[:, 0])])
