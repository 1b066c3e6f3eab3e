// What the front ends of a Lab, a Clinic and a map share. It stands before the code of each.

const KEYED = ["input", "select", "button", "textarea", "pre", "table", "td"];

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in node && typeof value !== "string") node[name] = value;
    else node.setAttribute(name, value);
  }
  // In JupyterLab, keys go to the control that has the focus: arrows move the slider or in the map, not the selection of cells.
  if (KEYED.includes(tag)) node.setAttribute("data-lm-suppress-shortcuts", "true");
  node.append(...children);
  return node;
}

function button(name, title, click) {
  const node = element("button", { type: "button", title }, name);
  node.addEventListener("click", () => {
    if (node.getAttribute("aria-disabled") !== "true") click();
  });
  return node;
}

// Not `disabled`, which would take the focus away from under a person's fingers.
function enable(node, yes) {
  node.setAttribute("aria-disabled", String(!yes));
}

// A button that shows and hides a panel.
function toggle(name, title, panel) {
  const node = button(name, title, () => {
    panel.hidden = !panel.hidden;
    node.setAttribute("aria-expanded", String(!panel.hidden));
  });
  node.setAttribute("aria-expanded", "false");
  node.setAttribute("aria-controls", panel.id);
  return node;
}

// A button that copies the text of `source`, and says in `spoken` whether it could.
function copier(source, spoken) {
  const node = button("Copy", "copy to the clipboard", async () => {
    try {
      await navigator.clipboard.writeText(source.value ?? source.textContent);
      node.textContent = "Copied";
    } catch {
      // Browsers refuse where the page is not served securely.
      getSelection().selectAllChildren(source);
      source.select?.();
      node.textContent = "Selected: press Ctrl+C";
    }
    spoken.textContent = node.textContent;
    setTimeout(() => (node.textContent = "Copy"), 2500);
  });
  return node;
}

// Whether the page behind an element is dark: told by its colour, because every host of widgets marks its theme in its own way.
function onDark(node) {
  for (let behind = node.parentElement; behind; behind = behind.parentElement) {
    const [red, green, blue, alpha = 1] = getComputedStyle(behind).backgroundColor.match(/[\d.]+/g)?.map(Number) ?? [];
    if (red !== undefined && alpha > 0.5) return 0.299 * red + 0.587 * green + 0.114 * blue < 128;
  }
  return false;
}

// Marks the theme of the page on `root` and calls `look`, now and soon after `node` changes its size or the page its theme.
// Returns what ends it.
function follow(root, node, look) {
  let timer = null;
  function mark() {
    root.dataset.theme = onDark(root) ? "dark" : "light";
  }
  function soon() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      mark();
      look();
    }, 150);
  }
  const resized = new ResizeObserver(soon);
  resized.observe(node);
  const themed = new MutationObserver(soon);
  for (const node of [document.documentElement, document.body]) {
    themed.observe(node, { attributes: true, attributeFilter: ["class", "style", "data-theme", "data-jp-theme-light"] });
  }
  const preference = matchMedia("(prefers-color-scheme: dark)");
  preference.addEventListener("change", soon);
  mark();
  return () => {
    clearTimeout(timer);
    resized.disconnect();
    themed.disconnect();
    preference.removeEventListener("change", soon);
  };
}

const PATIENCE = 15; // seconds
const SILENT = `The kernel has not answered for ${PATIENCE} seconds. It may be busy with another cell. If it has ended, restart it and run \
the cells from the top; on a page without cells, reload the page.`;

// Sends what a person asks for. Where the kernel does not say that it has heard it, `silence` says so, until it is heard again.
function requests(model) {
  const silence = element("p", { class: "wwil-silence", role: "alert" });
  let timer = null;
  function heard() {
    clearTimeout(timer);
    timer = null;
    silence.textContent = "";
  }
  model.on("msg:custom", heard);
  return {
    silence,
    send(message) {
      timer ??= setTimeout(() => (silence.textContent = SILENT), 1000 * PATIENCE);
      model.send(message);
    },
    end() {
      heard();
      model.off("msg:custom", heard);
    },
  };
}

// Tells the kernel how wide `stage` is, how dense the screen and how dark the page, so that plots are drawn for it.
function followLook(model, root, stage) {
  let asked = "";
  return follow(root, stage, () => {
    const width = stage.clientWidth;
    const dark = root.dataset.theme === "dark";
    const wanted = { width, scale: window.devicePixelRatio, dark };
    if (width < 200 || asked === JSON.stringify(wanted)) return;
    asked = JSON.stringify(wanted);
    model.send({ action: "size", ...wanted });
  });
}
