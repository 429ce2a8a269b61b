// layout(panels, width): scenes become a flat list of keyed primitives (rect, path, text, and g for what moves).
// Nothing here touches the document, so tests read the list. rows.js, lists.js and charts.js draw the forms.

const SMALL = 12, NORMAL = 13, PHONE = 480;
const slug = (name) => String(name).replace(/ /g, "-");
const TONES = new Set(["ink", "quiet", "blue", "alert", "guess"]);
const textTone = (tone) => (TONES.has(tone) ? tone : `text-${slug(tone)}`);
const tone = (name) => (name === "busy" ? "blue" : slug(name));

// How a state is filled: colour, pattern, words on it, and an edge where it has one.
function lookOf(meaning) {
  if (meaning === "busy") return { fill: "blue", on: "on-blue" };
  if (meaning === "lit") return { fill: "lit", on: "ink", stroke: "ink" };
  if (meaning === "waits") return { fill: "shade", on: "ink", stroke: "quiet", dash: "4 3" };
  if (meaning === "blocked") return { fill: "paper", on: "alert", stroke: "alert", dash: "4 3" };
  const name = slug(meaning);
  const look = { fill: name, on: `on-${name}`, pattern: TOKENS.pattern[meaning] ? name : "" };
  return meaning === "nothing" ? { ...look, stroke: "rule", dash: "2 2" } : look;
}

class Sheet {
  constructor(width) {
    this.width = width;
    this.items = [];
    this.anchors = new Map(); // id -> {x, y, w, h} for links
    this.legend = new Map(); // state's letter -> [words, meaning] that no label names
    this.named = new Set(); // first spellings that stand on what they name, in some panel
    this.path = ""; // of keys: the panel
  }

  add(kind, key, fields) {
    const item = { kind, key: `${this.path}${key}`, ...fields };
    this.items.push(item);
    return item;
  }

  rect(key, x, y, w, h, fields) { return this.add("rect", key, { x, y, w: Math.max(0, w), h: Math.max(0, h), ...fields }); }

  line(key, points, fields) {
    const d = points.map(([x, y], i) => `${i ? "L" : "M"}${round(x)} ${round(y)}`).join("");
    return this.add("path", key, { d, points, fill: "none", stroke: "ink", width: 1, ...fields });
  }

  text(key, x, y, text, { size = NORMAL, bold, mono, anchor = "start", fill = "ink", plate, halo, own } = {}) {
    if (!text) return null;
    const w = widthOf(text, size, bold, mono);
    const left = anchor === "end" ? x - w : anchor === "middle" ? x - w / 2 : x;
    const box = [left, y - size * 0.78, left + w, y + size * 0.24];
    if (plate) this.rect(`${key}.plate`, box[0] - 3, box[1] - 2, w + 6, size * 1.02 + 4, { fill: plate, rx: 2 });
    return this.add("text", key, { x, y, text, size, bold, mono, anchor, fill, box, plate, halo, own });
  }

  // Lines of words one below the other; gives the y below them.
  lines(key, x, y, lines, how = {}) {
    const size = how.size || NORMAL;
    lines.forEach((line, i) => this.text(`${key}.${i}`, x, y + size * 0.8 + i * (size + 5), line, how));
    return y + lines.length * (size + 5);
  }
}

const round = (n) => Math.round(n * 10) / 10;
const overlap = (a, b, gap = 0) => a[0] < b[2] + gap && b[0] < a[2] + gap && a[1] < b[3] + gap && b[1] < a[3] + gap;

// A filled piece: colour, pattern on the rim below, edge; its words only if they fit. Gives the words that stand on it.
function piece(sheet, key, x, y, w, h, meaning, { words, hot, bold, rim = true, own, rx = 3, size = NORMAL, lift = 0, cuts = [] } = {}) {
  const look = lookOf(meaning);
  if (hot) [x, y, w, h] = [x + 1, y + 1, Math.max(1, w - 2), h - 2]; // its thick edge stays clear of its neighbours
  const edge = hot ? { stroke: "ink", width: 3 } : look.stroke ? { stroke: look.stroke, dash: look.dash, width: 1.2 } : {};
  sheet.rect(key, x, y, w, h, { fill: look.fill, rx: Math.min(rx, w / 3), ...edge });
  const low = look.pattern && rim ? Math.min(10, Math.max(6, Math.round(h * 0.3))) : 0;
  if (low) sheet.add("path", `${key}.rim`, rimOf(look, (part, u) => [x + u, y + h - 1 - (low - 1) * part], 1, w - 1, 1, low));
  const [from, to] = widest(x, x + w, cuts);
  let strong = bold || hot, said = fit(words, to - from - 6, size, strong);
  if (!said && (said = fit(words, to - from - (hot ? 0 : 2), SMALL))) [size, strong] = [SMALL, false];
  const middle = lift || y + (h - low) / 2 + size * 0.36;
  if (said) sheet.text(`${key}.words`, (from + to) / 2, middle, said, { size, bold: strong, anchor: "middle", fill: look.on, own });
  return said;
}

// A pattern on a rim as lines: as a pattern each would be a bitmap of its own on paper. `at(part, u)` is the place at a
// part of the rim's height, u along it; `px` is how much of u a pixel is.
function rimOf(look, at, from, to, px, high = 10) {
  const { pattern, on } = look, lean = 9 * px, every = 5.5 * px;
  const place = (part, u) => at(part, u).map(round).join(" ");
  let d = "";
  const line = (u, over) => { // cut at both ends of the rim
    const cut = (limit) => Math.max(0, Math.min(1, (limit - u) / over));
    const [a, b] = [cut(from), cut(to)].sort((one, other) => one - other);
    if (b - a > 0.05) d += `M${place(a, u + over * a)}L${place(b, u + over * b)}`;
  };
  if (pattern === "done") {
    for (const part of high < 8 ? [0.2, 0.85] : [0.15, 0.5, 0.85]) d += [0, 1, 2, 3].map((n) => `${n ? "L" : "M"}${place(part, from + ((to - from) * n) / 3)}`).join("");
    return { d, fill: "none", stroke: on, width: 1.2 };
  }
  for (let u = from - lean + every / 2; u < to + lean; u += every) {
    if (pattern === "attention" || pattern === "promised") line(u, lean);
    if (pattern === "promised") line(u, -lean);
    if (u < from || u > to) continue;
    if (pattern === "in-use") d += `M${place(0, u)}L${place(1, u)}`;
    if (pattern === "moving") for (const part of [0.25, 0.75]) d += `M${place(part, u)}m-1.2 0a1.2 1.2 0 1 0 2.4 0a1.2 1.2 0 1 0 -2.4 0`;
  }
  return pattern === "moving" ? { d, fill: on } : { d, fill: "none", stroke: on, width: 1.2 };
}

// The widest part between cuts: words do not lie on the edge that goes through their cell.
function widest(x0, x1, cuts) {
  const at = [x0, ...cuts.filter((cut) => cut > x0 && cut < x1).flatMap((cut) => [cut - 3, cut + 3]), x1];
  let best = [x0, x0];
  for (let i = 0; i < at.length; i += 2) if (at[i + 1] - at[i] > best[1] - best[0]) best = [at[i], at[i + 1]];
  return best;
}

// ---- axes ----

const axesOf = (group) => [group.x, group.y].filter(Boolean);

// All axes of one name as one, over the panels: limits, unit, the ticks of each.
function sharedAxes(scenes) {
  const found = new Map();
  for (const scene of scenes) {
    for (const group of groupsOf(scene)) {
      for (const axis of axesOf(group)) {
        const same = found.get(axis.name);
        const merged = same ? { ...same, from: Math.min(same.from, axis.from), to: Math.max(same.to, axis.to) } : { ...axis };
        if (same && axis.ticks) merged.ticks = unique([...(same.ticks || []), ...axis.ticks]);
        if (same && axis.windows) merged.windows = joined([...(same.windows || []), ...axis.windows]);
        found.set(axis.name, merged);
      }
    }
  }
  return found;
}

// In a picture that must be low, the graph of many threads is left out: their lanes say who waits for what.
const groupsOf = (scene, full = true) => (full ? [...(scene.groups || []), ...(scene.more || [])]
  : (scene.groups || []).filter((group) => group.as !== "nodes" || group.threads.length < 3));

function unique(ticks) {
  const at = new Map(ticks.map((tick) => [Array.isArray(tick) ? tick[0] : tick, tick]));
  return [...at.values()];
}

function joined(windows) {
  const sorted = windows.map((w) => [...w]).sort((a, b) => a[0] - b[0]);
  const found = [sorted[0]];
  for (const [low, high] of sorted.slice(1)) {
    if (low <= found.at(-1)[1]) found.at(-1)[1] = Math.max(found.at(-1)[1], high);
    else found.push([low, high]);
  }
  return found;
}

const GAP = 26; // px between two windows of an axis

// A position in data units -> px; windows share the room by their length.
function scaleOf(axis, x0, x1) {
  const windows = axis.windows || [[axis.from, axis.to]];
  const total = windows.reduce((sum, [low, high]) => sum + high - low, 0) || 1;
  const room = x1 - x0 - GAP * (windows.length - 1);
  let left = x0;
  const parts = windows.map(([low, high]) => {
    const part = { low, high, x0: left, x1: left + (room * (high - low)) / total };
    left = part.x1 + GAP;
    return part;
  });
  const scale = (at) => {
    const part = parts.find((p) => at <= p.high) || parts.at(-1);
    if (at < part.low) return part === parts[0] ? part.x0 : part.x0 - GAP / 2;
    return part.x0 + ((Math.min(at, part.high) - part.low) / (part.high - part.low || 1)) * (part.x1 - part.x0);
  };
  return Object.assign(scale, { parts, axis });
}

function drawTicks(sheet, key, scale, y, area) {
  const { axis } = scale;
  const used = [];
  const ticks = ticksOf(axis, area.x1 - area.x0).filter(([at]) => scale.parts.some((p) => at >= p.low && at <= p.high));
  const order = axis.ticks ? ticks : [...ticks].reverse(); // the last has the unit: it goes first
  for (const [at, words] of order) {
    const x = scale(at);
    const said = fit(words, area.x1 - area.left, SMALL) || spellings(words).at(-1) || "";
    const w = widthOf(said, SMALL);
    const left = Math.min(Math.max(x - w / 2, area.left), area.right - w);
    const free = !used.some(([a, b]) => left < b + 8 && a < left + w + 8);
    if (!said) continue;
    sheet.line(`${key}.tick${at}`, [[x, y], [x, y + 5]], { stroke: "quiet" });
    if (!free) continue;
    used.push([left, left + w]);
    sheet.text(`${key}.at${at}`, left, y + 17, said, { size: SMALL, fill: "quiet" });
  }
  return used.length ? y + 24 : y;
}

// ---- a panel ----

const SIDE = new Set(["ring", "belt", "script", "nodes", "chart", "strip"]);
const fitsBeside = (scene, full) => groupsOf(scene, full).every((group) => SIDE.has(group.as) || (group.as === "grid" && group.heads.length < 5));

// Words at the left of a group, or above it where they are too long for the gutter.
const gutterWords = (group) => (["row", "strip", "belt"].includes(group.as) ? [group.label] : group.as === "bands"
  ? group.ends || [] : group.as === "lanes" ? group.threads.map(([name]) => name)
    : group.as === "grid" ? [...group.rows.map(([head]) => head), group.corner] : []);

function gutterOf(scene, axes, width, full) {
  let gutter = 0;
  for (const group of groupsOf(scene, full)) {
    const most = width < PHONE ? (group.as === "grid" ? 112 : 76) : 170;
    for (const words of gutterWords(group)) {
      const bold = group.as === "bands" || group.as === "lanes";
      const fits = fit(words, most - 10, NORMAL, bold);
      if (fits && !(group.as === "row" && width < PHONE)) gutter = Math.max(gutter, widthOf(fits, NORMAL, bold) + 10);
    }
    if (group.y && group.as === "chart") {
      for (const [, words] of ticksOf(axes.get(group.y.name), 100, 40)) gutter = Math.max(gutter, widthOf(spellings(words).at(-1), SMALL) + 10);
    }
  }
  return Math.ceil(gutter);
}

// The group's label in the gutter at `y`, or as a line above it: beside what stands above the group, if that is `free`
// up to there. Gives the y where the group begins.
function beside(sheet, group, area, height, above = 0, free = 0) {
  const said = area.width < PHONE && group.as === "row" ? "" : fit(group.label, area.x0 - area.left - 8, NORMAL);
  if (said) {
    sheet.text(`${group.id}.label`, area.x0 - 10, area.y + above + height / 2 + 5, said, { anchor: "end" });
    return area.y;
  }
  const line = fit(group.label, area.right - area.left, NORMAL) || spellings(group.label).at(-1);
  sheet.text(`${group.id}.label`, area.left, area.y + 12, line, {});
  return area.left + widthOf(line, NORMAL) + 12 < free ? area.y : area.y + 20;
}

function drawPanel(sheet, [label, scene], area, axes, options) {
  sheet.path = `${label}/`;
  let y = area.y, headWidth = 0;
  if (label && options.heads !== false) {
    const patched = /^patched/.test(label);
    const shorter = [label, label.replace(/^what if: /, "if "), label.replace(/ \(.*/, "")].map(capital);
    const head = fitOrCut([headOf(label), ...shorter], area.right - area.left, 15, true);
    sheet.text("head", area.left, y + 15, head, { size: 15, bold: true, fill: patched ? "blue" : "ink" });
    headWidth = widthOf(head, 15, true);
    y += options.full === false ? 23 : 28;
  }
  const groups = groupsOf(scene, options.full !== false).map((group, i) => ({ ...group, id: group.id || `${i}.${group.as}` }));
  const context = { axes, scene, states: scene.states || {}, hot: new Set(scene.hot || []), links: scene.links || [], options, places: new Map() };
  for (let i = 0; i < groups.length;) {
    const run = groups[i].as === "script" ? scriptsFrom(groups, i) : [groups[i]];
    const here = { ...area, y, headWidth, first: i === 0 && label && options.heads !== false };
    const ticks = groups[i].x && !groups.slice(i + run.length).some((g) => g.x && g.x.name === groups[i].x.name)
      && (options.last || !area.stacked);
    y = FORMS[groups[i].as](sheet, run.length > 1 || groups[i].as === "script" ? run : groups[i], here, context, ticks) + (options.full === false ? 6 : 12);
    i += run.length;
  }
  if (scene.gauges && Object.keys(scene.gauges).length) y = drawGauges(sheet, scene, { ...area, y }, options) + 6;
  drawLinks(sheet, context, area);
  const chart = options.full === false && groups.some((group) => group.as === "chart"); // it had the note, or no room for it
  if (scene.note && options.notes !== false && !context.noted && !chart && !options.noteBelow) y = drawNote(sheet, scene, { ...area, y });
  sheet.path = "";
  return y;
}

function scriptsFrom(groups, i) {
  let end = i;
  while (end < groups.length && groups[end].as === "script") end++;
  return groups.slice(i, end);
}

function drawNote(sheet, scene, area) {
  const text = spellings(scene.note)[0];
  const lines = wrap(plainly(text), area.right - area.left - 14, NORMAL, false, 4);
  const height = lines.length * 18;
  if (scene.end) sheet.rect("note.bar", area.left, area.y, 4, height, { fill: scene.end === "bad" ? "alert" : "blue" });
  return sheet.lines("note", area.left + (scene.end ? 14 : 0), area.y, lines, { fill: "ink" }) + 6;
}

// Arrows between ids and places. "holds" and "waits" between the nodes of a lock graph are drawn there.
function drawLinks(sheet, context, area) {
  const find = (id) => {
    if (sheet.anchors.has(sheet.path + id)) return sheet.anchors.get(sheet.path + id);
    const [name, at] = String(id).split("@");
    const place = context.places.get(name);
    return place && at !== undefined ? place(Number(at)) : null;
  };
  context.links.forEach(([start, kind, end, words], i) => {
    const a = find(start), b = find(end);
    if (!a || !b || a.node || b.node) return;
    drawArc(sheet, `link${i}`, a, b, kind, words, area);
  });
}

function drawArc(sheet, key, a, b, kind, words, area) {
  const stroke = kind === "waits" ? "alert" : kind === "meant" ? "quiet" : "ink";
  const dash = kind === "waits" || kind === "meant" ? "5 4" : "";
  const ax = a.x + a.w / 2, bx = b.x + b.w / 2;
  const same = Math.abs(a.y - b.y) < 8;
  const up = same ? 30 : 0, over = a.over || 0;
  const ay = same ? a.y - over - 2 : a.y < b.y ? a.y + a.h : a.y, by = same ? b.y - over - 2 : a.y < b.y ? b.y : b.y + b.h;
  const d = same ? `M${round(ax)} ${round(ay)}C${round(ax)} ${round(ay - up)} ${round(bx)} ${round(by - up)} ${round(bx)} ${round(by)}`
    : `M${round(ax)} ${round(ay)}L${round(bx)} ${round(by)}`;
  sheet.add("path", key, { d, fill: "none", stroke, width: 2, dash, arrow: kind !== "holds" });
  const said = fit(words, area.right - area.left, SMALL, true);
  if (!said) return;
  const w = widthOf(said, SMALL, true);
  const x = Math.min(Math.max((ax + bx) / 2 - w / 2, area.left), area.right - w);
  sheet.text(`${key}.words`, x, same ? Math.min(ay, by) - up * 0.75 - 6 : (ay + by) / 2 + 4, said, { size: SMALL, bold: true, fill: stroke, plate: same ? "" : "paper" });
}

// ---- all of it ----

function layout(panels, width, options = {}) {
  const full = options.full !== false;
  const high = (scene) => scene.groups.length > 1 || scene.groups.some((group) => group.as === "lanes");
  const squeezed = !full && width >= 720 && panels.some(([, scene]) => high(scene)); // an explorer must not scroll
  const side = panels.length > 1 && (squeezed || (width >= 520 && panels.every(([, scene]) => fitsBeside(scene, full))));
  const marked = side && panels.some(([, scene]) => groupsOf(scene, full).some((group) => group.as === "lanes" && (group.marks || []).length));
  const sheet = new Sheet(width);
  const axes = options.axes || sharedAxes(panels.map(([, scene]) => scene));
  const across = side ? Math.min(panels.length, width >= 760 ? 3 : 2) : 1;
  const gap = 28, room = (width - gap * (across - 1)) / across;
  const gutter = Math.max(...panels.map(([, scene]) => gutterOf(scene, axes, room, full)));
  const notes = panels.map(([, scene]) => spellings(scene.note)[0]);
  const noteBelow = panels.length > 1 && new Set(notes).size === 1; // one for all
  let y = 0;
  for (let i = 0; i < panels.length; i += across) {
    const tops = panels.slice(i, i + across).map((panel, n) => {
      const left = n * (room + gap);
      const area = { left, right: left + room, x0: left + gutter, x1: left + room - 2, y, width: room, stacked: across === 1 };
      const [, was] = (options.was || []).find(([label]) => label === panel[0]) || []; // the same kernel's last position
      return drawPanel(sheet, panel, area, axes, { ...options, full, marked, was, noteBelow, last: i + across >= panels.length });
    });
    y = Math.max(...tops) + (full ? 10 : 2);
  }
  if (noteBelow && panels[0][1].note && options.notes !== false) y = drawNote(sheet, { note: panels[0][1].note }, { left: 0, right: width, y });
  for (const [key, [words]] of sheet.legend) if (sheet.named.has(spellings(words)[0])) sheet.legend.delete(key);
  if (options.legend !== false) y = drawLegend(sheet, y, width);
  return { width, height: Math.ceil(y), items: sheet.items, title: panels[0][1].clause || panels[0][1].title ? titleOf(panels) : "", legend: sheet.legend };
}

function drawLegend(sheet, y, width) {
  let x = 0, row = y;
  for (const [key, [words, meaning]] of sheet.legend) {
    const said = fit(words, width - 34, SMALL) || spellings(words).at(-1);
    const w = 30 + widthOf(said, SMALL) + 16;
    if (x && x + w > width) { x = 0; row += 22; }
    piece(sheet, `legend.${key}`, x + 1, row, 22, 14, meaning, {});
    sheet.text(`legend.${key}.words`, x + 30, row + 11.5, said, { size: SMALL });
    x += w;
  }
  return sheet.legend.size ? row + 22 : y;
}
