/* Colours units by any indicator. All text from data goes in through textContent. */
(function () {
  "use strict";
  const { data, words, $, make, row, fit, start, ground, answering } = window.cfcDrawn;
  const fills = ["#f2e3d5", "#d5e3dc", "#a5cbc2", "#5fa3a0", "#1f6f78"], unknown = "#cdc8bf";
  const statuses = { met: words.met, missed: words.missed, no_data: words.no_data, not_judged: "" };

  $("title").textContent = words.page + " · " + data.title;
  $("indicator-word").textContent = words.indicator;
  $("level-word").textContent = words.level;
  const map = start(() => data.bounds);
  ground(map);
  const drawn = answering(map);

  const option = (into, value, text) => { const one = make("option", text); one.value = value; into.append(one); };
  data.groups.forEach((group) => {
    const box = document.createElement("optgroup");
    box.label = group.name;
    group.indicators.forEach((number) => option(box, String(number), data.indicators[number].name));
    $("indicator").append(box);
  });

  function levels() {
    const chosen = data.indicators[Number($("indicator").value)], before = $("level").value;
    $("level").replaceChildren();
    const have = data.levels.filter((level) => level.units.some((unit) => chosen.values[unit.id]));
    have.forEach((level) => option($("level"), level.name, level.name));
    const kept = have.find((level) => level.name === before) || have[have.length - 1];
    if (kept) $("level").value = kept.name;
  }

  function draw() {
    const chosen = data.indicators[Number($("indicator").value)];
    const level = data.levels.find((one) => one.name === $("level").value);
    const units = level ? level.units.filter((unit) => chosen.values[unit.id]) : [];
    const known = units.map((unit) => chosen.values[unit.id]).filter((value) => value.known).map((value) => value.least);
    const most = chosen.percent ? 100 : Math.max(0, ...known), least = chosen.percent ? 0 : Math.min(most, ...known);
    const classOf = (value) => most > least ? Math.min(4, Math.floor(5 * (value - least) / (most - least))) : 2;
    $("classes").replaceChildren();
    if (known.length) {
      const edges = most > least ? [0, 1, 2, 3, 4] : [2];
      edges.forEach((at) => {
        const edge = (turn) => (least + (most - least) * turn / 5).toLocaleString("en", { maximumFractionDigits: 1 });
        row($("classes"), most > least ? edge(at) + "–" + edge(at + 1) : edge(0), "c" + at);
      });
      $("classes").append(make("li", chosen.unit));
    }
    if (known.length < units.length) row($("classes"), words.no_data, "cx");
    $("said").textContent = chosen.said;
    drawn.clearLayers();
    const body = $("rows").querySelector("tbody");
    body.replaceChildren();
    const sorted = units.slice().sort((one, other) => {
      const [a, b] = [chosen.values[one.id], chosen.values[other.id]];
      return (a.known ? 0 : 1) - (b.known ? 0 : 1) || a.least - b.least || one.name.localeCompare(other.name);
    });
    sorted.forEach((unit) => {
      const value = chosen.values[unit.id];
      const fillColor = value.known ? fills[classOf(value.least)] : unknown;
      const verdict = statuses[value.status] || "", told = () => [unit.name, value.told, verdict].filter(Boolean);
      const shape = L.polygon(unit.at, { color: "#4d565b", weight: 1, fillColor, fillOpacity: 0.72, told }).addTo(drawn);
      const line = make("tr", "", value.status);
      line.append(make("td", unit.name), make("td", value.told), make("td", verdict));
      line.addEventListener("click", () => fit(map, shape.getBounds().pad(0.6)));
      body.append(line);
    });
    window.cfcScore = { indicators: data.indicators.length, units: sorted.length };
  }

  $("indicator").addEventListener("change", () => { levels(); draw(); });
  $("level").addEventListener("change", draw);
  if (data.indicators.length) { levels(); draw(); }
  document.documentElement.classList.add("ready");
})();
