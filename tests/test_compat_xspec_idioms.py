"""Forms of PyXspec calls that published scripts and notebooks use, beside those of its manual."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

import wolter.compat.xspec as x
from test_compat_xspec_golden import fresh_session
from wolter.compat.xspec.restrict import seal
from wolter.fit.leven import _insensitive


def spectrum(number: int = 1) -> x.Spectrum:
    """A loaded spectrum."""
    found = x.AllData(number)
    assert found is not None
    return found


@pytest.fixture
def session(shared, monkeypatch):
    """GRB 070110 with its background and a model; the folder holds its files."""
    fresh_session(monkeypatch)
    seal(x.Fit, x.Plot, x.Xset)
    folder = shared("swift", "grb070110_00255445000")
    monkeypatch.chdir(folder)
    x.Xset.chatter = 0
    x.Spectrum("interval0pc.pi")
    x.AllData.ignore("**-0.3 10.0-**")
    x.Fit.statMethod, x.Fit.query = "cstat", "yes"
    yield x.Model("tbabs*powerlaw", setPars=(0.1, 2.0, 2e-3))
    x.Plot.setGroup(None)
    x.Plot.setRebin(0, 1)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("6.0 0.06 0.1 1 8 9", [6.0, 0.06, 0.1, 1.0, 8.0, 9.0]),
        ("6.,0.06,,,8.5", [6.0, 0.06, -3.0, -2.0, 8.5, 10.0]),
        ("6. 0.06,,,8.5", [6.0, 0.06, -3.0, -2.0, 8.5, 10.0]),  # blanks before, commas behind
        ("6. , , -1. -1.", [6.0, 0.06, -1.0, -1.0, 9.0, 10.0]),
        (np.array([6.0, 0.06, 0.1, 1.0, 8.0, 9.0]), [6.0, 0.06, 0.1, 1.0, 8.0, 9.0]),
        (np.float32(6.0), [6.0, 0.06, -3.0, -2.0, 9.0, 10.0]),
        (["6.0", "0.06"], [6.0, 0.06, -3.0, -2.0, 9.0, 10.0]),
    ],
)
def test_values_of_parameters(session, given, expected):
    session.powerlaw.PhoIndex.values = given
    assert session.powerlaw.PhoIndex.values == pytest.approx(expected)


def test_links_with_leading_zeros(session):
    session(3).link = "p02 * 0.001"
    assert session(3).values[0] == pytest.approx(0.002)
    assert session(3).link == "= p2*0.001"


def test_integers_in_links_that_number_no_parameter(session):
    session(3).link = "0.001*(100 - (1 + 2))"
    assert session(3).values[0] == pytest.approx(0.001 * (100 - (0.1 + 2.0)))
    session(3).link = "p2*0"
    assert session(3).values[0] == 0
    session(3).link = "p9"  # with its letter it has to be a parameter
    assert session(3).link == "= p2*0."
    session.untie()


def test_norms_that_vanish_are_held():
    """XSPEC's "leven" holds what is lost in the rounding of its differences; one digit more and it is varied on."""
    alpha = np.diag([1e12, 4.0, 1e12, 1e12, 0.0])  # 1e3, 4, 1e-8, 1e-12 and 0 sigma
    point = np.array([1e-3, 2.0, 1e-14, 1e-18, 1.0])
    assert _insensitive(alpha, point, [0, 1, 2, 3, 4]) == [3, 4]
    assert _insensitive(alpha, point, [1, 2]) == []
    point[3] = 0.0  # XSPEC takes the parameter's own step at zero
    assert _insensitive(alpha, point, [0, 1, 2, 3]) == []


def test_flux_with_errors_in_words(session):
    x.Fit.perform()
    x.Xset.seed = 5
    x.AllModels.calcFlux("0.5 10.0 error 200 68")
    flux = spectrum().flux
    assert flux[1] < flux[0] < flux[2]


def test_names_of_plots_and_units(session, capsys):
    x.Plot("efficiency")
    x.Plot("m")
    assert x.Plot.model() == pytest.approx(np.array(session.values(1)) / np.diff(session.energies(1)), rel=1e-9)
    for given, label in (("energy", "Energy (keV)"), ("wave", "Wavelength"), ("GHz", "GHz")):
        x.Plot.xAxis = given
        x.Plot("data")
        assert label in x.Plot.labels()[0]
    with pytest.raises(Exception, match=r"does not exist: ldta.*'ldata'"):
        x.Plot("ldta")
    x.Plot.xAxis = "keV"


def test_settings_of_fakes_are_copied():
    first = x.FakeitSettings("a.rmf", arf="a.arf", exposure=100.0, fileName="a.fak")
    second = x.FakeitSettings(first, fileName="b.fak")
    assert (second.response, second.arf, second.exposure, second.fileName) == ("a.rmf", "a.arf", 100.0, "b.fak")
    second.arf = "b.arf"
    assert first.arf == "a.arf"


def test_new_attributes_of_models(session):
    with pytest.raises(AttributeError, match="note"):
        session.note = 1
    x.Xset.allowNewAttributes = True
    session.note = "mine"
    x.Xset.allowNewAttributes = False
    assert session.note == "mine"
    assert session.powerlaw.name == "powerlaw"


def test_gains_are_saved(session, tmp_path):
    response = spectrum().response
    response.setPars({1: "1.01 0.01", 2: "0.03 -1"})
    before = x.Fit.statistic
    x.Xset.save(str(tmp_path / "g.xcm"))
    x.AllData.clear()
    x.AllModels.clear()
    x.Xset.restore(str(tmp_path / "g"))
    gain = spectrum().response.gain
    assert (gain.slope.values[0], gain.offset.values[0], gain.offset.frozen) == (1.01, 0.03, True)
    assert x.Fit.statistic == pytest.approx(before, rel=1e-5)
    gain.off()


# as XSPEC's `save all` and people write them
COMMANDS = """# comment
method leven 50 0.01
abund wilm
xsect vern
cosmo 70 0 0.73
xset delta 0.01
systematic 0
data 1:1 interval0pc.pi
response  1:1 interval0pc.rmf
arf 1:1 interval0pc.arf
backgrnd 1 interval0pcback.pi
ign 1:**-0.3,10.0-**
statistic cstat 1
setplot energy
setplot rebin 3 10
cpd /null
mo tbabs*po & 0.1 & 2 & 1e-3
newpar 2 1.9 0.1
newp 1 0.05
freeze 1
puts "fitting"
fit 100
error 1. 2
pl ldata
exit
never reached
"""


def test_command_files_of_xspec(session, tmp_path):
    x.AllData.clear()
    x.AllModels.clear()
    (tmp_path / "user.xcm").write_text(COMMANDS)
    (tmp_path / "outer.xcm").write_text(f"@{tmp_path / 'user.xcm'}\nthaw 1\nsetplot delete all\n")
    x.Xset.restore(str(tmp_path / "outer.xcm"))
    m = x.AllModels(1)
    assert spectrum().ignoredString().startswith("1-30")
    assert (m.TBabs.nH.values[0], m.TBabs.nH.frozen) == (0.05, False)
    low, high, codes = m(2).error
    assert low < m(2).values[0] < high
    assert codes == "FFFFFFFFF"
    assert x.Plot.rebin_of(1) == (3.0, 10, "quad")
    assert x.Xset.abund == "wilm"
    assert x.Plot.xAxis == "keV"
    x.Xset.abund = "angr"
    for text, name in (("addcomp 1 po", "addcomp"), ("setplot nonsense", "nonsense")):
        (tmp_path / "bad.xcm").write_text(text)
        with pytest.raises(NotImplementedError, match=name):
            x.Xset.restore(str(tmp_path / "bad.xcm"))


@pytest.fixture
def polarised(shared, monkeypatch):
    """I, Q and U of the first detector of Mrk 501."""
    fresh_session(monkeypatch)
    monkeypatch.chdir(shared("ixpe", "mrk501_01004601"))
    x.Xset.chatter = 0
    for number, stokes in enumerate("IQU", 1):
        x.AllData(f"1:{number} det1_filt_src_{stokes}.pha")
        spectrum(number).response = "ixpe_d1_20170101_alpha075_02.rmf"
        spectrum(number).response.arf = f"det1_filt_src.{'arf' if stokes == 'I' else 'mrf'}"
    x.AllData.ignore("0.0-2.0 8.0-**")
    x.Plot.xAxis = "keV"
    yield x.Model("polconst*tbabs*powerlaw", setPars=(0.1, -55.0, 0.1, 2.3, 0.1))
    x.Plot.setRebin(0, 1)
    x.Plot.setGroup(None)


def test_joined_bins_of_polarisation(polarised):
    x.Plot("polangle", "polfrac")
    fine = [np.array(v()) for v in (x.Plot.x, x.Plot.xErr, x.Plot.y, x.Plot.model)]
    assert len(fine[0]) == 149
    x.Plot.setRebin(3.0, 40)
    x.Plot("polangle", "polfrac")
    middle, half, angle, error = (np.array(v()) for v in (x.Plot.x, x.Plot.xErr, x.Plot.y, x.Plot.yErr))
    assert 4 <= len(middle) <= 30
    np.testing.assert_allclose((middle + half)[:-1], (middle - half)[1:], atol=1e-6)
    assert (middle - half)[0] == pytest.approx(fine[0][0] - fine[1][0])
    assert (middle + half)[-1] == pytest.approx(fine[0][-1] + fine[1][-1])
    count = np.round(half / fine[1][0]).astype(int)  # bins have one width
    # sigma of the angle is 90/pi over the significance of the polarisation
    reached = np.abs(error) <= 90 / np.pi / 3.0 * 1.0001
    assert (reached | (count == 40) | (np.arange(len(count)) == len(count) - 1)).all()
    assert reached.sum() >= 2
    begin = np.round((middle - half - fine[0][0] + fine[1][0]) / (2 * fine[1][0])).astype(int)
    q, u = (np.add.reduceat(np.array(spectrum(n).values), begin) for n in (2, 3))  # no background, one AREASCAL
    np.testing.assert_allclose(np.cos(np.radians(2 * angle)), q / np.hypot(q, u), rtol=1e-6)
    np.testing.assert_allclose(x.Plot.model(1, 1), -55.0, atol=1.0)
    assert len(x.Plot.y(1, 2)) == len(middle)


def test_commands_concern_their_window(session, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *a, **k: drawn.append(figure) or open(a[0], "w").close())
    x.Plot.xAxis = "keV"
    x.Plot.device = str(tmp_path / "a.png")
    x.Plot.commands = (
        "rescale y1 1e-4 2",
        "r y2 -7 7",
        "win 2",
        "label y residuals",
        "la top not here",
        "window 1",
        "la t T",
    )
    x.Plot("ldata", "delchi")
    x.Plot.device, x.Plot.commands = "/null", ()
    upper, lower = drawn[0].axes
    assert upper.get_ylim() == (1e-4, 2.0)
    assert lower.get_ylim() == (-7.0, 7.0)
    assert lower.get_ylabel() == "residuals"
    assert upper.get_title() == "T"


def test_chains_of_parameters_that_the_fit_held(session, tmp_path):
    """A parameter without influence has no variance; walkers start by a hundredth of its value."""
    m = x.Model("tbabs*(powerlaw + cflux*bbody)", setPars=(0.1, 2.0, 2e-3, 0.5, 10.0, -60.0, "1 -1", "1 -1"))
    x.Fit.perform()
    assert m.cflux.lg10Flux.sigma == 0
    best = x.Fit.statistic
    x.Xset.seed = 1
    x.Chain(str(tmp_path / "c.fits"), burn=0, runLength=400, walkers=20)
    with fits.open(tmp_path / "c.fits") as file:
        rows = file["CHAIN"].data  # type: ignore[union-attr]
    assert np.std(rows["lg10Flux__6"][:20]) == pytest.approx(0.6, rel=0.5)
    assert best - 0.01 <= rows["FIT_STATISTIC"].min() < best + 10
    x.AllChains.clear()
