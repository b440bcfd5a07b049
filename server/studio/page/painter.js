// The painter: what is to change in an image, in which words, by which model and for what price.

import { announce, button, busy, debounced, el, showError, usd } from "./dom.js";
import { radios, slider } from "./controls.js";
import { idsOf, made, nameOf, priceWords } from "./images.js";
import { backBar } from "./viewer.js";
import { Mask } from "./mask.js";
import { Stage } from "./stage.js";
import { Outpaint } from "./outpaint.js";
import { KEYS, press } from "./keys.js";

const SHARP = 1280; // pixels of the picture to paint on
const OPERATIONS = { paint: "inpaint", extend: "outpaint", whole: "edit" };
const MODES = { paint: "Painted part", extend: "Extend", whole: "Whole image" };
const WORDS = {
  paint: ["What should be there?", "Repaint"],
  extend: ["What should the new part show? (optional)", "Extend"],
  whole: ["What should change?", "Edit"],
};
const TOOLS = { brush: "Brush", erase: "Eraser", lasso: "Lasso", hand: "Move" };

class Painter {
  constructor(app, image) {
    this.app = app;
    this.image = image;
    this.mode = "paint";
    this.tool = "brush";
    this.mask = new Mask(image.width, image.height);
    this.mask.onchange = () => this.changed();
    this.brush = Math.round(Math.max(image.width, image.height) / 16);
    this.feather = 0;
    this.mark = null;
    this.build();
    this.setMode("paint");
    this.refused = ""; // why this cannot be done, from the tool that prices it
    this.price = debounced(250, () => this.estimate());
    this.listModels().catch(showError);
    this.price();
  }

  build() {
    const { image, mask } = this;
    const picture = el("img", { alt: nameOf(image), draggable: "false" });
    this.app.images.preview(image.id, SHARP).then((url) => { picture.src = url; }, showError);
    this.outline = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    this.outline.setAttribute("viewBox", `0 0 ${mask.width} ${mask.height}`);
    this.outline.setAttribute("aria-hidden", "true");
    this.line = document.createElementNS("http://www.w3.org/2000/svg", "polygon");
    this.outline.append(this.line);
    this.sides = new Outpaint(mask.scale, () => {
      this.price();
      this.ready();
    });
    mask.canvas.className = "mask";
    const sheet = el("div", { class: "sheet" }, picture, mask.canvas, this.outline, this.sides.frame);
    this.stage = new Stage(sheet, mask.width, mask.height, this);
    this.sides.stage = this.stage;

    this.sizer = slider("Size", 2, Math.max(64, Math.round(Math.max(image.width, image.height) / 3)), this.brush, (value) => {
      this.brush = value;
      this.stage.sizeRing();
    });
    this.soft = slider("Feather", 0, 100, 0, (value) => {
      this.feather = value;
      mask.canvas.style.filter = value ? `blur(${(value * mask.scale) / 2}px)` : "";
    });
    this.undo = button("Undo", "undo", () => mask.undo(), { short: true });
    this.redo = button("Redo", "redo", () => mask.redo(), { short: true });
    this.tools = el("div", { class: "tools" });
    this.showTools();
    const history = [this.undo, this.redo,
      button("Invert", "invert", () => mask.add({ kind: "invert" }), { short: true }),
      button("Mark all", "fill", () => mask.add({ kind: "fill" }), { short: true }),
      button("Clear", "trash", () => mask.add({ kind: "clear" }), { short: true })];
    const zoom = [button("Zoom out", "minus", () => this.stage.zoom(0.8), { short: true }),
      button("Fit", "fit", () => this.stage.fit(), { short: true }),
      button("Zoom in", "plus", () => this.stage.zoom(1.25), { short: true })];
    this.painting = el("div", { class: "row" }, this.tools, el("div", { class: "row tight" }, ...history), this.sizer.root, this.soft.root);
    const bar = el("div", { class: "toolbar", role: "group", "aria-label": "Tools" },
      this.painting, this.sides.fields);

    this.words = el("textarea", { rows: "2", id: "words", maxlength: "32000" });
    this.words.addEventListener("input", () => this.ready());
    this.model = el("select", { id: "model" }, el("option", { value: "", text: "Chosen for me" }));
    this.model.addEventListener("change", () => this.price());
    this.cost = el("p", { class: "small cost", "aria-live": "polite" });
    this.label = el("label", { for: "words" });
    this.go = button("", null, () => busy(this.go, () => this.run()), { class: "primary" });
    this.keep = this.app.host.canDownload && button("Save the mask", "download", () => busy(this.keep, () => this.save()), { class: "keep" });
    const form = el("div", { class: "form" },
      el("div", { class: "words" }, this.label, this.words),
      el("div", { class: "model" }, el("label", { for: "model", text: "Model" }), this.model),
      el("div", { class: "row end act" }, this.cost, this.keep || null, this.go));
    this.root = el("section", { class: "view painter", "aria-label": "Paint and edit" },
      backBar(this.app, "Edit", radios("mode", "What changes", MODES, "paint", (mode) => this.setMode(mode))),
      bar, el("div", { class: "room" }, this.stage.root, el("div", { class: "zoom", role: "group", "aria-label": "Zoom" }, ...zoom)),
      form, el("p", { id: "painting-keys", class: "unseen", text: KEYS }));
    this.root.addEventListener("keydown", (event) => press(this, event));
    this.changed();
  }

  showTools() {
    this.tools.replaceChildren(radios("tool", "Tool", TOOLS, this.tool, (tool) => this.setTool(tool), true));
  }

  setTool(tool) {
    this.cancel();
    this.tool = tool;
    for (const input of this.tools.querySelectorAll("input")) input.checked = input.value === tool;
    this.stage.root.dataset.tool = this.moves() ? "hand" : tool;
    this.stage.sizeRing();
  }

  setMode(mode) {
    this.mode = mode;
    this.painting.hidden = mode !== "paint";
    this.mask.canvas.hidden = mode !== "paint";
    if (this.keep) this.keep.hidden = mode !== "paint";
    this.label.textContent = WORDS[mode][0];
    this.stage.root.dataset.tool = this.moves() ? "hand" : this.tool;
    this.sides.place(mode === "extend");
    this.stage.fit();
    if (this.price) {
      this.price();
      this.listModels().catch(showError);
    }
    this.ready();
  }

  // The stage calls these five and `moves`: begin, move, end, cancel and size.
  moves() {
    return this.mode !== "paint" || this.tool === "hand";
  }

  size() {
    return this.tool === "lasso" ? 0 : this.brush * this.mask.scale;
  }

  begin({ x, y, pressure, erase }) {
    const area = this.tool === "lasso";
    this.mark = { kind: area ? "area" : "stroke", erase: erase || this.tool === "erase", points: [] };
    this.mask.begin(this.mark);
    this.move({ x, y, pressure });
  }

  move({ x, y, pressure }) {
    if (!this.mark) return;
    this.mask.grow(this.mark, [x, y, Math.max(1, this.size() * pressure)]);
    if (this.mark.kind === "area") this.line.setAttribute("points", this.mark.points.map(([a, b]) => `${a},${b}`).join(" "));
  }

  end() {
    if (!this.mark) return;
    this.line.removeAttribute("points");
    this.mask.end(this.mark);
    this.mark = null;
  }

  cancel() {
    if (this.mark) this.mask.drop(this.mark);
    this.line.removeAttribute("points");
    this.mark = null;
  }

  changed() {
    this.empty = this.mask.isEmpty;
    if (!this.undo) return;
    for (const [control, marks] of [[this.undo, this.mask.marks], [this.redo, this.mask.undone]]) {
      control.setAttribute("aria-disabled", String(marks.length === 0));
    }
    this.ready();
  }

  // Says what is still missing, and what the button does.
  ready() {
    if (!this.go) return;
    const text = this.words.value.trim();
    const added = Object.keys(this.sides.added).length > 0;
    const missing = this.mode === "paint" && this.empty ? "Paint over what should change."
      : this.mode === "extend" && !added ? "Drag an edge outwards, or type pixels."
        : this.mode !== "extend" && !text ? "Say what you want." : "";
    this.go.disabled = Boolean(missing || this.refused);
    if (this.keep) this.keep.disabled = this.empty;
    const price = this.seen ? ` · ${priceWords(this.seen)}` : "";
    this.go.querySelector("span").textContent = `${WORDS[this.mode][1]}${price}`;
    this.cost.textContent = this.refused || missing || this.priceNote || "";
  }

  request() {
    return {
      image: this.image.id,
      operation: OPERATIONS[this.mode],
      ...(this.words.value.trim() ? { prompt: this.words.value.trim() } : {}),
      ...(this.model.value ? { model: this.model.value } : {}),
      ...(this.mode === "extend" ? this.sides.added : {}),
    };
  }

  async listModels() {
    const { mode } = this;
    const answer = await this.app.host.call("estimate_cost", { image: this.image.id, operation: OPERATIONS[mode], compare: true });
    if (mode !== this.mode) return;
    const before = this.model.value;
    const models = answer.data.models || [];
    this.model.replaceChildren(el("option", { value: "", text: "Chosen for me" }), ...models.map(({ model, total_usd: total }) =>
      el("option", { value: model, text: total === undefined ? model : `${model} · ${usd(total)}` })));
    if (models.some(({ model }) => model === before)) this.model.value = before;
  }

  // Free: nothing is sent to a vendor.
  async estimate() {
    const asked = this.asked = JSON.stringify(this.request());
    try {
      const { data, text } = await this.app.host.call("estimate_cost", this.request());
      if (asked !== this.asked) return;
      this.seen = { about: data.total_usd, most: data.high_usd ?? data.total_usd };
      this.priceNote = data.summary || text.split("\n")[0];
      this.refused = "";
    } catch (error) {
      if (asked !== this.asked) return;
      this.seen = undefined;
      this.refused = error.message;
    }
    this.ready();
  }

  async run() {
    const request = this.request();
    if (this.mode === "paint") request.mask = `data:image/png;base64,${this.mask.exported(this.feather)}`;
    this.cost.textContent = "The image is being made…";
    const answer = await made(this.app, "edit_image", request, this.seen).finally(() => this.ready());
    if (!answer) {
      this.price();
      return;
    }
    const [id] = idsOf(answer);
    const words = request.prompt ? ` with the words “${request.prompt}”` : "";
    this.app.host.tellModel(`In the studio the user edited ${this.image.id} (${request.operation})${words}. The new image is ${id}.`)
      .catch(showError);
    announce("The new image is ready.");
    this.app.show("compare", [this.image.id, id]);
  }

  async save() {
    await this.app.host.download(`${this.image.id}-mask.png`, "image/png", this.mask.exported(this.feather));
    announce("The mask is saved.");
  }

  resize(factor) {
    const { input } = this.sizer;
    input.value = Math.max(2, Math.round(this.brush * factor));
    input.dispatchEvent(new Event("input"));
  }
}

export function painter(app, id) {
  const root = el("section", { class: "view" }, el("p", { class: "empty", text: "Loading…" }));
  app.images.named([id]).then(async ([image]) => {
    if (!image) throw new Error("This image is gone.");
    await app.host.fullscreen().catch(() => {});
    root.replaceWith(new Painter(app, image).root);
    app.focusHeading();
  }).catch(showError);
  return root;
}
