"""The nouns: frozen records that pass from inputs to network to questions to outputs. No logic lives here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd

from cfc_geo.catalog import Norm
from cfc_geo.errors import Finding
from cfc_geo.plan import Plan
from cfc_geo.tables import ACCESS_COLUMNS, OVERFLOW_COLUMNS, REVIEW_COLUMNS
from cfc_geo.targets import TargetPlan


@dataclass(frozen=True)
class Source:
    """Where an input came from. `file` is as the plan names it; `sha256` is of the bytes read."""

    role: str
    file: str
    sha256: str
    format: str
    datum: str
    licence: str = ""
    date: str = ""
    citation: str = ""


class Lack(NamedTuple):
    """What a target lacks: a `kind` of which no file lists all; an `attribute` that files leave blank of facilities of
    the kinds `of`; a `level` of units, or its urban or rural `setting`; `residents` or `children`; a `layer` (`of`)
    with a column; `gates` of schools or their `gate_tags`; `unknown_access` of children to a kind."""

    what: str
    name: str
    of: tuple[str, ...] = ()


class Change(NamedTuple):
    """One thing that an edit changes: of the edit at position `edit` in the plan (the first is 1), `what` of `target`
    was `old` ("" where it was not there) and is `new` ("" where it is gone)."""

    edit: int
    verb: str
    target: str
    what: str
    old: str
    new: str


@dataclass(frozen=True, eq=False)
class Terrain:
    """Heights of the ground on a grid, metres, NaN unknown: `heights` row by row from the north, `corner` (west, north)
    and `cell` (width, height). Along streets they are taken about every `spacing_m`."""

    heights: np.ndarray
    corner: tuple[float, float]
    cell: tuple[float, float]
    spacing_m: float


@dataclass(frozen=True, eq=False)
class Study:
    """One place, checked, in one projected CRS (metres). Tables are those of `cfc_geo.tables`.

    units       unit_id, name, level, parent_id, polygon; parents before nothing in particular
    origins     origin_id, unit_id, children by band, residents (may be NaN), geometry: the cell (polygon) or its point;
                where a census was spread also home: the point where the children of the cell live
    facilities  facility_id, kind, name, capacity (NaN unknown), unit_id ("" outside), source, point or polygon; and
                what files say besides (`tables.FACILITY_TEXTS`, "" unknown; `tables.FACILITY_NUMBERS`, NaN unknown)
    entrances   facility_id, evidence, point
    streets     walkable segments between junctions, `from_node`/`to_node` number the junctions; `tables.STREET_EDITS`
                where edits change them
    nodes       node_id, x, y, crossing: the junctions of `streets`
    backdrop    theme (water, green, rail, building, road), name, any geometry: for the map only
    surveyed    kinds that some file lists; the coverage of every other kind is unknown, not zero
    duplicated  facilities that may be in the table twice; None: nobody looked
    audit       who is counted: `<column>_in_file`, `_placed`, `_outside_units`, `_on_no_land`, each person once
    review      records of unknown kind that were left out (`tables.REVIEW_COLUMNS`)
    unknown_bands  bands of which no file says how many children there are: 0 in `origins`, and in no result
    unknown_units  units of the lowest level of which nobody knows the children
    merged      facility_id of a record that was merged away → the facility it became part of
    terrain     heights of the ground; None: the plan gives none
    changes     what the edits of a scenario have changed in the tables above, in the order of the plan
    """

    name: str
    crs: str
    units: gpd.GeoDataFrame
    origins: gpd.GeoDataFrame
    facilities: gpd.GeoDataFrame
    entrances: gpd.GeoDataFrame
    streets: gpd.GeoDataFrame
    nodes: pd.DataFrame
    backdrop: gpd.GeoDataFrame
    surveyed: frozenset[str]
    sources: tuple[Source, ...] = ()
    findings: tuple[Finding, ...] = ()
    audit: dict[str, float] = field(default_factory=dict)
    duplicated: frozenset[str] | None = None
    review: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(REVIEW_COLUMNS)))
    merged: dict[str, str] = field(default_factory=dict)
    unknown_bands: frozenset[str] = frozenset()
    unknown_units: frozenset[str] = frozenset()
    changes: tuple[Change, ...] = ()
    terrain: Terrain | None = None


class Links(NamedTuple):
    """Weighted links grouped by row: those of row `r` are `start[r]:start[r + 1]`; each goes `to` another table's row.

    `nm` is the length in nanometres. Integers, because their sums do not depend on the order of adding: ten arcs of
    0.1 m are exactly one metre, a walk costs the same both ways, and a tie is a tie.
    """

    start: np.ndarray
    to: np.ndarray
    nm: np.ndarray


@dataclass(frozen=True, eq=False)
class Network:
    """The walkable streets as a directed graph, searched against the walking direction.

    Nodes are numbered along a Hilbert curve: node `n` is the junction `node_id[n]` at `node_xy[n]` (n × 2, metres).
    `arcs` are stored by the node they lead to: row `n` holds the nodes from which a walker arrives at `n`, and arc `a`
    runs along segment `arc_segment[a]`. Parallel arcs, loops and zero lengths are kept; the shortest wins.

    Segments are the rows of `Study.streets`, in the same order, from node `segment_from` to node `segment_to`, which a
    walker may take `segment_forward` or `segment_backward`; `mean_m` and `longest_m` are of all of them. `segments` is
    None where neither is allowed, and of links that were added: `links` are these, where people may step onto them
    (`linked`: whether there are any). A closed segment has no arcs. `whole` is the segment, and `whole_m` its length,
    as they were before a link cut it.
    `component` numbers the weakly connected parts by node, the longest first; `component_m` is the length of each.
    """

    node_id: np.ndarray
    node_xy: np.ndarray
    arcs: Links
    arc_segment: np.ndarray
    segment_from: np.ndarray
    segment_to: np.ndarray
    segment_m: np.ndarray
    mean_m: float
    longest_m: float
    segment_forward: np.ndarray
    segment_backward: np.ndarray
    segments: gpd.GeoSeries
    links: gpd.GeoSeries
    linked: bool
    whole: np.ndarray
    whole_m: np.ndarray
    component: np.ndarray
    component_m: np.ndarray


@dataclass(frozen=True, eq=False)
class Snaps:
    """Points attached to positions on segments, one row a point. `segment` is -1 where no walkable street lies within
    `limit_m` (inclusive).

    `at_m` runs along the segment from its from-node, in the stated length; `node` is the junction where the position is
    an end of the segment, else -1. `snap_m` is the straight access leg. It and `at_m` are NaN where not attached: the
    street may be at any distance beyond the limit.
    """

    segment: np.ndarray
    at_m: np.ndarray
    node: np.ndarray
    snap_m: np.ndarray
    limit_m: float

    @property
    def attached(self) -> np.ndarray:
        """Which points lie within the limit of a walkable street."""
        return self.segment >= 0


class Steps(NamedTuple):
    """Where points step onto the streets: `stated` is one place for each point; `taken` are all, each of `point`."""

    stated: Snaps
    taken: Snaps
    point: np.ndarray


@dataclass(frozen=True, eq=False)
class Attachment:
    """Origins and entrances on a network, and every first and last step between them and its nodes.

    `facility_of_entrance` and `entrance_points` (shapely points) are of the rows of the entrances.

    gates   entrance → nodes from which a walker comes to it, along its segment, access leg included
    doors   node → origins that reach it along their segment, access leg included
    direct  entrance → origins on the same segment that walk straight along it, both access legs included

    Where an added link is nearer to a point than any other street, its steps lead onto both; `origins` and `entrances`
    state the other street, if there is one within the limit; `from_origins` has them all.
    """

    origin_ids: pd.Index
    origins: Snaps
    facility_of_entrance: np.ndarray
    entrance_points: np.ndarray
    entrances: Snaps
    gates: Links
    doors: Links
    direct: Links
    from_origins: Steps


@dataclass(frozen=True, eq=False)
class NearestCosts:
    """For every origin and kind, the nearest facility on foot, searched up to `horizon_m` (inclusive).

    `metres`: origin_id × kind, both access legs included, NaN where none is within the horizon.
    `facility`: origin_id × kind, position of the facility in `facility_ids[kind]`, -1 where none. Of facilities equally
    near it is the one whose id comes first in text order.
    `attached`: origin_id → whether a walkable street lies within the snap limit.
    `detached`: facilities none of whose entrances is attached, so that nobody reaches them.
    `joined`: origin_id → whether it is attached to the largest connected part of the streets; `joined_entrances`: the
    same of the rows of the entrances.
    """

    metres: pd.DataFrame
    facility: pd.DataFrame
    facility_ids: dict[str, np.ndarray]
    attached: pd.Series
    detached: tuple[str, ...]
    joined: pd.Series
    joined_entrances: np.ndarray
    horizon_m: float


@dataclass(frozen=True, eq=False)
class TravelCosts:
    """All pairs within the horizon, long: `pairs` has origin_id, facility_id (categories), metres, by origin and then
    by facility in the order of their tables. A missing pair is farther than `horizon_m[facility_id]` (inclusive), or
    one of the two is not attached: see `attached` (origins) and `detached` (facilities), as in `NearestCosts`."""

    pairs: pd.DataFrame
    attached: pd.Series
    detached: tuple[str, ...]
    horizon_m: pd.Series


class Within(NamedTuple):
    """The pairs of one kind within its limit: positions of origins and of `facility_ids`, and metres."""

    origin: np.ndarray
    facility: np.ndarray
    metres: np.ndarray
    facility_ids: pd.Index
    limit_m: float


@dataclass(frozen=True, eq=False)
class Demand:
    """Who wants a place. `children`: origin_id × kind, of all known bands of the kind, times its participation.
    `certain`: facility_id → False where more children may come: of a band or of a unit near by, of which nobody knows
    the children."""

    children: pd.DataFrame
    certain: pd.Series


@dataclass(frozen=True, eq=False)
class Places:
    """Places per child of every origin, origin_id × kind (kinds with places): 2SFCA (`per_child`), E2SFCA (`zoned`),
    NaN where nothing is known; and `bound`: exact, at_least or ""."""

    per_child: pd.DataFrame
    zoned: pd.DataFrame
    bound: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Crowding:
    """Who goes where if each child goes to the nearest: `facilities` by facility_id (`tables.CROWDING_COLUMNS`), and
    `moves` (`tables.OVERFLOW_COLUMNS`): where those beyond the capacity could go instead."""

    facilities: pd.DataFrame
    moves: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Coverage:
    """Origin × kind, always complete: `status` (categories covered, gap, unknown), `metres`, `nearest_id` ("" none)."""

    status: pd.DataFrame
    metres: pd.DataFrame
    nearest_id: pd.DataFrame
    norms: dict[str, Norm]


@dataclass(frozen=True, eq=False)
class ChildStreets:
    """Where children walk, and what of it is too hard for them; places in the study's CRS.

    ranked    streets and crossings on which children walk, most exposure first (`tables.RANKED_COLUMNS`)
    streets   every street (`tables.STREET_WALK_COLUMNS`); crossings: those walked (`tables.CROSSING_WALK_COLUMNS`)
    schools   one row a gate: what GA/T 1215 asks, and the most children on one street near it
    trips     one row a kind (`tables.TRIP_COLUMNS`)
    alone     who can get there alone, by unit (`tables.ALONE_COLUMNS`)
    evidence  how much of the network rests on what, by input
    corridors, corridor_parts  what to mend whole (`tables.CORRIDOR_COLUMNS`, `tables.CORRIDOR_PART_COLUMNS`)
    detours   how much farther children walk than the crow flies, by unit (`tables.DETOUR_COLUMNS`)
    links, link_gains  new links, and what each would save (`tables.LINK_COLUMNS`, `tables.LINK_GAIN_COLUMNS`)
    """

    ranked: gpd.GeoDataFrame
    streets: gpd.GeoDataFrame
    crossings: gpd.GeoDataFrame
    schools: gpd.GeoDataFrame
    trips: pd.DataFrame
    alone: pd.DataFrame
    evidence: pd.DataFrame
    corridors: gpd.GeoDataFrame
    corridor_parts: gpd.GeoDataFrame
    detours: pd.DataFrame
    links: gpd.GeoDataFrame
    link_gains: pd.DataFrame
    findings: tuple[Finding, ...] = ()


class Answer(NamedTuple):
    """What an office wrote into a form: a number (NaN none), yes, no or "" (nothing), and where that can be checked."""

    value: float = np.nan
    done: str = ""
    evidence: str = ""


@dataclass(frozen=True, eq=False)
class Known:
    """What a scorecard knows beside the layers, by (plan, target): what offices answer and the figures of an `earlier`
    year; by target the `thresholds` of the planner's own; and the `register` of gaps of an earlier run."""

    answers: Mapping[tuple[str, str], Answer] = field(default_factory=dict)
    earlier: Mapping[tuple[str, str], float] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    register: pd.DataFrame | None = None


@dataclass(frozen=True, eq=False)
class Scorecard:
    """Which targets are met.

    plans   the target plans, in the order asked
    scores  one row a target (`tables.SCORE_COLUMNS`); units: of those told by unit (`tables.SCORE_UNIT_COLUMNS`)
    gaps    the register (`tables.GAP_COLUMNS`); equity: `tables.EQUITY_COLUMNS`
    lacking (plan, target) → what no layer says (`questions.scorecard.measure.Lack`)
    hubs    facility_id → the hub it could be linked to
    year    the year that is reported; widest: the widest level that the layers have units of, "" where not known
    """

    plans: tuple[TargetPlan, ...]
    scores: pd.DataFrame
    units: pd.DataFrame
    gaps: pd.DataFrame
    equity: pd.DataFrame
    lacking: dict[tuple[str, str], tuple[Lack, ...]]
    hubs: dict[str, str]
    year: int
    widest: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, eq=False)
class Result:
    """Everything an output may read.

    coverage_by_unit  unit × kind × band (`tables.COVERAGE_COLUMNS`), and unit_id `all`
    circle_by_unit    unit × band (`tables.CIRCLE_COLUMNS`), and `all`
    access_by_unit    unit × kind × band (`tables.ACCESS_COLUMNS`), and `all`
    overflow          where children beyond a facility's capacity could go (`tables.OVERFLOW_COLUMNS`)
    service_areas     facility_id, kind, limit_m, reached_m, polygon: a drawing; no rows if the plan wants none
    facilities        `tables.FACILITY_RESULT_COLUMNS` and geometry, in the study's CRS
    cells             origin_id, unit_id, children by band, residents, snap_m, and for every kind of the coverage
                      `<kind>_nearest_id`, `<kind>_m`, `<kind>_status`; `circle_<band>` covered|gap|unknown; and access:
                      `<kind>_number`, `<kind>_gravity`, of kinds with places `<kind>_places_per_child`,
                      `<kind>_places_per_child_zoned`, `<kind>_places_bound`; geometry
    child_streets     where children walk; None if the plan does not ask
    scorecard         which targets are met; None if the plan does not ask
    findings          an error among them is a limit of the plan's `[audit]` that the result breaks
    audit             measure (`catalog/audit.toml`) → value; NaN is not known
    """

    plan: Plan
    study: Study
    coverage: Coverage
    baskets: dict[str, tuple[str, ...]]
    coverage_by_unit: pd.DataFrame
    circle_by_unit: pd.DataFrame
    facilities: gpd.GeoDataFrame
    cells: gpd.GeoDataFrame
    findings: tuple[Finding, ...]
    audit: dict[str, float]
    timings_s: dict[str, float]
    access_by_unit: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(ACCESS_COLUMNS)))
    overflow: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(OVERFLOW_COLUMNS)))
    service_areas: gpd.GeoDataFrame = field(default_factory=gpd.GeoDataFrame)
    child_streets: ChildStreets | None = None
    scorecard: Scorecard | None = None


@dataclass(frozen=True)
class Ruled:
    """By what rules a result was computed: two results can be compared only where all of these are equal, apart from
    kinds that only one of them asks about."""

    program: str
    crs: str
    horizon_m: float
    snap_limit_m: float
    norm_set: str
    limits: dict[str, Norm]
    baskets: dict[str, tuple[str, ...]]
    speeds_ms: dict[str, float]
    units_sha256: str
    unknown_bands: frozenset[str]
    unknown_units: frozenset[str]
    population: tuple[str, ...]


@dataclass(frozen=True)
class Cost:
    """What a scenario costs, counted in `unit` ("" of a plan that is no scenario): NaN where none of it is known,
    `partly` where it is a lower bound."""

    amount: float = np.nan
    unit: str = ""
    partly: bool = False


@dataclass(frozen=True, eq=False)
class Finished:
    """A result as it stands in its folder, whole and as this program wrote it; tables as in `Result`.

    `edited` says whether its plan changed the children. `facilities` have `crowding` and what goes with it only where
    it was measured.
    """

    name: str
    title: str
    record_sha256: str
    rules: Ruled
    cost: Cost
    edited: bool
    surveyed: frozenset[str]
    sources: tuple[Source, ...]
    units: gpd.GeoDataFrame
    cells: gpd.GeoDataFrame
    facilities: gpd.GeoDataFrame
    streets: gpd.GeoDataFrame
    ground: gpd.GeoDataFrame


@dataclass(frozen=True, eq=False)
class Comparison:
    """What changes from the first result to each of the others; `after` names which. All by unit, worst-off first.

    changes     unit × kind (and "circle") × band (`tables.CHANGE_COLUMNS`)
    units       unit × band, and band `all` (`tables.UNIT_CHANGE_COLUMNS`): children who gain or lose anything
    facilities  `tables.FACILITY_CHANGE_COLUMNS`
    summary     one row an `after` (`tables.SUMMARY_COLUMNS`), those first where most children gain
    kinds_apart kinds that only some of the results ask about, and that are left out
    """

    before: Finished
    after: tuple[Finished, ...]
    changes: pd.DataFrame
    units: pd.DataFrame
    facilities: pd.DataFrame
    summary: pd.DataFrame
    kinds_apart: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Sited:
    """What `cfc-geo site` found for a kind: `sites` (`tables.SITE_COLUMNS`), `gains` (`tables.GAIN_COLUMNS`)."""

    kind: str
    limit_m: float
    sites: pd.DataFrame
    gains: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Dossier:
    """A finished result, and what was asked of its plan besides; all as it was written, of one set of inputs.

    coverage, circle  `tables.COVERAGE_COLUMNS`, `tables.CIRCLE_COLUMNS`
    said              topic → what the plan says of an assumption, "" nothing: circle, walk, population, shares
    speeds_assumed    bands whose walking speed is an assumption
    sited             kind → where to build it, of the kinds that were asked
    corridors, links  `tables.CORRIDOR_COLUMNS`, `tables.LINK_COLUMNS`; None where streets were not asked about
    link_gains        `tables.LINK_GAIN_COLUMNS`
    scores, score_units  `tables.SCORE_COLUMNS` and what is said of them, `tables.SCORE_UNIT_COLUMNS`; None: not scored
    findings          what lies beside the result and was left out, because it is of other data
    """

    finished: Finished
    coverage: pd.DataFrame
    circle: pd.DataFrame
    approval_no: str
    said: dict[str, str]
    speeds_assumed: tuple[str, ...]
    sited: dict[str, Sited]
    corridors: pd.DataFrame | None = None
    links: pd.DataFrame | None = None
    link_gains: pd.DataFrame | None = None
    scores: pd.DataFrame | None = None
    score_units: pd.DataFrame | None = None
    findings: tuple[Finding, ...] = ()
