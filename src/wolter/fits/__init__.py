"""FITS: typed HDUs, columns read when asked for, atomic writing with check sums and provenance.

>>> from wolter import fits
>>> with fits.open("events.fits.gz") as f:
...     pi = f["EVENTS"].read("PI")

Only numpy is needed; `astropy.io.fits` is the independent reader of the tests.
"""

from __future__ import annotations

from wolter.errors import FitsError, OutputError
from wolter.fits._errors import MissingColumnError, MissingHDUError, MissingKeywordError
from wolter.fits.atomic import atomic_path
from wolter.fits.build import new_image, new_table, primary
from wolter.fits.column import Column, Columns
from wolter.fits.decode import Ragged
from wolter.fits.file import FitsFile, open
from wolter.fits.hdu import HDU, ImageHDU
from wolter.fits.header import Header
from wolter.fits.name import FileName, Range, parse_name
from wolter.fits.provenance import Input, Provenance, file_sha256, read_provenance
from wolter.fits.table import Block, TableHDU
from wolter.fits.writing import write

__all__ = [
    "Block",
    "Column",
    "Columns",
    "FileName",
    "FitsError",
    "FitsFile",
    "HDU",
    "Header",
    "ImageHDU",
    "Input",
    "MissingColumnError",
    "MissingHDUError",
    "MissingKeywordError",
    "OutputError",
    "Provenance",
    "Ragged",
    "Range",
    "TableHDU",
    "atomic_path",
    "file_sha256",
    "new_image",
    "new_table",
    "open",
    "parse_name",
    "primary",
    "read_provenance",
    "write",
]
