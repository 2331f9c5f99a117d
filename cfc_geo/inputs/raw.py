"""A file as read, before any rule of normalisation touches it; and how the complaints of readers become findings."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from pyproj import CRS

from cfc_geo.errors import Counted, Findings, Rows


@dataclass(frozen=True, eq=False)
class RawLayer:
    """A file as read. `frame` has a `geometry` column and `crs` where the format carries them.

    `numbers` are what a user calls the records: in a table the row, of which the heading is usually the first; in a
    vector layer 1, 2, 3 …

    `merged`: heading → records that share one merged cell with a number in it: one number for all of them, which
    stands in the first of them only.
    """

    file: str
    format: str
    frame: pd.DataFrame
    crs: CRS | None
    counted: Counted
    numbers: np.ndarray
    sheet: str = ""
    merged: Mapping[str, np.ndarray] = field(default_factory=dict)
    above: tuple[str, ...] = ()
    """The cells of a sheet above its heading: titles, units."""

    @property
    def whole(self) -> Rows:
        """The file, or the sheet of it, without naming a record."""
        return Rows((), self.counted, self.sheet)

    def rows(self, mask: "pd.Series | Iterable[bool]") -> Rows:
        """The records where `mask` is true, as a user counts them."""
        return replace(self.whole, numbers=tuple(self.numbers[np.asarray(mask, dtype=bool)].tolist()))

    def where(self, mask: np.ndarray) -> "RawLayer":
        """The records where `mask` is true."""
        merged = {heading: shared[mask] for heading, shared in self.merged.items()}
        return replace(self, frame=self.frame[mask].reset_index(drop=True), numbers=self.numbers[mask], merged=merged)


@contextmanager
def reading(path: Path, file: str, format: str, findings: Findings) -> Iterator[None]:
    """Turns whatever a reader says of a file into findings: its warnings, and what it raises.

    Readers raise errors of many kinds, theirs and those of the libraries below them; each means that the file is not
    what it seems to be.
    """
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            yield
        except Exception as error:
            reason = (str(error) or type(error).__name__).splitlines()[0].replace(str(path), file)
            findings.error("read.unreadable", file, format=format, reason=reason)
    for text in list(dict.fromkeys(str(warning.message) for warning in said))[:5]:
        findings.warning("read.reader_says", file, says=text.replace(str(path), file))
