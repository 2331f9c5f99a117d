/* The map page: unpacks the data block, draws it on canvas tiles, and fills panel, labels and popups.
 * Every text that comes from data is set with textContent. Sections:
 *   1 unpacking   2 shapes   3 canvas layers   4 drawing   5 choice and figures   6 panel   7 labels and popups
 *   8 furniture   9 start
 */
var cfc = (function () {
  "use strict";

  const EARTH_M = 2 * Math.PI * 6378137;
  const TILE = 512;
  const CHUNK = 32;

  const COLOURS = {
    status: ["#86bcc6", "#f4bf88", "#cdc8bf"],
    hatch: [null, "#c0661b", "#97918a"],
    change: {
      gaining: ["#2a7f62", null], losing: ["#a63d2f", "#5e130a"], kept: ["#cfe3e6", null], lacking: ["#f5e3cf", null], unclear: ["#cdc8bf", "#97918a"],
    },
    mark: [null, null, "#2a7f62", "#a63d2f", "#6a3d9a"],
    paper: "#f3f1ec", water: "#c3d9e4", green: "#d7e4cb", building: "#e3ded4", rail: "#a39d95",
    street: "#ffffff", casing: "#cdc7bc", path: "#b9b1a4", unit: "#4a4458", ink: "#1f2a30", edited: "#b3126b",
  };

  const SHAPES = {
    circle: "M1 0A1 1 0 1 1-1 0A1 1 0 1 1 1 0Z",
    wide: "M-1.15-.7H1.15V.7H-1.15Z",
    tall: "M-.68-1.12H.68V1.12H-.68Z",
    down: "M0 1.12L1.08-.78H-1.08Z",
    heart: "M0 1.1L-1.05.05C-1.45-.6-.75-1.3 0-.55C.75-1.3 1.45-.6 1.05.05Z",
    square: "M-.87-.87H.87V.87H-.87Z",
    triangle: "M0-1.12L1.08.78H-1.08Z",
    diamond: "M0-1.2L1.08 0L0 1.2L-1.08 0Z",
    pentagon: "M0-1.1L1.05-.34L.65.89H-.65L-1.05-.34Z",
    hexagon: "M-.55-.98H.55L1.1 0L.55.98H-.55L-1.1 0Z",
    star: "M0-1.25L.34-.44L1.19-.39L.53.17L.74 1.01L0 .55L-.74 1.01L-.53.17L-1.19-.39L-.34-.44Z",
    cross: "M-.38-1.08H.38V-.38H1.08V.38H.38V1.08H-.38V.38H-1.08V-.38H-.38Z",
  };

  let data, words, map, layers = {}, shapes = {}, cells = {}, figures = {}, redraws = 0;
  const choice = { kind: "circle", band: "" };
  const shown = {
    cells: true, facilities: true, others: false, entrances: false, units: true, labels: true,
    streets: true, ground: true, basemap: true, level: "",
  };
  let selected = null, views = [], seen = null;
  let levels = [];
  const drawn = {};

  // ------------------------------------------------------------------------------------------------ 1 unpacking

  async function inflate(text) {
    const raw = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  /* A reader of whole numbers, seven bits a byte, lowest first. */
  function reader(bytes) {
    let at = 0;
    return function () {
      let value = 0, scale = 1, byte;
      do {
        if (at >= bytes.length) throw new RangeError("the data ends too early");
        byte = bytes[at++];
        value += (byte & 127) * scale;
        scale *= 128;
      } while (byte & 128);
      return value;
    };
  }

  function readDifferences(next, target) {
    let value = 0;
    for (let i = 0; i < target.length; i++) {
      const step = next();
      value += step % 2 ? -(step + 1) / 2 : step / 2;
      target[i] = value;
    }
    return target;
  }

  async function unpackNumbers(packed) {
    return readDifferences(reader(await inflate(packed.z)), new Int32Array(packed.n));
  }

  async function unpackText(text) {
    return JSON.parse(new TextDecoder().decode(await inflate(text)));
  }

  // --------------------------------------------------------------------------------------------------- 2 shapes

  /* Shapes as flat arrays: shape s owns lines shapeStart[s]..shapeStart[s+1], line l owns points lineStart[l].. .
   * `boxes` holds the bounds of every CHUNK shapes: neighbours in the list are neighbours on the ground. */
  async function unpackShapes(packed) {
    const next = reader(await inflate(packed.z));
    const shapeStart = runningSum(next, packed.shapes);
    const lineStart = runningSum(next, packed.lines);
    const xs = readDifferences(next, new Int32Array(packed.points));
    const ys = readDifferences(next, new Int32Array(packed.points));
    const store = { count: packed.shapes, shapeStart, lineStart, xs, ys, seen: new Uint8Array(packed.shapes) };
    store.boxes = chunkBoxes(store);
    return store;
  }

  function runningSum(next, count) {
    const starts = new Uint32Array(count + 1);
    for (let i = 0; i < count; i++) starts[i + 1] = starts[i] + next();
    return starts;
  }

  function chunkBoxes(store) {
    const boxes = new Float64Array(4 * Math.ceil(store.count / CHUNK));
    for (let chunk = 0; 4 * chunk < boxes.length; chunk++) {
      const last = Math.min(store.count, (chunk + 1) * CHUNK);
      boxes.set(bounds(store, chunk * CHUNK, last), 4 * chunk);
    }
    return boxes;
  }

  function bounds(store, first, last) {
    const from = store.lineStart[store.shapeStart[first]], to = store.lineStart[store.shapeStart[last]];
    let west = Infinity, north = Infinity, east = -Infinity, south = -Infinity;
    for (let i = from; i < to; i++) {
      west = Math.min(west, store.xs[i]); east = Math.max(east, store.xs[i]);
      north = Math.min(north, store.ys[i]); south = Math.max(south, store.ys[i]);
    }
    return [west, north, east, south];
  }

  /* Call `visit(shape)` for every shape whose chunk touches `box`. */
  function visitNear(store, box, visit) {
    const boxes = store.boxes;
    for (let chunk = 0; 4 * chunk < boxes.length; chunk++) {
      const at = 4 * chunk;
      if (boxes[at] > box[2] || boxes[at + 2] < box[0] || boxes[at + 1] > box[3] || boxes[at + 3] < box[1]) continue;
      const last = Math.min(store.count, (chunk + 1) * CHUNK);
      for (let shape = chunk * CHUNK; shape < last; shape++) visit(shape);
    }
  }

  function contains(store, shape, x, y) {
    let inside = false;
    for (let line = store.shapeStart[shape]; line < store.shapeStart[shape + 1]; line++) {
      const first = store.lineStart[line], last = store.lineStart[line + 1];
      for (let i = first, j = last - 1; i < last; j = i++) {
        const above = store.ys[i] > y !== store.ys[j] > y;
        const crossing = ((store.xs[j] - store.xs[i]) * (y - store.ys[i])) / (store.ys[j] - store.ys[i]) + store.xs[i];
        if (above && x < crossing) inside = !inside;
      }
    }
    return inside;
  }

  // ---------------------------------------------------------------------------------------------- 3 canvas layers

  const CanvasLayer = L.GridLayer.extend({
    options: { tileSize: TILE, keepBuffer: 1, updateWhenZooming: false, className: "cfc-canvas", noWrap: true },

    createTile(coords) {
      const tile = L.DomUtil.create("canvas");
      this._paint(tile, coords);
      return tile;
    },

    _paint(tile, coords) {
      const view = viewOf(coords.z, coords.x * TILE, coords.y * TILE, TILE, TILE);
      const opaque = this.options.name === "cells" && !data.basemap.tiles.length;
      PAINT[this.options.name](pen(tile, view, opaque), view);
    },

    /* As in GridLayer, but tiles are drawn for zooms between whole ones too, not stretched: stretching canvases without
     * a graphics card is slow, and blurred. */
    _setView(center, zoom, noPrune, noUpdate) {
      if (!noUpdate) {
        this._tileZoom = zoom;
        this._updateLevels();
        this._resetGrid();
        this._update(center);
        if (!noPrune) this._pruneTiles();
        this._noPrune = Boolean(noPrune);
      }
      this._setZoomTransforms(center, zoom);
    },

    /* Draw all tiles anew where they are, so that nothing flickers. */
    repaint() {
      Object.values(this._tiles || {}).forEach((tile) => this._paint(tile.el, tile.coords));
    },
  });

  function canvasLayer(name) {
    return new CanvasLayer({ name, pane: name });
  }

  /* How a canvas sees the data: x on it = a · step + bx, and the box of steps it shows, with a margin. `left` and `top`
   * are its corner in pixels of the whole world. */
  function viewOf(zoom, left, top, width, height) {
    const world = 256 * Math.pow(2, zoom), frame = data.frame;
    const a = (frame.step / EARTH_M) * world;
    const bx = (frame.west / EARTH_M + 0.5) * world - left;
    const by = (0.5 - frame.north / EARTH_M) * world - top;
    const margin = 24;
    const box = [(-margin - bx) / a, (-margin - by) / a, (width + margin - bx) / a, (height + margin - by) / a];
    return { a, bx, by, box, zoom, width, height, ratio: window.devicePixelRatio || 1 };
  }

  /* The drawing context of an emptied canvas, in CSS pixels. */
  function pen(canvas, view, opaque) {
    canvas.width = view.width * view.ratio;
    canvas.height = view.height * view.ratio;
    const ctx = canvas.getContext("2d", { alpha: !opaque });
    ctx.scale(view.ratio, view.ratio);
    ctx.lineJoin = ctx.lineCap = "round";
    return ctx;
  }

  function stepsOf(latlng) {
    const point = L.CRS.EPSG3857.project(latlng);
    return [(point.x - data.frame.west) / data.frame.step, (data.frame.north - point.y) / data.frame.step];
  }

  function latlngOf(x, y) {
    const { west, north, step } = data.frame;
    return L.CRS.EPSG3857.unproject(L.point(west + x * step, north - y * step));
  }

  function repaint(...names) {
    names.forEach((name) => layers[name].repaint());
    redraws += 1;
  }

  // --------------------------------------------------------------------------------------------------- 4 drawing

  /* Add shape to the path; lines leave out points nearer than `skip` pixels to the one before. */
  function trace(ctx, store, shape, view, closed, skip) {
    const { xs, ys, lineStart } = store;
    for (let line = store.shapeStart[shape]; line < store.shapeStart[shape + 1]; line++) {
      const last = lineStart[line + 1] - 1;
      let px = NaN, py = NaN;
      for (let i = lineStart[line]; i <= last; i++) {
        const x = view.a * xs[i] + view.bx, y = view.a * ys[i] + view.by;
        if (px !== px) ctx.moveTo(x, y);
        else if (i < last && Math.abs(x - px) + Math.abs(y - py) < skip) continue;
        else ctx.lineTo(x, y);
        px = x; py = y;
      }
      // closePath() looks at every point of the path so far: with thousands of cells in one path it takes seconds.
      if (closed) ctx.lineTo(view.a * xs[lineStart[line]] + view.bx, view.a * ys[lineStart[line]] + view.by);
    }
    store.seen[shape] = 1;
  }

  function traceAll(ctx, store, view, closed, skip) {
    ctx.beginPath();
    visitNear(store, view.box, (shape) => trace(ctx, store, shape, view, closed, skip));
  }

  function strokeAll(ctx, store, view, colour, width) {
    traceAll(ctx, store, view, false, 0.8);
    ctx.strokeStyle = colour;
    ctx.lineWidth = width;
    ctx.stroke();
  }

  function fillAll(ctx, store, view, colour) {
    traceAll(ctx, store, view, true, 0.8);
    ctx.fillStyle = colour;
    ctx.fill();
  }

  /* Diagonal lines (gap) or dots (unknown), the same size on every screen. */
  function pattern(ctx, status, view) {
    const dots = data.statuses[status] === "unknown" || data.statuses[status] === "unclear", size = 8, tile = document.createElement("canvas");
    tile.width = tile.height = size * view.ratio;
    const brush = tile.getContext("2d");
    brush.scale(view.ratio, view.ratio);
    brush.strokeStyle = brush.fillStyle = coloursOf(status)[1];
    brush.beginPath();
    if (!dots) {
      for (const shift of [-size, 0, size]) { brush.moveTo(shift - 1, size + 1); brush.lineTo(shift + size + 1, -1); }
      brush.stroke();
    } else {
      brush.arc(2, 2, 0.9, 0, 7);
      brush.arc(6, 6, 0.9, 0, 7);
      brush.fill();
    }
    const made = ctx.createPattern(tile, "repeat");
    made.setTransform(new DOMMatrix().scale(1 / view.ratio));
    return made;
  }

  /* Fill of a status and of its pattern (null: plain). */
  function coloursOf(status) {
    return COLOURS.change[data.statuses[status]] || [COLOURS.status[status], COLOURS.hatch[status]];
  }

  function paintGround(ctx, view) {
    if (!data.basemap.tiles.length) {
      ctx.fillStyle = COLOURS.paper;
      ctx.fillRect(0, 0, view.width, view.height);
    }
    if (!shown.ground) return;
    const { green, water, building } = shapes.backdrop;
    fillAll(ctx, green.areas, view, COLOURS.green);
    fillAll(ctx, water.areas, view, COLOURS.water);
    strokeAll(ctx, water.lines, view, COLOURS.water, view.zoom < 14 ? 1.2 : 2.5);
    if (view.zoom >= 13.5) fillAll(ctx, building.areas, view, COLOURS.building);
  }

  /* One path per status, so that neighbouring cells of a status show no seam. Cells without children are pale. */
  function paintCells(ctx, view) {
    paintGround(ctx, view);
    if (!shown.cells) return;
    const status = cellStatus();
    const children = cells.childrenOf(choice.band);
    const store = shapes.cells;
    const parts = data.statuses.map(() => []), pale = data.statuses.map(() => []);
    visitNear(store, view.box, (cell) => (children(cell) > 0 ? parts : pale)[status[cell]].push(cell));
    for (const code of data.statuses.keys()) {
      for (const [list, strength] of [[pale[code], 0.22], [parts[code], 0.78]]) {
        if (!list.length) continue;
        ctx.beginPath();
        list.forEach((cell) => trace(ctx, store, cell, view, true, 0));
        ctx.globalAlpha = strength;
        ctx.fillStyle = coloursOf(code)[0];
        ctx.fill();
        if (coloursOf(code)[1]) {
          ctx.globalAlpha = strength * 0.6;
          ctx.fillStyle = pattern(ctx, code, view);
          ctx.fill();
        }
        if (view.zoom >= 15.5) {
          ctx.globalAlpha = 0.5;
          ctx.strokeStyle = "#fff";
          ctx.lineWidth = 0.8;
          ctx.stroke();
        }
      }
    }
    ctx.globalAlpha = 1;
  }

  function paintChosenCell(ctx, view) {
    ctx.beginPath();
    trace(ctx, shapes.cells, selected.index, view, true, 0);
    ctx.strokeStyle = COLOURS.ink;
    ctx.lineWidth = 2;
    ctx.stroke();
  }

  /* Widths of streets in pixels, by class: on the ground they grow with the zoom, within reason. */
  function width(view, metres, least, most) {
    return Math.min(most, Math.max(least, metres * Math.pow(2, view.zoom - 17)));
  }

  /* A veil over all that lies in no unit: the page minus the units that belong to no other. */
  function paintVeil(ctx, view) {
    const { id, parent } = data.units;
    if (!id.length) return;
    ctx.beginPath();
    ctx.rect(0, 0, view.width, view.height);
    for (let unit = 0; unit < id.length; unit++) {
      if (!id.includes(parent[unit]) || parent[unit] === id[unit]) trace(ctx, shapes.units, unit, view, true, 0.8);
    }
    ctx.globalAlpha = 0.66;
    ctx.fillStyle = COLOURS.paper;
    ctx.fill("evenodd");
    ctx.globalAlpha = 1;
  }

  function paintStreets(ctx, view) {
    paintVeil(ctx, view);
    if (shown.streets) {
      const { path, minor, major, added } = shapes.streets, { road, rail } = shapes.backdrop;
      const wide = width(view, 9, 1.3, 14), narrow = width(view, 4.5, 0.6, 9);
      const cased = view.zoom >= 15;
      if (view.zoom >= 14) strokeAll(ctx, path, view, view.zoom >= 15 ? COLOURS.path : "rgba(255,255,255,.7)", view.zoom >= 15 ? 0.9 : 0.5);
      if (cased) {
        strokeAll(ctx, minor, view, COLOURS.casing, narrow + 1);
        strokeAll(ctx, major, view, COLOURS.casing, wide + 1.2);
      }
      strokeAll(ctx, road.lines, view, COLOURS.casing, wide + 1);
      strokeAll(ctx, minor, view, view.zoom >= 15 ? COLOURS.street : "rgba(255,255,255,.85)", narrow);
      strokeAll(ctx, road.lines, view, "#ebe5d8", wide - 0.4);
      strokeAll(ctx, major, view, COLOURS.street, wide);
      strokeAll(ctx, rail.lines, view, COLOURS.rail, 2.2);
      ctx.setLineDash([5, 5]);
      ctx.lineCap = "butt";
      strokeAll(ctx, rail.lines, view, "#fff", 1.2);
      ctx.setLineDash([]);
      ctx.lineCap = "round";
      strokeAll(ctx, added, view, "#fff", 6);
      strokeAll(ctx, added, view, COLOURS.edited, 3);
    }
    if (shown.units) paintUnits(ctx, view);
  }

  /* Outlines of the level, the other levels thinner; the chosen unit thicker. */
  function paintUnits(ctx, view) {
    const store = shapes.units;
    const outline = (test, colour, wide, dash) => {
      ctx.beginPath();
      for (let unit = 0; unit < store.count; unit++) if (test(unit)) trace(ctx, store, unit, view, true, 0.8);
      ctx.strokeStyle = colour;
      ctx.lineWidth = wide;
      ctx.setLineDash(dash);
      ctx.stroke();
      ctx.setLineDash([]);
    };
    const level = (unit) => data.units.level[unit] === shown.level;
    outline((unit) => !level(unit), "rgba(74,68,88,.45)", 0.8, [2, 3]);
    outline(level, "rgba(255,255,255,.75)", 3.2, []);
    outline(level, COLOURS.unit, 1.3, []);
    if (selected && selected.what === "unit") outline((unit) => unit === selected.index, COLOURS.ink, 3, []);
  }

  function visibleFacility(facility) {
    if (!shown.facilities || (seen && !seen.facilities[facility])) return false;
    return shown.others || kindsOfChoice().includes(data.facilities.kind[facility]);
  }

  /* The area drawn for the chosen facility, if the plan asked for areas. */
  function paintServed(ctx, view) {
    const { store, list } = shapes.served;
    const area = selected && selected.what === "facility" ? list.indexOf(selected.index) : -1;
    if (area < 0) return;
    ctx.beginPath();
    trace(ctx, store, area, view, true, 0.5);
    ctx.fillStyle = ctx.strokeStyle = data.kinds[data.facilities.kind[selected.index]].colour;
    ctx.globalAlpha = 0.22;
    ctx.fill("evenodd");
    ctx.globalAlpha = 0.9;
    ctx.lineWidth = 1.4;
    ctx.setLineDash([6, 4]);
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.globalAlpha = 1;
  }

  function paintFacilities(ctx, view) {
    const { facilities } = data;
    paintServed(ctx, view);
    shapes.areas.list.forEach((facility, area) => {
      if (!visibleFacility(facility)) return;
      const kind = data.kinds[facilities.kind[facility]];
      ctx.beginPath();
      trace(ctx, shapes.areas.store, area, view, true, 0.5);
      ctx.fillStyle = kind.colour;
      ctx.globalAlpha = facilities.attached[facility] ? 0.2 : 0.06;
      ctx.fill();
      ctx.globalAlpha = 0.9;
      ctx.strokeStyle = kind.colour;
      ctx.lineWidth = 1.2;
      ctx.stroke();
      ctx.globalAlpha = 1;
    });
    if (shown.entrances) paintEntrances(ctx, view);
    if (selected && selected.what === "cell") paintChosenCell(ctx, view);
    const size = symbolSize(view.zoom);
    facilities.at.forEach(([x, y], facility) => {
      if (!visibleFacility(facility) || x < view.box[0] || x > view.box[2] || y < view.box[1] || y > view.box[3]) return;
      const kind = data.kinds[facilities.kind[facility]];
      paintSymbol(ctx, kind, view.a * x + view.bx, view.a * y + view.by, size, facilities.attached[facility]);
      drawn.facilities[facility] = 1;
      if (facilities.edited[facility]) paintRing(ctx, view.a * x + view.bx, view.a * y + view.by, size * 1.7);
      if (markOf(facility)) paintMark(ctx, view.a * x + view.bx, view.a * y + view.by, size, markOf(facility));
      if (selected && selected.what === "facility" && selected.index === facility) {
        ctx.beginPath();
        ctx.arc(view.a * x + view.bx, view.a * y + view.by, size * 1.9, 0, 7);
        ctx.strokeStyle = COLOURS.ink;
        ctx.lineWidth = 2;
        ctx.stroke();
      }
    });
  }

  /* A broken ring around what an edit of the scenario adds or changes. */
  function paintRing(ctx, x, y, radius) {
    ctx.beginPath();
    ctx.arc(x, y, radius, 0, 7);
    ctx.lineWidth = 4;
    ctx.strokeStyle = "#fff";
    ctx.stroke();
    ctx.setLineDash([4, 2.5]);
    ctx.lineWidth = 2;
    ctx.strokeStyle = COLOURS.edited;
    ctx.stroke();
    ctx.setLineDash([]);
  }

  /* In the difference of two results: 2 comes, 3 goes, 4 is newly crowded; else 0. */
  function markOf(facility) {
    return seen && seen.facilities[facility] > 1 ? seen.facilities[facility] : 0;
  }

  function paintMark(ctx, x, y, size, mark) {
    ctx.beginPath();
    ctx.arc(x, y, size * 1.8, 0, 7);
    ctx.lineWidth = 4.5;
    ctx.strokeStyle = "#fff";
    ctx.stroke();
    ctx.setLineDash(mark === 3 ? [3, 3] : []);
    ctx.lineWidth = 2.4;
    ctx.strokeStyle = COLOURS.mark[mark];
    ctx.stroke();
    ctx.setLineDash([]);
  }

  function symbolSize(zoom) {
    return Math.max(3.6, Math.min(8.5, 1.9 * (zoom - 10.8)));
  }

  function paintSymbol(ctx, kind, x, y, size, solid) {
    const path = new Path2D(SHAPES[kind.shape]);
    ctx.save();
    ctx.translate(x, y);
    ctx.scale(size, size);
    ctx.lineJoin = "round";
    ctx.strokeStyle = "#fff";
    ctx.lineWidth = solid ? 0.6 : 1.1;
    ctx.stroke(path);
    ctx.fillStyle = solid ? kind.colour : "#fff";
    ctx.fill(path);
    if (!solid) {
      ctx.strokeStyle = kind.colour;
      ctx.lineWidth = 0.36;
      ctx.stroke(path);
    }
    ctx.restore();
  }

  function paintEntrances(ctx, view) {
    const { facility, x, y } = shapes.entrances;
    for (let i = 0; i < x.length; i++) {
      if (!facility[i] || !visibleFacility(facility[i] - 1)) continue;
      ctx.beginPath();
      ctx.arc(view.a * x[i] + view.bx, view.a * y[i] + view.by, 2.6, 0, 7);
      ctx.fillStyle = "#fff";
      ctx.strokeStyle = data.kinds[data.facilities.kind[facility[i] - 1]].colour;
      ctx.lineWidth = 1.4;
      ctx.fill();
      ctx.stroke();
    }
  }

  const PAINT = { cells: paintCells, streets: paintStreets, facilities: paintFacilities };

  // --------------------------------------------------------------------------------------- 5 choice and figures

  function isCircle() {
    return choice.kind === "circle";
  }

  function isDifference() {
    return data.statuses.includes("gaining");
  }

  function kindsOfChoice() {
    return isCircle() ? data.baskets[choice.band] || [] : [choice.kind];
  }

  function cellStatus() {
    const found = isCircle() ? cells.circle[choice.band] : cells.kinds[choice.kind].status;
    return found || cells.nothing;
  }

  function bandsOf(kind) {
    return figures.bands[kind] || [];
  }

  function bandOf(id) {
    return data.bands.find((band) => band.id === id) || { id, name: id === figures.all ? words.all_bands : id };
  }

  /* The two tables of figures as one look-up: unit, kind (or "circle"), band → a row. */
  function readFigures(tables) {
    const rows = new Map(), bands = {};
    const same = (table) => Object.fromEntries(Object.keys(table).map((name) => [name, name]));
    const add = (table, kindAt, names) => table.unit_id.forEach((unit, i) => {
      const kind = kindAt(i), band = table.band[i], row = {};
      for (const [to, from] of Object.entries(names)) row[to] = table[from][i];
      rows.set(JSON.stringify([unit, kind, band]), row);
      bands[kind] = bands[kind] || [];
      if (!bands[kind].includes(band)) bands[kind].push(band);
    });
    if (tables.rows) add(tables.rows, (i) => tables.rows.kind[i], same(tables.rows));
    else addResult(tables, add);
    return { all: tables.all, bands, of: (unit) => rows.get(JSON.stringify([unit, choice.kind, choice.band])) || {} };
  }

  /* The figures of one result, under the names of statuses. */
  function addResult(tables, add) {
    add(tables.kinds, (i) => tables.kinds.kind[i], {
      children: "children", covered: "covered", gap: "gap", unknown: "unknown", share: "covered_share",
      metres: "mean_walk_m", minutes: "mean_walk_min",
    });
    add(tables.circle, () => "circle", {
      children: "children", covered: "complete", gap: "incomplete", unknown: "unknown", share: "complete_share",
      items: "mean_items_share", missing: "most_missing_kind",
    });
  }

  function defaultBand(kind) {
    return bandsOf(kind).includes("6-11") ? "6-11" : bandsOf(kind)[0] || "";
  }

  function choose(kind, band) {
    choice.kind = kind;
    choice.band = bandsOf(kind).includes(band) ? band : defaultBand(kind);
    select(null);
    fillChoice();
    fillLegend();
    fillUnits();
    placeLabels();
    repaint("cells", "facilities");
  }

  // ----------------------------------------------------------------------------------------------------- 6 panel

  const $ = (id) => document.getElementById("cfc-" + id);

  /* An element with properties, attributes (names with a dash) and children; strings become text. */
  function make(tag, properties, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(properties || {})) {
      if (name.includes("-") || name === "for") made.setAttribute(name, value);
      else made[name] = value;
    }
    made.append(...children);
    return made;
  }

  function fill(text, values) {
    return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
  }

  function whole(value) {
    return value == null ? words.no_figure : new Intl.NumberFormat(data.lang, { maximumFractionDigits: 0 }).format(value);
  }

  function few(value) {
    if (value == null) return words.no_figure;
    return new Intl.NumberFormat(data.lang, { maximumFractionDigits: value < 100 ? 1 : 0 }).format(value);
  }

  /* A share as a percentage that is 100 or 0 only where it is exactly so. */
  function percent(share) {
    if (share == null) return words.no_figure;
    const rounded = Math.round(share * 100);
    if (rounded === 100 && share < 1) return ">99%";
    if (rounded === 0 && share > 0) return "<1%";
    return rounded + "%";
  }

  /* The share of a row of figures. Where some children are not known about it is a lower bound, and says so. */
  function shareOf(row) {
    if (isDifference()) return row.gaining == null ? words.no_figure : "+" + few(row.gaining) + " / −" + few(row.losing);
    const unsure = row.share != null && row.unknown >= 0.005 * row.children;
    if (!unsure) return percent(row.share);
    return fill(words.at_least, { share: Math.floor(row.share * 100) + "%" });
  }

  function symbol(kind, solid) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    svg.setAttribute("viewBox", "-1.6 -1.6 3.2 3.2");
    svg.setAttribute("class", "symbol");
    svg.setAttribute("aria-hidden", "true");
    path.setAttribute("d", SHAPES[kind.shape]);
    path.setAttribute("fill", solid ? kind.colour : "#fff");
    path.setAttribute("stroke", kind.colour);
    path.setAttribute("stroke-width", solid ? "0" : "0.42");
    svg.append(path);
    return svg;
  }

  function swatch(status) {
    return make("span", { className: "swatch " + data.statuses[status], "aria-hidden": "true" });
  }

  function statusWord(status) {
    return words[(isCircle() ? "circle_" : "") + data.statuses[status]];
  }

  function fillChoice() {
    $("kind").value = choice.kind;
    $("bands").replaceChildren(...bandsOf(choice.kind).map((band) => {
      const input = make("input", { type: "radio", name: "band", value: band, checked: band === choice.band });
      input.addEventListener("change", () => choose(choice.kind, band));
      return make("label", {}, input, make("span", {}, band === figures.all ? words.all_bands : band));
    }));
    $("subtitle").textContent = subtitle();
    $("norm").replaceChildren(...normLines().map((line) => make("span", {}, line)));
  }

  function subtitle() {
    const band = bandOf(choice.band).name;
    if (isCircle()) return fill(words.subtitle_circle, { band });
    const kind = data.kinds[choice.kind];
    return fill(words.subtitle_kind, { kind: kind.name, limit: kind.norm.limit_m, band });
  }

  function normLines() {
    if (isCircle()) {
      const names = kindsOfChoice().map((kind) => data.kinds[kind] ? data.kinds[kind].name : kind);
      return [fill(words.basket, { kinds: names.join(words.basket_join) })];
    }
    const { norm, surveyed } = data.kinds[choice.kind];
    const lines = [fill(words.norm, { limit: norm.limit_m })];
    if (norm.certainty === "plan") lines.push(fill(words.norm_plan, { why: norm.why }));
    else lines.push(fill(words.norm_source, { clause: norm.clause }));
    if (norm.certainty === "A") lines.push(words.norm_assumed);
    if (["B", "V-"].includes(norm.certainty)) lines.push(words.norm_unchecked);
    if (!surveyed) lines.push(words.not_surveyed);
    return lines;
  }

  /* The figures of the choice: they are the legend of the cells. */
  function fillLegend() {
    const row = figures.of(figures.all);
    $("share").children[0].textContent = shareOf(row);
    $("share").children[1].textContent = isDifference() ? words.share_change : isCircle() ? words.share_circle : words.share_kind;
    const counts = data.statuses.map((status) => row[status]);
    $("bar").replaceChildren(...counts.map((count, status) => {
      const part = make("span", { className: "swatch " + data.statuses[status] });
      part.style.flexGrow = count || 0;
      return part;
    }));
    $("figures").replaceChildren(make("tbody", {}, ...counts.map((count, status) => make("tr", {},
      make("th", { scope: "row" }, swatch(status), statusWord(status)),
      make("td", {}, count == null ? words.no_figure : fill(words.children, { n: whole(count) })),
      make("td", {}, row.children ? percent(count / row.children) : words.no_figure)))));
    $("walk").textContent = walkLine(row);
    fillSymbols();
  }

  function walkLine(row) {
    const lines = [];
    if (row.metres != null) lines.push(fill(words.mean_walk, { m: whole(row.metres), min: whole(Math.max(1, row.minutes)) }));
    if (row.items != null) lines.push(fill(words.mean_items, { share: percent(row.items) }));
    if (row.missing && data.kinds[row.missing]) lines.push(fill(words.most_missing, { kind: data.kinds[row.missing].name }));
    return lines.join(data.lang === "en" ? ". " : "；");
  }

  function fillSymbols() {
    const { kind, attached } = data.facilities;
    const kinds = shown.others ? Object.keys(data.kinds) : kindsOfChoice();
    const there = data.facilities.kind.map((id, facility) => (seen && [0, 3].includes(seen.facilities[facility]) ? "" : id));
    const lines = kinds.filter((id) => data.kinds[id]).map((id) => make("li", {}, symbol(data.kinds[id], true),
      make("span", {}, data.kinds[id].name),
      make("span", { className: "count" }, fill(words.places, { n: whole(there.filter((one) => one === id).length) }))));
    const hollow = kind.findIndex((id, i) => kinds.includes(id) && !attached[i]);
    if (hollow >= 0) {
      lines.push(make("li", { className: "note" }, symbol(data.kinds[kind[hollow]], false), make("span", {}, words.unattached)));
    }
    $("symbols").replaceChildren(...lines);
    $("symbols").hidden = !shown.facilities;
    fillLines();
  }

  /* Legend of what is on the map besides the choice: only what is there, and switched on. */
  function fillLines() {
    const { backdrop, units } = shapes, { kind } = data.facilities;
    const entries = [];
    if (pale() && shown.cells) entries.push(["pale", words.no_children]);
    if (shown.units && units.count) entries.push(["unit", shown.level ? words.unit_line + " · " + shown.level : words.unit_line]);
    if (shown.entrances && shapes.entrances.x.length) entries.push(["entrance", words.entrance]);
    if (shown.facilities && data.facilities.edited.some((edited, facility) => edited && visibleFacility(facility))) {
      entries.push(["edited", words.edited]);
    }
    if (shown.streets && shapes.streets.added.count) {
      entries.push(["added", words.added]);
    }
    for (const mark of [2, 3, 4]) {
      if (kind.some((id, facility) => markOf(facility) === mark && visibleFacility(facility))) entries.push(["mark mark-" + mark, words["mark_" + mark]]);
    }
    if (shown.ground) for (const theme of ["water", "green"]) if (data.backdrop[theme].rows) entries.push([theme, words[theme]]);
    if (shown.streets && backdrop.rail.lines.count) entries.push(["rail", words.rail]);
    $("lines").replaceChildren(...entries.map(([name, text]) =>
      make("li", {}, make("span", { className: "key " + name, "aria-hidden": "true" }), make("span", {}, text))));
  }

  function pale() {
    const children = cells.childrenOf(choice.band);
    for (let cell = 0; cell < shapes.cells.count; cell++) if (children(cell) === 0) return true;
    return false;
  }

  /* Units of the level, lowest share first, each a button that leads to it. */
  function fillUnits() {
    const { id, name, level } = data.units;
    const rows = id.map((unit, i) => ({ i, row: figures.of(unit) })).filter(({ i }) => level[i] === shown.level);
    const order = (row) => (isDifference() ? row.order : row.share) ?? 2;
    rows.sort((one, other) => order(one.row) - order(other.row) || one.i - other.i);
    const body = make("tbody", {}, ...rows.map(({ i, row }) => {
      const button = make("button", { type: "button" }, name[i] || id[i]);
      button.addEventListener("click", () => showUnit(i, true));
      const bar = make("span", { className: "share-bar" }, make("i"));
      bar.firstChild.style.width = 100 * (row.share || 0) + "%";
      return make("tr", {}, make("th", { scope: "row" }, button), make("td", {}, bar), make("td", {}, shareOf(row)));
    }));
    $("units").querySelector("table").replaceChildren(body);
    $("units").querySelector("summary").textContent =
      shown.level ? fill(words.units_level, { level: shown.level }) : words.units;
    $("units").hidden = !id.length;
    $("units").classList.toggle("long", rows.length > 14);
  }

  function listed(kind) {
    return data.kinds[kind].surveyed || data.facilities.kind.includes(kind);
  }

  /* Fill the list of kinds; returns what to show first: the circle, or a kind where little is known of the circle. */
  function fillKinds() {
    const measured = Object.keys(data.kinds).filter((kind) => data.kinds[kind].norm && bandsOf(kind).length);
    const options = measured.map((kind) => {
      const { name } = data.kinds[kind];
      return make("option", { value: kind }, listed(kind) ? name : fill(words.no_data, { kind: name }));
    });
    if (bandsOf("circle").length) options.unshift(make("option", { value: "circle" }, words.circle));
    $("kind").append(...options);
    $("kind").addEventListener("change", () => choose($("kind").value, choice.band));
    choice.kind = "circle";
    choice.band = defaultBand("circle");
    if (data.opening && data.opening.kind) {
      choice.band = data.opening.band || defaultBand(data.opening.kind);
      return data.opening.kind;
    }
    const { children, unknown } = (views[0] ? views[0].figures : figures).of(figures.all);
    return children && unknown <= children / 2 ? "circle" : measured.find(listed) || options[0].value;
  }

  function fillLayers() {
    const repaints = {
      cells: ["cells"], facilities: ["facilities"], others: ["facilities"], entrances: ["facilities"],
      units: ["streets"], labels: [], streets: ["streets"], ground: ["cells"], basemap: [],
    };
    const boxes = Object.entries(repaints).filter(([name]) => name !== "basemap" || data.basemap.tiles.length);
    $("layers").lastElementChild.append(...boxes.map(([name, affected]) => {
      const box = make("input", { type: "checkbox", checked: shown[name] });
      box.addEventListener("change", () => {
        shown[name] = box.checked;
        repaint(...affected);
        placeLabels();
        fillSymbols();
        if (name === "basemap") document.body.classList.toggle("no-basemap", !box.checked);
      });
      return make("label", {}, box, make("span", {}, words["layer_" + name]));
    }));
    if (levels.length > 1) $("layers").lastElementChild.append(levelPicker());
  }

  function levelPicker() {
    const picker = make("select", { id: "cfc-level" }, ...levels.map((level) =>
      make("option", { value: level, selected: level === shown.level }, level)));
    picker.addEventListener("change", () => {
      shown.level = picker.value;
      fillUnits();
      fillLines();
      placeLabels();
      repaint("streets");
    });
    return make("label", { className: "pick", for: "cfc-level" }, make("span", {}, words.level), picker);
  }

  function fillNotes() {
    const list = (name, lines) => lines.length ? [make("div", { className: name },
      make("h2", {}, words[name]), make("ul", {}, ...lines.map((line) => make("li", {}, line))))] : [];
    const lists = [...list("edits", data.edits), ...list("assumptions", data.assumptions), ...list("warnings", data.warnings)];
    $("notes").lastElementChild.append(...lists);
    $("notes").hidden = !lists.length;
  }

  function fillSources() {
    const rows = data.sources.map((source) => make("li", {},
      make("b", {}, source.role), " ", source.citation || source.file,
      make("span", { className: "licence" }, [source.licence || words.licence_none, source.date].filter(Boolean).join(" · "))));
    if (data.basemap.credit) rows.push(make("li", {}, make("b", {}, words.role_basemap), " ", words[data.basemap.credit]));
    $("sources").lastElementChild.append(make("ul", {}, ...rows), make("p", { className: "hint" }, fill(words.crs, { crs: data.crs })));
  }

  /* Close all but the head, the figures and the legend. */
  function fold(folded) {
    $("panel").classList.toggle("folded", folded);
    $("fold").textContent = folded ? words.unfold : words.fold;
    $("fold").setAttribute("aria-expanded", String(!folded));
  }

  // ----------------------------------------------------------------------------------------- 7 labels and popups

  let labels = [];

  /* Unit names with their share, those with most children first; a name that would cover another is left out. */
  function placeLabels() {
    labels.forEach((label) => label.remove());
    labels = [];
    if (!shown.labels) return;
    const { id, name, level, at } = data.units;
    const units = id.map((unit, i) => i).filter((i) => level[i] === shown.level);
    units.sort((one, other) => (figures.of(id[other]).children || 0) - (figures.of(id[one]).children || 0) || one - other);
    labels = units.map((i) => {
      const text = make("div", { className: "unit-label" }, make("span", {}, name[i] || id[i]),
        make("b", {}, shareOf(figures.of(id[i]))));
      const icon = L.divIcon({ html: text, className: "unit-anchor", iconSize: null });
      const label = L.marker(latlngOf(...at[i]), { icon, keyboard: false, interactive: true, unit: i });
      return label.on("click", () => showUnit(i, false)).addTo(map);
    });
    thinLabels();
  }

  const NUDGES = [[0, 0], [0, -26], [0, 26], [-46, 0], [46, 0], [-46, -26], [46, 26], [-46, 26], [46, -26]];

  /* Move each label a little if that frees it from symbols and earlier labels; leave out what would cover a label. */
  function thinLabels() {
    const taken = [], frame = map.getContainer().getBoundingClientRect(), reach = symbolSize(map.getZoom()) + 2;
    const symbols = data.facilities.at.filter((at, facility) => visibleFacility(facility)).map(([x, y]) => {
      const point = map.latLngToContainerPoint(latlngOf(x, y)).add([frame.left, frame.top]);
      return { left: point.x - reach, right: point.x + reach, top: point.y - reach, bottom: point.y + reach };
    });
    const hits = (box, others) => others.filter((other) => box.left < other.right && box.right > other.left
      && box.top < other.bottom && box.bottom > other.top).length;
    labels.forEach((label) => {
      const text = label.getElement().firstChild;
      text.hidden = false;
      text.style.marginLeft = text.style.marginTop = "0px";
      const { left, right, top, bottom } = text.getBoundingClientRect(), gap = 2;
      let best = null, fewest = Infinity;
      for (const [x, y] of NUDGES) {
        const box = { left: left + x - gap, right: right + x + gap, top: top + y - gap, bottom: bottom + y + gap };
        const covered = hits(box, taken) ? Infinity : hits(box, symbols);
        if (covered < fewest) { fewest = covered; best = { box, x, y }; }
      }
      text.hidden = !best;
      if (!best) return;
      text.style.marginLeft = best.x + "px";
      text.style.marginTop = best.y + "px";
      taken.push(best.box);
    });
  }

  function select(what, index) {
    const before = selected;
    selected = what ? { what, index } : null;
    const affected = { cell: "facilities", facility: "facilities", unit: "streets" };
    const names = [before, selected].filter(Boolean).map((one) => affected[one.what]);
    repaint(...new Set(names));
  }

  function open(latlng, ...content) {
    const phone = window.innerWidth < 720;
    const panel = $("panel").getBoundingClientRect();
    const mine = selected;
    const popup = L.popup({
      className: "cfc-popup", maxWidth: 300, minWidth: 210,
      autoPanPaddingTopLeft: L.point(phone ? 12 : panel.right + 12, 60),
      autoPanPaddingBottomRight: L.point(60, phone ? window.innerHeight - panel.top + 12 : 60),
    }).setLatLng(latlng).setContent(make("div", {}, ...content));
    popup.on("remove", () => { if (selected === mine) select(null); });
    map.openPopup(popup);
    const close = document.querySelector(".leaflet-popup-close-button");
    close.setAttribute("aria-label", words.close);
  }

  function facts(rows) {
    return make("table", {}, make("tbody", {}, ...rows.filter(Boolean).map(([name, ...value]) =>
      make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, ...value)))));
  }

  function statusBadge(status) {
    return make("span", { className: "badge" }, swatch(status), words["status_" + data.statuses[status]]);
  }

  function unitButton(unit) {
    if (unit < 0) return words.outside;
    const button = make("button", { type: "button", className: "link" }, data.units.name[unit] || data.units.id[unit]);
    button.addEventListener("click", () => showUnit(unit, false));
    return button;
  }

  function facilityName(facility) {
    return data.facilities.name[facility] || data.facilities.id[facility] || words.unnamed;
  }

  function walkText(metres, kind) {
    const bands = isCircle() ? [choice.band] : bandsOf(kind).includes(choice.band) ? [choice.band] : [];
    const band = bands.length && bandOf(bands[0]);
    if (!band || !band.speed_ms) return fill(words.metres_short, { m: whole(metres) });
    const min = Math.max(1, Math.round(metres / band.speed_ms / 60));
    return fill(words.walk_value, { m: whole(metres), min, band: fill(words.age, { band: band.id }) });
  }

  /* What a cell's access to a kind is: nearest facility, metres and minutes, status. */
  function accessRows(cell, kind) {
    if (isDifference()) {
      const walk = (one) => {
        const { metres, nearest } = one.cells.kinds[kind];
        return nearest[cell] ? [facilityName(nearest[cell] - 1), " ", make("small", {}, walkText(metres[cell] - 1, kind))] : [words.none_found];
      };
      return [[words.was, ...walk(views[0])], [words.now, ...walk(views[views.indexOf(seen) - 1])], [words.status, statusBadge(cellStatus()[cell])]];
    }
    const { status, metres, nearest } = cells.kinds[kind];
    const label = fill(words.nearest, { kind: data.kinds[kind].name });
    const rows = [];
    if (nearest[cell]) rows.push([label, facilityName(nearest[cell] - 1)]);
    rows.push([nearest[cell] ? words.walk : label, metres[cell] ? walkText(metres[cell] - 1, kind) : words.none_found]);
    rows.push([words.status, statusBadge(status[cell])]);
    return rows;
  }

  function basketRows(cell) {
    return kindsOfChoice().filter((kind) => cells.kinds[kind]).map((kind) => {
      const { status, metres, nearest } = cells.kinds[kind];
      const name = nearest[cell] ? facilityName(nearest[cell] - 1) : words.none_found;
      return [data.kinds[kind].name, make("span", { className: "badge" }, swatch(status[cell]), name),
        metres[cell] ? make("small", {}, walkText(metres[cell] - 1, kind)) : ""];
    });
  }

  function showCell(cell, latlng) {
    select("cell", cell);
    const unit = cells.unit[cell] - 1;
    const access = isCircle()
      ? [[words.status, statusBadge(cellStatus()[cell])], ...basketRows(cell)] : accessRows(cell, choice.kind);
    const bands = data.bands.map((band) => [band.name, cells.children[band.id] ? few(cells.children[band.id][cell] / 10) : words.no_figure]);
    open(latlng, make("h2", {}, words.cell, " ", make("small", {}, cells.id[cell])),
      facts([[words.unit, unitButton(unit)], ...access]),
      cells.attached[cell] ? "" : make("p", { className: "hint" }, words.cell_unattached),
      make("h3", {}, words.children_bands), facts(bands));
  }

  function showFacility(facility) {
    select("facility", facility);
    const { kind, capacity, within, assigned, entrances, evidence, attached, unit, at } = data.facilities;
    const known = data.kinds[kind[facility]];
    open(latlngOf(...at[facility]), make("h2", {}, facilityName(facility)),
      facts([
        [words.facility_kind, make("span", { className: "badge" }, symbol(known, attached[facility]), known.name)],
        [words.unit, unitButton(unit[facility] - 1)],
        [words.capacity, capacity[facility] == null ? words.not_given : whole(capacity[facility])],
        known.norm && attached[facility] && [words.within, within[facility] == null ? words.no_figure : whole(within[facility])],
        known.norm && attached[facility] && assigned[facility] != null && [words.assigned,
          [whole(assigned[facility]), crowdingText(facility)].filter(Boolean).join(" · ")],
        attached[facility] && entrances[facility] != null && [words.entrances_count,
          fill(words.places, { n: whole(entrances[facility]) }), " ",
          make("small", {}, words["evidence_" + evidence[facility]] || evidence[facility])],
      ]),
      attached[facility] ? "" : make("p", { className: "hint" }, words.facility_unattached),
      shapes.served.list.includes(facility) ? make("p", { className: "hint" }, words.served_area) : "");
  }

  function crowdingText(facility) {
    const { crowding, overflow, room } = data.facilities;
    if (!overflow[facility]) return crowding[facility] == null ? "" : fill(words.crowding, { share: percent(crowding[facility]) });
    const share = crowding[facility] == null ? words.no_figure : percent(crowding[facility]);
    return fill(words.crowded, { share, n: few(overflow[facility]), room: few(room[facility]) });
  }

  function showUnit(unit, move) {
    select("unit", unit);
    const { id, name, level, parent, at } = data.units;
    const row = figures.of(id[unit]), above = id.indexOf(parent[unit]);
    const latlng = latlngOf(...at[unit]);
    if (move) {
      const [west, north, east, south] = bounds(shapes.units, unit, unit + 1);
      fit(L.latLngBounds(latlngOf(west, north), latlngOf(east, south)), 16);
    }
    open(latlng, make("h2", {}, name[unit] || id[unit], " ", make("small", {}, level[unit])),
      make("p", { className: "hint" }, subtitle()),
      make("p", { className: "big" }, shareOf(row)),
      facts([
        ...data.statuses.map((status) => row[status]).map((count, status) =>
          [make("span", { className: "badge" }, swatch(status), statusWord(status)),
            count == null ? words.no_figure : fill(words.children, { n: few(count) })]),
        [words.children_head, row.children == null ? words.no_figure : fill(words.children, { n: few(row.children) })],
        above >= 0 && above !== unit && [words.parent, unitButton(above)],
      ]),
      walkLine(row) ? make("p", { className: "hint" }, walkLine(row)) : "");
  }

  function facilityAt(point) {
    const reach = Math.max(10, symbolSize(map.getZoom()) + 4);
    let best = -1, least = reach;
    data.facilities.at.forEach(([x, y], facility) => {
      if (!visibleFacility(facility)) return;
      const away = map.latLngToContainerPoint(latlngOf(x, y)).distanceTo(point);
      if (away <= least) { least = away; best = facility; }
    });
    return best;
  }

  function shapeAt(store, x, y, test) {
    let found = -1;
    visitNear(store, [x, y, x, y], (shape) => { if (found < 0 && (!test || test(shape)) && contains(store, shape, x, y)) found = shape; });
    return found;
  }

  function clicked(event) {
    const [x, y] = stepsOf(event.latlng);
    const facility = facilityAt(event.containerPoint);
    if (facility >= 0) return showFacility(facility);
    const cell = shown.cells ? shapeAt(shapes.cells, x, y) : -1;
    if (cell >= 0) return showCell(cell, event.latlng);
    const unit = shown.units ? shapeAt(shapes.units, x, y, (one) => data.units.level[one] === shown.level) : -1;
    if (unit >= 0) return showUnit(unit, false);
    select(null);
  }

  // ------------------------------------------------------------------------------------------------- 8 furniture

  /* A scale bar in 米 and 千米, its text set as text. */
  const Scale = L.Control.Scale.extend({
    _updateMetric(most) {
      const metres = this._getRoundNum(most);
      const text = metres < 1000 ? fill(words.metres, { n: metres }) : fill(words.kilometres, { n: metres / 1000 });
      this._mScale.style.width = Math.round((this.options.maxWidth * metres) / most) + "px";
      this._mScale.textContent = text;
    },
  });

  function addFurniture() {
    L.control.zoom({ position: "topright", zoomInTitle: words.zoom_in, zoomOutTitle: words.zoom_out }).addTo(map);
    new Scale({ position: "bottomleft", imperial: false, maxWidth: 140 }).addTo(map);
    map.getContainer().setAttribute("aria-label", words.map);
    $("north-word").textContent = words.north;
    $("review").textContent = data.approval ? fill(words.approval, { no: data.approval }) : words.not_reviewed;
    $("date").textContent = dataDate();
    const named = data.sources.map((one) => [one.citation || one.file, one.licence].filter(Boolean).join(" "));
    if (data.basemap.credit) named.push(words[data.basemap.credit]);
    $("credit").textContent = named.length ? fill(words.credit, { sources: [...new Set(named)].join(" · ") }) : "";
  }

  function dataDate() {
    const dates = [...new Set(data.sources.map((one) => one.date).filter(Boolean))].sort();
    if (!dates.length) return words.data_date_none;
    const date = dates.length > 1 ? dates[0] + " – " + dates[dates.length - 1] : dates[0];
    return fill(words.data_date, { date });
  }

  function addBasemap() {
    const { tiles, subdomains, zoom } = data.basemap;
    tiles.forEach((url) => L.tileLayer(url, { subdomains, maxNativeZoom: zoom, maxZoom: 19, zIndex: 1 }).addTo(map));
    if (tiles.length) {
      shown.ground = shown.streets = false;
      document.body.classList.add("basemap");
    }
  }

  function wholeBounds() {
    const [west, north, east, south] = data.frame.bounds;
    return L.latLngBounds(latlngOf(west, north), latlngOf(east, south));
  }

  /* Show `area` beside the panel (above it on a phone). */
  function fit(area, maxZoom) {
    const panel = $("panel").getBoundingClientRect(), phone = window.innerWidth < 720;
    const printing = document.documentElement.classList.contains("printing");
    map.fitBounds(area, {
      paddingTopLeft: printing || phone ? [10, 10] : [panel.right + 12, 16],
      paddingBottomRight: printing ? [10, 10] : phone ? [10, Math.min(panel.height, window.innerHeight / 2) + 10] : [56, 36],
      maxZoom: maxZoom || 18,
      animate: false,
    });
  }

  /* Lay the page out for paper (A3 landscape), and back. On paper the map is one canvas: browsers print tiles that lie
   * over one another as if they were opaque. */
  let screenView = null;

  function printLayout(on) {
    if (on === Boolean(screenView)) return;
    document.documentElement.classList.toggle("printing", on);
    document.querySelectorAll("#cfc-panel details").forEach((one) => {
      if (on) one.dataset.open = one.open ? "yes" : "";
      one.open = on || Boolean(one.dataset.open);
    });
    map.closePopup();
    map.options.zoomSnap = on ? 0.05 : 0.25;
    const view = screenView;
    screenView = on ? { centre: map.getCenter(), zoom: map.getZoom() } : null;
    map.invalidateSize({ animate: false, pan: false });
    if (on) {
      fit(wholeBounds());
      paintPaper();
    } else {
      $("paper").remove();
      map.setView(view.centre, view.zoom, { animate: false });
    }
    const today = fill(words.printed, { date: new Date().toLocaleDateString(data.lang) });
    $("date").textContent = dataDate() + (on ? " · " + today : "");
    thinLabels();
  }

  function paintPaper() {
    const { min } = map.getPixelBounds(), { x, y } = map.getSize();
    const view = viewOf(map.getZoom(), min.x, min.y, x, y);
    view.ratio = 3;
    const paper = make("canvas", { id: "cfc-paper" });
    const ctx = pen(paper, view, !data.basemap.tiles.length);
    ["cells", "streets", "facilities"].forEach((name) => PAINT[name](ctx, view));
    map.getContainer().append(paper);
  }

  function listenForPrint() {
    window.addEventListener("beforeprint", () => printLayout(true));
    window.addEventListener("afterprint", () => printLayout(false));
    window.matchMedia("print").addEventListener("change", (event) => printLayout(event.matches));
    $("print").addEventListener("click", () => window.print());
  }

  // ----------------------------------------------------------------------------------------------------- 9 start

  async function unpackAll() {
    const named = async (group, unpack) => {
      const entries = await Promise.all(Object.entries(group).map(async ([name, packed]) => [name, await unpack(packed)]));
      return Object.fromEntries(entries);
    };
    const [tables, units, cellShapes, streets, backdrop, areas, served] = await Promise.all([
      data.views ? null : unpackText(data.figures), unpackShapes(data.units.shapes), unpackShapes(data.cells.shapes),
      named(data.streets, unpackShapes),
      named(data.backdrop, async (theme) => ({ areas: await unpackShapes(theme.areas), lines: await unpackShapes(theme.lines) })),
      unpackShapes(data.facilities.shapes), unpackShapes(data.facilities.served.shapes),
    ]);
    shapes = {
      units, streets, backdrop, cells: cellShapes, areas: { store: areas, list: data.facilities.areas },
      served: { store: served, list: data.facilities.served.facility },
      entrances: await named(data.entrances, unpackNumbers),
    };
    if (data.views) await unpackViews(named);
    else {
      figures = readFigures(tables);
      cells = await unpackCells(named, data.cells);
    }
    drawn.facilities = new Uint8Array(data.facilities.id.length);
  }

  /* The views of a comparison: each its own answers, figures and facilities, of the same cells. */
  async function unpackViews(named) {
    views = await Promise.all(data.views.map(async ({ name, statuses, figures: tables, cells: answers, facilities }) => ({
      name, statuses, figures: readFigures(await unpackText(tables)), facilities: await unpackNumbers(facilities),
      cells: await unpackCells(named, { ...data.cells, ...answers, unknown: statuses.length - 1 }),
    })));
    see(views[2]);
  }

  function see(chosen) {
    seen = chosen;
    ({ cells, figures } = chosen);
    data.statuses = chosen.statuses;
  }

  function fillViews() {
    if (!views.length) return;
    const picker = make("select", { id: "cfc-view" }, ...views.map((one, i) =>
      make("option", { value: String(i), selected: one === seen }, one.name)));
    picker.addEventListener("change", () => {
      see(views[Number(picker.value)]);
      map.closePopup();
      choose(choice.kind, choice.band);
    });
    $("choose").prepend(make("label", { for: "cfc-view" }, words.view), picker);
  }

  async function unpackCells(named, packed) {
    const [id, unit, attached, children, kinds, circle] = await Promise.all([
      unpackText(packed.id), unpackNumbers(packed.unit), unpackNumbers(packed.attached),
      named(packed.children, unpackNumbers), named(packed.kinds, (kind) => named(kind, unpackNumbers)),
      named(packed.circle, unpackNumbers),
    ]);
    const bands = Object.values(children);
    const childrenOf = (band) => children[band]
      ? (cell) => children[band][cell] : (cell) => bands.reduce((sum, counts) => sum + counts[cell], 0);
    return { id, unit, attached, children, kinds, circle, childrenOf, nothing: new Uint8Array(shapes.cells.count).fill(packed.unknown ?? 2) };
  }

  /* The finest level with at most 24 units, else the one with fewest. */
  function readLevels() {
    const counts = new Map();
    data.units.level.forEach((level) => counts.set(level, (counts.get(level) || 0) + 1));
    levels = [...counts.keys()].sort((one, other) => counts.get(one) - counts.get(other));
    shown.level = levels.filter((level) => counts.get(level) <= 24).pop() ?? levels[0] ?? "";
  }

  const total = (seen) => seen.reduce((sum, one) => sum + one, 0);

  /* What tests (and the curious) may ask of the page. */
  function summary() {
    const streets = Object.values(shapes.streets);
    return Object.freeze({
      ready: true,
      counts: Object.freeze({
        cells: shapes.cells.count,
        segments: streets.reduce((sum, store) => sum + store.count, 0),
        facilities: data.facilities.id.length,
        entrances: shapes.entrances.x.length,
        units: shapes.units.count,
        backdrop: Object.values(data.backdrop).reduce((sum, theme) => sum + theme.rows, 0),
      }),
      drawn: () => ({
        cells: total(shapes.cells.seen),
        segments: streets.reduce((sum, store) => sum + total(store.seen), 0),
        facilities: total(drawn.facilities),
        units: total(shapes.units.seen),
      }),
      choice: () => ({ ...choice }),
      view: () => (seen ? seen.name : null),
      figures: () => ({ ...figures.of(figures.all) }),
      repaints: () => redraws,
      /* Where on the page a facility, cell or unit is. */
      where: (what, id) => {
        const layer = what === "cell" ? cells : data[what === "facility" ? "facilities" : "units"];
        const index = layer.id.indexOf(id);
        const at = what === "cell" ? middle(bounds(shapes.cells, index, index + 1)) : layer.at[index];
        const point = map.latLngToContainerPoint(latlngOf(...at)), box = map.getContainer().getBoundingClientRect();
        return { x: point.x + box.left, y: point.y + box.top };
      },
      lonlat: (what, id) => {
        const layer = what === "cell" ? cells : data[what === "facility" ? "facilities" : "units"];
        const index = layer.id.indexOf(id);
        const at = what === "cell" ? middle(bounds(shapes.cells, index, index + 1)) : layer.at[index];
        const { lng, lat } = latlngOf(...at);
        return [lng, lat];
      },
    });
  }

  const middle = ([west, north, east, south]) => [(west + east) / 2, (north + south) / 2];

  function say(text) {
    $("message").textContent = text;
    $("message").hidden = !text;
  }

  async function start(leafletMap, canvasLayers) {
    const read = JSON.parse(document.getElementById("cfc-data").textContent);
    words = read.words;
    document.querySelectorAll("[data-word]").forEach((one) => { one.textContent = words[one.dataset.word]; });
    document.title = read.title;
    $("title").textContent = read.title;
    $("panel").setAttribute("aria-label", words.panel);
    if (typeof DecompressionStream === "undefined") return say(words.too_old);
    say(words.loading);
    map = leafletMap;
    layers = canvasLayers;
    try {
      data = read;
      await unpackAll();
    } catch (error) {
      data = null;
      say(words.broken);
      throw error;
    }
    show();
    say("");
    window.cfcMap = summary();
    document.documentElement.classList.add("ready");
  }

  function show() {
    readLevels();
    addFurniture();
    addBasemap();
    fillViews();
    const kind = fillKinds();
    fillNotes();
    fillSources();
    fillLayers();
    fold(window.innerWidth < 720);
    $("fold").addEventListener("click", () => fold(!$("panel").classList.contains("folded")));
    $("choose").addEventListener("submit", (event) => event.preventDefault());
    $("whole").addEventListener("click", () => fit(wholeBounds()));
    choose(kind, "6-11");
    fit(wholeBounds());
    Object.values(layers).forEach((layer) => layer.addTo(map));
    map.on("click", clicked);
    map.on("zoomend", thinLabels);
    listenForPrint();
    thinLabels();
  }

  return { canvasLayer, start };
})();
