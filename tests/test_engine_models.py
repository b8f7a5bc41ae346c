"""Every origin and kind of component inside fits: tables, convolutions, XSPEC's library, Python; groups and limits."""

from __future__ import annotations

import re
import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits

from fit_support import counts, response, spectrum
from test_tables import grid_parameter, table_hdus, write
from wolter.data import Spectrum, SpectrumSet
from wolter.errors import DataError, FitError, ModelError, ParameterError, WolterWarning
from wolter.fit import Fit
from wolter.models import Context, Model, component, component_scope, get_component
from wolter.models.catalogue import describe_component
from wolter.models.xspec_library import find_installation


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WolterWarning)
        yield


def power_law(gamma=2.0, norm=0.5) -> Model:
    return Model("powerlaw", PhoIndex=gamma, norm=norm)


def two_groups(first: Model, second: Model, exposure=1e4) -> SpectrumSet:
    return SpectrumSet(
        [counts(first, exposure=exposure, seed=3), counts(second, exposure=exposure, seed=4)], groups=[1, 2]
    )


def same_fit(ours: Fit, theirs: Fit, *, statistic=1e-4, values=1e-3):
    """Both fits end at the same point, with the same errors."""
    for fit in (ours, theirs):
        fit.run()
    assert ours.statistic == pytest.approx(theirs.statistic, abs=statistic)
    mine = [p for p in ours.parameters if p.sigma is not None]
    other = [p for p in theirs.parameters if p.sigma is not None]
    assert len(mine) == len(other) > 0
    for a, b in zip(mine, other, strict=True):
        assert a.value == pytest.approx(b.value, abs=values * b.sigma + 1e-6 * abs(b.value)), a.name
        assert a.sigma == pytest.approx(b.sigma, rel=0.02), a.name


# --- table models -----------------------------------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path):
    """Power laws of 41 indices on the energies of the made-up response."""
    rmf, _, _ = response()
    edges = np.append(rmf.energ_lo, rmf.energ_hi[-1])
    indices = np.linspace(1.0, 3.0, 41)
    parameters = [grid_parameter("Gamma", indices, initial=1.7, delta=0.01)]
    hdus = table_hdus(parameters, edges, lambda gamma: np.diff(edges ** (1 - gamma + 1e-12)) / (1 - gamma + 1e-12))
    return write(tmp_path / "powers.fits", hdus)


def test_table_in_a_fit_of_two_groups(table):
    data = two_groups(power_law(2.0, 0.5), power_law(2.0, 0.6))
    fits = []
    for name in (f"atable{{{table}}}", "powerlaw"):
        fit = Fit(data, f"constant*tbabs*{name}", statistic="cstat")
        fit.freeze("constant.factor")
        fit.set("tbabs.nH", 0.0, frozen=True)
        fit.free_by_group("constant.factor")
        fits.append(fit)
    # between the tabulated indices, 0.05 apart, the interpolation is good to 1e-3
    ours, theirs = fits
    same_fit(ours, theirs, statistic=0.5, values=0.2)
    node = round(theirs[theirs.parameters[2].name].value / 0.05) * 0.05
    ours.set(3, node)
    theirs.set(3, node)
    for p in (4, 5):
        ours.set(p, theirs.table.parameters[p - 1].value)
    for a, b in zip(ours.folded(), theirs.folded(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_tables_share_shapes(table):
    model = Model(f"tbabs*atable{{{table}}}")
    edges = np.geomspace(1, 10, 61)
    compiled = model.compile(edges, (Context(settings=model.settings),))
    rows = np.tile([p.value for p in model.parameters], (5, 1))
    rows[:, 0] = np.linspace(0, 1, 5)
    (term,) = compiled.terms(rows)
    values = compiled.evaluate(rows)[0]
    for row, expected in zip(rows, values, strict=True):
        for p, v in zip(model.parameters, row, strict=True):
            p.value = v
        np.testing.assert_allclose(model.evaluate(edges), expected, rtol=1e-12)
    assert term.flux.shape[1] == 5  # five shapes, as absorption differs in each
    rows[:, 0] = 0.3
    rows[:, -1] = np.arange(5)
    (term,) = compiled.terms(rows)
    assert term.flux.shape[1] == 1  # norms are not shapes


def test_factor_tables_in_a_fit(tmp_path):
    rmf, _, _ = response()
    edges = np.append(rmf.energ_lo, rmf.energ_hi[-1])
    middle = 0.5 * (edges[1:] + edges[:-1])
    depth = [grid_parameter("tau", np.linspace(0, 2, 5), initial=0.5, delta=0.01)]
    exponents = write(tmp_path / "exponents.fits", table_hdus(depth, edges, lambda t: t / middle, additive=False))
    data = SpectrumSet([counts(power_law(), exposure=1e4)])
    fit = Fit(data, f"etable{{{exponents}}}*powerlaw", statistic="cstat")
    fit.set("powerlaw.norm", 0.5)
    fit.set("powerlaw.PhoIndex", 2.0)
    fit.set(1, 0.7)
    plain = Fit(data, power_law(), statistic="cstat")
    rates = plain.model.evaluate(edges) * np.exp(-0.7 / middle)
    folded = (rates * data[0].arf.specresp) @ data[0].rmf.dense()
    np.testing.assert_allclose(fit.folded()[0], folded, rtol=1e-9)
    fit.run()
    assert fit.parameters[0].value < 4 * max(fit.parameters[0].sigma or 0, 0.02)  # there is no absorption in the data


# --- convolutions -----------------------------------------------------------------------------------------------------


def test_cflux_gives_the_flux_of_the_fit():
    data = SpectrumSet([counts(power_law(), exposure=1e4)])
    direct = Fit(data, "powerlaw", statistic="cstat")
    direct.run()
    fit = Fit(data, "cflux*powerlaw", statistic="cstat")
    fit.set("cflux.Emin", 2.0)
    fit.set("cflux.Emax", 8.0)
    fit.freeze("powerlaw.norm")
    fit.run()
    assert fit.statistic == pytest.approx(direct.statistic, abs=1e-3)
    (flux,) = direct.flux(2 * u.keV, 8 * u.keV)
    row = next(p for p in fit.parameters if p.name == "cflux.lg10Flux")
    assert 10**row.value == pytest.approx(flux.energy, rel=1e-3)
    assert row.sigma * np.log(10) == pytest.approx(flux.energy_error / flux.energy, rel=0.03)


@pytest.mark.parametrize(
    ("expression", "values", "free"),
    [
        ("gsmooth*(powerlaw+gaussian)", {"gsmooth.Sig_6keV": 0.2, "gaussian.LineE": 5.0, "gaussian.norm": 0.05}, 1),
        ("simpl*bbody", {"simpl.Gamma": 2.5, "simpl.FracSctr": 0.2, "bbody.kT": 0.8}, 2),
        ("partcov*tbabs*powerlaw", {"partcov.CvrFract": 0.6, "TBabs.nH": 8.0, "powerlaw.PhoIndex": 2.0}, 1),
        ("zashift*(powerlaw+gaussian)", {"zashift.Redshift": 0.1, "gaussian.LineE": 5.0, "gaussian.norm": 0.05}, 1),
    ],
)
def test_convolutions_in_fits(expression, values, free):
    truth = Model(expression)
    for name, value in values.items():
        truth[name].value = value
    data = SpectrumSet([counts(truth, exposure=1e4, seed=None), counts(truth, exposure=2e4, seed=None)], groups=[1, 2])
    fit = Fit(data, truth, statistic="cstat")
    assert fit.statistic == pytest.approx(0.0, abs=1e-6)  # expected counts, the model that made them
    frozen = [p.name for p in fit.parameters if p.group == 1 and p.sigma is None and p.frozen]
    moved = [n for n in values if n not in frozen][:free]
    for name in moved:
        fit.set(name, fit[name].value * 1.05)
    assert fit.statistic > 0.1
    fit.run()
    assert fit.statistic == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize(
    "name", ["ascac", "projct", "xmmpsf", "suzpsf", "recorn", "crossarf", "clmass", "nfwmass", "monomass"]
)
def test_mixing_components_say_why_not(name):
    pytest.importorskip("xspectrampoline")
    with pytest.raises(ModelError, match=f"'{name}'.*its library has no function for it") as caught:
        Fit([counts(power_law())], f"{name}*powerlaw")
    entry = describe_component(name, check=True)
    assert (entry.kind, entry.usable) == ("mixing", False)
    assert entry.reason in caught.value.cause


def test_library_holds_no_mixing_component():
    """The reason given is true: the classes that mixmodel.dat names are in none of the wheel's shared libraries."""
    pytest.importorskip("xspectrampoline")
    installation = find_installation()
    assert installation is not None
    folder = installation.headas / "lib"
    content = b"".join(path.read_bytes() for path in sorted(folder.glob("libXS*.so*")))
    assert b"MixUtility" in content  # the base class is, so this is how they are named
    text = (installation.headas / "spectral" / "manager" / "mixmodel.dat").read_text()
    classes = re.findall(r"\bU_(\w+)", text)
    assert len(classes) == 10
    for name in set(classes) - {"Psf"}:
        # mangled: length of the name, then the name
        assert f"{len(name)}{name}".encode() not in content, name
    assert b"3PsfI" not in content


# --- convolutions see the whole response -----------------------------------------------------------------------------


CONVOLVED = {
    "cflux*powerlaw": {"cflux.Emin": 1.0, "cflux.Emax": 9.0},
    "simpl*diskbb": {"diskbb.Tin": 0.4, "simpl.FracSctr": 0.5},
    "powerlaw+TBabs(gsmooth(gaussian))": {"gsmooth.Sig_6keV": 0.8, "gaussian.LineE": 3.0},
    "constant*cflux(simpl*diskbb)*TBabs": {"cflux.Emin": 1.0, "cflux.Emax": 9.0},
}


@pytest.mark.parametrize("expression", CONVOLVED)
def test_convolutions_do_not_depend_on_what_is_noticed(expression):
    """As in XSPEC they act on all energies of the response, not on those that reach the noticed bins."""
    wide = counts(power_law())
    rates = []
    for low, high in ((0.0, 100.0), (4.0, 5.0)):
        fit = Fit(SpectrumSet([wide]).select(low * u.keV, high * u.keV), expression, statistic="cstat")
        for name, value in CONVOLVED[expression].items():
            fit.set(name, value)
        first = fit.dataset.spectra[0].binned.bins.position[0]
        rates.append((first, fit.folded()[0], fit.intensity_rates()[0], fit.dataset.grids[0].edges))
    (whole_first, *whole, all_edges), (part_first, *part, edges) = rates
    assert len(edges) < 0.6 * len(all_edges)  # the rest of the model is computed where it is needed only
    place = slice(part_first - whole_first, part_first - whole_first + len(part[0]))
    for ours, theirs in zip(part, whole, strict=True):
        np.testing.assert_allclose(ours, theirs[place], rtol=1e-12)


def test_flux_of_a_component_in_a_narrow_band():
    """cflux over 1-9 keV from data of 4-5 keV: the flux of the power law that made them."""
    data = SpectrumSet([counts(power_law(2.0, 0.5), exposure=1e6, seed=None)]).select(4 * u.keV, 5 * u.keV)
    fit = Fit(data, "cflux*powerlaw", statistic="cstat")
    for name, value in {"cflux.Emin": 1.5, "cflux.Emax": 9.0, "powerlaw.PhoIndex": 2.0, "powerlaw.norm": 1.0}.items():
        fit.set(name, value, frozen=True)
    fit.run()
    assert 10 ** fit["cflux.lg10Flux"].value == pytest.approx(0.5 * np.log(9.0 / 1.5) * 1.602177e-9, rel=1e-3)


# --- XSPEC's library and Python in two groups -------------------------------------------------------------------------


def test_library_components_in_two_groups():
    pytest.importorskip("xspectrampoline")
    data = two_groups(power_law(2.0, 0.5), power_law(2.0, 0.7))
    fits = []
    for prefix in ("xspec_", ""):
        fit = Fit(data, f"{prefix}constant*{prefix}powerlaw", statistic="cstat")
        fit.freeze(1)
        fit.free_by_group(f"{prefix}constant.factor")
        fits.append(fit)
    same_fit(*fits)
    assert fits[0]["2:xspec_constant.factor"].value == pytest.approx(1.4, abs=0.05)


def test_python_components_in_two_groups():
    with component_scope():

        @component(kind="add", per="keV")
        def slope(energies, index=1.0):
            return energies**-index

        assert get_component("slope").origin == "python"
        data = two_groups(power_law(2.0, 0.5), power_law(1.5, 0.5))
        fit = Fit(data, "slope", statistic="cstat")
        fit.free_by_group("slope.index")
        fit.run()
        assert fit["slope.index"].value == pytest.approx(2.0, abs=0.05)
        assert fit["2:slope.index"].value == pytest.approx(1.5, abs=0.05)


# --- ties, limits, steps ----------------------------------------------------------------------------------------------


def test_ties_across_groups_by_name_and_number():
    data = two_groups(power_law(2.0, 0.5), power_law(1.5, 1.0))
    results = []
    for text in ("1:powerlaw.PhoIndex - 0.5", "p1 - 0.5", "= -1/2. + p1"):
        fit = Fit(data, "powerlaw", statistic="cstat")
        fit.tie("2:powerlaw.PhoIndex", text)
        fit.tie("2:powerlaw.norm", "2.*p2")
        fit.run()
        assert fit["2:powerlaw.PhoIndex"].value == pytest.approx(fit[1].value - 0.5, abs=1e-12)
        assert fit["2:powerlaw.norm"].value == pytest.approx(2 * fit["powerlaw.norm"].value, rel=1e-12)
        assert fit.dof == 80 - 2
        results.append(fit.statistic)
    assert results == pytest.approx([results[0]] * 3, abs=1e-9)
    # two free indices and norms cannot be worse, and hardly better: the ties are the truth
    free = Fit(data, "powerlaw", statistic="cstat")
    free.free_by_group("powerlaw.PhoIndex")
    free.free_by_group("powerlaw.norm")
    free.run()
    assert free.statistic <= results[0] + 1e-6
    assert results[0] - free.statistic < 14  # chi-squared of 2 degrees of freedom, 0.1 %


def test_soft_and_hard_limits_and_steps():
    model = power_law()
    p = model["powerlaw.PhoIndex"]
    assert (p.hard_min, p.soft_min, p.soft_max, p.hard_max) == (-3, -2, 9, 10)
    data = SpectrumSet([counts(power_law(2.0), exposure=1e4)])
    fit = Fit(data, "powerlaw", statistic="cstat")
    fit.limits("powerlaw.PhoIndex", 1.0, 1.8)
    fit.set("powerlaw.PhoIndex", 1.5)
    result = fit.run()
    assert fit["powerlaw.PhoIndex"].value == pytest.approx(1.8)
    assert any("upper limit" in m for m in result.messages)
    with pytest.raises(ParameterError, match=r"outside its limits"):
        fit.set("powerlaw.PhoIndex", 1.9)
    with pytest.raises(ParameterError):
        fit.limits("powerlaw.PhoIndex", 2.0, 1.0)
    # the step does not decide where a fit ends
    ends = []
    for delta in (1e-4, 0.01, 0.3):
        other = Fit(data, "powerlaw", statistic="cstat")
        other["powerlaw.PhoIndex"].delta = delta
        other.run("leven")
        ends.append(other["powerlaw.PhoIndex"].value)
        sigma = other.parameters[0].sigma
    np.testing.assert_allclose(ends, ends[0], atol=0.02 * sigma)


# --- data that no fit can use -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["BACKSCAL", "AREASCAL"])
@pytest.mark.parametrize("place", ["value", "channel"])
def test_negative_scaling(name, place):
    rmf, arf, _ = response()
    value = -0.5 if place == "value" else np.where(np.arange(40) == 7, -0.5, 1.0)
    with pytest.raises(DataError, match=rf"{name} is negative \(-0\.5\)"):
        spectrum(np.ones(40), rmf, arf, **{name.lower(): value})


def test_negative_scaling_in_a_file(tmp_path):
    """As XSPEC does, the reader takes 1 instead and says so."""
    rmf, arf, _ = response()
    path = tmp_path / "spectrum.pha"
    spectrum(np.ones(40), None, None, backscal=0.25).write(path)
    with fits.open(path, mode="update") as file:
        file["SPECTRUM"].header["BACKSCAL"] = -0.25
    with pytest.warns(WolterWarning, match="BACKSCAL is not positive"):
        assert Spectrum.read(path, rmf=rmf, arf=arf).backscal == 1.0


def test_zero_and_negative_exposure():
    rmf, arf, _ = response()
    for exposure in (0.0, -5.0):
        with pytest.raises(DataError, match="without exposure has no rate"):
            spectrum(np.ones(40), rmf, arf, exposure=exposure)


@pytest.mark.parametrize("statistic", ["cstat", "pgstat", "pstat"])
def test_counts_that_are_no_counts(statistic):
    rmf, arf, _ = response()
    half = spectrum(np.full(40, 2.5), rmf, arf, poisson=True)
    with pytest.warns(WolterWarning, match=f"{statistic} is made for counts, but these are not whole numbers"):
        Fit([half], "powerlaw", statistic=statistic)
    rates = spectrum(np.full(40, 2.5), rmf, arf, is_rate=True, poisson=False, stat_err=np.full(40, 0.1))
    with pytest.warns(WolterWarning, match=f"{statistic} is only valid for Poisson data"):
        Fit([rates], "powerlaw", statistic=statistic)
    negative = spectrum(np.where(np.arange(40) == 3, -2.0, 2.0), rmf, arf, poisson=True)
    with pytest.raises(FitError, match="the spectrum is negative in 1 noticed bins"):
        Fit([negative], "powerlaw", statistic=statistic)
