"""A Chinese font of this machine → the glyphs of one text, to embed in a PDF or a page.

No font is shipped: one that holds every name a planner may meet is ten times the size of the program. What is embedded
is only what is written, and only of fonts that allow it (`fsType` of the OpenType table OS/2).
"""

import hashlib
import io
import os
import sys
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from cfc_geo.errors import Findings, OutputError

FILES: Final = (
    "NotoSansCJKsc-Regular.otf", "NotoSansSC-Regular.otf", "NotoSansSC-Regular.ttf", "NotoSansCJK-Regular.ttc",
    "SourceHanSansSC-Regular.otf", "SourceHanSansCN-Regular.otf", "msyh.ttc", "Deng.ttf", "simhei.ttf", "PingFang.ttc",
    "Hiragino Sans GB.ttc", "STHeiti Light.ttc", "wqy-microhei.ttc", "wqy-zenhei.ttc", "DroidSansFallbackFull.ttf",
)  # fmt: skip
"""File names of fonts with simplified Chinese, the preferred first."""
IN_COLLECTION: Final = ("CJK SC", "YaHei", "PingFang SC", "Sans GB", "Heiti SC", "Micro Hei", "Zen Hei")
"""Which face of a collection to take."""
NOT_EMBEDDABLE: Final = 0x0002
CURVE_ERROR: Final = 1.0
"""How far a quadratic curve may be from the cubic it stands for, in units of the font (usually 1/1000 em)."""
UNIX_EPOCH: Final = 2_082_844_800
"""1970-01-01 as fonts count seconds."""
MISSING: Final = "□"
WIDE_SPACE: Final = "\u3000"


def embeddable_font(text: str, font: Path | None = None) -> bytes:
    """A TrueType font with the glyphs of `text`, a box for what the font lacks.

    `font`: a file; by default the first of `FILES` that this machine has and that may be embedded. Raises `OutputError`
    where there is none, or the file is no font that may be embedded.
    """
    findings = Findings()
    if font is not None:
        opened = _opened(font)
        if opened is None:
            findings.error("pdf.font", str(font))
    else:
        opened = next((found for path in _on_this_machine() if (found := _opened(path)) is not None), None)
        if opened is None:
            findings.error("pdf.no_font", fonts=list(FILES[:6]))
    findings.raise_errors(OutputError)
    return _subset(opened, text)


def register(font: bytes) -> str:
    """Make a font known to reportlab, which keeps fonts by name for as long as the process runs."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    name = f"cfc-geo-{hashlib.sha256(font).hexdigest()[:12]}"
    pdfmetrics.registerFont(TTFont(name, io.BytesIO(font)))
    return name


def web_font(text: str, font: Path | None = None) -> bytes:
    """The same as `embeddable_font`, packed for web pages (WOFF2)."""
    from fontTools.ttLib import TTFont

    packed = TTFont(io.BytesIO(embeddable_font(text, font)), recalcTimestamp=False)
    packed.flavor = "woff2"
    buffer = io.BytesIO()
    packed.save(buffer)
    return buffer.getvalue()


def font_folders() -> list[Path]:
    """Where this machine keeps fonts."""
    home = Path.home()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA", str(home / "AppData" / "Local"))
        return [Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts", Path(local) / "Microsoft/Windows/Fonts"]
    if sys.platform == "darwin":
        return [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts"]
    return [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), home / ".local/share/fonts", home / ".fonts"]


def _on_this_machine() -> Iterable[Path]:
    found: dict[str, Path] = {}
    for folder in font_folders():
        for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
            found.setdefault(path.name, path)
    return [found[name] for name in FILES if name in found]


@lru_cache(maxsize=1)
def _opened(path: Path) -> Any:
    """The font, of a collection the simplified Chinese face; None if it is none, or may not be embedded."""
    from fontTools.ttLib import TTCollection, TTFont, TTLibError

    try:
        content = path.read_bytes()
        collection = content.startswith(b"ttcf")
        faces = TTCollection(io.BytesIO(content), lazy=True).fonts if collection else [TTFont(io.BytesIO(content))]
        named = [face for face in faces if any(word in str(face["name"].getDebugName(1)) for word in IN_COLLECTION)]
        face = (named or faces)[0]
        return None if face["OS/2"].fsType & NOT_EMBEDDABLE or not face.getBestCmap() else face
    except (OSError, TTLibError, KeyError, AttributeError):
        return None


def _subset(face: Any, text: str) -> bytes:
    """A font of its own with quadratic outlines, whatever outlines the face has: PDF libraries without a renderer of
    PostScript outlines embed only these."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.cu2quPen import Cu2QuPen
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    glyphs, cmap, units = face.getGlyphSet(), face.getBestCmap(), face["head"].unitsPerEm
    wanted = {ord(mark) for mark in {*text, MISSING, " "} if mark.isprintable() or mark == WIDE_SPACE}
    known = {code: cmap[code] for code in sorted(wanted) if code in cmap}
    spare = cmap.get(ord(MISSING), ".notdef")
    named = {f"u{code:05X}": known.get(code, spare) for code in sorted(wanted)}
    order = {".notdef": ".notdef", **named}
    drawn, widths = {}, {}
    for name, source in order.items():
        pen = TTGlyphPen(None)
        _draw(glyphs, source, Cu2QuPen(pen, CURVE_ERROR * units / 1000, reverse_direction="CFF " in face))
        drawn[name] = pen.glyph()
        widths[name] = (round(glyphs[source].width), 0)
    builder = FontBuilder(units, isTTF=True)
    builder.setupGlyphOrder(list(order))
    builder.setupCharacterMap({code: f"u{code:05X}" for code in sorted(wanted)})
    builder.setupGlyf(drawn)
    builder.setupHorizontalMetrics(
        {name: (width, drawn[name].xMin if drawn[name].numberOfContours else 0) for name, (width, _) in widths.items()}
    )
    builder.setupHorizontalHeader(ascent=face["hhea"].ascent, descent=face["hhea"].descent)
    family = f"Embedded-{hashlib.sha256(text.encode()).hexdigest()[:8]}"  # readers take fonts of one name for one font
    builder.setupNameTable({"familyName": family, "styleName": "Regular", "psName": f"{family}-Regular"})
    builder.setupOS2(sTypoAscender=face["hhea"].ascent, sTypoDescender=face["hhea"].descent, fsType=face["OS/2"].fsType)
    builder.setupPost()
    builder.font["head"].created = builder.font["head"].modified = UNIX_EPOCH  # the same text gives the same bytes
    builder.font.recalcTimestamp = False
    buffer = io.BytesIO()
    builder.save(buffer)
    return buffer.getvalue()


def _draw(glyphs: Any, name: str, pen: Any) -> None:
    """The outline of a glyph, parts that it borrows from others included."""
    from fontTools.pens.recordingPen import DecomposingRecordingPen

    record = DecomposingRecordingPen(glyphs)
    glyphs[name].draw(record)
    record.replay(pen)
