/* What the drawn pages share: the data, the parts of a page, the map and its fold. All text from data goes in through
   textContent. */
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
  };
  const closed = (ring) => ring.length > 3 && String(ring[0]) === String(ring[ring.length - 1]);

  $("review").textContent = data.review;
  $("credit").textContent = [words.offline, ...data.sources].join("  ");
  $("credit").title = data.sources.join("\n");

  /* The map with its zoom and scale, and the panel that folds. */
  function start() {
    const map = L.map("map", { zoomControl: false, attributionControl: false, zoomSnap: 0.25, preferCanvas: true, fadeAnimation: false, zoomAnimation: false });
    L.control.zoom({ position: "topright" }).addTo(map);
    L.control.scale({ imperial: false, position: narrow() ? "topleft" : "bottomright" }).addTo(map);
    window.addEventListener("resize", () => map.invalidateSize());
    const fold = (shut) => {
      $("panel").classList.toggle("folded", shut);
      $("fold").textContent = shut ? words.unfold : words.fold;
      $("fold").setAttribute("aria-expanded", String(!shut));
    };
    $("fold").addEventListener("click", () => fold(!$("panel").classList.contains("folded")));
    fold(narrow());
    return map;
  }

  /* Green, water and the streets around. */
  function ground(map, options) {
    const quiet = { ...still, ...options };
    const areas = (rings, fillColor) => rings.filter(closed).forEach((ring) =>
      L.polygon(ring, { ...quiet, stroke: false, fillColor, fillOpacity: 0.85 }).addTo(map));
    areas(data.ground.green, "#cfe0c3");
    areas(data.ground.water, "#bcd9e6");
    L.polyline(data.ground.water.filter((ring) => !closed(ring)), { ...quiet, color: "#9cc3d5", weight: 2 }).addTo(map);
    L.polyline(data.streets, { ...quiet, color: "#d5cfc5", weight: 1.3 }).addTo(map);
  }

  window.cfcDrawn = { data, words, $, still, colours, narrow, make, row, button, start, ground };
})();
