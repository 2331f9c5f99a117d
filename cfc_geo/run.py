"""One plan, start to finish: the only place that knows the order of the steps."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from cfc_geo import catalog
from cfc_geo.blocks import Scoring, StreetsForChildren, TargetsOf
from cfc_geo.errors import DataError, Findings, NetworkError, PlanError
from cfc_geo.inputs.districts import read_districts
from cfc_geo.inputs.scenario import apply_edits
from cfc_geo.inputs.scored import named_targets, read_scoring, year_of
from cfc_geo.inputs.study import horizon_m, read_study
from cfc_geo.model import Attachment, ChildStreets, Coverage, Crowding, Known, Network, Places, Result, Study
from cfc_geo.network.costs import attach, attach_entrances, nearest_costs, travel_costs
from cfc_geo.network.graph import build_network
from cfc_geo.network.reached import reached_streets
from cfc_geo.network.stress import segment_stress
from cfc_geo.network.within import pairs_by_kind
from cfc_geo.plan import Plan
from cfc_geo.questions.access import count_children_within, count_demand, measure_access, sum_access
from cfc_geo.questions.audit import (
    audit_answers,
    audit_data,
    audit_facilities,
    audit_ground,
    judge_audit,
    metres_to_border,
    warn_of_children_in_parent_only,
)
from cfc_geo.questions.catchment import measure_places
from cfc_geo.questions.circle import judge_circle, sum_circle
from cfc_geo.questions.coverage import kinds_in_question, measure_coverage, sum_coverage
from cfc_geo.questions.crowding import measure_crowding
from cfc_geo.questions.school_zones import school_zones
from cfc_geo.questions.scorecard.measure import Layers
from cfc_geo.questions.service_areas import draw_service_areas
from cfc_geo.questions.sums import without_unknown
from cfc_geo.scoring import score
from cfc_geo.sharing import (
    Steps,
    as_read_by,
    changed_kinds,
    on_one_ground,
    reads_the_same,
    renewed_areas,
    renewed_columns,
    renewed_coverage,
    renewed_rows,
    same_homes,
    same_tables,
)
from cfc_geo.streets import Ground, measure_streets
from cfc_geo.tables import (
    CROWDING_COLUMNS,
    EVIDENCE,
    FACILITY_RESULT_COLUMNS,
    children_column,
    children_columns,
    circle_column,
)
from cfc_geo.targets import TargetPlan

Progress = Callable[[str], None]
"""Told the name of each stage as it begins: a key of `words/run.toml`."""


def run_plan(plan: Plan, progress: Progress = lambda stage: None, *, previous: Path | None = None) -> Result:
    """Answer the question of `plan`. An error among the result's findings is a limit of `[audit]` that it breaks.

    `previous`: the folder of an earlier result, whose scorecard this one's is set against.
    Raises `DataError` or `NetworkError`, with every fault at once, before anything is computed.
    """
    return answer_plan(plan, None, Clock(progress), previous)[0]


def run_plans(
    plans: Sequence[Plan], progress: Progress = lambda stage: None, previous: Path | None = None
) -> Iterator[Result]:
    """Answer plans in turn, each as `run_plan` does, to the last bit, and raising as it does.

    Of plans that differ in their edits (`sharing.UNREAD`), those after the first take over what their edits leave as
    the first had it: a scenario that touches one kind of facility reads no file and computes that kind.
    """
    first: Steps | None = None
    for number, plan in enumerate(plans, start=1):
        if first is not None and not reads_the_same(first.plan, plan):
            first = None
        result, steps = answer_plan(plan, first, Clock(progress), previous)
        asked_again = any(reads_the_same(plan, later) for later in plans[number:])
        first = (first or steps) if asked_again else None
        del steps  # no more is held than the next plan needs
        yield result
        del result


def answer_plan(plan: Plan, first: Steps | None, clock: "Clock", previous: Path | None = None) -> tuple[Result, Steps]:
    """One plan's result, and its steps for those that take over from it; `first` reads the same (`run_plans`)."""
    with clock("read"):
        targets, told, of_forms = (
            ([], Known(), Findings()) if plan.scorecard is None else read_scoring(plan, plan.scorecard, previous)
        )
        read = read_study(plan) if first is None else as_read_by(plan, first)
        study = apply_edits(read, plan)
    shared = first if first is not None and on_one_ground(first.study, study) else None
    with clock("network"):
        network, attachment, findings = join_network(plan, study, first)
    with clock("nearest"):
        norms, baskets = plan.resolved_norms(), plan.resolved_baskets()
        kinds = kinds_in_question(study, norms, baskets)
        anew = kinds if shared is None else changed_kinds(shared.study, study, kinds)
        nearest = nearest_costs(network, attachment, study.facilities, kinds=anew, horizon_m=horizon_m(plan))
    with clock("pairs"):
        tested = study.facilities[study.facilities["kind"].isin(kinds)]
        limit_m = (
            tested.set_index("facility_id")["kind"].map({kind: norms[kind].limit_m for kind in kinds}).astype(float)
        )
        costs = travel_costs(network, attachment, tested, horizon_m=limit_m)
    with clock("coverage"):
        speeds_ms = {band: plan.speed_ms(band) for band in catalog.bands()}
        coverage = measure_coverage(nearest, study, norms)
        known = partial(without_unknown, units=study.units, bands=study.unknown_bands, of_units=study.unknown_units)
        coverage_by_unit = known(sum_coverage(coverage, study.origins, study.units, speeds_ms))
        if shared is not None:
            coverage = renewed_coverage(shared.coverage, coverage, norms)
            coverage_by_unit = renewed_rows(shared.coverage_by_unit, coverage_by_unit, "kind")
        asked = {band: basket for band, basket in baskets.items() if not set(basket).isdisjoint(anew)}
        circle = judge_circle(coverage, asked)
        circle_by_unit = known(sum_circle(coverage, circle, asked, study.origins, study.units))
        if shared is not None:
            circle = renewed_columns(shared.circle, circle)
            circle_by_unit = renewed_rows(shared.circle_by_unit, circle_by_unit, "band")
        children_within = count_children_within(costs, study.origins, tested, unknown_bands=study.unknown_bands)
    with clock("access"):
        within = pairs_by_kind(costs, tested)
        measured = [kind for kind in kinds if kind in (plan.access.kinds or kinds)]
        access = measure_access(within, coverage, measured, decay=plan.access.decay, parameter=plan.access.parameter)
        demand = count_demand(study, within, measured, plan.access.participation)
        places = measure_places(study, within, demand, coverage)
        crowding = measure_crowding(study, within, demand, coverage, plan.access.participation)
        access_by_unit = known(sum_access(access, places, crowding, coverage, study))
    with clock("areas"):
        drawn = tested[tested["kind"].isin(anew) & plan.access.service_areas]
        reached = reached_streets(network, attachment, drawn, streets=study.streets.geometry, limit_m=limit_m)
        service_areas = draw_service_areas(reached, drawn, limit_m, study.backdrop)
        if shared is not None:
            service_areas = renewed_areas(shared.service_areas, service_areas, anew, tested)
    child_streets = None
    if plan.streets_for_children is not None:
        with clock("streets"):
            child_streets = _child_streets(plan, plan.streets_for_children, study, network, attachment, coverage)
    scorecard = None
    if plan.scorecard is not None:
        with clock("scorecard"):
            gates = _gates(targets, study, network, attachment)
            layers = Layers(study, coverage_by_unit, circle_by_unit, gates)
            scorecard = score(targets, layers, year=year_of(plan.scorecard), known=told)
    with clock("audit"):
        ground = shared.ground if shared is not None else audit_ground(study, network, attachment, horizon_m(plan))
        border_m = shared.border_m if shared is not None else metres_to_border(study, norms)
        audit = ground | audit_facilities(study, network, attachment)
        audit |= audit_answers(study, coverage, coverage_by_unit, circle_by_unit, border_m)
        findings = Findings([*study.findings, *of_forms, *findings, *_note_norms(plan, kinds, study)])
        findings += child_streets.findings if child_streets is not None else ()
        findings += scorecard.findings if scorecard is not None else ()
        findings += judge_audit(plan.audit, audit, plan.file.name)
    result = Result(
        plan=plan,
        study=study,
        coverage=coverage,
        baskets=baskets,
        coverage_by_unit=coverage_by_unit,
        circle_by_unit=circle_by_unit,
        facilities=_facilities_table(study, attachment, children_within, crowding),
        cells=_cells_table(study, attachment, coverage, circle, _access_columns(access, places)),
        findings=tuple(findings),
        audit=audit,
        timings_s=clock.seconds,
        access_by_unit=access_by_unit,
        overflow=crowding.moves,
        service_areas=service_areas,
        child_streets=child_streets,
        scorecard=scorecard,
    )
    steps = Steps(
        plan,
        read,
        study,
        network,
        attachment,
        coverage,
        coverage_by_unit,
        circle,
        circle_by_unit,
        ground,
        border_m,
        service_areas,
    )
    return result, steps


def with_rules(plan: Plan, asked: Scoring, *, norms: str | None = None, targets: TargetsOf | None = None) -> Plan:
    """The plan scored as `asked`; by another set of `norms`, or with the plan of `targets` in the place of the one that
    has its id."""
    rules = plan.norms if norms is None else plan.norms.model_copy(update={"use": norms})
    if targets is not None:
        new = named_targets(targets, plan)
        ids = [named_targets(one, plan).id for one in asked.targets]
        if new.id not in ids:
            findings = Findings()
            findings.error("targets.not_asked", plan.file.name, plan=new.id, plans=ids)
            raise PlanError(findings)
        kept = [targets if of_id == new.id else one for of_id, one in zip(ids, asked.targets, strict=True)]
        asked = asked.model_copy(update={"targets": kept})
    return plan.model_copy(update={"norms": rules, "scorecard": asked})


def check_plan(plan: Plan) -> Findings:
    """Read and check everything that `run_plan` would, and compute no walk. Raises as `run_plan` does.

    Errors that it returns are limits of `[audit]` that a run would break; `max_unknown_share` takes a run to know.
    """
    study = apply_edits(read_study(plan), plan)
    network, attachment, findings = join_network(plan, study)
    if plan.streets_for_children is not None:
        _districts(plan, plan.streets_for_children, study)
    if plan.scorecard is not None:
        findings += read_scoring(plan, plan.scorecard)[2]
    kinds = kinds_in_question(study, plan.resolved_norms(), plan.resolved_baskets())
    audit = audit_data(study, network, attachment, reach_m=horizon_m(plan))
    judged = judge_audit(plan.audit, audit, plan.file.name)
    return Findings([*study.findings, *findings, *_note_norms(plan, kinds, study), *judged])


def find_streets(
    plan: Plan, asked: StreetsForChildren, progress: Progress = lambda stage: None
) -> tuple[Study, ChildStreets, Findings]:
    """Where the children of `plan` walk, its edits done: what `run_plan` finds for the same question, and nothing else;
    with everything that a planner should know. Raises as `run_plan` does, and `DataError` where there is no facility of
    any kind that is asked for."""
    clock, faults = Clock(progress), Findings()
    with clock("read"):
        study = apply_edits(read_study(plan), plan)
    if not study.facilities["kind"].isin(asked.kinds).any():
        faults.error("trips.none_of_kinds", plan.file.name, kinds=asked.kinds)
        faults.raise_errors(DataError)
    with clock("network"):
        network, attachment, findings = join_network(plan, study)
    with clock("nearest"):
        norms = plan.resolved_norms()
        kinds = kinds_in_question(study, norms, plan.resolved_baskets())
        nearest = nearest_costs(network, attachment, study.facilities, kinds=kinds, horizon_m=horizon_m(plan))
        coverage = measure_coverage(nearest, study, norms)
    with clock("streets"):
        found = _child_streets(plan, asked, study, network, attachment, coverage)
    return study, found, Findings([*study.findings, *findings, *found.findings])


def join_network(plan: Plan, study: Study, first: Steps | None = None) -> tuple[Network, Attachment, Findings]:
    """The network, where origins and entrances attach to it, and what a planner should know of both.

    Taken over from `first` are the network of the very same streets, and where people at the same places attach to it.
    """
    findings = Findings()
    same_streets = first is not None and same_tables(first.study, study, "streets", "nodes")
    network = first.network if first is not None and same_streets else build_network(study.streets, study.nodes)
    if first is not None and same_streets and same_homes(first.study, study):
        attachment = attach_entrances(network, first.attachment, study.entrances)
    else:
        attachment = attach(network, study.origins, study.entrances, limit_m=plan.walk.snap_limit_m)
    _check_attachment(plan, study, network, attachment, findings)
    findings.raise_errors(NetworkError)
    return network, attachment, findings


class Clock:
    """Measures stages and announces them."""

    def __init__(self, progress: Progress) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        self._progress(stage)
        start = time.perf_counter()
        yield
        self.seconds[stage] = round(time.perf_counter() - start, 3)


# --------------------------------------------------------------------------------------------- what a planner must know


def _check_attachment(plan: Plan, study: Study, network: Network, attachment: Attachment, findings: Findings) -> None:
    limit_m = plan.walk.snap_limit_m
    far = ~attachment.origins.attached
    children = study.origins[children_columns()].sum(axis=1).to_numpy()
    if far.all():
        findings.error("streets.none_near_population", plan.streets.file, limit_m=limit_m)
    elif (lost := children[far].sum()) > 0:
        percent = float(100 * lost / children.sum())
        findings.warning(
            "streets.cells_far", plan.streets.file, children=float(round(lost, 1)), percent=percent, limit_m=limit_m
        )
    attached = study.entrances["facility_id"][attachment.entrances.attached]
    cut_off = set(study.entrances["facility_id"]) - set(attached)
    if len(cut_off):
        findings.warning("facilities.far", "", ids=sorted(cut_off)[:8], count=len(cut_off), limit_m=limit_m)
    outside_main = network.component_m[1:]  # the longest comes first
    if len(outside_main):
        km = round(float(outside_main.sum()) / 1000, 1)
        findings.warning("streets.islands", plan.streets.file, count=len(outside_main), km=km)
    findings += warn_of_children_in_parent_only(study, plan.place.units.file)


def _note_norms(plan: Plan, kinds: list[str], study: Study) -> Findings:
    findings = Findings()
    for change in plan.norms.override:
        findings.warning("norms.overridden", plan.file.name, kind=change.kind, limit_m=change.limit_m, why=change.why)
    for kind, share in plan.access.participation.items():
        findings.warning("access.participation", plan.file.name, kind=kind, share=share, why=plan.access.why)
    if unasked := [kind for kind in plan.access.kinds or [] if kind not in kinds]:
        findings.warning("access.not_asked", plan.file.name, kinds=unasked)
    norms = plan.resolved_norms()
    if assumed := [kind for kind in kinds if norms[kind].certainty in ("A", "B")]:
        findings.warning("norms.assumed", plan.file.name, kinds=assumed)
    found = set(study.facilities["kind"])
    if absent := [kind for kind in kinds if kind not in study.surveyed and kind not in found]:
        findings.warning("coverage.not_listed", plan.file.name, kinds=absent)
    if partly := [kind for kind in kinds if kind not in study.surveyed and kind in found]:
        findings.warning("coverage.partly_listed", plan.file.name, kinds=partly)
    return findings


# -------------------------------------------------------------------------------------------------------- result tables


def _districts(plan: Plan, asked: StreetsForChildren, study: Study) -> pd.DataFrame | None:
    """The school districts, if the plan has any. Raises `DataError` with what is wrong with them."""
    if asked.districts is None:
        return None
    findings = Findings()
    found = read_districts(asked.districts, plan.path(asked.districts.file), study, findings)
    findings.raise_errors(DataError)
    return found


def _child_streets(
    plan: Plan,
    asked: StreetsForChildren,
    study: Study,
    network: Network,
    attachment: Attachment,
    coverage: Coverage,
) -> ChildStreets:
    ground = Ground(
        study=study,
        network=network,
        attachment=attachment,
        coverage=coverage,
        norms=plan.resolved_norms(),
        access=plan.access,
        snap_limit_m=plan.walk.snap_limit_m,
        plan_file=plan.file.name,
        districts=_districts(plan, asked, study),
    )
    return measure_streets(asked, ground)


def _gates(
    targets: list[TargetPlan], study: Study, network: Network, attachment: Attachment
) -> gpd.GeoDataFrame | None:
    """The gates of schools and what is met there, where a target asks for it."""
    asked = (target.method for plan in targets for target in plan.targets)
    if not any(method is not None and method.by == "school_zones" for method in asked):
        return None
    return school_zones(study, network, attachment.entrances, segment_stress(study.streets))


def _facilities_table(
    study: Study, attachment: Attachment, children_within: pd.Series, crowding: Crowding
) -> gpd.GeoDataFrame:
    """One row a facility: its shortest access leg, its entrances, the weakest evidence among them, and its children."""
    entrances = study.entrances.assign(
        snap_m=attachment.entrances.snap_m,
        evidence=pd.Categorical(study.entrances["evidence"], EVIDENCE, ordered=True),
    )
    by_facility = entrances.groupby("facility_id", sort=False)
    summary = by_facility.agg(snap_m=("snap_m", "min"), entrances=("snap_m", "count"), evidence=("evidence", "max"))
    table = study.facilities.merge(summary, left_on="facility_id", right_index=True, how="left")
    table["entrances"] = table["entrances"].fillna(0).astype(int)
    table["evidence"] = table["evidence"].astype(object).where(table["evidence"].notna(), "")
    reached = table["entrances"] > 0
    table["children_within"] = children_within.reindex(table["facility_id"]).where(reached.to_numpy()).to_numpy()
    of_facility = crowding.facilities.reindex(table["facility_id"])
    for name in CROWDING_COLUMNS:
        table[name] = of_facility[name].where(reached.to_numpy()).to_numpy(dtype=float)
    return table[[*FACILITY_RESULT_COLUMNS, "geometry"]].reset_index(drop=True)


def _access_columns(access: tuple[pd.DataFrame, pd.DataFrame], places: Places) -> dict[str, np.ndarray]:
    """The columns of access of every origin, kind by kind."""
    tables = {"number": access[0], "gravity": access[1], "places_per_child": places.per_child}
    tables |= {"places_per_child_zoned": places.zoned, "places_bound": places.bound}
    return {
        f"{kind}_{name}": table[kind].to_numpy()
        for kind in access[0].columns
        for name, table in tables.items()
        if kind in table
    }


def _cells_table(
    study: Study,
    attachment: Attachment,
    coverage: Coverage,
    circle: pd.DataFrame,
    access: dict[str, np.ndarray],
) -> gpd.GeoDataFrame:
    """One row an origin, with its answer for every kind and for the circle of every band, and its access."""
    columns: dict[str, object] = {
        name: study.origins[name] for name in ("origin_id", "unit_id", *children_columns(), "residents")
    }
    columns |= {children_column(band): np.full(len(study.origins), np.nan) for band in study.unknown_bands}
    columns["snap_m"] = attachment.origins.snap_m
    for kind in coverage.status.columns:
        columns[f"{kind}_nearest_id"] = coverage.nearest_id[kind].to_numpy()
        columns[f"{kind}_m"] = coverage.metres[kind].to_numpy()
        columns[f"{kind}_status"] = coverage.status[kind].array
    for band in circle.columns:
        columns[circle_column(band)] = circle[band].array
    columns |= access
    return gpd.GeoDataFrame(columns, geometry=study.origins.geometry.to_numpy(), crs=study.crs)
