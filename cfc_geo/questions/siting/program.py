"""A mixed-integer program in sparse arrays, and its solution by HiGHS."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

FEASIBLE: Final = 1e-9
"""How far a solution may be from its constraints, in their own units."""
ABSOLUTE_GAP: Final = 1e-7
"""A bound so near the objective proves it."""


@dataclass(frozen=True, eq=False)
class Program:
    """Minimise `cost` · x with lower ≤ x ≤ upper, rows of (row, column, value) within row_lower and row_upper, and x
    whole where `whole`."""

    cost: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    whole: np.ndarray
    row: np.ndarray
    column: np.ndarray
    value: np.ndarray
    row_lower: np.ndarray
    row_upper: np.ndarray


@dataclass(frozen=True, eq=False)
class Outcome:
    """`status`: optimal, feasible, infeasible, unknown. `x` is None without a solution; `bound` is proved."""

    status: str
    x: np.ndarray | None
    bound: float


@dataclass
class Builder:
    """Puts a program together, block by block."""

    columns: list[tuple[np.ndarray, np.ndarray, np.ndarray, bool]] = field(default_factory=list)
    entries: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=list)
    bounds: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    width: int = 0
    height: int = 0

    def add_columns(self, cost: Any, lower: Any, upper: Any, *, whole: bool, count: int) -> np.ndarray:
        """`count` new columns; returns their numbers."""
        spread = [np.broadcast_to(np.asarray(values, dtype=float), count) for values in (cost, lower, upper)]
        self.columns.append((spread[0], spread[1], spread[2], whole))
        self.width += count
        return np.arange(self.width - count, self.width)

    def add_rows(self, row: Any, column: Any, value: Any, lower: Any, upper: Any, *, count: int) -> None:
        """`count` new rows; `row` numbers them from 0."""
        row, column = np.asarray(row, dtype=np.int64), np.asarray(column, dtype=np.int64)
        self.entries.append((row + self.height, column, np.broadcast_to(np.asarray(value, dtype=float), len(row))))
        spread = [np.broadcast_to(np.asarray(values, dtype=float), count) for values in (lower, upper)]
        self.bounds.append((spread[0], spread[1]))
        self.height += count

    def build(self) -> Program:
        cost, lower, upper = (np.concatenate([block[i] for block in self.columns]) for i in range(3))
        whole = np.concatenate([np.full(len(block[0]), block[3]) for block in self.columns])
        row, column, value = (
            np.concatenate([entry[i] for entry in self.entries]) if self.entries else np.empty(0) for i in range(3)
        )
        row_lower, row_upper = (
            np.concatenate([bound[i] for bound in self.bounds]) if self.bounds else np.empty(0) for i in range(2)
        )
        return Program(cost, lower, upper, whole, row, column, value, row_lower, row_upper)


class Deadline:
    """Seconds left of a time limit that several solutions share."""

    def __init__(self, seconds: float) -> None:
        self._end = time.perf_counter() + seconds

    def left(self) -> float:
        return max(self._end - time.perf_counter(), 0.0)


def solve(program: Program, *, start: tuple[np.ndarray, np.ndarray] | None, deadline: Deadline, gap: float) -> Outcome:
    """Solve by HiGHS (Huangfu & Hall 2018), on one thread, so that the same program gives the same answer.

    `start`: columns and values of a solution to begin with. `gap`: relative, 0 asks for proof.
    """
    import highspy

    highs: Any = highspy._core._Highs()  # highspy.Highs() prints a line, and starts threads for callbacks
    for name, value in {
        "output_flag": False,
        "time_limit": deadline.left(),
        "mip_rel_gap": gap,
        "mip_abs_gap": ABSOLUTE_GAP,
        "mip_feasibility_tolerance": FEASIBLE,
        "primal_feasibility_tolerance": FEASIBLE,
        "random_seed": 0,
    }.items():
        highs.setOptionValue(name, value)
    highs.passModel(_as_lp(highspy, program))
    if start is not None:
        columns, values = start
        highs.setSolution(len(columns), columns.astype(np.int32), values.astype(float))
    run_in_thread(highs)
    outcome = _outcome(highspy, highs, mixed=bool(program.whole.any()))
    stated = highs.getInfo().objective_function_value
    if start is not None and outcome.x is not None and not np.isclose(program.cost @ outcome.x, stated, rtol=1e-7):
        # HiGHS 1.16 may hand back the start beside the objective of a better solution that presolve found
        return solve(program, start=None, deadline=deadline, gap=gap)
    return outcome


def run_in_thread(highs: Any) -> None:
    """Run in a thread of its own: HiGHS does not listen to Ctrl-C, and Python only hears it between two calls. Whoever
    is interrupted leaves at once; the thread goes on until its time is over, or the process ends."""
    done = threading.Event()

    def run() -> None:
        try:
            highs.run()
        finally:
            done.set()

    threading.Thread(target=run, daemon=True).start()
    while not done.wait(0.1):
        pass


def _as_lp(highspy: Any, program: Program) -> Any:
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(program.cost), len(program.row_lower)
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = program.cost, program.lower, program.upper
    lp.row_lower_, lp.row_upper_ = program.row_lower, program.row_upper
    order = np.argsort(program.row, kind="stable")
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.searchsorted(program.row[order], np.arange(lp.num_row_ + 1)).astype(np.int32)
    lp.a_matrix_.index_ = program.column[order].astype(np.int32)
    lp.a_matrix_.value_ = program.value[order].astype(float)
    kinds = highspy.HighsVarType
    lp.integrality_ = [kinds.kInteger if whole else kinds.kContinuous for whole in program.whole]
    return lp


def _outcome(highspy: Any, highs: Any, *, mixed: bool) -> Outcome:
    status, info = highs.getModelStatus(), highs.getInfo()
    found = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    x = np.array(highs.getSolution().col_value) if found else None
    if status == highspy.HighsModelStatus.kOptimal:
        bound = info.mip_dual_bound if mixed else info.objective_function_value
        return Outcome("optimal", x, float(bound))
    if status == highspy.HighsModelStatus.kInfeasible:
        return Outcome("infeasible", None, np.inf)
    bound = float(info.mip_dual_bound) if mixed else -np.inf
    return Outcome("feasible" if found else "unknown", x, bound)
