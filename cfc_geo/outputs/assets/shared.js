/* Shows protected figures. All text from data goes in through textContent. */
(function () {
  "use strict";
  const { data, words, $, make, row, start, ground } = window.cfcDrawn;
  const fills = ["#b3532e", "#e5b27c", "#8fc3bd", "#1f7a78"];
  const purples = ["#efe9f5", "#d6cbe6", "#b9a8d4", "#9780bd", "#755aa3", "#563b86", "#392163"];
  const grey = "#c9ced1", hatch = "url(#hatch)";
  const percent = (share) => Math.round(share * 100) + "%";
  const said = (value, format) => (typeof value === "string" ? data.short[value] : (format || String)(value));
  const below = (edges, value) => edges.filter((edge) => value >= edge).length;
  const froms = [...new Set(data.blocks.map((one) => one.children[0]).filter((from) => typeof from === "number"))].sort((one, other) => one - other);
  let chosen = data.whole;

  $("title").textContent = words.page;
  $("place").textContent = data.title;
  ["measure", "band", "level", "facilities", "blocks"].forEach((name) => { $(name + "-word").textContent = words[name]; });
  $("rounded").textContent = words.rounded;
  const choices = (into, pairs) => pairs.forEach(([value, text]) => {
    const one = make("option", text);
    one.value = value;
    into.append(one);
  });
  const levels = [...new Set(data.areas.map((unit) => unit.level))];
  choices($("measure"), data.measures);
  choices($("level"), levels.map((level) => [level, level]));
  if (levels.length > 1) $("level").value = levels.reduce((one, other) => (count(other) > count(one) ? other : one));
  function count(level) { return data.areas.filter((unit) => unit.level === level).length; }

  $("legend").append(make("li", words.share));
  const edges = [0, ...data.classes, 1];
  fills.forEach((fill, turn) => row($("legend"), percent(edges[turn]) + "–" + percent(edges[turn + 1]), "c" + turn));
  [["kept", words.kept], ["unknown", words.unknown]].forEach(([kind, text]) => { row($("legend"), text, kind).parentNode.className = "wide"; });

  const map = start(() => data.bounds);
  ground(map);
  [["units", 420], ["blocks", 430], ["places", 440]].forEach(([name, z]) => { map.createPane(name).style.zIndex = z; });
  // hatching is a pattern of SVG, which a canvas does not know
  const drawing = (pane) => ({ pane, renderer: L.svg({ pane }) });
  const unitStyle = drawing("units"), blockStyle = drawing("blocks"), placeStyle = drawing("places");
  const unitLayer = L.layerGroup().addTo(map), blockLayer = L.layerGroup(), placeLayer = L.layerGroup();

  const figuresOf = (unit) => ((data.figures[$("measure").value] || {})[$("band").value] || {})[unit];
  const fillOf = (share) => {
    if (share === "kept") return hatch;
    return typeof share === "number" ? fills[below(data.classes, share)] : grey;
  };

  function tell(unit) {
    chosen = unit;
    const found = figuresOf(unit), list = $("figures").querySelector("dl");
    const named = data.areas.find((one) => one.id === unit);
    $("figures").querySelector("h2").textContent = named ? named.name : words.whole;
    list.replaceChildren();
    const line = (name, value) => list.append(make("dt", name), make("dd", value));
    if (found) {
      [words.children, words.proven, words.gap, words.unclear].forEach((name, turn) => line(name, said(found[turn])));
      line(words.share, said(found[4], percent));
    }
    if (!named) list.append(make("dt", words.choose));
  }

  function drawUnits() {
    unitLayer.clearLayers();
    data.areas.filter((unit) => unit.level === $("level").value).forEach((unit) => {
      const found = figuresOf(unit.id), share = found ? found[4] : "unknown";
      L.polygon(unit.at, { ...unitStyle, color: "#fffefb", weight: 1.5, fillColor: fillOf(share), fillOpacity: $("with-blocks").checked ? 0 : 0.82 })
        .bindTooltip(make("span", unit.name + " · " + said(share, percent)), { sticky: true })
        .on("click", () => tell(unit.id)).addTo(unitLayer);
    });
    tell(data.areas.some((unit) => unit.id === chosen && unit.level === $("level").value) ? chosen : data.whole);
  }

  function bandsOf() {
    const there = data.figures[$("measure").value] || {}, before = $("band").value;
    $("band").replaceChildren();
    choices($("band"), data.bands.filter(([band]) => there[band]));
    if (there[before]) $("band").value = before;
  }

  function drawPlaces() {
    placeLayer.clearLayers();
    const measure = $("measure").value;
    data.facilities.filter((one) => measure === "circle" || one.kind === measure).forEach((one) => {
      L.circleMarker(one.at, { ...placeStyle, radius: 4, weight: 1, color: "#fff", fillColor: one.colour, fillOpacity: 1 })
        .bindTooltip(make("span", one.text)).addTo(placeLayer);
    });
  }

  data.blocks.forEach((block) => {
    const fillColor = typeof block.children === "string" ? hatch : purples[froms.indexOf(block.children[0])] || purples[6];
    L.polygon(block.at, { ...blockStyle, color: "#fffefb", weight: 1, fillColor, fillOpacity: 0.85 })
      .bindTooltip(make("span", block.text), { sticky: true }).addTo(blockLayer);
  });

  function switchLayers() {
    placeLayer[$("with-facilities").checked ? "addTo" : "remove"](map);
    blockLayer[$("with-blocks").checked ? "addTo" : "remove"](map);
    $("block-legend").replaceChildren();
    if ($("with-blocks").checked) froms.forEach((from, turn) => row($("block-legend"), from + "+", "b" + Math.min(turn, 6)));
    drawUnits();
  }
  $("measure").addEventListener("change", () => { bandsOf(); drawUnits(); drawPlaces(); });
  ["band", "level"].forEach((name) => $(name).addEventListener("change", drawUnits));
  ["with-facilities", "with-blocks"].forEach((name) => $(name).addEventListener("change", switchLayers));
  bandsOf();
  switchLayers();
  drawPlaces();
  window.cfcShared = { units: data.areas.length, blocks: data.blocks.length, facilities: data.facilities.length };
  document.documentElement.classList.add("ready");
})();
