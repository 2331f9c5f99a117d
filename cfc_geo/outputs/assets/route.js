/* Shows the walks of one question. All text from data goes in through textContent. */
(function () {
  "use strict";
  const { data, words, $, still, colours, make, list, row, button, stressLegend, groundLegend, start, ground, card, together } = window.cfcDrawn;
  let chosen = 0;

  $("title").textContent = data.title;
  $("asked").textContent = data.asked;
  $("place").textContent = data.place;
  $("rests-word").textContent = words.rests;
  list($("verdict"), data.verdict);
  list($("rests"), data.rests);
  stressLegend($("legend"));
  row($("legend"), words.refused, "refused");
  groundLegend($("legend"));

  const every = L.latLngBounds(data.walks.flatMap((walk) => walk.parts.flatMap((part) => part.at)));

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
  const map = start(() => every);
  ground(map);
  const drawn = L.layerGroup().addTo(map), pins = L.layerGroup().addTo(map);

  /* 1, 2, 3, 7 → 1–3, 7 */
  const told = (numbers) => numbers.reduce((runs, one) => {
    const last = runs[runs.length - 1];
    if (last && last[1] === one - 1) last[1] = one; else runs.push([one, one]);
    return runs;
  }, []).map(([first, last]) => (first === last ? first : first + "–" + last)).join(", ");

  /* The hazards of the chosen walk; those that would hide one another share a pin. */
  function pinHazards() {
    pins.clearLayers();
    const hazards = data.walks[chosen].hazards;
    together(map, hazards.map((hazard) => hazard.at), 22).forEach((turns) => {
      const here = turns.map((turn) => hazards[turn]), numbers = told(turns.map((turn) => turn + 1));
      const kind = "pin s" + Math.max(...here.map((hazard) => hazard.stress)) + (here.every((hazard) => hazard.borne) ? "" : " refused");
      const icon = L.divIcon({ className: kind, iconSize: [Math.max(22, 10 + 6.5 * numbers.length), 22], html: make("span", numbers) });
      const lines = here.map((hazard, at) => turns[at] + 1 + ". " + hazard.text);
      L.marker(here[0].at, { icon, keyboard: false }).bindTooltip(here.length > 1 ? card(lines) : make("span", lines[0])).addTo(pins);
    });
  }

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
    const first = walk.parts[0].at[0];
    const last = walk.parts[walk.parts.length - 1].at.slice(-1)[0];
    [[first, words.start], [last, words.goal]].forEach(([at, word]) => L.marker(at, {
      icon: L.divIcon({ className: "pin end", iconSize: [null, 20], iconAnchor: [16, 30], html: make("span", word) }), interactive: false }).addTo(drawn));
    pinHazards();
  }

  map.on("zoomend", pinHazards);
  draw();
  tell();
  window.cfcRoute = { walks: data.walks.length, hazards: data.walks.map((walk) => walk.hazards.length) };
  document.documentElement.classList.add("ready");
})();
