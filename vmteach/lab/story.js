// A story in a notebook: the page's stepper, whose answers go to the kernel where there is one.

export default {
  render({ model, el, scripts, link }) {
    const reach = link(() => {}); // without a kernel the stepper goes on by itself
    const answers = { ...model.get("given").answers };
    let seq = Number(model.get("said").seq ?? 0);
    const keep = (question, choice) => {
      answers[question] = choice;
      model.set("given", { answers: { ...answers }, question, choice, seq: ++seq });
      if (!reach.gone()) model.save_changes();
    };
    const story = scripts.page.default.story(el, model.get("spec").stories, { keep, kept: (question) => answers[question] });
    return () => { reach.stop(); story.destroy(); };
  },
};
