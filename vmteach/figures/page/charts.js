// Charts and bands: lines, areas and lists over an axis. A name stands only where its own line is the nearest.

function drawChart(sheet, group, area, context, ticks) {
  const phone = area.width < PHONE;
  const height = group.low ? 62 : phone ? 112 : context.options.full === false ? 120 : area.width > 700 ? 150 : 128;
  let top = area.y + 6;
  if (group.label && group.label !== group.y.name) {
    sheet.text(`${group.id}.label`, area.left, top + 10, fit(group.label, area.right - area.left, NORMAL, true), { bold: true });
    top += 26;
  }
  const x = scaleOf(context.axes.get(group.x.name), area.x0, area.x1);
  const yAxis = context.axes.get(group.y.name);
  const y = (at) => top + height - ((at - yAxis.from) / (yAxis.to - yAxis.from || 1)) * height;
  const plot = { x0: area.x0, x1: area.x1, top, bottom: top + height, height };
  const endX = group.end ? x(group.end[0]) : area.x1;
  for (const [i, [from, to]] of (group.shade || []).entries()) sheet.rect(`${group.id}.shade${i}`, x(from), top, x(to) - x(from), height, { fill: "shade" });
  drawRules(sheet, group, yAxis, y, plot, endX);
  context.places.set(group.label, (at) => ({ x: x(at), y: top, w: 0, h: height }));
  const things = { sheet, group, x, y, plot, area, context, boxes: [], strokes: [], wanted: [] };
  drawAreas(things);
  drawColumns(things);
  drawLines(things);
  drawMarks(things);
  drawEnd(things, endX);
  drawBeyond(things);
  placeNames(things);
  drawPrediction(things);
  return ticks ? drawTicks(sheet, group.id, x, plot.bottom + 1, area) : plot.bottom + 2;
}

function drawRules(sheet, group, axis, y, plot, endX) {
  for (const [at, words] of ticksOf(axis, plot.height, group.low ? 30 : 44)) {
    sheet.line(`${group.id}.rule${at}`, [[plot.x0, y(at)], [Math.max(endX, plot.x0), y(at)]], { stroke: "rule", rule: true });
    sheet.text(`${group.id}.y${at}`, plot.x0 - 8, y(at) + 4.5, spellings(words)[0], { size: SMALL, anchor: "end", fill: "quiet" });
  }
}

const pixels = (points, x, y) => points.map(([a, b]) => [x(a), y(b)]);

function drawAreas({ sheet, group, x, y, plot, wanted }) {
  (group.areas || []).forEach(([meaning, upper, lower, words], i) => {
    const up = pixels(upper, x, y), low = pixels(lower, x, y);
    const d = `M${[...up, ...[...low].reverse()].map(([a, b]) => `${round(a)} ${round(b)}`).join("L")}Z`;
    const name = slug(meaning);
    sheet.add("path", `${group.id}.area${i}`, { d, fill: meaning === "promised" ? "debt" : `soft-${name}` });
    sheet.add("path", `${group.id}.hatch${i}`, { d, pattern: `area-${name}` });
    if (spellings(words).length) wanted.push({ key: `area${i}`, words, fill: "ink", area: [up, low], plot });
  });
}

function drawColumns({ sheet, group, x, y, plot, boxes, area }) {
  const columns = group.columns || [];
  const axis = x.axis;
  const wide = Math.max(2, Math.min(12, ((plot.x1 - plot.x0) / Math.max(1, axis.to - axis.from)) * 0.7));
  columns.forEach(([at, value, tone0 = "ink", words = "", base = 0], i) => {
    const px = x(at), top = y(Math.max(value, base)), low = y(Math.min(value, base));
    sheet.rect(`${group.id}.column${i}`, px - wide / 2, top, wide, Math.max(1, low - top), { fill: TONES.has(tone0) ? tone0 : tone(tone0) });
    boxes.push([px - wide / 2, top, px + wide / 2, low]);
    const said = fit(words, 150, SMALL, true);
    if (!said) return;
    const w = widthOf(said, SMALL, true), right = px + wide / 2 + 6 + w <= area.right;
    const item = sheet.text(`${group.id}.column${i}.words`, right ? px + wide / 2 + 6 : px - wide / 2 - 6, Math.max(top + 10, plot.top + 10), said, { size: SMALL, bold: true, anchor: right ? "start" : "end" });
    boxes.push(item.box);
  });
}

// The parts of a line that lie in the plot: another position's may leave it, at any side.
function within(px, { x0, x1, top, bottom }) {
  const parts = [];
  let open = null;
  px.slice(1).forEach(([bx, by], i) => {
    const [ax, ay] = px[i], [dx, dy] = [bx - ax, by - ay];
    let from = 0, to = 1;
    for (const [way, room] of [[-dx, ax - x0], [dx, x1 - ax], [-dy, ay - top], [dy, bottom - ay]]) {
      if (way < 0) from = Math.max(from, room / way);
      else if (way > 0) to = Math.min(to, room / way);
      else if (room < 0) to = -1;
    }
    if (from > to) { open = null; return; }
    const at = (part) => [ax + dx * part, ay + dy * part];
    if (!open || from > 0) parts.push(open = [at(from)]);
    open.push(at(to));
    if (to < 1) open = null;
  });
  return parts;
}

function drawLines({ sheet, group, x, y, strokes, wanted, context, plot }) {
  const last = context.options.was && (context.options.was.groups || []).find((g) => g.as === "chart" && g.label === group.label);
  (last ? last.lines || [] : []).forEach(([, points], i) => within(pixels(points, x, y), plot).forEach((part, n) =>
    sheet.line(`${group.id}.was${i}.${n}`, part, { stroke: "quiet", width: 1, dash: "1 3", rule: true })));
  (group.lines || []).forEach(([name, points, words, dashed], i) => {
    const key = `${group.id}.line${i}`, px = pixels(points, x, y);
    sheet.line(key, px, { stroke: TONES.has(name) ? name : tone(name), width: 3, dash: dashed ? "6 4" : "", own: key, join: true });
    strokes.push({ key, px, samples: samplesOf(px) });
    if (spellings(words).length) wanted.push({ key, words, fill: textTone(name), line: px, state: [words, name] });
  });
  (group.notes || []).forEach(([at, value, words, name = "ink", dot], i) => {
    const px = [x(at), y(value)];
    if (dot) sheet.rect(`${group.id}.dot${i}`, px[0] - 4, px[1] - 4, 8, 8, { fill: TONES.has(name) ? name : tone(name), rx: 4 });
    wanted.push({ key: `note${i}`, words, fill: textTone(name), point: px });
  });
}

// Points on a line, no more than 5 px apart.
function samplesOf(px) {
  const found = [];
  px.forEach(([x1, y1], i) => {
    const [x0, y0] = px[Math.max(0, i - 1)];
    const steps = Math.max(1, Math.ceil(Math.hypot(x1 - x0, y1 - y0) / 5));
    for (let n = 1; n <= steps; n++) found.push([x0 + ((x1 - x0) * n) / steps, y0 + ((y1 - y0) * n) / steps]);
  });
  return found;
}

const away = (box, samples) => {
  let least = Infinity;
  for (const [x, y] of samples) {
    const dx = Math.max(box[0] - x, 0, x - box[2]), dy = Math.max(box[1] - y, 0, y - box[3]);
    const far = dx * dx + dy * dy;
    if (far < least) least = far;
  }
  return Math.sqrt(least);
};

function drawMarks({ sheet, group, x, plot, area, boxes, strokes, y }) {
  (group.marks || []).forEach(([at, words, name = "ink"], i) => {
    const key = `${group.id}.mark${i}`, px = x(at);
    sheet.line(key, [[px, plot.top], [px, plot.bottom]], { stroke: textTone(name), width: 1.8, dash: "2 3", own: key });
    strokes.push({ key, px: [[px, plot.top], [px, plot.bottom]], samples: samplesOf([[px, plot.top], [px, plot.bottom]]) });
    const said = fit(words, area.right - area.left, SMALL);
    if (!said) return;
    const w = widthOf(said, SMALL), left = px + 6 + w <= area.right ? px + 6 : px - 6 - w;
    const item = sheet.text(`${key}.words`, Math.max(area.left, left), plot.top + 11, said, { size: SMALL, fill: textTone(name), own: key, plate: "paper" });
    boxes.push(item.box);
  });
  (group.spans || []).forEach(([from, to, value, words], i) => {
    const x0 = x(from), x1 = x(to), py = Math.min(y(value), plot.bottom) - 12, said = fit(words, area.right - area.left, SMALL);
    const w = widthOf(said, SMALL);
    sheet.line(`${group.id}.span${i}`, [[x0, py], [x1, py]], { width: 1.4, own: "span", ends: true });
    const item = sheet.text(`${group.id}.span${i}.words`, Math.min(Math.max((x0 + x1 - w) / 2, area.left), area.right - w), py + 4, said, { size: SMALL, plate: "paper", own: "span" });
    if (item) boxes.push(item.box);
  });
}

function drawEnd({ sheet, group, plot, area, boxes, strokes, context }, endX) {
  if (!group.end) return;
  const key = `${group.id}.end`, line = [[endX, plot.top - 4], [endX, plot.bottom]];
  sheet.line(key, line, { width: 1.8, own: key });
  strokes.push({ key, px: line, samples: samplesOf(line) });
  const said = spellings(group.end[1]), size = SMALL;
  const room = area.right - endX - 10;
  const words = fit(said, room, size, true);
  let y = plot.top + 12;
  if (words) {
    boxes.push(sheet.text(`${key}.words`, endX + 8, y, words, { size, bold: true, fill: "blue", own: key }).box);
  } else if (said.length) {
    const left = fit(said, Math.min(endX, area.right) - area.left - (area.first ? area.headWidth + 14 : 200), size, true);
    if (left) sheet.text(`${key}.words`, Math.min(endX, area.right), area.y - (area.first ? 12 : 0), left, { size, bold: true, anchor: "end", fill: "blue", own: key });
  }
  const note = spellings(context.scene.note)[0];
  if (!note || room < 170 || context.noted || context.options.noteBelow) return;
  const lines = wrap(plainly(note), room, NORMAL, false, 9);
  if (lines.length * 18 > plot.height - 22) return;
  sheet.lines("note", endX + 8, y + 8, lines, { fill: "quiet" });
  boxes.push([endX + 8, y + 8, area.right, y + 8 + lines.length * 18]);
  context.noted = true;
}

function drawBeyond({ sheet, group, x, y, plot, boxes }) {
  (group.beyond || []).forEach(([side, at, words], i) => {
    const right = side === "right", tip = right ? [plot.x1, y(at)] : [x(at), plot.top];
    const back = right ? [tip[0] - 26, tip[1]] : [tip[0], tip[1] + 26];
    sheet.line(`${group.id}.beyond${i}`, [back, tip], { width: 2, arrow: true, own: `beyond${i}` });
    const said = fit(words, plot.x1 - plot.x0 - 40, SMALL, true);
    const w = widthOf(said, SMALL, true);
    const left = right ? back[0] - 6 - w : Math.min(Math.max(tip[0] - w / 2, plot.x0 + 4), plot.x1 - w - 4);
    const item = sheet.text(`${group.id}.beyond${i}.words`, left, right ? tip[1] + 4 : back[1] + 14, said, { size: SMALL, bold: true, plate: "paper", own: `beyond${i}` });
    if (item) boxes.push(item.box);
  });
}

// ---- names ----

function placeNames(things) {
  const { sheet, group, wanted, boxes } = things;
  for (const want of wanted) {
    const found = want.area ? insideArea(things, want) : besideLine(things, want);
    if (found) {
      sheet.named.add(spellings(want.words)[0]);
      const { box, said } = found;
      boxes.push(box);
      if (want.point) pointer(sheet, group, want, box);
      sheet.text(`${group.id}.${want.key}.name`, box[0], box[1] + 10.5, said, { size: NORMAL, bold: true, fill: want.fill, plate: want.area || want.point ? "paper" : "", halo: true, own: want.key });
    } else if (want.state) sheet.legend.set(`${group.id}.${want.key}`, [want.words, TONES.has(want.state[1]) ? "other" : want.state[1]]);
  }
}

const boxAt = (x, y, w) => [x, y, x + w, y + 14];
const inside = (box, plot, area) => box[0] >= plot.x0 + 3 && box[2] <= area.right && box[1] >= plot.top - 4 && box[3] <= plot.bottom;

const NEARER = 1.6; // how much nearer its own line must be than any other

function besideLine({ plot, area, boxes, strokes }, want) {
  const own = strokes.find((stroke) => stroke.key === want.key);
  const others = strokes.filter((stroke) => stroke !== own);
  const spots = want.point ? [want.point] : [0.5, 0.35, 0.65, 0.8, 0.2, 0.92, 0.08, 0.97].map((part) => own.samples[Math.floor(part * (own.samples.length - 1))]);
  for (const said of spellings(want.words)) {
    const w = widthOf(said, NORMAL, true);
    let best = null;
    for (const [x, y] of spots) {
      for (const box of around(x, y, w, want.point)) {
        if (!inside(box, plot, area) || boxes.some((other) => overlap(box, other, 3))) continue;
        const near = own ? away(box, own.samples) : 0;
        if (own && near < 3) continue;
        const next = Math.min(Infinity, ...others.map((stroke) => away(box, stroke.samples)));
        if (next < 4 || (own && next < near * NEARER)) continue;
        const cost = near - Math.min(next, 24) / 6;
        if (!best || cost < best.cost) best = { box, said, cost };
      }
    }
    if (best) return best;
  }
  return null;
}

const around = (x, y, w, point) => (point
  ? [[16, -30], [16, 16], [-w - 16, -30], [-w - 16, 16], [-w / 2, -46], [-w / 2, 32], [30, -60], [-w - 30, -60]]
  : [[-w / 2, -20], [-w / 2, 6], [-w, -20], [0, -20], [-w, 6], [0, 6], [8, -7], [-w - 8, -7], [-w / 2, -26], [-w / 2, 12]])
  .map(([dx, dy]) => boxAt(x + dx, y + dy, w));

function pointer(sheet, group, want, box) {
  const [x, y] = want.point;
  const from = [Math.min(Math.max(x, box[0]), box[2]), y < box[1] ? box[1] - 2 : box[3] + 2];
  sheet.line(`${group.id}.${want.key}.pointer`, [from, want.point], { stroke: "quiet", width: 1.2, own: want.key });
}

function insideArea({ plot, area, boxes, strokes }, want) {
  const [upper, lower] = want.area;
  const left = Math.max(plot.x0, upper[0][0]), right = Math.min(plot.x1, upper.at(-1)[0]);
  for (const said of spellings(want.words)) {
    const w = widthOf(said, NORMAL, true) + 8;
    let best = null;
    for (let x = left + 4; x + w <= right - 4; x += Math.max(4, (right - left) / 60)) {
      const high = Math.max(heightAt(upper, x), heightAt(upper, x + w), heightAt(upper, x + w / 2));
      const low = Math.min(heightAt(lower, x), heightAt(lower, x + w), heightAt(lower, x + w / 2));
      const room = low - high;
      const box = boxAt(x + 4, (low + high) / 2 - 7, w - 8);
      if (room < 24 || (best && room <= best.room) || boxes.some((other) => overlap(box, other, 5))) continue;
      if (strokes.some((stroke) => away(box, stroke.samples) < 4)) continue;
      best = { box, said, room };
    }
    if (best) return best;
  }
  return null;
}

function heightAt(px, x) {
  const i = px.findIndex(([a]) => a >= x);
  if (i <= 0) return px.at(i)[1];
  const [[x0, y0], [x1, y1]] = [px[i - 1], px[i]];
  return x1 === x0 ? y1 : y0 + ((y1 - y0) * (x - x0)) / (x1 - x0);
}

function drawPrediction({ sheet, group, x, y, plot, area, context, boxes }) {
  const said = context.options.prediction;
  if (!said || ![group.x.name, group.y.name].includes(said.axis)) return;
  const across = said.axis === group.x.name;
  const line = across ? [[x(said.at), plot.top], [x(said.at), plot.bottom]] : [[plot.x0, y(said.at)], [plot.x1, y(said.at)]];
  sheet.line(`${group.id}.guess`, line, { stroke: "guess", width: 2, dash: "5 4", own: "guess" });
  const words = fit(said.words, plot.x1 - plot.x0 - 8, SMALL, true), w = widthOf(words, SMALL, true);
  const left = Math.min(Math.max(line[0][0] + 6, plot.x0 + 4), area.right - w);
  const box = [plot.bottom - 6, plot.top + 24, plot.top + 44].map((at) => boxAt(left, across ? at - 12 : line[0][1] - 16, w)).find((one) => !boxes.some((other) => overlap(one, other, 2)));
  if (box) sheet.text(`${group.id}.guess.words`, box[0], box[1] + 10.5, words, { size: SMALL, bold: true, fill: "guess", plate: "paper", own: "guess" });
}

// ---- bands ----

function drawBands(sheet, group, area, context, ticks) {
  const height = area.width < PHONE ? 84 : 96;
  const scale = scaleOf(context.axes.get(group.x.name), area.x0, area.x1);
  const share = group.y.to / (context.axes.get(group.y.name).to || 1);
  const top = area.y + 20, bottom = top + height;
  sheet.text(`${group.id}.label`, area.x0, area.y + 12, fit(group.label, area.right - area.x0, SMALL), { size: SMALL, fill: "quiet" });
  const columns = columnsOf(group, scale, bottom, (height * share) / 1000);
  const [tail, head] = group.ends || ["tail", "head"];
  sheet.text(`${group.id}.tail`, area.x0 - 8, bottom - 1, tail, { bold: true, anchor: "end" });
  const first = columns[0] ? columns[0].bands.at(-1) : null;
  if (first) sheet.text(`${group.id}.headname`, area.x0 - 8, Math.min(first.top + 10, bottom - 18), head, { bold: true, anchor: "end" });
  const looks = new Map();
  for (const column of columns) for (const { look, bottom: low, top: high } of column.bands) looks.set(look, (looks.get(look) || "") + `M${column.x0} ${low}V${high}H${column.x1}V${low}Z`);
  const named = new Set(), taken = [];
  for (const [look, d] of looks) drawBand(sheet, group, look, d, context);
  for (const column of columns) column.bands = oneNamed(column.bands);
  const keys = new Set([...looks.keys()].map((look) => look.slice(0, 2)));
  for (const key of [...keys].sort((a, b) => a.length - b.length)) if (nameBand(sheet, group, key, columns, context, taken)) named.add(key);
  for (const key of keys) for (const one of key) if (!named.has(key) && !named.has(one)) sheet.legend.set(one, context.states[one]);
  return ticks ? drawTicks(sheet, group.id, scale, bottom + 1, area) : bottom + 2;
}

// Columns in px, neighbours with the same bands joined. The look of a band is its letter; of a mixture the two letters,
// the larger first, and the eighths that the other has.
function columnsOf(group, scale, bottom, unit) {
  const found = [];
  let before = "";
  group.columns.forEach((text, i) => {
    const told = text === "=" ? before : text;
    const x0 = Math.round(scale(group.x.from + i * group.every));
    const x1 = Math.round(scale(Math.min(group.x.to, group.x.from + (i + 1) * group.every)));
    if (told === before && found.length) found.at(-1).x1 = x1;
    else {
      let y = 0;
      const bands = [...told.matchAll(/([A-Z](?:[A-Z]\d(?=:))?):?(\d+)/g)].map(([, look, n]) => {
        const low = Math.round(bottom - y * unit);
        y += Number(n);
        return { look, key: look.slice(0, 2), bottom: low, top: Math.round(bottom - y * unit) };
      });
      found.push({ x0, x1, bands });
    }
    before = told;
  });
  return found.filter((column) => column.x1 > column.x0);
}

// Bands whose names are the same as one: mixtures of the same two states, in whatever shares.
const oneNamed = (bands) => bands.reduce((found, band) => {
  if (found.at(-1)?.key === band.key) found.at(-1).top = band.top;
  else found.push({ ...band });
  return found;
}, []);

function drawBand(sheet, group, look, d, context) {
  const [first, second] = [...look.slice(0, 2)].map((one) => lookOf(context.states[one][1]));
  sheet.add("path", `${group.id}.band.${look}`, { d, fill: first.fill, crisp: true });
  if (second) sheet.add("path", `${group.id}.mix.${look}`, { d, pattern: `mix${look[2]}-${second.fill}`, crisp: true });
  else if (first.pattern) sheet.add("path", `${group.id}.pattern.${look}`, { d, pattern: first.pattern, crisp: true });
}

// A band's name where the band is high enough over the name's whole width.
function nameBand(sheet, group, key, columns, context, taken) {
  const names = [...key].map((one) => context.states[one][0]);
  const words = names.length === 1 ? names[0] : names.map((n) => spellings(n).at(-1)).join(", some ");
  for (const said of spellings(words)) {
    const w = widthOf(said, NORMAL) + 12;
    let best = null;
    columns.forEach((column, i) => {
      let high = -Infinity, low = Infinity;
      for (let n = i; n < columns.length && columns[n].x0 < column.x0 + w; n++) {
        const band = columns[n].bands.filter((b) => b.key === key).sort((a, b) => b.bottom - b.top - a.bottom + a.top)[0];
        if (!band) return;
        high = Math.max(high, band.top);
        low = Math.min(low, band.bottom);
      }
      if (column.x0 + w > columns.at(-1).x1 || low - high < 20) return;
      const box = boxAt(column.x0 + 6, (low + high) / 2 - 7, w - 12);
      if (taken.some((other) => overlap(box, other, 6)) || (best && best.room >= low - high)) return;
      best = { box, said, room: low - high };
    });
    if (!best) continue;
    const look = lookOf(context.states[key[0]][1]);
    taken.push(best.box);
    sheet.text(`${group.id}.band.${key}.name`, best.box[0], best.box[1] + 10.5, best.said, { fill: look.on, plate: look.fill, own: key });
    return true;
  }
  return false;
}

const FORMS = { ring: drawRing, belt: drawBelt, row: drawRow, script: drawScripts, nodes: drawNodes, lanes: drawLanes, grid: drawGrid, chart: drawChart, strip: drawStrip, bands: drawBands };
