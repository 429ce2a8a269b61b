// What makes a handout live: pictures, stories, explorers over runs that are stored in the page, predictions, questions.
// `faces` and `learning` are the notebook's own scripts (vmteach/lab); here they get their answers from the page, and
// not from a kernel. `live` (live.js) asks the models themselves, where the reader has switched them on.

const dataOf = (place) => JSON.parse(place.querySelector("script").textContent);
const each = (selector, act) => document.querySelectorAll(selector).forEach((place, i) => {
  try {
    Promise.resolve(act(place, i)).catch((trouble) => failed(place, trouble));
  } catch (trouble) { failed(place, trouble); }
});
const failed = (place, trouble) => { place.classList.remove("alive"); console.error(trouble); }; // what is stored stays
const alive = (place) => {
  const live = place.querySelector(".live");
  live.hidden = false;
  place.classList.add("alive");
  return live;
};

// What a reader predicted and answered stays in this browser; without its leave, in this visit.
const kept = {
  visit: {},
  name: (key) => `vmteach ${location.pathname.split("/").pop()} ${key}`,
  read(key) {
    try { return JSON.parse(localStorage.getItem(this.name(key))) ?? this.visit[key]; } catch { return this.visit[key]; }
  },
  write(key, value) {
    this.visit[key] = value;
    try { localStorage.setItem(this.name(key), JSON.stringify(value)); } catch { /* not allowed: the visit is enough */ }
  },
};

// ---- pictures and stories

each(".drawing", (place) => {
  const { svg } = mountPanels(alive(place), { full: true, ...dataOf(place) });
  const { width, height } = svg.viewBox.baseVal;
  place.classList.toggle("tall", height > 0.8 * width); // a print may part it from its cell
});

each(".story", (place, i) => {
  mountStory(alive(place), dataOf(place).stories, {
    address: i ? `watch-${i + 1}` : "watch",
    kept: (question) => kept.read(`story ${question}`),
    keep: (question, choice) => kept.write(`story ${question}`, choice),
  });
});

// ---- explorers

async function opened(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const [header, ...lines] = (await new Response(stream).text()).split("\n");
  return { ...JSON.parse(header), lines };
}

function spelled({ code, fields }, at, policies) {
  const stops = fields.map((field) => `${field}=${code.spelled[field][at[field]]}`);
  return `${code.head}${[...stops, ...code.fixed].join(", ")})\nlabels = ${JSON.stringify(policies)}\n${code.tail}`;
}

// The answer at a position from the entries of its runs: {scene, rows} or {error}, in the order of the labels.
function answerOf(stored, at, entries) {
  const wrong = entries.find((entry) => entry.error);
  if (wrong) return { error: wrong.error, at };
  const panels = at.policies.map((label, i) => [label, entries[i].scene]);
  const union = (rows) => [...new Set(rows.flatMap((one) => one.map(([name]) => name)))];
  const cells = (rows) => union(rows).map((name) => [name, ...rows.map((one) => (one.find(([n]) => n === name) ?? [, ""])[1])]);
  return {
    at: { ...at }, labels: [...at.policies], panels, finding: titleOf(panels), alt: altOf(panels),
    readout: cells(panels.map(([, scene]) => Object.entries(scene.numbers ?? {}))).slice(0, 4),
    rows: cells(entries.map((entry) => entry.rows)), code: spelled(stored, at, at.policies),
  };
}

const explorers = [];

async function explorer(place, i) {
  const stored = await opened(place.querySelector("script").textContent.trim());
  const parsed = new Map();
  const entry = (line) => parsed.get(line) ?? parsed.set(line, JSON.parse(stored.lines[line])).get(line);
  const keyOf = (at) => stored.fields.map((field) => at[field]).join(",");
  const verdicts = (at) => stored.goals.map((goal, g) => {
    const hidden = goal.needs.filter((label) => !at.policies.includes(label));
    if (hidden.length) return { outcome: "not yet", html: `<strong>Not yet.</strong> Show the kernel ${hidden.join(" and ")} too.` };
    const said = stored.said[keyOf(at)];
    if (!said) return { outcome: "not yet", html: "" };
    const [outcome, html] = stored.verdicts[g][said[g]];
    return { outcome, html };
  });
  let mounted, face;
  const request = (at) => {
    const runs = stored.positions[keyOf(at)];
    const answer = runs
      ? { ...answerOf(stored, at, at.policies.map((label) => entry(runs[stored.spec.policies.indexOf(label)]))), goals: verdicts(at) }
      : elsewhere(at);
    if (answer) tell(at, answer);
    return answer;
  };
  // A position that is not stored: the models work it out where they are switched on.
  const elsewhere = (at) => {
    if (!live.on) {
      const on = document.querySelector(".live-switch") ? "Switch on Live at the top of the page, or go" : "Go";
      return { at, error: `This page does not store these stops. ${on} back by Default or a preset.` };
    }
    next = at;
    if (!busy) ask();
    return undefined;
  };
  // One question under way at a time, the latest one next; an answer that is overtaken is not shown.
  let next, busy = false;
  const ask = async () => {
    busy = true;
    while (next) {
      const at = next;
      next = undefined;
      const found = await live.ask({ kind: "show", stem: place.dataset.stem, at });
      const answer = found.error ? { at, error: found.error } : { ...answerOf(stored, at, found.entries), goals: found.goals };
      if (face.at() !== at) continue;
      tell(at, answer);
      face.fill(answer);
    }
    busy = false;
  };
  const tell = (at, answer) => {
    place.dispatchEvent(new CustomEvent("state", { detail: answer.goals ?? [] }));
  };
  const draw = (panels, answer, before) => {
    const given = { panels: answer.panels, last: before?.panels ?? [] };
    if (mounted) mounted.update(given);
    else mounted = mountPanels(panels, { full: false, title: false, ...given });
  };
  const spec = { ...stored.spec, goals: stored.goals };
  face = faces.mount(alive(place), spec, { at: () => stored.at, request, draw });
  if (i) place.querySelector(".vmt").setAttribute("aria-label", `Explorer ${i + 1}`);
  explorers[i] = { place, again: () => face.show({}) };
}

each(".explorer", explorer);

// ---- predictions, questions, goals in cells of their own

const counted = (value, unit) =>
  `${value.toLocaleString("en")} ${value === 1 && unit ? unit.replace(/(?<=ch)es$|(?<=\w)s$/, "") : unit ?? ""}`.trim();
const escaped = (word) => { const p = document.createElement("p"); p.textContent = word; return p.innerHTML; };

function lesson(place, i) {
  const data = dataOf(place);
  const key = data.name ?? `${data.spec.kind} ${i}`;
  let told = { html: "" };
  const said = () => {
    if (data.spec.kind === "goal") return told;
    const { value, first } = kept.read(key) ?? {};
    if (value === undefined || data.spec.kind !== "predict") return { html: "" };
    const talked = first === undefined ? "" : `, after ${escaped(counted(first, data.spec.unit))}`;
    return { html: `Kept in this page: <strong>${escaped(counted(value, data.spec.unit))}</strong>${talked}.` };
  };
  const give = (value) => { kept.write(key, value); place.dispatchEvent(new Event("given")); };
  const live = alive(place);
  const follow = learning.mount(live, data.spec, { given: () => kept.read(key) ?? {}, give, said });
  const asked = document.querySelectorAll(".explorer")[data.explorer];
  if (asked) asked.addEventListener("state", ({ detail }) => { told = detail[data.goal] ?? told; follow(); });
}

each(".learning:has(script)", lesson);

// What came out, beside what the reader of this page predicted.
each(".compared", (place) => {
  const { of, unit, result, shown, calm, overlooked } = dataOf(place);
  const words = alive(place);
  const near = (one, other) => one === other
    || (typeof one === "number" && Math.abs(one - other) <= 0.02 * Math.max(Math.abs(one), Math.abs(other)));
  const tell = () => {
    const { value, first } = kept.read(of) ?? {};
    if (value === undefined || value === null) { words.textContent = `Nothing was predicted; it is ${shown}.`; return; }
    const before = first === undefined || first === value ? "" : `${counted(first, unit)}, and after talking `;
    const begins = `You said ${before}${counted(value, unit)}`;
    const [, , said] = overlooked.find(([guess]) => near(guess, value)) ?? [];
    if (value === result) { words.textContent = `${begins}, and so it is.`; return; }
    const rest = document.createElement("span");
    rest.innerHTML = said ?? calm;
    words.replaceChildren(`${begins}; it is ${shown}. `, rest);
  };
  document.querySelectorAll(".learning:has(script)").forEach((one) => {
    if (dataOf(one).name === of) one.addEventListener("given", tell);
  });
  tell();
});

// ---- the front door: what this browser has kept of each chapter

each(".cards [data-page]", (card) => {
  let n = 0;
  try { n = Object.keys(localStorage).filter((key) => key.startsWith(`vmteach ${card.dataset.page} `)).length; } catch { /* not allowed */ }
  if (!n) return;
  const done = document.createElement("p");
  done.className = "done";
  done.textContent = `begun: ${n} answer${n === 1 ? "" : "s"} kept`;
  card.append(done);
});

// ---- search: every word of the question stands in what is found; headings count more

each("#words", (field) => {
  const index = JSON.parse(document.getElementById("index").textContent);
  const found = document.getElementById("found"), count = document.getElementById("count");
  const plain = (text) => text.toLowerCase();
  const look = () => {
    const words = plain(field.value).split(/\s+/).filter((word) => word.length > 1);
    const hits = words.length ? index.filter(({ title, words: text }) => words.every((w) => plain(`${title} ${text}`).includes(w))) : [];
    const weight = (hit) => words.filter((w) => plain(hit.title).includes(w)).length;
    const code = ({ at }) => Number(at.startsWith("code-")); // chapters and documents first
    hits.sort((a, b) => code(a) - code(b) || weight(b) - weight(a));
    count.textContent = words.length ? `${hits.length} section${hits.length === 1 ? "" : "s"}` : "";
    found.replaceChildren(...hits.slice(0, 50).map(({ at, title, words: text }) => {
      const item = document.createElement("li"), link = document.createElement("a"), said = document.createElement("p");
      const near = plain(text).indexOf(words[0]) - 60;
      const place = near > 0 ? text.indexOf(" ", near) + 1 : 0; // not in the middle of a word
      Object.assign(link, { href: at, textContent: title });
      said.textContent = `${place ? "\u2026 " : ""}${text.slice(place, place + 200)} \u2026`;
      item.append(link, said);
      return item;
    }));
  };
  field.addEventListener("input", look);
  look();
});

// ---- paper: folds are open on it, and closed again after it

addEventListener("beforeprint", () => {
  document.querySelectorAll("details:not([open]):not(.fold)").forEach((fold) => { fold.open = true; fold.dataset.was = ""; });
});
addEventListener("afterprint", () => {
  document.querySelectorAll("details[data-was]").forEach((fold) => { fold.open = false; delete fold.dataset.was; });
});
