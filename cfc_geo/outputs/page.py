"""The sealed page: one HTML file that holds its data, scripts and styles, and opens without a network.

folium makes the shell (the map, its panes and our layers, under names fixed here). No text from data ever passes
through folium or branca, which read text as templates: names, figures and shapes go into one inert JSON block, put
into the finished page, and `assets/map.js` shows them as text. A Content-Security-Policy with the hashes of the page's
own scripts and styles is the second net.
"""

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

from cfc_geo import catalog

PANES = {"cells": 320, "streets": 330, "facilities": 340}
"""Our canvas layers, from the bottom up, with the z-index of their panes."""

VENDORED = {
    "https://cdn.jsdelivr.net/npm/leaflet@1.9.3/dist/leaflet.js": "leaflet.js",
    "https://cdn.jsdelivr.net/npm/leaflet@1.9.3/dist/leaflet.css": "leaflet.css",
    "map.js": "map.js",
    "map.css": "map.css",
}
"""What the shell asks for → the file of `assets/` that takes its place."""

DROPPED = ("jquery", "bootstrap", "awesome-markers", "fontawesome", "leaflet.awesome")
"""Parts of the addresses of what the shell asks for and this page does not need."""

LANG_TAGS = {"zh": "zh-CN", "en": "en"}


def sealed_page(payload: Mapping[str, Any], centre: tuple[float, float], hosts: Sequence[str], lang: str) -> str:
    """The page that shows `payload` around `centre` (latitude, longitude), and asks nobody but `hosts` for images."""
    return filled_page(empty_page(centre, hosts, lang), payload)


def empty_page(centre: tuple[float, float], hosts: Sequence[str], lang: str) -> str:
    """The sealed page without data: the same for every result of a place."""
    return _sealed(_inlined(_shell(centre), lang), hosts)


def filled_page(page: str, payload: Mapping[str, Any]) -> str:
    """An empty page with its data."""
    return page.replace("</body>", _data_block(payload) + "</body>", 1)


def drawn_page(payload: Mapping[str, Any], name: str, title: str, no_script: str, lang: str) -> str:
    """A sealed page of its own, made of `assets/<name>.html`, `.css` and `.js`, with `drawn.css` and `drawn.js`, which
    such pages share, with Leaflet but not folium's shell; it asks nobody for anything."""
    styles = [_style(_asset(f"{file}.css")) for file in ("leaflet", "drawn", name)]
    scripts = [_script(_asset(f"{file}.js")) for file in ("leaflet", "drawn", name)]
    body = _asset(f"{name}.html").replace("NO-SCRIPT", html.escape(no_script), 1)
    page = (
        f'<!DOCTYPE html>\n<html lang="{LANG_TAGS[lang]}">\n<head>\n<meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f"<title>{html.escape(title)}</title>{''.join(styles)}</head>\n"
        f"<body>\n{body}\n{''.join(scripts)}</body>\n</html>\n"
    )
    return _sealed(page, []).replace("<body>\n", "<body>\n" + _data_block(payload), 1)


def _shell(centre: tuple[float, float]) -> str:
    """The page as folium makes it: the map, our panes, layers and furniture. Holds no text from data."""
    from folium import Map
    from folium.elements import JSCSSMixin
    from folium.map import CustomPane, Layer
    from folium.template import Template

    class CanvasLayer(JSCSSMixin, Layer):
        """A layer that `map.js` draws on canvas tiles; `name` is one of `PANES`."""

        _template = Template(
            "{% macro script(this, kwargs) %}"
            "var {{ this.get_name() }} = cfc.canvasLayer({{ this.layer_name|tojson }});"
            "{% endmacro %}"
        )

        def __init__(self, name: str) -> None:
            super().__init__(name=name, overlay=True, control=False, show=False)
            self._name, self._id = "canvas", name
            self.default_js = [("cfc_map_js", "map.js")]
            self.default_css = [("cfc_map_css", "map.css")]

    class Furniture(Layer):
        """The panel, the footer and the north arrow, and the line that starts the page."""

        _template = Template(
            "{% macro html(this, kwargs) %}" + _asset("furniture.html") + "{% endmacro %}"
            "{% macro script(this, kwargs) %}"
            "cfc.start({{ this._parent.get_name() }}, { "
            "{% for name in this.names %}{{ name }}: canvas_{{ name }}, {% endfor %}"
            "});"
            "{% endmacro %}"
        )

        def __init__(self, names: Sequence[str]) -> None:
            super().__init__(name="furniture", overlay=True, control=False, show=False)
            self._name, self._id, self.names = "furniture", "cfc", list(names)

    shell = Map(
        location=centre, zoom_start=13, tiles=None, zoom_control=False, attributionControl=False, zoomSnap=0.25,
        fadeAnimation=False, minZoom=8, maxZoom=19,
    )  # fmt: skip
    shell._name, shell._id = "map", "cfc"
    for name, z_index in PANES.items():
        pane = CustomPane(name, z_index=z_index, pointer_events=False)
        pane._name, pane._id = "pane", name
        shell.add_child(pane)
        shell.add_child(CanvasLayer(name))
    shell.add_child(Furniture(list(PANES)))
    return str(shell.get_root().render())


@cache
def _asset(name: str) -> str:
    return files("cfc_geo.outputs").joinpath("assets", name).read_text(encoding="utf-8").replace("\r\n", "\n")


def _inlined(shell: str, lang: str) -> str:
    """`shell` with every script and style inside it; an address that is not vendored raises `ValueError`."""
    head, body = shell.split("</head>", 1)
    head = re.sub(r'<script src="([^"]*)"></script>', lambda found: _inline_script(found[1]), head)
    head = re.sub(r'<link rel="stylesheet" href="([^"]*)"\s*/?>', lambda found: _inline_style(found[1]), head)
    viewport = '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
    title = f"<title>{html.escape(catalog.word('map.page', lang))}</title>"
    head = re.sub(r'<meta name="viewport".*?/>', viewport + title, head, count=1, flags=re.DOTALL)
    head = head.replace("<html>", f'<html lang="{LANG_TAGS[lang]}">', 1)
    body = body.replace("NO-SCRIPT", html.escape(catalog.word("map.no_script", lang)), 1)
    page = head + "</head>" + body
    if outside := _addresses(page):
        raise ValueError(f"the page would ask for {outside}")
    return page


class _AddressReader(HTMLParser):
    """Collects what a page asks for besides itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [
            value or "" for name, value in attrs if name in ("src", "href") and not (value or "").startswith("#")
        ]


def _addresses(page: str) -> list[str]:
    reader = _AddressReader()
    reader.feed(page)
    return reader.found


def _inline_script(address: str) -> str:
    text = _vendored(address)
    return _script(text) if text else ""


def _inline_style(address: str) -> str:
    text = _vendored(address)
    return _style(text) if text else ""


def _script(text: str) -> str:
    return "<script>" + text.replace("</script", "<\\/script") + "</script>"


def _style(text: str) -> str:
    return "<style>" + text.replace("</style", "<\\/style") + "</style>"


def _vendored(address: str) -> str:
    """The text that takes the place of `address`; "" where the page does not need it."""
    if address in VENDORED:
        return _asset(VENDORED[address])
    if any(part in address.lower() for part in DROPPED):
        return ""
    raise ValueError(f"the page would ask for {address}, which is not among the assets")


def _data_block(payload: Mapping[str, Any]) -> str:
    """The payload as JSON that no browser can take for markup or script."""
    text = json.dumps(payload, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for mark in "<>&":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return f'<script type="application/json" id="cfc-data">{text}</script>\n'


def _sealed(page: str, image_hosts: Sequence[str]) -> str:
    """`page`, which holds no data yet, with a policy that lets its own scripts and styles run, and nothing else."""
    scripts = [_hash(text) for text in re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)]
    styles = [_hash(text) for text in re.findall(r"<style>(.*?)</style>", page, flags=re.DOTALL)]
    policy = "; ".join(
        [
            "default-src 'none'",
            " ".join(["script-src", *scripts]),
            " ".join(["style-src", *styles]),
            " ".join(["img-src", "data:", *image_hosts]),
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    return page.replace("<head>", f'<head>\n<meta http-equiv="Content-Security-Policy" content="{policy}"/>', 1)


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii") + "'"
