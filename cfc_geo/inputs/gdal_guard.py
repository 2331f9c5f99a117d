"""Keeps GDAL to the few formats of this package, off the network, and to the one file it is given.

To GDAL opening a file is to run it: many of its drivers read other files or addresses that the file names. pyogrio and
rasterio each bring a GDAL of their own, and each is held by what it offers: pyogrio's forgets every driver but those of
`DRIVERS` as it is loaded; rasterio's is told for every file which driver may open it.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DRIVERS = {
    "geojson": "GeoJSON",
    "geopackage": "GPKG",
    "shapefile": "ESRI Shapefile",
    "flatgeobuf": "FlatGeobuf",
}
"""Format → the only driver of GDAL that may read it."""
OFFLINE = {"GDAL_HTTP_PROXY": "offline://none", "GDAL_HTTPS_PROXY": "offline://none"}
"""A proxy of a kind that does not exist: whatever GDAL would fetch fails at once, unasked."""
ALONE = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO"}
"""A raster is read without the files beside it: an overview, mask or `.aux.xml` may name other files and addresses."""


def load_pyogrio() -> Any:
    """pyogrio. Where it is not loaded yet, its GDAL knows no driver but those of `DRIVERS` from here on.

    A program that has loaded it before keeps its drivers; `read_layer` refuses what another driver has opened.
    """
    first = "pyogrio" not in sys.modules
    import pyogrio

    if first:
        from pyogrio import _ogr

        others = sorted(set(pyogrio.list_drivers()) - {*DRIVERS.values(), "MEM", "Memory"})
        pyogrio.set_gdal_config_options({"GDAL_SKIP": ",".join(others)})
        _ogr._register_drivers()  # registers again, and this time skips them
    return pyogrio


@contextmanager
def offline() -> Iterator[Any]:
    """pyogrio, whose GDAL fetches nothing while this lasts."""
    pyogrio = load_pyogrio()
    before = {name: pyogrio.get_gdal_config_option(name) for name in OFFLINE}
    pyogrio.set_gdal_config_options(OFFLINE)
    try:
        yield pyogrio
    finally:
        pyogrio.set_gdal_config_options(before)


@contextmanager
def open_geotiff(path: Path) -> Iterator[Any]:
    """A GeoTIFF opened by rasterio: no other driver, no file beside it, no network."""
    import rasterio

    with rasterio.Env(**ALONE, **OFFLINE), rasterio.open(path, driver="GTiff") as raster:
        yield raster
