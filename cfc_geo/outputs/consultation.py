"""What the datum doctor says of one file, in words."""

from collections.abc import Iterator
from typing import Any

from cfc_geo import catalog
from cfc_geo.inputs.consult import Consultation
from cfc_geo.inputs.readings import Reading


def consultation_lines(told: Consultation, lang: str) -> Iterator[str]:
    """The consultation, line by line: what was read, what speaks for each reading, the verdict, what to write."""

    def tell(key: str, **values: Any) -> str:
        return catalog.word(f"doctor.{key}", lang, **values)

    found = told.diagnosis
    yield tell("file", file=told.file, points=found.points)
    if told.unread:
        yield tell("unread", count=told.unread)
    if told.crs:
        yield tell("crs", crs=told.crs)
    if any(told.lonlat):
        yield tell("columns", lon=told.lonlat[0], lat=told.lonlat[1])
    for row in found.weighed:
        if row.inside != row.inside:  # nothing to compare with
            continue
        metres = {
            name: "–" if value != value else f"{value:,.0f}"
            for name, value in (("street_m", row.street_m), ("building_m", row.building_m))
        }
        sure = "> 99.9%" if row.probability > 0.999 else f"{row.probability:.1%}"  # never certainty
        values = {"inside": f"{row.inside:.0%}", "percent": sure if found.reason in ("", "alike") else "–"}
        yield tell("row", reading=_reading_name(row.reading, lang), **metres, **values)
    verdict = found.verdict
    yield tell(f"reason_{found.reason or 'evidence'}")
    if verdict is None:
        if found.weighed and all(row.reading.swapped for row in found.weighed) and found.reason != "swapped":
            yield tell("reason_swapped")
        yield tell("cannot_tell")
        return
    yield tell("verdict", reading=_reading_name(verdict, lang))
    if verdict.streets:
        return
    yield tell("write", datum=verdict.datum)
    if verdict.swapped and any(told.lonlat):
        yield tell("write_swapped", lon=told.lonlat[1], lat=told.lonlat[0])
    if told.declared:
        same = verdict.datum == told.declared or {verdict.datum, told.declared} == {"wgs84", "cgcs2000"}
        yield tell("declared_right" if same and not verdict.swapped else "declared_wrong", datum=told.declared)


def _reading_name(reading: Reading, lang: str) -> str:
    """A reading as users read it: GCJ-02, EPSG:4549 …, and what else is unlike its declaration."""
    datum = reading.datum if reading.datum.startswith("EPSG:") else catalog.word(f"doctor.{reading.datum}", lang)
    if reading.swapped:
        return catalog.word("doctor.swapped", lang, datum=datum)
    if reading.streets:
        streets = catalog.word(f"doctor.{reading.streets}", lang)
        return catalog.word("doctor.streets", lang, datum=datum, streets=streets)
    return datum
