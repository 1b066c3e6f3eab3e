// The page of a Lab: it shows what the kernel says and sends what the person did. It knows nothing of networks.

const KEYED = ["input", "select", "button", "textarea", "pre"];

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in node && typeof value !== "string") node[name] = value;
    else node.setAttribute(name, value);
  }
  // In JupyterLab, keys go to the control that has the focus: arrows move the slider, not the selection of cells.
  if (KEYED.includes(tag)) node.setAttribute("data-lm-suppress-shortcuts", "true");
  node.append(...children);
  return node;
}

let labs = 0;

function render({ model, el }) {
  const id = `wwil-${Date.now().toString(36)}-${labs++}`;
  // The newest request of this page; frames of older ones are not shown.
  let generation = model.get("state").generation ?? 0;
  let waiting = null;

  function send(message) {
    generation += 1;
    model.send({ ...message, generation });
    showRunning(true);
  }

  // --- controls -----------------------------------------------------------------------------------------------------

  const controls = element("div", { class: "wwil-controls", role: "group", "aria-label": "settings" });
  const rows = new Map();

  function set(name, index) {
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

  function row(control) {
    const key = `${id}-${control.name}`;
    const help = element("div", { class: "wwil-help", id: `${key}-help` });
    const label = element("label", { for: key }, control.label);
    const node = element("div", { class: "wwil-control" }, label);
    let input, output;
    if (control.choice) {
      input = element("select", { id: key, "aria-describedby": help.id });
      input.addEventListener("change", () => set(control.name, input.selectedIndex));
      node.append(input);
    } else {
      input = element("input", { id: key, type: "range", min: "0", step: "1", "aria-describedby": help.id });
      output = element("output", { for: key });
      input.addEventListener("input", () => {
        tell();
        set(control.name, input.valueAsNumber);
      });
      node.append(input, output);
    }
    node.append(help);
    let options = [];
    let unit = "";
    function tell() {
      const shown = options[input.valueAsNumber];
      output.textContent = shown;
      input.setAttribute("aria-valuetext", `${shown} ${unit}`.trim());
    }
    function update(control) {
      help.textContent = control.unused ? "not used by this setting" : control.help;
      node.classList.toggle("unused", control.unused);
      unit = control.unit;
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
    let group = null;
    for (const control of model.get("controls")) {
      if (!rows.has(control.name)) {
        if (control.group !== group) controls.append(element("div", { class: "wwil-group" }, control.group));
        rows.set(control.name, row(control));
        controls.append(rows.get(control.name).node);
      }
      group = control.group;
      // What a person is moving right now is not moved back by the kernel's answer to an older position.
      if (!waiting || !(control.name in waiting)) rows.get(control.name).update(control);
    }
  }

  // --- the stage ----------------------------------------------------------------------------------------------------

  const picture = element("img", { class: "wwil-picture", alt: "" });
  const bar = element("progress", { class: "wwil-bar", max: "1", value: "0", "aria-label": "training progress" });
  const progress = element("span", { class: "wwil-progress" });
  const text = element("p", { class: "wwil-text" });
  const spoken = element("div", { class: "wwil-hidden", role: "status", "aria-live": "polite" });
  const note = element("p", { class: "wwil-note", role: "alert" });

  function button(name, title, click) {
    const node = element("button", { type: "button", title }, name);
    node.addEventListener("click", click);
    return node;
  }

  const stop = button("Stop", "stop training here", () => send({ action: "stop" }));
  const seeds = button("100 seeds", "train this setting from many seeds", () => send({ action: "seeds" }));
  const pin = button("Pin", "keep this run beside the next ones", () => send({ action: "pin" }));
  const reset = button("Reset", "back to the first setting", () => send({ action: "reset" }));

  const program = element("pre", { tabindex: "0", "aria-label": "Keras program of this setting" });
  const codePanel = element("div", { class: "wwil-panel", hidden: true }, program, copier(() => program.textContent));
  const shared = element("textarea", { "aria-label": "this setting as text; paste another to load it", spellcheck: "false" });
  const load = button("Load", "train the setting in the text", () => send({ action: "load", text: shared.value }));
  const sharePanel = element("div", { class: "wwil-panel", hidden: true }, shared, copier(() => shared.value), " ", load);
  const code = toggle("Code", "the Keras program of this setting", codePanel);
  const share = toggle("Share", "this setting as a short text", sharePanel);

  function copier(source) {
    const node = button("Copy", "copy to the clipboard", async () => {
      try {
        await navigator.clipboard.writeText(source());
        node.textContent = "Copied";
      } catch {
        node.textContent = "Select and copy by hand: the browser refused";
      }
      setTimeout(() => (node.textContent = "Copy"), 1500);
    });
    return node;
  }

  function toggle(name, title, panel) {
    const node = button(name, title, () => {
      panel.hidden = !panel.hidden;
      node.setAttribute("aria-expanded", String(!panel.hidden));
    });
    node.setAttribute("aria-expanded", "false");
    return node;
  }

  function showRunning(running) {
    stop.disabled = !running;
    text.classList.toggle("running", running);
    root.setAttribute("aria-busy", String(running));
  }

  let address = null;

  function showFrame() {
    const state = model.get("state");
    if (state.generation === undefined || state.generation < generation || waiting) return;
    generation = state.generation;
    const old = address;
    address = URL.createObjectURL(new Blob([model.get("picture")], { type: `image/${state.kind}` }));
    const next = new Image();
    const mine = address;
    next.src = mine;
    // The new picture replaces the old one when it can be painted, so that nothing flickers.
    next.decode().then(
      () => {
        if (mine === address) picture.src = mine;
        if (old) setTimeout(() => URL.revokeObjectURL(old), 1000);
      },
      () => {},
    );
    picture.alt = state.text;
    root.dataset.frame = String(Number(root.dataset.frame ?? 0) + 1);
    root.dataset.generation = String(state.generation);
    bar.value = state.done;
    progress.textContent = state.progress;
    text.textContent = state.text;
    text.classList.toggle("learned", state.learned);
    note.textContent = state.note;
    if (!state.running) spoken.textContent = state.text;
    seeds.textContent = `${state.seeds} seeds`;
    pin.textContent = state.pinned ? "Unpin" : "Pin";
    pin.setAttribute("aria-pressed", String(state.pinned));
    pin.disabled = state.running;
    if (state.code) program.textContent = state.code;
    if (document.activeElement !== shared) shared.value = state.share;
    showRunning(state.running);
  }

  const stage = element(
    "div",
    { class: "wwil-stage" },
    picture,
    bar,
    element("div", { class: "wwil-row" }, progress, stop, seeds, pin, code, share, reset),
    text,
    note,
    spoken,
    codePanel,
    sharePanel,
  );
  const root = element("section", {
      class: "wwil",
      "aria-label": "lab",
    }, element("div", { class: "wwil-body" }, controls, stage));
  el.append(root);
  showControls();
  showFrame();
  model.on("change:controls", showControls);
  model.on("change:state", showFrame);

  // The picture is drawn for the width that it has on the page.
  let width = 860;
  let timer = null;
  const watcher = new ResizeObserver((entries) => {
    const wanted = Math.round(entries[0].contentRect.width / 20) * 20;
    if (wanted < 200 || wanted === width) return;
    clearTimeout(timer);
    timer = setTimeout(() => {
      width = wanted;
      model.send({ action: "size", width, scale: window.devicePixelRatio });
    }, 150);
  });
  watcher.observe(stage);

  return () => {
    watcher.disconnect();
    model.off("change:controls", showControls);
    model.off("change:state", showFrame);
    if (address) URL.revokeObjectURL(address);
  };
}

export default { render };
