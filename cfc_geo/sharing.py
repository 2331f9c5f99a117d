"""What plans of one place share: what a plan may take over from the first of its row, and what its edits renew.

Identity tells: a table that is the same object in both studies says the same (`inputs/scenario.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo.catalog import Norm
from cfc_geo.inputs.units import home_points
from cfc_geo.model import Attachment, Coverage, Network, Study
from cfc_geo.plan import Plan

UNREAD = {"name", "why", "map", "audit", "siting", "edits", "cost", "cost_unit"}
"""Keys of a plan that no step asks for before its edits are applied to what its files say."""


@dataclass(frozen=True, eq=False)
class Steps:
    """What a plan after this one may take over: `read` is the study before the edits, `ground` and `border_m` are of
    the audit."""

    plan: Plan
    read: Study
    study: Study
    network: Network
    attachment: Attachment
    coverage: Coverage
    coverage_by_unit: pd.DataFrame
    circle: pd.DataFrame
    circle_by_unit: pd.DataFrame
    ground: dict[str, float]
    border_m: np.ndarray
    service_areas: gpd.GeoDataFrame


def reads_the_same(plan: Plan, other: Plan) -> bool:
    """Whether two plans read the same files in the same way and ask the same question of them."""
    here, there = ((one.file.parent.resolve(), one.model_dump(exclude=UNREAD)) for one in (plan, other))
    return here == there


def as_read_by(plan: Plan, first: Steps) -> Study:
    """What `read_study` would give for `plan`: the study of `first`, under the plan's own names."""
    old, new = first.plan.file.name, plan.file.name
    findings = tuple(replace(found, file=new) if found.file == old else found for found in first.read.findings)
    return replace(first.read, name=plan.name, findings=findings)


def same_tables(before: Study, after: Study, *tables: str) -> bool:
    """Whether these tables are the very same objects in both."""
    return all(getattr(before, table) is getattr(after, table) for table in tables)


def same_homes(before: Study, after: Study) -> bool:
    """Whether the same origins walk from the same places; how many children they are may differ."""
    if before.origins is after.origins:
        return True
    if not before.origins["origin_id"].equals(after.origins["origin_id"]):
        return False
    return bool(shapely.equals_exact(*(np.asarray(home_points(one.origins)) for one in (before, after))).all())


def on_one_ground(before: Study, after: Study) -> bool:
    """Whether two studies of the same files differ at most in their facilities and entrances."""
    said = ("surveyed", "unknown_bands", "unknown_units", "audit")
    return same_tables(before, after, "units", "origins", "streets", "nodes") and all(
        getattr(before, name) == getattr(after, name) for name in said
    )


def changed_kinds(before: Study, after: Study, kinds: Sequence[str]) -> list[str]:
    """Those of `kinds` of which a facility, its places or a way into it is not the same in both."""
    changed = {kind for kind, *_ in _records(before) ^ _records(after)}
    return [kind for kind in kinds if kind in changed]


def _records(study: Study) -> set[tuple[str, str, str, bytes]]:
    """Every facility and every entrance, as kind, facility_id, places and place."""
    facilities, entrances = study.facilities, study.entrances
    ids, kinds = facilities["facility_id"].tolist(), facilities["kind"].tolist()
    kind_of = dict(zip(ids, kinds, strict=True))
    places = map(str, facilities["capacity"].tolist())
    of_ways = entrances["facility_id"].tolist()
    at, ways_at = (shapely.to_wkb(np.asarray(table.geometry.array)) for table in (facilities, entrances))
    return {
        *zip(kinds, ids, places, at, strict=True),
        *((kind_of.get(of, ""), of, "way in", way) for of, way in zip(of_ways, ways_at, strict=True)),
    }


def renewed_coverage(before: Coverage, anew: Coverage, norms: dict[str, Norm]) -> Coverage:
    """`before` with the kinds of `anew` in the place of its own."""
    return Coverage(
        status=renewed_columns(before.status, anew.status),
        metres=renewed_columns(before.metres, anew.metres),
        nearest_id=renewed_columns(before.nearest_id, anew.nearest_id),
        norms={kind: norms[kind] for kind in before.norms},
    )


def renewed_areas(
    before: gpd.GeoDataFrame, anew: gpd.GeoDataFrame, kinds: Sequence[str], facilities: pd.DataFrame
) -> gpd.GeoDataFrame:
    """`before` with the areas `anew` in the place of those of `kinds`, in the order of `facilities`."""
    parts = [part for part in (before[~before["kind"].isin(kinds)], anew) if len(part)]
    if not parts:
        return anew
    areas = pd.concat(parts)
    order = pd.Index(facilities["facility_id"]).get_indexer(areas["facility_id"])
    return areas.iloc[np.argsort(order)].reset_index(drop=True)


def renewed_columns(before: pd.DataFrame, anew: pd.DataFrame) -> pd.DataFrame:
    """`before` with the columns of `anew` in the place of its own."""
    return before.assign(**{str(name): anew[name] for name in anew.columns})


def renewed_rows(before: pd.DataFrame, anew: pd.DataFrame, by: str) -> pd.DataFrame:
    """`before` with the rows of `anew` in the place of those of the same kinds (or bands), in the order they have."""
    here = before[by].isin(anew[by].unique()).to_numpy()
    if not here.any():
        return before
    return pd.concat([before[~here], anew.set_axis(np.flatnonzero(here))]).sort_index().reset_index(drop=True)
