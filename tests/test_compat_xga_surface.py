"""XGA 1.0.0's surface: every public member is there and works, or raises NotImplementedError naming it.

tests/data/make_xga_surface.py recorded names and arguments from XGA itself.
"""

from __future__ import annotations

import inspect
import json
import os
from pathlib import Path

import numpy as np
import pytest
from astropy.units import Quantity

import wolter.compat.xga as xga
from wolter.compat.xga import configuration, imagetools, products, samples, sources, sourcetools
from wolter.compat.xga.generate import sas
from wolter.compat.xga.imagetools import misc, profile
from wolter.compat.xga.utils import DEFAULT_COSMO, xmm_sky

SURFACE = json.loads((Path(__file__).parent / "data" / "xga_surface.json").read_text())


def words(text: str) -> set[str]:
    return set(text.split())


# Members that are refused; the test fails if one of them appears, or another one vanishes.
REFUSED = words(
    "add_fit_data add_fit_failure all_fitted_models fitted_model_configurations fitted_model_failures fitted_models "
    "get_aggregate_lightcurves get_annular_sas_region get_annular_spectra get_combined_lightcurves "
    "get_combined_profiles get_combined_spectra get_fit_dof get_fit_statistic get_lightcurves get_luminosities "
    "get_profiles get_queue get_results get_spectra get_test_statistic obs_check obs_separations disassociate_obs "
    "regions_within_radii update_products update_queue within_region all_peaks get_peaks find_peak "
    "get_1d_brightness_profile combined_lum_conv_factor generate_brightness_profile get_3d_temp_profiles "
    "get_apec_norm_profiles get_density_profiles get_entropy_profiles get_hydrostatic_mass_profiles "
    "get_proj_met_profiles get_proj_temp_profiles get_temperature norm_conv_factor view_brightness_profile "
    "point_clusters Lx Lx_Tx Lx_richness Tx calc_overdensity_radii check_spectra gas_mass gm_Tx gm_richness "
    "hydrostatic_mass mass_Lx mass_Tx mass_richness view_offset_dist edit_regions dynamic_view parse_smoothing "
    "inventory_entry convolved_peak generate_image get_filtered_data get_position_type_col_names get_wcs_keys "
    "mission_db_entry"
)
# What a source without a position, or a product without its own header, does not answer.
POSITION = words(
    "angular_diameter_distance background_radius_factors convert_radius cosmo count_ranking custom_radius "
    "default_coord detected get_counts get_custom_mask get_interloper_mask get_interloper_regions get_mask get_radius "
    "get_snr get_source_mask luminosity_distance matched_regions nH offset peak peak_hi_en peak_lo_en ra_dec redshift "
    "snr_ranking source_back_regions get_combined_expmaps get_combined_images get_combined_ratemaps"
)


@pytest.fixture(scope="module")
def session(shared, tmp_path_factory):
    """One of everything, on Abell 907."""
    folder, data = tmp_path_factory.mktemp("xga"), shared("xmm")
    at = f"{data}/a907_{{obs_id}}"
    lines = ["[XGA_SETUP]", f"xga_save_path = {folder / 'out'}", "num_cores = 1", "[XMM_FILES]"]
    lines += [f"root_xmm_dir = {data}", f"attitude_file = {at}/P{{obs_id}}OBX000ATTTSR0000.FIT"]
    lines += [f"region_file = {at}/{{obs_id}}_sources.reg", "lo_en = ['0.50']", "hi_en = ['2.00']"]
    for camera in ("pn", "mos1", "mos2"):
        stem = f"{at}/{{obs_id}}_{camera}_exp1-{{lo_en}}-{{hi_en}}keV"
        lines += [f"clean_{camera}_evts = {at}/{camera}_exp1_clean_evts.fits"]
        lines += [f"{camera}_image = {stem}img.fits", f"{camera}_expmap = {stem}expmap.fits"]
    (folder / "xga").mkdir()
    (folder / "xga" / "xga.cfg").write_text("\n".join(lines))
    before = os.environ.get("XDG_CONFIG_HOME")
    os.environ["XDG_CONFIG_HOME"] = str(folder)
    radii = {"r500": Quantity(1200, "kpc"), "r200": Quantity(1700, "kpc")}
    place = (149.59209, -11.05972, 0.16)
    columns = tuple(np.array([v]) for v in place)
    cluster = sources.GalaxyCluster(*place, name="A907", **radii)
    rates = cluster.get_ratemaps("0404910601", "mos1", Quantity(0.5, "keV"), Quantity(2, "keV"))
    lists = {name: Quantity([r.value], r.unit) for name, r in radii.items()}
    yield {
        "products.BaseProduct": rates.image,
        "products.EventList": products.EventList(f"{data}/a907_0404910601/mos1_exp1_clean_evts.fits"),
        "products.Image": rates.image,
        "products.ExpMap": rates.expmap,
        "products.RateMap": rates,
        "sources.BaseSource": sources.BaseSource(*place),
        "sources.NullSource": sources.NullSource(["0404910601"]),
        "sources.PointSource": sources.PointSource(*place, point_radius=Quantity(40, "arcsec")),
        "sources.ExtendedSource": sources.ExtendedSource(*place, custom_region_radius=Quantity(3, "arcmin")),
        "sources.GalaxyCluster": cluster,
        "samples.BaseSample": samples.BaseSample(*columns),
        "samples.PointSample": samples.PointSample(*columns, point_radius=Quantity([40], "arcsec")),
        "samples.ExtendedSample": samples.ExtendedSample(*columns, custom_region_radius=Quantity([3], "arcmin")),
        "samples.ClusterSample": samples.ClusterSample(*columns, np.array(["A907"]), **lists),
    }
    if before is None:
        del os.environ["XDG_CONFIG_HOME"]
    else:
        os.environ["XDG_CONFIG_HOME"] = before


@pytest.fixture(autouse=True)
def column_map(shared, monkeypatch):
    """The map of the LAB survey in the cache."""
    from wolter.sources import columns

    monkeypatch.setattr(columns, "_cache", lambda: shared("model_data", "nh_maps"))


@pytest.mark.parametrize("kind", SURFACE["classes"])
def test_every_member_answers_or_is_refused_by_name(session, kind):
    thing, missing, refused = session[kind], [], set()
    for name in SURFACE["classes"][kind]:
        if name == "__init__" or (kind == "sources.NullSource" and name in POSITION):
            continue
        try:
            getattr(thing, name)
        except NotImplementedError as exc:
            refused.add(name if name in str(exc) else f"{name} without its name: {exc}")
        except AttributeError as exc:
            missing.append(f"{name}: {exc}")
    assert missing == []
    assert refused == REFUSED & set(SURFACE["classes"][kind])


def taken(function) -> tuple[list[str], bool]:
    """Names of arguments, and whether any other is taken."""
    found = inspect.signature(function).parameters.values()
    names = [p.name for p in found if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    return names, any(p.kind is p.VAR_KEYWORD for p in found)


@pytest.mark.parametrize("kind", SURFACE["classes"])
def test_methods_take_xgas_arguments_in_its_order(session, kind):
    wrong = []
    for name, arguments in SURFACE["classes"][kind].items():
        if arguments is None or name in REFUSED or (kind == "sources.NullSource" and name in POSITION):
            continue
        names, more = taken(type(session[kind]).__init__ if name == "__init__" else getattr(session[kind], name))
        names = [n for n in names if n != "self"]
        lacking = [a for a in arguments if a not in names]
        if lacking and not more:
            wrong.append(f"{name} lacks {lacking}")
        common = [a for a in arguments if a in names]
        if [n for n in names if n in common] != common:
            wrong.append(f"{name} has the order {names}, XGA {arguments}")
    assert wrong == []


@pytest.mark.parametrize("name", SURFACE["functions"])
def test_functions(name):
    module, _, function = name.rpartition(".")
    inside = {"generate.sas": sas, "imagetools.misc": misc, "imagetools.profile": profile, "imagetools": imagetools,
              "sourcetools": sourcetools, "sourcetools.misc": sourcetools.misc}[module]  # fmt: skip
    try:
        names, more = taken(getattr(inside, function))
    except NotImplementedError as exc:
        names, more = [], function in str(exc)
    assert more or set(SURFACE["functions"][name]) <= set(names)


@pytest.mark.parametrize(
    ("module", "name"),
    [(products, "Spectrum"), (products, "LightCurve"), (sources, "Star"), (samples, "StarSample"),
     (sas, "evselect_spectrum"), (sas, "psfgen"), (xga, "models"), (xga, "xspec")],
)  # fmt: skip
def test_modules_refuse_by_name(module, name):
    with pytest.raises(NotImplementedError, match=name):
        getattr(module, name)
    with pytest.raises(AttributeError):
        module.no_such_thing  # noqa: B018


def test_facts(session):
    """Values of what was added for the surface, against astropy and the files."""
    cluster, image, events = (session[n] for n in ("sources.GalaxyCluster", "products.Image", "products.EventList"))
    assert cluster.luminosity_distance == DEFAULT_COSMO.luminosity_distance(0.16)
    assert cluster.num_inst_obs["xmm"] == {"pn": 2, "mos1": 2, "mos2": 2}
    assert cluster.instruments["xmm"]["0404910601"] == cluster.instruments["0404910601"] == ["pn", "mos1", "mos2"]
    assert cluster.detected == {"0201903501": True, "0404910601": True}
    region = cluster.matched_regions["0404910601"]
    assert region.center.separation(cluster._source.position).arcsec < 30
    assert 40 < len(cluster.get_interloper_regions(flattened=True)) <= 54 - 2  # of 54 in the files two are the cluster
    inside, around = cluster.source_back_regions("r500")
    assert float(around.inner_radius / inside.radius) == pytest.approx(1.05)
    assert cluster.get_att_file("0404910601").endswith("ATTTSR0000.FIT")
    assert (image.radec_sys, image.radec_equinox, image.pretty_telescope_name) == ("FK5", 2000.0, "XMM")
    assert (events.obs_id, events.instrument) == ("0404910601", "mos1")
    assert list(events.get_columns_from_data(["PI", "X"]).columns) == ["PI", "X"]
    assert events.deg_per_sky.unit * xmm_sky == "deg"
    part = session["products.RateMap"]
    source, back = cluster.get_mask("r500", "0404910601")
    whole = part.signal_to_noise(source, back)
    assert part.signal_to_noise(source, back, x_slice_lims=[0, 512], y_slice_lims=[0, 512]) == whole
    assert part.signal_to_noise(source, back, x_slice_lims=[150, 350]) != whole


def test_lengths_and_angles_are_each_others_inverse():
    angle = sourcetools.rad_to_ang(Quantity(1200, "kpc"), 0.16)
    exact = (Quantity(1200, "kpc") / DEFAULT_COSMO.angular_diameter_distance(0.16)).to_value("") * 180 / np.pi
    assert angle.to_value("deg") == pytest.approx(exact)
    assert sourcetools.ang_to_rad(angle, 0.16).to_value("kpc") == pytest.approx(1200)
    mean, weighted = sourcetools.nh_lookup(Quantity([149.59209, -11.05972], "deg")).value
    assert (round(mean, 4), weighted) == (0.0534, pytest.approx(0.0534, rel=0.05))


def test_number_of_cores_set_by_a_script(session, monkeypatch):
    assert xga.NUM_CORES == 1
    monkeypatch.setattr(xga, "NUM_CORES", 4, raising=False)
    assert configuration.number_of_cores() == 4
    monkeypatch.undo()
    assert configuration.number_of_cores() == 1


def test_custom_masks_in_both_forms(session):
    cluster = session["sources.GalaxyCluster"]
    outer, inner = Quantity(4, "arcmin"), Quantity(1, "arcmin")
    new = cluster.get_custom_mask(outer, "xmm", inner, "0404910601")
    for old in (
        cluster.get_custom_mask(outer, inner, "0404910601"),
        cluster.get_custom_mask(outer, inner_rad=inner, obs_id="0404910601"),
        cluster.get_custom_mask(outer, inner, obs_id="0404910601", remove_interlopers=True),
    ):
        np.testing.assert_array_equal(old, new)
    assert new.sum() > 1000


def test_a_peak_set_by_hand(session):
    source = session["sources.PointSource"]
    assert (source.peak == source.ra_dec).all()  # as in XGA, point sources do not look for one by default
    assert session["sources.BaseSource"].use_peak
    star = sources.PointSource(149.59209, -11.05972)
    star.peak = Quantity([149.6, -11.06], "deg")
    assert star.default_coord.value.tolist() == [149.6, -11.06]
    assert star.point_radius == Quantity(30, "arcsec")
