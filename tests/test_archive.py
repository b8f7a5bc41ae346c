"""Search, locate, fetch against the local archive server; the command line; the offline table; ADQL in the server."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits as astropy_fits
from astropy.time import Time
from click.testing import CliRunner

import archive_support
import wolter
from misbehaving import Misbehaving
from wolter.archive import (
    Archive,
    ArchiveServer,
    fetch,
    get_default_radius,
    list_catalogs,
    locate,
    query,
    resolve,
    search,
)
from wolter.archive.server.adql import translate
from wolter.errors import ArchiveError, MissionError, OutputError, TransportError, UnitError, WolterWarning
from wolter.transport import Policy


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return archive_support.make_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module")
def server(folder):
    with ArchiveServer(folder) as running:
        yield running


@pytest.fixture
def here(server, tmp_path):
    """The server, with a cache of its own."""
    a = server.archive
    return Archive(url=a.url, s3=a.s3, cache=tmp_path / "cache", policy=Policy(retries=1, backoff=0.01, rate=None))


# --- search -----------------------------------------------------------------------------------------------------------


def test_search_by_name_over_missions(here):
    found = search("t pyx", archive=here)
    assert list(found["obsid"]) == ["00031973001", "00031973040", "00031973043", "00031973060"]
    assert set(found["mission"]) == {"swift_xrt"}
    assert found["exposure"].unit == u.s
    assert isinstance(found["start"], Time)
    assert found["start"][1].isot[:16] == "2011-08-20T02:11"
    truth = SkyCoord(136.1750, -32.3810, unit="deg").separation(resolve("T Pyx", archive=here)).arcmin
    np.testing.assert_allclose(found["offset"][1], truth, atol=1e-3)


def test_search_by_position_radius_and_time(here):
    centre = SkyCoord(136.1729, -32.3799, unit="deg")
    assert len(search(centre, mission="swift", radius=2 * u.arcsec, archive=here)) == 1
    assert len(search(centre.galactic, radius=1 * u.arcmin, archive=here)) == 4
    text = centre.to_string("hmsdms", sep=":")
    assert len(search(text, radius=1 * u.arcmin, archive=here)) == 4
    between = search(centre, time=(Time("2011-08-01"), Time("2011-09-01")), archive=here)
    assert list(between["obsid"]) == ["00031973040", "00031973043"]
    assert len(search(centre, time=(None, Time("2011-08-01")), archive=here)) == 1
    assert len(search(SkyCoord(0, 0, unit="deg"), archive=here)) == 0


def test_data_that_are_not_public_yet(here):
    assert list(search("N132D", archive=here)["obsid"]) == ["000126000"]
    every = search("N132D", public=False, archive=here)
    assert list(every["public"]) == [True, False]
    assert every["public_date"][1].mjd == 70000.0


def test_search_by_number_and_in_the_missions_own_archive(here):
    found = search(obsid=["60001110003", "60001110002"], mission="nustar", archive=here)
    assert list(found["obsid"]) == ["60001110002", "60001110003"]
    own = search(obsid="0201903501", mission="xmm", service="xsa", archive=here)
    assert own["target"][0] == "A 907"
    assert own["start"][0].isot[:10] == "2004-05-24"
    near = search("A 907", mission="xmm", radius=3 * u.arcmin, service="xsa", archive=here)
    assert len(near) == 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ArchiveError, "nothing to look for"),
        ({"target": "no such thing"}, ArchiveError, "no object 'no such thing'"),
        ({"target": "T Pyx", "mission": "swiff"}, MissionError, "swift"),
        ({"target": "T Pyx", "radius": 12}, UnitError, "12 \\* u.arcmin"),
        ({"target": "T Pyx", "radius": -1 * u.deg}, ArchiveError, "between 0 and 180"),
        ({"target": "T Pyx", "radius": 1 * u.s}, Exception, "deg"),
        ({"target": 5.0}, ArchiveError, "neither a name nor a SkyCoord"),
        ({"target": SkyCoord([1, 2], [3, 4], unit="deg")}, ArchiveError, "one SkyCoord"),
        ({"target": "T Pyx", "service": "esa"}, ArchiveError, "xsa"),
    ],
)
def test_questions_without_an_answer(here, arguments, error, message):
    with pytest.raises(error, match=message):
        search(archive=here, **arguments)


def test_names_and_tables_are_remembered_offline(folder, tmp_path):
    with ArchiveServer(folder) as running:
        a = Archive(url=running.url, cache=tmp_path, policy=Policy(retries=0, rate=None))
        online = search("T Pyx", radius=5 * u.arcmin, mission="swift", archive=a)
        asked = len(running.requests)
        kept = search("t  pyx", radius=5 * u.arcmin, mission="swift", archive=a, max_age=1.0)
        assert len(running.requests) == asked
    offline = search("T Pyx", radius=5 * u.arcmin, mission="swift", archive=a, max_age=float("inf"))
    for table in (kept, offline):
        assert list(table["obsid"]) == list(online["obsid"])
        np.testing.assert_array_equal(table["ra"], online["ra"])
        assert table["start"][0].isot == online["start"][0].isot
    with pytest.raises(TransportError, match="connection failed"):
        search("T Pyx", radius=5 * u.arcmin, mission="swift", archive=a)


def test_more_rows_than_the_server_gives_at_once(folder, tmp_path):
    with ArchiveServer(folder, maxrec=3) as running:
        a = Archive(url=running.url, cache=tmp_path, policy=Policy(rate=None))
        assert len(search("T Pyx", mission="swift", archive=a)) == 4
        assert len(running.requests) > 3
        cut = query("SELECT * FROM swiftmastr", archive=a)
        assert cut.meta["overflow"]
        assert len(cut) == 3


def test_catalogues(here):
    assert list(list_catalogs("nustar", master=True, archive=here)["name"]) == ["numaster"]
    assert len(list_catalogs(["swift", "xrism"], master=True, archive=here)) == 2
    assert get_default_radius("xrismmastr", archive=here) == 20 * u.arcmin
    with pytest.raises(ArchiveError, match="no default radius"):
        get_default_radius("nothing", archive=here)
    with pytest.raises(ArchiveError, match="no column 'nonsense'"):
        query("SELECT nonsense FROM ixmaster", archive=here)


# --- locate and fetch -------------------------------------------------------------------------------------------------


def test_locate_shows_sizes_before_anything_is_fetched(here, server, folder):
    before = len(server.requests)
    holdings = locate("00031973040", archive=here)
    asked = [p for m, p in server.requests[before:] if m == "GET" and "list-type" not in p]
    assert not asked
    files = {f.name: f for f in holdings.files}
    assert files["xrt/event/sw00031973040xpcw3po_cl.evt.gz"].role == "cleaned events"
    assert files["uvot/hk/sw00031973040uct.hk.gz"].role == "uvot"
    assert not files["uvot/hk/sw00031973040uct.hk.gz"].chosen
    for name, f in files.items():
        assert f.size == (folder / "00031973040" / name).stat().st_size
    assert holdings.size < 0.7 * holdings.total
    assert "chosen (*)" in str(holdings)
    assert len(holdings.to_table()) == 9
    web = locate("00031973040", archive=here, host="https")
    assert [(f.name, f.chosen) for f in web.files] == [(f.name, f.chosen) for f in holdings.files]
    assert web.size == holdings.size


@pytest.mark.parametrize(
    ("mission", "obsid"), [(m, rows[0][0]) for m, rows in archive_support.TARGETS.items()]
)  # fmt: skip
@pytest.mark.parametrize("host", ["s3", "https", "tar", "mirror"])
def test_fetch_then_open(here, folder, tmp_path, mission, obsid, host):
    a = here
    if host == "mirror":
        mirror = tmp_path / "FTP"
        place = locate(obsid, mission=mission, archive=here).place
        shutil.copytree(folder / obsid, mirror / place)
        a = Archive(url=here.url, cache=here.cache, mirror=mirror)
    got = fetch(obsid, mission=mission, to=tmp_path / "data", archive=a, host=host)
    assert got.path == tmp_path / "data" / obsid
    observation = wolter.Observation(got)
    assert observation.mission.name == mission
    assert any(f.role == "events_l2" for f in observation.files)
    for path in got.files:
        assert path.read_bytes() == (folder / obsid / path.relative_to(got.path)).read_bytes()
    assert not list((tmp_path / "data").rglob(".*"))
    again = fetch(obsid, mission=mission, to=tmp_path / "data", archive=a, host="s3")
    assert again.moved == 0


def test_fetch_roles_names_and_rows(here, tmp_path):
    got = fetch("01004701", what=["unfiltered_events", "exposure-maps"], to=tmp_path, archive=here)
    assert sorted(p.parent.name for p in got.files) == ["auxil", "event_l1"]
    got = fetch("01004701", what="attitude", names=["hk/*pay*"], to=tmp_path / "b", archive=here)
    assert len(got.files) == 2
    assert len(fetch("01004701", what="all", to=tmp_path / "c", archive=here).files) == 7
    holdings = locate("01004701", what="attitude", archive=here)
    assert [p.name for p in fetch(holdings, to=tmp_path / "g", archive=here).files] == [
        "ixpe01004701_det1_att_v01.fits.gz"
    ]
    rows = search("T Pyx", archive=here)[:2]
    many = fetch(rows, to=tmp_path / "d", archive=here)
    assert [g.obsid for g in many] == ["00031973001", "00031973040"]
    assert fetch(rows[0], what="attitude", to=tmp_path / "e", archive=here).mission == "swift_xrt"
    own = fetch("0201903501", to=tmp_path / "f", archive=here, host="xsa")
    assert sorted(p.name for p in own.files) == ["P0201903501OBX000ATTTSR0000.FTZ", "P0201903501PNS003PIEVLI0000.FTZ"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("01004701", {"what": "evnts"}), ArchiveError, "Did you mean"),
        (("99999999", {}), ArchiveError, "catalogue ixmaster has no observation 99999999"),
        (("01004701", {"host": "ftp"}), ArchiveError, "no host 'ftp'"),
        (("../../etc", {}), ArchiveError, "not the number of an observation"),
        (("123", {}), ArchiveError, "Name the mission"),
        (("01004701", {"what": "orbit"}), ArchiveError, "no files of the roles"),
        (("0201903501", {"what": "timing events", "host": "xsa"}), ArchiveError, "nothing of this kind"),
        (("0201903501", {"what": "products", "host": "xsa"}), ArchiveError, "is not asked for"),
    ],
)
def test_what_cannot_be_fetched(here, tmp_path, arguments, error, message):
    with pytest.raises(error, match=message):
        fetch(arguments[0], to=tmp_path / "data", archive=here, **arguments[1])
    assert not (tmp_path / "data").exists() or not list((tmp_path / "data").rglob("*.*"))


def test_damaged_files_do_not_get_their_names(tmp_path):
    """One byte changed after the check sums were written: found in plain and in compressed files."""
    root = tmp_path / "root"
    home = archive_support.make_observation(root, "ixpe", archive_support.TARGETS["ixpe"][0])
    import gzip

    victim = next(home.glob("event_l2/*det2*"))
    data = bytearray(gzip.decompress(victim.read_bytes()))
    data[8000] ^= 1
    victim.write_bytes(gzip.compress(bytes(data)))
    with ArchiveServer(root) as running:
        a = Archive(url=running.url, policy=Policy(retries=0))
        with pytest.raises(TransportError, match=r"damaged.*(DATASUM|CHECKSUM).*fetched twice"):
            fetch("01004701", to=tmp_path / "data", archive=a)
        names = {p.name for p in (tmp_path / "data").rglob("*") if p.is_file() and not p.name.startswith(".")}
        assert victim.name not in names
        assert len(fetch("01004701", to=tmp_path / "data", archive=a, verify=False).files) == 4
        with pytest.raises(TransportError, match=r"DATASUM|CHECKSUM"):
            fetch("01004701", to=tmp_path / "tar", archive=a, host="tar")
        (tmp_path / "data/01004701/hk").mkdir(exist_ok=True)
        there = next((tmp_path / "data/01004701/hk").iterdir())
        there.write_bytes(b"another file")
        with pytest.raises(OutputError, match="12 bytes already"):
            fetch("01004701", what="attitude", to=tmp_path / "data", archive=a)


def test_a_web_page_is_not_a_file(tmp_path):
    home = archive_support.make_observation(tmp_path / "root", "ixpe", archive_support.TARGETS["ixpe"][0])
    next(home.glob("hk/*att*")).write_text("<!DOCTYPE html><html>We are sorry</html>")
    with (
        ArchiveServer(tmp_path / "root") as running,
        pytest.raises(TransportError, match="web page, not the file asked for"),
    ):
        fetch("01004701", what="attitude", to=tmp_path / "data", archive=Archive(url=running.url))


def test_more_than_a_thousand_objects(tmp_path):
    (tmp_path / "root" / "caldb").mkdir(parents=True)
    for i in range(1003):
        (tmp_path / "root" / "caldb" / f"file{i:04d}.txt").touch()
    with ArchiveServer(tmp_path / "root") as running:
        found = running.archive.transport.list("s3://nasa-heasarc/caldb")
        assert [e.name for e in found] == [f"file{i:04d}.txt" for i in range(1003)]
        assert sum("list-type" in path for _, path in running.requests) == 2


def test_a_simulated_observation_comes_back_through_the_archive(tmp_path):
    """Simulate, serve, search, fetch, extract: the counts are those of the simulated files."""
    made = wolter.simulate_observation(
        "powerlaw", mission="ixpe", position=SkyCoord(253.4676, 39.7602, unit="deg"), exposure=2000 * u.s,
        output=tmp_path / "root" / "99000101", obsid="99000101", object_name="A toy", seed=3,
    )  # fmt: skip
    with ArchiveServer(tmp_path / "root") as running:
        found = search("a toy", archive=running.archive)
        assert list(found["obsid"]) == ["99000101"]
        np.testing.assert_allclose(found["exposure"][0], wolter.Observation(made).events["DU1"].exposure, rtol=0.05)
        (got,) = fetch(found, to=tmp_path / "data", archive=running.archive)
    simulated, fetched = wolter.Observation(made), wolter.Observation(got)
    assert {d: e.count() for d, e in fetched.events.items()} == {d: e.count() for d, e in simulated.events.items()}


def test_tar_files_with_tricks(tmp_path):
    from wolter.archive.fetch import _unpack

    def made(name, kind=tarfile.REGTYPE, link=""):
        path = tmp_path / "t.tar"
        with tarfile.open(path, "w") as tar:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            tar.addfile(info)
        return path

    rest = {"overwrite": False, "verify": False}
    for name in ("../evil", "/tmp/evil", "a/../../evil"):
        with pytest.raises(TransportError, match="the server named a file"):
            _unpack(made(name), tmp_path / "out", lambda n: n, rest)
    with pytest.raises(TransportError, match="link or device"):
        _unpack(made("x", tarfile.SYMTYPE, "/etc/passwd"), tmp_path / "out", lambda n: n, rest)
    (tmp_path / "t.tar").write_bytes(b"not a tar file" * 100)
    with pytest.raises(TransportError, match="damaged"):
        _unpack(tmp_path / "t.tar", tmp_path / "out", lambda n: n, rest)
    assert not (tmp_path / "out").exists()


def test_an_archive_that_answers_with_something_else(tmp_path):
    with Misbehaving() as bad:
        a = Archive(url=bad.url, vo=f"{bad.url}/good", resolver=f"{bad.url}/good/", cache=tmp_path,
                    policy=Policy(retries=0))  # fmt: skip
        with pytest.raises(ArchiveError, match="not a VOTable"):
            query("SELECT * FROM ixmaster", archive=a)
        with pytest.raises(ArchiveError, match="no object"):
            resolve("Mrk 501", archive=a)


# --- the server's own -------------------------------------------------------------------------------------------------


def test_inventory_of_real_and_odd_files(tmp_path, shared):
    source = shared("swift", "1whsp_0126+33_00085374001")
    home = tmp_path / "00085374001" / "xrt" / "event"
    home.mkdir(parents=True)
    for name in ("sw00085374001xpcw3po_cl.evt.gz", "sw00085374001xpcw3po_uf.evt.gz"):
        shutil.copy(source / name, home)
    (tmp_path / "broken.fits").write_bytes(b"SIMPLE  =" + b"x" * 100)
    (tmp_path / "caldb" / "data").mkdir(parents=True)
    (tmp_path / "caldb" / "data" / "caldb.indx").write_bytes(b"index")
    (tmp_path / ".hidden").write_text("secret")
    with pytest.warns(WolterWarning, match="left out of the catalogue"):
        running = ArchiveServer(tmp_path)
    (one,) = running.inventory.observations
    date = astropy_fits.getheader(home / "sw00085374001xpcw3po_cl.evt.gz", "EVENTS")["DATE-OBS"]
    assert one.place == f"swift/data/obs/{date[:4]}_{date[5:7]}/00085374001"
    assert "1WHSP" in one.facts["target"].upper().replace(" ", "")
    assert "caldb/data/caldb.indx" in running.inventory.files
    assert not any("hidden" in f for f in running.inventory.files)
    with pytest.raises(ArchiveError, match="no such folder"):
        ArchiveServer(tmp_path / "nothing")
    (tmp_path / "observations.json").write_text("{oops")
    with pytest.raises(ArchiveError, match="not JSON"), pytest.warns(WolterWarning):
        ArchiveServer(tmp_path)


def test_the_server_gives_only_its_own_files(server):
    import requests

    for path in ("/FTP/../../../etc/passwd", "/FTP/%2e%2e/%2e%2e/etc/passwd", "/nasa-heasarc/../etc/passwd",
                 "/FTP//etc/passwd", "/FTP/observations.json"):  # fmt: skip
        answer = requests.get(server.url + path, timeout=5)
        assert answer.status_code in (400, 404), path
    assert requests.put(f"{server.url}/nasa-heasarc/x", data=b"x", timeout=5).status_code in (403, 501)
    assert "observations" in requests.get(server.url + "/", timeout=5).text


def test_many_clients_at_once(here):
    results = []

    def ask():
        results.append(len(query("SELECT obsid FROM swiftmastr", archive=here)))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [4] * 16


TABLES = {"t": ["a", "b", "name"], "s.u": ["a", "c"]}


@pytest.mark.parametrize(
    ("adql", "rows"),
    [
        ("SELECT a FROM t ORDER BY a", [(1,), (2,), (3,)]),
        ("select top 2 a, -b as m from T order by 2", [(3, -30.0), (2, -20.0)]),
        ("SELECT COUNT(*), SUM(b), MIN(name) FROM t WHERE a > 1 AND NOT (a = 2)", [(1, 30.0, "z%")]),
        ("SELECT t.a, u.c FROM t JOIN s.u AS u ON t.a = u.a WHERE u.c IS NOT NULL", [(1, "one")]),
        ("SELECT a, c FROM t LEFT JOIN s.u USING (a) WHERE a IN (2, 3) ORDER BY a", [(2, None), (3, None)]),
        ("SELECT x.a FROM (SELECT a FROM t WHERE b BETWEEN 15 AND 25) AS x", [(2,)]),
        ("SELECT a FROM t WHERE EXISTS (SELECT 1 FROM s.u WHERE s.u.a = t.a AND c = 'one')", None),
        ("SELECT a FROM t WHERE a = (SELECT MAX(a) FROM t)", [(3,)]),
        ("SELECT name FROM t WHERE name LIKE 'X_' OR name LIKE 'x%'", [("xy",)]),
        ("SELECT name FROM t WHERE name ILIKE 'X_'", [("xy",)]),
        ("SELECT CASE WHEN a < 2 THEN 'low' ELSE 'high' END AS h FROM t ORDER BY a", [("low",), ("high",), ("high",)]),
        ("SELECT UPPER(name) || '!' AS n FROM t WHERE a = 1", [("XY!",)]),
        ("SELECT a FROM t UNION SELECT a FROM s.u ORDER BY a", [(1,), (2,), (3,)]),
        ("SELECT a FROM t ORDER BY a OFFSET 1", [(2,), (3,)]),
        ("SELECT SQRT(b * 10) AS r, POWER(a, 2) FROM t WHERE a = 1 -- comment", [(10.0, 1.0)]),
        ("SELECT DISTINCT CAST(a / 4 AS INTEGER) AS q FROM t", [(0,)]),
        ("SELECT a FROM t WHERE CONTAINS(POINT('ICRS', b, a), CIRCLE('ICRS', 10, 1, 0.5)) = 1", [(1,)]),
        ("SELECT a FROM t WHERE 1 = INTERSECTS(CIRCLE('', 10, 1, 1), POINT('', b, a))", [(1,)]),
        ("SELECT a FROM t WHERE CONTAINS(POINT('ICRS', b, a), BOX('ICRS', 20, 2, 1, 1)) = 1", [(2,)]),
        (
            "SELECT a FROM t WHERE CONTAINS(POINT('ICRS', b, a), POLYGON('ICRS', 25, 0, 35, 0, 35, 5, 25, 5)) = 1",
            [(3,)],
        ),
        ("SELECT a FROM t WHERE DISTANCE(b, a, 10, 1) < 0.1", [(1,)]),
        ('SELECT "a" AS "select" FROM t WHERE name = \'z%\'', [(3,)]),
        ("SELECT COALESCE(c, 'none') AS c FROM s.u ORDER BY c", [("none",), ("one",)]),
    ],
)
def test_adql(adql, rows):
    from wolter.archive.server.functions import register

    connection = sqlite3.connect(":memory:")
    register(connection)
    connection.executescript(
        'CREATE TABLE "t" (a INTEGER, b REAL, name TEXT); CREATE TABLE "s.u" (a INTEGER, c TEXT);'
        "INSERT INTO t VALUES (1, 10, 'xy'), (2, 20, 'Ab'), (3, 30, 'z%');"
        "INSERT INTO \"s.u\" VALUES (1, 'one'), (1, NULL);"
    )
    if rows is None:
        with pytest.raises(ArchiveError, match=r"there is no (column|table)"):
            translate(adql.replace("s.u.a", "w.a"), TABLES)
        return
    made = translate(adql, TABLES)
    assert connection.execute(made.sql, made.parameters).fetchall() == rows


@pytest.mark.parametrize(
    ("adql", "message"),
    [
        ("SELECT a FROM", "name is expected"),
        ("SELECT a FROM tt", "Did you mean 't'"),
        ("SELECT nme FROM t", "Did you mean 'name'"),
        ("SELECT a FROM t WHERE POINT('ICRS', 1, 2) = 1", "only inside CONTAINS"),
        ("SELECT a FROM t WHERE CONTAINS(POINT('GALACTIC', 1, 2), CIRCLE('ICRS', 1, 2, 3)) = 1", "only ICRS"),
        ("SELECT a FROM t WHERE CONTAINS(POINT('ICRS', 1), CIRCLE('ICRS', 1, 2, 3)) = 1", "number of arguments"),
        ("SELECT FOO(a) FROM t", "no function FOO"),
        ("SELECT a FROM t; SELECT b FROM t", "end of the query"),
        ("DELETE FROM t", "SELECT is expected"),
        ("SELECT a FROM t ORDER BY 7", "there are 1 columns"),
        ("SELECT CAST(a AS BLOB) FROM t", "CAST to 'blob'"),
        ("SELECT a FROM t WHERE a = 'open", "not understood"),
        ("SELECT x.* FROM t", "no table 'x'"),
        ("SELECT a FROM t UNION SELECT a, b FROM t", "different numbers"),
    ],
)
def test_adql_that_is_wrong(adql, message):
    with pytest.raises(ArchiveError, match=message):
        translate(adql, TABLES)


# --- command line -----------------------------------------------------------------------------------------------------


def _cli(*words):
    from wolter.cli import cli

    return CliRunner().invoke(cli, list(words), catch_exceptions=True)


def test_command_line(server, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    at = ("--archive", server.url)
    out = _cli("search", "T Pyx", "-m", "swift", "--after", "2011-08-01", "--before", "2011-09-01", "--json", *at)
    assert out.exit_code == 0, out.output
    assert [o["obsid"] for o in json.loads(out.stdout)["observations"]] == ["00031973040", "00031973043"]
    target = tmp_path / "table.ecsv"
    assert _cli("search", "--obsid", "01004701", "--output", str(target), *at).exit_code == 0
    assert "Mrk 501" in target.read_text()
    listed = _cli("fetch", "01004701", "--list", *at)
    assert "cleaned events" in listed.output
    got = _cli("fetch", "01004701", "--to", str(tmp_path / "data"), "--json", *at)
    assert got.exit_code == 0, got.output
    assert len(json.loads(got.stdout)["observations"][0]["files"]) == 4
    assert "4 of 7 files" in got.stderr
    assert _cli("fetch", "01004701", "--to", str(tmp_path / "data"), "--what", "all", *at).exit_code == 0
    assert _cli("search", *at).exit_code == 2
    assert _cli("search", "T Pyx", "--after", "yesterday", *at).exit_code == 2
    assert _cli("search", "T Pyx", "--archive", "nonsense").exit_code == 2
    assert isinstance(_cli("fetch", "00000000", *at).exception, ArchiveError)


def test_serve_as_a_command(folder, tmp_path):
    words = [sys.executable, "-m", "wolter", "archive", "serve", os.fspath(folder), "--port", "0", "--once", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["observations"] == 10
    assert Path(folder).is_dir()
