"""Who counts as served: every origin and kind, and the children of every unit, by band.

Served means: the walk to the nearest facility of the kind, both access legs included, is at most the kind's limit.
"""

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo import catalog
from cfc_geo.catalog import Norm
from cfc_geo.model import Coverage, NearestCosts, Study
from cfc_geo.network.costs import TOLERANCE_M
from cfc_geo.questions.sums import UnitSums, proven_share, ratio, stacked
from cfc_geo.tables import COVERAGE_COLUMNS, COVERED, GAP, STATUSES, UNKNOWN, children_column


def kinds_in_question(study: Study, norms: dict[str, Norm], baskets: dict[str, tuple[str, ...]]) -> list[str]:
    """Kinds with a limit that some file lists or some basket asks for, in the order of the catalogue."""
    asked = study.surveyed | {kind for basket in baskets.values() for kind in basket}
    return [kind for kind in norms if kind in asked]


def measure_coverage(nearest: NearestCosts, study: Study, norms: dict[str, Norm]) -> Coverage:
    """The status of every origin for every kind of `nearest`.

    covered: metres ≤ limit (inclusive; `TOLERANCE_M` absorbs rounding). gap: farther, and some file is the full list of
    the kind. unknown: farther from those we know of, which may not be all; or attached to no street; or within the
    limit, as the crow flies, of a way in that no street joins to the origin in the data.
    Raises `ValueError` if a limit lies beyond the horizon of `nearest`.
    """
    beyond = [kind for kind in nearest.metres.columns if norms[kind].limit_m > nearest.horizon_m]
    if beyond:
        raise ValueError(f"limits of {beyond} lie beyond the horizon of {nearest.horizon_m} m")
    kinds = list(nearest.metres.columns)
    limits = np.array([norms[kind].limit_m for kind in kinds])
    within = nearest.metres.to_numpy() <= limits + TOLERANCE_M
    refutable = nearest.attached.to_numpy()[:, None] & np.isin(kinds, sorted(study.surveyed))
    refutable &= ~_may_be_near(nearest, study, dict(zip(kinds, limits, strict=True)))
    codes = np.select([within, refutable], [STATUSES.index(COVERED), STATUSES.index(GAP)], STATUSES.index(UNKNOWN))
    status = pd.DataFrame(
        {kind: pd.Categorical.from_codes(codes[:, i], STATUSES) for i, kind in enumerate(kinds)}, nearest.metres.index
    )
    named = {kind: np.append(nearest.facility_ids[kind].astype(object), "") for kind in kinds}
    nearest_id = pd.DataFrame(
        {kind: named[kind][nearest.facility[kind].to_numpy()] for kind in kinds}, nearest.metres.index, dtype=object
    )
    return Coverage(status, nearest.metres, nearest_id, {kind: norms[kind] for kind in kinds})


def sum_coverage(
    coverage: Coverage, origins: gpd.GeoDataFrame, units: gpd.GeoDataFrame, speeds_ms: dict[str, float]
) -> pd.DataFrame:
    """Children by unit × kind × band (`tables.COVERAGE_COLUMNS`), for the bands each kind is for; `all` comes first.

    children = covered + gap + unknown. covered_share is the proven share, covered / children; with unknown children the
    truth may be higher; NaN where nothing is known or no child lives.
    mean_walk_m is over the covered children; mean_walk_min is that walk at the band's speed (metres per second).
    """
    sums = UnitSums(origins["unit_id"], units)
    labels, blocks = sums.labels(), []
    for kind in coverage.status.columns:
        codes = coverage.status[kind].cat.codes.to_numpy()
        metres = np.nan_to_num(coverage.metres[kind].to_numpy())
        for band in catalog.kinds()[kind].bands:
            children = origins[children_column(band)].to_numpy(dtype=float)
            by_status = {status: sums(children * (codes == code)) for code, status in enumerate(STATUSES)}
            walked = sums(children * metres * (codes == STATUSES.index(COVERED)))
            mean_walk_m = ratio(walked, by_status[COVERED])
            total = by_status[COVERED] + by_status[GAP] + by_status[UNKNOWN]
            blocks.append(
                {
                    **labels,
                    "kind": kind,
                    "band": band,
                    "limit_m": float(coverage.norms[kind].limit_m),
                    "children": total,
                    **by_status,
                    "covered_share": proven_share(by_status[COVERED], by_status[UNKNOWN], total),
                    "mean_walk_m": mean_walk_m,
                    "mean_walk_min": mean_walk_m / speeds_ms[band] / 60,
                }
            )
    return stacked(blocks, COVERAGE_COLUMNS)


def _may_be_near(nearest: NearestCosts, study: Study, limits_m: dict[str, float]) -> np.ndarray:
    """Origin × kind: is there a way in within the limit as the crow flies, and no saying how far it is on foot?

    That is so where the way in, or the origin, is not joined to the largest connected part of the streets: it may be an
    island in the data only. Ways in are entrances, and facilities that have none.
    """
    near = np.zeros((len(study.origins), len(limits_m)), dtype=bool)
    kind_of = study.facilities.set_index("facility_id")["kind"]
    shut = study.facilities[~study.facilities["facility_id"].isin(study.entrances["facility_id"])]
    kind = np.concatenate([kind_of.reindex(study.entrances["facility_id"]).to_numpy(), shut["kind"].to_numpy()])
    ways_in = np.concatenate([study.entrances.geometry.to_numpy(), shut.geometry.to_numpy()])
    joined = np.concatenate([nearest.joined_entrances, np.zeros(len(shut), dtype=bool)])
    origin_joined = nearest.joined.to_numpy()
    tree = shapely.STRtree(study.origins.geometry.to_numpy())
    for position, (asked, limit_m) in enumerate(limits_m.items()):
        of_kind = kind == asked
        if not origin_joined.all():
            origin = tree.query(ways_in[of_kind], predicate="dwithin", distance=limit_m)[1]
            near[origin[~origin_joined[origin]], position] = True
        near[tree.query(ways_in[of_kind & ~joined], predicate="dwithin", distance=limit_m)[1], position] = True
    return near
