// Rows of cells, strips, lanes, grids: what lies along an axis or in a table.

const LEVEL = 25, LAYER = 21;
const cellHeight = (context) => (context.options.full === false ? 30 : 34); // an explorer must be low

function drawRow(sheet, group, area, context, ticks) {
  const tall = cellHeight(context);
  const scale = scaleOf(context.axes.get(group.x.name), area.x0, area.x1);
  const brackets = (group.brackets || []).map(([start, end, words, tone = "ink", level = 0]) => ({ start, end, words, tone, level }));
  const levels = brackets.length ? Math.max(...brackets.map((b) => b.level)) + 1 : 0;
  const edges = namesOnce(group.edges || [], context);
  const arcs = arcsOver(group, context) ? (context.options.full === false ? 40 : 44) : 0;
  const high = Math.max(0, ...group.cells.map((cell) => cell[5] || 0)) * LAYER + tall;
  const lifted = besideHead(edges, scale, area, context); // then the edges' names stand in the line of the kernel's name
  const above = (!lifted && edges.some(([, words]) => words) ? 18 : 0) + levels * LEVEL + arcs;
  const start = beside(sheet, group, area, tall, above, arcs || (!lifted && edges.some(([, words]) => words)) ? firstAbove(edges, group, scale, area, context) : 0);
  const top = start + above, below = top + high, over = levels * LEVEL;
  context.places.set(group.label, (at) => ({ x: scale(at), y: top, w: 0, h: tall, over }));
  const named = group.cells.map((cell, i) => drawCell(sheet, group, cell, scale, { top, tall, over, layered: high > tall, cuts: edges.map(([at]) => scale(at)) }, context));
  group.cells.forEach(([key], i) => { if (!named[i] && context.states[key]) sheet.legend.set(key, context.states[key]); });
  drawBreaks(sheet, group, scale, top, high);
  const taken = [];
  const high0 = lifted ? area.y - 18 : start;
  edges.forEach(([at, words, tone], i) => drawEdge(sheet, `${group.id}.edge${i}`, scale(at), high0, below + 4, words, tone, area, taken));
  const walls = edges.map(([at]) => [scale(at) - 2, high0, scale(at) + 2, below]);
  brackets.forEach((b, i) => drawBracket(sheet, `${group.id}.bracket${i}`, b, scale, top - 5 - b.level * LEVEL, area, taken, walls));
  if (group.note) {
    sheet.text(`${group.id}.note`, area.x0, below + 15, fit(group.note, area.right - area.x0, SMALL), { size: SMALL, fill: "quiet" });
    return (ticks ? drawTicks(sheet, group.id, scale, below + 20, area) : below + 18);
  }
  return ticks ? drawTicks(sheet, group.id, scale, below + 2, area) : below;
}

const arcsOver = (group, context) => context.links.some(([start, , end]) => [start, end].some((id) =>
  String(id).startsWith(`${group.label}@`) || group.cells.some((cell) => cell[4] && cell[4] === id)));

// Whether the edges' names have room in the line of the kernel's name, in a picture that must be low.
const besideHead = (edges, scale, area, context) => context.options.full === false && area.first
  && edges.some(([, words]) => words) && edges.every(([at, words]) => !words || namePlace(scale(at), words, area)[0] > area.left + area.headWidth + 16);

// Where the first thing above a row begins, px from the left: a label that is shorter stands beside it.
function firstAbove(edges, group, scale, area, context) {
  const links = arcsOver(group, context) ? context.links.map(([start, , end, words]) => [start, end].map((id) => {
    const cell = group.cells.find((one) => one[4] && one[4] === id);
    return scale(cell ? cell[1] : Number(String(id).split("@")[1]));
  }).concat(widthOf(spellings(words)[0] || "", SMALL, true))) : [];
  return Math.min(...links.map(([a, b, w]) => Math.min(a, b, (a + b - w) / 2)), ...edges.filter(([, words]) => words).map(([at, words]) => namePlace(scale(at), words, area)[0]));
}

// An edge that goes on from the row above is not named again.
function namesOnce(edges, context) {
  context.edges ||= new Set();
  return edges.map(([at, words = "", tone = "ink"]) => {
    const key = `${at}|${spellings(words)[0]}`;
    const again = context.edges.has(key);
    context.edges.add(key);
    return [at, again ? "" : words, tone];
  });
}

function drawCell(sheet, group, [key, at, length = 1, words = "", id = "", level = 0], scale, { top, tall, over, layered, cuts }, context) {
  const [, meaning] = context.states[key];
  const x = scale(at), w = Math.max(1, scale(at + length) - x), y = top + level * LAYER;
  const gap = w > 6 ? 0.75 : 0;
  const name = id || `${group.id}.${level}.${at}`;
  const cell = new Sheet(sheet.width);
  const named = piece(cell, "", gap - w / 2, -tall / 2, w - 2 * gap, tall, meaning, { words, hot: context.hot.has(id), own: name, cuts: cuts.map((cut) => cut - x - w / 2), lift: layered && !level ? -tall / 2 + 15 : 0 });
  const centre = [x + w / 2, y + tall / 2];
  sheet.add("g", `cell.${name}`, { at: centre, kids: shifted(cell.items, centre) });
  if (id) sheet.anchors.set(sheet.path + id, { x, y, w, h: tall, over });
  return named;
}

// Kids keep their place within the group; a text's box is in the picture's units, for tests and collisions.
const shifted = (items, [dx, dy]) => items.map((item) =>
  (item.box ? { ...item, box: [item.box[0] + dx, item.box[1] + dy, item.box[2] + dx, item.box[3] + dy] } : item));

function drawBreaks(sheet, group, scale, top, high) {
  scale.parts.slice(0, -1).forEach((part, i) => {
    const x = part.x1 + GAP / 2, y = top + high / 2;
    for (const dx of [-3, 3]) sheet.line(`${group.id}.break${i}.${dx}`, [[x + dx - 3, y + 9], [x + dx + 3, y - 9]], { stroke: "quiet", width: 1.5 });
  });
}

function drawEdge(sheet, key, x, top, below, words, tone, area, taken) {
  sheet.line(key, [[x, top], [x, below]], { stroke: tone, width: 3, own: key });
  const [left, w, said] = namePlace(x, words, area);
  if (!said) return;
  const box = [left, top, left + w, top + 14];
  if (taken.some((other) => overlap(box, other, 4))) return;
  taken.push(box);
  sheet.text(`${key}.words`, left, top + 11, said, { size: SMALL, bold: true, fill: tone, own: key });
}

// An edge's name: right of it, or left where there is no room.
function namePlace(x, words, area) {
  const said = fit(words, area.right - area.left - 12, SMALL, true), w = widthOf(said, SMALL, true);
  return [x + 6 + w <= area.right ? x + 6 : Math.max(area.left, x - 6 - w), w, said];
}

function drawBracket(sheet, key, { start, end, words, tone }, scale, y, area, taken, walls) {
  const x0 = scale(start) + 1.5, x1 = Math.max(x0 + 3, scale(end) - 1.5);
  sheet.line(key, [[x0, y], [x0, y - 6], [x1, y - 6], [x1, y]], { stroke: tone === "ink" ? "ink" : textTone(tone), width: 2, own: key });
  for (const said of spellings(words)) {
    const w = widthOf(said, SMALL, true);
    const boxOf = (x) => [x, y - 21, x + w, y - 8];
    const free = ([left, ...rest]) => !taken.some((other) => overlap([left - 5, rest[0], rest[1] + 5, rest[2]], other)) && !walls.some((wall) => overlap([left, ...rest], wall, 3));
    const spots = [(x0 + x1) / 2 - w / 2, ...walls.flatMap((wall) => [wall[0] - w - 4, wall[2] + 4]).filter((x) => x >= x0 - w / 2 && x + w <= x1 + w / 2)];
    const box = spots.map((x) => boxOf(Math.min(Math.max(x, area.left), area.right - w))).find(free);
    if (!box) continue;
    const [x] = box;
    taken.push(box);
    sheet.text(`${key}.words`, x, y - 10, said, { size: SMALL, bold: true, fill: textTone(tone), own: key });
    return;
  }
}

// ---- strips ----

function drawStrip(sheet, group, area, context, ticks) {
  const scale = scaleOf(context.axes.get(group.x.name), area.x0, area.x1);
  const top = beside(sheet, group, area, 24);
  const named = new Set();
  const drawn = new Set();
  group.spans.forEach(([key, start, end, words], i) => {
    const [name, meaning] = context.states[key];
    const x = scale(start), w = scale(end) - x;
    drawn.add(key);
    const said = piece(sheet, `${group.id}.span${i}`, x, top, Math.max(1, w), 24, meaning, { words: words || name, bold: true, rx: 0, size: SMALL });
    if (said) sayNamed(sheet, named, key, said);
  });
  for (const key of drawn) if (!named.has(key)) sheet.legend.set(key, context.states[key]);
  return ticks ? drawTicks(sheet, group.id, scale, top + 26, area) : top + 24;
}

// A state whose own words stand on it, in this panel or another, needs no legend.
function sayNamed(sheet, named, key, said) {
  named.add(key);
  sheet.named.add(said);
}

// ---- lanes ----

function drawLanes(sheet, group, area, context, ticks) {
  const scale = scaleOf(context.axes.get(group.x.name), area.x0, area.x1);
  const rail = context.options.full === false ? 18 : 20; // px
  const rails = Math.max(1, (group.rails || []).length, ...group.stays.map((stay) => stay[1] + 1));
  const marked = context.options.marked || (group.marks || []).some((mark) => mark[1]);
  let y = area.y + (marked ? 24 : 0);
  const top = y, lane = new Map();
  const bottom = y + group.threads.reduce((sum, [, words]) => sum + rails * rail + (fit(words, area.right - area.x0, SMALL) ? 24 : 7), 0);
  const used = []; // above the lanes, from and to
  (group.marks || []).forEach(([at, words, tone = "ink"], i) => drawMark(sheet, `${group.id}.mark${i}`, scale(at), top - 4, bottom, words, tone, area, used));
  for (const [name, words] of group.threads) {
    sheet.line(`${group.id}.rule.${name}`, [[area.left, y], [area.x1, y]], { stroke: "rule" });
    sheet.text(`${group.id}.${name}`, area.x0 - 10, y + 4 + (rails * rail) / 2 + 5, name, { bold: true, anchor: "end" });
    const said = fit(words, area.right - area.x0, SMALL);
    sheet.text(`${group.id}.${name}.words`, area.x0, y + 15, said, { size: SMALL, fill: "quiet", plate: "paper" });
    lane.set(name, y + (said ? 20 : 3));
    y += rails * rail + (said ? 24 : 7);
  }
  const from = scale.axis.from, to = scale.axis.to, named = new Set();
  group.stays.forEach(([thread, at, key, start, end, words], i) => {
    if (start > to) return;
    const [name, meaning] = context.states[key];
    const x = scale(Math.max(start, from)), w = scale(end == null ? to : Math.min(end, to)) - x;
    const said = piece(sheet, `${group.id}.stay${i}`, x + 0.5, lane.get(thread) + at * rail, w - 1, rail - 3, meaning, { words: words || name, rim: false, size: SMALL });
    if (said) sayNamed(sheet, named, key, said);
    else sheet.legend.set(key, context.states[key]);
  });
  sheet.line(`${group.id}.floor`, [[area.left, y], [area.x1, y]], { stroke: "rule" });
  return ticks ? drawTicks(sheet, group.id, scale, y + 1, area) : y;
}

// A dotted line with its words above it, on the side where there is room beside what the marks before it say.
function drawMark(sheet, key, x, top, bottom, words, tone, area, used) {
  sheet.line(key, [[x, top], [x, bottom]], { stroke: textTone(tone), width: 1.8, dash: "2 3", own: key });
  const places = spellings(words).flatMap((said) => [x + 5, x - 5 - widthOf(said, SMALL)].map((from) => [said, from, from + widthOf(said, SMALL)]));
  const free = ([, from, to]) => from > area.left && to < area.right && used.every(([a, b]) => to < a - 4 || from > b + 4);
  const place = places.find(free);
  if (!place) return;
  used.push(place.slice(1));
  sheet.text(`${key}.words`, place[1], top - 3, place[0], { size: SMALL, fill: textTone(tone), own: key });
}

// ---- grids ----

function drawGrid(sheet, group, area, context) {
  const columns = group.heads.length;
  const most = group.mono ? 34 : 110;
  const w = Math.min(most, (area.x1 - area.x0) / columns), h = group.mono ? 26 : 32;
  let y = area.y;
  if (group.label) { sheet.text(`${group.id}.label`, area.left, y + 12, fit(group.label, area.right - area.left, NORMAL) || group.label, {}); y += 22; }
  sheet.text(`${group.id}.corner`, area.x0 - 10, y + 12, fit(group.corner, area.x0 - area.left - 10, SMALL), { size: SMALL, anchor: "end", fill: "quiet" });
  group.heads.forEach((head, i) => sheet.text(`${group.id}.head${i}`, area.x0 + (i + 0.5) * w, y + 12, fit(head, w - 2, SMALL, true), { size: SMALL, bold: true, anchor: "middle" }));
  if (group.heads.some((head) => spellings(head).length)) y += 20;
  const top = y;
  group.rows.forEach(([head, boxes], r) => {
    sheet.text(`${group.id}.row${r}`, area.x0 - 10, y + h / 2 + 4.5, fit(head, area.x0 - area.left - 8, NORMAL) || spellings(head).at(-1) || "", { anchor: "end" });
    boxes.forEach((box, i) => {
      drawBox(sheet, group, box, `${group.id}.${r}.${i}`, area.x0 + i * w + 1, y + 1, w - 2, h - 2, context);
      if (context.states[box[0]]) sheet.legend.set(box[0], context.states[box[0]]);
    });
    y += h;
  });
  const said = (group.outlines || []).map(([r0, c0, r1, c1, words, dashed], i) => {
    sheet.rect(`${group.id}.outline${i}`, area.x0 + c0 * w - 1, top + r0 * h - 1, (c1 - c0 + 1) * w + 2, (r1 - r0 + 1) * h + 2,
      { fill: "none", stroke: "ink", width: 2.5, dash: dashed ? "5 3" : "", rx: 4 });
    return [area.x0 + c0 * w, words];
  });
  return drawOutlineWords(sheet, group, said.filter(([, words]) => spellings(words).length), y + 6, area);
}

function drawOutlineWords(sheet, group, said, y, area) {
  let right = -1;
  said.forEach(([x, words], i) => {
    if (x < right) { y += 18; right = -1; }
    const line = fit(words, area.right - x, NORMAL, true) || fit(words, area.right - area.left, NORMAL, true) || spellings(words).at(-1);
    const left = Math.max(area.left, Math.min(x, area.right - widthOf(line, NORMAL, true)));
    sheet.text(`${group.id}.said${i}`, left, y + 12, line, { bold: true });
    right = left + widthOf(line, NORMAL, true) + 14;
  });
  return said.length ? y + 20 : y;
}

function drawBox(sheet, group, [look = "", words = "", sets = null], key, x, y, w, h, context) {
  const how = { size: group.mono ? SMALL : NORMAL };
  if (typeof look === "number") {
    const [fill, on] = shadeOf(look);
    sheet.rect(key, x, y, w, h, { fill, rx: 3, sets });
    sheet.text(`${key}.words`, x + w / 2, y + h / 2 + 5, fit(words, w - 4, 14), { size: 14, anchor: "middle", fill: on });
  } else if (look) piece(sheet, key, x, y, w, h, context.states[look][1], { words, rim: !group.mono, ...how });
  else sheet.text(`${key}.words`, x + w / 2, y + h / 2 + 4.5, fit(words, w - 2, how.size, false, group.mono), { ...how, mono: group.mono, anchor: "middle" });
}

// One hue, light to dark, with the words that can be read on it.
function shadeOf(share) {
  const at = Math.min(1, Math.max(0, share));
  const mix = [[241, 239, 233], [126, 180, 218], [8, 58, 107]];
  const [low, high, part] = at < 0.5 ? [mix[0], mix[1], at * 2] : [mix[1], mix[2], at * 2 - 1];
  const [r, g, b] = low.map((n, i) => Math.round(n + (high[i] - n) * part));
  const light = [r, g, b].map((n) => (n / 255 <= 0.04045 ? n / 255 / 12.92 : ((n / 255 + 0.055) / 1.055) ** 2.4));
  const bright = 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2];
  return [`#${[r, g, b].map((n) => n.toString(16).padStart(2, "0")).join("")}`, bright > 0.19 ? "#111111" : "#ffffff"];
}
