"""Where the children walk: trips, flows, what to mend first, school gates, and who can get there alone."""

from dataclasses import dataclass, replace

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo import catalog
from cfc_geo.blocks import Access, StreetsForChildren
from cfc_geo.catalog import Norm, Profile
from cfc_geo.errors import Findings
from cfc_geo.model import Attachment, ChildStreets, Coverage, Network, Study
from cfc_geo.network.costs import TOLERANCE_M, nearest_costs, travel_costs
from cfc_geo.network.flows import NONE_LESS, Trips, Ways, excess_of, walk_flows, ways_of
from cfc_geo.network.sided import sided_graph
from cfc_geo.network.stress import evidence_summary, segment_stress
from cfc_geo.questions.access import decay_weights
from cfc_geo.questions.alone import measure_alone
from cfc_geo.questions.corridors import find_corridors
from cfc_geo.questions.exposure import Walked, measure_gains, rank_places, safe_children, units_at
from cfc_geo.questions.school_zones import school_zones
from cfc_geo.questions.severance import Detours, NewLinks, find_links, measure_detours
from cfc_geo.questions.sums import without_unknown
from cfc_geo.questions.trips import KindTrips, trips_to
from cfc_geo.tables import CROSSING_WALK_COLUMNS, STREET_WALK_COLUMNS, TRIP_COLUMNS

NEAR_SCHOOL_M = 400.0
PROFILE_ORDER = ("alone_9_11", "alone_12_14", "child_with_adult")
"""Who walks to a kind where the plan does not say: the first of these that stands for one of its bands."""


@dataclass(frozen=True, eq=False)
class Ground:
    """What the streets question is asked of. `districts`: pairs of origin and facility, as positions; None: none."""

    study: Study
    network: Network
    attachment: Attachment
    coverage: Coverage
    norms: dict[str, Norm]
    access: Access
    snap_limit_m: float
    plan_file: str
    districts: pd.DataFrame | None = None


def measure_streets(asked: StreetsForChildren, ground: Ground) -> ChildStreets:
    """Everything about the streets that children walk. Of kinds none of whose facilities is within reach, no child
    walks; findings say what was assumed."""
    study, findings = ground.study, Findings()
    stress = segment_stress(study.streets)
    graph = sided_graph(ground.network, study.streets, study.nodes, stress)
    ways = ways_of(study, ground.network, graph, stress, snap_limit_m=ground.snap_limit_m)
    kinds = [kind for kind in dict.fromkeys(asked.kinds) if _is_known(kind, ground, findings)]
    trips = {kind: _trips(kind, asked, ground, findings) for kind in kinds}
    walked = [_walk(trips[kind], profile_of(kind, asked.profile), ways, asked, ground) for kind in kinds]
    _note_assumptions([one.profile for one in walked], asked, ground, findings)
    places = rank_places(walked or [_nobody(ways)], ways, study, detour=asked.detour)
    places = measure_gains(places, asked.measure)
    ranked = places.ranked
    alone = measure_alone(ways, study, ground.coverage)
    streets, crossings = _streets_table(ranked, stress, study), _crossings_table(ranked)
    corridors = find_corridors(
        ranked, study, count=asked.corridors, least_m=asked.corridor_m,
        most_m=max(asked.corridor_most_m, asked.corridor_m), total_m=asked.corridors_total_m or np.inf,
        gained=places.children_gaining, walking=_walking(walked, study),
    )  # fmt: skip
    detours, links = _severance(kinds, asked, ground)
    return ChildStreets(
        ranked=ranked,
        streets=streets,
        crossings=crossings,
        schools=_schools(study, ground, stress, ranked),
        trips=_trips_table(trips, walked, asked, ground),
        alone=without_unknown(
            alone, study.units, bands=study.unknown_bands, of_units=study.unknown_units
        ),
        evidence=evidence_summary(stress, study.streets["length_m"].to_numpy(dtype=float)),
        corridors=corridors.table,
        corridor_parts=corridors.parts,
        detours=_known_detours(detours.units, study),
        links=links.table,
        link_gains=links.gains,
        findings=tuple(findings),
    )  # fmt: skip


def profile_of(kind: str, profile: str | None) -> Profile:
    """Who walks to `kind`: `profile`, or the first of `PROFILE_ORDER` that stands for one of its bands."""
    if profile is not None:
        return catalog.profiles()[profile]
    bands = set(catalog.kinds()[kind].bands)
    fitting = [name for name in PROFILE_ORDER if bands & set(catalog.profiles()[name].bands)]
    return catalog.profiles()[fitting[0] if fitting else "alone_12_14"]


# ---------------------------------------------------------------------------------------------------------------- trips


def _is_known(kind: str, ground: Ground, findings: Findings) -> bool:
    if (ground.study.facilities["kind"] == kind).any():
        return True
    findings.warning("trips.no_facility", ground.plan_file, kind=kind)
    return False


def _trips(kind: str, asked: StreetsForChildren, ground: Ground, findings: Findings) -> KindTrips:
    study = ground.study
    facilities = study.facilities[study.facilities["kind"] == kind]
    limit_m, farthest_m = _limit_m(kind, asked, ground), _farthest_m(kind, asked, ground)
    pairs = travel_costs(ground.network, ground.attachment, facilities, horizon_m=farthest_m).pairs
    place = pd.Index(study.facilities["facility_id"]).get_indexer(facilities["facility_id"])
    table = pd.DataFrame(
        {
            "origin": pairs["origin_id"].cat.codes.to_numpy().astype(np.int64),
            "facility": place[pairs["facility_id"].cat.codes.to_numpy()],
            "metres": pairs["metres"].to_numpy(),
        }
    )
    metres, access = table["metres"].to_numpy(), ground.access
    weights = decay_weights(metres, limit_m, decay=access.decay, parameter=access.parameter)
    found = trips_to(
        kind, study, table, assign=asked.assign, participation=access.participation.get(kind, 1.0),
        weights=np.where(metres <= limit_m + TOLERANCE_M, weights, 0.0), districts=_districts_of(kind, ground),
        on_street=ground.attachment.origins.segment >= 0,
    )  # fmt: skip
    if found.capacity_assumed:
        findings.warning("trips.capacity_unknown", ground.plan_file, kind=kind, count=found.capacity_assumed)
    if table.empty:
        ids = facilities["facility_id"].tolist()
        findings.warning("trips.nobody", ground.plan_file, kind=kind, ids=ids[:8], limit_m=float(farthest_m))
    if found.no_district > 0:
        findings.warning("trips.no_district", ground.plan_file, kind=kind, children=round(found.no_district, 1))
    if kind not in study.surveyed:
        findings.warning("trips.partly_listed", ground.plan_file, kind=kind)
    return found


def _limit_m(kind: str, asked: StreetsForChildren, ground: Ground) -> float:
    """Within so many metres a facility counts by its nearness."""
    has_places = catalog.kinds()[kind].has_places
    return asked.farthest_m if has_places or kind not in ground.norms else ground.norms[kind].limit_m


def _farthest_m(kind: str, asked: StreetsForChildren, ground: Ground) -> float:
    """Nobody walks farther."""
    return max(asked.farthest_m, _limit_m(kind, asked, ground))


def _districts_of(kind: str, ground: Ground) -> pd.DataFrame | None:
    """The districts of facilities of `kind`; None where the file names none of them."""
    if ground.districts is None:
        return None
    mine = ground.districts[ground.study.facilities["kind"].to_numpy()[ground.districts["facility"]] == kind]
    return mine if len(mine) else None


def _walk(trips: KindTrips, profile: Profile, ways: Ways, asked: StreetsForChildren, ground: Ground) -> Walked:
    rows = Trips(trips.origin, trips.facility, trips.children, trips.metres)
    excess = excess_of(ways, profile)
    flows = walk_flows(
        ways, excess, rows, detour=asked.detour, farthest_m=_farthest_m(trips.kind, asked, ground)
    )  # fmt: skip
    has = flows.borne != NONE_LESS
    walked = Trips(trips.origin[has], trips.facility[has], trips.children[has], flows.shortest_m[has])
    by_trip = {name: getattr(flows, name)[has] for name in ("borne", "easiest_m", "shortest_m")}
    no_way = float(trips.children[~has].sum())
    return Walked(trips.kind, profile, walked, excess, replace(flows, **by_trip), no_way)


def _walking(walked: list[Walked], study: Study) -> np.ndarray:
    """Children who walk, by origin; a child of two kinds' trips counts for each."""
    count = np.zeros(len(study.origins))
    for one in walked:
        count += np.bincount(one.trips.origin, weights=one.trips.children, minlength=len(count))
    return count


def _severance(kinds: list[str], asked: StreetsForChildren, ground: Ground) -> tuple[Detours, NewLinks]:
    """Of the kinds that have a limit."""
    limited = [kind for kind in kinds if kind in ground.norms]
    study, network, attachment, norms = ground.study, ground.network, ground.attachment, ground.norms
    farthest_m = max([asked.farthest_m, *(norms[kind].limit_m for kind in limited)])
    nearest = nearest_costs(network, attachment, study.facilities, kinds=limited, horizon_m=farthest_m)
    links = find_links(study, network, attachment, nearest, norms, kinds=limited, count=asked.new_links)
    return measure_detours(nearest, study, norms), links


def _known_detours(table: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Without figures of kinds for a band of which nobody knows the children, and of units of which nobody does."""
    bands = {kind: set(catalog.kinds()[kind].bands) & study.unknown_bands for kind in table["kind"].unique()}
    lacking = table["kind"].map({kind: min(of, default="") for kind, of in bands.items()})
    told = without_unknown(
        table.assign(band=lacking), study.units, bands=study.unknown_bands, of_units=study.unknown_units
    )
    return told.drop(columns="band")


def _nobody(ways: Ways) -> Walked:
    none, nothing = np.zeros(0, dtype=np.int64), np.zeros(0)
    profile = catalog.profiles()[PROFILE_ORDER[0]]
    trips, excess = Trips(none, none, nothing, nothing), excess_of(ways, profile)
    return Walked("", profile, trips, excess, walk_flows(ways, excess, trips, detour=1.0))


def _note_assumptions(profiles: list[Profile], asked: StreetsForChildren, ground: Ground, findings: Findings) -> None:
    for profile in {profile.id: profile for profile in profiles}.values():
        findings.warning("trips.profile_assumed", ground.plan_file, profile=profile.id, values=profile.assumed())
    if "detour" not in asked.model_fields_set:
        findings.note("trips.detour", ground.plan_file, detour=asked.detour)


# --------------------------------------------------------------------------------------------------------------- tables


def _trips_table(
    trips: dict[str, KindTrips], walked: list[Walked], asked: StreetsForChildren, ground: Ground
) -> pd.DataFrame:
    rows = []
    for one in walked:
        of, walking = trips[one.kind], float(one.trips.children.sum())
        safe = safe_children(one)
        places = catalog.kinds()[one.kind].has_places
        by_district = _districts_of(one.kind, ground) is not None
        assigned = "district" if by_district else asked.assign if places else "decay"
        rows.append(
            (
                one.kind, one.profile.id, assigned, _farthest_m(one.kind, asked, ground), of.wanting, walking,
                of.beyond, of.too_far, of.off_street,
                of.no_district if by_district else np.nan, one.no_way,
                of.no_room if assigned == "room" else np.nan,
                safe, safe / walking if walking else np.nan,
                _mean(one.trips.metres, one.trips.children), _mean(one.flows.easiest_m, one.trips.children),
            )
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(TRIP_COLUMNS))


def _mean(metres: np.ndarray, children: np.ndarray) -> float:
    known = ~np.isnan(metres)
    total = float(children[known].sum())
    return float((metres[known] * children[known]).sum()) / total if total else np.nan


def _streets_table(ranked: gpd.GeoDataFrame, stress: pd.DataFrame, study: Study) -> gpd.GeoDataFrame:
    """Every street of the study, walked or not: the ranked first, in their order."""
    geometry = study.streets.geometry.to_numpy()
    said = stress.assign(
        name=study.streets["name"].fillna("").to_numpy(), highway=study.streets["highway"].to_numpy(),
        length_m=study.streets["length_m"].to_numpy(dtype=float), unit_id=units_at(geometry, study),
    )  # fmt: skip
    walked = ranked[ranked["element"] == "segment"].set_index("street_id").reindex(said["street_id"])
    for name in ("children", "children_shortest", "exposure"):
        said[name] = walked[name].fillna(0.0).to_numpy()
    said["children_gaining"] = walked["children_gaining"].to_numpy()
    said["stress"] = np.where(walked["stress"].isna(), said["stress"], walked["stress"]).astype(int)
    said["rank"] = _shown_rank(walked["rank"]).to_numpy()
    said["remedies"] = walked["remedies"].fillna("").to_numpy()
    table = gpd.GeoDataFrame(said[list(STREET_WALK_COLUMNS)], geometry=geometry, crs=study.crs)
    return table.sort_values("rank", kind="stable", ignore_index=True)


def _crossings_table(ranked: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    table = ranked[ranked["element"] == "crossing"].reset_index(drop=True)
    places = table.geometry.to_crs("EPSG:4326")
    table = table.assign(
        lon=places.x.round(9).to_numpy(), lat=places.y.round(9).to_numpy(), rank=_shown_rank(table["rank"])
    )
    return table[[*CROSSING_WALK_COLUMNS, "geometry"]]


def _shown_rank(rank: pd.Series) -> pd.Series:
    """Empty where it is too hard for nobody."""
    return rank.where(rank > 0)


def _schools(study: Study, ground: Ground, stress: pd.DataFrame, ranked: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The gates of schools: what `school_zones` finds, and the most children on one street within `NEAR_SCHOOL_M` in a
    straight line."""
    gates = school_zones(study, ground.network, ground.attachment.entrances, stress)
    streets = ranked[ranked["element"] == "segment"]
    peak = np.zeros(len(gates))
    gate, street = shapely.STRtree(streets.geometry.to_numpy()).query(
        gates.geometry.to_numpy(), predicate="dwithin", distance=NEAR_SCHOOL_M
    )
    np.maximum.at(peak, gate, streets["children"].to_numpy(dtype=float)[street])
    return gates.assign(peak_children_400_m=peak)
