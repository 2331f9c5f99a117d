"""result.gpkg: units, cells, facilities and streets with the figures of the tables, for QGIS and other GIS.

Every field carries its heading as alias and its explanation as comment (the `gpkg_schema` extension, which GDAL and
QGIS read).
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo import catalog
from cfc_geo.inputs.gdal_guard import load_pyogrio
from cfc_geo.model import ChildStreets, Result
from cfc_geo.outputs.kept import Kept
from cfc_geo.tables import BACKDROP_COLUMNS, GROUND_THEMES, STREET_COLUMNS, UNIT_COLUMNS, children_column

FIXED_DATE = "2000-01-01T00:00:00.000Z"
"""Stands where GDAL would write the time of writing: equal results have equal bytes."""

KEPT_LAYERS = {"streets", "ground"}
"""Layers that no figure of a result changes."""

TYPE_NAMES = {
    0: "Point",
    1: "LineString",
    3: "Polygon",
    4: "MultiPoint",
    5: "MultiLineString",
    6: "MultiPolygon",
}
MULTI = {0: (4, shapely.multipoints), 1: (5, shapely.multilinestrings), 3: (6, shapely.multipolygons)}
"""Shapely's type numbers; of a single shape: the multi-part type, and what makes one."""


def layers(result: Result) -> dict[str, gpd.GeoDataFrame]:
    """Layer name → table, in the order in which a GIS lists them."""
    areas = {"service_areas": result.service_areas} if len(result.service_areas) else {}
    walked = {} if result.child_streets is None else walk_layers(result.child_streets)
    return {
        "units": units_layer(result),
        "cells": result.cells,
        "facilities": result.facilities,
        **areas,
        "streets": _streets_layer(result),
        "ground": _ground_layer(result),
        **walked,
    }


def walk_layers(found: ChildStreets) -> dict[str, gpd.GeoDataFrame]:
    """Where children walk; layers without features are left out."""
    tables = {"walked_streets": found.streets, "walked_crossings": found.crossings, "school_gates": found.schools}
    tables |= {"corridors": found.corridors, "new_links": found.links}
    return {name: table for name, table in tables.items() if len(table)}


def _streets_layer(result: Result) -> gpd.GeoDataFrame:
    """Segments; in a scenario that edits them also which were added, and which are closed."""
    streets = result.study.streets
    edited = [name for name in ("added", "closed") if name in streets]
    return streets[[*STREET_COLUMNS, *edited, "geometry"]]


def _ground_layer(result: Result) -> gpd.GeoDataFrame:
    """Water and green as areas, to see where one is."""
    backdrop = result.study.backdrop
    areas = backdrop["theme"].isin(GROUND_THEMES) & (shapely.get_dimensions(backdrop.geometry.to_numpy()) == 2)
    texts = dict.fromkeys(BACKDROP_COLUMNS, "str")  # of no rows at all Arrow could not tell the type
    return backdrop.loc[areas, [*BACKDROP_COLUMNS, "geometry"]].astype(texts).reset_index(drop=True)


def units_layer(result: Result) -> gpd.GeoDataFrame:
    """One row a unit: children by band, the circle's share by band, and share covered and gap by kind and band."""
    figures = _wide_figures(result)
    units = result.study.units.merge(figures, left_on="unit_id", right_index=True, how="left", validate="1:1")
    return units[[*UNIT_COLUMNS, *figures.columns, "geometry"]]


def write_geopackage(result: Result, path: Path, lang: str, kept: Kept | None = None) -> None:
    """Write all layers. Raises `OSError`, also where GDAL's own error says less, and where a layer came out short.

    First come all layers, without features but for the streets; that file is the same for every result on the same
    streets, and `kept` for the next. Then come the other layers' features.
    """
    tables = layers(result)
    with _as_os_errors(tables, path), _settings():
        arrows = {name: _arrow(table, lang) for name, table in tables.items() if name not in KEPT_LAYERS}
        schemas = tuple((name, arrow.schema, kind) for name, (arrow, kind) in arrows.items())
        begun = (kept or Kept())(
            "geopackage",
            [result.study.streets, result.study.backdrop],
            (lang, schemas),
            lambda: _begin(tables, arrows, path, lang),
        )
        if not path.exists():
            path.write_bytes(begun)
        for name, (arrow, kind) in arrows.items():
            _write_layer(arrow, kind, path, name, tables[name].crs)


def write_layers(tables: dict[str, gpd.GeoDataFrame], path: Path, lang: str) -> None:
    """A GeoPackage of these layers alone. Raises `OSError` as `write_geopackage` does."""
    with _as_os_errors(tables, path), _settings():
        for name, table in tables.items():
            arrow, kind = _arrow(table, lang)
            _write_layer(arrow, kind, path, name, table.crs)


@contextmanager
def _as_os_errors(tables: dict[str, gpd.GeoDataFrame], path: Path) -> Iterator[None]:
    """Turns what GDAL says into `OSError`, and finds layers that came out short."""
    pyogrio = load_pyogrio()
    from pyogrio.errors import (
        CRSError,
        DataLayerError,
        DataSourceError,
        FeatureError,
        FieldError,
        GeometryError,
    )

    try:
        yield
        counts = {name: pyogrio.read_info(path, layer=name)["features"] for name in tables}
    except (CRSError, DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError) as error:
        full = "disk is full" in str(error)
        raise OSError(errno.ENOSPC if full else errno.EIO, f"{path.name}: {error}") from error
    if short := [name for name, table in tables.items() if counts[name] != len(table)]:
        raise OSError(errno.EIO, f"{path.name}: layers came out short: {short}")


def _wide_figures(result: Result) -> pd.DataFrame:
    """The figures of a unit side by side, by unit_id: the long tables turned, nothing computed."""
    columns: dict[str, pd.Series] = {}
    circle = {band: rows.set_index("unit_id") for band, rows in result.circle_by_unit.groupby("band", sort=False)}
    for band, rows in circle.items():
        columns[children_column(str(band))] = rows["children"]
    for band, rows in circle.items():
        columns[f"circle_{_suffix(band)}_share"] = rows["complete_share"]
    for (kind, band), rows in result.coverage_by_unit.groupby(["kind", "band"], sort=False, observed=True):
        by_unit = rows.set_index("unit_id")
        columns[f"{kind}_{_suffix(band)}_share"] = by_unit["covered_share"]
        columns[f"{kind}_{_suffix(band)}_gap"] = by_unit["gap"]
    return pd.DataFrame(columns)


def _suffix(band: object) -> str:
    return str(band).replace("-", "_")


def _begin(tables: dict[str, gpd.GeoDataFrame], arrows: dict[str, tuple[Any, str]], path: Path, lang: str) -> bytes:
    """A file with all layers, but only those of `KEPT_LAYERS` filled."""
    for name, table in tables.items():
        arrow, kind = arrows[name] if name in arrows else _arrow(table, lang)
        _write_layer(arrow if name in KEPT_LAYERS else arrow.slice(0, 0), kind, path, name, table.crs)
    return path.read_bytes()


def _arrow(table: gpd.GeoDataFrame, lang: str) -> tuple[Any, str]:
    """A layer as an Arrow table whose fields are described, and the type of its shapes."""
    import pyarrow as pa

    plain = table.assign(
        **{name: table[name].astype(object) for name in table.columns if table[name].dtype == "category"}
    )
    shapes = _of_one_type(table.geometry)
    plain = plain.set_geometry(shapes)
    arrow = pa.table(plain.to_arrow(index=False, geometry_encoding="WKB"))
    schema = pa.schema([_described(field, lang) for field in arrow.schema])
    return pa.Table.from_arrays(arrow.columns, schema=schema), _type_of_layer(shapes)


def _write_layer(arrow: Any, kind: str, path: Path, layer: str, crs: Any) -> None:
    """Add features of one kind of shape to a layer, which is made where it is not there."""
    load_pyogrio().write_arrow(
        arrow,
        path,
        layer=layer,
        driver="GPKG",
        geometry_name="geometry",
        geometry_type=kind,
        crs=crs.to_string(),
        append=path.exists(),
    )


def _described(field: Any, lang: str) -> Any:
    """An Arrow field with the column's heading and explanation, under the keys that GDAL reads."""
    column = catalog.column(field.name)
    words = {
        "GDAL:OGR:alternative_name": getattr(column, lang),
        "GDAL:OGR:comment": getattr(column, f"help_{lang}"),
    }
    return field.with_metadata({**(field.metadata or {}), **({} if field.name == "geometry" else words)})


def _of_one_type(shapes: gpd.GeoSeries) -> gpd.GeoSeries:
    """Single shapes as multi-part ones, where a layer holds both."""
    for single, (multi, make) in MULTI.items():
        if _types(shapes) == {single, multi}:
            parts, owner = shapely.get_parts(shapes.to_numpy(), return_index=True)
            return gpd.GeoSeries(make(parts, indices=owner), index=shapes.index, crs=shapes.crs)
    return shapes


def _type_of_layer(shapes: gpd.GeoSeries) -> str:
    """The one type of all shapes, or "Unknown" where a layer mixes them (points and outlines of facilities)."""
    types = _types(shapes)
    return TYPE_NAMES[types.pop()] if len(types) == 1 else "Unknown"


def _types(shapes: gpd.GeoSeries) -> set[int]:
    return set(np.unique(shapely.get_type_id(shapes.to_numpy())).tolist())


@contextmanager
def _settings() -> Iterator[None]:
    """While it lasts, GDAL writes `FIXED_DATE` as the time of writing, and leaves flushing to the caller."""
    pyogrio = load_pyogrio()
    settings = {"OGR_CURRENT_DATE": FIXED_DATE, "OGR_SQLITE_SYNCHRONOUS": "OFF"}
    before = {name: pyogrio.get_gdal_config_option(name) for name in settings}
    pyogrio.set_gdal_config_options(settings)
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options(before)
