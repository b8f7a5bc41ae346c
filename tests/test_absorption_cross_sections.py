"""Cross-sections, grains and abundances against papers, independent formulas and the original data files."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest

from wolter.errors import ModelError
from wolter.models import Context, Settings
from wolter.models.absorption import gas, interstellar, verner
from wolter.models.absorption.abundances import (
    ELEMENTS,
    AbundanceTable,
    abundance,
    abundance_names,
    abundance_table,
    abundances_of,
)
from wolter.models.absorption.components import phabs, tbabs
from wolter.models.absorption.interstellar import DEPLETION, GAS_ONLY, Grains, effective_cross_section, species
from wolter.models.absorption.slabs import ABSORBERS, GridMemory, remembered
from wolter.models.absorption.tables import read_numbers, read_records

# Rows of Verner & Yakovlev 1995, table 1 (threshold, E_0, sigma_0, y_a, P, y_w), read in another copy of the table.
PAPER_1995 = {
    ("C", "1s"): (291.0, 86.55, 74.21, 54.98, 1.503, 0.0),
    ("N", "1s"): (404.8, 127.0, 47.48, 138.0, 1.252, 0.0),
    ("O", "1s"): (538.0, 177.4, 32.37, 381.2, 1.083, 0.0),
    ("O", "2p"): (538.0, 13.91, 1.22e5, 1.364, 11.40, 0.4103),
    ("Ne", "1s"): (870.1, 314.4, 16.64, 2.042e5, 0.8450, 0.0),
    ("Na", "2p"): (38.14, 36.55, 248.6, 322.2, 3.570, 0.1465),
    ("Mg", "1s"): (1311.0, 271.1, 35.61, 23.74, 1.952, 0.0),
    ("Mg", "2p"): (54.90, 49.37, 202.3, 1.079e4, 2.960, 0.01463),
}


@pytest.mark.parametrize("key", PAPER_1995)
def test_subshell_coefficients_are_those_of_the_paper(key):
    element, shell = key
    fit = next(f for f in verner.subshells(element) if f.shell == shell and f.year == 1995)
    values = (fit.e_lo, fit.e_0, fit.sigma_0, fit.y_a, fit.p, fit.y_w)
    np.testing.assert_allclose([float(v) for v in values], PAPER_1995[key], rtol=1e-6)


# Balucinska-Church & McCammon 1992: lowest range of some elements, digits as published.
PAPER_1992 = {
    "H": (21.46941, 0.9398479, -0.1492932, 5.4634294e-3),
    "C": (8.74161, 7.13348, -1.14604, 0.0677044),
    "S": (598.2911, -675.2265, 308.1133, -68.99324, 7.62458, -0.3335031),
    "Ar": (-330.3509, 270.7433, -78.90498, 10.35983, -0.5140201),
    "Fe": (-15.07332, 21.94335, -4.862457, 0.5573765, -3.0065542e-2, 4.9834867e-4),
}


@pytest.mark.parametrize("element", PAPER_1992)
def test_polynomial_coefficients_are_those_of_the_paper(element):
    row = next(r for r in read_records("balucinska.csv") if r["element"] == element)
    published = PAPER_1992[element]
    ours = [float(row[f"c{i}"]) for i in range(9)]
    np.testing.assert_allclose(ours[: len(published)], published, rtol=1e-7)
    assert not any(ours[len(published) :])


def test_every_element_is_covered_from_its_first_threshold_on():
    """The ranges of a subshell adjoin, and the cross-section is positive above the lowest threshold."""
    for element in ABSORBERS:
        fits = verner.subshells(element)
        lowest = min(float(f.e_lo) for f in fits)
        energy = np.geomspace(lowest * 1.001, 1e5, 4000)
        assert (verner.cross_section(element, energy) > 0).all(), element
        assert verner.cross_section(element, np.array([lowest * 0.99]))[0] == 0.0
        for shell in {f.shell for f in fits}:
            parts = sorted((f for f in fits if f.shell == shell), key=lambda f: f.e_lo)
            assert np.isinf(parts[-1].e_hi)
            assert all(a.e_hi == b.e_lo for a, b in itertools.pairwise(parts))


def test_measured_threshold_cross_sections():
    """Hydrogen 6.30 Mb (exact), helium 7.40 Mb (Samson et al. 1994, J. Phys. B 27, 887), both at threshold."""
    assert verner.cross_section("H", np.array([13.6]))[0] == pytest.approx(6.30, rel=0.01)
    assert gas.hydrogen(np.array([13.6]))[0] == pytest.approx(6.30, rel=0.01)
    assert verner.cross_section("He", np.array([24.6]))[0] == pytest.approx(7.40, rel=0.03)
    assert gas.helium(np.array([24.6]))[0] == pytest.approx(7.40, rel=0.03)


def test_autoionisation_of_helium_is_at_the_measured_energy():
    """2s2p 1P of helium: minimum and maximum within 0.1 eV of 60.15 eV (Madden & Codling 1965, ApJ 141, 364)."""
    energy = np.linspace(58.0, 62.0, 40001)
    sigma = gas.helium(energy)
    assert abs(energy[sigma.argmax()] - 60.15) < 0.1
    assert sigma.min() < 0.01 * np.median(sigma)


def test_molecular_hydrogen_is_about_two_atoms():
    """Yan et al. 1998: at high energies the molecule absorbs 2.8 times as much as an atom."""
    energy = np.array([200.0, 1000.0, 10000.0])
    ratio = gas.molecular_hydrogen(energy) / gas.hydrogen(energy)
    assert ((ratio > 2.0) & (ratio < 3.2)).all()
    assert (gas.molecular_hydrogen(np.linspace(15.5, 200.0, 5000)) > 0).all()
    assert gas.molecular_hydrogen(np.array([15.4]))[0] == 0.0


@pytest.mark.parametrize(
    ("table", "energy", "width"),
    [("oxygen_k", 12398.42 / 23.508, 0.1), ("neon_k", 12398.42 / 14.298, 0.1), ("iron_l", 708.4, 0.5)],
)
def test_resonances_of_the_edge_tables(table, energy, width):
    """O I 1s-2p at 23.508 A (Juett et al. 2004), Ne I 1s-3p at 14.298 A, Fe L3 at 17.50 A (Juett et al. 2006)."""
    data = read_numbers(table + ".csv")
    assert (np.diff(data["energy"]) > 0).all()
    assert (data["sigma"] > 0).all()
    assert abs(data["energy"][data["sigma"].argmax()] - energy) < width


def grain_formula(mean, mass, number, grains):
    """Wilms, Allen & McCray 2000, appendix, with incomplete gamma functions (SciPy); index not 1, 3 or 4."""
    from scipy.special import gamma, gammainc

    a0, a1, p = grains.a_min * 1e-4, grains.a_max * 1e-4, grains.index
    k = (1 - p) / (a1 ** (1 - p) - a0 ** (1 - p))
    n = mass / (grains.density * 4 / 3 * np.pi * k) * (4 - p) / (a1 ** (4 - p) - a0 ** (4 - p))
    s = 4 / 3 * grains.density / (mass / number) * mean
    lower = [gamma(4 - p) * gammainc(4 - p, s * a) for a in (a0, a1)]
    edges = a0 ** (3 - p) * -np.expm1(-s * a0) - a1 ** (3 - p) * -np.expm1(-s * a1)
    return n * np.pi * k / (p - 3) * (edges + s ** (p - 3) * (lower[1] - lower[0]))


@pytest.mark.parametrize(
    "grains",
    [
        Grains(),
        Grains(2.0, 0.01, 0.5, 3.2),
        Grains(3.3, 0.005, 0.25, 3.5),
        Grains(1.0, 0.025, 1.0, 2.5),
        Grains(1.0, 0.001, 1.0, 3.9),
    ],
)
def test_grains_follow_the_formula_of_the_paper(grains):
    mean = np.geomspace(1e-24, 2e-17, 60)  # cm^2 per atom: from transparent to black grains
    number, mass = 1.3e-3, 0.02 * 1.66e-24
    ours = interstellar._grain_cross_section(mean, mass, number, grains)
    np.testing.assert_allclose(ours, grain_formula(mean, mass, number, grains), rtol=1e-8)


def test_grains_at_the_limits_of_their_parameters():
    """Where the paper's formula is singular (index 3 and 4, equal radii, radius zero) neighbours give the limit."""
    mean = np.geomspace(1e-22, 2e-18, 20)

    def sigma(*args):
        return interstellar._grain_cross_section(mean, 3e-26, 1e-3, Grains(*args))

    np.testing.assert_allclose(sigma(1.0, 0.025, 0.25, 3.0), sigma(1.0, 0.025, 0.25, 3.0 + 1e-7), rtol=1e-6)
    np.testing.assert_allclose(sigma(1.0, 0.025, 0.25, 4.0), sigma(1.0, 0.025, 0.25, 4.0 + 1e-5), rtol=1e-4)
    np.testing.assert_allclose(sigma(1.0, 0.1, 0.1, 3.5), sigma(1.0, 0.1, 0.1000001, 3.5), rtol=1e-5)
    np.testing.assert_allclose(sigma(1.0, 0.0, 0.25, 3.5), sigma(1.0, 1e-7, 0.25, 3.5), rtol=1e-3)
    # One radius: mass/(4/3 rho a) (1 - exp(-4/3 rho a sigma/m)).
    a, m = 0.1e-4, 3e-26 / 1e-3
    expected = 3e-26 / (4 / 3 * a) * -np.expm1(-4 / 3 * a / m * mean)
    np.testing.assert_allclose(sigma(1.0, 0.1, 0.1, 3.5), expected, rtol=1e-12)


def test_gas_without_grains_is_the_sum_over_the_species():
    edges = np.geomspace(0.1, 10.0, 40)
    sigma = species(edges, 0.0)
    solar = abundances_of("wilm", ABSORBERS)
    total = effective_cross_section(sigma, solar, DEPLETION, 0.0, GAS_ONLY)
    np.testing.assert_allclose(total, 1e-18 * (solar @ sigma[:-1]), rtol=1e-13)
    molecules = effective_cross_section(sigma, solar, DEPLETION, 0.5, GAS_ONLY)
    np.testing.assert_allclose(molecules - total, 1e-18 * (0.25 * sigma[-1] - 0.5 * sigma[0]), rtol=1e-8, atol=1e-30)
    np.testing.assert_array_equal(effective_cross_section(sigma, solar, DEPLETION, 7.0, Grains()),
                                  effective_cross_section(sigma, solar, DEPLETION, 1.0, Grains()))  # fmt: skip


def test_cross_sections_per_bin_are_read_only():
    sigma = species(np.geomspace(0.1, 10.0, 40), 0.0)
    with pytest.raises(ValueError, match="read-only"):
        sigma[0, 0] = 1.0


def test_grid_memory_forgets_the_oldest():
    memory = GridMemory(max_bytes=3 * 800)
    made = []

    def maker(key):
        return lambda: made.append(key) or np.zeros(100)

    for key in "abcab":
        memory.get(key, maker(key))
    assert made == ["a", "b", "c"]
    memory.get("d", maker("d"))  # drops c, the one not used for longest
    memory.get("a", maker("a"))
    memory.get("c", maker("c"))
    assert made == ["a", "b", "c", "d", "c"]
    assert len(memory) == 3


def test_grid_memory_in_threads():
    edges = np.geomspace(0.3, 12.0, 500)
    out = []

    def work():
        for z in np.linspace(0.0, 1.0, 20):
            out.append((z, remembered("thread-test", edges, float(z), lambda z=z: np.full(3, z)).copy()))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(out) == 80
    assert all((values == z).all() for z, values in out)


# --- abundances -------------------------------------------------------------------------------------------------------


def xspec_tables(path):
    lines = [line.partition(":")[::2] for line in path.read_text().splitlines() if ":" in line]
    return {key.strip(): values.split() for key, values in lines if len(values.split()) == 30}


def test_abundance_tables_are_xspecs(shared):
    reference = xspec_tables(shared("model_data", "abund_xsect", "abundances.dat"))
    assert tuple(reference.pop("elts")) == ELEMENTS
    assert set(abundance_names()) == set(reference)
    for name, numbers in reference.items():
        assert abundance_table(name).values == tuple(map(float, numbers))
        assert abundance_table(name).source


def test_abundances_by_element():
    assert abundance_table("WILM")["fe"] == 2.69e-5
    assert abundance("Fe", "angr") == pytest.approx(4.68e-5, rel=1e-7)
    np.testing.assert_allclose(abundances_of("wilm", ("H", "O")), [1.0, 4.9e-4], rtol=1e-7)


def test_own_table_from_mapping_file_and_name_are_one(tmp_path):
    edges, pars = np.geomspace(0.2, 10.0, 80), np.array([[0.3]])
    wilm = abundance_table("wilm")
    path = tmp_path / "mine.txt"
    path.write_text("# mine\n" + "\n".join(f"{v:.3e}" for v in wilm.values) + "\n")
    expected = tbabs(edges, pars, Context(settings=Settings(abund="wilm")))
    for given in (wilm, wilm.to_dict(), f"file {path}", AbundanceTable.of({}, base="wilm")):
        ours = Settings(abund=given)
        np.testing.assert_array_equal(tbabs(edges, pars, Context(settings=ours)), expected)
        assert hash(ours) == hash(Settings(abund=given))
        assert Settings(**ours.to_dict()).abund == ours.abund or isinstance(given, AbundanceTable | str)
    richer = AbundanceTable.of({"Fe": 2 * wilm["Fe"]}, base="wilm")
    absorbed = phabs(edges, pars, Context(settings=Settings(abund=richer)))
    iron = edges[:-1] > 7.2
    assert (absorbed[0, iron] < phabs(edges, pars, Context(settings=Settings(abund="wilm")))[0, iron]).all()


def test_file_of_a_real_analysis(shared):
    """The coronal abundances that came with a solar observation are XSPEC's felc."""
    table = AbundanceTable.read(shared("nustar", "sol_80415201001", "feld92a_coronal0.txt"))
    assert table.values == abundance_table("felc").values


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: abundance_table("wilms"), "wilm"),
        (lambda: abundance_table("wilm")["Unobtainium"], "no element"),
        (lambda: AbundanceTable("x", (1.0,) * 29), "29 numbers instead of 30"),
        (lambda: AbundanceTable("x", (1.0, -0.1, *[0.0] * 28)), "of He"),
        (lambda: AbundanceTable("x", (1.0, float("nan"), *[0.0] * 28)), "of He"),
        (lambda: AbundanceTable("x", (0.0,) * 30), "no hydrogen"),
        (lambda: AbundanceTable("x", ("a",) * 30), "no number"),
        (lambda: AbundanceTable.of({"Xx": 1.0}), "no element"),
        (lambda: AbundanceTable.of({"O": 1.0}, base="none"), "unknown abundance table"),
        (lambda: Settings(abund=3), "not an abundance table"),
        (lambda: Settings(abund="wilmm"), "wilm"),
        (lambda: Settings(xsect="verner"), "vern"),
        (lambda: verner.subshells("Zn"), "no cross-sections"),
    ],
)
def test_what_is_not_understood_is_an_error(call, message):
    with pytest.raises(ModelError, match=message):
        call()


def test_unreadable_abundance_files(tmp_path):
    with pytest.raises(ModelError, match="cannot be read") as info:
        AbundanceTable.read(tmp_path / "absent.txt")
    assert info.value.file == str(tmp_path / "absent.txt")
    words = tmp_path / "words.txt"
    words.write_text("one two\n")
    with pytest.raises(ModelError, match="no number"):
        Settings(abund=f"file {words}")
    short = tmp_path / "short.txt"
    short.write_text("1.0 0.1\n")
    with pytest.raises(ModelError, match=r"short\.txt.*2 numbers instead of 30"):
        AbundanceTable.read(short)
