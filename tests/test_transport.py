"""Bytes arrive whole or not at all, whatever the server, the network or a kill does."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from misbehaving import Misbehaving, body_of
from wolter.errors import OutputError, TransportError
from wolter.transport import Policy, Request, Transport, is_remote, safe_path

QUICK = Policy(connect_timeout=2, read_timeout=0.4, min_speed=1000, speed_window=0.5, retries=2, backoff=0.01,
               max_wait=2.0, rate=None)  # fmt: skip


@pytest.fixture(scope="module")
def server():
    with Misbehaving() as running:
        yield running


@pytest.fixture
def transport():
    return Transport(QUICK)


def _names(folder):
    return sorted(p.name for p in folder.rglob("*"))


def test_a_file_arrives(server, transport, tmp_path):
    got = transport.download(f"{server.url}/good/file", tmp_path / "deep" / "file", size=200_000)
    assert got.path.read_bytes() == body_of("file")
    assert got.sha256 == hashlib.sha256(body_of("file")).hexdigest()
    assert (got.moved, got.resumed, got.present) == (200_000, 0, False)
    assert _names(tmp_path) == ["deep", "file"]
    again = transport.download(f"{server.url}/good/file", tmp_path / "deep" / "file", size=200_000)
    assert again.present
    assert again.moved == 0


def test_an_existing_file_of_another_size_is_not_touched(server, transport, tmp_path):
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(OutputError, match="4 bytes already"):
        transport.download(f"{server.url}/good/file", tmp_path / "file", size=200_000)
    assert (tmp_path / "file").read_bytes() == b"mine"
    transport.download(f"{server.url}/good/file", tmp_path / "file", size=200_000, overwrite=True)
    assert (tmp_path / "file").read_bytes() == body_of("file")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("status/400", "does not understand.*this is what the server says"),
        ("status/401", "wants a login"),
        ("status/403", "access is refused"),
        ("status/404", "nothing at this address"),
        ("status/410", "removed"),
        ("status/418", "answers with an error"),
        ("status/500", r"has a problem \(status 500.*\(3 attempts\)"),
        ("status/503", "has a problem"),
        ("never/1000", "asks for fewer requests.*wait 1000 s"),
        ("never/0", "asks for fewer requests"),
        ("lies-longer/a", "5000 of 9000 bytes are here"),
        ("wrong-range/a", "asked for bytes from 28976 and sends 'bytes 0-99/200000'"),
        ("hang/a", "hangs: nothing came for 0.4 s"),
        ("mute/a", "hangs: nothing came for 0.4 s"),
        ("slow/a", "too slow"),
        ("loop/a", "redirects more than 5 times"),
        ("redirect/6/a", "redirects more than 5 times"),
        ("bomb/coded", "although it was asked not to"),
        ("chunked/broken", "broke off"),
    ],
)
def test_what_servers_do(server, transport, tmp_path, path, message):
    with pytest.raises(TransportError, match=message) as caught:
        transport.download(f"{server.url}/{path}", tmp_path / "file")
    assert caught.value.file is not None
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize("path", ["busy/503/0", "busy/429/1", "redirect/5/file", "breaks/file",
                                  "breaks-without-validator/file", "corrupt-tail/file", "changes/file"])  # fmt: skip
def test_what_is_overcome(server, transport, tmp_path, path):
    begin = time.monotonic()
    transport.download(f"{server.url}/{path}", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == body_of("busy" if "busy" in path else "file")
    if path == "busy/429/1":
        assert time.monotonic() - begin > 1.9  # Retry-After was obeyed, twice
    assert _names(tmp_path) == ["file"]


def test_broken_transfers_resume_at_the_break(server, transport, tmp_path):
    got = transport.download(f"{server.url}/breaks/resumed", tmp_path / "file")
    asked = [r for p, r in server.log if p == "/breaks/resumed"]
    assert asked[0] is None
    assert asked[1] == "bytes=28976-"  # 1 kB is fetched twice and compared
    assert len(asked) == 7
    assert got.moved < 210_000


def test_a_length_that_is_too_short_is_noticed(server, transport, tmp_path):
    digest = hashlib.sha256(body_of("a", 5000)).hexdigest()
    with pytest.raises(TransportError, match=r"SHA-256.*instead of"):
        transport.download(f"{server.url}/lies-shorter/a", tmp_path / "file", sha256=digest)
    with pytest.raises(TransportError, match="lists the file with 5000 bytes, the server has 1000"):
        transport.download(f"{server.url}/lies-shorter/a", tmp_path / "file", size=5000)
    assert not (tmp_path / "file").exists()


def test_chunked_answers(server, transport, tmp_path):
    transport.download(f"{server.url}/chunked/whole", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == body_of("whole", 5000)


def test_damaged_copies_are_fetched_again_once(server, transport, tmp_path):
    digest = hashlib.sha256(body_of("once")).hexdigest()
    transport.download(f"{server.url}/corrupt/once", tmp_path / "once", sha256=digest)
    assert (tmp_path / "once").read_bytes() == body_of("once")
    always = hashlib.sha256(body_of("always")).hexdigest()
    with pytest.raises(TransportError, match=r"SHA-256.*fetched twice"):
        transport.download(f"{server.url}/corrupt/always", tmp_path / "always", sha256=always)
    assert _names(tmp_path) == ["once"]


def test_bombs_do_not_go_off(server, transport, tmp_path):
    with pytest.raises(TransportError, match="inflates to more than 1000000 bytes"):
        transport.fetch(f"{server.url}/bomb/coded", limit=1_000_000)
    with pytest.raises(TransportError, match="longer than 1000 bytes"):
        transport.fetch(f"{server.url}/good/file", limit=1000)


def test_gzip_bombs_are_refused_when_verified(tmp_path, monkeypatch):
    import gzip

    from wolter.archive import verify

    monkeypatch.setattr(verify, "_LEAST", 1 << 20)
    bomb = tmp_path / "bomb.fits.gz"
    bomb.write_bytes(gzip.compress(b"SIMPLE  =" + b"\0" * 50_000_000, 9))
    with pytest.raises(TransportError, match="inflates to more than 9 MiB, "):
        verify.check_file(bomb)
    bomb.write_bytes(gzip.compress(body_of("x"))[:-100])
    with pytest.raises(TransportError, match="cut off"):
        verify.check_file(bomb)
    damaged = bytearray(gzip.compress(random.Random(1).randbytes(5000)))
    damaged[2500] ^= 0xFF
    bomb.write_bytes(damaged)
    with pytest.raises(TransportError, match="damaged"):
        verify.check_file(bomb)


def test_no_connection(transport, tmp_path):
    with pytest.raises(TransportError, match=r"connection failed.*refused"):
        transport.download("http://127.0.0.1:9/x", tmp_path / "file")
    with pytest.raises(TransportError, match="connection failed"):
        transport.fetch("http://no-such-host.invalid/x")
    with pytest.raises(TransportError, match=r"not an address|connection failed"):
        transport.fetch("http:///x")


@pytest.fixture
def certificate(tmp_path_factory):
    x509 = pytest.importorskip("cryptography.x509", reason="makes a certificate for the test")
    import datetime

    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True).sign(key, hashes.SHA256())
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(folder / "cert.pem"), str(folder / "key.pem")


def test_https_and_redirects_between_schemes(server, transport, tmp_path, certificate, monkeypatch):
    with Misbehaving(certificate) as secure:
        with pytest.raises(TransportError, match="not secure"):
            transport.fetch(f"{secure.url}/good/file")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate[0])
        assert transport.fetch(f"{secure.url}/good/file") == body_of("file")
        secure.other = f"{server.url}/good/file"
        with pytest.raises(TransportError, match="from https to http"):
            transport.download(f"{secure.url}/elsewhere/x", tmp_path / "file")
        server.other = f"{secure.url}/good/file"
        transport.download(f"{server.url}/elsewhere/x", tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == body_of("file")
        server.other = "file:///etc/passwd"
        with pytest.raises(TransportError, match="not a web address"):
            transport.fetch(f"{server.url}/elsewhere/x")


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/passwd", "C:\\evil", "a\\..\\evil", "", ".", "a\0b",
                                  "c:/evil", "a\nb", "a/.."])  # fmt: skip
def test_names_that_leave_the_folder(tmp_path, name):
    with pytest.raises(TransportError, match="the server named a file"):
        safe_path(tmp_path, name)


def test_names_that_stay(tmp_path):
    assert safe_path(tmp_path, "a/./b//c.fits") == tmp_path / "a" / "b" / "c.fits"
    (tmp_path / "link").symlink_to("/tmp")
    with pytest.raises(TransportError, match="symbolic link"):
        safe_path(tmp_path, "link/file")
    assert is_remote("s3://a/b")
    assert not is_remote("/a/b")


def test_listings_do_not_lead_astray(server, transport, tmp_path):
    found = transport.list(f"{server.url}/index/obs/", sizes=False)
    assert [e.name for e in found] == ["good.txt", "spaced name"]
    from wolter.transport import Transport

    tricked = Transport(QUICK, s3_endpoint=server.url)
    names = [e.name for e in tricked.list("s3://bucket/obs/")]
    assert names == ["../../evil", "./x", "fine.txt", "sub\\evil"]  # each is refused when it is to become a file
    for name in ("../../evil", "sub\\evil"):
        with pytest.raises(TransportError, match="the server named a file"):
            safe_path(tmp_path, name)
    with pytest.raises(TransportError, match="the same page"):
        tricked.list("s3://forever/obs/")
    with pytest.raises(TransportError, match="not the name of a bucket"):
        tricked.list("s3://../obs/")


def test_disk_space_is_checked_first(server, transport, tmp_path, monkeypatch):
    import shutil

    usage = shutil.disk_usage(tmp_path)._replace(free=(1 << 20) + 300_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    jobs = [Request(f"{server.url}/good/{n}", tmp_path / n, 200_000) for n in "ab"]
    before = len(server.log)
    with pytest.raises(OutputError, match=r"0\.4 MB are to come, but the disk has room for 0\.3 MB"):
        transport.download_many(jobs)
    assert len(server.log) == before
    transport.download_many(jobs[:1])
    with pytest.raises(OutputError, match="room for"):
        transport.download(f"{server.url}/good/big", tmp_path / "big", size=500_000)


def test_files_in_parallel_and_one_that_fails(server, transport, tmp_path):
    names = [f"f{i}" for i in range(12)]
    done = transport.download_many([Request(f"{server.url}/good/{n}", tmp_path / n) for n in names])
    assert [d.path.name for d in done] == names
    assert all((tmp_path / n).read_bytes() == body_of(n) for n in names)
    jobs = [Request(f"{server.url}/good/{n}", tmp_path / "more" / n) for n in names]
    jobs.insert(4, Request(f"{server.url}/status/404", tmp_path / "more" / "missing"))
    with pytest.raises(TransportError, match=r"nothing at this address.*of 13 files are complete"):
        transport.download_many(jobs)
    assert not (tmp_path / "more" / "missing").exists()
    with pytest.raises(TransportError, match="two files would get this name"):
        transport.download_many([jobs[0], jobs[0]])


def test_local_files_and_folders(transport, tmp_path):
    (tmp_path / "from" / "sub").mkdir(parents=True)
    (tmp_path / "from" / "sub" / "x").write_bytes(body_of("x"))
    (entry,) = transport.list(str(tmp_path / "from"))
    assert (entry.name, entry.size) == ("sub/x", 200_000)
    got = transport.download(entry.url, tmp_path / "to" / "x", size=entry.size)
    assert got.path.read_bytes() == body_of("x")
    assert transport.fetch((tmp_path / "from" / "sub" / "x").as_uri()) == body_of("x")
    with pytest.raises(TransportError, match="cannot be read"):
        transport.download(tmp_path / "nothing", tmp_path / "y")


def test_the_rate_is_kept(server, tmp_path):
    polite = Transport(Policy(rate=20.0))
    begin = time.monotonic()
    for _ in range(11):
        polite.fetch(f"{server.url}/good/file")
    assert time.monotonic() - begin > 0.49  # ten intervals of 1/20 s


def test_an_interruption_leaves_a_state_to_go_on_from(server, tmp_path):
    code = (
        "import sys; from wolter.transport import *\n"
        "t = Transport(Policy(workers=3, rate=None))\n"
        f"t.download_many([Request('{server.url}/slow/'+n, __import__('pathlib').Path(sys.argv[1], n), 100000)"
        " for n in 'abcdef'])"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 20
    while not any(p.stat().st_size for p in tmp_path.glob(".*.part")) and time.monotonic() < deadline:
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=20)
    assert child.returncode != 0
    assert b"KeyboardInterrupt" in err
    assert not [p for p in tmp_path.iterdir() if not p.name.startswith(".")]
    assert any(p.stat().st_size for p in tmp_path.glob(".*.part"))


def test_two_processes_fetch_the_same_file(server, transport, tmp_path):
    results = []
    threads = [
        threading.Thread(
            target=lambda: results.append(Transport(QUICK).download(f"{server.url}/breaks/both", tmp_path / "both"))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert sum(not r.present for r in results) == 1
    assert (tmp_path / "both").read_bytes() == body_of("both")
    assert _names(tmp_path) == ["both"]


_DRIVER = '''
import os, random, signal, sys
from pathlib import Path
import requests  # before the forks
from wolter.transport import Policy, Request, Transport, download
url, folder, kills, total, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
names = [f"f{i:02d}" for i in range(50)]
rng = random.Random(seed)

def life(budget, at_rename):
    """One life: ends by SIGKILL after this many bytes of files, between two bytes of a write, or at a rename."""
    import requests.sessions
    left = [budget]
    write, replace = download._write, os.replace

    def mortal(part, at, piece, target):
        if len(piece) >= left[0]:
            write(part, at, piece[:left[0]], target)
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= len(piece)
        write(part, at, piece, target)

    def renamed(a, b):
        if at_rename == "before" and left[0] < budget: os.kill(os.getpid(), signal.SIGKILL)
        replace(a, b)
        if at_rename == "after" and left[0] < budget: os.kill(os.getpid(), signal.SIGKILL)

    download._write, os.replace = mortal, renamed
    jobs = [Request(f"{url}/{n}", folder / n) for n in names]
    Transport(Policy(workers=3, rate=None)).download_many(jobs)

died = 0
for number in range(kills):
    pid = os.fork()
    if pid == 0:
        life(rng.randrange(1, total // kills), rng.choice(["", "", "before", "after"]))
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    died += os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
kept = sum(p.stat().st_size for p in folder.iterdir() if p.suffix != ".json")
Transport(Policy(workers=3, rate=None)).download_many([Request(f"{url}/{n}", folder / n) for n in names])
print(died, kept)
'''


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_random_bytes_200_times(tmp_path):
    """50 files, 200 processes that die at a random byte or rename: complete and correct in the end, little twice."""
    from wolter.archive import ArchiveServer

    rng = random.Random(7)
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    for i in range(50):
        (source / f"f{i:02d}").write_bytes(rng.randbytes(rng.randrange(0, 150_000)))
    total = sum(p.stat().st_size for p in source.iterdir())
    with ArchiveServer(source) as running:
        words = [sys.executable, "-c", _DRIVER, f"{running.url}/FTP", str(target), "200", str(total), "11"]
        out = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert out.returncode == 0, out.stderr
    died, kept = map(int, out.stdout.split())
    assert died == 200
    assert kept > 0.2 * total  # every life went on from where the ones before it died
    assert _names(target) == sorted(p.name for p in source.iterdir())
    for path in source.iterdir():
        assert (target / path.name).read_bytes() == path.read_bytes()
