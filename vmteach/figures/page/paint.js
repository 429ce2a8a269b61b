// paint(svg, picture): a layout becomes SVG, reconciled by key, so that a cell that is in both pictures moves.

const NS = "http://www.w3.org/2000/svg";
let drawings = 0;

function make(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (key === "class") node.className = value;
    else if (key in node && key !== "list") node[key] = value;
    else node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

function vector(tag, attributes = {}) {
  const node = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

// An empty picture: a paper below everything, patterns of its own, a title and a description for those who listen.
function canvas() {
  const svg = vector("svg", { xmlns: NS, class: "vm-svg", role: "img" });
  svg.serial = `vm${++drawings}`;
  const [title, desc] = ["title", "desc"].map((tag) => vector(tag, { id: `${svg.serial}-${tag}` }));
  svg.setAttribute("aria-labelledby", `${svg.serial}-title`);
  svg.setAttribute("aria-describedby", `${svg.serial}-desc`);
  svg.append(title, desc, vector("defs"), vector("rect", { class: "vm-paper", width: "100%", height: "100%", fill: "var(--vm-paper)" }), vector("g"));
  svg.nodes = new Map();
  return svg;
}

function colour(name) {
  if (!name || name === "none" || name[0] === "#") return name || "none";
  return name.startsWith("soft-") ? `color-mix(in srgb, var(--vm-${name.slice(5)}) 22%, var(--vm-paper))` : `var(--vm-${name})`;
}

function paint(svg, picture, { title = picture.title, alt = "" } = {}) {
  const { width, height, above = 0, pad = 0 } = picture;
  const [titleNode, desc, defs, paper, root] = svg.childNodes;
  const box = [-pad, -above - pad, width + 2 * pad, height + above + 2 * pad];
  set(svg, { viewBox: box.join(" "), width: box[2], height: box[3] });
  set(paper, { x: box[0], y: box[1] });
  if (titleNode.textContent !== title) titleNode.textContent = title;
  if (desc.textContent !== alt) desc.textContent = alt;
  svg.setAttribute("role", picture.items.some((item) => item.sets) ? "group" : "img");
  paintKids(svg, defs, root, inOrder(picture.items), svg.nodes);
}

// Cells stand in the order of their keys: a node that is put elsewhere in the document would not move, but jump.
function inOrder(items) {
  const first = items.findIndex((item) => item.kind === "g");
  if (first < 0) return items;
  const cells = items.filter((item) => item.kind === "g").sort((a, b) => (a.key < b.key ? -1 : 1));
  const rest = items.filter((item) => item.kind !== "g");
  const at = items.slice(0, first).length;
  return [...rest.slice(0, at), ...cells, ...rest.slice(at)];
}

function paintKids(svg, defs, parent, items, nodes) {
  const keys = new Set(items.map((item) => item.key));
  for (const [key, node] of nodes) if (!keys.has(key)) { node.remove(); nodes.delete(key); }
  let next = parent.firstChild;
  for (const item of items) {
    let node = nodes.get(item.key);
    if (!node || node.kind !== item.kind) {
      if (node) { if (node === next) next = node.nextSibling; node.remove(); }
      node = Object.assign(vector(item.kind), { kind: item.kind, kids: new Map() });
      nodes.set(item.key, node);
    }
    if (node === next) next = node.nextSibling;
    else parent.insertBefore(node, next);
    dress(svg, defs, node, item);
  }
}

function dress(svg, defs, node, item) {
  const now = {};
  if (item.kind === "g") {
    set(node, { "data-cell": item.key });
    turnTo(node, `translate(${round(item.at[0])}px, ${round(item.at[1])}px)`);
    paintKids(svg, defs, node, item.kids, node.kids);
    return;
  }
  if (item.kind === "text") {
    Object.assign(now, { x: round(item.x), y: round(item.y), "font-size": item.size, fill: colour(item.fill) });
    now["text-anchor"] = item.anchor === "start" ? null : item.anchor;
    now["font-weight"] = item.bold ? "bold" : null;
    now["class"] = item.mono ? "vm-mono" : item.halo ? "vm-halo" : null;
    if (node.textContent !== item.text) node.textContent = item.text;
  } else {
    if (item.kind === "rect") Object.assign(now, { x: round(item.x), y: round(item.y), width: round(item.w), height: round(item.h), rx: item.rx ? round(item.rx) : null });
    else now.d = item.d;
    now.fill = item.pattern ? `url(#${pattern(svg, defs, item.pattern)})` : colour(item.fill);
    now.stroke = item.stroke && item.stroke !== "none" ? colour(item.stroke) : null;
    now["stroke-width"] = now.stroke ? item.width || 1 : null;
    now["stroke-dasharray"] = item.dash || null;
    now["stroke-linejoin"] = item.join ? "round" : null;
    now["shape-rendering"] = item.crisp ? "crispEdges" : null;
    now["marker-end"] = item.arrow ? `url(#${marker(svg, defs, "arrow", item.stroke)})` : item.knob ? `url(#${marker(svg, defs, "knob", item.stroke)})` : item.ends ? `url(#${marker(svg, defs, "bar", item.stroke)})` : null;
    now["marker-start"] = item.ends ? `url(#${marker(svg, defs, "bar", item.stroke)})` : null;
    if (item.turn !== undefined) turnBy(node, item.turn);
    if (item.sets) Object.assign(now, { role: "button", tabindex: 0, "data-sets": JSON.stringify(item.sets), "aria-label": Object.entries(item.sets).map(([k, v]) => `${k} ${v}`).join(", ") });
  }
  set(node, now);
}

// Attributes as they are to be; what is already so is left alone.
function set(node, now) {
  node.was ||= {};
  for (const [name, value] of Object.entries(now)) {
    if (node.was[name] === value) continue;
    node.was[name] = value;
    if (value == null) node.removeAttribute(name);
    else node.setAttribute(name, value);
  }
}

function turnTo(node, transform) {
  if (node.style.transform !== transform) node.style.transform = transform;
}

// Turned to an angle by the shorter way round.
function turnBy(node, turn) {
  const before = node.turn ?? turn;
  node.turn = turn + 360 * Math.round((before - turn) / 360);
  turnTo(node, `rotate(${round(node.turn)}deg)`);
}

// ---- patterns and arrow heads, with ids that are the drawing's own ----

const PATTERNS = { // size, what is drawn: d of lines, or a circle
  "in-use": [5, "M1 0V5"], attention: [6, "M-1 7L7 -1M-1 1L1 -1M5 7L7 5"], promised: [6, "M0 0L6 6M6 0L0 6"], moving: [5, ""], done: [4, "M0 1H4"],
};

function pattern(svg, defs, name) {
  const id = `${svg.serial}-${name}`;
  if (defs.querySelector(`#${id}`)) return id;
  const [, kind, eighths, of] = /^(area|mix)(\d?)-(.*)$/.exec(name) || [null, "", "", name];
  const [size, d] = kind === "area" ? [7, "M-1 8L8 -1M-1 1L1 -1M6 8L8 6"] : kind === "mix" ? [8, `M0 ${eighths / 2}H8`] : PATTERNS[name];
  const stroke = kind === "area" ? `var(--vm-text-${of})` : kind === "mix" ? `var(--vm-${of})` : `var(--vm-on-${of})`;
  const node = vector("pattern", { id, width: size, height: size, patternUnits: "userSpaceOnUse" });
  if (d) node.append(vector("path", { d, fill: "none", stroke, "stroke-width": kind === "mix" ? eighths : kind === "area" ? 0.9 : 1.4 }));
  else node.append(vector("circle", { cx: 2.5, cy: 2.5, r: 1.3, fill: stroke }));
  defs.append(node);
  return id;
}

const MARKERS = { arrow: "M0 0L9 4L0 8z", knob: "M4 4m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0", bar: "M3.4 0H4.6V8H3.4z" };

function marker(svg, defs, kind, stroke = "ink") {
  const id = `${svg.serial}-${kind}-${stroke}`;
  if (defs.querySelector(`#${id}`)) return id;
  const px = kind === "bar" ? 12 : kind === "knob" ? 9 : 10;
  const node = vector("marker", { id, viewBox: kind === "arrow" ? "0 0 9 8" : "0 0 8 8", refX: kind === "arrow" ? 8 : 4, refY: 4, markerWidth: px, markerHeight: px, markerUnits: "userSpaceOnUse", orient: "auto" });
  node.append(vector("path", { d: MARKERS[kind], fill: colour(stroke) }));
  defs.append(node);
  return id;
}
