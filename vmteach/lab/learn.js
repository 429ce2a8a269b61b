// The face of a prediction, of recall questions and of a goal: native, labelled controls. `mount` knows nothing of
// notebooks: `api` has given(), said() and give(value), which may give back a promise that is kept when the value was
// written, or broken with the sentence to show. Recall needs no kernel: what there is to say stands in the spec. (In a
// handout a goal's `said` is looked up for the stops shown.)

const GONE = "The kernel was restarted: choose <strong>Run &gt; Run All Above Selected Cell</strong>, then run this cell.";
const BUSY = "Not kept yet: the kernel is busy with another cell.";
const PATIENCE = 1500; // ms

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

// Text from Python comes escaped, with <code> and <strong> in it.
const rich = (tag, html, props = {}) => make(tag, { ...props, innerHTML: html });

function status() {
  const node = make("p", { class: "vml-said", role: "status" });
  const tell = ({ outcome = "", html = "" }) => {
    if (node.innerHTML !== html) node.innerHTML = html;
    node.dataset.outcome = outcome;
  };
  return { node, tell };
}

function radios(legend, options) {
  const name = `vml-${++serial}`;
  const buttons = options.map((_, i) => make("input", { type: "radio", name, value: String(i) }));
  const node = make("fieldset", {}, rich("legend", legend));
  options.forEach((html, i) => node.append(make("label", {}, buttons[i], rich("span", html))));
  return { node, chosen: () => buttons.findIndex((b) => b.checked), show: (i) => buttons.forEach((b, j) => { b.checked = i === j; }) };
}

// A form: Enter in a field, or a button, hands it in.
function form(labels, fields, handIn) {
  const buttons = labels.map((label, i) => make("button", { type: i ? "button" : "submit" }, label));
  const node = make("form", { noValidate: true }, ...fields, ...buttons);
  const hand = (i) => (event) => { event.preventDefault(); event.stopPropagation(); handIn(i); };
  node.addEventListener("submit", hand(0));
  buttons.forEach((button, i) => { if (i) button.addEventListener("click", hand(i)); });
  return { node, buttons };
}

// What a reader wrote, as a number; null for no number, and text for a number that can be read in two ways. The sign
// between the whole and its part is the reader's own, a comma or a point, where nothing else in the number says it.
const MARK = (1.5).toLocaleString().includes(",") ? "," : ".";

function numberOf(written, mark = MARK) {
  const text = written.trim().replace(/(\d)[\s\u00a0\u202f'](?=\d{3}(?!\d))/g, "$1").replace(/^\u2212/, "-");
  const marks = [...new Set(text.match(/[.,]/g) ?? [])];
  const grouped = (one) => new RegExp(`^-?[1-9]\\d{0,2}(\\${one}\\d{3})+$`);
  const finite = (number) => (Number.isFinite(number) ? number : null); // 1e400 is none that can be handed in
  const value = (plain) => (/^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain) ? finite(Number(plain)) : null);
  if (marks.length === 2) {
    const last = text.lastIndexOf(".") > text.lastIndexOf(",") ? "." : ",";
    const [whole, part, ...more] = text.split(last);
    const other = last === "." ? "," : ".";
    return more.length || !grouped(other).test(whole) ? null : value(`${whole.replaceAll(other, "")}.${part}`);
  }
  if (marks.length === 1) {
    const [one] = marks;
    const plain = value(text.replace(one, "."));
    if (!grouped(one).test(text)) return plain;
    const whole = text.replaceAll(one, "");
    if (plain === null) return value(whole); // two signs and more: 1,234,567
    return one === mark ? plain : `${written.trim()} can be read in two ways. Write ${whole}, or ${text.replace(/[.,]/, mark)}0.`;
  }
  return value(text);
}

function choice(spec) {
  const group = radios(spec.html, spec.choices.map(escaped));
  const read = () => spec.choices[group.chosen()] ?? null;
  return { nodes: [group.node], read, show: (value) => group.show(spec.choices.indexOf(value)), empty: () => group.chosen() < 0 };
}

function quantity(spec) {
  const id = `vml-${++serial}`;
  const input = make("input", { type: "text", inputMode: "decimal", id, autocomplete: "off", spellcheck: false });
  const unit = make("span", { class: "vml-unit", id: `${id}-unit` }, spec.unit);
  if (spec.unit) input.setAttribute("aria-describedby", `${id}-unit`);
  const nodes = [rich("label", spec.html, { htmlFor: id }), make("span", { class: "vml-number" }, input, unit)];
  const show = (value) => { input.value = value === undefined || value === null ? "" : String(value).replace(".", MARK); };
  return { nodes, read: () => numberOf(input.value), show, empty: () => input.value.trim() === "" };
}

const escaped = (word) => { const p = document.createElement("p"); p.textContent = word; return p.innerHTML; };

function range({ low, high }) {
  if (low !== null && high !== null) return ` from ${low} to ${high}`;
  return low !== null ? `, ${low} or more` : high !== null ? `, ${high} or less` : "";
}

function predict(root, spec, api) {
  const said = status();
  const field = (spec.choices.length ? choice : quantity)(spec);
  const missing = spec.choices.length ? "Choose one first." : `Write a number${range(spec)}.`;
  const first = () => api.given().first ?? api.given().value;
  const kept = () => (api.given().value === undefined ? "" : ` Your prediction is still ${escaped(String(api.given().value))}.`);
  const hand = async (vote) => {
    const value = field.read();
    if (field.empty() || value === null) { said.tell({ html: escaped(missing) + kept() }); return; }
    if (typeof value === "string" && !spec.choices.length) { said.tell({ html: escaped(value) + kept() }); return; }
    if (await handed(said, api, vote ? { value, first: first() } : { value })) follow();
  };
  const { node, buttons } = form(["Keep my prediction", "Second vote, after talking"], field.nodes, hand);
  const talk = make("p", { class: "vml-talk" }, "Now talk about it with somebody, and vote once more if you like: one click, changed or not.");
  root.append(node, said.node, talk);
  node.addEventListener("input", () => { if (api.given().value !== undefined) said.tell({ html: `Not kept yet.${kept()}` }); });
  const follow = () => {
    field.show(api.given().value);
    said.tell(api.said());
    buttons[1].hidden = talk.hidden = api.given().value === undefined;
  };
  follow();
  return follow;
}

// Hand a value in: nothing is said to be kept before it is. False where it was not.
async function handed(said, api, value) {
  const wait = setTimeout(() => said.tell({ html: BUSY }), PATIENCE);
  try {
    await api.give(value);
    said.tell(api.said());
    return true;
  } catch (trouble) {
    said.tell({ outcome: "lost", html: `Not kept. ${trouble.message}` });
    return false;
  } finally { clearTimeout(wait); }
}

function recall(root, spec, api) {
  let turn = Promise.resolve(); // one answer after another: two at once would reach a busy kernel as one
  spec.questions.forEach((question, i) => {
    const said = status();
    const group = radios(`${i + 1}. ${question.html}`, question.options.map(([html]) => html));
    const { node } = form(["Check"], [group.node], async () => {
      const at = group.chosen();
      if (at < 0) { said.tell({ html: "Choose one first." }); return; }
      const [, html, right] = question.options[at];
      const told = { outcome: right ? "right" : "not yet", html: `<strong>${right ? "Right." : "Not yet."}</strong> ${html}` };
      said.tell(told);
      turn = turn.catch(() => {}).then(() => api.give({ ...api.given(), [i + 1]: at + 1 }));
      try { await turn; } catch (trouble) {
        said.tell({ ...told, html: `${told.html}<br>Not counted. ${trouble.message}` });
      }
    });
    root.append(node, said.node);
  });
  return () => {};
}

function goal(root, spec, api) {
  const said = status();
  root.append(rich("p", spec.html), said.node, rich("div", spec.folds));
  const follow = () => said.tell(api.said());
  follow();
  return follow;
}

const KINDS = { predict: [predict, "Prediction"], recall: [recall, "Recall"], goal: [goal, "Goal"] };

export function mount(el, spec, api) {
  const [build, name] = KINDS[spec.kind];
  const root = make("div", { class: "vml", role: "group", "aria-label": name });
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  // Notebook 7 asks the focused element first, and then what is around it.
  root.addEventListener("focusin", (event) => event.target.setAttribute("data-lm-suppress-shortcuts", "true"));
  // While a control has the focus its keys are its own, as in explorer.js.
  root.addEventListener("keydown", (event) => { if (!event.ctrlKey && !event.metaKey) event.stopPropagation(); });
  const follow = build(root, spec, api);
  el.replaceChildren(root);
  return follow;
}

// What goes to the kernel has a number; it is kept when what the kernel says has the same.
function kernel(model, reach) {
  const open = new Map();
  let seq = Number(model.get("said").seq ?? 0);
  const lose = () => { for (const { refuse } of open.values()) refuse(new Error(GONE)); open.clear(); };
  const heard = () => {
    const { seq: told } = model.get("said");
    open.get(told)?.keep();
    open.delete(told);
  };
  const give = (value) => new Promise((keep, refuse) => {
    if (reach.gone()) { refuse(new Error(GONE)); return; }
    seq += 1;
    open.set(seq, { keep, refuse });
    try {
      model.set("given", { ...value, seq });
      model.save_changes();
    } catch { lose(); }
  });
  return { give, heard, lose };
}

export default {
  render({ model, el, link }) {
    let way, root;
    const reach = link(() => queueMicrotask(() => {
      way.lose();
      root.classList.add("vml-lost");
      root.append(rich("p", GONE, { class: "vml-gone", role: "status" }));
    }));
    way = kernel(model, reach);
    const api = { given: () => model.get("given"), said: () => model.get("said"), give: way.give };
    const follow = mount(el, model.get("spec"), api);
    root = el.querySelector(".vml");
    const said = () => { way.heard(); follow(); };
    model.on("change:said", said);
    return () => { reach.stop(); model.off("change:said", said); };
  },
};
