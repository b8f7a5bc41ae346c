"""Real files of all missions, compressed streams, and files that are damaged."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import warnings

import numpy as np
import pytest
from astropy.io import fits as afits

from wolter import fits
from wolter.errors import WolterWarning
from wolter.fits import hdu as fits_hdu
from wolter.fits import source as fits_source

REAL = [
    "ixpe/mrk501_01004601/det1_filt_src_I.pha",
    "ixpe/mrk501_01004601/det2_filt_src_Q.pha",
    "ixpe/mrk501_01004601/det1_filt_src.arf",
    "ixpe/mrk501_01004601/det1_filt_src.mrf",
    "ixpe/mrk501_01004601/ixpe_d1_20170101_alpha075_02.rmf",
    "ixpe/pseudo_caldb/ixpe_d1_obssim20211209_alpha075_vign_v013.fits",
    "ixpe/pseudo_caldb/ixpe_d1_obssim20211209_alpha075_mfact_v013.fits",
    "ixpe/sim_mrk501_01004701/01004701/event_l2/ixpe01004701_det1_evt2_v01.fits.gz",
    "ixpe/sim_point_source_ixpeobssim/toy_point_source_du1_pcube.fits",
    "ixpe/bkg_pha1_real/ixpe01005701_det1_evt2_v03_bkg_pha1.fits",
    "nustar/sol_90410111001/nu90410111001A06_cl_sunpos.evt",
    "nustar/sol_90410111001/nu90410111001A_fpm.hk",
    "nustar/sol_80415201001/nu80415201001A06_gti.fits",
    "nustar/sol_80415201001/nu80415201001A_bp.fits",
    "nustar/sol_80415201001/nu80415201001A06_chu2_S_cl_grade0_sr.pha",
    "nustar/sol_80415201001/nu80415201001A06_chu2_S_cl_grade0_sr.lc",
    "nustar/caldb_pieces/pixmapA.fits",
    "nustar/caldb_pieces/nuAgain20100101vcit015.fits",
    "nustar/velax1_30501003002_FPMB/nustar_pha.pha",
    "nustar/ss433_30002041016/diag.rmf",
    "swift/1whsp_0126+33_00085374001/sw00085374001xpcw3po_cl.evt.gz",
    "swift/1whsp_0126+33_00085374001/sw00085374001xhd.hk.gz",
    "swift/1whsp_0126+33_00085374001/sw00085374001xpc_sk.img.gz",
    "swift/2m0259_00092220001/swxpc0to12s6_20130101v014.rmf.gz",
    "swift/2m0259_00092220001/target_sr.pha",
    "swift/grb070110_00255445000/interval0pc.arf",
    "xmm/a907_0201903501/mos1_exp1_clean_evts.fits",
    "xmm/a907_0201903501/0201903501_mos1_exp1-0.50-2.00keVexpmap.fits",
    "xmm/ngc7793_ulx4_0693760101/PN_spectrum_grp20.fits",
    "xmm/ngc7793_ulx4_0693760101/PN.arf",
    "xrism/perseus_000154000_resolve/xa_merged_p0px1000_Hp.pi",
    "xrism/perseus_000154000_resolve/rsl_standard_GVclosed.arf",
]


def plain(value):
    return None if isinstance(value, afits.card.Undefined) else value


def check_header(theirs, ours):
    want = [(c.keyword, plain(c.value), c.comment) for c in theirs.cards if c.keyword not in ("CHECKSUM", "DATASUM")]
    while want and want[-1] == ("", "", ""):
        want.pop()  # room in front of END
    got = [c for c in ours.cards() if c[0] not in ("CHECKSUM", "DATASUM")]  # which astropy takes out
    assert got == want
    assert [type(c[1]) for c in got] == [type(c[1]) for c in want]


def check_column(theirs, ours):
    if ours.dtype == object:
        assert all(np.array_equal(a, b) for a, b in zip(theirs, ours, strict=True))
    elif ours.dtype.kind == "U":
        assert np.char.rstrip(np.asarray(theirs)).tolist() == ours.tolist()
    else:
        theirs = np.asarray(theirs)
        assert theirs.dtype.newbyteorder("=") == ours.dtype
        assert np.array_equal(theirs, ours, equal_nan=ours.dtype.kind in "fc")


@pytest.mark.parametrize("name", REAL)
def test_headers_and_data_equal_astropys(shared, name):
    path = shared(*name.split("/"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with afits.open(path) as theirs, fits.open(path) as ours:
            assert [h.name for h in theirs] == [h.name for h in ours]
            for a, b in zip(theirs, ours, strict=True):
                check_header(a.header, b.header)
                if isinstance(b, fits.TableHDU):
                    assert [c.name for c in b.columns.all] == a.columns.names
                    for column in b.columns:
                        check_column(a.data[column], b.read(column))
                elif b.shape:
                    assert np.array_equal(a.data, b.read(null="nan"), equal_nan=True)


@pytest.mark.parametrize("name", [REAL[0], REAL[4], REAL[7], REAL[20], REAL[26]])
def test_a_copy_with_a_changed_header_is_otherwise_equal(shared, tmp_path, name):
    path = shared(*name.split("/"))
    with fits.open(path) as f:
        hdus = f.hdus
        hdus[1].header["OBJECT"] = ("changed", "by a test")
        hdus[1].header["NAXIS2"] = 1  # layout keywords follow the data, whatever is done to the header
        fits.write(tmp_path / "copy.fits", f)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with afits.open(path) as old, afits.open(tmp_path / "copy.fits", checksum=True) as new:
            warnings.simplefilter("error")  # check sums that do not match are warnings
            new.verify("exception")
            for a, b in zip(old, new, strict=True):
                b.data  # noqa: B018
                names = set(a.header) - {"OBJECT", "CHECKSUM", "DATASUM", "COMMENT", "HISTORY", "EXTEND", ""}
                assert {k: plain(a.header[k]) for k in names} == {k: plain(b.header[k]) for k in names}
                assert list(a.header.get("HISTORY", [])) == list(b.header.get("HISTORY", []))
                assert (a.data is None) == (b.data is None)
                if a.data is not None:
                    assert a.data.tobytes() == b.data.tobytes()
            assert new[1].header["OBJECT"] == "changed"
    fits.open(tmp_path / "copy.fits", verify=True)


# --- compressed streams ---------------------------------------------------------------------------------------------


def three_tables(folder, big_rows=300_000):
    """GTI, a large table, and a small one behind it."""
    rng = np.random.default_rng(5)
    events = {"TIME": np.arange(big_rows) * 0.5, "PI": rng.integers(0, 375, big_rows).astype("i4")}
    hdus = [
        fits.new_table("BEFORE", {"A": np.arange(5)}),
        fits.new_table("EVENTS", events),
        fits.new_table("GTI", {"START": np.array([1.0, 2.0]), "STOP": np.array([1.5, 2.5])}),
    ]
    return fits.write(folder / "t.fits", hdus), events


PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


@pytest.fixture
def small_limits(monkeypatch):
    """Let a table of some MB count as large."""
    monkeypatch.setattr(fits_source, "KEEP_HDU", 1 << 16)
    monkeypatch.setattr(fits_hdu, "SMALL_FILE", 0)


@pytest.fixture(params=["isal", "zlib"])
def inflater(request, monkeypatch):
    if request.param == "zlib":
        monkeypatch.setitem(__import__("sys").modules, "isal", None)
    else:
        pytest.importorskip("isal")


@pytest.mark.parametrize("kind", PACKERS)
def test_compressed_files_are_read_in_one_pass(tmp_path, small_limits, kind):
    path, events = three_tables(tmp_path, 100_000)
    packed = tmp_path / "no_telling_suffix"
    packed.write_bytes(PACKERS[kind](path.read_bytes()))
    with fits.open(packed) as f:
        assert f.streamed
        table = f.table("EVENTS")
        got = [c["PI"] for _, c in table.chunks(["PI"])]
        assert np.array_equal(np.concatenate(got), events["PI"])
        assert f["GTI"].read("STOP").tolist() == [1.5, 2.5]
        assert f["BEFORE"].read("A").tolist() == [0, 1, 2, 3, 4]
        assert f._source.passes == 1
        assert f._source.kept_bytes < 1 << 16
        assert np.array_equal(table.read("TIME", rows=slice(500, 700)), events["TIME"][500:700])  # goes back
        assert f._source.passes == 2


def test_zlib_and_isal_give_the_same(tmp_path, small_limits, inflater):
    path, events = three_tables(tmp_path)
    data = gzip.compress(path.read_bytes(), 1)
    f = fits.open(data)
    assert np.array_equal(f["EVENTS"].read("PI"), events["PI"])
    assert f["GTI"].nrows == 2
    f.verify()


def test_header_behind_a_large_table_is_reached_without_keeping_it(tmp_path, small_limits):
    path, events = three_tables(tmp_path)
    f = fits.open(gzip.compress(path.read_bytes(), 1))
    assert f["GTI"].read("START").tolist() == [1.0, 2.0]
    assert f._source.kept_bytes < 1 << 16
    assert np.array_equal(f["EVENTS"].read("PI"), events["PI"])


def test_variable_length_columns_of_a_stream(tmp_path, small_limits):
    rows = [np.arange(i % 50, dtype="f8") for i in range(2000)]
    path = fits.write(tmp_path / "t.fits.gz", fits.new_table("T", {"N": np.arange(2000), "V": rows, "W": rows[::-1]}))
    f = fits.open(path)
    assert f.streamed
    assert all(np.array_equal(a, b) for a, b in zip(f["T"].read("V"), rows, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(f["T"].read("W"), rows[::-1], strict=True))
    assert f._source.passes == 1


def test_several_gzip_members_and_trailing_bytes(tmp_path, inflater):
    path, events = three_tables(tmp_path, 1000)
    raw = path.read_bytes()
    packed = gzip.compress(raw[:5000]) + gzip.compress(raw[5000:]) + b"\0" * 512
    f = fits.open(packed)
    assert np.array_equal(f["EVENTS"].read("PI"), events["PI"])
    assert np.array_equal(fits.open(gzip.compress(raw) + b"junk")["EVENTS"].read("PI"), events["PI"])


def test_written_gz_files_are_read_by_astropy(tmp_path):
    path, events = three_tables(tmp_path, 1000)
    with fits.open(path) as f:
        fits.write(tmp_path / "t.fits.gz", f)
    assert (tmp_path / "t.fits.gz").read_bytes()[:2] == b"\x1f\x8b"
    with afits.open(tmp_path / "t.fits.gz", checksum=True) as f, warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(f["EVENTS"].data["PI"], events["PI"])


# --- damaged and unsuitable files -----------------------------------------------------------------------------------


def test_missing_file_names_its_neighbours(tmp_path):
    fits.write(tmp_path / "events.fits.gz", fits.primary())
    with pytest.raises(fits.FitsError, match=r"no such file.*events\.fits\.gz"):
        fits.open(tmp_path / "events.fits")
    with pytest.raises(fits.FitsError, match=r"folder .* does not exist"):
        fits.open(tmp_path / "nowhere" / "events.fits")


def test_what_is_not_a_fits_file(tmp_path):
    with pytest.raises(fits.FitsError, match="this is a folder"):
        fits.open(tmp_path)
    cases = {
        "empty": (b"", "the file is empty"),
        "text": (b"hello", "not a FITS file"),
        "page": (b"<!DOCTYPE html><html>404</html>", "web page"),
        "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer"),
        "zip": (b"PK\x03\x04" + b"\0" * 100, "packed by zip"),
        "z": (b"\x1f\x9d" + b"\0" * 100, "compress stream is damaged"),
        "gz_of_text": (gzip.compress(b"hello"), "not a FITS file"),
        "gz_of_nothing": (gzip.compress(b""), "not a FITS file"),
    }
    for name, (data, message) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(fits.FitsError, match=message) as error:
            fits.open(tmp_path / name)
        assert str(tmp_path / name) in str(error.value)


def test_truncated_and_endless_headers(tmp_path):
    path, _ = three_tables(tmp_path, 100)
    raw = path.read_bytes()
    with pytest.raises(fits.FitsError, match="header of HDU 0 is truncated"):
        fits.open(raw[:160])
    second = raw.index(b"XTENSION", raw.index(b"XTENSION") + 1)
    f = fits.open(raw[: second + 800])
    assert f["BEFORE"].nrows == 5  # what is whole can be read
    with pytest.raises(fits.FitsError, match="header of HDU 2 is truncated"):
        f["EVENTS"]
    end = raw.index(b"END" + b" " * 77, raw.index(b"XTENSION"))
    with pytest.raises(fits.FitsError, match="has no END card: its block 2 holds binary data"):
        fits.open(raw[:end] + b" " * 80 + raw[end + 80 :])["BEFORE"]


@pytest.mark.parametrize("pack", [bytes, lambda b: gzip.compress(b)], ids=["plain", "gz"])
def test_truncated_data_say_how_much_is_missing(tmp_path, pack):
    path, events = three_tables(tmp_path, 1000)
    raw = path.read_bytes()
    start = raw.index(np.array([0.0], ">f8").tobytes() + events["PI"][:1].astype(">i4").tobytes(), raw.index(b"EVENTS"))
    f = fits.open(pack(raw[: start + 12 * 700 + 5]))
    table = f.table("EVENTS")
    with pytest.raises(fits.FitsError, match="3595 of 12000 bytes are missing, that is 300 of 1000 rows"):
        table.read("PI")
    with pytest.raises(fits.FitsError, match="300 of 1000 rows"):
        list(table.chunks(["PI"]))
    with pytest.raises(fits.FitsError):
        f["GTI"]
    absurd = raw.replace(b"NAXIS2  =                 1000", b"NAXIS2  =     1000000000000000")
    with pytest.raises(fits.FitsError, match="of 1000000000000000 rows"):
        fits.open(absurd)["EVENTS"].read("TIME")
    image = fits.write(tmp_path / "i.fits", fits.new_image(np.ones((100, 100)))).read_bytes()
    with pytest.raises(fits.FitsError, match="are missing"):
        fits.open(pack(image[:9999]))[0].read()


def test_missing_padding_is_no_harm(tmp_path):
    path = fits.write(tmp_path / "t.fits", fits.new_table("T", {"A": np.arange(10, dtype="u1")}))
    raw = path.read_bytes()
    f = fits.open(raw[: -2880 + 10])
    assert f["T"].read("A").tolist() == list(range(10))
    assert len(f) == 2
    f.verify()


@pytest.mark.filterwarnings("ignore:.*what follows")
def test_corrupted_gzip(tmp_path, small_limits, inflater):
    path, _ = three_tables(tmp_path)
    data = bytearray(gzip.compress(path.read_bytes(), 1))
    for name, broken in {
        "truncated": data[: len(data) // 2],
        "checksum": data[:-8] + b"\1\2\3\4" + data[-4:],
        "length": data[:-4] + b"\1\2\3\4",
        "middle": data[: len(data) // 2] + bytes(len(data) - len(data) // 2),
    }.items():
        f = fits.open(bytes(broken))
        with pytest.raises(fits.FitsError, match=r"stream is (truncated|damaged)"):
            for _ in f["EVENTS"].chunks(["PI"]):
                pass
        assert name


def test_corruption_of_a_small_gzip_is_seen_at_the_first_look_at_data(tmp_path, inflater):
    path, _ = three_tables(tmp_path, 1000)
    data = bytearray(gzip.compress(path.read_bytes()))
    data[-6] ^= 1
    with pytest.raises(fits.FitsError, match="damaged"):
        fits.open(bytes(data))["BEFORE"].read("A")


def test_missing_hdu_and_column_name_what_is_there(tmp_path):
    path, _ = three_tables(tmp_path, 10)
    f = fits.open(path)
    with pytest.raises(
        fits.FitsError, match=r"no HDU 'EVENT'; the file has 0 PRIMARY, 1 BEFORE, 2 EVENTS, 3 GTI.*'EVENTS'"
    ):
        f["EVENT"]
    with pytest.raises(KeyError):
        f["EVENTS", 2]
    with pytest.raises(fits.FitsError, match="no HDU 9"):
        f[9]
    with pytest.raises(KeyError):
        f[-5]
    assert f.get("EVENT") is None
    assert "events" in f
    assert f[-1].name == "GTI"
    table = f.table("EVENTS")
    with pytest.raises(
        fits.FitsError, match=r"t\.fits\[EVENTS\]: there is no column 'TIMES'; the table has TIME, PI.*'TIME'"
    ):
        table.read(["PI", "TIMES"])
    with pytest.raises(KeyError):
        next(table.chunks(["X"]))
    with pytest.raises(fits.FitsError, match="an image is needed"):
        f.image("GTI")
    with pytest.raises(fits.FitsError, match="a table is needed"):
        f.table(0)


def test_find_by_keywords(tmp_path):
    a = fits.new_table("X", {"A": [1]}, header={"HDUCLAS1": "RESPONSE", "HDUCLAS2": "rsp_matrix ", "NUM": 3})
    b = fits.new_table("X", {"A": [1]}, header={"HDUCLAS1": "RESPONSE", "HDUCLAS2": "EBOUNDS", "EXTVER": 2})
    f = fits.open(fits.write(tmp_path / "t.fits", [a, b]))
    assert [h.index for h in f.find(hduclas1="response")] == [1, 2]
    assert [h.index for h in f.find(HDUCLAS2="RSP_MATRIX", NUM=3)] == [1]
    assert f.find(HDUCLAS2="none") == []
    assert f["X", 2].index == 2


@pytest.mark.parametrize("rows", [slice(0, 11), slice(-3, None), slice(7, 3), slice(0, 10, 2)])
def test_rows_outside_the_table(tmp_path, rows):
    path, _ = three_tables(tmp_path, 10)
    table = fits.open(path).table("EVENTS")
    with pytest.raises(fits.FitsError, match=r"which has 10 rows \(0:10\)"):
        table.read("PI", rows=rows)
    with pytest.raises(fits.FitsError, match="10 rows"):
        list(table.chunks(["PI"], rows))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"TFORM1  = '1D      '", b"TFORM1  = '1Y      '", "TFORM1 = '1Y' of column TIME is not a format"),
        (b"TFORM1  = '1D      '", b"TFORM1  = '2D      '", "columns take 20 bytes but NAXIS1 says a row has 12"),
        (b"TFORM1  = '1D      '", b"TFORM1  = 'PY(3)   '", "not a variable-length format"),
        (b"TFORM1  = '1D      '", b"TFORX1  = '1D      '", "TFORM1 is missing"),
        (b"TFIELDS =                    2", b"TFIELDS =                   -2", "TFIELDS = -2"),
        (b"NAXIS1  =                   12", b"NAXIS1  =                  abc", "NAXIS1 = 'abc' is not a size"),
        (b"BITPIX  =                    8", b"BITPIX  =                    7", "BITPIX = 7"),
        (b"NAXIS2  =                   10", b"NAXISX  =                   10", "NAXIS2 is missing"),
    ],
)
def test_wrong_layout_keywords(tmp_path, old, new, message):
    raw = three_tables(tmp_path, 10)[0].read_bytes()
    start = raw.index(b"XTENSION", raw.index(b"XTENSION") + 1)
    assert old in raw[start:]
    f = fits.open(raw[:start] + raw[start:].replace(old, new, 1))
    with pytest.raises(fits.FitsError, match=message):
        f["EVENTS"].read("PI")


def test_heap_pointers_outside_the_heap(tmp_path):
    table = fits.new_table("T", {"v": [np.arange(3, dtype="i4"), np.arange(2, dtype="i4")]})
    raw = fits.write(tmp_path / "t.fits", table).read_bytes()
    good = np.array([[3, 0], [2, 12]], ">i4").tobytes()
    assert good in raw
    with pytest.raises(fits.FitsError, match="row 1 of variable-length column v points outside the heap"):
        fits.open(raw.replace(good, np.array([[3, 0], [2, 999]], ">i4").tobytes()))["T"].read("v")


def test_check_sums_are_compared_on_request(tmp_path):
    path, events = three_tables(tmp_path, 1000)
    raw = bytearray(path.read_bytes())
    fits.open(bytes(raw), verify=True)
    at = raw.index(np.array([0.5], ">f8").tobytes() + events["PI"][1:2].astype(">i4").tobytes())
    raw[at + 12 * 500] ^= 4
    fits.open(bytes(raw))["EVENTS"].read("PI")
    with pytest.raises(fits.FitsError, match=r"\[EVENTS\]: the data do not match DATASUM"):
        fits.open(bytes(raw), verify=True)
    raw[at + 12 * 500] ^= 4
    changed = bytes(raw).replace(b"EXTNAME = 'GTI     '", b"EXTNAME = 'GTX     '")
    with pytest.raises(fits.FitsError, match="does not match its CHECKSUM"):
        fits.open(changed, verify=True)


def test_check_sums_of_other_software_are_right(shared):
    fits.open(shared(*REAL[4].split("/")), verify=True)
    fits.open(shared(*REAL[20].split("/")), verify=True)
    with pytest.raises(fits.FitsError, match=r"\[SPECTRUM\]: the HDU does not match its CHECKSUM"):
        fits.open(shared(*REAL[0].split("/")), verify=True)  # edited later; astropy says the same


def test_what_follows_the_last_hdu_is_reported(tmp_path):
    path, _ = three_tables(tmp_path, 10)
    with pytest.warns(WolterWarning, match="what follows HDU 3"):
        assert len(fits.open(path.read_bytes() + b"special records".ljust(2880))) == 4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(fits.open(path.read_bytes() + bytes(2880))) == 4


def test_reading_after_closing(tmp_path):
    path, _ = three_tables(tmp_path, 10)
    with fits.open(path) as f:
        table = f["EVENTS"]
    with pytest.raises(fits.FitsError, match="has been closed"):
        table.read("PI")
    with pytest.raises(fits.FitsError, match="has been closed"):
        f["GTI"]


def test_files_and_hdus_go_to_other_processes(tmp_path):
    import pickle

    path, events = three_tables(tmp_path, 100)
    made = fits.new_table("V", {"v": [np.arange(2), np.arange(3)]})
    for name in (path, gzip.compress(path.read_bytes())):
        f = fits.open(name)
        f["GTI"].header["OBJECT"] = "changed"
        again = pickle.loads(pickle.dumps(f))
        assert np.array_equal(again["EVENTS"].read("PI"), events["PI"])
    f = fits.open(path)
    f["GTI"].header["OBJECT"] = "changed"
    gti = pickle.loads(pickle.dumps(f["GTI"]))
    assert gti.header["OBJECT"] == "changed"
    assert gti.read("STOP").tolist() == [1.5, 2.5]
    few = pickle.loads(pickle.dumps(f["EVENTS"].select(np.arange(3))))
    assert few.read("PI").tolist() == events["PI"][:3].tolist()
    assert [len(r) for r in pickle.loads(pickle.dumps(made)).read("v")] == [2, 3]


def test_files_close_themselves(tmp_path):
    path, _ = three_tables(tmp_path, 10)
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    if before is None:
        pytest.skip("no /proc")
    for _ in range(20):
        fits.open(path)["GTI"].read("START")
    assert len(os.listdir("/proc/self/fd")) <= before + 1


def test_disk_errors_while_reading(tmp_path, monkeypatch):
    path, _ = three_tables(tmp_path, 10)
    f = fits.open(path)
    f["EVENTS"]

    def broken(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(fits_source.FileSource, "_read", broken)
    with pytest.raises(fits.FitsError, match=r"reading failed at byte \d+: Input/output error"):
        f["EVENTS"].read("PI")


def test_platforms_without_positioned_reads(tmp_path, monkeypatch):
    path, events = three_tables(tmp_path, 1000)
    monkeypatch.delattr(os, "preadv")
    assert np.array_equal(fits.open(path)["EVENTS"].read("PI"), events["PI"])


def test_tile_compressed_images_are_refused(tmp_path):
    afits.HDUList([afits.PrimaryHDU(), afits.CompImageHDU(np.ones((10, 10), "i2"))]).writeto(tmp_path / "t.fits")
    with pytest.raises(fits.FitsError, match="tile-compressed images are not read"):
        fits.open(tmp_path / "t.fits").image(1)


def test_duplicate_column_names(tmp_path):
    made = [afits.Column("A", "J", array=[1]), afits.Column("B", "J", array=[2])]
    afits.BinTableHDU.from_columns(made, name="T").writeto(tmp_path / "t.fits")
    raw = (tmp_path / "t.fits").read_bytes().replace(b"TTYPE2  = 'B ", b"TTYPE2  = 'a ")
    table = fits.open(raw).table("T")
    assert table.read("A").tolist() == [1]
    assert list(table.columns) == ["A"]
    assert [c.name for c in table.columns.all] == ["A", "a"]
