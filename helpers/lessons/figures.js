// A slider of pictures. The page has them all, so a move needs no answer of the kernel.

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

let flips = 0;

function render({ model, el }) {
  const id = `wwil-flip-${Date.now().toString(36)}-${flips++}`;
  const pages = model.get("pages");
  const addresses = pages.map((page) => URL.createObjectURL(new Blob([page.picture], { type: "image/png" })));

  const picture = element("img", { class: "wwil-picture" });
  picture.style.minWidth = "600px"; // on a narrow page it scrolls, so that its words can be read
  const frame = element("div", {}, picture);
  frame.style.overflowX = "auto";
  const slider = element("input", {
    type: "range",
    id,
    min: "0",
    max: String(pages.length - 1),
    step: "1",
    // In JupyterLab, arrows move the slider that has the focus, not the selection of cells.
    "data-lm-suppress-shortcuts": "true",
  });
  const value = element("output", { for: id });
  const label = element("label", { for: id }, model.get("label"));
  const control = element("div", { class: "wwil-control" }, label, slider, value);
  control.style.gridTemplateColumns = "max-content minmax(120px, 360px) max-content";

  function update() {
    const index = model.get("index");
    slider.value = String(index);
    slider.setAttribute("aria-valuetext", pages[index].name);
    value.textContent = pages[index].name;
    picture.src = addresses[index];
    picture.alt = pages[index].alt;
  }

  slider.addEventListener("input", () => {
    model.set("index", Number(slider.value));
    model.save_changes();
  });
  model.on("change:index", update);
  update();
  const root = element("section", { class: "wwil wwil-flip", "aria-label": model.get("label") }, control, frame);
  root.style.maxWidth = "860px";
  el.append(root);
  return () => {
    model.off("change:index", update);
    addresses.forEach((address) => URL.revokeObjectURL(address));
  };
}

export default { render };
