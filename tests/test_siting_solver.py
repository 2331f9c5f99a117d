"""The siting solver against trying every choice, against networkx, and against published answers."""

import _thread
import threading
from dataclasses import replace
from itertools import combinations
from typing import Any, get_args

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfc_geo.questions.siting import program
from cfc_geo.questions.siting.choose import alternatives, choose_sites
from cfc_geo.questions.siting.front import pareto_front
from cfc_geo.questions.siting.infeasible import explain_infeasible
from cfc_geo.questions.siting.merged import merge_demand
from cfc_geo.questions.siting.objectives import is_covered, unit_shares
from cfc_geo.questions.siting.problem import Objective, SitingProblem
from cfc_geo.questions.siting.program import Outcome
from cfc_geo.questions.siting.start import greedy_sites
from tests.real import shared_file

LIMIT_M = 500.0
OBJECTIVES: tuple[Objective, ...] = get_args(Objective)


@st.composite
def problems(draw: st.DrawFn, *, plain: bool = False) -> SitingProblem:
    """Up to 10 sites and 14 demand points in a square, distances in the air, some pairs beyond the horizon."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    demand, sites = int(rng.integers(1, 15)), int(rng.integers(1, 11))
    where, places = rng.integers(0, 1500, (demand, 2)), rng.integers(0, 1500, (sites, 2))
    metres = np.hypot(*(where[:, None, :] - places[None, :, :]).transpose(2, 0, 1))
    row, column = np.nonzero(metres <= 1100)
    state = rng.random(sites)
    existing = (state < 0.2) & (not plain)
    required, forbidden = (state > 0.9) & (not plain), (state > 0.2) & (state < 0.35) & (not plain)
    pairs = np.array(list(combinations(range(sites), 2)), dtype=np.int64).reshape(-1, 2)
    apart = pairs[rng.random(len(pairs)) < (0.0 if plain else 0.15)]
    return SitingProblem(
        children=np.append(rng.integers(0, 30, demand - 1), rng.integers(1, 30)).astype(float),
        weight=np.ones(demand) if plain else rng.choice([1.0, 2.0, 0.5], demand),
        unit=rng.integers(0, 3, demand),
        existing=existing,
        required=required,
        forbidden=forbidden,
        cost=rng.choice([1.0, 2.0, 3.5], sites) if rng.random() < 0.5 and not plain else np.ones(sites),
        capacity=rng.choice([10.0, 25.0, np.inf], sites),
        apart=apart,
        demand=row,
        site=column,
        metres=metres[row, column],
        limit_m=LIMIT_M,
        sites=int(rng.integers(0, 5)),
        budget=float(rng.integers(2, 9)) if rng.random() < 0.3 and not plain else None,
        cover_share=None if plain or rng.random() < 0.7 else float(rng.random() * 0.8),
    )


# ---------------------------------------------------------------------------------------------------- the outside judge


def choices(problem: SitingProblem) -> list[np.ndarray]:
    """Every set of new sites that keeps what is asked of sites."""
    free = [s for s in range(len(problem.existing)) if not problem.existing[s] and not problem.forbidden[s]]
    found = []
    for count in range(len(free) + 1):
        for chosen in combinations(free, count):
            mask = np.zeros(len(problem.existing), dtype=bool)
            mask[list(chosen)] = True
            if (problem.required & ~problem.existing & ~mask).any():
                continue
            if problem.sites is not None and count > problem.sites:
                continue
            if problem.budget is not None and problem.cost[mask].sum() > problem.budget:
                continue
            both = mask | problem.existing
            if any(both[a] and both[b] and (mask[a] or mask[b]) for a, b in problem.apart):
                continue
            found.append(mask)
    return found


def distances(problem: SitingProblem, mask: np.ndarray) -> np.ndarray:
    """Metres from each demand point to the nearest open site."""
    away = np.full(len(problem.children), np.inf)
    for demand, site, metres in zip(problem.demand, problem.site, problem.metres, strict=True):
        if mask[site] or problem.existing[site]:
            away[demand] = min(away[demand], metres)
    return away


def most_assigned(problem: SitingProblem, mask: np.ndarray) -> float:
    """Weighted children that can be assigned: a minimum-cost flow in whole numbers."""
    graph: Any = nx.DiGraph()
    graph.add_node("t")
    for d, children in enumerate(problem.children):
        graph.add_edge("s", ("d", d), capacity=int(children), weight=0)
    for d, site, metres in zip(problem.demand, problem.site, problem.metres, strict=True):
        if metres <= problem.limit_m and (mask[site] or problem.existing[site]):
            graph.add_edge(("d", d), ("s", site), weight=-int(2 * problem.weight[d]))
    for site in np.flatnonzero(mask | problem.existing):
        room = problem.capacity[site]
        graph.add_edge(("s", site), "t", **({} if np.isinf(room) else {"capacity": int(room)}), weight=0)
    graph.add_edge("s", "t", weight=0)  # who is served nowhere
    total = int(problem.children.sum())
    graph.add_node("s", demand=-total)
    graph.add_node("t", demand=total)
    return -nx.min_cost_flow_cost(graph) / 2


def worth(problem: SitingProblem, objective: Objective, mask: np.ndarray) -> Any:
    """What a choice is worth (more is better), or None where it does not do what is asked."""
    away = distances(problem, mask)
    covered = away <= problem.limit_m
    share_ok = problem.cover_share is None or (
        problem.children[covered].sum() >= problem.cover_share * problem.children.sum() - 1e-7
    )
    usable = problem.existing | ~problem.forbidden
    can = np.zeros(len(problem.children), dtype=bool)
    can[problem.demand[usable[problem.site]]] = True
    weighted = problem.children * problem.weight
    match objective:
        case "cover":
            return float(weighted[covered].sum()) if share_ok else None
        case "cover-capacitated":
            return most_assigned(problem, mask)
        case "set-cover":
            near = np.zeros(len(problem.children), dtype=bool)
            near[problem.demand[usable[problem.site] & (problem.metres <= problem.limit_m)]] = True
            if problem.cover_share is None:
                share_ok = bool(covered[near & (problem.children > 0)].all())
            free = usable & ~problem.existing
            differ = len(np.unique(problem.cost[free])) > 1
            return -float(problem.cost[mask].sum() if differ else mask.sum()) if share_ok else None
        case "p-median":
            asked = can & (problem.children > 0)
            if not np.isfinite(away[asked]).all() or not share_ok:
                return None
            return -float((weighted[asked] * away[asked]).sum())
        case "p-center":
            asked = can & (problem.children > 0)
            return -float(away[asked].max(initial=0.0)) if np.isfinite(away[asked]).all() and share_ok else None
        case "equity":
            if not share_ok:
                return None
            shares = np.sort(unit_shares(problem, np.where(covered, problem.children, 0.0)))
            return (*np.round(shares, 9), round(float(weighted[covered].sum()), 6))


def asked_of(problem: SitingProblem, objective: Objective) -> SitingProblem:
    """The judge of places knows no share."""
    return replace(problem, cover_share=None) if objective == "cover-capacitated" else problem


@settings(deadline=None, max_examples=40)
@given(problems(), st.sampled_from(OBJECTIVES))
def test_every_objective_agrees_with_trying_every_choice(problem: SitingProblem, objective: Objective) -> None:
    problem = asked_of(problem, objective)
    ranked = [value for mask in choices(problem) if (value := worth(problem, objective, mask)) is not None]
    answer = choose_sites(problem, objective)
    if not ranked:
        assert answer.status == "infeasible"
        return
    assert answer.status == "optimal" and answer.gap == 0
    best = max(ranked)
    mask = np.zeros(len(problem.existing), dtype=bool)
    mask[answer.opened] = True
    assert any((mask == allowed).all() for allowed in choices(problem))
    found = worth(problem, objective, mask)
    if objective == "equity":
        assert found == pytest.approx(best, abs=1e-6) and answer.objective == pytest.approx(best[0], abs=1e-9)
        return
    assert found == pytest.approx(best, abs=1e-6)
    assert abs(answer.objective) == pytest.approx(abs(best), abs=1e-6)
    assert answer.objective == pytest.approx(answer.bound, abs=1e-5)


def brings(problem: SitingProblem, objective: Objective, mask: np.ndarray) -> bool:
    """Whether nobody would do as well without one of the new sites."""
    away = distances(problem, mask)[problem.children > 0]
    for site in np.flatnonzero(mask & ~problem.required):
        fewer = mask & (np.arange(len(mask)) != site)
        if objective == "set-cover" and worth(problem, objective, fewer) is not None:
            return False
        without = distances(problem, fewer)[problem.children > 0]
        far = objective in ("p-median", "p-center")
        if (without == away).all() if far else ((without <= LIMIT_M) == (away <= LIMIT_M)).all():
            return False
    return True


@settings(deadline=None, max_examples=25)
@given(problems(), st.sampled_from(["cover", "p-median", "set-cover", "equity"]))
def test_alternatives_are_the_best_that_differ(problem: SitingProblem, objective: Objective) -> None:
    """Among answers of which every site brings something."""
    problem = asked_of(problem, objective)
    ranked = sorted(
        (
            value
            for mask in choices(problem)
            if brings(problem, objective, mask) and (value := worth(problem, objective, mask)) is not None
        ),
        reverse=True,
    )
    found = alternatives(problem, objective, 4)
    least = ranked[:4] if objective != "equity" else [value[0] for value in ranked[:4]]
    assert [abs(answer.objective) for answer in found] == pytest.approx([abs(v) for v in least], abs=1e-6)
    masks = [np.isin(np.arange(len(problem.existing)), answer.opened) for answer in found]
    assert len({tuple(answer.opened) for answer in found}) == len(found)
    assert all(brings(problem, objective, mask) for mask in masks)


@settings(deadline=None, max_examples=25)
@given(problems(plain=True))
def test_greedy_is_at_least_what_is_proved_of_it(problem: SitingProblem) -> None:
    exact = choose_sites(problem, "cover")
    assert exact.objective + 1e-6 >= exact.greedy_objective >= (1 - 1 / np.e) * exact.objective - 1e-6
    more = choose_sites(replace(problem, sites=(problem.sites or 0) + 1), "cover")
    assert more.objective >= exact.objective - 1e-9
    opened = greedy_sites(problem, merge_demand(problem))
    assert problem.children[is_covered(problem, opened)].sum() == pytest.approx(exact.greedy_objective)


@settings(deadline=None, max_examples=25)
@given(problems())
def test_merging_keeps_every_child_once_and_every_set(problem: SitingProblem) -> None:
    for by_unit, with_existing in ((False, False), (True, False), (False, True)):
        rows = merge_demand(problem, by_unit=by_unit, with_existing=with_existing)
        known = rows.row_of_demand >= 0
        assert rows.children.sum() == pytest.approx(problem.children[known].sum())
        assert len(np.unique(rows.row_of_demand[known])) == len(rows.children)
        near = problem.metres <= LIMIT_M
        usable = problem.existing | ~problem.forbidden if with_existing else ~problem.existing & ~problem.forbidden
        for demand in np.flatnonzero(known):
            sees = set(problem.site[(problem.demand == demand) & near & usable[problem.site]].tolist())
            row = rows.row_of_demand[demand]
            assert sees == set(rows.site[rows.start[row] : rows.start[row + 1]].tolist())
            assert not by_unit or rows.unit[row] == problem.unit[demand]


@settings(deadline=None, max_examples=15)
@given(problems())
def test_the_front_is_the_best_for_every_number_of_sites(problem: SitingProblem) -> None:
    problem = replace(problem, cost=np.ones(len(problem.existing)), budget=None, cover_share=None, sites=3)
    front = pareto_front(problem)
    for objective, figure in (("cover", "children"), ("equity", "worst_share")):
        points = [point for point in front if point.objective == objective]
        figures = [getattr(point, figure) for point in points]
        assert figures == sorted(set(figures)) and [p.cost for p in points] == sorted({p.cost for p in points})
        for point in points:
            allowed = replace(problem, sites=int(point.allowed))
            best = max(worth(allowed, objective, mask) for mask in choices(allowed))
            if objective == "equity":
                assert point.worst_share == pytest.approx(best[0], abs=1e-6)
            elif (problem.weight == 1).all():
                assert point.children == pytest.approx(best)


@settings(deadline=None, max_examples=25)
@given(problems())
def test_what_would_do_does_and_nothing_less(problem: SitingProblem) -> None:
    problem = replace(problem, budget=None, cover_share=0.9)
    if choose_sites(problem, "cover").status != "infeasible":
        return
    why = explain_infeasible(problem, "cover")
    needed = (problem.required & ~problem.existing).sum()
    assert why.required_count == needed
    if np.isfinite(why.least_sites):
        count = int(why.least_sites)
        assert choose_sites(replace(problem, sites=count), "cover").status == "optimal"
        assert choose_sites(replace(problem, sites=count - 1), "cover").status == "infeasible"
    if np.isfinite(why.least_limit_m):
        assert choose_sites(replace(problem, limit_m=why.least_limit_m), "cover").status == "optimal"
        assert choose_sites(replace(problem, limit_m=why.least_limit_m - 0.01), "cover").status == "infeasible"
    near = np.zeros(len(problem.children), dtype=bool)
    near[problem.demand[(problem.metres <= LIMIT_M) & (problem.existing | ~problem.forbidden)[problem.site]]] = True
    assert (why.out_of_limit == (~near & (problem.children > 0))).all()


@settings(deadline=None, max_examples=25)
@given(problems(), st.sampled_from(OBJECTIVES))
def test_no_site_of_an_answer_is_idle(problem: SitingProblem, objective: Objective) -> None:
    problem = asked_of(problem, objective)
    answer = choose_sites(problem, objective)
    if answer.status == "infeasible" or objective == "cover-capacitated":
        return
    assert brings(problem, objective, np.isin(np.arange(len(problem.existing)), answer.opened))


@settings(deadline=None, max_examples=25)
@given(problems(), st.sampled_from(["cover", "equity", "p-median", "p-center", "set-cover"]))
def test_without_a_solver_the_start_stands_if_it_keeps_all(problem: SitingProblem, objective: Objective) -> None:
    """A solver that has no time, or says that there is no answer where there is one, is not believed."""
    exact = choose_sites(problem, objective)
    for status in ("unknown", "infeasible"):
        with pytest.MonkeyPatch.context() as patch:
            for module in ("choose", "fairness"):
                name = f"cfc_geo.questions.siting.{module}.solve"
                patch.setattr(name, lambda *_, status=status, **__: Outcome(status, None, np.inf))
            found = choose_sites(problem, objective)
        if found.status in (status, "optimal"):
            assert found.status == status
            continue
        assert found.status == "feasible" and exact.status == "optimal"
        mask = np.isin(np.arange(len(problem.existing)), found.opened)
        assert worth(problem, objective, mask) is not None and any((mask == one).all() for one in choices(problem))
        sign = 1 if objective in ("cover", "equity") else -1
        assert found.objective * sign <= exact.objective * sign + 1e-6 <= found.bound * sign + 2e-6


# ---------------------------------------------------------------------------------------------------- published answers

STREETS_OF_SAN_FRANCISCO = "siting/SF_network_distance_candidateStore_16_censusTract_205_new.csv"


@pytest.mark.parametrize(
    ("objective", "published", "tolerance"),
    [("p-median", 2_848_268_129.7145, 1e-3), ("p-center", 7403.06, 0.005), ("cover", 875_247.0, 1e-6)],
)
def test_the_published_answers_of_pysal(objective: Objective, published: float, tolerance: float) -> None:
    """Distances and answers of PySAL spopt: 16 stores, 205 tracts of San Francisco, four sites."""
    table = pd.read_csv(shared_file(STREETS_OF_SAN_FRANCISCO))
    demand, tracts = pd.factorize(table["DestinationName"])
    site, stores = pd.factorize(table["name"])
    nothing = np.zeros(len(stores), dtype=bool)
    problem = SitingProblem(
        children=table.groupby(demand)["demand"].first().to_numpy(dtype=float),
        weight=np.ones(len(tracts)),
        unit=np.zeros(len(tracts), dtype=int),
        existing=nothing,
        required=nothing,
        forbidden=nothing,
        cost=np.ones(len(stores)),
        capacity=np.full(len(stores), np.inf),
        apart=np.empty((0, 2), dtype=np.int64),
        demand=demand,
        site=site,
        metres=table["distance"].to_numpy(),
        limit_m=5_000.0,
        sites=4,
    )
    answer = choose_sites(problem, objective)
    assert answer.status == "optimal" and len(answer.opened) == 4
    assert answer.objective == pytest.approx(published, abs=tolerance)


def test_a_start_that_the_solver_hands_back_is_not_taken_for_its_answer() -> None:
    """HiGHS 1.16 returns the start beside the objective of what its presolve found."""
    problem = SitingProblem(
        children=np.array([29.0, 22, 17, 19]),
        weight=np.array([1.0, 1, 2, 2]),
        unit=np.zeros(4, dtype=int),
        existing=np.isin(np.arange(9), [1, 4, 6]),
        required=np.zeros(9, dtype=bool),
        forbidden=np.arange(9) == 5,
        cost=np.ones(9),
        capacity=np.array([np.inf, 10, 10, np.inf, np.inf, 25, 10, 25, 25]),
        apart=np.array([[0, 5], [1, 2], [1, 5], [3, 5], [3, 8]]),
        demand=np.array([0, 0, 0, 1, 2, 2, 2, 3, 3, 3]),
        site=np.array([3, 5, 8, 1, 6, 7, 8, 3, 5, 8]),
        metres=np.full(10, 300.0),
        limit_m=500.0,
        sites=2,
    )
    answer = choose_sites(problem, "cover-capacitated")
    assert answer.status == "optimal" and answer.opened.tolist() == [3, 7] and answer.objective == 111


def test_ctrl_c_is_heard_while_the_solver_works() -> None:
    hung = threading.Event()

    class Hung:
        def run(self) -> None:
            hung.wait()

    threading.Timer(0.2, _thread.interrupt_main).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            program.run_in_thread(Hung())
    finally:
        hung.set()
