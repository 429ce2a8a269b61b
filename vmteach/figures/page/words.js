// Words and numbers: what fits, how a number is said, and the sentence over some panels (scene.py has its twin).

const FONT = '"DejaVu Sans", Verdana, "Segoe UI", sans-serif';
const MONO = '"DejaVu Sans Mono", Menlo, Consolas, monospace';
const ruler = document.createElement("canvas").getContext("2d");
const widths = new Map();

function widthOf(text, size = 13, bold = false, mono = false) {
  const key = `${size}${bold ? "b" : ""}${mono ? "m" : ""}|${text}`;
  if (!widths.has(key)) {
    if (widths.size > 5000) widths.clear();
    ruler.font = `${bold ? "bold " : ""}${size}px ${mono ? MONO : FONT}`;
    widths.set(key, ruler.measureText(text).width);
  }
  return widths.get(key);
}

const spellings = (words) => (words == null || words === "" ? [] : Array.isArray(words) ? words : [String(words)]);

// The first spelling that fits, or "".
const fit = (words, room, size, bold, mono) =>
  spellings(words).find((one) => widthOf(one, size, bold, mono) <= room) || "";

// The same, but cut in the middle where not even the shortest fits: what became of a patch stands at the end.
function fitOrCut(words, room, size, bold) {
  const said = fit(words, room, size, bold);
  if (said || !spellings(words).length) return said;
  const whole = spellings(words).at(-1);
  for (let left = whole.length - 1; left > 0; left--) {
    const head = Math.ceil(left / 2), cut = `${whole.slice(0, head).trim()}\u2026${whole.slice(whole.length - left + head).trim()}`;
    if (widthOf(cut, size, bold) <= room) return cut;
  }
  return "";
}

// A sentence in lines of a width; at most `most` lines, of which the last may be too long.
function wrap(text, room, size, bold, most = 9) {
  const lines = [];
  let line = "";
  for (const word of String(text).split(/\s+/)) {
    const longer = line ? `${line} ${word}` : word;
    if (line && widthOf(longer, size, bold) > room && lines.length < most - 1) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return line ? [...lines, line] : lines;
}

const plainly = (text) => String(text).replace(/\*\*|`/g, "");
const capital = (text) => text && text[0].toUpperCase() + text.slice(1);

// ---- numbers ----

const SCALES = {
  B: [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [1024, "KiB"], [1, "B"]],
  s: [[60, "min"], [1, "s"], [1e-3, "ms"], [1e-6, "\u00b5s"]],
};

// The unit of an axis, from its larger end: [how much it is, its name].
function unitOf(axis) {
  const most = Math.max(Math.abs(axis.from), Math.abs(axis.to));
  const scale = SCALES[axis.unit];
  if (!scale) return [1, axis.unit || ""];
  return scale.find(([much]) => most >= much * (axis.unit === "s" && much === 60 ? 2 : 1)) || scale.at(-1);
}

const grouped = new Intl.NumberFormat("en-US"); // toLocaleString would make one for each number
const short = (n) => (Math.abs(n) >= 1000 || Number.isInteger(n) ? grouped.format(Math.round(n)) : String(Number(n.toPrecision(3))));

const MINUTES = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300];

function ticksOf(axis, room, least = 70) {
  if (axis.ticks) return axis.ticks.map((tick) => (Array.isArray(tick) ? tick : [tick, nameOf(axis, tick)]));
  const [much, name] = unitOf(axis);
  const span = (axis.to - axis.from) / much;
  if (!(span > 0)) return [[axis.from, nameOf(axis, axis.from)]];
  const count = Math.max(1, Math.floor(room / least));
  const found = [count, 2 * count].map((most) => ticksAt(axis, much, stepOf(axis, name, span / most)));
  const ticks = found.find((ticks) => ticks.length > 1) || found[0]; // one alone tells nothing: then they stand closer
  return ticks.map((at, n) => [at, nameOf(axis, at, n === ticks.length - 1)]);
}

function ticksAt(axis, much, step) {
  const found = [];
  for (let n = Math.ceil(axis.from / much / step - 1e-9); n * step * much <= axis.to * (1 + 1e-9); n++) found.push(n * step * much);
  return found;
}

// A round step of at least `wanted`.
function stepOf(axis, name, wanted) {
  if (axis.unit === "hex") return 2 ** Math.ceil(Math.log2(wanted));
  const ten = 10 ** Math.floor(Math.log10(wanted));
  const step = (name === "min" && MINUTES.find((n) => n >= wanted)) || [1, 2, 5, 10].map((n) => n * ten).find((n) => n >= wanted);
  return !SCALES[axis.unit] && axis.unit && axis.unit !== "%" ? Math.max(1, step) : step;
}

function nameOf(axis, at, last = true) {
  const [much, name] = unitOf(axis);
  if (axis.unit === "hex") return `0x${Math.round(at).toString(16)}`;
  const told = short(Number((at / much).toPrecision(6)));
  if (!last || !name) return told;
  return SCALES[axis.unit] || name === "%" ? `${told} ${name}` : `${name} ${told}`;
}

// ---- the sentence over some panels ----

function kernelOf(label) {
  if (!label) return "";
  const [, name, colon, paren] = /^(.*?)(?:: (.*)| \((.*)\))?$/.exec(label);
  const rest = colon || paren ? ` (${colon || paren})` : "";
  if (name === "today") return `today's kernel${rest}`;
  if (/^(unpatched$|patched$|later$|mainline|what if$)/.test(name)) return `the ${name.replace("what if", "what-if")} kernel${rest}`;
  return `the kernel with ${label.startsWith("fix of") ? "the " : ""}${label}`;
}

function titleOf(panels) {
  const own = spellings(panels[0][1].title);
  if (own.length) return own.find((words) => words.length <= 90) || own.at(-1);
  const clauses = panels.map(([, scene]) => spellings(scene.clause));
  const at = (each, i) => each[Math.min(i, each.length - 1)];
  const rows = [...Array(Math.max(...clauses.map((each) => each.length))).keys()];
  let said;
  for (let most = panels.length; most > 0; most--) { // of many kernels the last are only counted, until the sentence fits
    const chosen = rows.map((i) => clauses.slice(0, most).map((each) => at(each, i)));
    said = chosen.map((each, i) => sentenceOf(panels.slice(0, most), each, i, panels.length - most));
    const fits = said.find((words) => words.length <= 90);
    if (fits) return fits;
  }
  return said.at(-1);
}

// Each kernel's clause; kernels that say the same share one. Of `more` kernels nothing is said but that they are.
function sentenceOf(panels, clauses, i, more = 0) {
  const brief = panels.map(([label]) => kernelOf(label.replace(/ \(.*/, "")));
  const names = new Set(brief).size === brief.length ? brief : panels.map(([label]) => kernelOf(label));
  const said = [];
  for (const clause of new Set(clauses)) {
    const who = clauses.flatMap((each, n) => (each === clause ? [n] : []));
    const both = spellings(panels[who[0]][1].both || clause), many = both[Math.min(i, both.length - 1)];
    if (who.length === 1) said.push(`${names[who[0]]} ${clause}`.trim());
    else if (who.length === panels.length && !more) said.push(`${who.length === 2 ? "both" : `all ${who.length}`} kernels ${many}`);
    else {
      const others = more || new Set(clauses).size > 2 ? `${who.length} others` : `the other ${who.length}`;
      said.push(`${said.length ? others : `${who.length} kernels`} ${many}`);
    }
  }
  return capital([...said, ...(more ? [`${more} more below`] : [])].join("; "));
}

const headOf = (label) => (label ? capital(kernelOf(label).replace(/^the /, "")) : "");
const altOf = (panels) => [`${titleOf(panels)}.`, ...panels.map(([label, s]) => (label ? `${headOf(label)}: ${s.alt}` : s.alt))].join(" ");
