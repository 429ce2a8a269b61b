// The models themselves in the page. Nothing is loaded before the reader switches them on; then runtime.js, beside the
// page, brings Python and the library, and a worker answers questions: every position, every exercise. Opened from a
// disk or a stick, without a server and without a network.

const live = (() => {
  const open = new Map();
  const heard = [];
  let worker, seq = 0;
  const state = { on: false, ask, start, then: (act) => (state.on ? act() : heard.push(act)) };

  const work = async () => {
    let answer;
    const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const begin = async ({ asm, pyodide, wasm, stdlib, wheel, lock }) => {
      const module = (text) => import(`data:text/javascript;base64,${text}`);
      const [{ default: createPyodideModule }, { loadPyodide }] = [await module(asm), await module(pyodide)];
      const files = { "pyodide.asm.wasm": [wasm, "application/wasm"], "python_stdlib.zip": [stdlib, "application/zip"] };
      self.fetch = async (address) => {
        const [text, type] = files[String(address.url ?? address).split("/").pop()] ?? [];
        if (!text) throw new Error(`nothing is fetched from ${address}`);
        return new Response(bytes(text), { headers: { "Content-Type": type } });
      };
      const python = await loadPyodide({ indexURL: "https://nowhere.invalid/", createPyodideModule, lockFileContents: lock });
      python.unpackArchive(bytes(wheel).buffer, "wheel");
      answer = python.runPython("from vmteach.lab.asked import answer\nanswer");
    };
    self.onmessage = async ({ data }) => {
      try {
        if (data.runtime) await begin(data.runtime);
        self.postMessage({ seq: data.seq, answer: data.question ? JSON.parse(answer(JSON.stringify(data.question))) : {} });
      } catch (trouble) { self.postMessage({ seq: data.seq, answer: { error: String(trouble) } }); }
    };
  };

  function post(message) {
    return new Promise((keep) => {
      open.set(++seq, keep);
      worker.postMessage({ ...message, seq });
    });
  }

  function ask(question) { return post({ question }); }

  const loaded = () => new Promise((keep, refuse) => {
    const script = document.createElement("script");
    script.src = "runtime.js";
    script.onload = keep;
    script.onerror = () => refuse(new Error("runtime.js does not lie beside this page"));
    document.head.append(script);
  });

  // Says what it is doing; an error is a sentence.
  async function start(tell) {
    tell("Loading Python and the models (18 MB) ...");
    await loaded();
    tell("Starting Python ...");
    worker = new Worker(`data:text/javascript;base64,${btoa(`(${work})()`)}`, { type: "module" });
    const limit = new Promise((_, refuse) => setTimeout(() => refuse(new Error("Python did not start within a minute")), 60000));
    worker.onmessage = ({ data }) => { open.get(data.seq)?.(data.answer); open.delete(data.seq); };
    const { error } = await Promise.race([post({ runtime: globalThis.vmteachRuntime }), limit]);
    if (error) throw new Error(error);
    state.on = true;
    heard.splice(0).forEach((act) => act());
    tell("Live: every position of every control, and every exercise, is worked out here in your browser.");
  }

  return state;
})();

// The switch, where the page was built with a runtime beside it.
document.querySelectorAll(".live-switch").forEach((place) => {
  const button = place.querySelector("button"), said = place.querySelector("[role=status]");
  button.addEventListener("click", async () => {
    button.disabled = true;
    try { await live.start((words) => { said.textContent = words; }); button.hidden = true; } catch (trouble) {
      said.textContent = `It stays as it was: ${trouble.message}.`;
      button.disabled = false;
    }
  });
});

// An exercise's answer cell becomes a field with a check, once the models are there.
live.then(() => document.querySelectorAll(".code[data-check]").forEach((place) => {
  const cells = [...document.querySelectorAll("main .code")];
  const answer = cells[cells.indexOf(place) - 1];
  const text = document.createElement("textarea");
  Object.assign(text, { value: answer.textContent.trim(), spellcheck: false, rows: answer.textContent.trim().split("\n").length + 2 });
  text.setAttribute("aria-label", "Your answer");
  text.className = "answer-cell";
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Check" });
  const said = document.createElement("p");
  said.setAttribute("role", "status");
  const [named, name] = place.dataset.check.split("/");
  const stem = named || document.getElementById("main").dataset.stem;
  button.addEventListener("click", async () => {
    said.textContent = "Checking ...";
    const { error, html } = await live.ask({ kind: "check", stem, name, source: text.value });
    if (error) said.textContent = error; else said.innerHTML = html;
  });
  answer.replaceChildren(text);
  place.replaceChildren(button, said);
}));

// My own order: who gets the CPU next, on both kernels at once, where a chapter's model is threads.
live.then(async () => {
  const stem = document.getElementById("main").dataset.stem, place = document.querySelector(".story");
  const ask = (turns) => live.ask({ kind: "order", stem, turns });
  const first = await ask([]);
  if (first.error || !place) return;
  const build = (tag, text = "", more = {}) => Object.assign(document.createElement(tag), { textContent: text }, more);
  const box = build("section", "", { className: "order" });
  box.setAttribute("aria-label", "My own order");
  const row = build("p"), said = build("p"), logs = build("div");
  said.setAttribute("role", "status");
  let turns = [];
  const show = async () => {
    const { kernels } = turns.length ? await ask(turns) : first;
    said.textContent = turns.length ? `Turns: ${turns.join(" ")}` : "No turn yet.";
    logs.replaceChildren(...kernels.map(({ label, lines, next, stuck }) => {
      const one = build("div"), ahead = Object.entries(next).map(([name, does]) => `${name}: ${does}`).join("\n");
      const end = Object.values(next).every((does) => does === "has ended") ? "Every thread has ended." : "";
      const told = build("pre", lines.join("\n").replace(/(\S) {3,}/g, "$1  "));
      const over = build("p", stuck.length ? `${stuck.join(" and ")} can never go on: a deadlock.` : end, { className: "end" });
      one.append(build("h4", `${label} kernel`), told, over, build("pre", `next\n${ahead}`));
      return one;
    }));
  };
  const act = (text, change) => row.append(build("button", text, { type: "button", onclick: () => { turns = change(turns); show(); } }));
  Object.keys(first.kernels[0].next).forEach((name) => act(name, (all) => [...all, name]));
  act("Back", (all) => all.slice(0, -1));
  act("Start again", () => []);
  box.append(build("h3", "My own order"), build("p", "Choose which thread gets the next turn. Both kernels get the same turns."), row, said, logs);
  place.after(box);
  show();
});
