// A picture in a notebook: the page's drawing, which needs no kernel.

export default {
  render({ model, el, scripts }) {
    const { panels, prediction } = model.get("spec");
    const picture = scripts.page.default.panels(el, { panels, prediction, full: true });
    return () => picture.destroy();
  },
};
