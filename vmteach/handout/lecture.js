// Lecture mode: one section at a time, large. Next opens what is closed, goes down by a screen, then on to the next
// section; a clicker's PageDown and PageUp do the same. The text is the page's own: nothing is copied.

const lecture = (() => {
  const main = document.getElementById("main");
  const bar = document.createElement("div");
  bar.className = "lecture-bar";
  bar.hidden = true;
  const clock = document.createElement("span");
  const where = document.createElement("span");
  where.setAttribute("role", "status");
  const WORDS = 200; // that are read in a minute
  const BROAD = 1000; // px of a page that fill the screen
  let sections = [], at = -1, spent = [], begun = 0, ticking;

  // A section is what stands from one second-level heading to the next.
  function divide() {
    const parts = [[]];
    for (const child of [...main.children]) {
      if (child.classList.contains("answers")) continue;
      if (child.querySelector(":scope > h2")) parts.push([]);
      parts.at(-1).push(child);
    }
    sections = parts.filter((part) => part.length);
    spent = sections.map(() => 0);
  }

  // Minutes of a section as the chapter's card counts them: words, exercises, and one for each thing that is asked.
  function plan(part) {
    const words = part.filter((node) => node.matches(".prose")).map((node) => node.textContent.trim().split(/\s+/).length);
    const tasks = part.flatMap((node) => [...node.textContent.matchAll(/\((\d+) minutes?\)/g)].map((found) => +found[1]));
    const asked = part.flatMap((node) => [node, ...node.querySelectorAll(".learning")]).filter((node) => node.matches(".learning"));
    const sum = (list) => list.reduce((one, other) => one + other, 0);
    return Math.max(1, Math.round(sum(words) / WORDS + sum(tasks) + asked.length));
  }

  const end = () => scrollY + innerHeight - bar.offsetHeight;
  const bottom = () => Math.max(...sections[at].map((node) => node.getBoundingClientRect().bottom)) + scrollY;
  const closed = () => sections[at].flatMap((part) => [...part.querySelectorAll("details.fold:not([open])")])
    .find((fold) => !fold.parentElement.closest("details:not([open])") && fold.checkVisibility());

  function show(next, last = false) {
    at = Math.min(Math.max(next, 0), sections.length - 1);
    sections.forEach((part, i) => part.forEach((node) => node.classList.toggle("lecture-off", i !== at)));
    const title = sections[at][0].querySelector("h1, h2")?.textContent ?? "";
    where.textContent = `${at + 1} of ${sections.length}: ${title}`;
    begun = Date.now();
    dispatchEvent(new Event("resize")); // pictures lay themselves out for the place that they have now
    scrollTo(0, last ? bottom() : 0);
    tick();
  }

  function tick() {
    const now = Date.now();
    spent[at] += now - begun;
    begun = now;
    const shown = (ms) => `${Math.floor(ms / 60000)}:${String(Math.floor(ms / 1000) % 60).padStart(2, "0")}`;
    const plans = sections.map(plan), sum = (list) => list.reduce((one, other) => one + other, 0);
    clock.textContent = `${shown(spent[at])} of ${plans[at]} min; all ${shown(sum(spent))} of ${sum(plans)} min`;
    clock.classList.toggle("late", spent[at] > plans[at] * 60000);
  }

  // A fold is opened when it stands on the screen; else the screen goes on by most of its height.
  function onward() {
    const fold = closed(), there = fold && fold.getBoundingClientRect().bottom + scrollY <= end();
    if (there) fold.open = true;
    else if (bottom() > end() + 4) scrollBy(0, 0.8 * (innerHeight - bar.offsetHeight));
    else if (fold) { fold.open = true; fold.scrollIntoView({ block: "nearest" }); } else if (at < sections.length - 1) show(at + 1);
  }

  function back() {
    if (scrollY > 4) scrollBy(0, -0.8 * (innerHeight - bar.offsetHeight)); else if (at > 0) show(at - 1, true);
  }

  // A projector's letters: the page as broad as the screen, pictures and controls with it.
  function enlarge() {
    if (at >= 0) main.style.zoom = Math.min(Math.max(innerWidth / BROAD, 1), 3);
  }

  function start() {
    divide();
    document.documentElement.classList.add("lecture");
    bar.hidden = false;
    ticking = setInterval(tick, 1000);
    at = 0;
    enlarge();
    show(0);
    main.focus({ preventScroll: true });
  }

  function stop() {
    clearInterval(ticking);
    document.documentElement.classList.remove("lecture");
    main.querySelectorAll(".lecture-off").forEach((node) => node.classList.remove("lecture-off"));
    main.style.zoom = "";
    bar.hidden = true;
    const here = sections[at][0];
    at = -1;
    dispatchEvent(new Event("resize"));
    here.scrollIntoView();
  }

  const button = (words, act) => {
    const node = document.createElement("button");
    node.type = "button";
    node.textContent = words;
    node.addEventListener("click", act);
    return node;
  };
  bar.append(button("Back", back), button("Next", onward), where, clock, button("End the lecture", stop));
  document.body.append(bar);
  document.querySelector(".lecture-start")?.addEventListener("click", start);
  addEventListener("resize", enlarge);

  // Inside a control, a story or a field its keys are its own.
  const own = "input, select, textarea, button, summary, [data-lm-suppress-shortcuts], .vm-stepper";
  addEventListener("keydown", (event) => {
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = { PageDown: onward, PageUp: back, Escape: stop }[event.key]
      ?? (event.target.closest?.(own) ? undefined : { ArrowRight: onward, ArrowLeft: back }[event.key]);
    if (act) { event.preventDefault(); act(); }
  });
  return { start, stop };
})();
