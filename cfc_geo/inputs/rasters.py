"""Rasters of people → counts on one grid → cells. Counts are moved between grids without losing anybody, or not at all;
densities are counts only where the plan says so."""

import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj import CRS

from cfc_geo import catalog
from cfc_geo.blocks import Population, Spread
from cfc_geo.errors import Findings
from cfc_geo.inputs import datum as datums
from cfc_geo.inputs import raster_guard
from cfc_geo.inputs.ages import EVERYBODY, ROUNDED, Ages, band_years, folded, read_heading
from cfc_geo.inputs.cell_tables import Cells
from cfc_geo.inputs.gdal_guard import open_geotiff
from cfc_geo.inputs.grids import EQUAL_AREA, MAX_RASTER_BYTES, Grid, centres, on_one_grid, squares
from cfc_geo.inputs.normalise import positions, unusable
from cfc_geo.inputs.raw import RawLayer, reading
from cfc_geo.inputs.read import existing_file, refuse_unused, sniff
from cfc_geo.tables import children_column

KM2_IN_M2, HA_IN_M2 = 1e6, 1e4
DENSITY_WORDS = re.compile(
    r"density|dens[_\W]|pop_?d[_\W]|_pd_|密度|\bper[\s_]*(sq|km|ha\b|hect)|/\s*(sq|km2|km²|km\^|ha\b)|km\s*(\^?-2|⁻²)|(人|people|persons?)\s*/\s*(km|平方|公顷|ha)",
    re.IGNORECASE,
)
"""Words of a file's name, tags, descriptions or units that say people per area."""
DENSE_PER_KM2 = 100_000
"""More people than that on every inhabited square kilometre live nowhere; the densest city quarters come near it."""
DENSE_SIDE_M = 90
"""Only pixels of this side or more are judged by `DENSE_PER_KM2`: smaller ones may hold one tower each."""

Block = Population | Spread
OF_TABLES = ("layer", "heading_row", "id", "lon", "lat")
"""Keys of a block that say nothing of a raster."""


def is_raster(block: Block, path: Callable[[str], Path]) -> bool:
    """Whether the block's population is rasters, by the content of its file."""
    return block.files is not None or (block.file is not None and sniff(path(block.file)) == "geotiff")


def read_counts(block: Block, path: Callable[[str], Path], findings: Findings) -> Grid | None:
    """Counts of one file with a band per age band, or of one file per age band, on one grid; None with errors.

    Of several grids the finest is kept, and the people of the others are moved onto it, each pixel's spread evenly over
    its ground.
    """
    wanted = _wanted(block, findings)
    grids = {}
    for file in list(wanted)[:1]:
        refuse_unused(block, set(OF_TABLES) & set(type(block).model_fields), file, "geotiff", findings)
    for file, bands in wanted.items():
        if (grid := _read_grid(path(file), file, bands, block, findings)) is not None:
            grids[file] = _counted(grid, file, block, findings)
    if findings.errors or not grids:
        return None
    return on_one_grid(grids, findings)


def _wanted(block: Block, findings: Findings) -> dict[str, dict[str, int]]:
    """File → column → band number."""
    if block.files is not None:
        wanted: dict[str, dict[str, int]] = {}
        for file in sorted({file for file in block.files.values() if list(block.files.values()).count(file) > 1}):
            findings.error("raster.band_twice", file, keys=[band for band, of in block.files.items() if of == file])
        for band, file in block.files.items():
            wanted.setdefault(file, {})[children_column(band)] = 1
        return wanted
    assert block.file is not None
    numbers: dict[str, str | int] = {children_column(band): number for band, number in (block.children or {}).items()}
    if block.residents is not None:
        numbers["residents"] = block.residents
    if named := [value for value in numbers.values() if isinstance(value, str)]:
        findings.error("raster.band_by_name", block.file, names=named)
    for number in sorted({value for value in numbers.values() if isinstance(value, int)}):
        if len(keys := [name for name, value in numbers.items() if value == number]) > 1:
            findings.error("raster.band_twice", block.file, keys=keys)
    return {block.file: {name: value for name, value in numbers.items() if isinstance(value, int)}}


def cells_of(grid: Grid, block: Population, findings: Findings) -> Cells | None:
    """One square per pixel that holds anybody; pixels that any wanted band leaves without data are set apart."""
    layers = grid.layers
    _check_residents(layers, block, findings)
    people = np.add.reduce([np.nan_to_num(layer) for layer in layers.values()])
    row, col = np.nonzero(people > 0)
    frame = pd.DataFrame({"origin_id": [f"r{r}c{c}" for r, c in zip(row + 1, col + 1, strict=True)]}, dtype=object)
    residents = np.nan_to_num(layers["residents"])[row, col] if "residents" in layers else np.full(len(row), np.nan)
    shares: Mapping[Any, float] | None = block.shares
    for band in catalog.bands():
        name = children_column(band)
        if shares is not None:
            frame[name] = residents * shares.get(band, 0.0)
        else:
            frame[name] = np.nan_to_num(layers[name])[row, col] if name in layers else 0.0
    frame["residents"] = residents
    missing = np.logical_or.reduce([np.isnan(layer) for layer in layers.values()])
    shapes = np.concatenate(
        [squares(grid.transform, row, col), shapely.points(centres(grid.transform, *np.nonzero(missing)))]
    )
    placed = _placed(shapes, grid, block, findings)
    if placed is None or findings.errors:
        return None
    by_band = {name: np.isnan(layer)[missing] for name, layer in layers.items()}
    unknown = gpd.GeoDataFrame(by_band, geometry=placed[len(row) :].to_numpy(), crs=placed.crs)
    return Cells(gpd.GeoDataFrame(frame, geometry=placed[: len(row)].to_numpy(), crs=placed.crs), unknown)


def pixels_of(grid: Grid, block: Spread, findings: Findings) -> gpd.GeoDataFrame | None:
    """Every pixel that holds anybody: origin_id, the grid's columns (unknown counts as 0) and its square, WGS84 or the
    raster's CRS."""
    layers = {name: np.nan_to_num(layer) for name, layer in grid.layers.items()}
    row, col = np.nonzero(np.add.reduce(list(layers.values())) > 0)
    placed = _placed(squares(grid.transform, row, col), grid, block, findings)
    if placed is None:
        return None
    frame = pd.DataFrame({"origin_id": [f"r{r}c{c}" for r, c in zip(row + 1, col + 1, strict=True)]}, dtype=object)
    for name, layer in layers.items():
        frame[name] = layer[row, col]
    return gpd.GeoDataFrame(frame, geometry=placed.to_numpy(), crs=placed.crs)


def _placed(shapes: np.ndarray, grid: Grid, block: Block, findings: Findings) -> gpd.GeoSeries | None:
    """Shapes in the raster's coordinates with the CRS that file and plan agree on."""
    file = block.file or next(iter((block.files or {}).values()))
    frame = pd.DataFrame({"geometry": shapes})
    raw = RawLayer(file, "geotiff", frame, grid.crs, "feature", np.arange(len(shapes)))
    return positions(raw, None, block.datum, findings)


# -------------------------------------------------------------------------------------------------------- one file


def _read_grid(path: Path, file: str, wanted: dict[str, int], block: Block, findings: Findings) -> Grid | None:
    """The wanted bands of a GeoTIFF; None, with errors, for anything that cannot be trusted as people on a grid."""
    from rasterio.errors import NotGeoreferencedWarning

    if not existing_file(path, file, findings):
        return None
    if (format := sniff(path)) != "geotiff":
        findings.error("raster.format", file, format=format)
        return None
    grid = None
    with reading(path, file, "geotiff", findings):
        if not raster_guard.may_open(path, file, findings):
            return None
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # an error of its own, below
        with open_geotiff(path) as raster:
            if not wanted:
                wanted = _only_band(raster, file, findings)
            if not _readable(raster, file, wanted, findings):
                return None
            _check_descriptions(raster, file, wanted, findings)
            if block.values is None and (said := _says_density(raster, path.name, wanted)):
                findings.error("raster.density", file, says=said)
            layers = {name: _band(raster, number) for name, number in wanted.items()}
            crs = None if raster.crs is None else CRS.from_wkt(raster.crs.to_wkt())
            if crs is not None and (reason := unusable(crs)):
                findings.error("crs.unusable", file, crs=crs.name, reason=reason)
                return None
            grid = Grid(layers, tuple(raster.transform)[:6], crs)
    if grid is None or not wanted:
        return None
    for name, layer in grid.layers.items():
        _check_counts(layer, name, file, findings)
    return grid


def _only_band(raster: Any, file: str, findings: Findings) -> dict[str, int]:
    """Of a raster for shape that the plan says nothing more of: all people, where it has one band."""
    if raster.count == 1:
        return {"residents": 1}
    findings.error("raster.which_band", file, count=raster.count)
    return {}


def _band(raster: Any, number: int) -> np.ndarray:
    """A band as float64, NaN where it holds no data, in the units that its scale and offset state."""
    values: np.ndarray = raster.read(number, masked=True).astype("float64").filled(np.nan)
    return np.asarray(values * raster.scales[number - 1] + raster.offsets[number - 1])


def _readable(raster: Any, file: str, wanted: dict[str, int], findings: Findings) -> bool:
    """Checks before any pixel is read."""
    before = len(findings.errors)
    if raster.transform.b or raster.transform.d:
        findings.error("raster.rotated", file)
    if raster.transform.is_identity or not raster.transform.a or not raster.transform.e:
        findings.error("raster.no_position", file)
    if raster.width * raster.height * max(len(wanted), 1) * 8 > MAX_RASTER_BYTES:
        findings.error("raster.too_large", file, width=raster.width, height=raster.height)
    raster_guard.blocks_are_sane(raster, file, findings)
    if absent := [number for number in wanted.values() if not 1 <= number <= raster.count]:
        findings.error("raster.no_band", file, bands=absent, count=raster.count)
    return len(findings.errors) == before


def _check_descriptions(raster: Any, file: str, wanted: Mapping[str, int], findings: Findings) -> None:
    """An error where the file's own description of a band states other ages than the plan takes it for."""
    ages_of = {"residents": EVERYBODY}
    for band in catalog.bands():
        years = band_years(band)
        ages_of[children_column(band)] = Ages(min(years), max(years))
    for name, number in wanted.items():
        said = raster.descriptions[number - 1] or ""
        heading = read_heading(re.sub(r"(?<=\d)_(?=\d)", "-", folded(said)))
        if heading is not None and heading.ages != ages_of[name]:
            findings.error("raster.band_says", file, number=number, said=said, column=name)


def _check_residents(layers: Mapping[str, np.ndarray], block: Population, findings: Findings) -> None:
    """An error where a pixel has more children than residents."""
    children = [np.nan_to_num(layer) for name, layer in layers.items() if name != "residents"]
    if "residents" not in layers or not children:
        return
    more = np.argwhere(np.add.reduce(children) > layers["residents"] + ROUNDED)
    if len(more):
        row, col = more[0]
        findings.error(
            "raster.children_over_residents", block.file or "", count=len(more), row=int(row) + 1, col=int(col) + 1
        )


def _check_counts(layer: np.ndarray, name: str, file: str, findings: Findings) -> None:
    negative = np.argwhere(layer < 0)
    if len(negative):
        row, col = negative[0]
        findings.error(
            "raster.negative", file, column=name, count=len(negative), row=int(row) + 1, col=int(col) + 1,
            value=float(layer[row, col]),
        )  # fmt: skip
    if np.isinf(layer).any():
        findings.error("raster.infinite", file, column=name, count=int(np.isinf(layer).sum()))


# ------------------------------------------------------------------------------------------------------- densities


def _says_density(raster: Any, name: str, wanted: Mapping[str, int]) -> str:
    """The words of a file that say that it holds people per area, "" if none do."""
    tags = [*raster.tags().items(), *(item for number in wanted.values() for item in raster.tags(number).items())]
    bands = [number - 1 for number in wanted.values()]
    said = [name, *(f"{key}={value}" for key, value in tags)]
    said += [text for texts in (raster.descriptions, raster.units) for at in bands if (text := texts[at])]
    return next((text for text in said if DENSITY_WORDS.search(text)), "")


def _counted(grid: Grid, file: str, block: Block, findings: Findings) -> Grid:
    """Densities that the plan declares as counts, by the true area of their pixels; what is too dense is refused."""
    crs = grid.crs or (CRS.from_user_input(datums.GEOGRAPHIC.get(block.datum, block.datum)) if block.datum else None)
    people = np.add.reduce([np.nan_to_num(layer) for layer in grid.layers.values()])
    row, col = np.nonzero(np.isfinite(people) & (people > 0))
    if crs is None or not len(row) or findings.errors or block.values == "count":
        return grid
    area_m2 = shapely.area(gpd.GeoSeries(squares(grid.transform, row, col), crs=crs).to_crs(EQUAL_AREA).to_numpy())
    if not area_m2.sum() > 0:
        findings.error("raster.no_position", file)
        return grid
    if block.values is None:
        per_km2 = max(float(layer[row, col][layer[row, col] > 0].sum()) for layer in grid.layers.values())
        per_km2 *= KM2_IN_M2 / float(area_m2.sum())
        if per_km2 > DENSE_PER_KM2 and float(np.median(area_m2)) >= DENSE_SIDE_M**2:
            findings.error("raster.too_dense", file, per_km2=per_km2, most=DENSE_PER_KM2)
        return grid
    factor = np.zeros(grid.shape)
    factor[row, col] = area_m2 / (KM2_IN_M2 if block.values == "per_km2" else HA_IN_M2)
    counts = {name: layer * factor for name, layer in grid.layers.items()}
    findings.note("raster.density_counted", file, values=block.values, people=float(np.nansum(list(counts.values()))))
    return Grid(counts, grid.transform, grid.crs)
