// The edges of an image that are dragged outwards, and a field for each of them.

import { el } from "./dom.js";

const MOST_EXTRA = 2000; // pixels that can be added on a side
const HANDLE_ROOM = 64; // pixels of the image that stay free for a handle
const SIDES = ["left", "right", "top", "bottom"];

export class Outpaint {
  // `scale` is that of the sheet to the image. The stage that the frame is on is set once there is one.
  constructor(scale, onchange) {
    this.scale = scale;
    this.onchange = onchange;
    this.extra = Object.fromEntries(SIDES.map((side) => [side, 0])); // pixels of the image
    this.frame = el("div", { class: "frame-out", hidden: true }, ...SIDES.map((side) => this.handle(side)));
    this.fields = el("div", { class: "row sides", hidden: true }, ...SIDES.map((side) => this.sideField(side)));
  }

  // The sides that are to grow, as parameters of edit_image.
  get added() {
    return Object.fromEntries(SIDES.filter((side) => this.extra[side]).map((side) => [side, this.extra[side]]));
  }

  handle(side) {
    const across = side === "left" || side === "right";
    const out = side === "left" || side === "top" ? -1 : 1;
    const handle = el("button", {
      type: "button", class: `handle ${side}`, role: "slider", "aria-label": `Pixels to add, ${side}`,
      "aria-orientation": across ? "horizontal" : "vertical", "aria-valuemin": "0", "aria-valuemax": String(MOST_EXTRA),
    });
    let from;
    handle.addEventListener("pointerdown", (event) => {
      handle.setPointerCapture(event.pointerId);
      from = { at: across ? event.clientX : event.clientY, extra: this.extra[side] };
      event.stopPropagation();
    });
    handle.addEventListener("pointermove", (event) => {
      if (!from) return;
      const moved = ((across ? event.clientX : event.clientY) - from.at) * out;
      this.setSide(side, from.extra + moved / this.stage.scale / this.scale);
    });
    handle.addEventListener("pointerup", () => {
      from = undefined;
      this.stage.fit();
    });
    handle.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
      if (!way) return;
      event.preventDefault();
      this.setSide(side, this.extra[side] + way * out * (event.shiftKey ? 64 : 16));
      this.stage.fit();
    });
    return handle;
  }

  sideField(side) {
    const input = el("input", { type: "number", min: "0", max: String(MOST_EXTRA), step: "16", value: "0", "data-side": side });
    input.addEventListener("change", () => {
      this.setSide(side, Number(input.value));
      this.stage.fit();
    });
    return el("label", { class: "side-field" }, el("span", { text: side[0].toUpperCase() + side.slice(1) }), input);
  }

  setSide(side, pixels) {
    this.extra[side] = Math.round(Math.min(MOST_EXTRA, Math.max(0, pixels || 0)));
    this.place();
    this.onchange();
  }

  // Places the edges. Without `shown` there is room for the image alone.
  place(shown = !this.frame.hidden) {
    this.frame.hidden = !shown;
    this.fields.hidden = !shown;
    for (const side of SIDES) {
      const pixels = this.extra[side];
      this.frame.style[side] = `${-pixels * this.scale}px`;
      this.frame.querySelector(`.${side}`).setAttribute("aria-valuenow", String(pixels));
      this.fields.querySelector(`[data-side=${side}]`).value = pixels;
      this.stage.margin[side] = shown ? Math.max(pixels, HANDLE_ROOM) * this.scale : 0;
    }
  }
}
