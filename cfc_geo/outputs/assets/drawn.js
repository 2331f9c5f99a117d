/* What the drawn pages share: the data, the parts of a page, the map and its fold, and what answers on it. All text from
   data goes in through textContent. */
(function () {
  "use strict";
  const data = JSON.parse(document.getElementById("cfc-data").textContent);
  const words = data.words;
  const $ = (id) => document.getElementById(id);
  const still = { interactive: false };
  const colours = ["#6b7378", "#2a8a8f", "#8aa83a", "#e08a00", "#b3261e"];
  const narrow = () => window.innerWidth < 720;
  const make = (name, text, kind) => {
    const one = document.createElement(name);
    if (text) one.textContent = text;
    if (kind) one.className = kind;
    return one;
  };
  const list = (into, texts) => into.replaceChildren(...texts.map((text) => make("li", text)));
  const row = (into, text, kind) => {
    const one = make("li", ""), mark = make("i", "", kind);
    one.append(mark, make("span", text));
    into.append(one);
    return mark;
  };
  const button = (into, parts, pressed) => {
    const one = make("button", "");
    one.type = "button";
    one.append(...parts);
    one.addEventListener("click", pressed);
    into.append(one);
    return one;
  };
  const closed = (ring) => ring.length > 3 && String(ring[0]) === String(ring[ring.length - 1]);

  $("review").textContent = data.review;
  $("credit").textContent = data.credit;
  $("sources-word").textContent = words.sources;
  list($("sources"), data.sources);

  /* The legend of stress. */
  function stressLegend(into) {
    into.append(make("li", words.stress, "head"));
    [1, 2, 3, 4].forEach((level) => row(into, words["stress_" + level], "s" + level));
  }

  /* The legend of what lies below. */
  function groundLegend(into) {
    ["streets", "rail", "units"].filter((name) => data[name].length).forEach((name) => row(into, words[name], name));
  }

  /* Pixels at the left and at the bottom of the map that the panel covers. */
  function covered() {
    const panel = $("panel");
    return narrow() ? [0, panel.offsetHeight] : [panel.offsetWidth + 14, 0];
  }

  /* `bounds` in what the panel leaves free of the map. */
  function fit(map, bounds) {
    const [left, bottom] = covered();
    map.fitBounds(bounds, { paddingTopLeft: [left + 26, 36], paddingBottomRight: [56, bottom + 30] });
  }

  /* The map with its zoom and scale, and the panel that folds; `home()` are the bounds of all there is to see. */
  function start(home) {
    const map = L.map("map", { zoomControl: false, attributionControl: false, zoomSnap: 0.25, fadeAnimation: false, zoomAnimation: false, renderer: L.canvas({ tolerance: 4 }), preferCanvas: true });
    L.control.zoom({ position: "topright" }).addTo(map);
    const whole = L.control({ position: "topright" });
    whole.onAdd = () => {
      const bar = make("div", "", "leaflet-bar");
      button(bar, [words.whole], () => fit(map, home())).id = "whole";
      L.DomEvent.disableClickPropagation(bar);
      return bar;
    };
    whole.addTo(map);
    const scale = L.control.scale({ imperial: false }).addTo(map);
    const sized = () => {
      map.invalidateSize({ animate: false });
      scale.setPosition(narrow() ? "topleft" : "bottomright");
    };
    sized();
    window.addEventListener("resize", sized);
    let seen = null;
    window.addEventListener("beforeprint", () => {
      const [left, bottom] = covered(), { x, y } = map.getSize(), at = (...pixels) => map.containerPointToLatLng(pixels);
      seen = { at: map.getCenter(), zoom: map.getZoom(), bounds: L.latLngBounds(at(left, 0), at(x, y - bottom)) };
    });
    window.matchMedia("print").addEventListener("change", (media) => {
      if (!seen) return;
      map.invalidateSize({ animate: false });
      if (media.matches) map.fitBounds(seen.bounds); else map.setView(seen.at, seen.zoom);
    });
    const fold = (shut) => {
      $("panel").classList.toggle("folded", shut);
      $("fold").textContent = shut ? words.unfold : words.fold;
      $("fold").setAttribute("aria-expanded", String(!shut));
    };
    $("fold").addEventListener("click", () => fold(!$("panel").classList.contains("folded")));
    fold(narrow());
    fit(map, home());
    return map;
  }

  /* Green, water, railways, the borders of units and the streets around. */
  function ground(map) {
    const areas = (rings, fillColor) => rings.filter(closed).forEach((ring) =>
      L.polygon(ring, { ...still, stroke: false, fillColor, fillOpacity: 0.85 }).addTo(map));
    const lines = (at, style) => L.polyline(at, { ...still, ...style }).addTo(map);
    areas(data.ground.green, "#cfe0c3");
    areas(data.ground.water, "#bcd9e6");
    lines(data.ground.water.filter((ring) => !closed(ring)), { color: "#9cc3d5", weight: 2 });
    lines(data.streets, { color: "#d5cfc5", weight: 1.3 });
    lines(data.rail, { color: "#a39d95", weight: 3.4 });
    lines(data.rail, { color: "#fff", weight: 1.8, dashArray: "7 7", lineCap: "butt" });
    lines(data.units, { color: "#4a4458", weight: 1, opacity: 0.5, dashArray: "6 4" });
  }

  /* What a place answers, the first line as its heading. */
  function card(lines) {
    const one = make("div", "", "card");
    one.append(...lines.map((line) => make("p", line)));
    return one;
  }

  /* A group whose layers answer with what their option `told()` gives: below the pointer, or at a touch. */
  function answering(map) {
    const group = L.featureGroup().addTo(map), told = (layer) => card(layer.options.told());
    return L.Browser.mobile ? group.bindPopup(told, { maxWidth: 260 }) : group.bindTooltip(told, { sticky: true });
  }

  /* Positions of `places` by those that would hide one another on the map as it is now: within so many pixels. */
  function together(map, places, pixels) {
    const groups = [];
    places.forEach((at, turn) => {
      const here = map.latLngToLayerPoint(at), near = groups.find((group) => group.here.distanceTo(here) < pixels);
      if (near) near.turns.push(turn); else groups.push({ here, turns: [turn] });
    });
    return groups.map((group) => group.turns);
  }

  window.cfcDrawn = { data, words, $, still, colours, make, list, row, button, stressLegend, groundLegend, fit, start, ground, card, answering, together };
})();
