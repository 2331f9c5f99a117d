/* Shows the walks of one question. All text from data goes in through textContent. */
(function () {
  "use strict";
  const { data, words, $, still, colours, narrow, make, row, button, start, ground } = window.cfcDrawn;
  const list = (into, texts) => into.replaceChildren(...texts.map((text) => make("li", text)));
  let chosen = 0;

  $("title").textContent = data.title;
  $("asked").textContent = data.asked;
  $("place").textContent = data.place;
  $("rests-word").textContent = words.rests;
  list($("verdict"), data.verdict);
  list($("rests"), [...data.rests, ...data.sources]);
  $("legend").append(make("li", words.stress));
  [1, 2, 3, 4].forEach((level) => row($("legend"), words["stress_" + level], "s" + level));
  row($("legend"), words.refused, "refused");

  const every = data.walks.flatMap((walk) => walk.parts.flatMap((part) => part.at));
  const bounds = L.latLngBounds(every);
  const map = start();
  map.fitBounds(bounds, narrow()
    ? { paddingTopLeft: [24, 30], paddingBottomRight: [24, window.innerHeight * 0.5] }
    : { paddingTopLeft: [380, 40], paddingBottomRight: [50, 60] });
  ground(map);

  const drawn = L.layerGroup().addTo(map);

  function draw() {
    drawn.clearLayers();
    data.walks.forEach((walk, number) => {
      if (number === chosen) return;
      walk.parts.forEach((part) => L.polyline(part.at, { ...still, color: "#8f8a80", weight: 4, opacity: 0.75 }).addTo(drawn));
    });
    const walk = data.walks[chosen];
    walk.parts.forEach((part) => L.polyline(part.at, { ...still, color: "#fff", weight: 10 }).addTo(drawn));
    walk.parts.forEach((part) => L.polyline(part.at, { ...still, color: colours[part.stress], weight: 6,
      dashArray: part.stress ? null : "2 7" }).addTo(drawn));
    walk.hazards.forEach((hazard, turn) => {
      const icon = L.divIcon({ className: "pin s" + hazard.stress + (hazard.borne ? "" : " refused"), iconSize: [22, 22], html: make("span", String(turn + 1)) });
      L.marker(hazard.at, { icon, keyboard: false }).bindTooltip(make("span", hazard.text)).addTo(drawn);
    });
    const first = walk.parts[0].at[0];
    const last = walk.parts[walk.parts.length - 1].at.slice(-1)[0];
    [[first, words.start], [last, words.goal]].forEach(([at, word]) => L.marker(at, {
      icon: L.divIcon({ className: "pin end", iconSize: [null, 20], iconAnchor: [16, 30], html: make("span", word) }), interactive: false }).addTo(drawn));
  }

  function tell() {
    const walk = data.walks[chosen];
    $("chosen").querySelector("h2").textContent = walk.name;
    list($("chosen").querySelector("ul"), walk.lines);
    $("chosen").querySelector("h3").textContent = walk.hazards.length ? words.hazards : words.no_hazards;
    $("chosen").querySelector("ol").replaceChildren(...walk.hazards.map((hazard) => {
      const line = make("li", "");
      button(line, [hazard.text], () => map.setView(hazard.at, Math.max(map.getZoom(), 17)));
      return line;
    }));
    $("walks").querySelectorAll("button").forEach((one, number) => one.setAttribute("aria-pressed", String(number === chosen)));
  }

  data.walks.forEach((walk, number) => {
    const parts = [make("i", "", "s" + walk.worst), make("span", walk.name), make("small", walk.short)];
    button($("walks"), parts, () => { chosen = number; draw(); tell(); });
  });
  draw();
  tell();
  window.cfcRoute = { walks: data.walks.length, hazards: data.walks.map((walk) => walk.hazards.length) };
  document.documentElement.classList.add("ready");
})();
