// The loader that every widget of vmteach carries. The scripts themselves are in one model, the library, packed; they
// are opened once a page. `gone` is what the scripts ask about the kernel: whether it can still be reached.

const opened = (globalThis.vmteachScripts ??= new Map());

async function unpack(packed) {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const { scripts, style } = JSON.parse(await new Response(stream).text());
  const sheet = document.createElement("style");
  sheet.textContent = style;
  document.head.append(sheet);
  const load = async ([name, text]) => {
    const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    try { return [name, await import(address)]; } finally { URL.revokeObjectURL(address); }
  };
  return Object.fromEntries(await Promise.all(Object.entries(scripts).map(load)));
}

// Calls `tell` once when the kernel that made these widgets is found to be gone: restarted, shut down, of another day.
function link(library, manager, tell) {
  let over = false;
  const lost = ["restarting", "autorestarting", "terminating", "dead"];
  const end = () => { if (!over) { over = true; stop(); tell(); } };
  const look = () => { if (!library.comm || library.comm_live === false || library.comm.isDisposed) end(); };
  const status = (_, now) => { if (lost.includes(now)) end(); };
  const kernel = manager.kernel;
  const stop = () => {
    library.off("comm_live_update", look);
    kernel?.statusChanged?.disconnect(status);
    kernel?.disposed?.disconnect(end);
  };
  library.on("comm_live_update", look);
  kernel?.statusChanged?.connect(status);
  kernel?.disposed?.connect(end);
  look();
  return { gone: () => { look(); return over; }, stop };
}

export default {
  async render({ model, el }) {
    const manager = model.widget_manager;
    const library = await manager.get_model(model.get("library"));
    const version = library.get("version");
    if (!opened.has(version)) opened.set(version, unpack(library.get("packed")));
    const scripts = await opened.get(version);
    return scripts[model.get("script")].default.render({ model, el, scripts, link: (tell) => link(library, manager, tell) });
  },
};
