"""What is shown of a count of children: nothing of a small one, the others rounded."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from cfc_geo.errors import DataError, Findings

LEAST_K: Final = 5
LEAST_BASE: Final = 5
NOTHING: Final = 1e-6
"""Sums of children that differ by no more are equal."""

SHOWN, SUPPRESSED, UNKNOWN = "", "suppressed", "unknown"
"""What a figure is: shown; kept back; or known to nobody."""


@dataclass(frozen=True)
class Rules:
    """Counts above 0 and under `k` are kept back; others are rounded to `base`, halves up, and to no less than `k`.

    Raises `DataError` for rules that protect too little.
    """

    k: float = 10
    base: float = 5

    def __post_init__(self) -> None:
        findings = Findings()
        if not LEAST_K <= self.k < np.inf:
            findings.error("share.k", k=self.k, least=LEAST_K)
        if not LEAST_BASE <= self.base < np.inf:
            findings.error("share.base", base=self.base, least=LEAST_BASE)
        findings.raise_errors(DataError)

    @property
    def least_shown(self) -> float:
        """The least figure above 0 that is ever shown: the least multiple of `base` from `k` on."""
        return float(np.ceil(self.k / self.base) * self.base)

    def is_small(self, counts: np.ndarray) -> np.ndarray:
        """Whether counts are above 0 and under `k`."""
        return np.asarray((counts > NOTHING) & (counts < self.k))

    def rounded(self, counts: np.ndarray) -> np.ndarray:
        """What is shown of counts of which none is small."""
        nearest = np.floor(counts / self.base + 0.5) * self.base
        return np.where(counts > NOTHING, np.maximum(nearest, self.least_shown), 0.0)

    def bounds(self, shown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What a reader knows of the counts behind figures: at least, and less than (a shown 0 is 0)."""
        half = self.base / 2
        lower = np.where(shown > self.least_shown, shown - half, np.where(shown > 0, self.k, 0.0))
        return lower, np.where(shown > 0, shown + half, 0.0)
