"""The public clients, unchanged, against the local archive server: astroquery, pyvo, astropy, boto3, s3fs, fsspec."""

from __future__ import annotations

import os
import tarfile
import urllib.request

import numpy as np
import pytest

import archive_support
from wolter.archive import ArchiveServer
from wolter.compat.archives import point_clients, release_clients

pytest.importorskip("astroquery", reason="the extra 'archive' is not installed")
pyvo = pytest.importorskip("pyvo", reason="the extra 'archive' is not installed")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    root = archive_support.make_archive(tmp_path_factory.mktemp("archive"))
    with ArchiveServer(root) as running:
        yield running


@pytest.fixture
def pointed(server, monkeypatch):
    """Clients of this process talk to the server."""
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    point_clients(server.archive)
    yield server
    release_clients()


# The cells that find and download, by a text that only they hold; all run as they are written.
ARCHIVE_CELLS = {
    0: ("OBS_ID = ", "ROOT_DATA_DIR = ", "query = (", "Heasarc.query_tap(", "Heasarc.locate_data(",
        "Heasarc.download_data(", "OBS_ID_PATH = ", "evt_file_paths = {"),
    1: ("SRC_NAME = ", "ROOT_DATA_DIR = ", "Heasarc.list_catalogs(", "SkyCoord.from_name(",
        "Heasarc.get_default_radius(", "Heasarc.query_region(", "obs_times = ", "sel_mask = ", "cut_swift_obs = ",
        "Heasarc.locate_data(", "# Heasarc.download_data("),
    2: ("Heasarc.list_catalogs(", "SkyCoord.from_name(", 'observations["obsid"] == obsid', "Heasarc.locate_data("),
    3: ("SRC_NAME = ", "ROOT_DATA_DIR = ", "Heasarc.list_catalogs(", "SkyCoord.from_name(", "Heasarc.query_region(",
        "public_times = ", "Heasarc.locate_data(", "Heasarc.download_data(", "glob.glob(os.path.join(ROOT_DATA_DIR"),
}  # fmt: skip


def _run_cells(shared, tmp_path, number, namespace):
    from wolter.compat.cells import read_document

    (path,) = shared("..", "seeds").glob(f"{number:03d}_*.txt")
    notebook = tmp_path / f"{number}.md"
    notebook.write_bytes(path.read_bytes())
    ran = []
    for cell in read_document(notebook).cells:
        wanted = [w for w in ARCHIVE_CELLS[number] if w in cell.source]
        if wanted:
            exec(compile(cell.source, f"cell {cell.number} of {path.name}", "exec"), namespace)
            ran += wanted
    missing = set(ARCHIVE_CELLS[number]) - set(ran)
    assert not missing, f"no cell holds {missing}"
    return namespace


def _imports():
    """What the tutorials' import cells bring, of the packages that are installed."""
    import contextlib
    import glob
    import multiprocessing

    from astropy.coordinates import SkyCoord
    from astropy.time import Time
    from astropy.units import Quantity
    from astroquery.heasarc import Heasarc

    class _Software:
        class Config:
            allow_failure = True

    return {
        "os": os, "glob": glob, "contextlib": contextlib, "np": np, "mp": multiprocessing, "SkyCoord": SkyCoord,
        "Time": Time, "Quantity": Quantity, "Heasarc": Heasarc, "hsp": _Software,
    }  # fmt: skip


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    import multiprocessing

    before = multiprocessing.get_start_method(allow_none=True)
    yield tmp_path
    multiprocessing.set_start_method(before, force=True)


def _same_tree(server, place, folder):
    files = {k: p for k, p in server.inventory.files.items() if k.startswith(place + "/")}
    assert files
    for key, path in files.items():
        assert (folder / key[len(place) + 1 :]).read_bytes() == path.read_bytes()
    assert len(files) == sum(1 for p in folder.rglob("*") if p.is_file())


def test_seed_000(pointed, shared, here):
    names = _run_cells(shared, here, 0, _imports())
    assert list(names["obs_line"]["obsid"]) == ["01004701"]
    assert names["data_links"]["aws"][0] == "s3://nasa-heasarc/ixpe/data/obs/01/01004701/"
    assert set(names["evt_file_paths"]) == {"det1", "det2", "det3"}
    _same_tree(pointed, "ixpe/data/obs/01/01004701", here / "IXPE" / "01004701")


def test_seed_001(pointed, shared, here):
    names = _run_cells(shared, here, 1, _imports())
    assert names["catalog_name"] == "swiftmastr"
    assert abs(names["src_coord"].ra.deg - 136.17) < 0.01
    assert len(names["swift_obs"]) == 4
    assert list(names["rel_obsids"]) == ["00031973040", "00031973043"]  # 127 and 135 days after discovery
    links = names["data_links"]
    names["Heasarc"].download_data(links, "aws", names["ROOT_DATA_DIR"])  # the tutorial has it commented out
    assert sorted(os.listdir("Swift/00031973040/xrt")) == ["event", "hk"]
    _same_tree(pointed, "swift/data/obs/2011_08/00031973043", here / "Swift" / "00031973043")


def test_seed_002(pointed, shared, here):
    names = _imports() | {"source": "SWIFT J2127.4+5654", "obsid": "60001110002", "work_dir": str(here)}
    names = _run_cells(shared, here, 2, names)
    assert names["catalog_name"] == "numaster"
    assert len(names["observations"]) == 2
    assert len(names["selected_obs"]) == 1
    _same_tree(pointed, "nustar/data/obs/00/6/60001110002", here / "60001110002")


def test_seed_003(pointed, shared, here):
    names = _imports()
    pointed.inventory.names["namehere"] = ("NAMEHERE", 81.2592, -69.6436)
    (path,) = shared("..", "seeds").glob("003_*.txt")
    source = next(line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("SRC_NAME = "))
    exec(source, {}, names)
    pointed.inventory.names["".join(names["SRC_NAME"].lower().split())] = ("the tutorial's source", 81.2592, -69.6436)
    names = _run_cells(shared, here, 3, names)
    assert names["catalog_name"] == "xrismmastr"
    assert sorted(names["all_xrism_obs"]["obsid"]) == ["000126000", "201001010"]
    assert list(names["rel_obsids"]) == ["000126000"]  # the other one is not public yet
    _same_tree(pointed, "xrism/data/obs/0/000126000", here / "XRISM" / "000126000")


def test_astroquery_heasarc_host_and_columns(pointed, tmp_path):
    from astropy.coordinates import SkyCoord
    from astroquery.heasarc import Heasarc

    position = SkyCoord(136.173, -32.38, unit="deg")
    table = Heasarc.query_region(position, "swiftmastr", radius="6 arcmin", add_offset=True)
    assert len(table) == 4
    assert list(Heasarc.query_region(position, "swiftmastr", spatial="box", width="1 arcmin")["obsid"])
    corners = [(136.0, -32.5), (136.3, -32.5), (136.3, -32.2), (136.0, -32.2)]
    assert len(Heasarc.query_region(catalog="swiftmastr", spatial="polygon", polygon=corners)) == 4
    assert len(Heasarc.query_region(catalog="swiftmastr", spatial="all-sky", columns="obsid, ra", maxrec=2)) == 2
    assert "xrt_exposure" in Heasarc.list_columns("swiftmastr")["name"]
    links = Heasarc.locate_data(table[:2], "swiftmastr")
    Heasarc.download_data(links, location=str(tmp_path))  # the TAR service
    assert {p.name for p in tmp_path.iterdir()} == {"00031973001", "00031973040"}
    with pytest.raises(ValueError, match="not available"):
        Heasarc.list_columns("nothing")


def test_pyvo_queries_and_jobs(server):
    service = pyvo.dal.TAPService(f"{server.url}/xamin/vo/tap")
    assert service.maxrec == 100_000
    assert {"swiftmastr", "metainfo", "TAP_SCHEMA.columns"} <= set(service.tables.keys())
    rows = service.search("SELECT TOP 2 obsid, start_time FROM swiftmastr ORDER BY start_time DESC").to_table()
    assert list(rows["obsid"]) == ["00031973060", "00031973043"]
    adql = """SELECT c.table_name, COUNT(*) AS n FROM TAP_SCHEMA.columns AS c
              JOIN TAP_SCHEMA.tables AS t ON c.table_name = t.table_name
              WHERE t.table_name LIKE '%mast%' GROUP BY c.table_name HAVING COUNT(*) > 5 ORDER BY c.table_name"""
    joined = service.search(adql).to_table()
    assert list(joined["table_name"]) == ["ixmaster", "numaster", "swiftmastr", "xmmmaster", "xrismmastr"]
    job = service.submit_job("SELECT obsid FROM numaster")
    job.run().wait(timeout=20)
    assert job.phase == "COMPLETED"
    assert len(job.fetch_result().to_table()) == 2
    job.delete()
    assert len(service.run_async("SELECT obsid FROM ixmaster").to_table()) == 1
    with pytest.raises(pyvo.dal.DALQueryError, match="no table"):
        service.run_async("SELECT * FROM nothing")
    with pytest.raises((pyvo.dal.DALQueryError, pyvo.dal.DALServiceError)):
        service.search("SELECT nonsense FROM ixmaster")
    limited = pyvo.dal.TAPService(f"{server.url}/xamin/vo/tap").search("SELECT * FROM swiftmastr", maxrec=3)
    assert limited.query_status == "OVERFLOW"
    assert len(limited) == 3


def test_separations_agree_with_astropy(server):
    from astropy.coordinates import SkyCoord

    service = pyvo.dal.TAPService(f"{server.url}/xamin/vo/tap")
    adql = "SELECT ra, dec, lii, bii, DISTANCE(POINT('ICRS', ra, dec), POINT('ICRS', 10.5, -88.0)) AS d FROM {}"
    for table in ("swiftmastr", "ixmaster", "xrismmastr"):
        rows = service.search(adql.format(table)).to_table()
        sky = SkyCoord(rows["ra"], rows["dec"], unit="deg")
        np.testing.assert_allclose(rows["d"], sky.separation(SkyCoord(10.5, -88.0, unit="deg")).deg, rtol=1e-12)
        np.testing.assert_allclose(rows["lii"], sky.galactic.l.deg, atol=2e-4)
        np.testing.assert_allclose(rows["bii"], sky.galactic.b.deg, atol=2e-4)


def test_names_through_astropy(pointed):
    from astropy.coordinates import SkyCoord
    from astropy.coordinates.name_resolve import NameResolveError

    assert abs(SkyCoord.from_name("N132D").dec.deg + 69.6436) < 1e-5
    with pytest.raises(NameResolveError):
        SkyCoord.from_name("no such object")


def test_clients_are_released(server):
    from astroquery.heasarc import Heasarc

    point_clients(server.archive)
    assert server.url in Heasarc.VO_URL
    release_clients()
    assert "heasarc.gsfc.nasa.gov" in Heasarc.VO_URL
    assert "AWS_ENDPOINT_URL_S3" not in os.environ


def test_boto3_lists_and_downloads(server, tmp_path):
    boto3 = pytest.importorskip("boto3")
    from botocore import UNSIGNED
    from botocore.client import Config

    client = boto3.client(
        "s3", endpoint_url=server.url, region_name="us-east-1", config=Config(signature_version=UNSIGNED)
    )
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket="nasa-heasarc", Prefix="swift/", PaginationConfig={"PageSize": 5}
    )
    keys = [o["Key"] for page in pages for o in page.get("Contents", [])]
    assert keys == sorted(k for k in server.inventory.files if k.startswith("swift/"))
    folders = client.list_objects_v2(Bucket="nasa-heasarc", Delimiter="/")
    assert [p["Prefix"] for p in folders["CommonPrefixes"]][:2] == ["ixpe/", "nustar/"]
    client.download_file("nasa-heasarc", keys[0], str(tmp_path / "file"))
    assert (tmp_path / "file").read_bytes() == server.inventory.files[keys[0]].read_bytes()
    with pytest.raises(client.exceptions.NoSuchKey):
        client.get_object(Bucket="nasa-heasarc", Key="nothing")


def test_s3fs_and_fsspec_read(server):
    s3fs = pytest.importorskip("s3fs")
    fsspec = pytest.importorskip("fsspec")
    files = s3fs.S3FileSystem(anon=True, client_kwargs={"endpoint_url": server.url, "region_name": "us-east-1"})
    found = files.find("nasa-heasarc/nustar")
    assert [f.removeprefix("nasa-heasarc/") for f in found] == [
        k for k in sorted(server.inventory.files) if k.startswith("nustar/")
    ]
    path = server.inventory.files[found[0].removeprefix("nasa-heasarc/")]
    assert files.cat_file(found[0], start=100, end=300) == path.read_bytes()[100:300]
    url = f"{server.url}/FTP/{found[0].removeprefix('nasa-heasarc/')}"
    with fsspec.open(url, "rb", block_size=1000) as stream:
        stream.seek(700)
        assert stream.read(50) == path.read_bytes()[700:750]


def test_multipart_ranges_with_requests(server):
    import requests

    key = next(iter(server.inventory.files))
    data = server.inventory.files[key].read_bytes()
    answer = requests.get(f"{server.url}/FTP/{key}", headers={"Range": "bytes=0-9,100-119,-5"}, timeout=10)
    assert answer.status_code == 206
    assert answer.headers["Content-Type"].startswith("multipart/byteranges")
    for piece in (data[:10], data[100:120], data[-5:]):
        assert piece in answer.content
    assert requests.get(f"{server.url}/FTP/{key}", headers={"Range": "bytes=999999999-"}, timeout=10).status_code == 416


def test_tar_of_the_mission_archive(server, tmp_path):
    url = f"{server.url}/nxsa-sl/servlet/data-action-aio?obsno=0201903501&level=PPS"
    path = tmp_path / "pps.tar"
    urllib.request.urlretrieve(url, path)
    with tarfile.open(path) as tar:
        assert len(tar.getnames()) == 3


def test_no_query_writes_or_runs_forever(server):
    from wolter.archive import query
    from wolter.errors import ArchiveError

    for adql in (
        "DROP TABLE ixmaster", "SELECT * FROM ixmaster; DROP TABLE ixmaster", "SELECT * FROM sqlite_master",
        "SELECT load_extension('x') FROM ixmaster", "SELECT obsid FROM ixmaster WHERE obsid = 'a' UNION SELECT 1, 2",
        "SELECT readfile('/etc/passwd') FROM ixmaster", "SELECT * FROM pragma_table_info('ixmaster')", "", "SELECT",
        "SELECT " + "(" * 500 + "1" + ")" * 500 + " FROM ixmaster",
    ):  # fmt: skip
        with pytest.raises(ArchiveError):
            query(adql, archive=server.archive)
    answer = query("SELECT obsid FROM ixmaster WHERE name = 'x'' OR 1=1 --'", archive=server.archive)
    assert len(answer) == 0


def test_without_astroquery_a_facade_stands_in(server, here, shared, monkeypatch):
    """The same cells, with a stand-in for astroquery where it is not installed."""
    from wolter import compat
    from wolter.compat import shims

    monkeypatch.setattr(shims, "_ABSENT", ("astroquery",))
    try:
        assert "astroquery" in compat.activate(children=False)
        point_clients(server.archive)
        names = _imports()
        assert names["Heasarc"].__class__.__module__ == "wolter.compat.astroquery.heasarc"
        names = _run_cells(shared, here, 0, names)
        _same_tree(server, "ixpe/data/obs/01/01004701", here / "IXPE" / "01004701")
        names = _run_cells(shared, here, 1, _imports())
        assert list(names["rel_obsids"]) == ["00031973040", "00031973043"]
        names["Heasarc"].download_data(names["data_links"][0], location=names["ROOT_DATA_DIR"])
        _same_tree(server, "swift/data/obs/2011_08/00031973040", here / "Swift" / "00031973040")
        assert "xrt_exposure" in names["Heasarc"].list_columns("swiftmastr")["name"]
    finally:
        release_clients()
        compat.deactivate()
    import astroquery

    assert "wolter" not in str(astroquery.__file__)
