"""`Heasarc` with astroquery's calls, on `wolter.archive`; it remembers the last catalogue because astroquery does."""

from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path
from typing import Any

from wolter.archive import Archive
from wolter.archive.catalogues import get_default_radius, list_catalogs, query
from wolter.archive.tap import number, read_votable, text
from wolter.compat.archives import pointed_archive
from wolter.transport import Request, safe_path

__all__ = ["Heasarc", "HeasarcClass"]


class TAPResults:
    """Answer to a query."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def to_table(self) -> Any:
        """As `astropy.table.Table`."""
        return self._table

    def to_qtable(self) -> Any:
        """As `astropy.table.QTable`."""
        from astropy.table import QTable

        return QTable(self._table)

    def __len__(self) -> int:
        return len(self._table)


class HeasarcClass:
    """Client of HEASARC's archive, or of the one that `wolter.compat.archives.point_clients` names."""

    def __init__(self) -> None:
        self._last_catalog_name: str | None = None

    @property
    def archive(self) -> Archive:
        """Servers that are asked."""
        return pointed_archive()

    def list_catalogs(self, *, master: bool = False, keywords: str | list[str] | None = None) -> Any:
        """Table of catalogues (name, description)."""
        words = [keywords] if isinstance(keywords, str) else keywords
        if words is not None and not all(isinstance(w, str) for w in words):
            raise ValueError("non-str found in keywords elements")
        return list_catalogs(words, master=master, archive=self.archive)

    def get_default_radius(self, catalog_name: str) -> Any:
        """Default radius of a catalogue (arcmin)."""
        return get_default_radius(catalog_name, archive=self.archive)

    def list_columns(self, catalog_name: str, full: bool = False) -> Any:
        """Table of a catalogue's columns (name, description, unit); by default only the usual ones."""
        adql = f"SELECT column_name, description, unit FROM TAP_SCHEMA.columns WHERE table_name = {text(catalog_name)}"
        table: Any = query(adql, archive=self.archive)
        if len(table) == 0:
            raise ValueError(f"{catalog_name} is not available as a public catalog.")
        table.rename_column("column_name", "name")
        usual = set(self._default_columns(catalog_name))
        return table if full else table[[str(n) in usual for n in table["name"]]]

    def _default_columns(self, catalog: str) -> list[str]:
        adql = (
            "SELECT split_part(name, '.', 2) AS par, CAST(value AS DECIMAL) AS value FROM metainfo"
            f" WHERE type = 'parameter' AND relation = 'order' AND split_part(name, '.', 1) = {text(catalog)}"
            " ORDER BY value"
        )
        table: Any = query(adql, archive=self.archive)
        return [str(row["par"]) for row in table if float(row["value"]) > 0 and str(row["par"])]

    def query_tap(self, query: str, *, maxrec: int | None = None) -> TAPResults:
        """Answer to a query in ADQL."""
        from wolter.archive import catalogues

        return TAPResults(catalogues.query(query, archive=self.archive, maxrec=maxrec))

    def query_region(
        self, position: Any = None, catalog: str | None = None, radius: Any = None, *, spatial: str = "cone",
        width: Any = None, polygon: Any = None, add_offset: bool = False, get_query_payload: bool = False,
        columns: str | None = None, cache: bool = False, verbose: bool = False, maxrec: int | None = None,
    ) -> Any:  # fmt: skip
        """Rows of a catalogue near a position, in a box or polygon, or all."""
        if catalog is None:
            raise ValueError("catalog name is required!")
        shown = columns or ", ".join([*self._default_columns(catalog), "__row"])
        where, offset = self._where(position, catalog, radius, spatial.lower(), width, polygon)
        adql = f"SELECT {shown}{offset if add_offset else ''} FROM {catalog}{where}"
        if get_query_payload:
            return adql
        table = self.query_tap(adql, maxrec=maxrec).to_table()
        self._last_catalog_name = catalog
        if len(table) == 0:
            warnings.warn("No matching rows were found in the query.", stacklevel=2)
        return table

    def _where(
        self, position: Any, catalog: str, radius: Any, spatial: str, width: Any, polygon: Any
    ) -> tuple[str, str]:
        from astropy.coordinates import Angle, SkyCoord

        if spatial == "all-sky":
            return "", ""
        if spatial == "polygon":
            corners: list[Any] = [c.icrs if hasattr(c, "icrs") else SkyCoord(*c, unit="deg") for c in polygon]
            inside = ",".join(f"{number(c.ra.deg)},{number(c.dec.deg)}" for c in corners)
            return f" WHERE CONTAINS(POINT('ICRS',ra,dec),POLYGON('ICRS',{inside}))=1", ""
        found: Any = SkyCoord.from_name(position) if isinstance(position, str) else position
        place: Any = found.icrs
        ra, dec = number(place.ra.deg), number(place.dec.deg)
        offset = f",DISTANCE(POINT('ICRS',ra,dec), POINT('ICRS',{ra},{dec})) as search_offset"
        if spatial == "cone":
            size: Any = Angle(self.get_default_radius(catalog) if radius is None else radius).deg
            return f" WHERE CONTAINS(POINT('ICRS',ra,dec),CIRCLE('ICRS',{ra},{dec},{number(size)}))=1", offset
        if spatial == "box":
            across: Any = Angle(width).deg
            side = number(across)
            return f" WHERE CONTAINS(POINT('ICRS',ra,dec),BOX('ICRS',{ra},{dec},{side},{side}))=1", ""
        raise ValueError("Unrecognized spatial query type. Must be one of 'cone', 'box', 'polygon', or 'all-sky'.")

    def locate_data(self, query_result: Any = None, catalog_name: str | None = None) -> Any:
        """Where the data of rows are: Table with ID, access_url, sciserver, aws, content_length, error_message."""
        catalog = catalog_name or self._last_catalog_name
        rows = _as_table(query_result)
        if "__row" not in rows.colnames:
            raise ValueError("No __row column found in query_result.")
        where = f"{self.archive.vo}/datalink/{catalog}"
        data = [("ID", str(row)) for row in rows["__row"]]
        table: Any = read_votable(self.archive.transport.fetch(where, data=data), where=where).table
        keep = [str(r["content_type"]) == "directory" or str(r["error_message"]) != "" for r in table]
        out = table[keep]["ID", "access_url", "content_length", "error_message"]
        below = [str(u).split("FTP/", 1)[1].replace("//", "/") if "FTP/" in str(u) else "" for u in out["access_url"]]
        out.add_column([f"/FTP/{b}" if b else "" for b in below], name="sciserver", index=2)
        out.add_column([f"{self.archive.s3}/{b}" if b else "" for b in below], name="aws", index=3)
        return out

    def enable_cloud(self, provider: str = "aws", profile: Any = None) -> None:
        """Nothing to do: the bucket is public."""

    def download_data(self, links: Any, host: str = "heasarc", location: str = ".") -> None:
        """Fetch the folders of the links into ``location``, verified and resumable."""
        rows = _as_table(links)
        if len(rows) == 0:
            raise ValueError("Input links table is empty")
        if host not in ("heasarc", "sciserver", "aws"):
            raise ValueError("host has to be one of heasarc, sciserver, aws")
        from wolter.archive.verify import check_file

        column = {"heasarc": "access_url", "sciserver": "sciserver", "aws": "aws"}[host]
        for row in rows:
            if str(row["error_message"]):
                continue
            link = str(row[column]).rstrip("/")
            folder = Path(location) / link.rpartition("/")[2]
            if host == "sciserver":
                shutil.copytree(link, folder, dirs_exist_ok=True)
                continue
            found = self.archive.transport.list(link + "/")
            jobs = [Request(f.url, safe_path(folder, f.name), f.size, check=check_file) for f in found]
            self.archive.transport.download_many(jobs, description=f"fetching {os.fspath(folder)}")


def _as_table(rows: Any) -> Any:
    """A table, of a table or of one of its rows."""
    from astropy.table import Row, Table

    if isinstance(rows, Row):
        return rows.table[[rows.index]]
    if not isinstance(rows, Table):
        raise TypeError("query_result need to be an astropy.table.Table or astropy.table.Row")
    return rows


Heasarc = HeasarcClass()
