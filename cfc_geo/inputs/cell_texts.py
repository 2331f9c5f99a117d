"""What people write in cells → numbers, degrees, dates; and how each was read, so that it can be told.

Nothing is guessed: a range, a percentage or a number of classes where places are wanted has a way of its own to be
refused. Texts come trimmed; "" is an empty cell.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import partial

import numpy as np
import pandas as pd

from cfc_geo import catalog
from cfc_geo.inputs.marks import has_marks, without_marks

TEN_THOUSAND = 10_000.0
EXCEL_EPOCH = date(1899, 12, 30)
SERIALS = (18_264, 73_050)
"""Excel's numbers of the days from 1950 to 2099."""

PLAIN = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)
DIGITS = r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
NUMBER = re.compile(
    rf"(?P<about>约|大约|近|≈|~)?(?P<number>{DIGITS})(?P<more>多|余)?(?P<wan>万)?"
    r"(?P<unit>m2|[^\d()+\-~,.%]*?)(?P<around>左右|上下)?(?P<aside>\([^()]*\))?",
    re.ASCII,
)
CLASSES = re.compile(r"约?\d+个?班级?", re.ASCII)
RANGE = re.compile(r"约?\d+(?:\.\d+)?\D{0,3}[-~—–至到]+\d+(?:\.\d+)?\D{0,3}", re.ASCII)
PERCENT = re.compile(r"[+-]?\d+(?:\.\d+)?%", re.ASCII)
ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?: [\d:.]+)?", re.ASCII)

DEGREES = re.compile(
    r"(?P<before>东经|北纬|[EN])?(?P<degrees>\d{1,3}(?:\.\d+)?)"
    r"(?:[°度](?:(?P<minutes>\d{1,2}(?:\.\d+)?)['′’分](?:(?P<seconds>\d{1,2}(?:\.\d+)?)(?:\"|″|”|秒|''|′′))?)?)?"
    r"(?P<after>[EN])?",
    re.IGNORECASE | re.ASCII,
)
HEMISPHERE = {"lon": ("", "东经", "E"), "lat": ("", "北纬", "N")}

DATE = re.compile(r"(\d{4})(?:[-/.年](\d{1,2})(?:[-/.月](\d{1,2})日?|月)?|年)?(?: [\d:.]+)?", re.ASCII)
DATE_DIGITS = re.compile(r"(\d{4})(\d{2})(\d{2})", re.ASCII)

Reading = tuple[float, str]
"""A value (NaN where there is none) and how it was read."""


def read_numbers(texts: pd.Series, measure: str) -> tuple[np.ndarray, np.ndarray]:
    """Values, and how each cell was read.

    plain; tidied (full width, thousands separators), unit, about (约), aside (a note in brackets dropped); empty,
    blank_word: no value; classes, range, percent, date, unit_unknown, other (309①, too): refused. `measure` names the
    units of the catalogue that are understood; 万 is, with any.
    """
    return _read(texts, partial(_number, units=catalog.units_of(measure)))


def read_degrees(texts: pd.Series, axis: str) -> tuple[np.ndarray, np.ndarray]:
    """Decimal degrees, or metres on a sheet, of a column of coordinates; `axis` is lon or lat. How: plain, converted
    (full width, degree signs, minutes and seconds, E and N), other (refused)."""
    return _read(texts, partial(_degrees, axis=axis))


def read_date(text: str) -> str:
    """A date as ISO text, as exact as it is given ("2024", "2024-09", "2024-09-01"); "" where it is none.

    Whole numbers of five digits are Excel's count of days.
    """
    told = unicodedata.normalize("NFKC", without_marks(text)).strip()
    if len(told) == 5 and told.isdecimal() and SERIALS[0] <= int(told) <= SERIALS[1]:
        return (EXCEL_EPOCH + timedelta(days=int(told))).isoformat()
    found = DATE_DIGITS.fullmatch(told) or DATE.fullmatch(told)
    parts = [int(part) for part in found.groups() if part] if found else []
    try:
        date(*[*parts, 1, 1][:3])
    except (TypeError, ValueError):
        return ""
    return "-".join(f"{part:02}" for part in parts)


def is_number(text: str) -> bool:
    """Whether a cell holds a number, with or without a unit of any measure, or what a reader of numbers refuses."""
    if PLAIN.fullmatch(text):
        return True
    told = unicodedata.normalize("NFKC", without_marks(text)).replace(" ", "")
    return any(pattern.fullmatch(told) for pattern in (NUMBER, CLASSES, RANGE, PERCENT)) and len(told) <= 20


def _read(texts: pd.Series, read_one: Callable[[str], Reading]) -> tuple[np.ndarray, np.ndarray]:
    """`read_one` of every text that is no plain number, each text once."""
    values = np.array(pd.to_numeric(texts, errors="coerce"), dtype=float)
    how = np.full(len(values), "plain", dtype=object)
    left = ~np.isfinite(values)
    codes, words = pd.factorize(texts.to_numpy(dtype=object)[left])
    read = [read_one(word) for word in words]
    values[left] = np.array([value for value, _ in read], dtype=float)[codes]
    how[left] = np.array([way for _, way in read], dtype=object)[codes]
    return values, how


def _number(text: str, units: Mapping[str, float]) -> Reading:
    told = unicodedata.normalize("NFKC", text).strip()
    if not told:
        return np.nan, "empty"
    if {told.casefold(), text} & catalog.cell_words("blank"):
        return np.nan, "blank_word"
    if has_marks(text):
        return np.nan, "other"
    close = told.replace(" ", "")
    for way, pattern in (("classes", CLASSES), ("range", RANGE), ("percent", PERCENT), ("date", ISO_DATE)):
        if pattern.fullmatch(told if way == "date" else close):
            return np.nan, way
    found = NUMBER.fullmatch(close)
    if found is None or re.search(r"\d \d", told) or re.search(r"\d", found["aside"] or ""):
        return np.nan, "other"
    if found["unit"] and found["unit"] not in units:
        return np.nan, "unit_unknown"
    value = float(found["number"].replace(",", "")) * units.get(found["unit"], 1)
    value *= TEN_THOUSAND if found["wan"] else 1
    if found["about"] or found["more"] or found["around"]:
        return value, "about"
    if found["aside"]:
        return value, "aside"
    return value, "unit" if found["unit"] or found["wan"] else "tidied"


def _degrees(text: str, axis: str) -> Reading:
    told = unicodedata.normalize("NFKC", text).replace(" ", "")
    found = DEGREES.fullmatch(told)
    if (
        found is None
        or has_marks(text)
        or {(found["before"] or "").upper(), (found["after"] or "").upper()} - set(HEMISPHERE[axis])
    ):
        return np.nan, "other"
    minutes, seconds = (float(found[part] or 0) for part in ("minutes", "seconds"))
    if max(minutes, seconds) >= 60:
        return np.nan, "other"
    return float(found["degrees"]) + minutes / 60 + seconds / 3600, "converted"
