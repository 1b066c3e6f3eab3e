// The front end of a Clinic: it shows the state that the kernel sends, and sends what the person did.

let clinics = 0;

function render({ model, el }) {
  const id = `wwil-clinic-${Date.now().toString(36)}-${clinics++}`;
  const kernel = requests(model);

  function work(message) {
    root.setAttribute("aria-busy", "true");
    kernel.send(message);
  }

  function part(title, ...children) {
    const head = element("h3", { class: "wwil-title", id: `${id}-${parts++}` }, title);
    return element("div", { class: "wwil-part", role: "group", "aria-labelledby": head.id }, head, ...children);
  }
  let parts = 0;

  function select(label, rows, none) {
    const node = element("select", { "aria-label": label }, element("option", { value: "" }, none));
    let group = null;
    for (const [value, ...names] of rows) {
      const name = names.pop();
      if (names.length && group?.label !== names[0]) node.append((group = element("optgroup", { label: names[0] })));
      (group ?? node).append(element("option", { value }, name));
    }
    return node;
  }

  // --- what is there from the start -----------------------------------------------------------------------------

  const state = () => model.get("state");
  const title = element("h2", { class: "wwil-patient" });
  const story = element("p", { class: "wwil-story" });
  const credits = element("p", { class: "wwil-credits" });
  const tests = new Map();
  const testList = element("div", { class: "wwil-tests" });
  for (const test of state().tests) {
    const node = button("", test.help, () => work({ action: "order", test: test.name }));
    tests.set(test.name, node);
    testList.append(node);
  }
  const causes = [0, 1].map((i) => select(`cause ${i + 1}`, state().causes, "choose a cause …"));
  const fixes = [0, 1].map((i) =>
    select(`fix ${i + 1}`, state().fixes, i ? "and nothing else" : "choose a fix …"),
  );
  const treat = button("Treat", "name the cause, and retrain the patient with held-out seeds", () =>
    work({ action: "treat", causes: causes.map(valueOf), fixes: fixes.map(valueOf) }),
  );
  function valueOf(node) {
    return node.hidden ? "" : node.value;
  }
  const level = element(
    "select",
    { "aria-label": "level of the next patient" },
    ...state().levels.map(([value, words]) => element("option", { value: String(value) }, `level ${value}: ${words}`)),
  );
  level.value = String(state().level ?? 1);
  level.hidden = state().level === null;
  const next = button("Next patient", "admit another one", () => work({ action: "admit", level: Number(level.value) }));
  const summary = element("p", { class: "wwil-summary" });
  const note = element("p", { class: "wwil-note" });
  const spoken = element("div", { class: "wwil-hidden", role: "status", "aria-live": "polite" });
  const outcome = element("div", { class: "wwil-outcome", hidden: true });
  const results = element("div", { class: "wwil-results" });

  const desk = element(
    "div",
    { class: "wwil-desk" },
    part("Tests", credits, testList),
    part("Diagnosis and treatment", ...causes, ...fixes, treat, note, kernel.silence),
  );
  const session = element("div", { class: "wwil-session", role: "group", "aria-label": "session" }, summary, level, next);
  const head = element("div", { class: "wwil-case" }, element("div", { class: "wwil-head" }, title, session), story, spoken);
  const root = element("section", { class: "wwil wwil-clinic", "aria-label": "clinic" });
  root.append(head, element("div", { class: "wwil-body" }, desk, element("div", {}, outcome, results)));
  el.append(root);

  // --- what changes -------------------------------------------------------------------------------------------------

  let addresses = [];
  let shown = "";
  let said = "";

  function card({ title, text, plot }) {
    const node = element("figure", { class: "wwil-result" }, element("figcaption", {}, element("b", {}, title), " ", text));
    if (plot.byteLength) {
      const address = URL.createObjectURL(new Blob([plot], { type: "image/png" }));
      addresses.push(address);
      node.prepend(element("img", { class: "wwil-picture", src: address, alt: `${title}: plot of the result described below` }));
    }
    return node;
  }

  function showResults(now) {
    const key = JSON.stringify([now.title, ...now.results.map((r) => [r.title, r.plot.byteLength])]);
    if (key === shown) return;
    shown = key;
    const old = addresses;
    addresses = [];
    results.replaceChildren(...now.results.toReversed().map(card)); // the newest first
    setTimeout(() => old.forEach((address) => URL.revokeObjectURL(address)), 1000);
  }

  function showOutcome({ good, sentences, score, lessons, program }) {
    outcome.classList.toggle("learned", good);
    const links = lessons.flatMap((name) => [" ", element("a", { href: `${name}.ipynb` }, name.replaceAll("_", " "))]);
    const code = element("pre", { tabindex: "0", role: "region", "aria-label": "Keras program of the patient" }, program);
    outcome.replaceChildren(
      ...sentences.map((sentence) => element("p", {}, sentence)),
      element("p", {}, `Score: ${score}.`, ...(links.length ? [" Lesson:", ...links] : [])),
      element("details", {}, element("summary", {}, "The patient's program"), code),
    );
  }

  let patient = "";
  let treated = false;

  function show() {
    const now = state();
    if (!now.tests) return;
    title.textContent = now.title;
    story.textContent = now.story;
    credits.textContent = `${now.credits} of ${now.budget} credits left`;
    for (const test of now.tests) {
      const node = tests.get(test.name);
      node.textContent = `${test.label} · ${test.done ? "done" : test.cost}`;
      enable(node, test.open && !now.busy);
    }
    if (patient !== now.title) {
      patient = now.title;
      for (const node of [...causes, ...fixes]) node.value = "";
    }
    causes[1].hidden = now.n_causes < 2;
    const over = Boolean(now.outcome);
    enable(treat, !now.busy && !over);
    enable(next, !now.busy);
    note.textContent = now.note;
    note.classList.toggle("refused", Boolean(now.note) && !now.busy);
    summary.textContent = `${now.summary}.`;
    outcome.hidden = !over;
    if (over && !treated) {
      showOutcome(now.outcome);
      head.scrollIntoView({ block: "nearest" }); // with what became of the patient, and the way to the next
    }
    treated = over;
    showResults(now);
    root.setAttribute("aria-busy", String(now.busy));
    const last = now.results.at(-1);
    const words = now.note || (over ? now.outcome.sentences.join(" ") : `${now.title}. ${last.title}: ${last.text}`);
    if (words !== said) spoken.textContent = said = words;
  }

  const endLook = followLook(model, root, results);
  show();
  model.on("change:state", show);
  return () => {
    endLook();
    kernel.end();
    model.off("change:state", show);
    addresses.forEach((address) => URL.revokeObjectURL(address));
  };
}

export default { render };
