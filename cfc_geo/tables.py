"""The vocabulary: the columns, with their units, of every table that crosses a module, and the check at the border.

Headings and explanations in Chinese and English are in `catalog/columns.toml`, one entry a column.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cfc_geo import catalog
from cfc_geo.errors import DataError, Findings

ALL_UNITS = "all"
"""The `unit_id` of the row that speaks for the whole place."""

COVERED, GAP, UNKNOWN = "covered", "gap", "unknown"
"""What an origin's access to a kind can be. Unknown: nobody can say, because the cell lies too far from any walkable
street, or because none is near but no file claims to list all of the kind."""
STATUSES = (COVERED, GAP, UNKNOWN)

EVIDENCE = ("given", "point", "outline", "nearest")
"""How an entrance is known: given by the plan; the facility is a point; a walkable street crosses the outline; or only
the point of the outline nearest to a walkable street (an assumption)."""

UNIT_COLUMNS = ("unit_id", "name", "level", "parent_id")
FACILITY_COLUMNS = ("facility_id", "kind", "name", "capacity", "unit_id", "source")
FACILITY_TEXTS = (
    "ownership", "registered", "demonstration", "address", "subdistrict", "community", "opened",
    "rank", "grade", "building_work", "standardised", "public_run", "independent", "child_friendly", "inclusive",
    "guidance", "childcare_inside", "children_area", "family_reading", "by_age", "accessible_reading", "adapted",
    "child_toilets", "rest_area", "barrier_free", "has_nursing_room", "boarding", "pilot", "home_space",
    "home_equipment", "home_staff", "home_services", "home_management", "hub", "speed_signs",
)  # fmt: skip
FACILITY_NUMBERS = (
    "area_m2", "visitors_per_day", "child_doctors", "child_beds", "child_health_doctors",
    "general_practitioners", "toddler_classes",
)  # fmt: skip
"""What files may say of a facility besides (`catalog/attributes.toml`): "" or NaN where they do not."""
KIND_WORD = "kind_word"
"""The word by which a file names the kind of a facility, "" where the plan names it for the whole file."""
REVIEW_COLUMNS = ("source", "sheet", "row", "word", "name", "suggestions")
"""Records that were left out until somebody says what kind they are of."""
ENTRANCE_COLUMNS = ("facility_id", "evidence")
STREET_COLUMNS = (
    "street_id", "from_node", "to_node", "length_m", "forward", "backward",
    "highway", "name", "maxspeed", "lanes", "sidewalk", "crossing", "bridge", "tunnel", "steps",
    "oneway", "sidewalk_width", "segregated", "parking", "incline",
)  # fmt: skip
STREET_EDITS = ("added", "closed", "whole", "whole_m")
"""What edits write beside `STREET_COLUMNS`, where there are any: a link that was drawn; a street that may not be walked
through; of a piece of a street that a link cuts, the whole and its length."""
BACKDROP_COLUMNS = ("theme", "name")
GROUND_THEMES = ("water", "green")
"""Themes of the backdrop that a result keeps as a layer."""
GROUND_COLUMNS = ("theme", "use", "levels")

CANDIDATE_COLUMNS = (
    "candidate_id", "name", "unit_id", "lon", "lat", "cost", "capacity", "required", "forbidden",
)  # fmt: skip
"""Places where a facility might be built."""
SITE_COLUMNS = (
    "rank", "facility_id", "name", "kind", "unit_id", "unit_name", "lon", "lat", "cost", "capacity",
    "children_in_limit", "children_alone", "children_added",
)  # fmt: skip
"""The sites of an answer, in the order in which they gain most."""
ALTERNATIVE_COLUMNS = ("rank", "sites", "objective_value", "cost", "children_covered", "children_gained", "proof")
FRONT_COLUMNS = (
    "objective",
    "allowed",
    "sites",
    "cost",
    "children_covered",
    "covered_share",
    "worst_unit_share",
    "proof",
)
GAIN_COLUMNS = (
    "unit_id",
    "unit_name",
    "level",
    "band",
    "children",
    "covered_before",
    "covered_after",
    "children_gained",
)

COVERAGE_COLUMNS = (
    "unit_id", "unit_name", "level", "kind", "band", "limit_m", "children", "covered", "gap", "unknown",
    "covered_share", "mean_walk_m", "mean_walk_min",
)  # fmt: skip
CIRCLE_COLUMNS = (
    "unit_id", "unit_name", "level", "band", "children", "complete", "incomplete", "unknown", "complete_share",
    "mean_items_share", "most_missing_kind",
)  # fmt: skip
ACCESS_COLUMNS = (
    "unit_id", "unit_name", "level", "kind", "band", "limit_m", "children", "number_known", "mean_number",
    "number_bound", "mean_gravity", "places_known", "mean_places_per_child", "mean_places_per_child_zoned",
    "places_bound", "children_at_crowded", "children_at_uncounted",
)  # fmt: skip
EXACT, AT_LEAST = "exact", "at_least"
"""What a figure is: all of it, or what is known of it; "" where nothing is."""
OVERFLOW_COLUMNS = ("kind", "from_facility", "to_facility", "children")
CROWDING_COLUMNS = ("assigned_children", "crowding", "overflow_children", "overflow_room")
FACILITY_RESULT_COLUMNS = (
    "facility_id",
    "kind",
    "name",
    "unit_id",
    "snap_m",
    "capacity",
    "children_within",
    *CROWDING_COLUMNS,
    "entrances",
    "evidence",
)

EDIT_COLUMNS = ("edit", "verb", "target", "attribute", "old", "new", "why", "cost", "cost_unit")
"""One row for everything that an edit changes; its reason and cost stand in the first of its rows only."""
CIRCLE, ALL_BANDS = "circle", "all"
"""Stands for the whole circle where tables of changes list kinds, and for all bands together where they list bands."""
SCORE_COLUMNS = (
    "plan_id", "target_id", "rows", "clause", "compare", "target_value", "target_unit", "year", "due_passed", "status",
    "why_not", "measured", "measured_most", "earlier", "shortfall", "units_met", "units_judged", "counted", "figure_is",
    "document", "draft", "counts_children",
)  # fmt: skip
"""One row a target. measured ≤ the figure ≤ measured_most, in target_unit; counted: not a row that states again what
another does. figure_is: computed, bound, read or answered. counts_children: whether the figure tells how many children
there are, or have something (`targets.Target.counts_children`)."""
SCORE_SAID = ("target_name", "office", "offices", "lacking", "method_said", "data_said", "note", "same_as")
"""What outputs say besides of a target, in the user's language."""
SCORE_UNIT_COLUMNS = (
    "plan_id", "target_id", "unit_id", "unit_name", "level", "measured", "measured_most", "status", "shortfall",
)  # fmt: skip
GAP_COLUMNS = (
    "gap_id", "priority", "plan_id", "target_id", "unit_id", "unit_name", "level", "measured", "measured_most",
    "compare", "target_value", "target_unit", "shortfall", "children", "year", "gap_status", "remarks",
)  # fmt: skip
GAP_NUMBERS = ("priority", "measured", "measured_most", "target_value", "shortfall", "children", "year")
CHANGED_COLUMNS = (
    "plan_id", "target_id", "target_name", "asked_before", "asked_after", "found_before", "found_after",
    "status_before", "status_after",
)  # fmt: skip
"""What another version of targets or norms alone does to a scorecard, in words."""
EQUITY_COLUMNS = (
    "kind", "level", "units", "children", "covered_share", "unknown", "best_unit", "best_share", "worst_unit",
    "worst_share", "unit_gap", "gini", "worst_fifth_share",
)  # fmt: skip
CHANGE_COLUMNS = (
    "after", "unit_id", "unit_name", "level", "kind", "band", "limit_m", "children_before", "children", "arrived",
    "covered_before", "gap_before", "unknown_before", "covered_after", "gap_after", "unknown_after",
    "gaining", "losing", "unchanged", "unknown_changed", "gaining_unknown", "losing_unknown",
    "still_covered", "still_gap",
    "covered_share_before", "covered_share_after", "children_walks_known", "mean_change_m", "mean_change_min",
    "best_change_m", "worst_change_m", "children_nearer", "children_farther",
)  # fmt: skip
UNIT_CHANGE_COLUMNS = (
    "after", "unit_id", "unit_name", "level", "band", "children_before", "children", "arrived", "only_gaining",
    "only_losing", "gaining_and_losing", "neither", "gaining_any", "losing_any", "unknown_any", "met_share_before",
    "met_share_after", "gap_needs_before",
)  # fmt: skip
FACILITY_CHANGE_COLUMNS = (
    "after", "facility_id", "kind", "name", "unit_id", "state", "crowded", "kind_before", "capacity_before",
    "capacity_after", "children_within_before", "children_within_after", "assigned_before", "assigned_after",
    "crowding_before", "crowding_after",
)  # fmt: skip
SUMMARY_COLUMNS = (
    "after", "rank", "gaining_any", "losing_any", "gaining_and_losing", "unknown_any", "newly_crowded",
    "relieved", "cost_extra", "cost_is", "cost_unit", "cost_per_child", "worst_unit_id", "worst_unit_name",
    "worst_share_before", "worst_share_after", "worst_share_change",
)  # fmt: skip

ROUTE_COLUMNS = (
    "walk", "walk_role", "facility_id", "length_m", "detour", "minutes", "minutes_access", "minutes_walking",
    "minutes_climbing", "minutes_waiting", "worst_stress", "hard_m", "crossings", "hazards", "borne",
)  # fmt: skip
"""One row a walk from the least stress to the shortest."""
ROUTE_PART_COLUMNS = (
    "walk", "part", "element", "street_id", "name", "highway", "at_m", "length_m", "minutes_walking",
    "minutes_climbing", "minutes_waiting", "stress", "governed_by", "stress_evidence", "crossing_type", "island",
    "speed_kmh", "lanes_count", "at_name", "borne", "hazard", "remedies",
)  # fmt: skip
HAZARD_COLUMNS = tuple(
    name for name in ROUTE_PART_COLUMNS if name not in ("part", "hazard") and not name.startswith("minutes")
)
RANKED_COLUMNS = (
    "rank", "element", "street_id", "node_id", "name", "highway", "length_m", "crossing_type", "stress", "governed_by",
    "stress_evidence", "children", "children_shortest", "exposure", "remedies", "children_gaining", "unit_id",
)  # fmt: skip
"""Streets and crossings on which children walk, most exposure first; rank 0: none is exposed."""
STREET_WALK_COLUMNS = (
    "street_id", "name", "highway", "length_m", "unit_id", "stress", "governed_by", "stress_evidence", "speed_kmh",
    "lanes_count", "volume", "footway", "children", "children_shortest", "exposure", "rank", "remedies",
    "children_gaining",
)  # fmt: skip
CROSSING_WALK_COLUMNS = (
    "street_id", "node_id", "name", "highway", "unit_id", "crossing_type", "stress", "governed_by", "stress_evidence",
    "children", "children_shortest", "exposure", "rank", "remedies", "children_gaining", "lon", "lat",
)  # fmt: skip
TRIP_COLUMNS = (
    "kind", "profile", "assigned_by", "farthest_m", "wanting", "walking", "beyond", "too_far", "off_street",
    "no_district", "no_way", "no_room", "low_stress", "low_stress_share", "mean_shortest_m", "mean_easiest_m",
)  # fmt: skip
"""One row a kind: who walks, and how many have a walk on which nothing is too hard."""
ALONE_COLUMNS = (
    "unit_id", "unit_name", "level", "profile", "kind", "band", "limit_m", "children", "unknown", "within",
    "with_adult", "alone", "within_share", "with_adult_share", "alone_share", "between_crossings", "between_streets",
    "between_either", "between_both", "between_steps",
)  # fmt: skip
CORRIDOR_COLUMNS = (
    "corridor_id", "name", "from_street", "to_street", "unit_id", "unit_name", "length_m", "carriageway_m", "segments",
    "children_on_it", "children_beside", "exposure_m", "crossing_exposure", "stress_worst", "stress_mean",
    "assumed_share", "crossings_hard", "schools", "schools_joined", "parks", "parks_joined", "remedies",
    "children_gaining", "children_gaining_so_far", "gaining_unit", "gaining_share",
)  # fmt: skip
CORRIDOR_PART_COLUMNS = (
    "corridor_id", "part", "element", "along_m", "street_id", "name", "highway", "length_m", "stress", "governed_by",
    "stress_evidence", "children", "exposure", "remedies", "unit_id",
)  # fmt: skip
DETOUR_COLUMNS = (
    "unit_id", "unit_name", "level", "kind", "children", "children_measured", "detour_index", "detour_child_m",
    "children_cut_off",
)  # fmt: skip
LINK_COLUMNS = (
    "link_id", "barrier", "barrier_name", "length_m", "walk_now_m", "from_street", "to_street", "child_m_saved",
    "children_nearer", "children_newly_within",
)  # fmt: skip
LINK_GAIN_COLUMNS = (
    "link_id", "kind", "limit_m", "child_m_saved", "children_nearer", "children_newly_within", "children_newly_reached",
)  # fmt: skip


def children_column(band: str) -> str:
    """The column that counts the children of a band: '0-2' → 'children_0_2'."""
    return "children_" + band.replace("-", "_")


def circle_column(band: str) -> str:
    """The column that says whether the circle of a band is complete: '0-2' → 'circle_0_2'."""
    return "circle_" + band.replace("-", "_")


def children_columns() -> list[str]:
    """The children columns of all bands, youngest first."""
    return [children_column(band) for band in catalog.bands()]


@dataclass(frozen=True)
class Table:
    """What a table must hold where it crosses a module: its id column and the columns it needs."""

    name: str
    id: str
    columns: tuple[str, ...]
    nonnegative: tuple[str, ...] = ()


UNITS = Table("units", "unit_id", UNIT_COLUMNS)
ORIGINS = Table("origins", "origin_id", ("unit_id", *children_columns()), tuple(children_columns()))
FACILITIES = Table("facilities", "facility_id", FACILITY_COLUMNS)
ENTRANCES = Table("entrances", "facility_id", ENTRANCE_COLUMNS)
STREETS = Table("streets", "street_id", STREET_COLUMNS, ("length_m",))


def check_table(frame: pd.DataFrame, table: Table, *, unique: bool = True) -> None:
    """Raise `DataError`, naming every breach at once, unless `frame` keeps the contract of `table`.

    Checked: columns present, ids present and (where `unique`) not repeated, counts finite and ≥ 0, geometry present.
    """
    findings = Findings()
    missing = [column for column in (table.id, *table.columns) if column not in frame.columns]
    if missing:
        findings.error("table.columns_missing", table.name, columns=missing)
        findings.raise_errors(DataError)
    ids = frame[table.id]
    if ids.isna().any():
        findings.error("table.id_missing", table.name, _positions(ids.isna()))
    if unique and ids.duplicated().any():
        findings.error("table.id_repeated", table.name, ids=sorted(set(ids[ids.duplicated()].astype(str)))[:8])
    for column in table.nonnegative:
        values = frame[column].to_numpy(dtype=float)
        bad = ~(np.isfinite(values) & (values >= 0))
        if bad.any():
            findings.error("table.not_a_count", table.name, _positions(bad), column=column)
    if "geometry" in frame.columns and (empty := frame.geometry.isna() | frame.geometry.is_empty).any():
        findings.error("table.no_geometry", table.name, _positions(empty))
    findings.raise_errors(DataError)


def _positions(mask: "Sequence[bool] | Any") -> list[int]:
    return [int(position) + 1 for position in np.flatnonzero(np.asarray(mask))]
