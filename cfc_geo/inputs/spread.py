"""Totals of census units → cells, over floor area, residential land, a raster, or the ground on which people may live.

Where a unit with people has nothing to spread them over, the next coarser way is taken for that unit, and it is said.
"""

from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo import catalog
from cfc_geo.blocks import Spread
from cfc_geo.errors import Findings
from cfc_geo.inputs.census import Census
from cfc_geo.inputs.fit import fit_to_margins
from cfc_geo.inputs.ground import NoHomes, Surroundings, homes_of, less, no_homes, own_ground, parts_in_cells, polygons
from cfc_geo.inputs.headings import Wanted
from cfc_geo.inputs.normalise import column, numbers, only_types, positions, project, text
from cfc_geo.inputs.rasters import pixels_of, read_counts
from cfc_geo.inputs.read import read_layer, sniff
from cfc_geo.inputs.units import ancestors, assign_units, representative_points
from cfc_geo.plan import Plan
from cfc_geo.tables import children_column, children_columns

STEPS = ("raster", "buildings", "landuse", "even", "anywhere")
"""Ways to spread people, each coarser than the one before. The last takes any ground of the unit, rivers included."""
MAX_CELLS = 1_000_000
FREE_M2 = 1.0
"""A pixel of which less than this is left, once water, roads and the like are taken out, is no place to live."""
SHOWN_UNITS = 8
FLOOR_M2_EACH = 10.0
"""With less floor area than that for each person, homes are missing on the map: the mean of China is 41.8 m² (2020)."""


@dataclass(frozen=True, eq=False)
class Spreading:
    """`origins` (`tables.ORIGINS`, with `home`: the point where the people of a cell live), and which of them are on
    land; the others are in units of which nothing was left but ground on which nobody lives."""

    origins: gpd.GeoDataFrame
    on_land: np.ndarray


@dataclass(frozen=True, eq=False)
class _Homes:
    """Polygons with homes, floors (1 for land), and which of them soft ground rules out."""

    shapes: np.ndarray
    floors: np.ndarray
    untyped: np.ndarray


def spread_census(
    plan: Plan, census: Census, units: gpd.GeoDataFrame, around: Surroundings, findings: Findings
) -> Spreading | None:
    """The people of every unit of `census`, band by band, over cells; the totals are kept. None, with errors, where the
    files to spread over cannot be read."""
    block = plan.population.spread
    assert block is not None
    if block.on in ("buildings", "landuse") and block.file is None and not _is_osm(plan, plan.streets.file):
        findings.error("spread.no_file", plan.file.name, on=block.on)
        return None
    grounds = own_ground(units, census.totals.index)
    if grounds.area.sum() / block.cell_m**2 > MAX_CELLS:
        findings.error("spread.too_many_cells", plan.population.file or "", cell_m=block.cell_m, most=MAX_CELLS)
        return None
    ways = _Ways(plan, units, grounds, around, findings)
    people = census.totals[children_columns()].sum(axis=1) + census.totals["residents"].fillna(0)
    left = set(people.index[people > 0])
    found: dict[str, pd.DataFrame] = {}
    for step in STEPS[STEPS.index(block.on) :]:
        if findings.errors or not left:
            break
        cells = ways.cells(step, left)
        if len(cells):
            found[step] = cells
            left -= set(cells["listed_id"])
    if left and not findings.errors:
        findings.error("spread.no_ground", plan.population.file or "", units=sorted(left)[:SHOWN_UNITS])
    if findings.errors:
        return None
    parts = [
        _fitted(cells, census, plan, units, findings) if step == "raster" else _shared(cells, census)
        for step, cells in found.items()
    ]
    _tell(plan, found, parts, units, findings)
    if "buildings" in found:
        _check_floor_area(plan, found["buildings"], census, units, findings)
    origins = pd.concat(parts, keys=found, names=["step"]).sort_values("origin_id")
    on_land = np.asarray(origins.index.get_level_values("step") != "anywhere")
    columns = ["origin_id", "unit_id", *children_columns(), "residents", "home", "geometry"]
    return Spreading(gpd.GeoDataFrame(origins[columns].reset_index(drop=True), crs=units.crs), on_land)


def _check_floor_area(
    plan: Plan, cells: pd.DataFrame, census: Census, units: gpd.GeoDataFrame, findings: Findings
) -> None:
    """Warn where mapped homes cannot hold the people of their unit: the map is not complete."""
    floor_m2 = cells.groupby("listed_id")["weight"].sum()
    totals = census.totals.reindex(floor_m2.index)
    shares = catalog.age_shares()[0]
    known = sum(shares[band] for band in catalog.bands() if band not in census.missing)
    people = totals["residents"].fillna(totals[children_columns()].sum(axis=1) / known)
    each = floor_m2 / people
    if (crowded := each[each < FLOOR_M2_EACH]).empty:
        return
    names = list(units.set_index("unit_id")["name"].reindex(crowded.index))
    findings.warning(
        "spread.crowded", _spread_file(plan), units=names[:SHOWN_UNITS], count=len(names),
        m2_each=float(round(crowded.min(), 1)), least=FLOOR_M2_EACH,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------ totals to cells


def _shared(cells: pd.DataFrame, census: Census) -> pd.DataFrame:
    """Every total of a unit in proportion to the weight of its cells."""
    weight = cells["weight"].to_numpy()
    share = weight / cells.groupby("listed_id")["weight"].transform("sum").to_numpy()
    totals = census.totals.reindex(cells["listed_id"])
    return cells.assign(**{name: totals[name].to_numpy() * share for name in totals.columns})


def _fitted(
    cells: pd.DataFrame, census: Census, plan: Plan, units: gpd.GeoDataFrame, findings: Findings
) -> pd.DataFrame:
    """Children that add up to the census by unit and band, and to the raster's pattern by cell as far as both allow."""
    bands = children_columns()
    told = [band for band in bands if band in cells.columns]
    everybody = cells["residents" if "residents" in cells.columns else "weight"].to_numpy(dtype=float)
    seed = cells.reindex(columns=bands, fill_value=0.0).to_numpy(dtype=float)
    pattern = seed.sum(axis=1) if told else everybody
    table, rounds, off, not_met = np.zeros_like(seed), 0, 0.0, []
    residents = np.full(len(cells), np.nan)
    for unit, at in cells.groupby("listed_id").indices.items():
        total = census.totals.loc[unit]
        rows = pattern[at] if pattern[at].sum() > 0 else cells["weight"].to_numpy()[at]
        fit = fit_to_margins(seed[at], rows, total[bands].to_numpy(dtype=float))
        table[at], rounds, off = fit.table, max(rounds, fit.rounds), max(off, float(np.abs(fit.off).max(initial=0.0)))
        not_met += [] if fit.met else [str(unit)]
        alive = everybody[at] if everybody[at].sum() > 0 else rows
        residents[at] = total["residents"] * alive / alive.sum()
    file = _spread_file(plan)
    _warn_of_empty_bands(cells, told, census, file, units, findings)
    if not_met:
        findings.warning(
            "spread.fit_apart", file, units=not_met[:SHOWN_UNITS], count=len(not_met), children=off, rounds=rounds
        )
    else:
        findings.note("spread.fit", file, children=off, rounds=rounds)
    return cells.assign(**dict(zip(bands, table.T, strict=True)), residents=residents)


def _warn_of_empty_bands(
    cells: pd.DataFrame, told: list[str], census: Census, file: str, units: gpd.GeoDataFrame, findings: Findings
) -> None:
    """Warn where a band of the raster is all 0 in a unit of which the census counts children of that band."""
    name = dict(zip(units["unit_id"], units["name"], strict=True))
    seed = cells.groupby("listed_id")[told].sum()
    for band in catalog.bands():
        if (column := children_column(band)) not in told:
            continue
        counted = census.totals[column].reindex(seed.index)
        lost = counted[(seed[column] == 0) & (counted > 0)]
        if len(lost):
            names = sorted(name[unit] or unit for unit in lost.index)
            findings.warning(
                "spread.band_empty", file, band=band, units=names[:SHOWN_UNITS], count=len(names),
                children=float(lost.sum()),
            )  # fmt: skip


# ---------------------------------------------------------------------------------------------- what to spread over


class _Ways:
    """The ways to spread, each read when it is first asked for."""

    def __init__(
        self, plan: Plan, units: gpd.GeoDataFrame, grounds: gpd.GeoDataFrame, around: Surroundings, findings: Findings
    ) -> None:
        self.plan, self.units, self.grounds, self.around, self.findings = plan, units, grounds, around, findings
        block = plan.population.spread
        assert block is not None
        self.block: Spread = block
        self.without: NoHomes = no_homes(around)

    def cells(self, step: str, wanted: set[str]) -> pd.DataFrame:
        """Cells of the wanted listed units, each with a weight above 0: origin_id, unit_id, listed_id, weight, home,
        geometry, and of a raster its columns."""
        grounds = self.grounds[self.grounds["listed_id"].isin(wanted)].reset_index(drop=True)
        if step == "raster":
            return self._pixels(wanted)
        hard, everywhere = self.without.hard, np.concatenate([self.without.hard, self.without.lines, self.without.soft])
        if step == "buildings":
            homes = _buildings(self.plan, self.around, self.findings)
            return self._of_polygons(homes, grounds, hard, everywhere)
        if step == "landuse":
            return self._of_polygons(_landuse(self.plan, self.around, self.findings), grounds, hard, everywhere)
        outlines = grounds.geometry.to_numpy()
        homes = _Homes(outlines, np.ones(len(outlines)), np.ones(len(outlines), dtype=bool))
        nowhere = everywhere[:0]
        return self._of_polygons(homes, grounds, nowhere, everywhere if step == "even" else nowhere)

    def _of_polygons(
        self, homes: _Homes | None, grounds: gpd.GeoDataFrame, hard: np.ndarray, everywhere: np.ndarray
    ) -> pd.DataFrame:
        if homes is None or not len(homes.shapes) or not len(grounds):
            return pd.DataFrame()
        cell_m = self.block.cell_m
        parts = pd.concat(
            [
                parts_in_cells(homes.shapes[mask], homes.floors[mask], grounds, cell_m, without)
                for mask, without in ((~homes.untyped, hard), (homes.untyped, everywhere))
                if mask.any()
            ],
            ignore_index=True,
        )
        return homes_of(parts, grounds, cell_m) if len(parts) else pd.DataFrame()

    def _pixels(self, wanted: set[str]) -> pd.DataFrame:
        """Pixels whose middle lies in a wanted unit, and of which some ground is left."""
        grid = read_counts(self.block, self.plan.path, self.findings)
        pixels = None if grid is None else pixels_of(grid, self.block, self.findings)
        if pixels is None:
            return pd.DataFrame()
        pixels = pixels.set_geometry(project(pixels.geometry, str(self.units.crs)))
        pixels["unit_id"] = assign_units(pixels.geometry, self.units)
        parent = dict(zip(self.units["unit_id"], self.units["parent_id"], strict=True))
        listed = {
            unit: next((above for above in (unit, *ancestors(unit, parent)) if above in wanted), "")
            for unit in set(pixels["unit_id"])
        }
        if (pixels["unit_id"] == "").all():
            self.findings.error("spread.raster_elsewhere", _spread_file(self.plan))
        pixels["listed_id"] = pixels["unit_id"].map(listed)
        pixels = pixels[pixels["listed_id"] != ""].reset_index(drop=True)
        free = less(pixels.geometry.to_numpy(), np.concatenate([self.without.hard, self.without.lines]))
        pixels = pixels[shapely.area(free) > FREE_M2].reset_index(drop=True)
        layers = [name for name in (*children_columns(), "residents") if name in pixels.columns]
        pixels["weight"] = pixels[layers].sum(axis=1)
        pixels["home"] = representative_points(pixels.geometry)
        return pd.DataFrame(pixels)


def _buildings(plan: Plan, around: Surroundings, findings: Findings) -> _Homes | None:
    """Homes and their floors, of the plan's buildings or of OSM's."""
    block, known = plan.population.spread, catalog.ground()
    assert block is not None
    buildings = _stated_shapes(plan, str(around.ground.crs), findings) if block.on == "buildings" else None
    if buildings is None:
        buildings = around.ground[around.ground["theme"] == "building"]
    use = buildings["use"].astype(str)
    wanted = use.isin(block.residential) if block.residential else ~use.isin(known.not_homes)
    homes = buildings[wanted.to_numpy()]
    levels = homes["levels"].to_numpy(dtype=float)
    assumed = np.isnan(levels)
    floors = np.where(assumed, block.default_levels, levels)
    footprint = homes.area.to_numpy()
    if assumed.any() and footprint.sum() > 0:
        percent = float(100 * footprint[assumed].sum() / footprint.sum())
        findings.warning(
            "spread.levels_assumed", _spread_file(plan), count=int(assumed.sum()), percent=percent,
            levels=block.default_levels,
        )  # fmt: skip
    return _exploded(homes, floors, homes["use"].isin(known.untyped).to_numpy(dtype=bool))


def _landuse(plan: Plan, around: Surroundings, findings: Findings) -> _Homes | None:
    """Residential land, each piece of ground once."""
    block = plan.population.spread
    assert block is not None
    land = _stated_shapes(plan, str(around.ground.crs), findings) if block.on == "landuse" else None
    if land is None:
        land = around.ground[around.ground["theme"] == "residential"]
    elif block.residential:
        land = land[land["use"].isin(block.residential)]
    shapes = polygons(np.array([shapely.union_all(polygons(land.geometry.to_numpy()))]))
    return _Homes(shapes, np.ones(len(shapes)), np.ones(len(shapes), dtype=bool))


def _exploded(homes: gpd.GeoDataFrame, floors: np.ndarray, untyped: np.ndarray) -> _Homes:
    """Valid polygons one by one, each with what was said of the whole."""
    parts, owner = shapely.get_parts(shapely.make_valid(homes.geometry.to_numpy()), return_index=True)
    areal = shapely.area(parts) > 0
    return _Homes(parts[areal], floors[owner[areal]], untyped[owner[areal]])


def _stated_shapes(plan: Plan, crs: str, findings: Findings) -> gpd.GeoDataFrame | None:
    """The polygons of the spread's own vector file with `use` ("" unknown) and `levels`; None for OSM files."""
    block = plan.population.spread
    assert block is not None
    if block.file is None or _is_osm(plan, block.file):
        return None
    wanted = Wanted(row=block.heading_row)
    raw = read_layer(plan.path(block.file), block.file, block.layer, findings, wanted=wanted)
    if raw is None:
        return None
    shapes = positions(raw, None, block.datum, findings)
    use = column(raw, block.use, findings)
    levels = np.full(len(raw.frame), np.nan)
    if block.levels is not None:
        levels = numbers(raw, block.levels, findings, blank=np.nan)
    if block.residential and block.use is None:
        findings.error("spread.residential_without_use", raw.file, raw.whole)
    if shapes is None or not only_types(raw, shapes, ("Polygon", "MultiPolygon"), findings):
        return None
    frame = {"use": "" if use is None else text(use).to_numpy(), "levels": np.where(levels > 0, levels, np.nan)}
    return gpd.GeoDataFrame(frame, geometry=project(shapes, crs).to_numpy(), crs=crs)


def _is_osm(plan: Plan, file: str) -> bool:
    return sniff(plan.path(file)) in ("osm", "pbf")


# ------------------------------------------------------------------------------------------------- what must be said


def _spread_file(plan: Plan) -> str:
    block = plan.population.spread
    assert block is not None
    return block.file or next(iter((block.files or {}).values()), plan.streets.file)


def _tell(
    plan: Plan, found: dict[str, pd.DataFrame], parts: list[pd.DataFrame], units: gpd.GeoDataFrame, findings: Findings
) -> None:
    """The assumption, and every unit for which a coarser one was needed."""
    block, file = plan.population.spread, plan.population.file or ""
    assert block is not None
    match block.on:
        case "raster":
            findings.warning("spread.on_raster", file, onto=_spread_file(plan))
        case "buildings":
            findings.warning("spread.on_buildings", file, cell_m=block.cell_m)
        case "landuse":
            findings.warning("spread.on_landuse", file, cell_m=block.cell_m)
        case "even":
            findings.warning("spread.on_even", file, cell_m=block.cell_m)
    name = dict(zip(units["unit_id"], units["name"], strict=True))
    for (step, cells), part in zip(found.items(), parts, strict=True):
        if step == block.on:
            continue
        names = sorted({name[unit] for unit in cells["listed_id"]})
        children = float(part[children_columns()].to_numpy().sum())
        said: dict[str, Any] = {"units": names[:SHOWN_UNITS], "count": len(names), "children": children}
        match step:
            case "buildings":
                findings.warning("spread.fell_to_buildings", file, **said)
            case "landuse":
                findings.warning("spread.fell_to_landuse", file, **said)
            case "even":
                findings.warning("spread.fell_to_even", file, **said)
            case "anywhere":
                findings.warning("spread.fell_anywhere", file, **said)
