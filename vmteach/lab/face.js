// The loader that every widget of vmteach carries. The scripts themselves are in one model, the library, packed; they
// are opened once a page. `gone` is what the scripts ask about the kernel: whether it can still be reached.

const opened = (globalThis.vmteachScripts ??= new Map());

async function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
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

// JupyterLab saves a notebook without the widgets whose kernel is gone: a restart or a second day, and the next save
// would take their pictures away. So those on screen count as live while they are written down.
function keepOnScreen(manager) {
  const models = manager._modelsSync;
  if (!models?.values || !manager.get_state_sync || manager.vmteachKeeps) return;
  const write = manager.get_state_sync.bind(manager);
  manager.vmteachKeeps = true;
  manager.get_state_sync = (options) => {
    const seen = [...models.values()].filter((model) => model.get("library") && Object.keys(model.views ?? {}).length);
    const needed = seen.flatMap((model) => [model, models.get(model.get("library")), model.get("layout")]);
    const lost = [...new Set(needed)].filter((model) => model && model._comm_live === false);
    lost.forEach((model) => { model._comm_live = true; });
    try { return write(options); } finally { lost.forEach((model) => { model._comm_live = false; }); }
  };
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
  keepOnScreen(manager);
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
