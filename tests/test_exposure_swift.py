"""Exposure maps of Swift-XRT against the archive's own, and the frames, field and geometry they are made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wolter import fits
from wolter.data import EventList, ExposureMap, Image, ImageGrid
from wolter.errors import DataError, MissionError, OutputError, ParameterError, WolterWarning
from wolter.gti import GTI
from wolter.makers.aspect import frame_vectors
from wolter.makers.exposure import exposure_map
from wolter.makers.projection import pixel_directions
from wolter.missions.swift_xrt.exposure import BORESIGHT, FIELD, TURN_DEG, inputs_of_files
from wolter.missions.swift_xrt.frames import Frames
from wolter.observation import Observation
from wolter.tasks import registry

OBSIDS = ("00085374001", "00085374005")
# The archive made the first map without checking the attitude, the second with (HISTORY of the maps).
CHECKED = {"00085374001": False, "00085374005": True}
PIXEL = 0.000654808909 * 3600  # arcsec


@pytest.fixture
def root(shared) -> Path:
    """Folder of the shared data."""
    return shared("MANIFEST.md").parent


def swift(root: Path, obsid: str) -> Path:
    return root / "swift" / f"1whsp_0126+33_{obsid}"


def stem(root: Path, obsid: str) -> str:
    return f"{swift(root, obsid)}/sw{obsid}x"


def archived(root: Path, obsid: str) -> Image:
    return Image.read(f"{stem(root, obsid)}pc_ex.img.gz")


def clean(root: Path, obsid: str) -> EventList:
    return EventList.read(f"{stem(root, obsid)}pcw3po_cl.evt.gz")


def frames_of(root: Path, obsid: str) -> Frames:
    return Frames.read(f"{stem(root, obsid)}hd.hk.gz", clean(root, obsid).header)


def raw_events(root: Path, obsid: str) -> dict[str, np.ndarray]:
    """Unscreened events with sky coordinates."""
    events = EventList.read(f"{stem(root, obsid)}pcw3po_uf.evt.gz")
    columns = events.read_columns(["TIME", "X", "Y", "DETX", "DETY", "STATUS"])
    rows = {k: np.asarray(columns[k]) for k in ("TIME", "X", "Y", "DETX", "DETY", "STATUS")}
    inside = (rows["X"] > 1) & (rows["X"] < 1000) & (rows["Y"] > 1) & (rows["Y"] < 1000)
    return {k: v[inside] if k == "STATUS" else v[inside].astype(float) for k, v in rows.items()}


def off_attitude(root: Path, obsid: str, events: dict[str, np.ndarray], pointing) -> tuple[np.ndarray, np.ndarray]:
    """Offsets (east, north; arcsec) of the pointing that events' sky coordinates tell from another pointing."""
    ra, dec, roll = (np.broadcast_to(c, len(events["TIME"])) for c in pointing)
    axis_u, axis_v, bore = frame_vectors(ra, dec, roll)
    c, s = np.cos(np.radians(TURN_DEG)), np.sin(np.radians(TURN_DEG))
    x, y = events["DETX"] - BORESIGHT[0], events["DETY"] - BORESIGHT[1]
    angle_u, angle_v = (np.radians(PIXEL / 3600) * a for a in (s * x + c * y, c * x - s * y))
    seen = bore + axis_u * angle_u[:, None] + axis_v * angle_v[:, None]
    pixel = np.linalg.inv(pixel_directions(ImageGrid.of(archived(root, obsid)))) @ seen.T
    return -PIXEL * (events["X"] - pixel[0] / pixel[2] - 1), PIXEL * (events["Y"] - pixel[1] / pixel[2] - 1)


def near(mine: np.ndarray, theirs: np.ndarray, overlap: float = 0.999) -> float:
    """Fraction of the exposed pixels within 2 %."""
    both = (mine > 0) & (theirs > 0)
    assert both.sum() > overlap * ((mine > 0) | (theirs > 0)).sum()
    return float((np.abs(mine - theirs)[both] <= 0.02 * theirs[both]).mean())


def away_from_edges(theirs: np.ndarray) -> np.ndarray:
    """Pixels that no edge of the field, column or hot pixel cuts."""
    from scipy.ndimage import maximum_filter, minimum_filter

    return (theirs > 0) & (maximum_filter(theirs, 3) - minimum_filter(theirs, 3) < 0.01 * theirs)


def task_map(root: Path, obsid: str, folder: Path, **options) -> ExposureMap:
    name = stem(root, obsid)
    options = {"checkattitude": CHECKED[obsid], **options}
    done = registry.get("xrtexpomap")(
        infile=f"{name}pcw3po_cl.evt.gz", hdfile=f"{name}hd.hk.gz", outdir=folder, clobber=True, **options
    )
    return ExposureMap.read(done.products["exposure map"])


@pytest.mark.parametrize(("obsid", "exposed"), [("00085374001", 0.975), ("00085374005", 0.955)])
def test_task_makes_the_archives_map(root, tmp_path, obsid, exposed):
    """Within 2 % but for pixels that edges cut, for which the attitude file would be needed; totals within 1e-6."""
    theirs = archived(root, obsid)
    made = task_map(root, obsid, tmp_path)
    mine, wanted = made.data.astype(float), theirs.data.astype(float)
    assert mine.sum() == pytest.approx(wanted.sum(), rel=1e-6)  # wanted: 5e-3
    assert mine.max() == pytest.approx(wanted.max(), rel=1e-6)
    assert made.header["ONTIME"] == pytest.approx(theirs.header["ONTIME"], abs=1e-3)
    assert near(mine, wanted) > exposed
    whole = away_from_edges(wanted)
    assert whole.sum() > 0.75 * np.count_nonzero(wanted)
    assert (np.abs(mine - wanted) <= 0.02 * wanted)[whole].all()
    # nowhere does the edge of the field or of the window lie elsewhere
    assert (np.abs(mine - wanted) > 0.5 * wanted.max()).sum() < 20


def test_task_with_the_pointing_that_the_events_tell(root, tmp_path):
    """The archive's attitude file is not at hand; the sky coordinates of the events around the middle of a group,
    computed with it, stand in for it."""
    obsid = "00085374001"
    frames, events = frames_of(root, obsid), raw_events(root, obsid)
    groups = frames.groups(clean(root, obsid).gti, check_attitude=False)
    middle = np.array([0.5 * (frames.start[g[0]] + frames.stop[g[-1]]) for g in groups])
    rows = []
    for time in middle:
        some = {k: v[np.abs(events["TIME"] - time) < 8] for k, v in events.items()}
        pointing = [float(c.mean()) for c in frames.pointing(some["TIME"])]
        east, north = (float(c.mean()) / 3600 for c in off_attitude(root, obsid, some, pointing))
        rows.append([pointing[0] + east / np.cos(np.radians(pointing[1])), pointing[1] + north, pointing[2]])
    path = tmp_path / "att.fits"
    fits.write(path, [fits.primary(), fits.new_table("ATTITUDE", {"TIME": middle, "POINTING": np.array(rows)})])
    mine = task_map(root, obsid, tmp_path, attfile=path).data.astype(float)
    theirs = archived(root, obsid).data.astype(float)
    assert near(mine, theirs) > 0.98
    assert np.sqrt(((mine - theirs) ** 2).mean()) < 0.002 * theirs.max()
    only = {"TIME": middle[:1], "POINTING": np.array(rows[:1])}
    fits.write(path, [fits.primary(), fits.new_table("ATTITUDE", only)], overwrite=True)
    with pytest.raises(DataError, match="not known at 437132821"):
        task_map(root, obsid, tmp_path, attfile=path)


@pytest.mark.slow
def test_the_attitude_is_all_that_is_missing(root, tmp_path):
    """With the pointing in the middle of the two groups free, nothing else, the archive's map comes out to 0.02 %."""
    from scipy.optimize import minimize

    obsid = "00085374001"
    frames, theirs = frames_of(root, obsid), archived(root, obsid).data.astype(float)
    groups = frames.groups(clean(root, obsid).gti, check_attitude=False)
    middle = np.array([0.5 * (frames.start[g[0]] + frames.stop[g[-1]]) for g in groups])
    start = [np.array([float(c.mean()) for c in frames.pointing(m + np.linspace(-20, 20, 17))]) for m in middle]
    path = tmp_path / "att.fits"

    def made(offsets: np.ndarray) -> np.ndarray:
        moved = [
            p + np.array([e / np.cos(np.radians(p[1])), n, 0]) / 3600
            for p, (e, n) in zip(start, offsets.reshape(2, 2), strict=True)
        ]
        table = fits.new_table("ATTITUDE", {"TIME": middle, "POINTING": np.array(moved)})
        fits.write(path, [fits.primary(), table], overwrite=True)
        return task_map(root, obsid, tmp_path, attfile=path).data.astype(float)

    best = minimize(
        lambda x: float(((made(x) - theirs) ** 2).mean()),
        np.zeros(4),
        method="Powell",
        options={"xtol": 0.01, "maxfev": 150},
    )
    mine = made(best.x)
    assert np.abs(best.x).max() < 0.4  # arcsec: a sixth of a pixel
    assert near(mine, theirs) > 0.998
    assert np.sqrt(((mine - theirs) ** 2).mean()) < 2e-4 * theirs.max()


@pytest.mark.parametrize("obsid", OBSIDS)
def test_native_maps_agree_with_the_archives(root, obsid):
    """The native map follows the pointing of each frame, the archive's has one per group of frames."""
    theirs = archived(root, obsid)
    observation = Observation(swift(root, obsid))
    mine = observation.exposure_map("XRT", like=theirs, deadtime=False).data.astype(float)
    wanted = theirs.data.astype(float)
    assert mine.sum() == pytest.approx(wanted.sum(), rel=1e-4)
    assert mine.max() == pytest.approx(wanted.max(), rel=1e-6)
    whole = away_from_edges(wanted)
    assert (np.abs(mine - wanted) <= 0.02 * wanted)[whole].mean() > 0.999
    assert near(mine, wanted, overlap=0.98) > 0.93
    live = observation.exposure_map("XRT", like=theirs)
    assert live.data.max() == pytest.approx(observation.events["XRT"].exposure, rel=1e-4)


def test_the_field_is_the_circle_of_the_events(root):
    """Of all circles in whole pixels, the one with no event beyond it that lacks the flag 2048, and fewest within."""
    x, y, out = [], [], []
    for obsid in OBSIDS:
        events = EventList.read(f"{stem(root, obsid)}pcw3po_uf.evt.gz")
        rows = events.read_columns(["DETX", "DETY", "STATUS"])
        x.append(np.asarray(rows["DETX"], float))
        y.append(np.asarray(rows["DETY"], float))
        out.append(np.asarray(rows["STATUS"])[:, 15 - 11].astype(bool))
    x, y, out = np.concatenate(x), np.concatenate(y), np.concatenate(out)
    pixels, index = np.unique(np.stack([x, y]), axis=1, return_inverse=True)
    flagged = np.bincount(index.ravel(), out) > 0
    plain = np.bincount(index.ravel(), ~out) > 0
    found = {}
    for cx in range(301, 313):
        for cy in range(291, 303):
            square = (pixels[0] - cx) ** 2 + (pixels[1] - cy) ** 2
            for radius in range(308, 322):
                if not (plain & (square > radius**2)).any():
                    found[cx, cy, radius] = int((flagged & (square <= radius**2) & (square > (radius - 6) ** 2)).sum())
    least = min(found.values())
    assert [k for k, n in found.items() if n == least] == [FIELD]


@pytest.mark.parametrize("obsid", OBSIDS)
def test_pointing_of_frames_is_that_of_the_events(root, obsid):
    """Events scatter by the rounding of their coordinates, and less than about the pointing without its delay."""
    frames, events = frames_of(root, obsid), raw_events(root, obsid)
    steady = np.zeros(len(events["TIME"]), dtype=bool)
    for run in frames.runs:
        steady |= (events["TIME"] > frames.start[run][0] + 150) & (events["TIME"] < frames.stop[run][-1] - 20)
    events = {k: v[steady] for k, v in events.items()}
    told = off_attitude(root, obsid, events, frames.pointing(events["TIME"]))
    prompt = off_attitude(root, obsid, events, frames.pointing(events["TIME"] + 1.5 * frames.seconds))
    # DET and sky coordinates are rounded: a box in each, 0.29 pixels rms
    rounding = np.sqrt(2 / 12) * PIXEL
    for delayed, own in zip(told, prompt, strict=True):
        assert abs(delayed.mean()) < 0.05
        assert delayed.std() < 1.07 * rounding
        assert delayed.var() - rounding**2 < 0.62 * (own.var() - rounding**2)


def test_groups_of_frames():
    """A drift of 0.5 arcsec per frame after a steady stretch, and a pause: by the published rule."""
    seconds = 2.5
    start = np.concatenate([np.arange(20) * seconds, 1000 + np.arange(5) * seconds])
    dec = np.concatenate([np.zeros(10), 0.5 * np.arange(1, 11), np.zeros(5)]) / 3600
    frames = Frames(start, start + seconds, np.full(25, 359.99999), dec, np.zeros(25), seconds)
    assert frames.runs == [slice(0, 20), slice(20, 25)]
    gti = GTI.single(0.0, 2000.0)
    assert [len(g) for g in frames.groups(gti, check_attitude=False)] == [20, 5]
    # the median is 0.25 arcsec; frame 12 (1.5) is the first beyond 1.45: frame 15 (3.0) is 1.2 farther and begins a
    # group, and strays itself: 18 (4.5) begins the next
    assert [g[0] for g in frames.groups(gti)] == [0, 15, 18, 20]
    assert [len(g) for g in frames.groups(gti, most=4)] == [4, 4, 4, 3, 3, 2, 4, 1]
    assert [len(g) for g in frames.groups(GTI.single(1.3, 12.4))] == [4]  # middles of frames decide
    assert frames.groups(GTI.single(100.0, 200.0)) == []
    ra, _, _ = frames.pointing(np.array([0.0, 5.0]))
    assert ra == pytest.approx([359.99999] * 2)


def test_instrument_maps(root, tmp_path):
    obsid = "00085374001"
    name = stem(root, obsid)
    run = registry.get("xrtexpomap")
    given = {"infile": f"{name}pcw3po_cl.evt.gz", "hdfile": f"{name}hd.hk.gz", "outdir": tmp_path}
    done = run(**given, checkattitude=False, pcnframe=200)
    path = done.products["exposure map"]
    assert path.name == f"sw{obsid}xpcw3po_ex.img"
    made = ExposureMap.read(path)
    assert made.header["XRTNFRAM"] == 627
    assert made.header["VIGNAPP"] is False
    raw = done.products["instrument maps"]
    assert raw.name == f"sw{obsid}xpcw3po_rawinstr.img.gz"
    with fits.open(raw) as file:
        numbers = [h.header["XRTNFRAM"] for h in file.hdus if "XRTNFRAM" in h.header]
        assert numbers == [200, 8, 200, 200, 19]
        first = file[1].read()
        assert first.shape == (600, 600)
        assert set(np.unique(first)) == {0.0, 200.0}
        assert file[1].header["CTYPE1"] == "RAWX"
        # a bad column, its neighbours, the border of the window, and outside the field
        assert not first[100, 290:294].any()
        assert not first[:, :2].any()
        assert not first[0, 0]
        assert first[300, 300] == 200
    # frames times pixels are the exposure on the sky, pixel for pixel of the same size (CCD and sky pixels agree)
    assert 2.5073 * 627 / 200 * first.sum() == pytest.approx(made.data.sum(), rel=2e-3)
    with pytest.raises(OutputError, match="exists"):
        run(**given)


def test_bad_input(root, tmp_path):
    obsid = "00085374001"
    name = stem(root, obsid)
    grid = ImageGrid.of(archived(root, "00085374005"))
    events = clean(root, obsid)
    windowed = EventList.read(f"{name}wtw2sl_cl.evt.gz")
    with pytest.raises(DataError, match="one dimension"):
        inputs_of_files(windowed, frames=f"{name}hd.hk.gz")
    with pytest.raises(DataError, match="neither"):
        inputs_of_files(events)
    other = f"{stem(root, '00085374005')}hd.hk.gz"
    with pytest.raises(DataError, match="attitude covers"):
        exposure_map(inputs_of_files(events, frames=other), grid, vignetting=False)
    run, given = registry.get("xrtexpomap"), {"infile": events.path, "outdir": tmp_path}
    with pytest.raises(DataError, match="attitude covers"):
        run(**given, hdfile=other)
    with pytest.raises(ParameterError, match="hdfile"):
        run(**given)
    with pytest.raises(ParameterError, match=r"teldef=my\.fits is not read"):
        run(**given, hdfile=f"{name}hd.hk.gz", teldef="my.fits")
    with pytest.raises(ParameterError, match="pcnframe=-1"):
        run(**given, hdfile=f"{name}hd.hk.gz", pcnframe=-1)
    with pytest.raises(DataError, match="no table FRAME"):
        run(**given, hdfile=events.path)
    with pytest.raises(MissionError, match="no detector 'XRP'"):
        Observation(swift(root, obsid)).exposure_map("XRP")
    assert list(tmp_path.iterdir()) == []
    start = float(frames_of(root, obsid).start[100])
    short = tmp_path / "short.evt"
    with fits.open(events.path) as file:
        keep = [fits.primary(file[0].header.without_structure()), file["EVENTS"].select(np.arange(5))]
        keep += [GTI.single(start + 0.1, start + 0.6).to_hdu(), file["BADPIX"].select(np.arange(file["BADPIX"].nrows))]
        fits.write(short, keep)
    with pytest.raises(DataError, match="the middle of no frame"):
        run(infile=short, outdir=tmp_path, hdfile=f"{name}hd.hk.gz")


def test_events_without_bad_pixels(root, tmp_path):
    obsid = "00085374001"
    bare = tmp_path / "bare.evt"
    with fits.open(clean(root, obsid).path) as file:
        keep = [fits.primary(file[0].header.without_structure())]
        keep += [file[n].select(np.arange(file[n].nrows)) for n in ("EVENTS", "GTI")]
        fits.write(bare, keep)
    with pytest.warns(WolterWarning, match="no BADPIX table: every pixel counts as good"):
        inputs = inputs_of_files(EventList.read(bare), frames=f"{stem(root, obsid)}hd.hk.gz")
    made = exposure_map(inputs, ImageGrid.of(archived(root, obsid)), vignetting=False)
    assert any("BADPIX" in line for line in made.header.history)


def test_maps_stack_to_the_published_exposure(root):
    """Live time where both observations look: EXPOSURE of the published stack (rates: see the tests of detection)."""
    like = ImageGrid.of(archived(root, OBSIDS[0]))
    seen = [Observation(swift(root, o)) for o in OBSIDS]
    live = np.sum([o.exposure_map("XRT", like=like).data for o in seen], axis=0)
    assert live.max() == pytest.approx(3705.987, abs=0.1)


def test_vignetting_of_the_task(root, tmp_path):
    obsid = "00085374001"
    flat = task_map(root, obsid, tmp_path)
    seen = task_map(root, obsid, tmp_path, vigflag=True, energy=1.5)
    assert seen.header["VIGNAPP"] is True
    assert seen.header["XRTVIGEN"] == 1.5
    ratio = seen.data / np.where(flat.data > 0, flat.data, np.nan)
    # 1 - C theta^2, C(1.5 keV) = 0.000124799 x 1.55219^1.5 + 0.00185628 per arcmin^2: 0.74 at 11 arcmin
    assert np.nanmax(ratio) == pytest.approx(1.0, abs=1e-3)
    assert 0.66 < np.nanmin(ratio) < 0.78
