"""cfc_geo: what children can walk to, where the gaps are, and what a proposal would change.

from cfc_geo import load_plan, run_plan, write_result
result = run_plan(load_plan("scenarios/base.toml"))
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cfc_geo.errors import CfcError, DataError, Finding, NetworkError, OutputError, PlanError
    from cfc_geo.model import Coverage, Network, Result, Study
    from cfc_geo.outputs.folder import write_result
    from cfc_geo.plan import Plan, load_plan
    from cfc_geo.run import check_plan, run_plan, run_plans

__all__ = [
    "CfcError",
    "Coverage",
    "DataError",
    "Finding",
    "Network",
    "NetworkError",
    "OutputError",
    "Plan",
    "PlanError",
    "Result",
    "Study",
    "check_plan",
    "load_plan",
    "run_plan",
    "run_plans",
    "write_result",
]

_ROOMS = ("errors", "plan", "model", "run", "outputs.folder")


def __getattr__(name: str) -> Any:
    """Public names are imported when first asked for: `cfc-geo --help` needs none of the libraries behind them."""
    if name in __all__:
        for room in _ROOMS:
            if hasattr(module := import_module(f"{__name__}.{room}"), name):
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
