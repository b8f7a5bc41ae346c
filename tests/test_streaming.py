"""Event files on servers, read without being downloaded; bytes are counted on the wire, outside client and server."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading

import numpy as np
import pytest
from astropy.io import fits as astropy_fits

import archive_support
import wolter
from misbehaving import Misbehaving
from wolter import fits
from wolter.archive import ArchiveServer
from wolter.errors import FitsError, TransportError
from wolter.transport import Policy, Transport, listing

ROWS = 1_000_000


class Wire:
    """A relay in front of a server that counts all bytes of both directions."""

    def __init__(self, port: int, *, hide: bytes | None = None) -> None:
        self.target, self.hide, self.count = port, hide, 0
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            threading.Thread(target=self._pump, args=(client, server), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(1 << 16):
                if self.hide:
                    data = data.replace(self.hide, b"-" * len(self.hide))
                with self._lock:
                    self.count += len(data)
                sink.sendall(data)
        except OSError:
            pass
        finally:
            for one in (source, sink):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A million events with ten columns, 46 bytes a row, as an IXPE level-2 file has them."""
    root = tmp_path_factory.mktemp("stream")
    header = {
        "TELESCOP": "IXPE", "INSTRUME": "GPD", "DETNAM": "DU1", "FILE_LVL": "2", "OBJECT": "Mrk 501", "TSTART": 0.0,
        "RA_OBJ": 253.4676, "DEC_OBJ": 39.7602, "MJDREFI": 57754, "TSTOP": 1e4, "ONTIME": 1e4, "EXPOSURE": 1e4,
    }  # fmt: skip
    (root / "events.fits").write_bytes(archive_support.event_file(header, ROWS))
    small = archive_support.event_file(header, 3000)
    (root / "small.fits").write_bytes(small)
    (root / "small.fits.gz").write_bytes(gzip.compress(small, 6))
    return root


@pytest.fixture(scope="module")
def server(folder):
    with ArchiveServer(folder) as running:
        yield running


@pytest.fixture
def wire(server):
    relay = Wire(server.port)
    yield relay
    relay.close()


def _truth(folder, names):
    with astropy_fits.open(folder / "events.fits") as f:
        return {n: np.array(f["EVENTS"].data[n]) for n in names}


@pytest.mark.parametrize("names", [("TIME", "PI", "W_MOM"), ("PI", "X", "Y"), ("RAWX", "PI", "U")])
def test_three_columns_of_a_million_rows(folder, wire, names):
    """The server offers strided ranges: less than 1.2 times the bytes of the columns, headers and requests included."""
    truth = _truth(folder, names)
    with fits.open(f"http://127.0.0.1:{wire.port}/FTP/events.fits") as f:
        got = f["EVENTS"].read(list(names))
    for name in names:
        np.testing.assert_array_equal(got[name], truth[name])
    useful = sum(v.nbytes for v in truth.values())
    assert wire.count < 1.2 * useful
    assert wire.count > useful


def test_rows_that_are_not_needed_are_not_moved(folder, server):
    """Any server with ranges: whole rows, less than 1.2 times the bytes of the rows asked for."""
    relay = Wire(server.port, hide=b"strided")
    try:
        with fits.open(f"http://127.0.0.1:{relay.port}/FTP/events.fits") as f:
            table = f["EVENTS"]
            assert table.region.source.way(46, ROWS, [(0, 8), (14, 8)]) == "rows"
            got = table.read(["TIME", "PI", "W_MOM"], rows=slice(700_000, 750_000))
    finally:
        relay.close()
    truth = _truth(folder, ("TIME", "PI", "W_MOM"))
    for name, values in got.items():
        np.testing.assert_array_equal(values, truth[name][700_000:750_000])
    assert relay.count < 1.2 * 50_000 * 46


def test_an_event_list_on_a_server(folder, server):
    url = f"{server.url}/FTP/events.fits"
    here, there = wolter.EventList.read(folder / "events.fits"), wolter.EventList.read(url)
    assert there.nrows == ROWS
    assert there.mission.name == "ixpe"
    region = wolter.circle("16:53:52.2 +39:45:37", 60 * pytest.importorskip("astropy.units").arcsec)
    one, two = here.select(region=region, pi=(50, 199)), there.select(region=region, pi=(50, 199))
    assert one.count() == two.count() > 0
    np.testing.assert_array_equal(one.column("TIME"), two.column("TIME"))
    filtered = wolter.EventList.read(f"{url}[EVENTS][PI >= 50 && PI < 200]")
    assert filtered.count() == here.select(pi=(50, 199)).count()
    assert there.exposure == here.exposure


def test_a_compressed_file_is_streamed(folder, server):
    with fits.open(f"{server.url}/FTP/small.fits.gz") as f:
        assert f.streamed
        got = f["EVENTS"].read("TIME")
    with astropy_fits.open(folder / "small.fits") as f:
        np.testing.assert_array_equal(got, f["EVENTS"].data["TIME"])
    assert len(wolter.EventList.read(f"{server.url}/FTP/small.fits.gz").column("PI")) == 3000


def test_checksums_of_a_remote_file(server):
    fits.open(f"{server.url}/FTP/small.fits", verify=True).close()


def test_wide_rows_by_single_ranges(tmp_path):
    """Rows of 4 kB, two narrow columns wanted, a server that takes many ranges but knows no strides."""
    n, rng = 400, np.random.default_rng(3)
    columns = [
        astropy_fits.Column("TIME", "D", array=rng.uniform(size=n)),
        astropy_fits.Column("WAVE", "2000I", array=rng.integers(0, 100, (n, 2000))),
        astropy_fits.Column("PI", "J", array=rng.integers(0, 100, n)),
    ]
    astropy_fits.BinTableHDU.from_columns(columns, name="EVENTS").writeto(tmp_path / "wide.fits")
    with ArchiveServer(tmp_path) as running:
        relay = Wire(running.port, hide=b"strided")
        with fits.open(f"http://127.0.0.1:{relay.port}/FTP/wide.fits") as f:
            got = f["EVENTS"].read(["TIME", "PI"])
            assert f["EVENTS"].region.source.way(4012, n, [(0, 8), (4008, 4)]) == "ranges"
        relay.close()
    np.testing.assert_array_equal(got["TIME"], columns[0].array)
    np.testing.assert_array_equal(got["PI"], columns[2].array)
    assert relay.count < 0.25 * n * 4012


def test_what_cannot_be_streamed_says_so(server):
    quick = Transport(Policy(retries=1, backoff=0.01))
    with Misbehaving() as bad:
        with pytest.raises(TransportError, match="does not send parts of files"):
            fits.open(f"{bad.url}/no-ranges/file.fits", transport=quick)
        with pytest.raises(FitsError, match="not a FITS file"):
            fits.open(f"{bad.url}/good/file.fits", transport=quick)
        with pytest.raises(TransportError, match="nothing at this address"):
            fits.open(f"{bad.url}/status/404", transport=quick)
    with pytest.raises(FitsError, match="there is no HDU 'NOTHING'"):
        _ = fits.open(f"{server.url}/FTP/small.fits")["NOTHING"]


def test_a_file_that_is_replaced_meanwhile(tmp_path):
    (tmp_path / "f.fits").write_bytes(archive_support.event_file({"RA_OBJ": 1.0, "DEC_OBJ": 2.0}, 5000))
    with ArchiveServer(tmp_path) as running, fits.open(f"{running.url}/FTP/f.fits") as f:
        table = f["EVENTS"]
        (tmp_path / "f.fits").write_bytes(archive_support.event_file({"RA_OBJ": 1.0, "DEC_OBJ": 2.0}, 5000, seed=9))
        with pytest.raises(TransportError, match="replaced on the server"):
            table.read("PI")


@pytest.fixture(scope="module")
def moto(folder):
    """moto's S3 server, with the files in a public bucket."""
    moto_server = pytest.importorskip("moto.server", reason="moto is not installed")
    boto3 = pytest.importorskip("boto3")
    running = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    running.start()
    endpoint = "http://{}:{}".format(*running.get_host_and_port())
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="a",
                          aws_secret_access_key="b")  # fmt: skip
    client.create_bucket(Bucket="public-data", ACL="public-read")
    for name in ("small.fits", "small.fits.gz"):
        client.upload_file(str(folder / name), "public-data", f"obs/1/{name}", ExtraArgs={"ACL": "public-read"})
    for i in range(5):
        client.put_object(Bucket="public-data", Key=f"many/f{i:04d} + ü", Body=b"x", ACL="public-read")
    yield endpoint
    running.stop()


def test_s3_by_another_server(folder, moto, tmp_path, monkeypatch):
    transport = Transport(Policy(rate=None), s3_endpoint=moto)
    listed = transport.list("s3://public-data/obs/1")
    assert [(e.name, e.size) for e in listed] == [
        (n, (folder / n).stat().st_size) for n in ("small.fits", "small.fits.gz")
    ]
    monkeypatch.setattr(listing, "_PAGE_KEYS", 2)
    many = transport.list("s3://public-data/many/")  # three pages
    assert [e.name for e in many] == [f"f{i:04d} + ü" for i in range(5)]
    assert transport.fetch(many[3].url) == b"x"
    got = transport.download(listed[0].url, tmp_path / "small.fits", size=listed[0].size)
    assert got.path.read_bytes() == (folder / "small.fits").read_bytes()
    with fits.open("s3://public-data/obs/1/small.fits", transport=transport) as f:
        pi = f["EVENTS"].read("PI")
    with astropy_fits.open(folder / "small.fits") as f:
        np.testing.assert_array_equal(pi, f["EVENTS"].data["PI"])
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", moto)
    assert wolter.EventList.read("s3://public-data/obs/1/small.fits").select(pi=(50, 199)).count() > 0
