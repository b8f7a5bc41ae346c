"""AtomDB's files: finding, fetching and reading them, the compact copy, and everything that may be wrong with them.

The files here are made with astropy from a handful of numbers, so what comes out can be said beforehand.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import lzma
import shutil
import tarfile
import threading
import warnings

import numpy as np
import pytest
from astropy.io import fits as astropy_fits

from wolter.errors import ModelError, WolterWarning
from wolter.models import Context, Settings, get_component
from wolter.models.plasma import atomdb, emissivity, fetch_atomdb, find_atomdb

KT = [0.5, 1.0, 2.0]
HC = 12.39841974


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own for every test; what has been opened is forgotten."""
    folder = tmp_path / "cache" / "atomdb"
    monkeypatch.setattr(atomdb, "cache_folder", lambda: folder)
    monkeypatch.setattr(emissivity, "cache_folder", lambda: folder)
    emissivity._open.cache_clear()
    yield folder
    emissivity._open.cache_clear()


def line_hdus(scale=1.0, kt=KT):
    """Per temperature number t: a hydrogen line at 1.005 keV with 1e-16 (t + 1), an iron line at 6.7 keV with 3e-16."""
    parameters = astropy_fits.BinTableHDU.from_columns(
        [astropy_fits.Column("kT", "1E", array=np.array(kt)), astropy_fits.Column("Nline", "1J", array=[2] * len(kt))],
        name="PARAMETERS",
    )
    out = [astropy_fits.PrimaryHDU(), parameters]
    for t in range(len(kt)):
        columns = [
            astropy_fits.Column("Lambda", "1E", unit="A", array=np.array([HC / 6.7, HC / 1.005])),
            astropy_fits.Column("Epsilon", "1E", array=scale * np.array([3e-16, 1e-16 * (t + 1)])),
            astropy_fits.Column("Element", "1J", array=[26, 1]),
            astropy_fits.Column("Ion", "1J", array=[25, 1]),
        ]
        out.append(astropy_fits.BinTableHDU.from_columns(columns, name="EMISSIVITY"))
    return out


def coco_hdus(kt=KT, *, ion=0):
    """Hydrogen: 1e-16 (t + 1) from 0.1 to 10 keV; iron: falling linearly from 4e-16 at 2 keV to nothing at 4 keV."""
    parameters = astropy_fits.BinTableHDU.from_columns(
        [astropy_fits.Column("kT", "1E", array=np.array(kt))], name="PARAMETERS"
    )
    out = [astropy_fits.PrimaryHDU(), parameters]
    for t in range(len(kt)):
        energy = np.array([[0.1, 1.0, 10.0], [2.0, 4.0, 0.0]])
        density = np.array([[1e-16 * (t + 1)] * 3, [4e-16, 0.0, 9.0]])
        columns = [
            astropy_fits.Column("Z", "1J", array=[1, 26]),
            astropy_fits.Column("rmJ", "1J", array=[ion, ion]),
            astropy_fits.Column("N_Cont", "1J", array=[3, 2]),
            astropy_fits.Column("E_Cont", "3E", array=energy),
            astropy_fits.Column("Continuum", "3E", array=density),
            astropy_fits.Column("N_Pseudo", "1J", array=[0, 2]),
            astropy_fits.Column("E_Pseudo", "2E", array=np.array([[0.0, 0.0], [6.0, 7.0]])),
            astropy_fits.Column("Pseudo", "2E", array=np.array([[0.0, 0.0], [5e-18, 5e-18]])),
        ]
        hdu = astropy_fits.BinTableHDU.from_columns(columns, name="EMISSIVITY")
        hdu.header["HIERARCH TEMPERATURE"] = kt[t] * 1.1604505e7
        out.append(hdu)
    return out


def write(folder, name="apec_v9.9.9", lines=None, coco=None):
    folder.mkdir(parents=True, exist_ok=True)
    for kind, hdus in (("line", lines or line_hdus()), ("coco", coco or coco_hdus())):
        astropy_fits.HDUList(hdus).writeto(folder / f"{name}_{kind}.fits", overwrite=True)
    return folder


def spectrum(where, edges=(0.5, 1.0, 1.01, 2.0, 3.0, 4.0, 6.0, 8.0), kt=0.75, iron=1.0):
    pars = np.zeros((1, 32))
    pars[0, 0], pars[0, 1], pars[0, 26] = kt, 1.0, iron
    return get_component("vvapec").function(np.array(edges), pars, Context(settings=Settings(atomdb=str(where))))[0]


def bare_apec():
    """vvapec as in `spectrum`, with the settings a user has who sets nothing."""
    pars = np.zeros((1, 32))
    pars[0, 0], pars[0, 1], pars[0, 26] = 0.75, 1.0, 1.0
    edges = np.array((0.5, 1.0, 1.01, 2.0, 3.0, 4.0, 6.0, 8.0))
    return get_component("vvapec").function(edges, pars, Context())[0]


def test_spectrum_of_made_up_tables(tmp_path):
    """Halfway between the first two temperatures; lines in their bins; continua integrated."""
    folder = write(tmp_path / "db")
    # hydrogen: density and line 1.5 (of 1 and 2); iron: triangle between 2 and 4 keV, its line and pseudo-continuum
    hydrogen = 1.5e-2 * np.array([0.5, 0.01, 0.99, 1.0, 1.0, 2.0, 2.0])
    hydrogen[1] += 1.5e-2
    iron = np.array([0, 0, 0, 3e-2, 1e-2, 0, 3e-2 + 5e-4])
    np.testing.assert_allclose(spectrum(folder), hydrogen + iron, rtol=1e-6)
    np.testing.assert_allclose(spectrum(folder, iron=0.25), hydrogen + 0.25 * iron, rtol=1e-6)
    # the table of temperatures ends at 0.5 and 2 keV
    np.testing.assert_allclose(spectrum(folder, kt=8.0), 2.0 * hydrogen + iron, rtol=1e-6)
    np.testing.assert_allclose(spectrum(folder, kt=0.1), hydrogen / 1.5 + iron, rtol=1e-6)


def test_line_on_an_edge_belongs_to_the_lower_bin(tmp_path):
    folder = write(tmp_path / "db")
    at = HC / float(np.float32(HC / 1.005))
    below = spectrum(folder, edges=(1.0, at, 1.1))
    np.testing.assert_allclose(below, [1.5e-2 + 1.5e-2 * (at - 1.0), 1.5e-2 * (1.1 - at)], rtol=1e-5)


def test_folder_or_root_of_the_file_names(tmp_path):
    one = write(tmp_path / "db")
    assert find_atomdb(str(one)).line.name == "apec_v9.9.9_line.fits"
    write(one, "apec_v8.0.0")
    assert find_atomdb(f"{one}/apec_v8.0.0").coco.name == "apec_v8.0.0_coco.fits"
    with pytest.raises(ModelError, match=r"several versions of AtomDB: apec_v8\.0\.0, apec_v9\.9\.9.*Name one"):
        find_atomdb(str(one))


def test_version_in_the_cache(cache):
    write(cache / "9.9.9")
    assert spectrum("9.9.9").sum() > 0


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_compressed_files(suffix, pack, tmp_path):
    plain = write(tmp_path / "plain")
    packed = tmp_path / "packed"
    packed.mkdir()
    for path in plain.iterdir():
        (packed / (path.name + suffix)).write_bytes(pack(path.read_bytes()))
    np.testing.assert_array_equal(spectrum(packed), spectrum(plain))


# --- the compact copy -------------------------------------------------------------------------------------------------


def test_second_time_the_compact_copy_is_read(cache, tmp_path, monkeypatch):
    folder = write(tmp_path / "db")
    first = spectrum(folder)
    assert len(list((cache / "compact").glob("*.npz"))) == 1
    emissivity._open.cache_clear()
    monkeypatch.setattr(emissivity, "_read", lambda files: pytest.fail("the FITS files were read again"))
    np.testing.assert_array_equal(spectrum(folder), first)


def test_changed_files_are_read_again(cache, tmp_path):
    folder = write(tmp_path / "db")
    first = spectrum(folder)
    emissivity._open.cache_clear()
    (folder / "apec_v9.9.9_line.fits").unlink()
    astropy_fits.HDUList(line_hdus(scale=2.0)).writeto(folder / "apec_v9.9.9_line.fits")
    second = spectrum(folder)
    np.testing.assert_allclose(second[1] - first[1], 1.5e-2, rtol=1e-5)
    assert len(list((cache / "compact").glob("*.npz"))) == 2


def test_same_files_elsewhere_share_the_copy(cache, tmp_path):
    folder = write(tmp_path / "db")
    spectrum(folder)
    other = tmp_path / "other"
    other.mkdir()
    for path in folder.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    spectrum(other)
    assert len(list((cache / "compact").glob("*.npz"))) == 1


def test_damaged_copy_is_made_again(cache, tmp_path):
    folder = write(tmp_path / "db")
    first = spectrum(folder)
    (copy,) = (cache / "compact").glob("*.npz")
    size = copy.stat().st_size
    copy.write_bytes(copy.read_bytes()[: size // 2])
    emissivity._open.cache_clear()
    np.testing.assert_array_equal(spectrum(folder), first)
    assert copy.stat().st_size == size


def test_without_a_cache_that_can_be_written(cache, tmp_path):
    folder = write(tmp_path / "db")
    cache.parent.mkdir(parents=True)
    cache.write_text("a file where the folder should be")
    assert spectrum(folder).sum() > 0


# --- what may be wrong ------------------------------------------------------------------------------------------------


def test_absent_version_says_what_to_do(cache):
    with pytest.raises(ModelError) as caught:
        spectrum("3.1.2")
    assert "AtomDB 3.1.2 is not on this computer" in str(caught.value)
    assert "fetch_atomdb('3.1.2')" in str(caught.value)
    assert "apec_v3.1.2_line.fits" in str(caught.value)
    write(cache / "3.0.9", "apec_v3.0.9")
    with pytest.raises(ModelError, match=r"Version 3\.0\.9 is here: Settings\(atomdb='3\.0\.9'\)"):
        find_atomdb("3.1.2")
    with pytest.raises(ModelError, match="version is empty"):
        find_atomdb(" ")


def test_absent_folder_and_folder_without_the_files(tmp_path):
    with pytest.raises(ModelError, match="no such folder and no such AtomDB file") as caught:
        find_atomdb(tmp_path / "nowhere")
    assert str(caught.value.file).endswith("nowhere_line.fits")
    folder = write(tmp_path / "db")
    (folder / "apec_v9.9.9_coco.fits").unlink()
    with pytest.raises(ModelError, match=r"There is only apec_v9\.9\.9_line\.fits"):
        find_atomdb(folder)


def broken(kind, tmp_path):
    if kind == "other temperatures":
        return write(tmp_path, coco=coco_hdus([0.5, 1.0, 2.5]))
    if kind == "line file twice":
        return write(tmp_path, coco=line_hdus())
    if kind == "per ion":
        return write(tmp_path, coco=coco_hdus(ion=3))
    if kind == "no parameters":
        hdus = line_hdus()
        hdus[1].name = "OTHER"
        return write(tmp_path, lines=hdus)
    if kind == "temperature without table":
        return write(tmp_path, lines=line_hdus()[:-1])
    if kind == "descending":
        return write(tmp_path, lines=line_hdus(kt=KT[::-1]), coco=coco_hdus(kt=KT[::-1]))
    folder = write(tmp_path)
    path = folder / "apec_v9.9.9_line.fits"
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:-5000])
    elif kind == "no FITS":
        path.write_text("<html>404</html>")
    return folder


@pytest.mark.parametrize(
    ("kind", "said", "place"),
    [
        ("other temperatures", "temperatures of the two files of AtomDB differ", "coco.fits[PARAMETERS]"),
        ("line file twice", "column Z and rmJ and N_Cont.* missing", "coco.fits[2]"),
        ("per ion", "continua are given per ion.*apec_v<version>_coco.fits", "coco.fits[2]"),
        ("no parameters", "no table PARAMETERS with a column kT", "line.fits:"),
        ("temperature without table", "lists 3 temperatures, for which there are 2 HDUs", "line.fits[PARAMETERS]"),
        ("descending", "ascending", "line.fits[PARAMETERS]"),
        ("truncated", "cannot be read", "line.fits"),
        ("no FITS", "cannot be read", "line.fits"),
    ],
)
def test_wrong_files(kind, said, place, tmp_path):
    with pytest.raises(ModelError, match=said) as caught:
        spectrum(broken(kind, tmp_path / "db"))
    assert place in str(caught.value)


# --- fetching ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path):
    """Address of a folder served by HTTP, and the folder."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format, *args):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", folder
        running.shutdown()


def sha256(folder):
    return {
        kind: hashlib.sha256((folder / f"apec_v9.9.9_{kind}.fits").read_bytes()).hexdigest()
        for kind in ("line", "coco")
    }


def packed(folder, source, name="atomdb_v9.9.9.tar.bz2"):
    with tarfile.open(folder / name, "w:bz2") as tar:
        for path in sorted(source.iterdir()):
            tar.add(path, f"atomdb_v9.9.9/{path.name}")


def test_fetching_an_archive(server, cache, tmp_path):
    address, folder = server
    made = write(tmp_path / "made")
    (made / "README").write_text("not wanted")
    packed(folder, made)
    files = fetch_atomdb("9.9.9", url=f"{address}/atomdb_v{{version}}.tar.bz2", sha256=sha256(made))
    held = sorted(p.name for p in (cache / "9.9.9").iterdir())
    assert held == ["SHA256SUMS", "apec_v9.9.9_coco.fits", "apec_v9.9.9_line.fits"]
    assert files == find_atomdb("9.9.9")
    assert not list(cache.glob(".fetch*"))
    np.testing.assert_array_equal(spectrum("9.9.9"), spectrum(made))
    for path in folder.iterdir():
        path.unlink()
    assert fetch_atomdb("9.9.9", url=address) == files  # it is there


def test_fetching_two_files_of_unknown_hash_warns(server, tmp_path):
    address, folder = server
    write(folder)
    with pytest.warns(WolterWarning, match="could not be verified") as caught:
        fetch_atomdb("9.9.9", url=address)
    assert sha256(folder)["line"] in str(caught[0].message)
    assert spectrum("9.9.9").sum() > 0


def test_unknown_hashes_are_taken_down_and_kept(server, cache):
    """Trust on first use: what was fetched once is refused when it has changed, until it is fetched again."""
    address, folder = server
    write(folder)
    with pytest.warns(WolterWarning, match="files that differ will be refused"):
        fetch_atomdb("9.9.9", url=address)
    wanted = sha256(folder)
    lines = (cache / "9.9.9" / "SHA256SUMS").read_text().splitlines()
    assert lines == [f"{wanted[kind]}  apec_v9.9.9_{kind}.fits" for kind in ("line", "coco")]
    first = spectrum("9.9.9")
    write(cache / "9.9.9", lines=line_hdus(scale=2.0))
    emissivity._open.cache_clear()
    with pytest.raises(ModelError, match=rf"not what was fetched: SHA-256 .* instead of {wanted['line']}") as caught:
        spectrum("9.9.9")
    assert "Delete the folder" in str(caught.value)
    shutil.rmtree(cache / "9.9.9")
    with pytest.warns(WolterWarning):
        fetch_atomdb("9.9.9", url=address)
    np.testing.assert_array_equal(spectrum("9.9.9"), first)


def test_files_of_the_default_version_must_be_the_published_ones(cache):
    """Put there by hand, without sums beside them: the hashes known to Wolter hold."""
    assert Settings().atomdb in atomdb.SHA256
    write(cache / "3.0.9", "apec_v3.0.9")
    with pytest.raises(ModelError, match=atomdb.SHA256["3.0.9"]["line"]):
        spectrum("3.0.9")
    own = write(cache.parent / "mine", "apec_v3.0.9")
    assert spectrum(own).sum() > 0  # one's own folder is one's own business


def test_default_version_by_its_known_addresses(server, cache, tmp_path, monkeypatch):
    """One address after the other until the hashes are right; a bare apec then works."""
    address, folder = server
    made = write(tmp_path / "made", "apec_v3.0.9")
    other = write(tmp_path / "other", "apec_v3.0.9", lines=line_hdus(scale=2.0))
    packed(folder, made, "source.tar.gz")
    packed(folder, other, "changed.tar.bz2")
    hashes = {k: hashlib.sha256((made / f"apec_v3.0.9_{k}.fits").read_bytes()).hexdigest() for k in ("line", "coco")}
    monkeypatch.setitem(atomdb.SHA256, "3.0.9", hashes)
    monkeypatch.setitem(atomdb.MIRRORS, "3.0.9", (f"{address}/gone.tar.gz", f"{address}/changed.tar.bz2"))
    monkeypatch.setattr(atomdb, "ARCHIVE_URL", f"{address}/elsewhere_{{version}}.tar.bz2")
    with pytest.raises(ModelError, match=r"fetch_atomdb\('3\.0\.9'\)"):
        bare_apec()
    with pytest.raises(
        ModelError, match=r"gone\.tar\.gz: .*404.*changed\.tar\.bz2: .*not the one expected.*3\.0\.9\.tar"
    ):
        fetch_atomdb("3.0.9")
    assert list(cache.iterdir()) == []
    monkeypatch.setattr(atomdb, "ARCHIVE_URL", f"{address}/source.tar.gz")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fetch_atomdb("3.0.9")
    np.testing.assert_array_equal(bare_apec(), spectrum(made))


def test_interrupted_transfer_leaves_nothing(cache, tmp_path):
    """The server promises more than it sends."""
    made = write(tmp_path / "made")
    content = (made / "apec_v9.9.9_line.fits").read_bytes()

    class Breaks(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])

        def log_message(self, format, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Breaks) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        with pytest.raises(ModelError, match="cannot be fetched") as caught:
            fetch_atomdb("9.9.9", url=f"http://127.0.0.1:{running.server_port}")
        running.shutdown()
    assert "Check the connection" in str(caught.value)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("wrong hash", "not the one expected: SHA-256"),
        ("not found", "cannot be fetched"),
        ("damaged archive", "archive is damaged"),
        ("other contents", "does not contain apec_v9.9.9_line.fits"),
        ("no FITS", "no AtomDB line file"),
    ],
)
def test_what_may_go_wrong_when_fetching(case, said, server, cache, tmp_path):
    address, folder = server
    made = write(tmp_path / "made")
    hashes = sha256(made)
    url = f"{address}/atomdb_v9.9.9.tar.bz2"
    if case == "other contents":
        (made / "apec_v9.9.9_line.fits").rename(made / "apec_v9.9.8_line.fits")
    if case == "no FITS":
        (made / "apec_v9.9.9_line.fits").write_text("<html>")
        hashes = sha256(made)
    packed(folder, made)
    if case == "damaged archive":
        path = folder / "atomdb_v9.9.9.tar.bz2"
        path.write_bytes(path.read_bytes()[:700])
    elif case == "wrong hash":
        hashes["coco"] = "0" * 64
    elif case == "not found":
        url = f"{address}/elsewhere.tar.bz2"
    with pytest.raises(ModelError, match=said) as caught:
        fetch_atomdb("9.9.9", url=url, sha256=hashes)
    assert caught.value.file == url
    assert list(cache.iterdir()) == []


def test_version_that_is_none():
    with pytest.raises(ModelError, match="no version of AtomDB"):
        fetch_atomdb("../../etc")


def test_known_hashes_are_those_of_the_files_at_hand(shared):
    """What the tests use is what a user is promised."""
    for kind, wanted in atomdb.SHA256["3.0.9"].items():
        path = shared("model_data", "atomdb_3.0.9", f"apec_v3.0.9_{kind}.fits.xz")
        assert hashlib.sha256(lzma.decompress(path.read_bytes())).hexdigest() == wanted
