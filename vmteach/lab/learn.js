// The face of a prediction, of recall questions and of a goal: native, labelled controls. `mount` knows nothing of
// notebooks: `api` has given(), give(value), said() and, where there is a kernel, heard(callback). Recall needs no
// kernel: what there is to say stands in the spec. (In a handout a goal's `said` is looked up for the stops shown.)

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

// A form: Enter in a field, or the button, hands it in.
function form(label, fields, handIn) {
  const button = make("button", { type: "submit" }, label);
  const node = make("form", { noValidate: true }, ...fields, button);
  node.addEventListener("submit", (event) => { event.preventDefault(); event.stopPropagation(); handIn(); });
  return node;
}

function predict(root, spec, api) {
  const said = status();
  const text = (word) => { const p = document.createElement("p"); p.textContent = word; return p.innerHTML; };
  let field, read, show;
  if (spec.choices.length) {
    const group = radios(spec.html, spec.choices.map(text));
    field = [group.node];
    read = () => spec.choices[group.chosen()] ?? null;
    show = (value) => group.show(spec.choices.indexOf(value));
  } else {
    const id = `vml-${++serial}`;
    const input = make("input", { type: "number", id, step: "any", autocomplete: "off" });
    if (spec.low !== null) input.min = spec.low;
    if (spec.high !== null) input.max = spec.high;
    const unit = make("span", { class: "vml-unit", id: `${id}-unit` }, spec.unit);
    if (spec.unit) input.setAttribute("aria-describedby", `${id}-unit`);
    field = [rich("label", spec.html, { htmlFor: id }), make("span", { class: "vml-number" }, input, unit)];
    read = () => (input.value === "" || !input.validity.valid ? null : Number(input.value));
    show = (value) => { input.value = value ?? ""; };
  }
  const range = spec.low !== null && spec.high !== null ? ` from ${spec.low} to ${spec.high}`
    : spec.low !== null ? `, ${spec.low} or more` : spec.high !== null ? `, ${spec.high} or less` : "";
  const missing = spec.choices.length ? "Choose one first." : `Write a number${range}.`;
  root.append(form("Keep my prediction", field, () => {
    const value = read();
    if (value === null) said.tell({ html: text(missing) });
    else { api.give({ value }); said.tell(api.said()); }
  }), said.node);
  const follow = () => { show(api.given().value); said.tell(api.said()); };
  follow();
  return follow;
}

function recall(root, spec, api) {
  spec.questions.forEach((question, i) => {
    const said = status();
    const group = radios(`${i + 1}. ${question.html}`, question.options.map(([html]) => html));
    root.append(form("Check", [group.node], () => {
      const at = group.chosen();
      if (at < 0) { said.tell({ html: "Choose one first." }); return; }
      const [, html, right] = question.options[at];
      const word = right ? "Right." : "Not yet.";
      said.tell({ outcome: right ? "right" : "not yet", html: `<strong>${word}</strong> ${html}` });
      api.give({ ...api.given(), [i + 1]: at + 1 });
    }), said.node);
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
  // While a control has the focus its keys are its own, as in explorer.js.
  root.addEventListener("keydown", (event) => { if (!event.ctrlKey && !event.metaKey) event.stopPropagation(); });
  const follow = build(root, spec, api);
  el.replaceChildren(root);
  return follow;
}

export default {
  render({ model, el }) {
    const follow = mount(el, model.get("spec"), {
      given: () => model.get("given"),
      said: () => model.get("said"),
      give: (value) => { model.set("given", value); model.save_changes(); },
    });
    model.on("change:said", follow);
    model.on("change:given", follow);
    return () => { model.off("change:said", follow); model.off("change:given", follow); };
  },
};
