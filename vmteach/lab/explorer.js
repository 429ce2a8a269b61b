// The face of an explorer: native, labelled controls, a picture and a table. `mount` knows nothing of
// notebooks: it asks `api.request(at)` for the answer to a position, one question at a time, always the latest.

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

function slider(control, index, changed) {
  const id = `vmt-${++serial}`;
  const shown = make("output", { htmlFor: id }, control.stops[index]);
  const range = make("input", { type: "range", id, min: 0, max: control.stops.length - 1, step: 1 });
  const say = () => {
    shown.value = control.stops[range.value];
    range.setAttribute("aria-valuetext", control.stops[range.value]);
  };
  range.value = index;
  range.dataset.field = control.field;
  say();
  range.addEventListener("input", () => { say(); changed(control.field, Number(range.value)); });
  const row = make("div", { class: "vmt-row" }, make("label", { htmlFor: id }, control.label), range, shown);
  if (control.why) {
    row.append(make("p", { class: "vmt-why", id: `${id}-why` }, `Changes nothing here: ${control.why}`));
    range.setAttribute("aria-describedby", `${id}-why`);
  }
  return { node: row, show: (at) => { range.value = at; say(); } };
}

function kernels(labels, chosen, changed) {
  const boxes = labels.map((label) => {
    const box = make("input", { type: "checkbox", checked: chosen.includes(label) });
    box.dataset.policy = label;
    box.addEventListener("change", () => {
      const now = boxes.filter((b) => b.checked).map((b) => b.dataset.policy);
      if (now.length) changed("policies", now);
      else box.checked = true; // one must stay
    });
    return box;
  });
  const node = make("fieldset", { class: "vmt-kernels" }, make("legend", {}, "Kernels to compare"));
  labels.forEach((label, i) => node.append(make("label", {}, boxes[i], label)));
  return { node, show: (now) => boxes.forEach((b) => { b.checked = now.includes(b.dataset.policy); }) };
}

function table(labels, rows) {
  const head = make("tr", {}, make("td"), ...labels.map((l) => make("th", { scope: "col" }, l)));
  const body = rows.map(([name, ...cells]) =>
    make("tr", {}, make("th", { scope: "row" }, name), ...cells.map((c) => make("td", {}, c))));
  return make("table", {}, make("thead", {}, head), make("tbody", {}, ...body));
}

export function mount(el, spec, api) {
  let at = { ...api.at() };
  let asking = false;
  let waiting = false;
  const fields = {};
  const changed = (field, value) => { at = { ...at, [field]: value }; ask(); };

  const root = make("section", { class: "vmt", "aria-label": "Explorer" });
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  // While a control has the focus its keys are its own: an arrow would fold the notebook's headings, a `b` insert
  // a cell. Shortcuts with Ctrl or Cmd still reach the page.
  root.addEventListener("keydown", (event) => { if (!event.ctrlKey && !event.metaKey) event.stopPropagation(); });
  const controls = make("div", { class: "vmt-controls" });
  const group = (legend, list) => {
    if (!list.length) return;
    const set = make("fieldset", {}, make("legend", {}, legend));
    for (const control of list) {
      fields[control.field] = slider(control, at[control.field], changed);
      set.append(fields[control.field].node);
    }
    controls.append(set);
  };
  group("In every chapter", spec.panel);
  group("In this chapter", spec.own);
  fields.policies = kernels(spec.policies, at.policies, changed);
  controls.append(fields.policies.node);

  const finding = make("p", { class: "vmt-finding", role: "status" });
  const image = make("img", { alt: "", draggable: false });
  const picture = make("div", { class: "vmt-picture" }, image);
  const numbers = make("div", { class: "vmt-numbers" });
  const code = make("code");
  const asCode = make("details", {}, make("summary", {}, "As code"), make("pre", { tabIndex: 0 }, code));
  const reset = make("button", { type: "button" }, "Reset");
  reset.addEventListener("click", () => { show(spec.first); ask(); });
  root.append(controls, finding, picture, numbers, reset, asCode);
  el.replaceChildren(root);

  function show(next) {
    at = { ...at, ...next };
    for (const [field, control] of Object.entries(fields)) control.show(at[field]);
  }

  async function ask() {
    if (asking) { waiting = true; return; }
    asking = true;
    root.classList.add("vmt-busy");
    do {
      waiting = false;
      try { await fill(await api.request(at)); } catch (trouble) { tell(trouble.message, true); }
    } while (waiting);
    asking = false;
    root.classList.remove("vmt-busy");
    root.dataset.answers = Number(root.dataset.answers || 0) + 1;
  }

  function tell(text, error) {
    if (finding.textContent !== text) finding.textContent = text;
    finding.classList.toggle("vmt-error", Boolean(error));
  }

  async function fill(answer) {
    if (answer.error) { tell(answer.error, true); return; }
    const next = new Image();
    next.src = answer.picture;
    await next.decode(); // the old picture stays until the new one is ready
    const old = image.src;
    image.src = answer.picture;
    image.alt = answer.alt;
    if (old.startsWith("blob:")) URL.revokeObjectURL(old);
    tell(answer.finding, false);
    numbers.replaceChildren(table(answer.labels, answer.rows));
    code.textContent = answer.code;
  }

  ask();
  return { show: (next) => { show(next); ask(); }, at: () => at };
}

export default {
  render({ model, el }) {
    const open = new Map();
    let seq = 0;
    let asked = ""; // the position on its way: the kernel's echo of it is no news, and the reader may have moved on
    const heard = (answer, buffers) => {
      const take = open.get(answer.seq);
      if (!take) return;
      open.delete(answer.seq);
      asked = "";
      if (buffers && buffers.length) {
        answer.picture = URL.createObjectURL(new Blob([buffers[0]], { type: "image/png" }));
      }
      take(answer);
    };
    model.on("msg:custom", heard);
    const request = (at) => new Promise((take, refuse) => {
      const mine = ++seq;
      asked = JSON.stringify(at);
      const patience = setTimeout(() => {
        open.delete(mine);
        refuse(new Error("The kernel does not answer. Run the cell again."));
      }, 20000);
      open.set(mine, (answer) => { clearTimeout(patience); take(answer); });
      model.send({ kind: "ask", seq: mine, at });
    });
    const face = mount(el, model.get("spec"), { at: () => model.get("at"), request });
    const moved = () => {
      const next = JSON.stringify(model.get("at"));
      if (next !== asked && next !== JSON.stringify(face.at())) face.show(model.get("at"));
    };
    model.on("change:at", moved);
    return () => { model.off("msg:custom", heard); model.off("change:at", moved); };
  },
};
