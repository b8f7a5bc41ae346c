"""Files of compress (.Z): decoded as gzip decodes them."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest

from wolter import fits
from wolter.fits.lzw import unpack_lzw


def pack(data: bytes, most: int = 16) -> bytes:
    """A plain compressor, whose output gzip checks. The table is cleared once it is full."""
    out, bits, start, width = bytearray(b"\x1f\x9d" + bytes([most | 0x80])), [], 0, 9
    codes = {bytes([i]): i for i in range(256)}
    following = 257

    def pad():
        nonlocal start
        while (len(bits) - start) % (8 * width):
            bits.append(0)
        start = len(bits)

    def put(code):
        bits.extend(code >> k & 1 for k in range(width))

    word = b""
    for value in data:
        longer = word + bytes([value])
        if longer in codes:
            word = longer
            continue
        put(codes[word])
        if following < 1 << most:
            codes[longer] = following
            following += 1
            if following > 1 << width and width < most:
                pad()
                width += 1
        else:
            put(256)
            pad()
            width, following, codes = 9, 257, {bytes([i]): i for i in range(256)}
        word = bytes([value])
    if word:
        put(codes[word])
    packed = np.packbits(np.array(bits, dtype=np.uint8), bitorder="little")
    return bytes(out) + packed.tobytes()


@pytest.mark.parametrize("most", [12, 14, 16])
@pytest.mark.parametrize("size", [0, 1, 300, 20_000, 200_000])
def test_same_as_gzip(tmp_path, most, size):
    if shutil.which("gzip") is None:
        pytest.skip("gzip is not installed")
    random = np.random.default_rng(size + most)
    data = np.repeat(random.integers(0, 40, size // 2 + 1, dtype=np.uint8), 2)[:size].tobytes()
    packed = pack(data, most)
    (tmp_path / "a.Z").write_bytes(packed)
    theirs = subprocess.run(["gzip", "-dc", tmp_path / "a.Z"], capture_output=True, check=True).stdout
    assert theirs == data
    assert unpack_lzw(packed) == theirs


def test_a_compressed_spectrum_is_found_by_its_plain_name(shared, tmp_path, monkeypatch):
    """Archives of old missions: x.pha.Z and x.rsp.Z, which HEASoft opens as x.pha and x.rsp."""
    import wolter.compat.xspec as x
    from test_compat_xspec_golden import fresh_session

    star = shared("swift", "2m0259_00092220001")
    (tmp_path / "s.pha.Z").write_bytes(pack((star / "target_sr.pha").read_bytes()))
    (tmp_path / "s.arf.Z").write_bytes(pack((star / "target_sr.arf").read_bytes()))
    with fits.open(tmp_path / "s.pha.Z") as packed, fits.open(star / "target_sr.pha") as plain:
        assert packed["SPECTRUM"].read("COUNTS").tolist() == plain["SPECTRUM"].read("COUNTS").tolist()
    monkeypatch.chdir(tmp_path)
    fresh_session(monkeypatch)
    x.Xset.chatter = 0
    spectrum = x.Spectrum("s.pha")
    spectrum.response = str(star / "swxpc0to12s6_20130101v014.rmf")
    spectrum.response.arf = "s.arf"
    assert spectrum.rate[0] == pytest.approx(58 / spectrum.exposure)
    assert spectrum.fileName == "s.pha"
    x.Xset.chatter = 10


@pytest.mark.parametrize("damage", [b"", b"\x1f\x9d", b"\x1f\x9d\x85", b"\x1f\x9d\x90\xff\xff\xff"])
def test_damaged(tmp_path, damage):
    with pytest.raises(ValueError, match=r"compress|bits|meaning"):
        unpack_lzw(damage)
    (tmp_path / "a.fits.Z").write_bytes(damage or b"\x1f\x9d")
    with pytest.raises(fits.FitsError):
        fits.open(tmp_path / "a.fits.Z")
