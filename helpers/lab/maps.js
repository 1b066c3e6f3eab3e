// The page of a map: it shows what the kernel says and sends what the person did. It knows nothing of networks.

let maps = 0;

function render({ model, el }) {
  const id = `wwil-map-${Date.now().toString(36)}-${maps++}`;
  const kernel = requests(model);
  const axes = model.get("axes");
  const computed = axes.kind === "computed";
  let show = model.get("state").show ?? "rate";
  let here = [0, 0]; // the cell that Tab leads to

  // --- the grid -----------------------------------------------------------------------------------------------------

  const grid = element("table", {
    class: "wwil-grid",
    role: "grid",
    "aria-label": `${axes.rows} by rows, ${axes.columns} by columns`,
    "aria-describedby": `${id}-detail`,
  });
  const head = element(
    "tr",
    { role: "row" },
    element("th", { class: "wwil-corner", role: "columnheader", scope: "col" }, axes.rows),
    ...axes.column_names.map((name) => element("th", { role: "columnheader", scope: "col" }, name)),
  );
  const title = element(
    "tr",
    { "aria-hidden": "true" },
    element("td", {}),
    element("td", { class: "wwil-axis", colspan: String(axes.column_names.length) }, axes.columns),
  );
  const body = element("tbody", { role: "rowgroup" });
  const cells = axes.row_names.map((rowName, row) => {
    const line = axes.column_names.map((_, column) => {
      const cell = element("td", { role: "gridcell", tabindex: "-1" });
      cell.addEventListener("focus", () => detail(row, column));
      cell.addEventListener("mouseenter", () => detail(row, column));
      cell.addEventListener("click", () => {
        go(row, column);
        open(row, column);
      });
      return cell;
    });
    const name = element("th", { role: "rowheader", scope: "row" }, rowName);
    body.append(element("tr", { role: "row" }, name, ...line));
    return line;
  });
  grid.append(element("thead", { role: "rowgroup" }, title, head), body);
  const scroll = element("div", { class: "wwil-scroll" }, grid);
  scroll.addEventListener("mouseleave", () => detail(...here));

  function go(row, column) {
    cells[here[0]][here[1]].tabIndex = -1;
    here = [row, column];
    cells[row][column].tabIndex = 0;
    cells[row][column].focus();
  }

  function open(row, column) {
    if (axes.lab) kernel.send({ action: "open", row, column });
  }

  const last = [axes.row_names.length - 1, axes.column_names.length - 1];
  grid.addEventListener("keydown", (event) => {
    const [row, column] = here;
    const to = {
      ArrowUp: [Math.max(0, row - 1), column],
      ArrowDown: [Math.min(last[0], row + 1), column],
      ArrowLeft: [row, Math.max(0, column - 1)],
      ArrowRight: [row, Math.min(last[1], column + 1)],
      Home: [event.ctrlKey ? 0 : row, 0],
      End: [event.ctrlKey ? last[0] : row, last[1]],
    }[event.key];
    if (to) go(...to);
    else if (event.key === "Enter" || event.key === " ") open(row, column);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  // --- what stands around it ----------------------------------------------------------------------------------------

  const detailed = element("p", { class: "wwil-detail", id: `${id}-detail` });
  const bar = element("progress", { class: "wwil-bar", max: "1", value: "0", "aria-label": "progress of the map" });
  const progress = element("span", { class: "wwil-progress" });
  const text = element("p", { class: "wwil-text running" });
  const spoken = element("div", { class: "wwil-hidden", role: "status", "aria-live": "polite" });
  const note = element("p", { class: "wwil-note", role: "alert" });
  const row = element("div", { class: "wwil-row" });
  const send = (action) => () => kernel.send({ action });

  const choice = element("select", { "aria-label": "what the map shows" });
  for (const [value, name] of Object.entries(axes.shows)) choice.append(element("option", { value }, name));
  choice.value = show;
  choice.addEventListener("change", () => {
    show = choice.value;
    update();
  });
  const stop = button("Stop", "stop training; what is complete stays", () =>
    kernel.send({ action: model.get("state").running ? "stop" : "continue" }),
  );
  const restart = button("Restart", "discard all results and train again", send("restart"));
  const register = button("Register the lab's settings", "put them on the map, if they learned", send("register"));

  const name = "the discoveries of this map as text; paste others to load them";
  const shared = element("textarea", { "aria-label": name, spellcheck: "false" });
  const load = button("Load", "add the discoveries in the text", () => kernel.send({ action: "load", text: shared.value }));
  const panel = element("div", { class: "wwil-panel", id: `${id}-share`, hidden: true }, shared, copier(shared, spoken), " ", load);
  const share = toggle("Share", "the discoveries as a short text", panel);
  if (computed) row.append(progress, choice, stop, restart);
  else row.append(register, share);

  const hint = axes.lab ? " Click it, or press Enter, to open its settings in the lab." : "";
  function detail(row, column) {
    const cell = model.get("state").cells?.[row * axes.column_names.length + column];
    detailed.textContent = cell ? `${cell.name}.${cell.more ? ` ${cell.more}` : ""}${hint}` : "";
  }

  function update() {
    const state = model.get("state");
    if (!state.cells) return;
    state.cells.forEach((cell, index) => {
      const node = cells[Math.floor(index / axes.column_names.length)][index % axes.column_names.length];
      const shown = cell.shown?.[show] ?? (cell.found ? "✓".repeat(Math.min(cell.found, 3)) : "");
      if (node.textContent !== shown) node.textContent = shown;
      node.setAttribute("aria-label", cell.name);
      node.style.background = cell.color?.[show] ?? "";
      node.style.color = cell.ink?.[show] ?? "";
      node.classList.toggle("found", Boolean(cell.found));
      node.classList.toggle("empty", !shown);
      node.classList.toggle("training", Boolean(cell.training));
    });
    detail(...here);
    bar.value = state.done;
    text.textContent = state.text;
    note.textContent = state.note;
    if (computed) {
      progress.textContent = state.progress;
      stop.textContent = state.running || state.complete ? "Stop" : "Continue";
      stop.disabled = state.complete;
      root.setAttribute("aria-busy", String(state.running));
      if (!state.running && spoken.textContent !== state.text) spoken.textContent = state.text;
    } else if (document.activeElement !== shared) {
      shared.value = state.share;
    }
  }

  const root = element(
    "section",
    { class: "wwil wwil-map", "aria-label": "map" },
    scroll,
    detailed,
    bar,
    row,
    text,
    note,
    kernel.silence,
    spoken,
    panel,
  );
  cells[0][0].tabIndex = 0;
  el.append(root);
  update();
  model.on("change:state", update);
  const endTheme = follow(root, root, () => {});
  return () => {
    endTheme();
    kernel.end();
    model.off("change:state", update);
  };
}

export default { render };
