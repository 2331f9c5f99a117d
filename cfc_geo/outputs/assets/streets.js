/* Shows where children walk. All text from data goes in through textContent. */
(function () {
  "use strict";
  const { data, words, $, still, colours, narrow, make, row, button, start, ground } = window.cfcDrawn;
  const widths = [1.5, 3, 5, 7.5, 10];
  let chosen = -1;

  $("title").textContent = words.page + " · " + data.title;
  $("stress").append(make("li", words.stress));
  [1, 2, 3, 4].forEach((level) => row($("stress"), words["stress_" + level], "s" + level));
  $("flow").append(make("li", words.flow));
  data.classes.forEach((least, number) => { row($("flow"), least).style.height = widths[number] + "px"; });
  row($("marks"), words.hazards, "s4");
  row($("marks"), words.school, "school square");
  row($("marks"), words.park, "park square");
  $("corridors-word").textContent = data.corridors.length ? words.corridors : words.no_corridors;
  $("links-word").textContent = data.links.length ? words.links : "";

  const map = start();
  const fit = (bounds) => map.fitBounds(bounds, narrow()
    ? { paddingTopLeft: [16, 20], paddingBottomRight: [16, window.innerHeight * 0.3] }
    : { paddingTopLeft: [370, 30], paddingBottomRight: [40, 50] });
  fit(data.bounds);
  // below the flows, which lie on the map's own pane: the ground, and on it what lights up a corridor
  [["ground", 300], ["under", 350]].forEach(([name, z]) => { map.createPane(name).style.zIndex = z; });
  ground(map, { pane: "ground" });
  const lit = L.layerGroup().addTo(map);
  data.flows.forEach((flow) => L.polyline(flow.at, { ...still, color: colours[flow.stress], weight: widths[flow.wide], opacity: 0.9 }).addTo(map));
  data.places.forEach((place) => {
    const kind = place.school ? "school" : "park";
    L.circleMarker(place.at, { radius: 4, weight: 1, color: "#fff", fillColor: place.school ? "#4b3f9e" : "#2f7d32", fillOpacity: 1, className: kind })
      .bindTooltip(make("span", place.text)).addTo(map);
  });
  data.hazards.slice().reverse().forEach((hazard) => {
    L.circleMarker(hazard.at, { radius: 5, weight: 2, color: "#111", fillColor: colours[hazard.stress], fillOpacity: 1 })
      .bindTooltip(make("span", hazard.text)).addTo(map);
  });
  data.links.forEach((link) => {
    L.polyline(link.at, { color: "#0b5d7a", weight: 5, dashArray: "8 7" }).bindTooltip(make("span", link.text + " · " + link.told)).addTo(map);
    button($("links"), [make("span", link.text), make("small", link.told)], () => fit(L.latLngBounds(link.at.flat()).pad(2)));
  });

  function choose(number) {
    chosen = number === chosen ? -1 : number;
    lit.clearLayers();
    const corridor = data.corridors[chosen], figures = $("figures").querySelector("dl");
    figures.replaceChildren();
    $("corridors").querySelectorAll("button").forEach((one, turn) => one.setAttribute("aria-pressed", String(turn === chosen)));
    if (!corridor) { fit(data.bounds); return; }
    L.polyline(corridor.at, { ...still, pane: "under", color: "#0b5d7a", weight: 22, opacity: 0.45 }).addTo(lit);
    corridor.told.forEach(([name, value, help]) => {
      const term = make("dt", name);
      term.title = help;
      figures.append(term, make("dd", value));
    });
    fit(L.latLngBounds(corridor.at.flat()).pad(0.3));
    $("figures").scrollIntoView({ block: "nearest" });
  }

  data.corridors.forEach((corridor, number) => {
    L.polyline(corridor.at, { ...still, pane: "under", color: "#0b5d7a", weight: 16, opacity: 0.25 }).addTo(map);
    const longest = corridor.at.reduce((one, other) => (other.length > one.length ? other : one));
    L.marker(longest[Math.floor(longest.length / 2)], { keyboard: false, icon: L.divIcon({ className: "tag s" + corridor.stress, iconSize: [26, 18], html: make("span", corridor.id) }) })
      .bindTooltip(make("span", corridor.name || words.nameless)).on("click", () => choose(number)).addTo(map);
    const parts = [make("b", corridor.id, "s" + corridor.stress), make("span", corridor.name || words.nameless), make("small", corridor.metres)];
    button($("corridors"), parts, () => choose(number));
  });
  window.cfcStreets = { corridors: data.corridors.length, links: data.links.length, hazards: data.hazards.length };
  document.documentElement.classList.add("ready");
})();
