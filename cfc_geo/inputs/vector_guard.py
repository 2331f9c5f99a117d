"""What is looked at before GDAL or pyarrow may open a vector file, and before a layer of it is read.

Each check is of something that was seen to reach outside the file, or to make much of little: GeoJSON whose `crs` is a
link, which GDAL fetches; GeoPackages whose layers are programs (views, virtual tables, computed columns); parts of a
shapefile that are links to elsewhere; headers that state absurd numbers.
"""

import json
import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cfc_geo.errors import Findings
from cfc_geo.inputs.gdal_guard import DRIVERS

MAX_BYTES = 300_000_000
MAX_RECORDS = 1_000_000
MAX_UNPACKED = 400_000_000
"""The columns of a GeoParquet file have at most so many bytes, unpacked."""
PARTS = (".shp", ".shx", ".dbf", ".prj", ".cpg")

CRS_OBJECT = re.compile(rb'"(?:c|\\u00[46]3)(?:r|\\u00[57]2)(?:s|\\u00[57]3)"\s*:\s*(?=\{)', re.IGNORECASE)
CRS_MOST_BYTES = 10_000
NAMED = {"name", "epsg"}
"""Types of a GeoJSON crs that say what it is instead of where to find it."""
INDEX = re.compile(r"\bUSING\s+[\"'\[`]?rtree\b", re.IGNORECASE)


def may_open(path: Path, file: str, format: str, findings: Findings) -> bool:
    """Whether GDAL or pyarrow may open the file; an error says why not. May raise what `reading` reports."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        findings.error("guard.too_large", file, mb=size // 1_000_000, most_mb=MAX_BYTES // 1_000_000)
    elif format == "geojson" and _links_to_a_crs(path):
        findings.error("guard.linked_crs", file)
    elif format == "geopackage" and (programs := _programs(path, {"gpkg_contents", "gpkg_geometry_columns"})):
        findings.error("guard.program", file, names=programs)
    elif format == "shapefile" and (astray := _parts_elsewhere(path)):
        findings.error("guard.part_elsewhere", file, names=astray)
    elif format == "geoparquet":
        return _parquet_is_sane(path, file, findings)
    else:
        return True
    return False


def may_read(path: Path, file: str, format: str, layer: str, info: Mapping[str, Any], findings: Findings) -> bool:
    """Whether a layer may be read, by what GDAL says of it; an error says why not."""
    if info["driver"] != DRIVERS[format]:
        findings.error("read.format", file, format=info["driver"])
    elif format == "geopackage" and (programs := _programs(path, {layer})):
        findings.error("guard.program", file, names=programs)
    elif info["features"] > MAX_RECORDS:
        findings.error("guard.too_many", file, stated=info["features"], most=MAX_RECORDS)
    else:
        return True
    return False


def shapefile_parts(path: Path) -> dict[str, Path]:
    """The files that make a shapefile, by their endings in lower case."""
    beside = {part.suffix.lower(): part for part in path.parent.iterdir() if part.stem == path.stem}
    return {ending: beside[ending] for ending in PARTS if ending in beside}


def _parts_elsewhere(path: Path) -> list[str]:
    home = path.resolve().parent
    return [part.name for part in shapefile_parts(path).values() if part.resolve().parent != home]


def _links_to_a_crs(path: Path) -> bool:
    """Whether some `crs` of a GeoJSON text is an object that does not plainly name a CRS."""
    with path.open("rb") as stream, mmap(stream.fileno(), 0, access=ACCESS_READ) as content:
        return any(
            not _names_a_crs(content[at.end() : at.end() + CRS_MOST_BYTES]) for at in CRS_OBJECT.finditer(content)
        )


def _names_a_crs(text: bytes) -> bool:
    def types(pairs: list[tuple[str, Any]]) -> list[Any]:
        return [value for key, value in pairs if key.lower() == "type"]

    try:
        found, _ = json.JSONDecoder(object_pairs_hook=types).raw_decode(text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return False
    return bool(found) and all(isinstance(kind, str) and kind.lower() in NAMED for kind in found)


def _programs(path: Path, layers: set[str]) -> list[str]:
    """Those of `layers` that are no plain tables, or compute some of their columns, and virtual tables of other use."""
    where = f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1"
    with closing(sqlite3.connect(where, uri=True)) as base:
        kinds = dict(base.execute("SELECT name, type FROM pragma_table_list WHERE schema = 'main'").fetchall())
        sql = dict(base.execute("SELECT name, coalesce(sql, '') FROM sqlite_master").fetchall())
        computed = "SELECT count(*) FROM pragma_table_xinfo(?) WHERE hidden > 1"
        wanted = [name for name in kinds if name.lower() in {layer.lower() for layer in layers}]
        return [
            *(name for name, kind in kinds.items() if kind == "virtual" and not INDEX.search(sql.get(name, ""))),
            *(name for name in wanted if kinds[name] == "view"),
            *(name for name in wanted if kinds[name] == "table" and base.execute(computed, (name,)).fetchone()[0]),
        ]


def _parquet_is_sane(path: Path, file: str, findings: Findings) -> bool:
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as content:
        stated = content.metadata
        leaves = [stated.schema.column(number) for number in range(stated.num_columns)]
        unpacked = sum(stated.row_group(group).total_byte_size for group in range(stated.num_row_groups))
    texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
    if stated.num_rows > MAX_RECORDS:
        findings.error("guard.too_many", file, stated=stated.num_rows, most=MAX_RECORDS)
    elif (unpacked := max(unpacked, _bytes_of_texts(path, texts) if unpacked <= MAX_UNPACKED else 0)) > MAX_UNPACKED:
        findings.error("guard.unpacked", file, mb=unpacked // 1_000_000, most_mb=MAX_UNPACKED // 1_000_000)
    else:
        return True
    return False


def _bytes_of_texts(path: Path, columns: list[str]) -> int:
    """How long all texts and shapes of a GeoParquet file are together; one that is stored once may stand in every row.

    The columns are read as numbers into a list of different texts, which is how such a file stays small.
    """
    import pyarrow.compute as pc
    from pyarrow.parquet import ParquetFile

    total = 0
    with ParquetFile(path, read_dictionary=columns) as content:
        for batch in content.iter_batches():
            for column in batch.columns:
                if hasattr(column, "dictionary"):
                    lengths = pc.binary_length(column.dictionary)
                    total += pc.sum(lengths.take(column.indices), min_count=0).as_py()
                if total > MAX_UNPACKED:
                    return total
    return total
