// Panels of runs under one title: an explorer's picture, a handout's, a picture to be stored.

// mountPanels(el, {panels: [[label, scene], ...], full, title, prediction, last, onSets}) -> {update, picture, node}
// `full: false` leaves out what is not for an explorer; `last` are the panels of the last position (thin lines);
// `onSets(values)` is called when a box of a grid is chosen. update(changes) draws again.
function mountPanels(el, options) {
  const caption = make("figcaption", { class: "vm-title" });
  const svg = canvas();
  const figure = make("figure", { class: "vm-page vm-figure" }, caption, svg);
  let now = { full: true, title: true, ...options }, seen = 0; // the width when it changed last: to ask for it costs a layout
  const mounted = { node: figure, svg, update, destroy: () => { watcher.disconnect(); figure.remove(); } };
  function update(changes = {}) {
    now = { ...now, ...changes };
    const width = Math.max(240, Math.floor(now.width || seen || figure.clientWidth || el.clientWidth || 848));
    mounted.picture = layout(now.panels, width, { full: now.full, prediction: now.prediction, was: now.last });
    mounted.width = width;
    Object.assign(mounted, { title: mounted.picture.title, alt: altOf(now.panels) });
    caption.textContent = mounted.title;
    caption.hidden = !now.title;
    paint(svg, mounted.picture, { alt: mounted.alt });
    return mounted;
  }
  const choose = (event) => {
    const box = event.target.closest && event.target.closest("[data-sets]");
    if (!box || !now.onSets || (event.type === "keydown" && event.key !== "Enter" && event.key !== " ")) return;
    event.preventDefault();
    now.onSets(JSON.parse(box.dataset.sets));
  };
  svg.addEventListener("click", choose);
  svg.addEventListener("keydown", choose);
  el.append(figure);
  const watcher = new ResizeObserver(() => {
    seen = figure.clientWidth;
    if (seen && Math.floor(seen) !== mounted.width && !now.width) update();
  });
  update();
  watcher.observe(figure);
  return mounted;
}

// A picture that stands alone: SVG text with its colours, for a file. Dark where the reader's system is, if `dark`.
function svgText(panels, width, { dark = false, title = false, ...options } = {}) {
  const svg = canvas();
  svg.serial = "vm";
  svg.querySelectorAll("title, desc").forEach((node) => { node.id = `vm-${node.tagName}`; });
  svg.setAttribute("aria-labelledby", "vm-title");
  svg.setAttribute("aria-describedby", "vm-desc");
  const pad = 12;
  const picture = Object.assign(layout(panels, width - 2 * pad, options), { pad });
  if (title) heading(picture, picture.width);
  paint(svg, picture, { alt: altOf(panels) });
  const sheet = `svg{${TOKENS.light}font-family:${FONT}}.vm-mono{font-family:${MONO}}.vm-halo{paint-order:stroke;stroke:var(--vm-paper);stroke-width:3px}`
    + (dark ? `@media(prefers-color-scheme:dark){svg{${TOKENS.dark}}}` : "");
  svg.insertBefore(Object.assign(vector("style"), { textContent: sheet }), svg.firstChild);
  return new XMLSerializer().serializeToString(svg);
}

// The title as lines above the picture.
function heading(picture, width) {
  const lines = wrap(picture.title, width, 17, true, 3);
  picture.above = lines.length * 23 + 10;
  lines.forEach((line, i) => picture.items.push({ kind: "text", key: `title${i}`, x: 0, y: 18 + i * 23 - picture.above, text: line, size: 17, bold: true, anchor: "start", fill: "ink" }));
}
