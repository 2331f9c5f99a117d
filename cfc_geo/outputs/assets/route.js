/* Shows the walks of one question. All text from data goes in through textContent. */
(function () {
  "use strict";
  const data = JSON.parse(document.getElementById("cfc-data").textContent);
  const words = data.words;
  const $ = (id) => document.getElementById(id);
  const colours = ["#6b7378", "#2a8a8f", "#8aa83a", "#e08a00", "#b3261e"];
  const make = (name, text, kind) => {
    const one = document.createElement(name);
    if (text) one.textContent = text;
    if (kind) one.className = kind;
    return one;
  };
  const list = (into, texts) => into.replaceChildren(...texts.map((text) => make("li", text)));
  let chosen = 0;

  $("title").textContent = data.title;
  $("asked").textContent = data.asked;
  $("review").textContent = data.review;
  $("place").textContent = data.place;
  $("credit").textContent = [words.offline, ...data.sources].join("  ");
  $("credit").title = data.sources.join("\n");
  $("rests-word").textContent = words.rests;
  list($("verdict"), data.verdict);
  list($("rests"), [...data.rests, ...data.sources]);
  [1, 2, 3, 4].forEach((level) => {
    const row = make("li", "");
    row.append(make("i", "", "s" + level), make("span", words["stress_" + level]));
    $("legend").append(row);
  });
  $("legend").prepend(make("li", words.stress));
  const refused = make("li", "");
  refused.append(make("i", "", "refused"), make("span", words.refused));
  $("legend").append(refused);

  const map = L.map("map", { zoomControl: false, attributionControl: false, zoomSnap: 0.25, preferCanvas: true, fadeAnimation: false, zoomAnimation: false });
  L.control.zoom({ position: "topright" }).addTo(map);
  
  const still = { interactive: false };
  const every = data.walks.flatMap((walk) => walk.parts.flatMap((part) => part.at));
  const bounds = L.latLngBounds(every);
  const narrow = () => window.innerWidth < 720;
  const whole = () => map.fitBounds(bounds, narrow()
    ? { paddingTopLeft: [24, 30], paddingBottomRight: [24, window.innerHeight * 0.5] }
    : { paddingTopLeft: [380, 40], paddingBottomRight: [50, 60] });
  whole();
  L.control.scale({ imperial: false, position: narrow() ? "topleft" : "bottomright" }).addTo(map);
  data.ground.green.forEach((ring) => L.polygon(ring, { ...still, stroke: false, fillColor: "#cfe0c3", fillOpacity: 0.8 }).addTo(map));
  data.ground.water.forEach((ring) => L.polyline(ring, { ...still, color: "#9cc3d5", weight: 2 }).addTo(map));
  data.ground.water.filter((ring) => ring.length > 3 && String(ring[0]) === String(ring[ring.length - 1]))
    .forEach((ring) => L.polygon(ring, { ...still, stroke: false, fillColor: "#bcd9e6", fillOpacity: 0.9 }).addTo(map));
  data.streets.forEach((line) => L.polyline(line, { ...still, color: "#d3cec4", weight: 1.6 }).addTo(map));

  const drawn = L.layerGroup().addTo(map);
  const text = (said) => { const one = make("span", said); return one; };

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
      const icon = L.divIcon({ className: "pin s" + hazard.stress + (hazard.borne ? "" : " refused"), iconSize: [22, 22], html: text(String(turn + 1)) });
      L.marker(hazard.at, { icon, keyboard: false }).bindTooltip(text(hazard.text)).addTo(drawn);
    });
    const first = walk.parts[0].at[0];
    const last = walk.parts[walk.parts.length - 1].at.slice(-1)[0];
    [[first, words.start], [last, words.goal]].forEach(([at, word]) => L.marker(at, {
      icon: L.divIcon({ className: "pin end", iconSize: [null, 20], iconAnchor: [16, 30], html: text(word) }), interactive: false }).addTo(drawn));
  }

  function tell() {
    const walk = data.walks[chosen];
    $("chosen").querySelector("h2").textContent = walk.name;
    list($("chosen").querySelector("ul"), walk.lines);
    $("chosen").querySelector("h3").textContent = walk.hazards.length ? words.hazards : words.no_hazards;
    $("chosen").querySelector("ol").replaceChildren(...walk.hazards.map((hazard) => {
      const button = make("button", hazard.text);
      button.type = "button";
      button.addEventListener("click", () => map.setView(hazard.at, Math.max(map.getZoom(), 17)));
      const row = make("li", "");
      row.append(button);
      return row;
    }));
    $("walks").querySelectorAll("button").forEach((one, number) => one.setAttribute("aria-pressed", String(number === chosen)));
  }

  data.walks.forEach((walk, number) => {
    const button = make("button", "");
    button.type = "button";
    button.append(make("i", "", "s" + walk.worst), make("span", walk.name), make("small", walk.short));
    button.addEventListener("click", () => { chosen = number; draw(); tell(); });
    $("walks").append(button);
  });
  const fold = (shut) => {
    $("panel").classList.toggle("folded", shut);
    $("fold").textContent = shut ? words.unfold : words.fold;
    $("fold").setAttribute("aria-expanded", String(!shut));
  };
  $("fold").addEventListener("click", () => fold(!$("panel").classList.contains("folded")));
  fold(narrow());
  draw();
  tell();
  window.addEventListener("resize", () => map.invalidateSize());
  window.cfcRoute = { walks: data.walks.length, hazards: data.walks.map((walk) => walk.hazards.length) };
  document.documentElement.classList.add("ready");
})();
