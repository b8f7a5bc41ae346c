"""A read-only S3 bucket over a set of files, as far as boto3, s3fs and our own client need it.

Source: Amazon S3 API reference (ListObjectsV2, GetObject, HeadObject, HeadBucket, GetBucketLocation).
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote
from xml.sax.saxutils import escape

from wolter.archive.server.content import Answer, Part, file_answer

__all__ = ["Bucket"]

_NS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def _xml(body: str, status: int = 200) -> Answer:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'
    return Answer(status, {"Content-Type": "application/xml"}, [Part(text.encode())])


class Bucket:
    """Objects by key.

    Parameters
    ----------
    name : str
    files : mapping
        Key -> path.
    """

    def __init__(self, name: str, files: Mapping[str, Path]) -> None:
        self.name, self.files = name, files
        self.keys = sorted(files)

    def answer(self, method: str, key: str, fields: list[tuple[str, str]], headers: Mapping[str, str]) -> Answer:
        """Answer to a request for a key, or for the bucket when it is empty."""
        if method not in ("GET", "HEAD"):
            return _xml("<Error><Code>AccessDenied</Code><Message>this bucket is read-only</Message></Error>", 403)
        if key:
            path = self.files.get(key)
            if path is None:
                what = f"<Code>NoSuchKey</Code><Message>there is no such key</Message><Key>{escape(key)}</Key>"
                return _xml(f"<Error>{what}</Error>", 404)
            return file_answer(path, headers)
        given = dict(fields)
        if method == "HEAD":
            return Answer(200, {"x-amz-bucket-region": "us-east-1"})
        if "location" in given:
            return _xml(f"<LocationConstraint {_NS}/>")
        return self._list(given)

    def _list(self, given: dict[str, str]) -> Answer:
        prefix, delimiter = given.get("prefix", ""), given.get("delimiter", "")
        encoded = given.get("encoding-type") == "url"
        most = min(int(given["max-keys"]) if given.get("max-keys", "").isdigit() else 1000, 1000)
        after = given.get("continuation-token") or given.get("start-after") or given.get("marker") or ""

        def say(text: str) -> str:
            return escape(quote(text, safe="/") if encoded else text)

        items: list[str] = []
        folders: set[str] = set()
        last, more, count = "", False, 0
        for key in self.keys[bisect.bisect_left(self.keys, prefix) :]:
            if not key.startswith(prefix):
                break
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            unit = key[: cut + len(delimiter)] if cut >= 0 else key
            if unit <= after or unit in folders:
                continue
            if count >= most:
                more = True
                break
            count, last = count + 1, unit
            if cut >= 0:
                folders.add(unit)
                items.append(f"<CommonPrefixes><Prefix>{say(unit)}</Prefix></CommonPrefixes>")
            else:
                items.append(self._item(key, say(key)))
        token = f"<NextContinuationToken>{escape(last)}</NextContinuationToken>" if more else ""
        kind = "<EncodingType>url</EncodingType>" if encoded else ""
        return _xml(
            f"<ListBucketResult {_NS}><Name>{self.name}</Name><Prefix>{say(prefix)}</Prefix><MaxKeys>{most}</MaxKeys>"
            f"<KeyCount>{count}</KeyCount>{kind}<IsTruncated>{str(more).lower()}</IsTruncated>{token}{''.join(items)}"
            "</ListBucketResult>"
        )

    def _item(self, key: str, said: str) -> str:
        stat = self.files[key].stat()
        moment = datetime.fromtimestamp(int(stat.st_mtime), UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        etag = f"&quot;{stat.st_size:x}-{stat.st_mtime_ns:x}&quot;"
        return (
            f"<Contents><Key>{said}</Key><LastModified>{moment}</LastModified><ETag>{etag}</ETag>"
            f"<Size>{stat.st_size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        )
