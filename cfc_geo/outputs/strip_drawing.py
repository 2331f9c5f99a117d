"""A map strip on paper: the ground, the corridor, its marks and names, each where it hides no other."""

from collections.abc import Callable
from typing import Any, Final

import shapely

from cfc_geo.outputs.map_strip import GROUND_COLOURS, STRESS_COLOURS, Strip, box_along, free_box, scale_bar

LEGEND_HIGH: Final = 16.0
"""Below the frame."""
MARK_HIGH: Final = 11.0
MARK_SIZE: Final = 6.5
NAME_SIZE: Final = 7.0
AROUND: Final = [
    (far * x, far * y)
    for far in (1, 2, 3, 4, 6)
    for x, y in ((0, 1.2), (0, -1.2), (1.2, 0), (-1.2, 0), (1, 1.2), (-1, 1.2), (1, -1.2), (-1, -1.2))
]
"""Steps from where a label belongs to where it may stand, the nearest first."""
BESIDE: Final = [
    (far * x, far * y)
    for far in (1, 2)
    for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
]

Say = Callable[[str], str]


def strip_flowable(strip: Strip, say: Say, font: str) -> Any:
    """The strip for a page of reportlab; `say` gives the words of its legend, `font` is one that it knows."""
    from reportlab.platypus import Flowable

    class Drawn(Flowable):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.width, self.height = strip.width, strip.height + LEGEND_HIGH

        def draw(self) -> None:
            self.canv.translate(0, LEGEND_HIGH)
            _draw(self.canv, strip, say, font)

    return Drawn()


def _draw(canvas: Any, strip: Strip, say: Say, font: str) -> None:
    from reportlab.lib.colors import HexColor

    canvas.saveState()
    for kind, shape, what in strip.shapes:
        if kind == "ground":
            canvas.setFillColor(HexColor(GROUND_COLOURS[what]))
            _trace(canvas, shape, fill=True)
        elif kind in ("street", "barrier", "segment"):
            colour = {"street": "#bbbbbb", "barrier": "#444444"}.get(kind) or STRESS_COLOURS[what]
            canvas.setStrokeColor(HexColor(colour))
            canvas.setLineWidth({"street": 1.2, "barrier": 0.8}.get(kind) or 1.5 + what)
            canvas.setLineCap(1)
            _trace(canvas, shape)
    _draw_labels(canvas, strip, font)
    canvas.setStrokeGray(0.5)
    canvas.setLineWidth(0.5)
    canvas.rect(0, 0, strip.width, strip.height)
    _draw_north(canvas, strip, say("north"), font)
    _draw_legend(canvas, strip, say, font)
    canvas.restoreState()


def _draw_labels(canvas: Any, strip: Strip, font: str) -> None:
    """Marks first, then places, then names of streets; places and names that find no room are left out."""
    frame = shapely.box(1, 1, strip.width - 1, strip.height - 1)
    north = shapely.box(strip.width - 36, strip.height - 40, strip.width, strip.height)
    of_kind = {
        name: [(at, what) for kind, at, what in strip.shapes if kind == name] for name in ("mark", "place", "name")
    }
    taken, marks = (
        [north, *(at.buffer(4) for at, _ in of_kind["place"])],
        list[tuple[Any, tuple[float, float], str, str]](),
    )
    for at, (number, element) in of_kind["mark"]:
        size = (max(MARK_HIGH, canvas.stringWidth(number, font, MARK_SIZE) + 6), MARK_HIGH)
        box = free_box(at, size, 0, [(0, 0), *AROUND], taken, frame) or at.buffer(MARK_HIGH / 2)
        taken.append(box.buffer(1))
        marks.append((box.centroid, size, number, element))
        _draw_leader(canvas, at, box.centroid)
    for middle, size, number, element in marks:
        _draw_mark(canvas, middle, size, number, element, font)
    taken += [shape.buffer(4) for kind, shape, _ in strip.shapes if kind == "segment"]
    for at, name in of_kind["place"]:
        canvas.setFillColorRGB(0, 0.4, 0.27)
        canvas.rect(at.x - 3, at.y - 3, 6, 6, stroke=0, fill=1)
        size = (canvas.stringWidth(name, font, NAME_SIZE) + 2, NAME_SIZE + 1)
        if (box := free_box(at, size, 4.5, BESIDE, taken, frame)) is not None:
            taken.append(box)
            canvas.setFont(font, NAME_SIZE)
            canvas.drawCentredString(box.centroid.x, box.centroid.y - 2.5, name)
    for line, name in of_kind["name"]:
        size = (canvas.stringWidth(name, font, NAME_SIZE) + 4, NAME_SIZE + 1)
        if (found := box_along(line, size, taken, frame)) is not None:
            taken.append(found[0].buffer(1))
            _draw_name(canvas, *found, name, size, font)


def _draw_leader(canvas: Any, at: Any, middle: Any) -> None:
    """A thin line from a mark to where it belongs, if that is elsewhere."""
    if at.distance(middle) > 1:
        canvas.setStrokeGray(0.1)
        canvas.setFillGray(0.1)
        canvas.setLineWidth(0.8)
        canvas.line(at.x, at.y, middle.x, middle.y)
        canvas.circle(at.x, at.y, 1.5, stroke=0, fill=1)


def _draw_mark(canvas: Any, middle: Any, size: tuple[float, float], number: str, element: str, font: str) -> None:
    """A number, black on white for a segment, white on black for a crossing."""
    wide, high = size
    dark = element == "crossing"
    canvas.setStrokeGray(0.1)
    canvas.setLineWidth(0.8)
    canvas.setFillGray(0.1 if dark else 1)
    canvas.roundRect(middle.x - wide / 2, middle.y - high / 2, wide, high, 2 if dark else high / 2, stroke=1, fill=1)
    canvas.setFillGray(1 if dark else 0)
    canvas.setFont(font, MARK_SIZE)
    canvas.drawCentredString(middle.x, middle.y - 2.4, number)


def _draw_name(canvas: Any, box: Any, angle: float, name: str, size: tuple[float, float], font: str) -> None:
    wide, high = size
    canvas.saveState()
    canvas.translate(box.centroid.x, box.centroid.y)
    canvas.rotate(angle)
    canvas.setFillGray(1)
    canvas.rect(-wide / 2, -high / 2, wide, high, stroke=0, fill=1)
    canvas.setFillGray(0.3)
    canvas.setFont(font, NAME_SIZE)
    canvas.drawCentredString(0, -2.5, name)
    canvas.restoreState()


def _draw_north(canvas: Any, strip: Strip, word: str, font: str) -> None:
    """In the upper right corner: an arrow, the word at its tip."""
    canvas.saveState()
    canvas.translate(strip.width - 19, strip.height - 20)
    canvas.setFillGray(1)
    canvas.setStrokeGray(0)
    canvas.setLineWidth(1)
    canvas.circle(0, 0, 16, stroke=0, fill=1)
    canvas.rotate(strip.north - 90)
    canvas.setFillGray(0)
    for line in ((0, -13, 0, 3), (-2.5, -1, 0, 3), (2.5, -1, 0, 3)):
        canvas.line(*line)
    canvas.translate(0, 9.5)
    canvas.rotate(90 - strip.north)
    canvas.setFont(font, NAME_SIZE)
    canvas.drawCentredString(0, -2.5, word)
    canvas.restoreState()


def _draw_legend(canvas: Any, strip: Strip, say: Say, font: str) -> None:
    """Below the frame: the levels of stress, the marks, the scale."""
    from reportlab.lib.colors import HexColor

    x = 0.0

    def write(said: str, after: float) -> None:
        nonlocal x
        canvas.setFillGray(0)
        canvas.setFont(font, NAME_SIZE)
        canvas.drawString(x, -11, said)
        x += canvas.stringWidth(said, font, NAME_SIZE) + after

    write(say("legend"), 8)
    for level, colour in STRESS_COLOURS.items():
        canvas.setStrokeColor(HexColor(colour))
        canvas.setLineWidth(1.5 + level)
        canvas.line(x, -8.5, x + 16, -8.5)
        x += 21
        write(str(level), 10)
    for element in ("segment", "crossing"):
        _draw_mark(canvas, shapely.Point(x + 12, -8.5), (MARK_HIGH, MARK_HIGH), "1", element, font)
        x += 21
        write(say(f"legend_{element}"), 6)
    metres, points = scale_bar(strip)
    canvas.setStrokeGray(0)
    canvas.setLineWidth(1.2)
    canvas.line(strip.width - points, -8.5, strip.width, -8.5)
    canvas.setFillGray(0)
    canvas.setFont(font, NAME_SIZE)
    canvas.drawRightString(strip.width - points - 4, -11, say("metres").format(metres=metres))


def _trace(canvas: Any, shape: Any, *, fill: bool = False) -> None:
    """Draw lines, or fill polygons, holes left out."""
    path = canvas.beginPath()
    for piece in getattr(shape, "geoms", [shape]):
        if piece.geom_type == "Polygon":
            rings = [piece.exterior, *piece.interiors]
        elif piece.geom_type == "LineString" and not fill:
            rings = [piece]
        else:
            continue
        for ring in rings:
            first, *others = ring.coords
            path.moveTo(*first[:2])
            for place in others:
                path.lineTo(*place[:2])
            if fill:
                path.close()
    canvas.drawPath(path, stroke=not fill, fill=fill, fillMode=0)
