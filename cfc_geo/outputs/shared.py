"""What leaves the office, beside the briefs: a workbook and a map, in a folder that others may see."""

from pathlib import Path
from typing import Final

import pandas as pd

from cfc_geo.model import Finished
from cfc_geo.outputs.shared_map import draw_shared
from cfc_geo.outputs.shared_workbook import shared_workbook
from cfc_geo.questions.disclosure.protect import Protected

WORKBOOK: Final = "workbook.xlsx"
MAP: Final = "map.html"


def write_shared(
    folder: Path, finished: Finished, protected: Protected, lang: str,
    *, approval_no: str = "", scores: pd.DataFrame | None = None,
) -> None:  # fmt: skip
    """Write `WORKBOOK` and `MAP` into `folder`, which is there. Raises `OSError`.

    `approval_no`: the 审图号 of the map, "" if it was not reviewed. `scores`: `tables.SCORE_COLUMNS` and `SCORE_SAID`,
    exact; their figures are coarsened.
    """
    (folder / WORKBOOK).write_bytes(shared_workbook(finished, protected, lang, scores=scores))
    page = draw_shared(finished, protected, lang, approval_no=approval_no)
    (folder / MAP).write_text(page, encoding="utf-8", newline="\n")
