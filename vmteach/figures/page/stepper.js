// The stepper: a story played step by step. mountStory(el, stories, api) -> {to, at, node}; it needs no kernel.
// api (all optional): kept(key) -> index of a choice, keep(key, index), address "watch-8", hint of the same in Python.

// Every frame whole, from what changed.
function framesOf(track) {
  let groups = {}, gauges = {}, links = [];
  return track.frames.map((frame) => {
    groups = { ...groups };
    for (const [name, news] of Object.entries(frame.groups || {})) {
      if (news === null) delete groups[name];
      else groups[name] = Object.fromEntries(Object.entries({ ...(news.as && (!groups[name] || news.as !== groups[name].as) ? {} : groups[name]), ...news, id: name }).filter(([, v]) => v !== null));
    }
    gauges = { ...gauges, ...(frame.gauges || {}) };
    links = frame.links || links;
    return { ...frame, groups, gauges, links };
  });
}

const endedOf = (frame) => (frame.end === "bad" ? "Stopped" : "Finished");
const sentences = (text) => text.split(/(?<=[.?!]["')*]*)\s+(?=\S)/);

// What is said at a step: once what all kernels say, then each by its name; who has not moved says nothing.
function sayOf(said, several = said.length > 1) {
  if (!said.length) return "";
  const split = said.map(([, text]) => sentences(text));
  let same = 0;
  while (said.length > 1 && split.every((one) => one.length > same && one[same] === split[0][same])) same++;
  const rest = split.map((one) => one.slice(same).join(" ").replace(/^(A|[A-Z][a-z]+) /, (word) => (several ? word.toLowerCase() : word)));
  const shared = split[0].slice(0, same).join(" ");
  const own = !several ? rest : rest.map((text, i) => text && `${capital(said[i][0])}: ${text}`);
  return [shared, ...own].filter(Boolean).join(" ");
}

// **bold** and `code` as elements; the first sentence is bold where nothing else is.
function marked(text) {
  const told = sentences(text).map((one, i) => (i || one.includes("**") ? one : `**${one}**`)).join(" ");
  return told.split(/(\*\*[^*]+\*\*|`[^`]+`)/).filter(Boolean).map((part) => (part.startsWith("**") ? make("strong", {}, ...marked2(part.slice(2, -2)))
    : part[0] === "`" ? make("code", {}, part.slice(1, -1)) : part));
}

const marked2 = (text) => text.split(/(`[^`]+`)/).filter(Boolean).map((part) => (part[0] === "`" ? make("code", {}, part.slice(1, -1)) : part));

function mountStory(el, given, api = {}) {
  const stories = Array.isArray(given) ? given : [given];
  const root = make("section", { class: "vm-page vm-story", tabIndex: -1 });
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  root.addEventListener("focusin", (event) => event.target.setAttribute("data-lm-suppress-shortcuts", "true"));
  el.append(root);
  const stepper = new Stepper(root, stories, api);
  return { node: root, to: (step, story) => stepper.show(step - 1, story), at: () => [stepper.step + 1, stepper.index], destroy: () => { stepper.destroy(); root.remove(); }, stepper };
}

const SPEEDS = [[4000, "1 step / 4 s"], [2000, "1 step / 2 s"], [1000, "1 step / 1 s"], [500, "1 step / 0.5 s"]];
const patchedClass = (label) => (/^patched/.test(label) ? "vm-name vm-patched" : "vm-name");

class Stepper {
  constructor(root, stories, api) {
    Object.assign(this, { root, stories, api, index: 0, step: 0, track: 0, timer: 0, speed: 2000 });
    this.keys = (event) => this.onKey(event);
    this.hash = () => this.fromAddress();
    root.addEventListener("keydown", this.keys);
    this.watcher = new ResizeObserver(() => this.resized());
    this.seen = new IntersectionObserver(([entry]) => { if (!entry.isIntersecting) this.stop(); });
    this.choose(0);
    this.watcher.observe(root);
    this.seen.observe(root);
    if (api.address) { addEventListener("hashchange", this.hash); this.fromAddress(); }
  }

  destroy() {
    this.stop();
    this.watcher.disconnect();
    this.seen.disconnect();
    removeEventListener("hashchange", this.hash);
  }

  // ---- a story

  choose(index, step = 0) {
    this.index = index;
    this.story = this.stories[index];
    this.tracks = this.story.tracks.map((track) => ({ name: track.name, frames: framesOf(track) }));
    this.axes = sharedAxes(this.tracks.flatMap((track) => track.frames.map((frame) => ({ groups: Object.values(frame.groups) }))));
    this.most = Math.max(1, ...this.tracks.flatMap((t) => t.frames.flatMap((f) => Object.values(f.gauges).map((n) => (Array.isArray(n) ? Math.max(...n) : n)))));
    this.build();
    this.resized(true);
    this.show(step);
    this.onPaper();
  }

  build() {
    const { story, root } = this;
    const button = (words, act, props = {}) => { const node = make("button", { type: "button", ...props }, words); node.addEventListener("click", act); return node; };
    this.stops = (act) => () => { this.stop(); act(); };
    root.setAttribute("aria-label", `Watch it happen: ${story.title}`);
    this.tabs = this.stories.length > 1 ? this.stories.map((one, i) => button(one.name || one.title, () => this.choose(i), { "aria-pressed": String(i === this.index) })) : [];
    this.say = make("p", { class: "vm-say", "aria-live": "polite" });
    this.switch = make("div", { class: "vm-buttons vm-switch", role: "group", "aria-label": "Kernel" }, ...this.tracks.map((track, i) => button(headOf(track.name), () => { this.stop(); this.track = i; this.resized(true); this.show(this.step); })));
    this.panels = this.tracks.map((track) => {
      const panel = { name: make("p", { class: patchedClass(track.name) }), svg: canvas(), note: make("p", { class: "vm-note" }) };
      panel.node = make("div", { class: "vm-panel" }, panel.name, panel.svg, panel.note);
      return panel;
    });
    this.grid = make("div", { class: "vm-panels" }, ...this.panels.map((panel) => panel.node));
    this.other = make("div", { class: "vm-other" });
    this.rules = make("div", { class: "vm-rules" });
    this.ask = make("div", {});
    const ruled = Object.keys(story.rules || {}).length > 0; // else questions stand below: the panels have the whole width
    const side = ruled ? make("div", { class: "vm-side" }, this.rules, this.ask) : null;
    this.buttons = {
      first: button("|\u25c0 First", this.stops(() => this.show(0)), { class: "vm-first" }),
      back: button("\u25c2 Back", this.stops(() => this.show(this.step - 1))),
      next: button("Next \u25b8", this.stops(() => this.show(this.step + 1)), { class: "vm-next" }),
      play: button("\u25b6 Play", () => this.toggle()),
    };
    this.count = make("span", { class: "vm-count" });
    const speed = make("select", { "aria-label": "Speed" }, ...SPEEDS.map(([ms, words]) => make("option", { value: ms, selected: ms === this.speed }, words)));
    speed.addEventListener("change", () => { this.stop(); this.speed = Number(speed.value); });
    this.range = make("input", { type: "range", min: 1, max: story.steps.length, step: 1, value: 1, "aria-label": "Step" });
    this.range.addEventListener("input", () => { this.stop(); this.show(Number(this.range.value) - 1); });
    this.scrub = make("div", { class: "vm-scrub" }, this.range);
    this.legend = canvas();
    this.legendBox = make("div", { class: "vm-legend" }, this.legend);
    this.fold = make("details", {}, make("summary", {}, "All rules and what the colours mean"));
    this.paper = make("div", { class: "vm-paper-frames" });
    this.bar = make("div", { class: "vm-bar" },
      make("div", { class: "vm-controls" }, this.count, this.buttons.first, this.buttons.back, this.buttons.next, this.buttons.play,
        make("span", { class: "vm-keys" }, "Keys: \u2190 \u2192 step, Space plays "), make("span", { class: "vm-first" }, speed)), this.scrub);
    this.screen = make("div", { class: "vm-screen" }, this.tabs.length ? make("div", { class: "vm-top" }, make("p", { class: "vm-title" }, `Watch it happen: ${story.title}`), make("div", { class: "vm-buttons" }, ...this.tabs)) : make("p", { class: "vm-title" }, `Watch it happen: ${story.title}`),
      this.switch, this.say, make("div", { class: "vm-body" }, make("div", {}, this.grid, this.other), side), ruled ? null : this.ask, this.bar, this.legendBox, this.fold);
    root.replaceChildren(this.screen, this.paper);
    this.shown = "";
  }

  asks() {
    return this.story.steps.flatMap((step, n) => step.flatMap((i, t) => {
      const { ask } = this.tracks[t].frames[i];
      return ask && (n === 0 || this.story.steps[n - 1][t] !== i) ? [{ ...ask, step: n }] : [];
    })).filter((ask, i, all) => all.findIndex((one) => one.q === ask.q) === i);
  }

  // ---- sizes

  resized(always) {
    const width = Math.floor(this.root.clientWidth - 34);
    if (width < 100 || (!always && width === this.width)) return;
    this.width = width;
    const size = width >= 760 ? "wide" : width >= 520 ? "middle" : "narrow";
    this.size = this.root.dataset.size = size;
    const narrow = size === "narrow";
    const sided = this.screen.querySelector(".vm-body > .vm-side");
    const room = size === "wide" && sided ? width - 272 : narrow ? this.root.clientWidth - 26 : width;
    const beside = !narrow && this.tracks.length > 1 && this.tracks.every((track) => fitsBeside({ groups: Object.values(track.frames[0].groups) }));
    this.grid.classList.toggle("vm-beside", beside);
    this.grid.style.setProperty("--vm-panels", this.tracks.length);
    this.room = Math.floor(beside ? (room - 22 * (this.tracks.length - 1)) / this.tracks.length : room);
    this.switch.hidden = !narrow || this.tracks.length < 2;
    this.fold.hidden = !narrow || !Object.keys({ ...this.story.rules, ...this.story.states }).length;
    if (narrow) this.fold.append(this.legendBox);
    this.screen.append(...(narrow ? [this.fold, this.bar] : [this.bar, this.legendBox, this.fold]));
    this.tall = Math.max(...this.tracks.flatMap((track, t) => track.frames.map((frame) => this.pictureOf(t, frame).height)));
    const speaks = narrow && this.tracks.length > 1 ? this.track : -1, across = narrow ? room : width;
    const lines = Math.max(2, ...this.story.steps.map((_, n) => wrap(plainly(this.saidAt(n, speaks)), across, 15.5).length));
    this.say.style.minHeight = `${lines * 1.45}em`;
    const notes = Math.max(0, ...this.tracks.flatMap((track) => track.frames.map((frame) => (frame.note ? wrap(frame.note, this.room - 14, 14).length : 0))));
    for (const panel of this.panels) panel.note.style.minHeight = notes && !narrow ? `${notes * 20 + 4}px` : "";
    this.drawMarks();
    this.drawLegendOf();
    if (!always) this.show(this.step);
  }

  // With less motion asked for, what has changed its state or its list keeps a thick edge in place of moving.
  changedAt(n, t) {
    if (n === 0 || !this.moved(n, t) || !matchMedia("(prefers-reduced-motion: reduce)").matches) return [];
    const where = (frame) => new Map(Object.values(frame.groups).filter((g) => typeof g.cells === "string").flatMap((g) => cellsOf(g.cells).map(([key, id]) => [id, `${key} ${g.id}`])));
    const before = where(this.tracks[t].frames[this.story.steps[n - 1][t]]), now = where(this.framesAt(n)[t]);
    const changed = [...now].filter(([id, place]) => before.has(id) && before.get(id) !== place).map(([id]) => id);
    return changed.length > 8 ? [] : changed;
  }

  sceneOf(frame) {
    const { states, gauges = {}, debts = [] } = this.story;
    return { states, groups: Object.values(frame.groups), links: frame.links, hot: frame.hot || [], gauges: frame.gauges, gaugeStates: gauges, debts };
  }

  pictureOf(track, frame, width = this.room) {
    const scene = this.sceneOf(frame);
    if (this.size === "narrow") scene.gauges = {};
    return layout([[this.tracks[track].name, scene]], width, { axes: this.axes, heads: false, legend: false, notes: false, most: this.most });
  }

  drawMarks() {
    this.scrub.querySelectorAll("i, span").forEach((node) => node.remove());
    const most = Math.max(1, this.story.steps.length - 1), wide = this.range.clientWidth || this.width;
    let free = -1;
    for (const [n, words] of this.story.marks || []) {
      const x = 8 + (n / most) * (wide - 16), w = widthOf(words, SMALL);
      const left = Math.max(0, Math.min(x - w / 2, wide - w));
      this.scrub.append(make("i", { style: `left:${x - 1}px`, title: words }));
      const at = Math.max(left, free);
      if (at > left + w / 2 || at + w > wide) continue;
      this.scrub.append(make("span", { style: `left:${at}px` }, words));
      free = at + w + 8;
    }
  }

  drawLegendOf() {
    const sheet = new Sheet(this.width);
    for (const [words, meaning] of Object.values(this.story.states)) { // what looks the same is one entry
      const [same] = sheet.legend.get(meaning) || [];
      sheet.legend.set(meaning, [same ? `${same}, or ${spellings(words)[0]}` : spellings(words)[0], meaning]);
    }
    const threads = Math.max(...this.tracks.map((track) => Object.values(track.frames[0].groups).filter((group) => group.as === "script").length));
    if (threads) sheet.legend.set("next", [threads > 1 ? "a thread's next line" : "the line of this step", "lit"]);
    if (threads > 1) sheet.legend.set("waits", ["waits for a lock", "blocked"]);
    const height = drawLegend(sheet, 0, this.width);
    const words = [...sheet.legend.values()].map(([one]) => spellings(one)[0]).join(", ");
    paint(this.legend, { width: this.width, height, items: sheet.items, title: "What the colours mean" }, { alt: words });
    this.legendBox.style.display = sheet.legend.size ? "" : "none";
  }

  // ---- a step

  framesAt(n) { return this.story.steps[n].map((i, t) => this.tracks[t].frames[i]); }

  moved(n, t) { return n === 0 || this.story.steps[n - 1][t] !== this.story.steps[n][t]; }

  saidAt(n, only = -1) {
    const said = this.framesAt(n).map((frame, t) => [this.tracks[t].name, frame.say, t]);
    if (only < 0) return sayOf(said.filter(([, , t]) => this.moved(n, t)), said.length > 1);
    const [, text] = said[only], frame = this.framesAt(n)[only];
    const ended = frame.end && !this.moved(n, only) ? `${endedOf(frame)} at step ${1 + this.story.steps.findIndex((step) => step[only] === this.story.steps[n][only])}. ` : "";
    return sayOf([["", ended + text]]);
  }

  show(step, index = this.index) {
    if (index !== this.index) { this.choose(index, step); return; }
    const most = this.story.steps.length - 1;
    this.step = Math.max(0, Math.min(most, step));
    const n = this.step, narrow = this.size === "narrow", frames = this.framesAt(n);
    const said = this.saidAt(n, narrow && this.tracks.length > 1 ? this.track : -1);
    const mark = (this.story.marks || []).find(([at]) => at === n);
    this.say.setAttribute("aria-live", this.timer && !mark ? "off" : "polite");
    if (this.shown !== `${this.index}|${n}|${said}`) this.say.replaceChildren(...marked(said));
    this.shown = `${this.index}|${n}|${said}`;
    this.panels.forEach((panel, t) => this.showPanel(panel, t, frames[t]));
    [...this.switch.children].forEach((node, t) => node.setAttribute("aria-pressed", String(t === this.track)));
    this.showOther(frames);
    this.showRules(frames);
    this.showAsk();
    this.count.replaceChildren("step ", make("b", {}, String(n + 1)), ` of ${most + 1}`);
    this.range.value = n + 1;
    this.range.setAttribute("aria-valuetext", `step ${n + 1} of ${most + 1}: ${plainly(sentences(said)[0] || "")}`);
    for (const name of ["first", "back"]) this.buttons[name].disabled = n === 0;
    this.buttons.next.disabled = n === most;
    this.buttons.play.disabled = n === most && !this.timer;
    this.toAddress();
    if (this.api.onStep) this.api.onStep(n + 1, this.index);
  }

  showPanel(panel, t, frame) {
    const narrow = this.size === "narrow";
    panel.node.hidden = narrow && t !== this.track;
    if (panel.node.hidden) return;
    const gone = frame.end && !this.moved(this.step, t);
    panel.name.hidden = narrow && this.tracks.length > 1;
    panel.name.replaceChildren(headOf(this.tracks[t].name), ...(gone ? [make("span", { class: "vm-ended" }, endedOf(frame).toLowerCase())] : []));
    const picture = this.pictureOf(t, { ...frame, hot: [...(frame.hot || []), ...this.changedAt(this.step, t)] });
    const title = `${headOf(this.tracks[t].name)}, step ${this.step + 1}`;
    paint(panel.svg, { ...picture, height: narrow ? picture.height : this.tall }, { title, alt: `${plainly(frame.say)} ${this.told(frame)}` });
    panel.note.textContent = plainly(frame.note || "");
    if (frame.end && frame.note) panel.note.dataset.end = frame.end;
    else delete panel.note.dataset.end;
  }

  // What a panel shows, for those who do not see it.
  told(frame) {
    const names = Object.fromEntries(Object.entries(this.story.states).map(([key, [words]]) => [key, spellings(words)[0]]));
    const lists = Object.values(frame.groups).filter((g) => g.as === "ring" || g.as === "belt").map((g) => {
      const cells = cellsOf(g.cells);
      const counts = [...new Set(cells.map(([key]) => key))].map((key) => `${cells.filter(([k]) => k === key).length} ${names[key]}`);
      return `${g.label}: ${counts.join(", ") || "empty"}.`;
    });
    const links = (frame.links || []).map(([start, kind, end]) => `${start} ${{ holds: "holds", waits: "waits for" }[kind] || kind} ${end}.`);
    const gauges = Object.entries(frame.gauges).map(([name, n]) => `${name}: ${Array.isArray(n) ? n.join(" of ") : n}.`);
    return [...lists, ...links, ...gauges].join(" ");
  }

  // On a phone: the other kernel as a thin belt, and the numbers of both.
  showOther(frames) {
    this.other.hidden = this.size !== "narrow" || this.tracks.length < 2;
    if (this.other.hidden) return;
    const parts = [];
    const names = Object.keys(frames[0].gauges);
    if (names.length) {
      const cell = (n) => (Array.isArray(n) ? n.join(" of ") : String(n ?? ""));
      const rows = frames.map((frame, t) => make("tr", {}, make("th", { scope: "row", class: patchedClass(this.tracks[t].name).replace("vm-name", "") }, this.tracks[t].name), ...names.map((name) => make("td", {}, cell(frame.gauges[name])))));
      parts.push(make("table", { class: "vm-both" }, make("thead", {}, make("tr", {}, make("td"), ...names.map((name) => make("th", { scope: "col" }, name)))), make("tbody", {}, ...rows)));
    }
    frames.forEach((frame, t) => {
      const list = Object.values(frame.groups).find((group) => group.as === "ring");
      if (t === this.track || !list) return;
      this.thin ||= canvas();
      const cells = cellsOf(list.cells), most = Math.max(list.slots || 0, cells.length, 1), sheet = new Sheet(this.room);
      const w = Math.min(16, this.room / most);
      cells.forEach(([key], i) => piece(sheet, `thin${i}`, i * w, 0, w - 2, 22, this.story.states[key][1], {}));
      paint(this.thin, { width: this.room, height: 24, items: sheet.items, title: `${headOf(this.tracks[t].name)}, same step` }, { alt: this.told(frame) });
      parts.push(make("p", {}, make("span", { class: patchedClass(this.tracks[t].name) }, `${headOf(this.tracks[t].name)}, same step `), make("small", {}, "tail on the left")), this.thin);
    });
    this.other.replaceChildren(...parts);
  }

  showRules(frames) {
    const lit = new Map();
    frames.forEach((frame, t) => {
      const shown = this.size !== "narrow" ? this.moved(this.step, t) : t === this.track || (this.moved(this.step, t) && this.moved(this.step, this.track));
      if (shown) for (const rule of frame.rule || []) lit.set(rule, [...(lit.get(rule) || []), this.tracks[t].name]);
    });
    const line = ([rule, words]) => {
      const who = lit.get(rule);
      const chip = who && this.tracks.length > 1 ? who.length === this.tracks.length ? "both" : who.map((name) => name.replace(/ \(.*/, "")).join(", ") : "";
      const head = make("div", {}, make("code", {}, rule), chip ? make("span", { class: `vm-chip${/^patched/.test(chip) ? " vm-patched" : ""}` }, chip) : "");
      return make("li", { class: who ? "vm-lit" : "" }, head, make("span", {}, words));
    };
    const all = Object.entries(this.story.rules || {});
    const narrow = this.size === "narrow";
    const list = make("ul", { class: all.length > 5 ? "vm-many" : "" }, ...all.filter(([rule]) => !narrow || (frames[this.track].rule || []).includes(rule)).map(line));
    this.rules.replaceChildren(...(all.length && !narrow ? [make("p", { class: "vm-name" }, "The rule that fires"), list] : all.length ? [list] : []));
    this.fold.querySelector("ul")?.remove();
    if (narrow && all.length) this.fold.insertBefore(make("ul", { class: "vm-rules" }, ...all.map(line)), this.legendBox);
  }

  // ---- questions

  key(ask) { return `${this.story.title} | ${ask.q}`; }

  kept(ask) { return this.api.kept ? this.api.kept(this.key(ask)) : (this.answers ||= {})[this.key(ask)]; }

  openAsk() {
    const ask = this.asks().filter((one) => one.step <= this.step).at(-1);
    if (!ask) return null;
    const overtaken = (this.story.marks || []).some(([n]) => n > ask.step && n <= this.step);
    return overtaken || (this.kept(ask) != null && this.step > ask.step) ? null : ask;
  }

  showAsk() {
    const ask = this.openAsk();
    const state = ask ? `${this.key(ask)}|${this.kept(ask)}|${ask.step === this.step}` : "";
    if (this.asked === state && this.ask.firstChild) return;
    this.asked = state;
    if (!ask) { this.ask.replaceChildren(); return; }
    const chosen = this.kept(ask);
    const choices = ask.choices.map((words, i) => {
      const node = make("button", { type: "button" }, words);
      if (chosen === i) node.dataset.answer = i === ask.right ? "right" : "wrong";
      node.setAttribute("aria-pressed", String(chosen === i));
      node.addEventListener("click", () => this.answer(ask, i));
      return node;
    });
    const right = chosen === ask.right;
    const why = chosen == null ? "" : right ? `Yes. ${ask.why}` : `${(ask.wrong || [])[chosen] || `No: ${ask.choices[ask.right]}.`} ${ask.why}`;
    this.ask.replaceChildren(make("div", { class: "vm-ask", role: "group", "aria-label": ask.q },
      make("p", {}, make("strong", {}, ask.step === this.step ? "Before you press Next: " : `Asked at step ${ask.step + 1}: `), ask.q[0].toLowerCase() + ask.q.slice(1)), make("div", { class: "vm-buttons" }, ...choices), make("p", { role: "status" }, why)));
  }

  answer(ask, i) {
    this.stop();
    if (this.api.keep) this.api.keep(this.key(ask), i);
    (this.answers ||= {})[this.key(ask)] = i;
    this.showAsk();
    this.ask.querySelectorAll("button")[i].focus();
  }

  // ---- play, keys, address

  toggle() { if (this.timer) this.stop(); else this.play(); }

  play() {
    if (this.step >= this.story.steps.length - 1) return;
    const next = () => {
      this.show(this.step + 1);
      const frames = this.framesAt(this.step);
      const ends = frames.some((frame, t) => frame.end && this.moved(this.step, t));
      const ask = this.openAsk();
      if (ends || (ask && ask.step === this.step && this.kept(ask) == null) || this.step >= this.story.steps.length - 1) this.stop();
      else this.timer = setTimeout(next, this.speed);
    };
    this.timer = setTimeout(next, Math.min(this.speed, 700));
    this.buttons.play.replaceChildren("\u275a\u275a Stop");
  }

  stop() {
    if (!this.timer) return;
    clearTimeout(this.timer);
    this.timer = 0;
    this.say.setAttribute("aria-live", "polite");
    this.buttons.play.replaceChildren("\u25b6 Play");
    this.buttons.play.disabled = this.step >= this.story.steps.length - 1;
  }

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation(); // a notebook would take the key for a command
    const on = event.target.tagName;
    if (on === "SELECT" || (event.key === " " && (on === "BUTTON" || on === "SUMMARY"))) return;
    const marks = (this.story.marks || []).map(([n]) => n), n = this.step, most = this.story.steps.length - 1;
    const to = { ArrowRight: n + 1, ArrowLeft: n - 1, Home: 0, End: most, PageDown: marks.find((at) => at > n) ?? most, PageUp: marks.filter((at) => at < n).at(-1) ?? 0 };
    if (event.key === " ") this.toggle();
    else if (event.key in to) { this.stop(); this.show(to[event.key]); } else return;
    event.preventDefault();
  }

  // #watch-8-13 is step 13 of the first story, #watch-8-2-13 of the second.
  fromAddress() {
    const parts = location.hash.startsWith(`#${this.api.address}-`) ? location.hash.slice(this.api.address.length + 2).split("-").map(Number) : [];
    if (!parts.length || parts.some(Number.isNaN)) return;
    const index = parts.length > 1 ? Math.min(parts[0], this.stories.length) - 1 : 0;
    this.fromLink = true;
    this.show(parts.at(-1) - 1, index);
    this.root.scrollIntoView();
  }

  toAddress() {
    if (!this.api.address || (!this.touched && !(this.touched = this.step > 0))) return;
    const hash = `#${this.api.address}-${this.index ? `${this.index + 1}-` : ""}${this.step + 1}`;
    if (location.hash !== hash) history.replaceState(null, "", hash);
  }

  // ---- paper: the frames at the marks, at most four

  onPaper() {
    const marks = this.story.marks && this.story.marks.length ? this.story.marks.map(([n]) => n) : [0, this.story.steps.length - 1];
    const steps = marks.length <= 4 ? marks : [marks[0], marks[1], marks.at(-2), marks.at(-1)];
    const half = this.tracks.length > 1 ? 335 : 690; // kernels stand side by side
    this.paper.replaceChildren(make("p", { class: "vm-title" }, `Watch it happen: ${this.story.title}`), ...steps.map((n) => {
      const frames = this.framesAt(n);
      const said = sayOf(frames.map((frame, t) => [this.tracks[t].name, frame.say]));
      const drawn = frames.map((frame, t) => {
        const svg = canvas(), panel = [this.tracks[t].name, this.sceneOf(frame)];
        paint(svg, layout([panel], half, { axes: this.axes, most: this.most }), { title: `Step ${n + 1}`, alt: plainly(said) });
        return svg;
      });
      return make("figure", {}, make("figcaption", {}, make("b", {}, `Step ${n + 1}. `), ...marked(said)), make("div", {}, ...drawn));
    }));
  }
}
