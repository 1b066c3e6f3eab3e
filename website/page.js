// A lab without a kernel: its controls step over settings that were trained beforehand, and its pictures are drawn from what was
// kept of them. It stands after helpers/lab/widget.js. A text that somebody hands in is data: it is checked, and shown as text only.

"use strict";

const LONGEST_TEXT = 10000;
const SVG = "http://www.w3.org/2000/svg";
// The picture of a plot, in its own units: all of it, and the box that its axes enclose.
const WIDE = 380;
const HIGH = 240;
const STRIP = 112; // the height of one that shows the seeds
const LEFT = 64;
const RIGHT = 362;
const TOP = 10;

// --- the grid ----------------------------------------------------------------------------------------------------------

function bytes(text) {
  const raw = atob(text);
  const all = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) all[i] = raw.charCodeAt(i);
  return all.buffer;
}

// What was kept of one setting, by the indices of the values of its controls.
class Grid {
  constructor(known) {
    Object.assign(this, known);
    const block = (name, type) => new type(bytes(known.blocks[name]));
    this.cells = block("cells", Uint16Array);
    this.textOf = block("texts", Uint16Array);
    this.dataOf = block("data", Uint16Array);
    this.printed = block("numbers", Float32Array);
    this.skills = block("skills", Float32Array);
    this.curves = block("curves", Uint16Array);
    this.fits = block("fits", Uint16Array);
    this.inLayers = block("layers", Uint16Array);
    this.fitPoints = this.fits.length / this.textOf.length;
  }

  record(indices) {
    return this.cells[indices.reduce((cell, index, i) => cell * this.controls[i].values.length + index, 0)];
  }

  // Whether a control changes nothing here: all its values lead to the same networks.
  idle(indices, i) {
    const there = [...indices];
    return this.controls[i].values.length > 1 && this.controls[i].values.every((_, index) => {
      there[i] = index;
      return this.record(there) === this.record(indices);
    });
  }

  at(indices) {
    const record = this.record(indices);
    const part = (all, count) => all.subarray(record * count, (record + 1) * count);
    const numbers = Object.fromEntries(this.numbers.map((name, i) => [name, this.printed[record * this.numbers.length + i]]));
    const data = this.datasets[this.dataOf[record]];
    const curves = part(this.curves, 2 * this.curvePoints);
    const layers = part(this.inLayers, 3 * this.layers);
    return {
      ...numbers,
      data,
      text: this.texts[this.textOf[record]],
      skills: part(this.skills, this.seeds),
      training: this.curve(curves.subarray(0, this.curvePoints), numbers.ran),
      validation: this.curve(curves.subarray(this.curvePoints), numbers.ran),
      fit: Array.from(part(this.fits, this.fitPoints), (kept) => this.level(kept, ...data.span)),
      gradients: Array.from(layers.subarray(0, this.layers), (kept) => this.logarithm(kept)),
      dead: Array.from(layers.subarray(this.layers, 2 * this.layers), (kept) => this.level(kept, 0, 1)),
      saturated: Array.from(layers.subarray(2 * this.layers), (kept) => this.level(kept, 0, 1)),
    };
  }

  logarithm(kept) {
    const [low, high] = this.decades;
    return kept ? 10 ** (low + ((kept - 1) / (this.top - 1)) * (high - low)) : NaN;
  }

  level(kept, low, high) {
    return kept ? low + ((kept - 1) / (this.top - 1)) * (high - low) : NaN;
  }

  // Points (epoch, loss) of a curve; its epochs are spread evenly, as they were when it was kept.
  curve(kept, ran) {
    const count = Math.min(ran, this.curvePoints);
    return Array.from({ length: count }, (_, i) => [
      1 + (count > 1 ? Math.round((i * (ran - 1)) / (count - 1)) : 0),
      this.logarithm(kept[i]),
    ]);
  }
}

// --- words -------------------------------------------------------------------------------------------------------------

// Three digits at most, as a person would say it; as `number` in helpers/lab/plots.py.
function written(value) {
  if (Number.isNaN(value)) return "not a number";
  if (!Number.isFinite(value)) return "infinite";
  const size = Math.abs(value);
  if (size === 0 || (size >= 1e-3 && size < 1e4)) return String(Number(value.toPrecision(3)));
  return value.toExponential(0).replace(/(\d)$/, (last, _, at, all) => (/[+-]/.test(all[at - 1]) ? `0${last}` : last));
}

// As `short_skill` there.
function skillWritten(skill) {
  return skill > -10 ? skill.toFixed(2).replace("-0.00", "0.00").replace("-", "−") : "far below 0";
}

function percent(share) {
  return `${Math.round(100 * share)}%`;
}

function quoted(value) {
  const text = typeof value === "number" ? String(value) : JSON.stringify(value) ?? String(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}…`;
}

// --- a text that was handed in ----------------------------------------------------------------------------------------

// The indices of the trained setting that is nearest to a shared text, and sentences about what it asks for beyond the grid.
// Throws an Error with a sentence for what is no shared text.
function understood(grid, text) {
  if (text.length > LONGEST_TEXT) {
    throw new Error(`Shared settings have at most ${LONGEST_TEXT} characters; this text has ${text.length}.`);
  }
  let given;
  try {
    given = JSON.parse(text);
  } catch {
    throw new Error(`These are not shared settings: ${quoted(text)}. They begin with { and end with }, such as {"depth":3}.`);
  }
  if (given === null || typeof given !== "object" || Array.isArray(given)) {
    throw new Error(`These are not shared settings: ${quoted(given)}. They begin with { and end with }.`);
  }
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(grid.defaults, name)) throw new Error(`${quoted(name)} is not one of the settings.`);
    const usual = grid.defaults[name];
    const value = given[name];
    const fits = typeof value === typeof (usual ?? 0) || (name === "batch_size" && value === null);
    if (typeof value === "number" && !Number.isFinite(value)) throw new Error(`${name}=${value} is not a finite number.`);
    if (!fits) throw new Error(`${name}=${quoted(value)} is not ${typeof usual === "string" ? "a name" : "a number"}.`);
  }
  const wanted = (name) => (Object.hasOwn(given, name) ? given[name] : grid.defaults[name]);
  const beyond = [];
  const indices = grid.controls.map((control, i) => {
    const value = wanted(control.name);
    const index = control.values.indexOf(value);
    if (index >= 0) return index;
    beyond.push(`${control.label} ${plain(value)} is not among the trained settings here: ${control.shown.join(", ")}`);
    return control.choice ? grid.first[i] : nearest(control.values, value);
  });
  const controlled = new Set(grid.controls.map((control) => control.name));
  for (const [name, here] of Object.entries(grid.experiment)) {
    if (controlled.has(name) || wanted(name) === here) continue;
    beyond.push(`${grid.labels[name]} ${plain(wanted(name))} has no control here; everything is trained with ${plain(here)}`);
  }
  return { indices, beyond };
}

function plain(value) {
  if (value === null) return "all";
  return typeof value === "string" && value.length <= 40 ? value : quoted(value);
}

// null stands for all samples, which no number exceeds.
function nearest(values, value) {
  const size = (one) => one ?? Number.MAX_VALUE;
  const positive = [...values, value].every((one) => size(one) > 0);
  const scale = positive ? Math.log : Number;
  const away = values.map((one) => Math.abs(scale(size(one)) - scale(size(value))));
  return away.indexOf(Math.min(...away));
}

// --- pictures ----------------------------------------------------------------------------------------------------------

function drawn(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

let plots = 0;

// A picture with axes. What moves is a path, which takes one attribute to redraw.
class Plot {
  constructor(across, up, height = HIGH) {
    this.bottom = height - 40;
    this.title = element("figcaption", { class: "still-title" });
    const clip = `still-clip-${plots++}`;
    const { bottom } = this;
    const inside = drawn("clipPath", { id: clip }, drawn("rect", { x: LEFT, y: TOP, width: RIGHT - LEFT, height: bottom - TOP }));
    this.marks = drawn("g", { "clip-path": `url(#${clip})` });
    this.ticks = drawn("g", { class: "still-ticks" });
    this.across = drawn("text", { class: "still-axis", x: (LEFT + RIGHT) / 2, y: height - 4, "text-anchor": "middle" }, across);
    const middle = (TOP + bottom) / 2;
    this.up = drawn("text", { class: "still-axis", x: 11, y: middle, "text-anchor": "middle", transform: `rotate(-90 11 ${middle})` }, up);
    const frame = drawn("path", { class: "still-frame", d: `M${LEFT} ${TOP}V${bottom}H${RIGHT}` });
    this.svg = drawn("svg", { viewBox: `0 0 ${WIDE} ${height}`, role: "img" });
    this.svg.append(drawn("defs", {}, inside), this.ticks, this.marks, frame, this.across, this.up);
    this.canvas = element("canvas", { class: "still-surface", "aria-hidden": "true", width: "1", height: "1" });
    this.node = element("figure", { class: "still-plot" }, this.title, element("div", { class: "still-box" }, this.canvas, this.svg));
    this.paths = new Map();
    this.said = "";
  }

  // Between which numbers the axes run; `log` for the one that goes up.
  axes([left, right], [low, high], log = false) {
    this.x = (value) => LEFT + ((value - left) / (right - left)) * (RIGHT - LEFT);
    const scale = log ? Math.log10 : Number;
    const [from, to] = [scale(low), scale(high)];
    this.y = (value) => {
      const share = (scale(value) - from) / (to - from);
      return this.bottom - Math.min(9, Math.max(-9, share)) * (this.bottom - TOP);
    };
  }

  label(xs, ys) {
    const said = JSON.stringify([xs, ys.map(([value, name]) => [this.y(value), name])]);
    if (said === this.said) return;
    this.said = said;
    this.ticks.replaceChildren(
      ...ys.flatMap(([value, name]) => [
        drawn("path", { class: "still-grid", d: `M${LEFT} ${this.y(value)}H${RIGHT}` }),
        drawn("text", { x: LEFT - 5, y: this.y(value) + 3.5, "text-anchor": "end" }, name),
      ]),
      ...xs.map(([value, name]) => drawn("text", { x: this.x(value), y: this.bottom + 14, "text-anchor": "middle" }, name)),
    );
  }

  path(name, d) {
    if (!this.paths.has(name)) {
      this.paths.set(name, drawn("path", { class: `still-${name}` }));
      this.marks.append(this.paths.get(name));
    }
    this.paths.get(name).setAttribute("d", d);
  }

  // Where a curve has no number, it is interrupted.
  line(name, points) {
    let d = "";
    let pen = false;
    for (const [x, y] of points) {
      const there = Number.isFinite(x) && Number.isFinite(y);
      if (there) d += `${pen ? "L" : "M"}${this.x(x).toFixed(1)} ${this.y(y).toFixed(1)}`;
      pen = there;
    }
    this.path(name, d);
  }

  // Lines of no length, which round caps make dots.
  dots(name, points) {
    const fine = points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
    this.path(name, fine.map(([x, y]) => `M${this.x(x).toFixed(1)} ${this.y(y).toFixed(1)}h0`).join(""));
  }

  level(name, value) {
    this.path(name, Number.isFinite(value) ? `M${LEFT} ${this.y(value).toFixed(1)}H${RIGHT}` : "");
  }

  say(title, words) {
    this.title.textContent = title;
    this.svg.setAttribute("aria-label", words);
  }
}

// Four numbers or so between two, round ones.
function round(low, high, count = 4) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const first = Math.ceil(low / step) * step;
  const ticks = Array.from({ length: Math.floor((high - first) / step + 1e-9) + 1 }, (_, i) => first + i * step);
  return ticks.map((tick) => [tick, String(Number(tick.toPrecision(6))).replace("-", "−")]);
}

function decades(low, high) {
  const [from, to] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
  const every = Math.max(1, Math.ceil((to - from) / 4));
  const ticks = [];
  for (let e = from; e <= to; e += every) ticks.push(10 ** e);
  if (ticks.length < 2) {
    // Too few powers of ten to read a height by.
    for (let e = from - 1; e <= to; e++) ticks.push(2 * 10 ** e, 5 * 10 ** e);
  }
  return ticks.filter((tick) => tick >= low && tick <= high).map((tick) => [tick, written(tick).replace(/e\+0*/, "e")]);
}

// The colours of a surface from low to high, as the theme has them: three colours, mixed in between.
function palette(node) {
  const style = getComputedStyle(node);
  return ["--low", "--paper", "--network"].map((name) => {
    const short = style.getPropertyValue(name).trim();
    const hex = short.length === 4 ? short.replace(/[^#]/g, "$&$&") : short;
    return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  });
}

function mixed([low, middle, high], share) {
  const [one, other, part] = share < 0.5 ? [low, middle, 2 * share] : [middle, high, 2 * share - 1];
  return one.map((value, i) => value + part * (other[i] - value));
}

class FitPlot extends Plot {
  constructor(grid) {
    const data = grid.datasets[0];
    super(data.features[0], grid.kind === "curve" ? data.target : data.features[1]);
    this.grid = grid;
    this.data = null;
    this.svg.classList.toggle("still-on-surface", grid.kind !== "curve");
  }

  show(one, root) {
    const data = one.data;
    if (data !== this.data) this.begin(data);
    this.data = data;
    if (this.grid.kind === "curve") {
      const step = (data.high[0] - data.low[0]) / (one.fit.length - 1);
      this.line("network", one.fit.map((y, i) => [data.low[0] + i * step, y]));
    } else this.surface(one, root);
    const diverged = !Number.isFinite(one.val_loss);
    const title = diverged ? "Fit: none, it diverged" : `Fit: skill ${skillWritten(one.skill)}${one.skill >= 0.95 ? ", learned" : ""}`;
    const what = this.grid.kind === "curve" ? "the curve of the network among the data points, the true function dashed" : "the predictions of the network as a surface, with the data points";
    this.say(title, `${title}. Shown: ${what}. ${one.text}`);
  }

  begin(data) {
    const up = this.grid.kind === "curve" ? data.heights : [data.low[1], data.high[1]];
    const across = [data.low[0], data.high[0]];
    this.axes(across, up);
    this.label(round(...across), round(...up));
    if (this.grid.kind === "curve") {
      this.dots("points", data.x[0].map((x, i) => [x, data.y[i]]));
      const step = (across[1] - across[0]) / ((data.truth?.length ?? 2) - 1);
      this.line("truth", (data.truth ?? []).map((y, i) => [across[0] + i * step, y]));
      return;
    }
    const middle = data.task === "binary" ? 0.5 : (data.heights[0] + data.heights[1]) / 2;
    const where = data.x[0].map((x, i) => [x, data.x[1][i]]);
    this.dots("rim", where);
    this.dots("lower", where.filter((_, i) => data.y[i] <= middle));
    this.dots("upper", where.filter((_, i) => data.y[i] > middle));
  }

  surface(one, root) {
    const side = this.grid.side;
    const [low, high] = one.data.task === "binary" ? [0, 1] : one.data.heights;
    const colors = palette(root);
    const picture = new ImageData(side, side);
    one.fit.forEach((answer, i) => {
      const share = Number.isNaN(answer) ? 0.5 : Math.min(1, Math.max(0, (answer - low) / (high - low)));
      const row = side - 1 - Math.floor(i / side); // the first row is the lowest, a canvas begins at the top
      picture.data.set([...mixed(colors, share), 190], 4 * (row * side + (i % side)));
    });
    if (this.canvas.width !== side) this.canvas.width = this.canvas.height = side;
    this.canvas.getContext("2d").putImageData(picture, 0, 0);
  }
}

class LossPlot extends Plot {
  constructor() {
    super("epoch", "loss (log)");
  }

  show(one) {
    const data = one.data;
    const levels = [data.constant, data.floor].filter((level) => level > 0);
    const seen = [...one.training, ...one.validation].map(([, loss]) => loss).filter((loss) => loss > 0);
    const most = data.constant * 1e8;
    const low = Math.max(Math.min(...levels, ...seen), data.constant * 1e-7);
    const high = Math.min(Math.max(...levels, ...seen), most);
    const bounds = [3 ** Math.floor(Math.log(low * 0.8) / Math.log(3)), 3 ** Math.ceil(Math.log(high * 1.1) / Math.log(3))];
    this.axes([0, one.ran], bounds, true);
    this.label(round(0, one.ran).filter(([tick]) => Number.isInteger(tick)), decades(...bounds));
    this.level("constant", data.constant);
    this.level("floor", data.floor > 0 ? data.floor : NaN);
    this.line("training", one.training);
    this.line("network", one.validation);
    const broken = one.validation.find(([, loss]) => !Number.isFinite(loss));
    const title = broken ? "Loss: it diverged" : `Validation loss ${written(one.val_loss)}`;
    const words = `Training loss ${written(one.loss)}, after ${one.ran} epochs; the baseline has ${written(data.constant)}, the ${data.referenceName} ${written(data.floor)}`;
    this.say(title, `${title}. ${words}.`);
  }
}

class SeedsPlot extends Plot {
  constructor(grid) {
    super("skill of each seed", "", STRIP);
    this.grid = grid;
    this.axes([-0.5, 1.1], [-0.5, grid.seeds - 0.5]);
    this.label([[0, "0"], [0.5, "0.5"], [1, "1"]], []);
    const upright = (x) => `M${this.x(x)} ${TOP}V${this.bottom}`;
    this.path("constant", upright(0));
    this.path("floor", upright(0.95));
  }

  show(one) {
    // What is worse than the picture is wide stands at its edge.
    const within = (skill) => Math.min(1.08, Math.max(-0.47, skill));
    const [from, to] = [within(one.quartile1), within(one.quartile3)];
    this.path("middle", `M${this.x(from)} ${TOP}H${this.x(to)}V${this.bottom}H${this.x(from)}Z`);
    this.path("median", `M${this.x(within(one.median))} ${TOP}V${this.bottom}`);
    this.dots("seeds", [...one.skills].sort((a, b) => a - b).map((skill, i) => [within(skill), i]));
    this.say(`Learned in ${one.learned} of ${this.grid.seeds} seeds`, `The skill of each seed as a dot. ${study(this.grid, one)}`);
  }
}

function study(grid, one) {
  const [low, high] = grid.intervals[one.learned];
  return (
    `Of ${grid.seeds} seeds ${one.learned} learned: ${percent(one.learned / grid.seeds)}, with 95% confidence ${Math.round(100 * low)} to ` +
    `${percent(high)}. Median skill ${skillWritten(one.median)}, the middle half from ${skillWritten(one.quartile1)} to ${skillWritten(one.quartile3)}.`
  );
}

class LayersPlot extends Plot {
  constructor(grid, log) {
    super("layer, from the input", log ? "gradient (log)" : "fraction of units");
    this.grid = grid;
    this.log = log;
  }

  bars(name, values, offset, floor) {
    const width = 2 * offset.half;
    const d = values.map((value, i) => {
      if (!Number.isFinite(value)) return "";
      const x = this.x(i + 1 + offset.at) - width / 2;
      return `M${x.toFixed(1)} ${this.y(floor).toFixed(1)}V${this.y(Math.max(value, floor)).toFixed(1)}h${width}V${this.y(floor).toFixed(1)}Z`;
    });
    this.path(name, d.join(""));
  }

  show(one) {
    const count = one.counted; // layers of weights, the output's among them
    const names = Array.from({ length: count }, (_, i) => [i + 1, i + 1 === count ? "out" : String(i + 1)]);
    if (this.log) {
      const fine = one.gradients.filter((value) => value > 0);
      const high = 10 ** Math.ceil(Math.log10(Math.max(1e-6, ...fine)) + 0.01);
      const low = Math.min(high / 1e3, Math.max(1e-14, 10 ** Math.floor(Math.log10(Math.min(high, ...fine)) - 0.01)));
      this.axes([0.4, count + 0.6], [low, high], true);
      this.label(names, decades(low, high));
      this.bars("gradient", one.gradients.slice(0, count), { at: 0, half: 8 }, low);
      const shares = one.gradients.slice(0, count).map(written).join(", ");
      const lost = one.gradients.slice(0, count).some((value) => !Number.isFinite(value));
      this.say(lost ? "Gradient: not a number" : "Gradient by layer, at the end", `Norm of the gradient by layer, from the input: ${shares}.`);
      return;
    }
    this.axes([0.4, Math.max(1, count - 1) + 0.6], [0, 1]);
    this.label(names.slice(0, count - 1), [[0, "0%"], [0.5, "50%"], [1, "100%"]]);
    this.bars("dead", one.dead.slice(0, count - 1), { at: -0.12, half: 6 }, 0);
    this.bars("saturated", one.saturated.slice(0, count - 1), { at: 0.12, half: 6 }, 0);
    const most = (values) => percent(Math.max(0, ...values.filter(Number.isFinite)));
    const title = count > 1 ? `Units: dead up to ${most(one.dead)}, saturated up to ${most(one.saturated)}` : "Units: no hidden layer";
    this.say(title, `${title} of a layer, at the end.`);
  }
}

// --- the lab -----------------------------------------------------------------------------------------------------------

function lab(grid, place) {
  let indices = [...grid.first];
  let frame = 0;
  const root = element("section", { class: "wwil still", "aria-label": "lab" });
  const darkness = matchMedia("(prefers-color-scheme: dark)");

  const pictures = [new FitPlot(grid), new LossPlot(), new SeedsPlot(grid)];
  if (grid.pictures.includes("gradients")) pictures.push(new LayersPlot(grid, true));
  if (grid.pictures.includes("units")) pictures.push(new LayersPlot(grid, false));

  const text = element("p", { class: "wwil-text" });
  const seeds = element("p", { class: "wwil-note still-study" });
  const note = element("p", { class: "wwil-note", id: "still-note" });
  const spoken = element("div", { class: "wwil-hidden", role: "status", "aria-live": "polite" });

  const groups = new Map();
  const controls = element("div", { class: "wwil-controls", role: "group", "aria-label": "settings" });
  const rows = grid.controls.map((control, i) => {
    const key = `still-${control.name}`;
    const help = element("div", { class: "wwil-help", id: `${key}-help` });
    const node = element("div", { class: "wwil-control" }, element("label", { for: key }, control.label));
    let input, output;
    if (control.choice) {
      input = element("select", { id: key, "aria-describedby": help.id }, ...control.shown.map((name) => element("option", {}, name)));
      input.addEventListener("change", () => move(i, input.selectedIndex));
      node.append(input, help);
    } else {
      input = element("input", { id: key, type: "range", min: "0", max: String(control.values.length - 1), step: "1", "aria-describedby": help.id });
      output = element("output", { for: key });
      input.addEventListener("input", () => move(i, input.valueAsNumber));
      node.append(input, output, help, element("div", { class: "wwil-unit", "aria-hidden": "true" }, control.unit));
    }
    input.addEventListener("change", keep);
    if (!groups.has(control.group)) {
      const title = element("div", { class: "wwil-title", id: `still-group-${control.group}` }, control.group);
      groups.set(control.group, element("div", { class: "wwil-group", role: "group", "aria-labelledby": title.id }, title));
      controls.append(groups.get(control.group));
    }
    groups.get(control.group).append(node);
    return { node, input, output, help };
  });

  const shared = element("textarea", { id: "still-text", spellcheck: "false", rows: "3", "aria-describedby": "still-note" });
  const load = element("button", { type: "button" }, "Load");
  const reset = element("button", { type: "button" }, "Reset");
  const share = element(
    "details",
    { class: "still-share" },
    element("summary", {}, "Share these settings, or load others"),
    element("label", { for: "still-text" }, "The settings as text, as the live lab shares them"),
    shared,
    load,
  );
  load.addEventListener("click", () => take(shared.value.trim()));
  reset.addEventListener("click", () => {
    say("");
    go(grid.first);
    keep();
  });

  function move(i, index) {
    say("");
    const there = [...indices];
    there[i] = index;
    go(there);
  }

  function go(there) {
    indices = [...there];
    if (!frame) frame = requestAnimationFrame(show); // at most one picture for each frame of the screen
  }

  function say(words, refused = false) {
    note.textContent = words;
    note.classList.toggle("refused", refused);
  }

  // Another's text. Nothing of it but checked numbers and names has an effect, and all of it is shown as text.
  function take(given) {
    try {
      const { indices: there, beyond } = understood(grid, given);
      const more = beyond.length > 4 ? ` And ${beyond.length - 4} more differ.` : "";
      say(beyond.length ? `${beyond.slice(0, 4).join(". ")}.${more} The nearest settings are shown; for these, open the live version.` : "");
      go(there);
    } catch (error) {
      say(error.message, true);
      show();
    }
  }

  // What is left out stands for the usual value, as in the live lab.
  function setting() {
    const values = { ...grid.experiment };
    grid.controls.forEach((control, i) => (values[control.name] = control.values[indices[i]]));
    const told = Object.entries(values).filter(([name, value]) => name === "problem" || value !== grid.defaults[name]);
    return JSON.stringify(Object.fromEntries(told));
  }

  // The address then leads to this setting.
  function keep() {
    history.replaceState(null, "", `#${encodeURIComponent(setting())}`);
  }

  function fromAddress() {
    const part = location.hash.slice(1);
    let given = part;
    try {
      given = decodeURIComponent(part);
    } catch {
      // Not written by us: it is shown as it stands.
    }
    if (part && !document.getElementById(given)) take(given); // else a heading of the page
  }

  function show() {
    frame = 0;
    const one = grid.at(indices);
    one.counted = 1 + (grid.depthAt >= 0 ? grid.controls[grid.depthAt].values[indices[grid.depthAt]] : grid.experiment.depth);
    grid.controls.forEach((control, i) => {
      const { node, input, output, help } = rows[i];
      const idle = grid.idle(indices, i);
      node.classList.toggle("unused", idle);
      help.textContent = idle ? "not used by these settings" : control.helps[indices[i]];
      if (control.choice) input.selectedIndex = indices[i];
      else {
        input.value = indices[i];
        output.textContent = control.shown[indices[i]];
        input.setAttribute("aria-valuetext", `${control.shown[indices[i]]} ${control.unit}`.trim());
      }
    });
    for (const picture of pictures) picture.show(one, root);
    text.textContent = one.text;
    text.classList.toggle("learned", one.skill >= 0.95);
    seeds.textContent = study(grid, one);
    if (document.activeElement !== shared) shared.value = setting();
    const words = `${note.textContent} ${text.textContent} ${seeds.textContent}`.trim();
    if (spoken.textContent !== words) spoken.textContent = words;
    root.dataset.frame = String(Number(root.dataset.frame ?? 0) + 1);
  }

  function theme() {
    root.dataset.theme = darkness.matches ? "dark" : "light";
  }

  const gallery = element("div", { class: "still-plots" });
  const words = element("div", { class: "still-words" }, text, seeds, note);
  const [strip] = pictures.splice(2, 1);
  gallery.append(...pictures.map((picture) => picture.node));
  // In two columns, strip and words stand side by side, or together next to a last picture.
  gallery.append(...(pictures.length % 2 ? [element("div", {}, strip.node, words)] : [strip.node, words]));
  pictures.push(strip);
  const legend = element("p", { class: "still-legend", "aria-hidden": "true" });
  const keys = [["network", grid.kind === "curve" ? "network, validation" : "validation"], ["training", "training"], ["constant", "baseline"], ["floor", "noise floor, learned"]];
  if (grid.kind === "curve") keys.push(["truth", "true function"]);
  if (grid.pictures.includes("units")) keys.push(["dead", "dead"], ["saturated", "saturated"]);
  legend.append(...keys.map(([name, words]) => element("span", { class: `still-key still-key-${name}` }, words)));
  const stage = element("div", { class: "wwil-stage" }, gallery, legend, spoken, element("div", { class: "wwil-row" }, reset), share);
  root.append(element("div", { class: "wwil-body" }, controls, stage));
  theme();
  darkness.addEventListener("change", () => {
    theme();
    show();
  });
  place.replaceChildren(root);
  show();
  fromAddress();
  addEventListener("hashchange", fromAddress);
}

// --- predictions -------------------------------------------------------------------------------------------------------

// The first answer that is committed to counts, and this browser keeps it; what was measured is shown only after that.
const KEPT = "predictions";

function commitments() {
  try {
    return JSON.parse(localStorage.getItem(KEPT)) ?? {};
  } catch {
    return {}; // a browser may refuse to keep anything, or hold what is no list of ours
  }
}

function keep(name, answer) {
  try {
    localStorage.setItem(KEPT, JSON.stringify({ ...commitments(), [name]: { answer, time: new Date().toISOString() } }));
  } catch {
    return "Saved only until this page is closed, because the browser stores nothing. The measurement will score it.";
  }
  return "Saved. The measurement will score it.";
}

function prediction(form) {
  const [commit, note] = form.querySelectorAll("button, [role=status]");
  const options = [...form.querySelectorAll("label")];
  const { name } = form.dataset;
  const places = [...document.querySelectorAll(".reveal")].filter((told) => told.dataset.name === name);
  const chosen = () => options.findIndex((label) => label.control.checked);

  function close(words) {
    for (const input of form.querySelectorAll("input, button")) input.disabled = true;
    options[chosen()].classList.add("kept");
    note.textContent = words;
    for (const told of places) {
      for (const output of besides(told)) output.hidden = false;
      score(told, options, chosen());
    }
  }

  for (const told of places) {
    told.replaceChildren(element("div", { class: "note" }, "Commit to your prediction above, and the answer is shown here."));
    for (const output of besides(told)) output.hidden = true;
  }
  form.addEventListener("change", () => (commit.disabled = chosen() < 0));
  commit.addEventListener("click", () => close(keep(name, options[chosen()].control.value)));
  const before = options.find((label) => label.control.value === commitments()[name]?.answer);
  if (before) {
    before.control.checked = true;
    close("Saved. The measurement will score it.");
  }
}

// The outputs of the same cell that follow the answer.
function besides(told) {
  const found = [];
  for (let next = told.nextElementSibling; next?.matches(".output:not(.reveal)"); next = next.nextElementSibling) found.push(next);
  return found;
}

function score(told, options, kept) {
  const words = (option) => option.querySelector("span").cloneNode(true).childNodes;
  const measured = options.findIndex((option) => option.control.value === told.dataset.answer);
  const before = kept === measured ? ["You predicted it."] : ["You predicted: ", ...words(options[kept]), "."];
  const box = element("div", { class: "note" });
  box.append(...before, " The measurement says: ", ...words(options[measured]), ".");
  told.replaceChildren(box);
}

document.querySelectorAll(".predict").forEach(prediction);
const grid = new Grid(globalThis.wwilGrid);
grid.depthAt = grid.controls.findIndex((control) => control.name === "depth");
lab(grid, document.getElementById("lab"));
