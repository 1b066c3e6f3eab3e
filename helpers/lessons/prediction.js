// The form of a prediction: radio buttons for the answer and the confidence, and a button that is active once both are chosen.
function render({ model, el }) {
  const name = `predict-${Math.random().toString(36).slice(2)}`;
  const make = (tag, to, properties = {}) => to.appendChild(Object.assign(document.createElement(tag), properties));

  function radios(to, group, labels) {
    return labels.map((words) => {
      const label = make("label", to);
      const radio = make("input", label, { type: "radio", name: `${name}-${group}` });
      make("span", label, { innerHTML: words });
      return radio;
    });
  }

  function draw() {
    const kept = model.get("kept");
    const form = document.createElement("fieldset");
    form.className = "wwil-predict";
    make("legend", form, { innerHTML: `<b>Predict.</b> ${model.get("question")}` });
    const answers = radios(form, "answer", model.get("options"));
    const row = make("fieldset", form, { className: "wwil-sure" });
    make("legend", row, { textContent: "How sure are you?" });
    const levels = model.get("levels");
    const sure = radios(row, "sure", levels.map((level) => `${level}%`));
    const commit = make("button", form, { type: "button", textContent: "Commit", disabled: true });
    make("span", form, { textContent: model.get("note") }).setAttribute("role", "status");
    const chosen = (group) => group.findIndex((radio) => radio.checked);
    if (kept.answer !== undefined) {
      answers[kept.answer].checked = true;
      answers[kept.answer].parentNode.className = "wwil-kept";
      if (levels.includes(kept.confidence)) sure[levels.indexOf(kept.confidence)].checked = true;
    }
    if (model.get("closed")) {
      // Fixed, not disabled: a browser greys what is disabled until it is hard to read.
      for (const radio of [...answers, ...sure]) radio.onclick = () => false;
      commit.hidden = true;
    }
    form.onchange = () => (commit.disabled = chosen(answers) < 0 || chosen(sure) < 0);
    commit.onclick = () => {
      model.set("kept", { answer: chosen(answers), confidence: levels[chosen(sure)] });
      model.save_changes();
    };
    el.replaceChildren(form);
  }

  draw();
  if (model.get("needed")) {
    // *Run All* has stopped at this cell and left the page at its end. What comes into view on the way there grows, so once more.
    for (const wait of [0, 300, 1000]) setTimeout(() => el.scrollIntoView({ block: "center" }), wait);
  }
  model.on("change:closed change:note", draw);
}
export default { render };
