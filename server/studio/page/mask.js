// A mask: strokes that can be undone, drawn on a canvas, and exported as white where the image is to change.

import { el } from "./dom.js";

const LARGEST = 2048; // pixels of the long edge of the canvas
const INK = "#e0218a";
const FAINT = 4; // of 255; a mask with less than this everywhere marks nothing

export class Mask {
  constructor(width, height) {
    this.full = { width, height };
    const scale = Math.min(1, LARGEST / Math.max(width, height));
    this.scale = scale; // of the canvas to the image
    this.width = Math.max(1, Math.round(width * scale));
    this.height = Math.max(1, Math.round(height * scale));
    this.canvas = el("canvas", { width: this.width, height: this.height, "aria-hidden": "true" });
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.marks = [];
    this.undone = [];
    this.onchange = () => {};
  }

  // A mark is {kind: stroke, area, invert, fill or clear}; a stroke or an area has points [x, y, width] and may erase.
  begin(mark) {
    this.marks.push(mark);
    this.undone = [];
  }

  grow(mark, point) {
    mark.points.push(point);
    if (mark.kind === "stroke") this.segment(mark, mark.points.length - 1);
  }

  end(mark) {
    if (mark.kind === "area") this.draw(mark);
    this.onchange();
  }

  add(mark) {
    this.begin(mark);
    this.draw(mark);
    this.onchange();
  }

  undo() {
    if (this.marks.length) this.move(this.marks, this.undone);
  }

  redo() {
    if (this.undone.length) this.move(this.undone, this.marks);
  }

  move(from, to) {
    to.push(from.pop());
    this.context.clearRect(0, 0, this.width, this.height);
    for (const mark of this.marks) this.draw(mark);
    this.onchange();
  }

  // Drops a mark that was begun and not ended, as when a second finger comes down.
  drop(mark) {
    this.marks = this.marks.filter((other) => other !== mark);
    this.context.clearRect(0, 0, this.width, this.height);
    for (const other of this.marks) this.draw(other);
    this.onchange();
  }

  draw(mark) {
    const { context } = this;
    context.fillStyle = INK;
    if (mark.kind === "clear") {
      context.clearRect(0, 0, this.width, this.height);
    } else if (mark.kind === "stroke") {
      mark.points.forEach((_, index) => this.segment(mark, index));
    } else {
      context.globalCompositeOperation = mark.kind === "invert" ? "source-out" : mark.erase ? "destination-out" : "source-over";
      if (mark.kind === "area") {
        context.beginPath();
        for (const [x, y] of mark.points) context.lineTo(x, y);
        context.fill();
      } else {
        context.fillRect(0, 0, this.width, this.height);
      }
      context.globalCompositeOperation = "source-over";
    }
  }

  segment(mark, index) {
    const { context } = this;
    const [x, y, width] = mark.points[index];
    const [fromX, fromY] = mark.points[Math.max(0, index - 1)];
    context.globalCompositeOperation = mark.erase ? "destination-out" : "source-over";
    context.strokeStyle = INK;
    context.lineCap = "round";
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(fromX, fromY);
    context.lineTo(x, y);
    context.stroke();
    context.globalCompositeOperation = "source-over";
  }

  get isEmpty() {
    const small = el("canvas", { width: 128, height: 128 }).getContext("2d");
    small.drawImage(this.canvas, 0, 0, 128, 128);
    const { data } = small.getImageData(0, 0, 128, 128);
    for (let at = 3; at < data.length; at += 4) if (data[at] >= FAINT) return false;
    return true;
  }

  // A PNG of the image's size in base64: white changes. Without a feather it has no greys.
  exported(feather) {
    const { width, height } = this.full;
    const whole = el("canvas", { width, height }).getContext("2d", { willReadFrequently: true });
    whole.drawImage(feather ? this.blurred(feather) : this.canvas, 0, 0, width, height);
    const picture = whole.getImageData(0, 0, width, height);
    const pixels = picture.data;
    for (let at = 0; at < pixels.length; at += 4) {
      const alpha = pixels[at + 3];
      pixels.fill(feather ? alpha : alpha >= 128 ? 255 : 0, at, at + 3);
      pixels[at + 3] = 255;
    }
    whole.putImageData(picture, 0, 0);
    return whole.canvas.toDataURL("image/png").split(",")[1];
  }

  // A copy with soft edges; the canvas may be smaller than the image, so that this takes less than a second.
  blurred(feather) {
    const { width, height } = this;
    const picture = this.context.getImageData(0, 0, width, height);
    let light = Uint8ClampedArray.from({ length: width * height }, (_, at) => picture.data[4 * at + 3]);
    const radius = Math.max(1, Math.round((feather * this.scale) / 3));
    for (let pass = 0; pass < 3; pass++) light = softened(light, width, height, radius);
    for (let at = 0; at < light.length; at++) picture.data[4 * at + 3] = light[at];
    const copy = el("canvas", { width, height });
    copy.getContext("2d").putImageData(picture, 0, 0);
    return copy;
  }
}

// A box blur: along the rows of the result of one along the columns. Three of them are about a Gaussian.
function softened(light, width, height, radius) {
  const along = (from, lines, length, step, across) => {
    const to = new Uint8ClampedArray(from.length);
    for (let line = 0; line < lines; line++) {
      const at = (index) => from[line * across + Math.min(length - 1, Math.max(0, index)) * step];
      let sum = 0;
      for (let index = -radius; index <= radius; index++) sum += at(index);
      for (let index = 0; index < length; index++) {
        to[line * across + index * step] = sum / (2 * radius + 1);
        sum += at(index + radius + 1) - at(index - radius);
      }
    }
    return to;
  };
  return along(along(light, width, height, width, 1), height, width, 1, width);
}
