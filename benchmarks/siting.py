"""Siting beside spopt: most children within the limit of N new sites, proved optimal, model building included.

    python benchmarks/siting.py                 # 10,000 cells x 500 candidates, 10 and 20 sites; spopt where installed
    python benchmarks/siting.py --large         # 50,000 x 500, and 100,000 x 2,000 with a gap of 1 %
    python benchmarks/siting.py --smallest      # seconds: does it still run

A drawn town: cells and candidates crowd around centres of a square whose size grows with their number; distances run
along streets of a grid that is turned by a few degrees.
"""

import argparse
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely

sys.path.insert(0, str(Path(__file__).parents[1]))

from cfc_geo.questions.siting.choose import choose_sites
from cfc_geo.questions.siting.merged import merge_demand
from cfc_geo.questions.siting.problem import SitingProblem
from cfc_geo.questions.siting.start import greedy_sites


@dataclass(frozen=True)
class Size:
    cells: int
    candidates: int
    sites: tuple[int, ...]
    side_m: float
    limit_m: float = 700.0
    gap: float = 0.0
    time_limit_s: float = 120.0
    beside_spopt: bool = True


USUAL = (Size(10_000, 500, (10, 20), 11_200), Size(10_000, 500, (10,), 11_200, limit_m=1_200.0))
LARGE = (
    Size(50_000, 500, (20,), 11_200, beside_spopt=False),
    Size(50_000, 500, (10,), 11_200, limit_m=1_200.0, beside_spopt=False),
    Size(100_000, 2_000, (40,), 22_400, gap=0.01, beside_spopt=False),
    Size(100_000, 2_000, (40,), 22_400, limit_m=1_200.0, gap=0.01, beside_spopt=False),
)
SMALLEST = (Size(400, 30, (3,), 3_000),)


def drawn_town(size: Size, seed: int = 7) -> SitingProblem:
    """The problem without a number of sites."""
    rng = np.random.default_rng(seed)
    cells, candidates = _places(rng, size.cells, size.side_m), _places(rng, size.candidates, size.side_m)
    tree = shapely.STRtree(shapely.points(cells))
    site, demand = tree.query(shapely.points(candidates), predicate="dwithin", distance=size.limit_m)
    turned = np.array([[np.cos(0.2), -np.sin(0.2)], [np.sin(0.2), np.cos(0.2)]])
    metres = np.abs((cells[demand] - candidates[site]) @ turned).sum(axis=1)
    near = metres <= size.limit_m
    count = size.candidates
    return SitingProblem(
        children=rng.integers(1, 40, size.cells).astype(float),
        weight=np.ones(size.cells),
        unit=rng.integers(0, 40, size.cells),
        existing=np.zeros(count, dtype=bool),
        required=np.zeros(count, dtype=bool),
        forbidden=np.zeros(count, dtype=bool),
        cost=np.ones(count),
        capacity=np.full(count, np.inf),
        apart=np.empty((0, 2), dtype=np.int64),
        demand=demand[near],
        site=site[near],
        metres=metres[near],
        limit_m=size.limit_m,
    )


def _places(rng: np.random.Generator, count: int, side_m: float) -> np.ndarray:
    centres = rng.random((40, 2)) * side_m
    crowded = centres[rng.integers(0, 40, count)] + rng.normal(0, side_m / 12, (count, 2))
    alone = rng.random((count, 2)) * side_m
    places: np.ndarray = np.clip(np.where(rng.random((count, 1)) < 0.6, crowded, alone), 0, side_m)
    return np.rint(places / 10) * 10


def measure(size: Size) -> None:
    """One line a number of sites."""
    town = drawn_town(size)
    rows = merge_demand(town)
    asked = f"{size.cells:,} cells x {size.candidates:,} candidates within {size.limit_m:.0f} m"
    print(f"{asked}: {len(town.metres):,} pairs, {len(rows.children):,} rows")
    for sites in size.sites:
        problem = replace(town, sites=sites)
        began = time.perf_counter()
        greedy_sites(problem, merge_demand(problem))
        greedy_s = time.perf_counter() - began
        answer = choose_sites(problem, "cover", gap=size.gap, time_limit_s=size.time_limit_s)
        short = 100 * (1 - answer.greedy_objective / answer.objective)
        told = f"  {sites} sites: {answer.seconds:.2f} s, {answer.status}, gap {answer.gap:.2%}"
        print(f"{told}; greedy {greedy_s:.3f} s, {short:.1f} % short", end="", flush=True)
        theirs = _spopt(problem) if size.beside_spopt else None
        if theirs is not None:
            seconds, objective = theirs
            print(f"; spopt {seconds:.1f} s: ratio {answer.seconds / seconds:.3f}", end="")
            assert abs(objective - answer.objective) <= 1e-6 * objective, (objective, answer.objective)
        print()


def _spopt(problem: SitingProblem) -> tuple[float, float] | None:
    """Seconds and objective of spopt's MCLP, from the same distances as a full matrix; None where not installed."""
    try:
        import pulp  # type: ignore[import-not-found]
        from spopt.locate import MCLP  # type: ignore[import-not-found]
    except ImportError:
        print("; spopt is not installed", end="")
        return None
    full = np.full((len(problem.children), len(problem.existing)), 1e6)
    full[problem.demand, problem.site] = problem.metres
    began = time.perf_counter()
    model: Any = MCLP.from_cost_matrix(full, problem.children, problem.limit_m, p_facilities=problem.sites)
    model.solve(pulp.PULP_CBC_CMD(msg=False))
    return time.perf_counter() - began, float(pulp.value(model.problem.objective))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smallest", action="store_true")
    parser.add_argument("--large", action="store_true")
    asked = parser.parse_args()
    for size in SMALLEST if asked.smallest else LARGE if asked.large else USUAL:
        measure(size)
