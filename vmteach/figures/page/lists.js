// Lists of pages as rings and belts, scripts of threads, the graph of locks, gauges.

const cellsOf = (text) => String(text).split(/\s+/).filter(Boolean).map((cell) => [cell[0], cell.slice(1)]);

function legendOf(sheet, context, keys) {
  for (const key of keys) sheet.legend.set(key, context.states[key]);
}

function drawRing(sheet, group, area, context) {
  const cells = cellsOf(group.cells);
  const slots = Math.max(group.slots || cells.length, 1);
  const outer = Math.min((area.right - area.left) / 2 - 22, 128), thick = Math.min(42, outer * 0.36), middle = outer - thick / 2;
  const cx = (area.left + area.right) / 2, cy = area.y + outer + 34;
  const step = 360 / slots;
  const [tail, head] = group.ends || ["tail", "head"];
  for (let i = cells.length; i < slots; i++) {
    sheet.add("path", `${group.id}.free${i}`, { d: sector(outer, thick, step, cx, cy, (i + 0.5) * step), fill: "none", stroke: "rule", dash: "2 3", width: 1 });
  }
  const wide = (2 * Math.PI * middle) / slots;
  cells.forEach(([key, id], i) => drawSector(sheet, context, { key, id, wide, outer, thick, middle, cx, cy, step, turn: (i + 0.5) * step }));
  sheet.add("path", `${group.id}.hand`, { d: `M${cx + 8} ${area.y + 16}h14l-7 12z`, fill: "ink" });
  sheet.text(`${group.id}.tail`, cx + 28, area.y + 26, tail, { bold: true });
  if (cells.length) drawHead(sheet, group, { cx, cy, outer, thick, turn: (cells.length - 0.5) * step, hot: context.hot.has(cells.at(-1)[1]), head, area });
  drawMiddle(sheet, group, cx, cy, outer - thick - 8, cells.length);
  legendOf(sheet, context, cells.map(([key]) => key));
  return cy + outer + 8;
}

const polar = (r, turn) => [r * Math.sin((turn * Math.PI) / 180), -r * Math.cos((turn * Math.PI) / 180)];

const shiftedBy = ([x, y], down) => [x, y + down];

// A piece of the ring around (cx, cy), turned clockwise from twelve o'clock.
function sector(outer, thick, step, cx, cy, turn, inner = outer - thick) {
  const gap = Math.min(0.8, step / 8), half = step / 2 - gap;
  const [a, b, c, d] = [[outer, turn - half], [outer, turn + half], [inner, turn + half], [inner, turn - half]]
    .map(([r, t]) => { const [x, y] = polar(r, t); return `${round(cx + x)} ${round(cy + y)}`; });
  return `M${a}A${outer} ${outer} 0 0 1 ${b}L${c}A${inner} ${inner} 0 0 0 ${d}Z`;
}

function drawSector(sheet, context, { key, id, wide, outer, thick, middle, cx, cy, step, turn }) {
  const look = lookOf(context.states[key][1]);
  const [x, y] = polar(middle, turn);
  const hot = context.hot.has(id);
  const rim = Math.round(thick * 0.36);
  const kids = [
    { kind: "path", key: "body", d: sector(outer, thick, step, 0, middle, 0), turn, fill: look.fill, stroke: hot ? "ink" : look.stroke || "none", dash: hot ? "" : look.dash, width: hot ? 3 : 1 },
  ];
  if (look.pattern) kids.push({ ...rimOf(look, (part, u) => shiftedBy(polar(outer - rim + (rim - 1) * part, u), middle), -step / 2 + 0.8, step / 2 - 0.8, 57 / outer), kind: "path", key: "rim", turn });
  const inner = polar(-rim / 2 + 1, turn);
  if (wide >= 22 && widthOf(id, NORMAL, hot) <= wide) {
    const px = look.pattern ? inner : [0, 0];
    kids.push({ kind: "text", key: "words", x: px[0], y: px[1] + 4.7, text: id, size: NORMAL, bold: hot, anchor: "middle", fill: look.on, own: id,
      box: textBox(cx + x + px[0], cy + y + px[1] + 4.7, id, hot) });
  }
  sheet.add("g", `cell.${id}`, { at: [cx + x, cy + y], kids, label: `${id}: ${spellings(context.states[key][0])[0]}` });
  sheet.anchors.set(sheet.path + id, { x: cx + x - wide / 2, y: cy + y - thick / 2, w: wide, h: thick });
}

const textBox = (x, y, text, bold, size = NORMAL) => {
  const w = widthOf(text, size, bold);
  return [x - w / 2, y - size * 0.78, x + w / 2, y + size * 0.24];
};

// The head's name outside the last cell; an arrow inside from the tail to it, if it has just been put there.
function drawHead(sheet, group, { cx, cy, outer, thick, turn, hot, head, area }) {
  const [x, y] = polar(outer + 12, turn);
  const left = turn > 180;
  const w = widthOf(head, NORMAL, true);
  let tx = left ? cx + x - w : cx + x, ty = cy + y + 2;
  if (turn > 330) { ty = area.y + 26; tx = Math.min(tx, cx - 4 - w); } // beside the hand
  else if (turn < 60) { ty = area.y + 26; tx = cx + 42 + widthOf(group.ends ? group.ends[0] : "tail", NORMAL, true); } // beside the tail's name
  tx = Math.max(area.left, Math.min(tx, area.right - w));
  const near = tx + w < cx ? cx - tx - w : Math.max(0, tx - cx); // how far its nearest corner is from the middle, across
  const rise = Math.sqrt(Math.max(0, (outer + 4) ** 2 - near ** 2));
  if (turn >= 60 && turn <= 330 && Math.abs(ty - 4 - cy) < rise + 6) ty = turn > 270 || turn < 90 ? cy - rise - 4 : cy + rise + 12; // never on the ring
  sheet.text(`${group.id}.head`, tx, ty, head, { bold: true });
  if (!hot || turn < 90) return;
  const r = outer - thick - 9;
  const [ax, ay] = polar(r, 2), [bx, by] = polar(r, turn + 8);
  sheet.add("path", `${group.id}.arrow`, { d: `M${round(cx + ax)} ${round(cy + ay)}A${r} ${r} 0 ${turn < 180 ? 1 : 0} 0 ${round(cx + bx)} ${round(cy + by)}`, fill: "none", stroke: "ink", width: 2, arrow: true });
}

function drawMiddle(sheet, group, cx, cy, radius, count) {
  const unit = group.unit || "page";
  const said = spellings(group.middle)[0];
  const lines = said ? wrap(said, radius * 1.75, NORMAL, false, 3) : [];
  let y = cy - 8 - lines.length * 9;
  sheet.text(`${group.id}.name`, cx, y, fit(group.label, radius * 1.9, NORMAL), { anchor: "middle", fill: "quiet" });
  sheet.text(`${group.id}.count`, cx, y += 24, `${count} ${unit}${count === 1 ? "" : "s"}`, { size: 17, bold: true, anchor: "middle" });
  lines.forEach((line, i) => sheet.text(`${group.id}.middle${i}`, cx, y += i ? 18 : 22, line, { anchor: "middle", fill: "quiet" }));
}

// ---- belts ----

function drawBelt(sheet, group, area, context) {
  const cells = cellsOf(group.cells);
  const w = Math.max(14, Math.min(25, ...cells.map(([, id]) => widthOf(id, SMALL) + 9), 25)), h = 24;
  const size = Math.max(w, ...cells.map(([, id]) => Math.min(30, widthOf(id, SMALL) + 8)));
  const count = `${cells.length} ${group.unit || "page"}${cells.length === 1 ? "" : "s"}`;
  sheet.text(`${group.id}.label`, area.left, area.y + 12, group.label, { bold: true });
  const after = area.left + widthOf(group.label, NORMAL, true) + 8;
  const note = fit(spellings(group.note).length && cells.length ? [`${count}, ${spellings(group.note)[0]}`, count] : count, area.right - after, NORMAL);
  sheet.text(`${group.id}.note`, after, area.y + 12, note, { fill: "quiet" });
  const across = Math.max(1, Math.floor((area.right - area.left) / size));
  cells.forEach(([key, id], i) => {
    const x = area.left + (i % across) * size, y = area.y + 20 + Math.floor(i / across) * (h + 2);
    const cell = new Sheet(sheet.width);
    piece(cell, "", 0.75 - size / 2, -h / 2, size - 1.5, h, context.states[key][1], { words: id, hot: context.hot.has(id), own: id, size: SMALL });
    const at = [x + size / 2, y + h / 2];
    sheet.add("g", `cell.${id}`, { at, kids: shifted(cell.items, at) });
    sheet.anchors.set(sheet.path + id, { x, y, w: size, h });
  });
  legendOf(sheet, context, cells.map(([key]) => key));
  return area.y + 20 + Math.ceil(cells.length / across) * (h + 2);
}

// ---- scripts ----

const LINE = 23;

function drawScripts(sheet, groups, area) {
  const room = area.right - area.left;
  const least = Math.max(...groups.map((group) => scriptWidth(group)));
  const across = Math.max(1, Math.min(groups.length, Math.floor(room / Math.min(least, 165))));
  const w = room / across;
  let y = area.y;
  for (let i = 0; i < groups.length; i += across) {
    y = Math.max(...groups.slice(i, i + across).map((group, n) => drawScript(sheet, group, area.left + n * w, y, w - 10))) + 6;
  }
  return y;
}

const scriptWidth = (group) => Math.max(...group.lines.map(([name, words]) =>
  widthOf(name, SMALL, true) + 14 + widthOf(spellings(words).at(-1) || "", SMALL, true))) + 16;

function drawScript(sheet, group, x, y, w) {
  const column = Math.max(...group.lines.map(([name]) => widthOf(name, SMALL, true)), group.head ? widthOf(group.label, NORMAL, true) : 0) + 8;
  sheet.text(`${group.id}.label`, x + 6, y + 13, group.label, { bold: true });
  sheet.text(`${group.id}.head`, x + 6 + column, y + 13, fit(group.head, w - column - 8, SMALL), { size: SMALL, fill: "quiet" });
  y += 22;
  group.lines.forEach(([name, words], i) => {
    const next = i === group.at, top = y + i * LINE;
    if (next) {
      sheet.rect(`${group.id}.next`, x + 1, top, w - 2, LINE - 1, group.waits
        ? { fill: "paper", stroke: "alert", dash: "4 3", width: 2, rx: 4 } : { fill: "lit", stroke: "ink", width: 1.6, rx: 4 });
    }
    const how = { size: SMALL, bold: next, fill: i < group.at ? "quiet" : "ink" };
    sheet.text(`${group.id}.${i}.name`, x + 6, top + 15.5, name, how);
    sheet.text(`${group.id}.${i}`, x + 6 + column, top + 15.5, fitOrCut(words, w - column - 6, SMALL, next), how);
  });
  return y + group.lines.length * LINE;
}

// ---- the graph of locks: threads above, locks below, so that no line runs through a name ----

function drawNodes(sheet, group, area, context) {
  const threadW = 62, lockW = Math.max(54, ...group.locks.map((name) => widthOf(name, NORMAL, true) + 14)), h = 36, room = area.right - area.left;
  const place = (names, w, y) => {
    const gap = Math.min(150, room / Math.max(1, names.length));
    const left = area.left + (room - gap * names.length) / 2;
    return names.map((name, i) => [name, { x: left + gap * (i + 0.5) - w / 2, y, w, h, node: true }]);
  };
  const top = area.y + 4, low = top + h + (context.options.full === false ? 28 : 58);
  const at = new Map([...place(group.threads, threadW, top), ...place(group.locks, lockW, low)]);
  const links = context.links.filter(([start, kind, end]) => at.has(start) && at.has(end) && (kind === "holds" || kind === "waits"));
  const closed = ringOf(links);
  links.forEach(([start, kind, end]) => drawLockLink(sheet, `${group.id}.${start}.${kind}.${end}`, at.get(start), at.get(end), kind, closed.has(`${start}>${end}`)));
  const held = new Set(links.filter(([, kind]) => kind === "holds").map(([, , lock]) => lock));
  for (const [name, box] of at) {
    const lock = group.locks.includes(name);
    sheet.rect(`${group.id}.${name}`, box.x, box.y, box.w, h, { fill: lock ? (held.has(name) ? "attention" : "paper") : "paper", stroke: "ink", width: 1.8, rx: lock ? 5 : 17 });
    const words = lock ? (group.held && group.held[name]) || (held.has(name) ? "held" : "free") : "";
    const on = lock && held.has(name) ? "on-attention" : "ink";
    sheet.text(`${group.id}.${name}.name`, box.x + box.w / 2, box.y + (words ? 16 : 23), name, { bold: true, anchor: "middle", fill: on, own: name });
    sheet.text(`${group.id}.${name}.words`, box.x + box.w / 2, box.y + 30, fit(words, box.w - 4, SMALL), { size: SMALL, anchor: "middle", fill: on, own: name });
    sheet.anchors.set(sheet.path + name, box);
  }
  return low + h + 6;
}

// The links that form a ring: who waits for a lock that is held by one who waits.
function ringOf(links) {
  const next = new Map();
  for (const [start, kind, end] of links) {
    if (kind === "waits") next.set(start, end);
    else next.set(end, start);
  }
  const found = new Set();
  for (const start of next.keys()) {
    const path = [start];
    while (next.has(path.at(-1)) && path.length <= next.size + 1) path.push(next.get(path.at(-1)));
    if (path.slice(1).includes(start)) path.slice(0, path.indexOf(start, 1)).forEach((node, i) => { found.add(`${node}>${path[i + 1]}`); found.add(`${path[i + 1]}>${node}`); });
  }
  return found;
}

function drawLockLink(sheet, key, thread, lock, kind, thick) {
  const holds = kind === "holds";
  const shift = Math.sign(lock.x + lock.w / 2 - thread.x - thread.w / 2) * 12 + (holds ? -5 : 5);
  const from = [thread.x + thread.w / 2 + shift, thread.y + thread.h], to = [lock.x + lock.w / 2 - shift, lock.y];
  sheet.line(key, holds ? [to, from] : [from, to], { stroke: holds ? "ink" : "alert", width: thick ? 4 : 2.4, dash: holds ? "" : "6 4", arrow: !holds, knob: holds });
}

// ---- gauges ----

function drawGauges(sheet, scene, area, options) {
  const looks = scene.gaugeStates || {};
  const named = Object.entries(scene.gauges);
  const number = ([, value]) => (Array.isArray(value) ? value : [value, 0]);
  const most = Math.max(1, ...named.map((entry) => Math.max(...number(entry))), options.most || 0);
  const column = Math.min(130, Math.max(...named.map(([name]) => widthOf(name, NORMAL))) + 14);
  const wide = Math.min(136, area.right - area.left - column - 90);
  const taken = new Map((scene.debts || []).map(([more, less]) => [less, more]));
  let y = area.y + 4;
  for (const [name, value] of named) {
    const [n, of] = number([name, value]);
    const x = area.left + column, state = scene.states[looks[name]];
    sheet.text(`gauge.${name}`, area.left, y + 14, name, {});
    if (of && of <= 4 && !state) {
      for (let i = 0; i < of; i++) sheet.rect(`gauge.${name}.${i}`, x + i * 20 + 1, y + 3, 13, 13, { rx: 6.5, fill: i < n ? "done" : "paper", stroke: "ink", width: 1.2 });
      sheet.text(`gauge.${name}.n`, x + of * 20 + 6, y + 14, `${n} of ${of}`, { fill: "quiet" });
    } else {
      const scale = wide / (of || most);
      sheet.rect(`gauge.${name}.all`, x, y + 2, wide, 15, { fill: "paper", stroke: "rule", width: 1.2, rx: 2 });
      const debt = taken.has(name) ? number([0, scene.gauges[taken.get(name)]])[0] - n : 0;
      if (debt > 0) {
        sheet.rect(`gauge.${name}.debt`, x + n * scale, y + 2, debt * scale, 15, { fill: "debt", stroke: "text-promised", dash: "3 2", width: 1.2, rx: 2 });
        sheet.rect(`gauge.${name}.debt2`, x + n * scale, y + 2, debt * scale, 15, { pattern: "area-promised", rx: 2 });
      }
      if (n) sheet.rect(`gauge.${name}.bar`, x, y + 2, n * scale, 15, { fill: state ? tone(state[1]) : "blue", rx: 2 });
      sheet.text(`gauge.${name}.n`, x + wide + 10, y + 14, of ? `${n} of ${of}` : short(n), { bold: true });
    }
    y += 26;
  }
  return y;
}
