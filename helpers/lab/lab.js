// The front end of a Lab: it shows the state that the kernel sends, and sends what the person did.

let labs = 0;

function render({ model, el }) {
  const id = `wwil-${Date.now().toString(36)}-${labs++}`;
  // The newest request of this page; frames of older ones are not shown.
  let generation = model.get("state").generation ?? 0;
  let waiting = null;

  const kernel = requests(model);
  function send(message) {
    generation += 1;
    kernel.send({ ...message, generation });
  }

  // --- controls -----------------------------------------------------------------------------------------------------

  const controls = element("div", { class: "wwil-controls", role: "group", "aria-label": "settings" });
  const groups = new Map();
  const rows = new Map();

  function set(name, index) {
    showRunning(true);
    waiting = waiting ?? {};
    waiting[name] = index;
    if (Object.keys(waiting).length > 1) return;
    requestAnimationFrame(flush); // at most one request for each frame of the screen
  }

  function flush() {
    if (!waiting) return;
    const indices = waiting;
    waiting = null;
    send({ action: "set", indices });
  }

  function group(name) {
    if (!groups.has(name)) {
      const title = element("div", { class: "wwil-title", id: `${id}-${name}` }, name);
      groups.set(name, element("div", { class: "wwil-group", role: "group", "aria-labelledby": title.id }, title));
      controls.append(groups.get(name));
    }
    return groups.get(name);
  }

  function row(control) {
    const key = `${id}-${control.name}`;
    const help = element("div", { class: "wwil-help", id: `${key}-help` });
    const node = element("div", { class: "wwil-control" }, element("label", { for: key }, control.label));
    let input, output, unit;
    if (control.choice) {
      input = element("select", { id: key, "aria-describedby": help.id });
      input.addEventListener("change", () => set(control.name, input.selectedIndex));
      node.append(input, help);
    } else {
      input = element("input", { id: key, type: "range", min: "0", step: "1", "aria-describedby": help.id });
      output = element("output", { for: key });
      unit = element("div", { class: "wwil-unit", "aria-hidden": "true" }, control.unit);
      input.addEventListener("input", () => {
        tell();
        set(control.name, input.valueAsNumber);
      });
      node.append(input, output, help, unit);
    }
    let options = [];
    function tell() {
      const shown = options[input.valueAsNumber];
      output.textContent = shown;
      input.setAttribute("aria-valuetext", `${shown} ${control.unit}`.trim());
    }
    function update(control) {
      help.textContent = control.unused ? "not used by these settings" : control.help;
      node.classList.toggle("unused", control.unused);
      const changed = options.join("|") !== control.options.join("|");
      options = control.options;
      if (control.choice) {
        if (changed) input.replaceChildren(...options.map((name) => element("option", {}, name)));
        input.selectedIndex = control.index;
      } else {
        input.max = options.length - 1;
        input.value = control.index;
        tell();
      }
    }
    return { node, update };
  }

  function showControls() {
    const { generation: answered = 0, rows: all = [] } = model.get("controls");
    const first = rows.size === 0;
    // What a person is moving right now is not moved back by the kernel's answer to an older position.
    if (!first && (waiting || answered < generation)) return;
    for (const control of all) {
      if (first) {
        rows.set(control.name, row(control));
        group(control.group).append(rows.get(control.name).node);
      }
      rows.get(control.name).update(control);
    }
  }

  // --- the stage ----------------------------------------------------------------------------------------------------

  const picture = element("img", { class: "wwil-picture", alt: "" });
  const bar = element("progress", { class: "wwil-bar", max: "1", value: "0", "aria-label": "training progress" });
  const progress = element("p", { class: "wwil-progress" });
  const text = element("p", { class: "wwil-text" });
  const spoken = element("div", { class: "wwil-hidden", role: "status", "aria-live": "polite" });
  const note = element("p", { class: "wwil-note" });

  function work(message) {
    showRunning(true);
    send(message);
  }

  const stop = button("Stop", "stop training here", () => send({ action: "stop" }));
  const seeds = button("100 seeds", "train these settings with many seeds", () => work({ action: "seeds" }));
  const rescue = button("Rescue", "look for the smallest change that makes these settings learn", () => work({ action: "rescue" }));
  const pin = button("Pin", "keep the last finished run next to the ones that follow", () => send({ action: "pin" }));
  pin.classList.add("wwil-pin");
  const reset = button("Reset", "back to the first settings", () => work({ action: "reset" }));

  const program = element("pre", { tabindex: "0", role: "region", "aria-label": "Keras program of these settings" });
  const codePanel = element("div", { class: "wwil-panel", id: `${id}-code`, hidden: true }, program, copier(program, spoken));
  const shared = element("textarea", { "aria-label": "these settings as text; paste others to load them", spellcheck: "false" });
  const load = button("Load", "train the settings in the text", () => {
    loading = true;
    work({ action: "load", text: shared.value });
  });
  let edited = false; // a text that a person is writing, or that was refused, is not replaced
  let loading = false;
  shared.addEventListener("input", () => (edited = true));
  const sharePanel = element("div", { class: "wwil-panel", id: `${id}-share`, hidden: true }, shared, copier(shared, spoken), load);
  const code = toggle("Code", "the Keras program of these settings", codePanel);
  const share = toggle("Share", "these settings as a short text", sharePanel);

  function showRunning(running) {
    enable(stop, running);
    text.classList.toggle("running", running);
    root.setAttribute("aria-busy", String(running));
  }

  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let address = null;

  function showPicture(state, frame) {
    if (state.running && still.matches && address) return; // only finished pictures for who wants no motion
    const old = address;
    const mine = URL.createObjectURL(new Blob([model.get("picture")], { type: `image/${state.kind}` }));
    address = mine;
    const next = new Image();
    next.src = mine;
    // The new picture replaces the old one when it can be painted, so that nothing flickers.
    function put() {
      if (mine === address) {
        picture.src = mine;
        Object.assign(picture.dataset, { frame, theme: state.dark ? "dark" : "light" });
      }
      if (old) setTimeout(() => URL.revokeObjectURL(old), 1000);
    }
    next.decode().then(put, put); // what cannot be decoded beforehand is shown anyway
    picture.alt = state.text;
  }

  function showFrame() {
    const state = model.get("state");
    if (state.generation === undefined || state.generation < generation || waiting) return;
    generation = state.generation;
    root.dataset.frame = String(Number(root.dataset.frame ?? 0) + 1);
    showPicture(state, root.dataset.frame);
    root.dataset.generation = String(state.generation);
    bar.value = state.done;
    bar.setAttribute("aria-valuetext", state.progress);
    progress.textContent = state.progress;
    text.textContent = state.text;
    text.classList.toggle("learned", state.learned);
    note.textContent = state.note;
    note.classList.toggle("refused", state.refused);
    const words = `${state.note} ${state.text}`.trim();
    if (!state.running && spoken.textContent !== words) spoken.textContent = words;
    seeds.textContent = `${state.seeds} seeds`;
    pin.textContent = state.pinned ? "Unpin" : "Pin";
    if (state.code) program.textContent = state.code;
    if (loading) edited = state.refused;
    loading = false;
    if (!edited) shared.value = state.share;
    showRunning(state.running);
  }

  const buttons = element("div", { class: "wwil-row", role: "group", "aria-label": "training" });
  buttons.append(stop, seeds, rescue, pin, code, share, reset);
  const stage = element("div", { class: "wwil-stage" }, picture, progress, bar, buttons, kernel.silence, text, note, spoken, codePanel, sharePanel);
  const root = element("section", { class: "wwil", "aria-label": "lab" });
  const body = element("div", { class: "wwil-body" }, controls, stage);
  root.append(body);
  el.append(root);
  showControls();
  body.classList.toggle("wwil-many", rows.size > 9);
  showFrame();
  model.on("change:controls", showControls);
  model.on("change:state", showFrame);

  const endLook = followLook(model, root, stage);

  return () => {
    endLook();
    kernel.end();
    model.off("change:controls", showControls);
    model.off("change:state", showFrame);
    if (address) URL.revokeObjectURL(address);
  };
}

export default { render };
