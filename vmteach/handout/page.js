// What makes a handout live: explorers over states that are stored in the page. `face` and `learn` are the scripts of
// the notebook (vmteach/lab/explorer.js, vmteach/lab/learn.js); here they get their answers from the page and not from a kernel.

const NOTHING = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==";

async function opened(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = await new Response(stream).arrayBuffer();
  const length = new DataView(bytes).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  const places = header.columns * header.rows;
  const refs = new Uint16Array(bytes, 4 + length, places * header.sizes.length);
  const tiles = new Uint8Array(bytes, 4 + length + Math.ceil(refs.byteLength / 4) * 4);
  return { ...header, refs, tiles, colours: Uint32Array.from(header.palette, (c) =>
    (0xff000000 | ((c & 0xff) << 16) | (c & 0xff00) | (c >> 16)) >>> 0) };
}

// A canvas that shows a stored picture: only tiles that differ from those shown before are painted.
function painter(canvas, stored) {
  const { tile, columns, starts, sizes, refs, tiles, colours } = stored;
  const context = canvas.getContext("2d", { alpha: false });
  let shown = [];
  let pixels, words;
  return (picture) => {
    const [width, height] = sizes[picture];
    if (canvas.width !== width || canvas.height !== height || !pixels) {
      canvas.width = width;
      canvas.height = height;
      pixels = context.createImageData(width, height);
      words = new Uint32Array(pixels.data.buffer);
      shown = [];
    }
    let [left, top, right, bottom] = [width, height, 0, 0];
    for (let place = 0; place < starts.length; place++) {
      const which = starts[place] + refs[place * sizes.length + picture];
      const x = (place % columns) * tile;
      const y = Math.floor(place / columns) * tile;
      if (which === shown[place] || x >= width || y >= height) continue;
      shown[place] = which;
      const [across, down] = [Math.min(tile, width - x), Math.min(tile, height - y)];
      for (let row = 0; row < down; row++) {
        let from = (which * tile + row) * tile;
        let to = (y + row) * width + x;
        for (let i = 0; i < across; i++) words[to++] = colours[tiles[from++]];
      }
      [left, top] = [Math.min(left, x), Math.min(top, y)];
      [right, bottom] = [Math.max(right, x + across), Math.max(bottom, y + down)];
    }
    if (right > left) context.putImageData(pixels, 0, 0, left, top, right - left, bottom - top);
  };
}

function spelled(stored, at, set) {
  const { head, spelled: words, fixed, labels, tail } = stored.code;
  const given = Object.entries(words).map(([field, stops]) => `${field}=${stops[at[field]]}`);
  return `${head}${[...given, ...fixed].join(", ")})\nlabels = ${labels[set]}\n${tail}`;
}

const same = (a, b) => a.length === b.length && a.every((label, i) => label === b[i]);
const named = (labels) => labels.join(" and ");

// The sets of kernels that are stored, one to be chosen, in place of a box for each kernel.
function kernels(live, stored, choose) {
  const boxes = live.querySelector(".vmt-kernels");
  const set = document.createElement("fieldset");
  set.className = "vmt-kernels";
  const legend = document.createElement("legend");
  legend.textContent = "Kernels to compare (these are stored in this page)";
  set.append(legend);
  stored.sets.forEach((labels, i) => {
    const label = document.createElement("label");
    const radio = document.createElement("input");
    Object.assign(radio, { type: "radio", name: `kernels-${live.dataset.serial}`, checked: i === 0, value: String(i) });
    radio.addEventListener("change", () => choose(i));
    label.append(radio, labels.length > 1 ? named(labels) : `only ${labels[0]}`);
    set.append(label);
  });
  boxes.replaceWith(set);
  return (i) => { set.querySelectorAll("input")[i].checked = true; };
}

async function explorer(place, serial) {
  const stored = await opened(place.querySelector("script").textContent.trim());
  const live = place.querySelector(".live");
  live.dataset.serial = serial;
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  const paint = painter(canvas, stored);
  let face, mark;
  const set = (at) => stored.sets.findIndex((labels) => same(labels, at.policies));
  const request = (at) => {
    const i = set(at);
    if (mark) mark(i);
    const key = `${stored.fields.map((field) => at[field]).join(",")}|${i}`;
    const found = stored.states[key];
    place.dataset.state = key;
    place.dispatchEvent(new Event("state")); // goals listen
    if (!found) {
      return { error: `This page holds no state for these stops with “${named(at.policies)}” alone: put this chapter's ` +
        `own controls back, or choose “${named(stored.sets[0])}”.` };
    }
    const [picture, answer] = found;
    if (picture >= 0) {
      paint(picture);
      canvas.setAttribute("aria-label", stored.answers[answer].alt);
    }
    return { ...stored.answers[answer], picture: NOTHING, code: spelled(stored, at, i) };
  };
  // Paint as soon as a control moves; what the face writes follows in the same frame.
  live.hidden = false;
  place.classList.add("alive");
  face = faces.mount(live, stored.spec, { at: () => stored.at, request });
  const image = live.querySelector(".vmt-picture img");
  image.hidden = true;
  image.after(canvas);
  live.querySelector(".vmt").setAttribute("aria-label", serial > 1 ? `Explorer ${serial}` : "Explorer");
  mark = kernels(live, stored, (i) => face.show({ policies: stored.sets[i] }));
  for (const field of stored.held) {
    const [range] = live.querySelectorAll(`[data-field="${field}"]`);
    live.querySelectorAll(`[data-field="${field}"]`).forEach((one) => { one.disabled = true; });
    const why = document.createElement("p");
    why.className = "vmt-why";
    why.id = `${range.id}-held`;
    why.textContent = "Not stored in this page: move this one in the notebook.";
    range.setAttribute("aria-describedby", why.id);
    range.closest(".vmt-row").append(why);
  }
}

document.querySelectorAll(".explorer").forEach((place, i) => {
  explorer(place, i + 1).catch((trouble) => {
    place.classList.remove("alive"); // the stored pictures stay
    console.error(trouble);
  });
});

// What a reader predicted and answered stays in this browser; without its leave, in this visit.
const kept = {
  visit: {},
  name: (i) => `vmteach ${location.pathname.split("/").pop()} ${i}`,
  read(i) {
    try { return JSON.parse(localStorage.getItem(this.name(i))) ?? {}; } catch { return this.visit[i] ?? {}; }
  },
  write(i, value) {
    this.visit[i] = value;
    try { localStorage.setItem(this.name(i), JSON.stringify(value)); } catch { /* not allowed: the visit is enough */ }
  },
};

// A number with its unit: 1 patch, 2 patches, 1 s.
const counted = (value, unit) =>
  `${value.toLocaleString("en")} ${value === 1 && unit ? unit.replace(/(?<=ch)es$|(?<=\w)s$/, "") : unit ?? ""}`.trim();

function lesson(place, i, serial) {
  const data = JSON.parse(place.querySelector("script").textContent);
  const live = place.querySelector(".live");
  const asked = document.querySelectorAll(".explorer")[data.explorer];
  const text = (word) => { const p = document.createElement("p"); p.textContent = word; return p.innerHTML; };
  const said = () => {
    if (data.spec.kind === "goal") return data.said[data.at[asked.dataset.state]] ?? { html: "" };
    const { value } = kept.read(i);
    return { html: value === undefined ? "" : `Kept in this page: <strong>${text(counted(value, data.spec.unit))}</strong>` };
  };
  const give = (value) => { kept.write(i, value); place.dispatchEvent(new Event("given")); };
  const follow = learning.mount(live, data.spec, { given: () => kept.read(i), give, said });
  if (asked) asked.addEventListener("state", () => follow());
  const root = live.querySelector(".vml");
  if (serial > 1) root.setAttribute("aria-label", `${root.getAttribute("aria-label")} ${serial}`);
  live.hidden = false;
  place.classList.add("alive");
}

const lessons = {};
document.querySelectorAll(".learning").forEach((place, i) => {
  const { kind } = JSON.parse(place.querySelector("script").textContent).spec;
  lessons[kind] = (lessons[kind] ?? 0) + 1;
  try { lesson(place, i, lessons[kind]); } catch (trouble) { console.error(trouble); }
});

// What came out, beside what the reader of this page predicted.
document.querySelectorAll(".compared").forEach((place) => {
  const { of, unit, result, shown, calm, overlooked } = JSON.parse(place.querySelector("script").textContent);
  const asked = [...document.querySelectorAll(".learning")];
  const at = asked.findIndex((one) => JSON.parse(one.querySelector("script").textContent).name === of);
  const words = place.querySelector(".live");
  const near = (one, other) => one === other
    || (typeof one === "number" && Math.abs(one - other) <= 0.02 * Math.max(Math.abs(one), Math.abs(other)));
  const tell = () => {
    const { value } = at < 0 ? {} : kept.read(at);
    if (value === undefined || value === null) { words.textContent = `Nothing was predicted; it is ${shown}.`; return; }
    const begins = `You said ${counted(value, unit)}`;
    const [, , said] = overlooked.find(([guess]) => near(guess, value)) ?? [];
    if (value === result) words.textContent = `${begins}, and so it is.`;
    else {
      const rest = document.createElement("span");
      rest.innerHTML = said ?? calm;
      words.replaceChildren(`${begins}; it is ${shown}. `, rest);
    }
  };
  asked[at]?.addEventListener("given", tell);
  tell();
  words.hidden = false;
  place.classList.add("alive");
});

// Folds are open on paper, and closed again after it.
addEventListener("beforeprint", () => {
  document.querySelectorAll("details:not([open]):not(.fold)").forEach((fold) => { fold.open = true; fold.dataset.was = ""; });
});
addEventListener("afterprint", () => {
  document.querySelectorAll("details[data-was]").forEach((fold) => { fold.open = false; delete fold.dataset.was; });
});
