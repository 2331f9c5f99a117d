"""Places where a facility might be built: a planner's list, or a grid of points over the units."""

from collections.abc import Container
from itertools import chain, count
from pathlib import Path
from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo import catalog
from cfc_geo.blocks import FileSource
from cfc_geo.edits import MOST_CHARACTERS, MOST_COST, MOST_PLACES, is_plain_id
from cfc_geo.errors import Findings
from cfc_geo.inputs.drawn import water_areas
from cfc_geo.inputs.headings import Wanted, match_headings
from cfc_geo.inputs.normalise import Area, ids, inside_area, numbers, only_types, positions, project, texts
from cfc_geo.inputs.raw import RawLayer
from cfc_geo.inputs.read import read_layer
from cfc_geo.inputs.units import assign_units
from cfc_geo.model import Study
from cfc_geo.tables import CANDIDATE_COLUMNS

ROLES: Final = ("id", "name", "lon", "lat", "capacity", "cost", "choice")
DECIMALS: Final = 9
"""Places are rounded to so many degrees (a tenth of a millimetre) before anything is measured, so that a scenario that
writes them down means the very same ones."""
MOST: Final = 20_000
"""More candidates than this are a mistake of the grid's step."""


class CandidateFile(FileSource):
    """A table or layer of candidates; coordinates of a table need their datum."""

    file: str


def read_candidates(
    block: CandidateFile, path: Path, study: Study, area: Area, taken: Container[str], findings: Findings
) -> gpd.GeoDataFrame:
    """Candidates of a file (`tables.CANDIDATE_COLUMNS`), points in the study's CRS; faults go to `findings`.

    taken: ids that nothing new may have.
    cost and capacity are NaN where the file gives none. choice: 必选 / required, 禁选 / forbidden, or empty.
    """
    raw = read_layer(path, block.file, block.layer, findings, wanted=Wanted({}, block.heading_row))
    if raw is None:
        return no_candidates(study.crs)
    columns = match_headings(raw, ROLES, {}, block.datum, findings)
    shapes = positions(raw, (columns.get("lon"), columns.get("lat")), block.datum, findings)
    candidate_id = ids(raw, columns.get("id"), findings)
    if "id" not in columns:
        candidate_id = path.stem + "-" + candidate_id
    if (used := candidate_id.map(lambda name: name in taken)).any():
        findings.error("candidates.id_taken", raw.file, raw.rows(used), ids=sorted(set(candidate_id[used]))[:8])
    if (odd := ~candidate_id.map(is_plain_id).astype(bool)).any():
        findings.error("candidates.id_odd", raw.file, raw.rows(odd), most=MOST_CHARACTERS)
    sound = candidate_id.is_unique and not used.any()
    required, forbidden = _choices(raw, columns.get("choice"), findings)
    table = pd.DataFrame(
        {
            "candidate_id": candidate_id,
            "name": texts(raw, columns.get("name"), findings),
            "cost": numbers(raw, columns.get("cost"), findings, blank=np.nan),
            "capacity": numbers(raw, columns.get("capacity"), findings, blank=np.nan, measure="places"),
            "required": required,
            "forbidden": forbidden,
        }
    )
    for role, most in (("cost", MOST_COST), ("capacity", MOST_PLACES)):
        if (beyond := table[role] > most).any():
            findings.error("candidates.too_much", raw.file, raw.rows(beyond), column=columns[role], most=most)
    if not sound or shapes is None or not only_types(raw, shapes, ("Point",), findings):
        return no_candidates(study.crs)
    projected, inside = inside_area(raw, shapes, area, findings)
    frame = gpd.GeoDataFrame(table, geometry=projected.to_numpy(), crs=study.crs)[inside].reset_index(drop=True)
    return _settled(frame, study)


def grid_candidates(study: Study, step_m: float, taken: Container[str], findings: Findings) -> gpd.GeoDataFrame:
    """Points every `step_m` metres over the units, none of them in water, named by column and row."""
    inside = shapely.union_all(study.units.geometry.to_numpy())
    west, south, east, north = inside.bounds
    x = np.arange(np.ceil(west / step_m), np.floor(east / step_m) + 1).astype(np.int64)
    y = np.arange(np.ceil(south / step_m), np.floor(north / step_m) + 1).astype(np.int64)
    if len(x) * len(y) > MOST:
        findings.error("candidates.too_many", "", count=len(x) * len(y), most=MOST, step_m=step_m)
        return no_candidates(study.crs)
    column, row = (part.ravel() for part in np.meshgrid(x, y))
    points = shapely.points(column * step_m, row * step_m)
    shapely.prepare(inside)
    keep = shapely.intersects(inside, points)
    keep[shapely.STRtree(water_areas(study.backdrop)).query(points, predicate="intersects")[0]] = False
    names = [f"g{c}-{r}" for c, r in zip(column[keep] - x[0] + 1, row[keep] - y[0] + 1, strict=True)]
    table = {"candidate_id": names, "name": "", "cost": np.nan, "capacity": np.nan}
    frame = gpd.GeoDataFrame(
        {**table, "required": False, "forbidden": False}, geometry=points[keep], crs=study.crs, index=range(len(names))
    )
    frame["candidate_id"] = [_free(name, taken) for name in names]
    return _settled(frame, study)


def _free(name: str, taken: Container[str]) -> str:
    """The name, or the first of name-2, name-3 … that nobody has."""
    tried = (f"{name}-{number}" for number in count(2))
    return next(each for each in chain([name], tried) if each not in taken)


def no_candidates(crs: str) -> gpd.GeoDataFrame:
    """An empty table of candidates."""
    return gpd.GeoDataFrame({name: [] for name in CANDIDATE_COLUMNS}, geometry=[], crs=crs)


def _settled(frame: gpd.GeoDataFrame, study: Study) -> gpd.GeoDataFrame:
    """With longitude and latitude as a scenario writes them, the points that these mean, and the units around them."""
    degrees = frame.geometry.to_crs("EPSG:4326")
    lon, lat = degrees.x.round(DECIMALS), degrees.y.round(DECIMALS)
    exact = gpd.GeoSeries(shapely.points(lon, lat), crs="EPSG:4326")
    frame = frame.set_geometry(project(exact, study.crs).to_numpy(), crs=study.crs)
    frame = frame.assign(lon=lon.to_numpy(), lat=lat.to_numpy(), unit_id=assign_units(frame.geometry, study.units))
    return frame[[*CANDIDATE_COLUMNS, "geometry"]]


def _choices(raw: RawLayer, name: str | None, findings: Findings) -> tuple[np.ndarray, np.ndarray]:
    """Which candidates are required, and which forbidden; an error for words that say neither."""
    said = texts(raw, name, findings).str.casefold()
    required, forbidden = (said.isin(catalog.cell_words(word)).to_numpy() for word in ("required", "forbidden"))
    nothing = said.isin({"", *catalog.cell_words("blank"), *catalog.cell_words("optional")}).to_numpy()
    if (unknown := ~(required | forbidden | nothing)).any():
        words = sorted(set(said[unknown]))[:5]
        findings.error("candidates.choice", raw.file, raw.rows(unknown), column=name, words=words)
    return required, forbidden
