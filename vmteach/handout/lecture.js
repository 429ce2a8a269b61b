// Lecture mode: one section at a time, large. Next opens the section's folds one by one, then goes on; a clicker's
// PageDown and PageUp do the same. The text is the page's own: nothing is copied.

const lecture = (() => {
  const main = document.getElementById("main");
  const bar = document.createElement("div");
  bar.className = "lecture-bar";
  bar.hidden = true;
  const clock = document.createElement("span");
  const where = document.createElement("span");
  where.setAttribute("role", "status");
  let sections = [], at = -1, began = 0, ticking;

  // A section is what stands from one second-level heading to the next.
  function divide() {
    const parts = [[]];
    for (const child of [...main.children]) {
      if (child.classList.contains("answers")) continue;
      if (child.querySelector(":scope > h2")) parts.push([]);
      parts.at(-1).push(child);
    }
    sections = parts.filter((part) => part.length);
  }

  const closed = () => sections[at].flatMap((part) => [...part.querySelectorAll("details.fold:not([open])")])
    .find((fold) => !fold.parentElement.closest("details:not([open])"));

  function show(next) {
    at = Math.min(Math.max(next, 0), sections.length - 1);
    sections.forEach((part, i) => part.forEach((node) => node.classList.toggle("lecture-off", i !== at)));
    const title = sections[at][0].querySelector("h1, h2")?.textContent ?? "";
    where.textContent = `${at + 1} of ${sections.length}: ${title}`;
    began = Date.now();
    tick();
    scrollTo(0, 0);
  }

  function tick() {
    const seconds = Math.floor((Date.now() - began) / 1000);
    clock.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }

  function onward() {
    const fold = closed();
    if (fold) { fold.open = true; fold.scrollIntoView({ block: "nearest" }); } else show(at + 1);
  }

  function start() {
    divide();
    document.documentElement.classList.add("lecture");
    bar.hidden = false;
    ticking = setInterval(tick, 1000);
    show(0);
  }

  function stop() {
    clearInterval(ticking);
    document.documentElement.classList.remove("lecture");
    main.querySelectorAll(".lecture-off").forEach((node) => node.classList.remove("lecture-off"));
    bar.hidden = true;
    at = -1;
  }

  const button = (words, act) => {
    const node = document.createElement("button");
    node.type = "button";
    node.textContent = words;
    node.addEventListener("click", act);
    return node;
  };
  bar.append(button("Back", () => show(at - 1)), button("Next", onward), where, clock, button("End the lecture", stop));
  document.body.append(bar);
  document.querySelector(".lecture-start")?.addEventListener("click", start);

  // Inside a control, a story or a field its keys are its own.
  const own = "input, select, textarea, button, summary, [data-lm-suppress-shortcuts], .vm-stepper";
  addEventListener("keydown", (event) => {
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = { PageDown: onward, PageUp: () => show(at - 1), Escape: stop }[event.key]
      ?? (event.target.closest?.(own) ? undefined : { ArrowRight: onward, ArrowLeft: () => show(at - 1) }[event.key]);
    if (act) { event.preventDefault(); act(); }
  });
  return { start, stop };
})();
