"""XSPEC's model library behind Wolter's interface: what is there, what can be used, and what goes wrong."""

# ruff: noqa: F401, F811 (fixtures that are imported)

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from fit_support import counts
from wolter.errors import ModelError
from wolter.fit import Fit
from wolter.models import Context, Model, Settings, get_component, list_components, parse_expression
from wolter.models.absorption.abundances import abundance_table
from wolter.models.compiled import CompiledModel
from wolter.models.xspec_library import Pool, library_component, library_pool, usable
from wolter.models.xspec_library import probe as probe_module
from wolter.models.xspec_library.modeldat import read_model_dat
from xspec_library_support import EDGES, INSTALLATION, MODELS, cache_of_ones_own, own_pool, value

# -- model.dat ----------------------------------------------------------------------------------------------------


def test_all_models_of_the_list_are_there():
    manager = INSTALLATION.headas / "spectral" / "manager"
    text = (manager / "model.dat").read_text() + (manager / "mixmodel.dat").read_text()
    heads = re.findall(r"^(\w+)\s+\d+\s+\S+\s+\S+\s+(\S+)\s+(add|mul|con|mix|acn)\b", text, re.MULTILINE)
    assert len(heads) == 321
    assert {name for name, _, _ in heads} == {m.name for m in MODELS.values()}
    names = {e.name: e for e in list_components()}
    assert {name for name, _, _ in heads} <= set(names)
    words = {"add": "additive", "mul": "multiplicative", "con": "convolution", "mix": "mixing", "acn": "convolution"}
    for name, _, kind in heads:
        assert names[name].kind == words[kind]


def test_parameters_are_those_of_the_list():
    zxipcf = get_component("zxipcf")
    assert [(p.name, p.default, p.frozen) for p in zxipcf.parameters] == [
        ("Nh", 10.0, False), ("log_xi", 3.0, False), ("CvrFract", 0.5, False), ("Redshift", 0.0, True)
    ]  # fmt: skip
    assert zxipcf.origin == "XSPEC library"
    switch = get_component("gadem").parameters[-1]
    assert (switch.name, switch.kind, switch.default, switch.frozen) == ("switch", "switch", 2.0, True)
    scale = get_component("cplinear").parameters[0]
    assert (scale.kind, scale.unit, scale.soft_max) == ("scale", "keV", 10.0)
    assert get_component("zxipab").kind == "mul"
    assert get_component("thcomp").kind == "con"
    assert get_component("kerrbb").all_parameters[-1].name == "norm"


def test_own_model_list(tmp_path):
    path = tmp_path / "model.dat"
    path.write_text(
        "# a comment\n"
        "mine  5  0. 1.e20  c_mine  add  0 1 some words\n"
        "a.b keV  2.0  0.5 1.0 9.0 10.0  0.1\n"
        'A_b " "  5.0  0.0 0.0 3.0 3.0  -0.1\n'
        "low deg -1.0  0.0 0.5 1.0 1.0  0.01\n"
        "$flag 7\n"
        '*size " " 3\n\n'
        "other 0 0 1 F_other mul 0\n"
        "third 0 0 1 third con 0\n"
    )
    mine, other, third = read_model_dat(path)
    assert [p.name for p in mine.parameters] == ["a_b", "A_b_2", "low", "flag", "size"]
    assert (mine.symbol, mine.convention, mine.spectrum, mine.init) == ("mine", "c", True, "some words")
    assert (mine.parameters[1].hard_max, mine.parameters[1].frozen) == (5.0, True)
    assert (mine.parameters[2].hard_min, mine.parameters[2].soft_min) == (-1.0, 0.5)
    assert [p.kind for p in mine.parameters[3:]] == ["switch", "scale"]
    assert (other.symbol, other.convention, third.symbol, third.convention) == ("other_", "double", "third_", "single")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mine 2 0 1 C_mine add 0\na keV 1 0 0 1 1 .1\n", "line 1 of the model list"),
        ("mine 1 0 1 C_mine add 0\na keV\n", "line 1 of the model list"),
        ("fine 0 0 1 C_f add 0\nmine 0 0 1 C_mine xyz 0\n", "line 2 of the model list"),
        ("mine\n", "is not understood: mine"),
    ],
)
def test_damaged_model_lists(tmp_path, text, said):
    path = tmp_path / "model.dat"
    path.write_text(text)
    with pytest.raises(ModelError, match=said) as caught:
        read_model_dat(path)
    assert caught.value.file == str(path)
    with pytest.raises(ModelError, match="cannot be read"):
        read_model_dat(tmp_path / "absent")


# -- what can be used ---------------------------------------------------------------------------------------------


def test_every_component_gives_values_or_raises():
    """Usable ones are finite and say something; the others never give anything at all."""
    pool = library_pool(INSTALLATION)
    verdicts = probe_module.probe_all(Settings(), pool, progress=False)
    assert len(verdicts) == 321
    counted = 0
    for name, verdict in verdicts.items():
        model = MODELS[name.lower()]
        definition = library_component(f"xspec_{name}")
        assert definition is not None
        points = list(probe_module.trial_points(model))
        if verdict.usable:
            assert verdict.reason == ""
            trivial = []
            for edges, pars, context in points:
                flux = probe_module.operand(edges) if model.kind == "con" else None
                out = definition.function(edges, pars, context, *(() if flux is None else (flux,)))
                assert out.shape == (1, len(edges) - 1)
                assert np.isfinite(out).all(), name
                trivial.append(not out.any() or np.ptp(out / (1.0 if flux is None else flux)) == 0)
                if not trivial[-1]:
                    break
            constants = {"constant", "logconst", "log10con", "polconst", "cabs"}
            assert not all(trivial) or name in constants, name
            counted += 1
        else:
            assert len(verdict.reason) > 10
            edges, pars, context = points[0]
            extra = (probe_module.operand(edges),) if model.kind == "con" else ()
            with pytest.raises(ModelError, match=name):
                definition.function(edges, pars, context, *extra)
    assert counted >= 150


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("zxipcf", "zxipcf_mtable.fits is not in"),
        ("kerrbb", "kerrbb.fits is not in"),
        ("kyconv", "KBHline00.fits is not in"),
        ("ismabs", "IsmabsAtomicData.fits is not in"),
        ("nei", "apec_v3.1.2_nei_line.fits is not in"),
        ("mekal", "mekal.mod is not in"),
        ("gadem", "AtomDB 9.9.9 is not on this computer"),
        ("rgsxsrc", "Insufficient information"),
        ("pileup", "acts on counts"),
        ("smaug", "XFLT"),
        ("projct", "several data groups"),
        ("XSPEC_tbabs", ""),
        ("comptb", ""),
    ],
)
def test_usable(name, reason):
    ok, why = usable(name, Settings(atomdb="9.9.9"))
    assert ok == (not reason)
    assert reason in why
    if reason and name not in ("projct", "rgsxsrc"):
        expression = f"{name}*powerlaw" if get_component(name).kind != "add" else name
        with pytest.raises(ModelError, match=re.escape(reason)):
            Model(expression, Settings(atomdb="9.9.9")).evaluate(EDGES)


def test_unknown_name():
    with pytest.raises(ModelError, match=r"has no component 'kerrbbb'.*Did you mean"):
        usable("kerrbbb")
    with pytest.raises(ModelError, match="no component 'kerrbbb'"):
        get_component("xspec_kerrbbb")


def test_results_of_the_trial_are_remembered(monkeypatch, tmp_path):
    path = tmp_path / "cache" / "verdicts.json"
    monkeypatch.setattr(probe_module, "_cache_file", lambda: path)
    pool = library_pool(INSTALLATION)
    probe_module._store.cache_clear()
    try:
        first = probe_module.probe(MODELS["comptb"], Settings(), pool)
        assert path.exists()
        probe_module._store.cache_clear()  # another session
        monkeypatch.setattr(probe_module, "_try", lambda *_: pytest.fail("tried again"))
        assert probe_module.probe(MODELS["comptb"], Settings(), pool) == first
        path.write_text("{")  # a damaged cache is no cache
        probe_module._store.cache_clear()
        monkeypatch.setattr(probe_module, "_try", lambda *_: probe_module.Usability(False, "tried again"))
        assert probe_module.probe(MODELS["comptb"], Settings(), pool).reason == "tried again"
        # one that took too long on a busy machine is tried again in the next session
        late = probe_module.Usability(False, "XSPEC's library took too long when it evaluated 'comptb' at ...")
        monkeypatch.setattr(probe_module, "_try", lambda *_: late)
        path.unlink()
        probe_module._store.cache_clear()
        assert not probe_module.probe(MODELS["comptb"], Settings(), pool).usable
        monkeypatch.setattr(probe_module, "_try", lambda *_: probe_module.Usability(True))
        assert probe_module.probe(MODELS["comptb"], Settings(), pool).usable
    finally:
        probe_module._store.cache_clear()


@pytest.mark.parametrize("name", ["zxipcf", "kerrbb", "laor", "nsa", "raymond", "mekal", "kyrline"])
def test_damaged_data_files_never_give_values(tmp_path, name):
    """With a file of rubbish in the place of its data a component complains or crashes; it does not return zeros."""
    from wolter.models.xspec_library.datafiles import _OF_MODEL, missing_data

    folder = tmp_path / "modelData"
    folder.mkdir()
    elsewhere = replace(INSTALLATION, data=folder)
    assert _OF_MODEL[name] in missing_data(name, elsewhere, Settings())
    (folder / _OF_MODEL[name]).write_bytes(b"this is not a table" * 300)
    assert missing_data(name, elsewhere, Settings()) == ""
    pool = Pool(elsewhere, workers=1)
    try:
        pars = [[p.default for p in MODELS[name].parameters]]
        for _ in range(2):  # the second time in a library that knows its file is missing
            with pytest.raises(ModelError, match=name):
                value(name, pars, pool=pool)
        assert not probe_module._try(MODELS[name], Settings(), pool).usable
    finally:
        pool.close()


def write_absorption_table(path):
    """Table model in which 1e23 cm^-2 have the optical depth E^-2 whatever the ionisation."""
    from astropy.io import fits

    edges = np.geomspace(0.05, 100.0, 2001)
    centres = np.sqrt(edges[1:] * edges[:-1])
    axes = [np.array([0.0, 1e22, 1e23, 1e24]), np.array([-3.0, 0.0, 3.0, 6.0])]
    rows = np.array(np.meshgrid(*axes, indexing="ij")).reshape(2, -1).T
    column = fits.Column
    ends = {"MINIMUM": 0, "BOTTOM": 0, "TOP": -1, "MAXIMUM": -1, "INITIAL": 1}
    parameters = fits.BinTableHDU.from_columns(
        [
            column("NAME", "12A", array=["nH", "logxi"]),
            column("METHOD", "J", array=[0, 0]),
            column("DELTA", "E", array=[0.01, 0.01]),
            *[column(name, "E", array=[axis[at] for axis in axes]) for name, at in ends.items()],
            column("NUMBVALS", "J", array=[4, 4]),
            column("VALUE", "4E", array=np.array(axes)),
        ],
        name="PARAMETERS",
    )
    parameters.header.update(NINTPARM=2, NADDPARM=0)
    energies = fits.BinTableHDU.from_columns(
        [column("ENERG_LO", "E", array=edges[:-1]), column("ENERG_HI", "E", array=edges[1:])], name="ENERGIES"
    )
    depth = rows[:, :1] * 1e-23 * centres**-2
    spectra = fits.BinTableHDU.from_columns(
        [column("PARAMVAL", "2E", array=rows), column("INTPSPEC", "2000E", array=np.exp(-depth))], name="SPECTRA"
    )
    first = fits.PrimaryHDU()
    first.header.update(MODLNAME="test", MODLUNIT=" ", REDSHIFT=True, ADDMODEL=False)
    first.header.update(HDUCLASS="OGIP", HDUCLAS1="XSPEC TABLE MODEL", HDUVERS="1.0.0")
    for hdu, name in ((parameters, "PARAMETERS"), (energies, "ENERGIES"), (spectra, "MODEL SPECTRA")):
        hdu.header.update(HDUCLASS="OGIP", HDUCLAS1="XSPEC TABLE MODEL", HDUCLAS2=name)
    fits.HDUList([first, parameters, energies, spectra]).writeto(path)


def test_data_in_a_folder_of_the_users(tmp_path):
    """zxipcf finds its table there and gives what the table says: here a made-up law of absorption."""
    write_absorption_table(tmp_path / "zxipcf_mtable.fits")
    pool = Pool(replace(INSTALLATION, data=tmp_path), workers=1)
    try:
        assert probe_module._try(MODELS["zxipcf"], Settings(), pool).usable
        ours = value("zxipcf", [[10.0, 3.0, 0.5, 0.0], [10.0, 0.0, 0.8, 1.0]], pool=pool)
    finally:
        pool.close()
    centres = np.sqrt(EDGES[1:] * EDGES[:-1])
    expected = [0.5 + 0.5 * np.exp(-(centres**-2)), 0.2 + 0.8 * np.exp(-((2.0 * centres) ** -2))]
    assert ours == pytest.approx(np.array(expected), rel=5e-3)


def test_file_that_only_some_parameters_need():
    """Reflection from ionised matter reads a file that neutral matter does not need."""
    pars = {p.name: p.default for p in MODELS["compps"].parameters}
    assert value("compPS", list(pars.values())).sum() > 0
    with pytest.raises(ModelError, match=r"compPS.*mansig.fits"):
        value("compPS", list((pars | {"rel_refl": 1.0, "xi": 100.0}).values()))
    assert value("compPS", list(pars.values())).sum() > 0


def test_data_folder(monkeypatch, tmp_path):
    from wolter.models.xspec_library import installation

    monkeypatch.setenv("XSPEC_MDATA_DIR", str(tmp_path / "mine"))
    assert installation._data_folder(INSTALLATION.headas) == tmp_path / "mine"
    monkeypatch.delenv("XSPEC_MDATA_DIR")
    monkeypatch.setattr(installation, "user_data_folder", lambda: tmp_path / "user")
    heasoft = tmp_path / "heasoft" / "x86_64-linux"
    data = tmp_path / "heasoft" / "spectral" / "modelData"
    data.mkdir(parents=True)
    monkeypatch.setenv("HEADAS", str(heasoft))
    assert installation._data_folder(INSTALLATION.headas) == data
    (tmp_path / "user").mkdir()
    assert installation._data_folder(INSTALLATION.headas) == tmp_path / "user"


def test_without_the_wheel(monkeypatch):
    for module in ("installation", "bridge"):
        monkeypatch.setattr(f"wolter.models.xspec_library.{module}.find_installation", lambda: None)
    with pytest.raises(ModelError, match=r"pip install 'wolter\[xspec\]'"):
        Model("comptb")
    with pytest.raises(ModelError, match=r"pip install 'wolter\[xspec\]'"):
        Model("xspec_powerlaw")
    assert {e.origin for e in list_components()} <= {"native", "table", "python"}
    assert Model("powerlaw").evaluate(EDGES).sum() > 0


# -- settings -----------------------------------------------------------------------------------------------------


def test_abundances_of_ones_own():
    wilm = value("TBabs", [[1.0]], context=Context(settings=Settings(abund="wilm")))
    angr = value("TBabs", [[1.0]], context=Context(settings=Settings(abund="angr")))
    own = replace(abundance_table("wilm"), name="mine")
    mine = value("TBabs", [[1.0]], context=Context(settings=Settings(abund=own)))
    assert np.abs(wilm / angr - 1).max() > 0.05
    assert mine == pytest.approx(wilm, rel=1e-6)


def test_cosmology():
    flux = (EDGES[1:] - EDGES[:-1])[None]
    for cosmo in ((70.0, 0.0, 0.73), (50.0, 0.5, 0.0)):
        settings = Settings(cosmo=cosmo)
        theirs = value("clumin", [[0.5, 10.0, 0.2, 44.0]], context=Context(settings=settings), flux=flux)
        native = get_component("clumin")
        ours = native.function(EDGES, np.array([[0.5, 10.0, 0.2, 44.0]]), Context(settings=settings), flux)
        assert theirs == pytest.approx(ours, rel=1e-5)


def test_model_strings_are_set_and_taken_back(own_pool):
    default = value("TBabs", [[1.0]], pool=own_pool)
    settings = Settings(xset={"tbabsversion": "1"})
    assert settings.to_dict()["xset"] == {"TBABSVERSION": "1"}
    assert Settings(**settings.to_dict()) == settings  # pyright: ignore[reportArgumentType]
    old = value("TBabs", [[1.0]], context=Context(settings=settings), pool=own_pool)
    assert np.abs(old / default - 1.0).max() > 0.01
    assert (value("TBabs", [[1.0]], pool=own_pool) == default).all()


@pytest.mark.parametrize("strings", ["text", 3, {"": "x"}])
def test_model_strings_that_are_none(strings):
    with pytest.raises(ModelError, match="model string"):
        Settings(xset=strings)


# -- in models and fits -------------------------------------------------------------------------------------------


def test_native_components_win():
    assert get_component("powerlaw").origin == "native"
    assert get_component("po").origin == "native"
    library = get_component("xspec_po")
    assert (library.name, library.origin) == ("xspec_powerlaw", "XSPEC library")
    model = Model("xspec_tbabs*(xspec_powerlaw + powerlaw)")
    assert model.expression == "xspec_TBabs(xspec_powerlaw + powerlaw)"
    model.xspec_powerlaw.PhoIndex = 2.5
    assert model["powerlaw.PhoIndex"].value == 1.0
    again = Model.from_dict(model.to_dict())
    assert again["xspec_powerlaw.PhoIndex"].value == 2.5


def test_expression_with_all_kinds_agrees_with_native_components():
    ours = Model("tbabs*zashift(gabs*powerlaw + bbody)")
    theirs = Model("xspec_tbabs*xspec_zashift(xspec_gabs*xspec_powerlaw + xspec_bbody)")
    for model in (ours, theirs):
        model.parameters[1].value = 0.1
    # bbody of the library is single precision
    assert theirs.evaluate(EDGES) == pytest.approx(ours.evaluate(EDGES), rel=1e-5)


def test_components_that_did_not_change_are_not_evaluated_again(monkeypatch):
    compiled = CompiledModel(parse_expression("xspec_tbabs*(xspec_powerlaw + bbody)"), EDGES)
    pool = library_pool(INSTALLATION)
    calls = []
    run = pool.run
    monkeypatch.setattr(pool, "run", lambda job: calls.append((job.model.name, len(job.pars))) or run(job))
    start = np.array([[0.1, 2.0, 1.0, 1.0, 1.0]])
    compiled.evaluate(start)
    assert sorted(calls) == [("TBabs", 1), ("powerlaw", 1)]
    calls.clear()
    compiled.evaluate(start * [1, 1, 3, 1, 1])  # a norm
    compiled.evaluate(start * [1, 1, 1, 2, 1])  # a parameter of another component
    assert calls == []
    compiled.evaluate(start * [1, 1.1, 1, 1, 1])
    assert calls == [("powerlaw", 1)]


def test_fit_with_components_of_the_library():
    """A spectrum made with native components is fitted with the library's, which are the same functions."""
    truth = Model("tbabs*powerlaw")
    truth["nH"].value, truth["PhoIndex"].value, truth["norm"].value = 0.5, 1.8, 20.0
    data = counts(truth, exposure=2e4, seed=7)
    fits = []
    for expression in ("xspec_tbabs*xspec_powerlaw", "tbabs*powerlaw"):
        fit = Fit([data], expression, statistic="cstat")
        fit.run()
        fits.append(fit)
    library, native = fits
    assert library.statistic == pytest.approx(native.statistic, abs=1e-3)
    for ours, theirs, true in zip(library.parameters, native.parameters, (0.5, 1.8, 20.0), strict=True):
        assert ours.value == pytest.approx(theirs.value, abs=0.02 * theirs.sigma)
        assert ours.sigma == pytest.approx(theirs.sigma, rel=0.02)
        assert abs(ours.value - true) < 4 * ours.sigma


def test_fit_with_an_unusable_component_says_why():
    data = counts(Model("powerlaw"))
    with pytest.raises(ModelError, match=r"zxipcf_mtable\.fits"):
        Fit([data], "zxipcf*powerlaw", statistic="cstat").run()


# -- command line -------------------------------------------------------------------------------------------------


def test_listing(monkeypatch):
    import json

    from click.testing import CliRunner

    from wolter.cli.models import command

    runner = CliRunner()
    listed = json.loads(runner.invoke(command, ["--json"]).stdout)["components"]
    by_name = {c["name"]: c for c in listed}
    assert len(by_name) >= 321
    assert (by_name["powerlaw"]["origin"], by_name["powerlaw"]["usable"]) == ("native", True)
    assert (by_name["comptb"]["origin"], by_name["comptb"]["usable"]) == ("XSPEC library", True)
    assert by_name["kerrbb"]["usable"] is False
    assert "kerrbb.fits" in by_name["kerrbb"]["reason"]
    text = runner.invoke(command, ["--usable"]).stdout
    assert re.search(r"^comptb +additive +XSPEC library +yes$", text, re.MULTILINE)
    assert "kerrbb" not in text
    shown = runner.invoke(command, ["kerrbb"]).stdout
    assert "Not usable here: its data file kerrbb.fits" in shown
    assert re.search(r"^ +Mbh +Msun +1 ", shown, re.MULTILINE)
    assert re.search(r"rflag .*switch$", shown, re.MULTILINE)
