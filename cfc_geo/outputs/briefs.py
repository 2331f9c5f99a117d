"""The briefs of a result, in a folder beside it: `internal/` with exact figures, `share/` with protected ones and what
else may leave the office."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from cfc_geo.model import Dossier
from cfc_geo.outputs.brief import Brief, Subject, make_brief
from cfc_geo.outputs.brief_docx import brief_docx, map_font
from cfc_geo.outputs.brief_html import brief_html
from cfc_geo.outputs.brief_pdf import brief_pdf
from cfc_geo.outputs.figures import Figures
from cfc_geo.outputs.folder import check_brief_folder, file_stems, renewed
from cfc_geo.outputs.provenance import PROGRAM, RUN_RECORD, versions, write_record
from cfc_geo.outputs.score_words import told_in
from cfc_geo.outputs.shared import write_shared
from cfc_geo.questions.disclosure.protect import Protected
from cfc_geo.questions.disclosure.scores import protect_score_units, protect_scores

FORMATS: Final[Mapping[str, Callable[[Brief, Path | None], bytes]]] = MappingProxyType(
    {"docx": brief_docx, "pdf": brief_pdf, "html": brief_html}
)
INTERNAL, SHARE = "internal", "share"
WRITTEN: Final = "图"
"""A font that may be embedded, if there is one, has this."""


def write_briefs(
    dossier: Dossier,
    result: Path,
    units: Sequence[str],
    formats: Sequence[str],
    lang: str,
    *,
    protected: Protected,
    font: Path | None = None,
) -> Path:
    """Write a brief for each of `units` (ids, or `tables.ALL_UNITS`) beside the `result`, and return the folder: whole,
    in the place of an old one, or not at all.

    `protected`: what of the result may leave the office. Raises `OutputError`, also where a format needs a Chinese font
    and this machine has none.
    """
    folder = check_brief_folder(result)
    stems, rules = file_stems(units, "unit"), protected.rules
    if dossier.scores is not None:
        dossier = replace(dossier, scores=told_in(dossier.scores, lang))
    editions = {
        INTERNAL: (dossier, Figures(dossier.coverage, dossier.circle, lang)),
        SHARE: (protected_dossier(dossier, protected), Figures(protected.coverage, protected.circle, lang, rules)),
    }
    with renewed(folder) as new:
        for name, (told, figures) in editions.items():
            (new / name).mkdir()
            for unit, stem in zip(units, stems, strict=True):
                for format, content in _files(Subject(told, figures, unit, lang), formats, font).items():
                    (new / name / f"{stem}.{lang}.{format}").write_bytes(content)
        approval_no = dossier.approval_no
        write_shared(new / SHARE, dossier.finished, protected, lang, approval_no=approval_no, scores=dossier.scores)
        record = {
            "program": PROGRAM,
            "verb": "brief",
            "result": {"folder": dossier.finished.name, "run_sha256": dossier.finished.record_sha256},
            "versions": versions(),
            "units": list(units),
            "k": rules.k,
            "base": rules.base,
        }
        write_record(record, new / RUN_RECORD, [*(new / INTERNAL).iterdir(), *(new / SHARE).iterdir()])
    return folder


def protected_dossier(dossier: Dossier, protected: Protected) -> Dossier:
    """With what may leave the office of the scorecard."""
    scores, units = dossier.scores, dossier.score_units
    return replace(
        dossier,
        scores=None if scores is None else protect_scores(scores, protected),
        score_units=None if scores is None or units is None else protect_score_units(units, scores),
    )


def _files(subject: Subject, formats: Sequence[str], font: Path | None) -> dict[str, bytes]:
    """Format → file. Only DOCX does without a Chinese font, by numbers in its map."""
    brief = make_brief(subject)
    made = {}
    for format in formats:
        shown = brief
        if format == "docx" and map_font(WRITTEN, font) is None:
            shown = make_brief(subject, lettered=False)
        made[format] = FORMATS[format](shown, font)
    return made
