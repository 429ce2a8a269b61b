// A hand at a page and a clock beside it, for benchmarks/latency.py and benchmarks/peers.py.
window.hand = {
  // From now on the milliseconds from an event of the explorer's face to the painted picture come into window.spent.
  clock(face) {
    window.spent = [];
    let began = 0;
    const start = (event) => { began = event.timeStamp; };
    for (const kind of ['input', 'change']) face.addEventListener(kind, start, true);
    const painted = new MessageChannel();
    painted.port1.onmessage = () => { window.spent.push(performance.now() - began); };
    new MutationObserver(() => requestAnimationFrame(() => painted.port2.postMessage(0)))
      .observe(face, { attributes: true, attributeFilter: ['data-at'] });
  },

  // Move a control to a stop.
  move([face, field, stop]) {
    const all = face.querySelectorAll(`[data-field="${field}"]`);
    const one = all.length > 1 ? all[stop] : all[0];
    if (one.type === 'radio') one.checked = true; else one.value = stop;
    one.dispatchEvent(new Event(one.type === 'range' ? 'input' : 'change', { bubbles: true }));
  },

  // Each control: where it stands, and how many stops it has.
  controls(face) {
    const found = {}, at = Object.fromEntries(JSON.parse(face.dataset.at));
    for (const one of face.querySelectorAll('[data-field]')) {
      const { field } = one.dataset, radios = face.querySelectorAll(`[data-field="${field}"]`).length;
      found[field] = [at[field], one.type === 'range' ? Number(one.max) + 1 : one.options?.length ?? radios];
    }
    return found;
  },

  // The same clock for a key and any picture in the page, also in the shadow trees that Panel makes.
  watch() {
    const deep = (root) => [...root.querySelectorAll('*')].flatMap((one) =>
      [...(one.tagName === 'IMG' ? [one] : []), ...(one.shadowRoot ? deep(one.shadowRoot) : [])]);
    const seen = () => deep(document).filter((one) => one.naturalWidth > 99).map((one) => one.src.slice(-4000)).join();
    let began = null, before = seen();
    window.spent = [];
    window.addEventListener('keydown', (event) => { before = seen(); began = event.timeStamp; }, true);
    const painted = new MessageChannel();
    painted.port1.onmessage = () => { window.spent.push(performance.now() - began); began = null; };
    const look = () => {
      const now = seen();
      if (began !== null && now && now !== before) { before = now; painted.port2.postMessage(0); }
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  },
};
