"""What children have around them, and what each facility has around it.

The number of facilities within the limit, and the number weighted by nearness (Hansen 1959, *Journal of the American
Institute of Planners* 25(2)).
"""

from collections.abc import Mapping

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo import catalog
from cfc_geo.model import Coverage, Crowding, Demand, Places, Study, TravelCosts, Within
from cfc_geo.network.costs import TOLERANCE_M
from cfc_geo.questions.sums import UnitSums, ratio, stacked
from cfc_geo.tables import ACCESS_COLUMNS, AT_LEAST, COVERED, EXACT, UNKNOWN, children_column


def count_children_within(
    costs: TravelCosts,
    origins: gpd.GeoDataFrame,
    facilities: gpd.GeoDataFrame,
    *,
    unknown_bands: frozenset[str] = frozenset(),
) -> pd.Series:
    """Children, of the bands its kind is for, within the horizon of each facility of `costs`, by facility_id.

    A child may be within reach of several facilities, and then counts for each. Of a kind for several bands, those of
    `unknown_bands` are not counted; of a kind for none but those, the count is NaN.
    """
    horizon_m = costs.horizon_m
    kind_of = facilities.set_index("facility_id")["kind"].reindex(horizon_m.index)
    origin, facility = (costs.pairs[name].cat.codes.to_numpy() for name in ("origin_id", "facility_id"))
    children = np.zeros(len(origin))
    for kind in kind_of.unique():
        mine = (kind_of == kind).to_numpy()[facility]
        bands = [children_column(band) for band in catalog.kinds()[kind].bands if band not in unknown_bands]
        children[mine] = origins[bands].sum(axis=1).to_numpy()[origin[mine]]
    within = np.bincount(facility, weights=children, minlength=len(horizon_m))
    open_kinds = [name for name, kind in catalog.kinds().items() if kind.bands and unknown_bands.issuperset(kind.bands)]
    return pd.Series(within, horizon_m.index, name="children_within").mask(kind_of.isin(open_kinds))


def measure_access(
    within: Mapping[str, Within], coverage: Coverage, kinds: list[str], *, decay: str, parameter: float | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Number of facilities within the limit, and gravity: Σ f(metres) over them, both origin_id × kind.

    NaN where the status is unknown. Of a kind that no file lists in full, both are of the facilities that are known.
    `decay` and `parameter` (None: the catalogue's) say how much a facility counts (`decay_weights`).
    """
    index = coverage.status.index
    number, gravity = {}, {}
    for kind in kinds:
        pairs = within.get(kind)
        known = (coverage.status[kind] != UNKNOWN).to_numpy()
        counts: np.ndarray = np.zeros(len(index))
        sums = counts
        if pairs is not None:
            weights = decay_weights(pairs.metres, pairs.limit_m, decay=decay, parameter=parameter)
            counts = np.bincount(pairs.origin, minlength=len(index))
            sums = np.bincount(pairs.origin, weights=weights, minlength=len(index))
        number[kind], gravity[kind] = (np.where(known, values, np.nan) for values in (counts, sums))
    return pd.DataFrame(number, index), pd.DataFrame(gravity, index)


def decay_weights(metres: np.ndarray, limit_m: float, *, decay: str, parameter: float | None = None) -> np.ndarray:
    """How much a facility counts at each of `metres` (≤ `limit_m`): from 1 near by to 0. Formulas and their sources are
    in `catalog/decays.toml`. Raises `KeyError` for a decay that is not there."""
    known = catalog.decays()[decay]
    p = known.parameter if parameter is None else parameter
    share = metres / (p * limit_m)
    match decay:
        case "step":
            weights = (metres <= p * limit_m + TOLERANCE_M).astype(float)
        case "linear":
            weights = np.maximum(0.0, 1 - share)
        case "exponential":
            weights = np.exp(-share)
        case "gaussian":
            weights = np.exp(-0.5 * share**2)
        case _:
            weights = (np.maximum(metres, known.near_m) / known.near_m) ** -p
    return np.asarray(weights)


def count_demand(
    study: Study, within: Mapping[str, Within], kinds: list[str], participation: Mapping[str, float]
) -> Demand:
    """The children who compete for places of each kind: all bands it is for, times its participation (default 1)."""
    children: dict[str, np.ndarray] = {}
    certain: dict[str, bool] = {}
    blank = shapely.union_all(study.units.geometry[study.units["unit_id"].isin(study.unknown_units)].to_numpy())
    shapes = study.facilities.set_index("facility_id").geometry
    for kind in kinds:
        bands = catalog.kinds()[kind].bands
        columns = [children_column(band) for band in bands if band not in study.unknown_bands]
        children[kind] = study.origins[columns].sum(axis=1).to_numpy(dtype=float) * participation.get(kind, 1.0)
        ids = within[kind].facility_ids if kind in within else pd.Index([])
        sure = np.full(len(ids), study.unknown_bands.isdisjoint(bands))
        if not blank.is_empty and len(ids):
            sure &= shapely.distance(shapes.loc[ids].to_numpy(), blank) > within[kind].limit_m
        certain |= dict(zip(ids, sure, strict=True))
    index = pd.Index(study.origins["origin_id"], name="origin_id")
    return Demand(pd.DataFrame(children, index), pd.Series(certain, dtype=bool))


def sum_access(
    access: tuple[pd.DataFrame, pd.DataFrame], places: Places, crowding: Crowding, coverage: Coverage, study: Study
) -> pd.DataFrame:
    """Means over children by unit × kind × band (`tables.ACCESS_COLUMNS`), for the bands each kind is for; `all` first.

    `access`: number and gravity. A mean is over the children of whom the figure is known; how many these are stands
    beside it. children_at_crowded: those whose nearest facility within the limit has more children than places;
    children_at_uncounted: those of whose nearest nobody can say so.
    """
    number, gravity = access
    sums = UnitSums(study.origins["unit_id"], study.units)
    labels, blocks = sums.labels(), []
    for kind in number.columns:
        crowded, uncounted = _at_crowded(kind, crowding, coverage)
        per_child, zoned, bound = _places_of(kind, places, len(number))
        for band in catalog.kinds()[kind].bands:
            children = study.origins[children_column(band)].to_numpy(dtype=float)
            counted, placed = (children * ~np.isnan(values) for values in (number[kind].to_numpy(), per_child))
            number_known, places_known = sums(counted), sums(placed)
            loose = sums(placed * (bound == AT_LEAST)) > 0
            tight = EXACT if kind in study.surveyed else AT_LEAST
            has_places = catalog.kinds()[kind].has_places

            def mean(values: np.ndarray, weights: np.ndarray, whole: np.ndarray) -> np.ndarray:
                return ratio(sums(weights * np.nan_to_num(values)), whole)

            blocks.append(
                {
                    **labels,
                    "kind": kind,
                    "band": band,
                    "limit_m": float(coverage.norms[kind].limit_m),
                    "children": sums(children),
                    "number_known": number_known,
                    "mean_number": mean(number[kind].to_numpy(), counted, number_known),
                    "number_bound": np.where(number_known > 0, tight, ""),
                    "mean_gravity": mean(gravity[kind].to_numpy(), counted, number_known),
                    "places_known": places_known if has_places else np.nan,
                    "mean_places_per_child": mean(per_child, placed, places_known),
                    "mean_places_per_child_zoned": mean(zoned, placed, places_known),
                    "places_bound": np.where(places_known > 0, np.where(loose, AT_LEAST, EXACT), ""),
                    "children_at_crowded": sums(children * crowded) if has_places else np.nan,
                    "children_at_uncounted": sums(children * uncounted) if has_places else np.nan,
                }
            )
    return stacked(blocks, ACCESS_COLUMNS) if blocks else pd.DataFrame(columns=list(ACCESS_COLUMNS))


def _at_crowded(kind: str, crowding: Crowding, coverage: Coverage) -> tuple[np.ndarray, np.ndarray]:
    """Of each origin: is the nearest facility within the limit crowded; does nobody know whether it is."""
    covered = (coverage.status[kind] == COVERED).to_numpy()
    over = crowding.facilities["overflow_children"].reindex(coverage.nearest_id[kind]).to_numpy(dtype=float)
    return covered & (over > 0), covered & np.isnan(over)


def _places_of(kind: str, places: Places, origins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places per child by both measures, and their bounds; nothing known of a kind without places."""
    if kind not in places.per_child:
        return np.full(origins, np.nan), np.full(origins, np.nan), np.full(origins, "", dtype=object)
    return places.per_child[kind].to_numpy(), places.zoned[kind].to_numpy(), places.bound[kind].to_numpy()
