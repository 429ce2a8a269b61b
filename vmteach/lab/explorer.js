// The face of an explorer: goals, presets, native labelled controls, the kernels to compare, what changed, a
// picture and the numbers. `mount` knows nothing of notebooks. `api.at()` is where it begins; `api.request(at)` gives
// the answer at a position if it is there already; otherwise it comes later, through `fill` of what mount gives back.

let serial = 0;

const make = (tag, props = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (key === "class") node.className = value;
    else if (key in node && key !== "list") node[key] = value;
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
};
const rich = (tag, html, props = {}) => make(tag, { ...props, innerHTML: html }); // escaped by Python
const button = (text, act, props = {}) => {
  const node = make("button", { type: "button", ...props }, text);
  node.addEventListener("click", act);
  return node;
};
const LONG = 45; // letters of a row of buttons that does not fit into half the width
const NAMES = 31; // letters of kernels' names that fit there
const NARROW = 520; // px below which a kernel is a column of the read-out and not a row
const keyOf = (at) => JSON.stringify(Object.keys(at).sort().map((field) => [field, at[field]]));

// ---- controls: a slider, a row of buttons, or a menu

function slider(control, changed) {
  const id = `vmt-${++serial}`;
  const shown = make("output", { htmlFor: id });
  const range = make("input", { type: "range", id, min: 0, max: control.stops.length - 1, step: 1 });
  range.dataset.field = control.field;
  const say = () => {
    shown.value = control.stops[range.value];
    range.setAttribute("aria-valuetext", control.stops[range.value]);
  };
  range.addEventListener("input", () => { say(); changed(Number(range.value)); });
  const mark = make("i", { class: "vmt-default", title: `default: ${control.stops[control.first]}` });
  mark.style.left = `calc(8px + (100% - 16px) * ${control.first / (control.stops.length - 1)})`;
  const node = make("div", { class: "vmt-row" }, make("label", { htmlFor: id }, control.label),
    make("span", { class: "vmt-range" }, range, mark), shown);
  return { node, show: (at) => { range.value = at; say(); } };
}

function choices(control, changed) {
  const name = `vmt-${++serial}`;
  const radios = control.stops.map((stop, i) => {
    const radio = make("input", { type: "radio", name, value: i });
    radio.dataset.field = control.field;
    radio.addEventListener("change", () => changed(i));
    return radio;
  });
  const group = make("span", { class: "vmt-choices" });
  control.stops.forEach((stop, i) => group.append(make("label", i === control.first ? { title: "default" } : {}, radios[i],
    make("span", { class: i === control.first ? "vmt-first" : "" }, stop))));
  const node = make("fieldset", { class: `vmt-row vmt-wide${(control.label + control.stops.join("")).length > LONG ? " vmt-long" : ""}` }, make("legend", {}, control.label), group);
  return { node, show: (at) => radios.forEach((radio, i) => { radio.checked = i === at; }) };
}

function menu(control, changed) {
  const id = `vmt-${++serial}`;
  const select = make("select", { id });
  select.dataset.field = control.field;
  control.stops.forEach((stop, i) => select.append(make("option", { value: i }, i === control.first ? `${stop} (default)` : stop)));
  select.addEventListener("change", () => changed(Number(select.value)));
  const node = make("div", { class: "vmt-row vmt-wide" }, make("label", { htmlFor: id }, control.label), select);
  return { node, show: (at) => { select.value = at; } };
}

const KINDS = { slider, buttons: choices, menu };

// One line for the controls that change nothing, with the reasons folded.
function idle(list) {
  const names = list.map((control) => control.label).join(" and ");
  const node = make("details", { class: "vmt-why" }, make("summary", {}, `${names}: no effect here`));
  for (const control of list) {
    const line = make("p", {}, list.length > 1 ? make("b", {}, `${control.label}: `) : "", control.why);
    line.dataset.idle = control.field;
    node.append(line);
  }
  return node;
}

// compare [A] with [B] + : a menu a kernel. One that is chosen twice changes places with the other.
function kernels(labels, changed) {
  const node = make("div", { class: "vmt-kernels", role: "group", "aria-label": "Kernels to compare" });
  let now = [];
  const set = (next) => { now = next; build(); changed(now); };
  const pick = (i, label) => {
    const next = [...now];
    const other = now.indexOf(label);
    if (label === "") next.splice(i, 1);
    else { if (other >= 0) next[other] = now[i]; next[i] = label; }
    set(next.filter((one) => one !== undefined));
    node.querySelectorAll("select")[Math.min(i, now.length - 1)].focus();
  };
  const one = (i) => {
    const select = make("select", { "aria-label": `kernel ${i + 1}` });
    if (now.length > 1) select.append(make("option", { value: "" }, "(leave out)"));
    for (const label of labels) select.append(make("option", { value: label }, label));
    select.value = now[i];
    select.dataset.kernel = i;
    select.addEventListener("change", () => pick(i, select.value));
    return select;
  };
  const build = () => {
    const words = ["compare", "with"];
    const parts = now.map((_, i) => make("span", {}, words[i] ?? "and", one(i)));
    const left = labels.find((label) => !now.includes(label));
    if (left) parts.push(button("+", () => set([...now, left]), { "aria-label": "one more kernel", class: "vmt-more" }));
    node.replaceChildren(...parts);
    node.classList.toggle("vmt-many", now.length > 2 || now.join("").length > NAMES);
  };
  return { node, show: (next) => { now = [...next]; build(); } };
}

// ---- what stands above and below the picture

function goals(list) {
  const node = make("div", { class: "vmt-goals", hidden: !list.length });
  const faces = list.map((goal, i) => {
    const said = make("p", { class: "vmt-said", role: "status" });
    const help = make("details", {}, make("summary", {}, "Hints"));
    goal.hints.forEach((hint, n) => help.append(rich("p", `<b>${n + 1}.</b> ${hint}`)));
    if (goal.reason) help.append(make("details", {}, make("summary", {}, "Solution"), rich("p", goal.reason)));
    const face = make("section", { class: "vmt-goal", "aria-label": `Goal ${i + 1}` }, rich("p", `<b>Goal ${i + 1}.</b> ${goal.html}`), help, said);
    node.append(face);
    return { face, said };
  });
  const show = (told) => told.forEach(({ outcome, html }, i) => {
    const { face, said } = faces[i];
    if (said.innerHTML !== html) said.innerHTML = html;
    face.dataset.outcome = outcome;
  });
  return { node, show };
}

function table(labels, rows) {
  const head = make("tr", {}, make("td"), ...labels.map((l) => make("th", { scope: "col" }, l)));
  const body = rows.map(([name, ...cells]) =>
    make("tr", {}, make("th", { scope: "row" }, name), ...cells.map((c) => make("td", {}, c))));
  return make("table", {}, make("thead", {}, head), make("tbody", {}, ...body));
}

// A kernel a row, a number a column: at most four, with their units.
const readout = (labels, rows) => table(rows.map(([name]) => name), labels.map((label, i) => [label, ...rows.map((row) => row[i + 1])]));

// What was moved since the last picture, and what that did to the first number.
function difference(spec, old, now) {
  if (!old) return "";
  const moved = spec.controls.filter(({ field }) => old.at[field] !== now.at[field]);
  const words = moved.slice(0, 2).map((c) => `${c.label}, ${c.stops[old.at[c.field]]} \u2192 ${c.stops[now.at[c.field]]}`);
  if (moved.length > 2) words.push(`and ${moved.length - 2} more`);
  if (String(old.labels) !== String(now.labels)) words.push(`kernels, ${old.labels.join(" and ")} \u2192 ${now.labels.join(" and ")}`);
  if (!words.length) return "";
  const [first] = now.readout ?? [];
  const before = (old.readout ?? []).find(([name]) => first && name === first[0]);
  const pairs = before ? now.labels.flatMap((label, i) => {
    const at = old.labels.indexOf(label);
    return at < 0 ? [] : [[before[at + 1], first[i + 1]]];
  }) : [];
  const text = ([a, b]) => (a === b ? `still ${b}` : `${a} \u2192 ${b}`);
  return `${words.join("; ")}.${pairs.length ? ` ${first[0][0].toUpperCase()}${first[0].slice(1)}: ${pairs.map(text).join(" and ")}.` : ""}`;
}

// ---- all of it

export function mount(el, spec, api) {
  let at = { ...api.at() };
  let shown; // the answer on screen
  const fields = {};
  const root = make("section", { class: "vmt", "aria-label": "Explorer" });
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  // Notebook 7 asks the focused element first, and then what is around it.
  root.addEventListener("focusin", (event) => event.target.setAttribute("data-lm-suppress-shortcuts", "true"));
  // While a control has the focus its keys are its own: an arrow would fold the notebook's headings, a `b` insert
  // a cell. Shortcuts with Ctrl or Cmd still reach the page.
  root.addEventListener("keydown", (event) => { if (!event.ctrlKey && !event.metaKey) event.stopPropagation(); });

  const aims = goals(spec.goals ?? []);
  const moved = (field) => (value) => { at = { ...at, [field]: value }; ask(); };
  const controls = make("div", { class: "vmt-controls" });
  for (const control of spec.controls.filter((one) => !one.why)) {
    fields[control.field] = KINDS[control.kind](control, moved(control.field));
    controls.append(fields[control.field].node);
  }
  fields.policies = kernels(spec.policies, moved("policies"));
  controls.append(fields.policies.node, ...[...controls.children].filter((node) => node.matches(".vmt-long"))); // the widest last
  const useless = spec.controls.filter((one) => one.why);
  const presets = make("div", { class: "vmt-presets", role: "group", "aria-label": "Presets" });
  const go = (next) => { show(next); ask(); };
  const own = Object.fromEntries(Object.entries(spec.first).filter(([field]) => field !== "policies"));
  const tries = spec.presets.map((one) => [button(one.label, () => go({ ...own, ...one.at })), { ...own, ...one.at }]);
  if (tries.length) presets.append(make("span", {}, "Try"), ...tries.map(([node]) => node));
  presets.append(button("\u21ba Default", () => go(spec.first), { class: "vmt-reset" }), ...(useless.length ? [idle(useless)] : []));

  const finding = make("p", { class: "vmt-finding", role: "status" });
  const changes = make("p", { class: "vmt-changed" });
  const panels = make("div", { class: "vmt-panels" });
  const picture = make("div", { class: "vmt-picture" }, panels);
  const few = make("div", { class: "vmt-readout" });
  const numbers = make("div", { class: "vmt-numbers" });
  const code = make("code");
  const folds = make("div", { class: "vmt-folds" }, make("details", {}, make("summary", {}, "All numbers"), numbers),
    make("details", {}, make("summary", {}, "As code"), make("pre", { tabIndex: 0 }, code)));
  root.append(aims.node, presets, controls, finding, changes, picture, make("div", { class: "vmt-foot" }, few, folds));
  el.replaceChildren(root);

  function show(next) {
    at = { ...at, ...next };
    for (const [field, control] of Object.entries(fields)) control.show(at[field]);
    mark();
  }

  function mark() {
    for (const [node, there] of tries) {
      node.setAttribute("aria-pressed", String(Object.entries(there).every(([field, stop]) => at[field] === stop)));
    }
  }

  function ask() {
    mark();
    const answer = api.request(at);
    if (answer) fill(answer);
    else root.classList.add("vmt-busy");
  }

  function tell(text, error) {
    if (finding.textContent !== text) finding.textContent = text;
    finding.classList.toggle("vmt-error", Boolean(error));
  }

  // The numbers lie otherwise in a narrow window, also when it becomes narrow.
  // The width is read when it changes: asked for between two changes of the page, it makes the browser lay out all of it.
  let retell = () => {}, narrow = root.clientWidth < NARROW;
  new ResizeObserver(() => {
    if (narrow === root.clientWidth < NARROW) return;
    narrow = !narrow;
    retell();
  }).observe(root);

  // An answer is shown whole or not at all: words, picture and numbers are of one position.
  function fill(answer) {
    if (answer.error) tell(answer.error, true);
    else draw(answer);
    if (!answer.at || keyOf(answer.at) === keyOf(at)) root.classList.remove("vmt-busy");
    root.dataset.answers = Number(root.dataset.answers || 0) + 1;
  }

  function draw(answer) {
    api.draw(panels, answer, shown);
    tell(answer.finding, false);
    const difference_ = answer.at ? difference(spec, shown, answer) : "";
    if (difference_) changes.replaceChildren(make("b", {}, "Changed: "), difference_);
    else if (!shown) changes.textContent = "Move a control: what changes is said here.";
    const rows = answer.readout ?? [];
    retell = () => few.replaceChildren(narrow ? table(answer.labels, rows) : readout(answer.labels, rows));
    retell();
    numbers.replaceChildren(table(answer.labels, answer.rows));
    code.textContent = answer.code;
    if (answer.goals) aims.show(answer.goals);
    if (answer.at) root.dataset.at = keyOf(answer.at);
    shown = answer;
    api.seen?.(answer);
  }

  // The kernel is gone: the controls go back to what is shown, and stay there.
  function lose(sentence) {
    if (shown?.at) show(shown.at);
    root.classList.remove("vmt-busy");
    root.classList.add("vmt-lost");
    for (const node of root.querySelectorAll("input, select, .vmt-presets button, .vmt-more")) node.disabled = true;
    const words = shown ? `${sentence} What you see below is what was shown last.` : sentence;
    root.prepend(rich("p", words, { class: "vmt-gone", role: "status" }));
  }

  const hint = (text) => { if (changes.textContent !== text) changes.textContent = text; };
  show({});
  ask();
  return { show: go, at: () => at, fill, lose, hint, goals: aims.show };
}

// ---- in a notebook

const GONE = "The kernel was restarted: choose <strong>Run &gt; Run All Above Selected Cell</strong>, then run this cell.";
const BUSY = "The kernel is busy with another cell: the picture follows when it is free.";
const PATIENCE = 1500; // ms until a reader is told that the kernel is busy
const MOST_ANSWERS = 160, MOST_BYTES = 6e6; // that the page keeps
const FRAMES = 50; // ms in which a picture is painted
const SLOW = 500; // ms of a line from which little is sent ahead

// Answers by their position: those of late, a bounded number of them, all of one edition of the model.
class Answers {
  constructor() { this.kept = new Map(); this.bytes = 0; this.edition = null; }

  get(at) { return this.kept.get(keyOf(at)); }

  put(answer) {
    if (answer.edition !== this.edition) { this.drop(() => true); this.edition = answer.edition; }
    const key = keyOf(answer.at);
    this.drop((_, other) => other === key);
    answer.size = JSON.stringify(answer).length;
    this.kept.set(key, answer);
    this.bytes += answer.size;
    this.drop(() => this.kept.size > MOST_ANSWERS || this.bytes > MOST_BYTES);
  }

  drop(wanted) {
    for (const [key, answer] of this.kept) {
      if (!wanted(answer, key)) continue;
      this.kept.delete(key);
      this.bytes -= answer.size;
    }
  }
}

// The line to the kernel: one question under way at a time, the latest one next.
class Line {
  constructor(model, reach, face) {
    Object.assign(this, { model, reach, face, answers: new Answers(), seq: 0, open: null, next: null, way: 0 });
  }

  // The answer, if it is here: then the kernel is only told where the reader is, and after the picture is painted,
  // because a notebook's page has work to do whenever its kernel becomes busy.
  request(at) {
    const known = this.answers.get(at);
    clearTimeout(this.telling);
    if (known) this.telling = setTimeout(() => this.post({ kind: "tell", at }), FRAMES);
    else this.post({ kind: "ask", at });
    return known;
  }

  post(message) {
    if (this.open) { this.next = message; return; }
    if (this.reach.gone()) return;
    this.open = { seq: ++this.seq, message, since: performance.now() };
    this.patience = setTimeout(() => this.face().hint(BUSY), PATIENCE);
    const ahead = navigator.connection?.saveData ? 0 : this.way > SLOW ? 2 : 12;
    try { this.model.send({ ...message, seq: this.seq, ahead }); } catch { this.reach.lost(); }
  }

  heard(message) {
    if ((message.kind === "ahead" || message.kind === "answer") && !message.error) this.answers.put(message);
    if (message.kind === "ahead" || message.seq !== this.open?.seq) { this.found(); return; }
    const { message: asked, since } = this.open;
    clearTimeout(this.patience);
    this.way = performance.now() - since - (message.ms ?? 0);
    this.open = null;
    const here = this.face().at();
    // An answer that comes late must not cover the one of where the reader is by now.
    if (message.kind === "answer") { if (keyOf(asked.at) === keyOf(here) || !this.answers.get(here)) this.face().fill(message); }
    else if (message.edition !== this.answers.edition) { this.answers.drop(() => true); this.next ??= { kind: "ask", at: asked.at }; }
    else if (keyOf(asked.at) === keyOf(here)) this.face().goals(message.goals);
    this.found();
    const { next } = this;
    this.next = null;
    if (next) this.post({ ...next, kind: this.answers.get(next.at) ? "tell" : "ask" });
  }

  // What the reader waits for may have come by itself while another question was under way.
  found() {
    const known = this.next?.kind === "ask" && this.answers.get(this.next.at);
    if (!known) return;
    this.next.kind = "tell";
    this.face().fill(known);
  }
}

export default {
  render({ model, el, scripts, link }) {
    let face, line;
    const lost = () => { clearTimeout(line?.patience); face?.lose(GONE); };
    const reach = link(() => queueMicrotask(lost));
    reach.lost = lost;
    line = new Line(model, reach, () => face);
    const stored = model.get("shown");
    if (stored.finding) line.answers.put({ ...stored });
    let saving = false;
    const seen = (answer) => { // for the notebook's file: the kernel has it already
      const { size, kind, seq, ...rest } = answer;
      saving = true;
      model.set("shown", rest);
      model.set("at", answer.at);
      saving = false;
    };
    let mounted;
    const draw = (place, answer, before) => {
      const given = { panels: answer.panels, last: before?.panels ?? [] };
      mounted = mounted ? mounted.update(given) : scripts.page.default.panels(place, { full: false, title: false, ...given });
    };
    const api = { at: () => model.get("at"), request: (at) => line.request(at), draw, seen };
    face = mount(el, model.get("spec"), api);
    const heard = (message) => line.heard(message);
    model.on("msg:custom", heard);
    const moved = () => { // in Python; the kernel's echo of a question is no news, and the reader may have moved on
      if (saving) return;
      const next = model.get("at");
      const asked = [line.open?.message.at, line.next?.at, face.at()].filter(Boolean).map(keyOf);
      if (!asked.includes(keyOf(next))) face.show(next);
    };
    model.on("change:at", moved);
    return () => { reach.stop(); [line.patience, line.telling].forEach(clearTimeout); model.off("msg:custom", heard); model.off("change:at", moved); mounted?.destroy(); };
  },
};
