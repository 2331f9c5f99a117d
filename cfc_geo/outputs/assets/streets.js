/* Shows where children walk. All text from data goes in through textContent. */
(function () {
  "use strict";
  const { data, words, $, still, colours, make, list, row, button, stressLegend, groundLegend, fit, start, ground, answering } = window.cfcDrawn;
  const widths = [1.5, 3, 5, 7.5, 10];
  const sorts = { school: "#4b3f9e", park: "#2f7d32", other: "#a8527f" };
  let chosen = -1;

  $("title").textContent = words.page + " · " + data.title;
  list($("headline"), data.headline);
  stressLegend($("stress"));
  $("flow").append(make("li", words.flow, "head"));
  data.classes.forEach((least, number) => { row($("flow"), least).style.height = widths[number] + "px"; });
  [
    [data.hazards.length, words.hazards, "dot hazard"],
    [true, words.school, "dot school"],
    [data.gates.some((gate) => !gate.lacking), words.gate, "dot gate"],
    [data.gates.some((gate) => gate.lacking), words.gate_lacking, "dot gate lacking"],
    [true, words.park, "dot park"],
    [data.others, data.others, "dot other"],
    [data.corridors.length, words.corridor, "corridor"],
    [data.links.length, words.new_link, "link"],
  ].filter(([there]) => there).forEach(([, word, kind]) => row($("marks"), word, kind));
  groundLegend($("marks"));
  $("corridors-word").textContent = data.corridors.length ? words.corridors : words.no_corridors;
  $("links-word").textContent = data.links.length ? words.links : "";

  const map = start(() => data.bounds);
  const quiet = { weight: 16, opacity: 0.25 }, lit = { weight: 22, opacity: 0.45 };
  ground(map);
  const halos = data.corridors.map((corridor) => L.polyline(corridor.at, { ...still, color: "#0b5d7a", ...quiet }).addTo(map));
  const tags = L.layerGroup().addTo(map), group = answering(map);
  const dots = [];
  const dot = (place, radius, fillColor, edge) => dots.push([radius,
    L.circleMarker(place.at, { weight: 1, color: "#fff", ...edge, fillColor, fillOpacity: 1, told: () => place.told }).addTo(group)]);
  data.flows.rows.forEach(([wide, stress, told, at]) =>
    L.polyline(at, { color: colours[stress], weight: widths[wide], opacity: 0.9, told: () => told.map((number) => data.flows.texts[number]) }).addTo(group));
  data.links.forEach((link) => {
    L.polyline(link.at, { color: "#0b5d7a", weight: 5, dashArray: "8 7", told: () => link.told }).addTo(group);
    button($("links"), [make("span", link.told[0]), make("small", link.told[1])], () => fit(map, L.latLngBounds(link.at.flat()).pad(2)));
  });
  data.places.forEach((place) => dot(place, place.sort === "school" ? 5.5 : 4, sorts[place.sort]));
  data.gates.forEach((gate) => dot(gate, 3.5, gate.lacking ? "#ff8a7a" : "#fff", { weight: 2, color: sorts.school }));
  data.hazards.slice().reverse().forEach((hazard) => dot(hazard, 5, colours[hazard.stress], { weight: 2, color: "#111" }));

  function choose(number) {
    chosen = number === chosen ? -1 : number;
    halos.forEach((halo, turn) => halo.setStyle(turn === chosen ? lit : quiet));
    const corridor = data.corridors[chosen], buttons = [...$("corridors").querySelectorAll("button")];
    $("figures").replaceChildren();
    buttons.forEach((one, turn) => one.setAttribute("aria-pressed", String(turn === chosen)));
    tag();
    if (!corridor) { fit(map, data.bounds); return; }
    corridor.told.forEach(([name, value, help]) => {
      const term = make("dt", name);
      term.title = help;
      $("figures").append(term, make("dd", value));
    });
    buttons[chosen].after($("figures"));
    buttons[chosen].scrollIntoView({ block: "nearest" });
    fit(map, L.latLngBounds(corridor.at.flat()).pad(0.3));
  }

  /* The place at a share of a line's corners. */
  const along = (line, share) => line[Math.min(line.length - 1, Math.floor(line.length * share))];

  /* The tags of corridors, the chosen one first; one that finds no room along its corridor waits for a closer look. */
  function tag() {
    tags.clearLayers();
    const taken = [], order = data.corridors.map((_, number) => number).sort((one, other) => (other === chosen) - (one === chosen) || one - other);
    order.forEach((number) => {
      const corridor = data.corridors[number];
      const longest = corridor.at.reduce((one, other) => (other.length > one.length ? other : one));
      const free = (at) => taken.every((other) => Math.abs(other.x - at.x) > 30 || Math.abs(other.y - at.y) > 20);
      const at = [0.5, 0.3, 0.7, 0.1, 0.9].map((share) => along(longest, share)).find((place) => free(map.latLngToLayerPoint(place)));
      if (!at) return;
      taken.push(map.latLngToLayerPoint(at));
      L.marker(at, { keyboard: false, icon: L.divIcon({ className: "tag s" + corridor.stress, iconSize: [26, 18], html: make("span", corridor.id) }) })
        .bindTooltip(make("span", corridor.name)).on("click", () => choose(number)).addTo(tags);
    });
  }

  data.corridors.forEach((corridor, number) => {
    button($("corridors"), [make("b", corridor.id, "s" + corridor.stress), make("span", corridor.name), make("small", corridor.metres)], () => choose(number));
  });
  /* From afar dots are smaller, or a town is nothing but dots. */
  const shrink = () => dots.forEach(([radius, one]) => one.setRadius(map.getZoom() < 14 ? radius * 0.55 : radius));
  map.on("zoomend", tag);
  map.on("zoomend", shrink);
  tag();
  shrink();
  window.cfcStreets = { corridors: data.corridors.length, links: data.links.length, hazards: data.hazards.length, streets: data.flows.rows.length, map };
  document.documentElement.classList.add("ready");
})();
