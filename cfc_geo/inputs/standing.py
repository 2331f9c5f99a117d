"""Whether a record is a facility that is open now: what its status, its remarks and the brackets of its name say.

A planned or closed school that counts is a wrong answer that nobody sees, so the planner has to say what it is.
"""

import unicodedata
from collections.abc import Mapping

import numpy as np
import pandas as pd

from cfc_geo import catalog
from cfc_geo.blocks import Facilities
from cfc_geo.errors import Findings
from cfc_geo.inputs.headings import IN_BRACKETS
from cfc_geo.inputs.normalise import text
from cfc_geo.inputs.raw import RawLayer

SAYING = ("status", "remarks")
"""Roles of the columns that may say so."""
SHOWN_WORDS = 12


def is_open(
    raw: RawLayer, block: Facilities, columns: Mapping[str, str], names: pd.Series, findings: Findings
) -> np.ndarray:
    """Record by record: False for those that the file says are closed or only planned, if the plan leaves them out.

    `names` are the records' names. Where the plan does not say what to do (`not_open`) such records are an error.
    """
    said = [text(raw.frame[columns[role]]) for role in SAYING if columns.get(role) in raw.frame]
    folded = [texts.reset_index(drop=True).map(_folded) for texts in [*said, names]]
    folded[-1] = folded[-1].map(lambda name: " ".join(IN_BRACKETS.findall(name)))
    doubted = [_words(texts) for texts in folded]
    doubtful = np.any([words != "" for words in doubted], axis=0)
    if not doubtful.any():
        return np.ones(len(names), dtype=bool)
    found = sorted({word for words in doubted for word in words} - {""})[:SHOWN_WORDS]
    told = {"words": found, "count": int(doubtful.sum())}
    if block.not_open is None:
        findings.error("facilities.not_open", raw.file, raw.rows(doubtful), **told)
    elif block.not_open == "keep":
        findings.warning("facilities.not_open_kept", raw.file, raw.rows(doubtful), **told)
    else:
        findings.note("facilities.not_open_left", raw.file, raw.rows(doubtful), **told)
    return ~doubtful if block.not_open == "ignore" else np.ones(len(names), dtype=bool)


def _words(texts: pd.Series) -> np.ndarray:
    """What of each text says that a facility is not open; "" nothing, or the contrary (not closed)."""
    marks = sorted(catalog.cell_words("not_open"), key=len, reverse=True)
    never = tuple(before + mark for before in catalog.cell_words("denies") for mark in marks)
    found = []
    for said in texts:
        rest = said
        for denied in never:
            rest = rest.replace(denied, "")
        found.append(next((mark for mark in marks if mark in rest), ""))
    return np.array(found, dtype=object)


def _folded(words: str) -> str:
    return unicodedata.normalize("NFKC", words).casefold()
