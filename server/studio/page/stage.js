// The place to paint on: zoom and pan, pointers of every kind, and a cursor for the keyboard.

import { announce, el } from "./dom.js";

const CLOSEST = 16;
const BUTTONS = { width: 160, height: 64 }; // that zoom, in the corner; the whole sheet is shown beside or above them
const ROOM = 240; // pixels of height from which there is space above them
const STEP = 8; // pixels on the screen that an arrow key moves the cursor; five times as many with Shift

export class Stage {
  // `sheet` is what is zoomed, `width` by `height` pixels. `hand` gets begin, move, end and cancel with places on it.
  constructor(sheet, width, height, hand) {
    this.sheet = sheet;
    this.width = width;
    this.height = height;
    this.hand = hand;
    this.margin = { left: 0, right: 0, top: 0, bottom: 0 };
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.pointers = new Map();
    this.cursor = { x: width / 2, y: height / 2 };
    this.down = false; // whether the keyboard's pen is on the image
    this.panning = false;
    this.fitted = true; // until the user zooms or moves the sheet
    this.pens = false; // once a pen was used, fingers move the image only
    sheet.style.width = `${width}px`;
    sheet.style.height = `${height}px`;
    this.ring = el("div", { class: "ring", hidden: true, "aria-hidden": "true" });
    this.root = el("div", {
      class: "stage", tabindex: "0", role: "application", "aria-label": "Painting area",
      "aria-describedby": "painting-keys", "aria-roledescription": "mask painter",
    }, sheet, this.ring);
    this.listen();
    new ResizeObserver(() => this.refit()).observe(this.root);
  }

  listen() {
    const { root } = this;
    root.addEventListener("pointerdown", (event) => this.press(event));
    root.addEventListener("pointermove", (event) => this.drag(event));
    for (const name of ["pointerup", "pointercancel"]) root.addEventListener(name, (event) => this.lift(event));
    root.addEventListener("pointerleave", () => { this.ring.hidden = document.activeElement !== root; });
    root.addEventListener("wheel", (event) => {
      event.preventDefault();
      if (event.shiftKey) this.pan(-event.deltaX - event.deltaY, 0);
      else this.zoom(Math.exp(-event.deltaY / 300), ...this.local(event));
    }, { passive: false });
    root.addEventListener("keydown", (event) => this.key(event));
    root.addEventListener("focus", () => root.matches(":focus-visible") && this.showCursor());
    root.addEventListener("blur", () => { this.ring.hidden = true; });
    root.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  // Fits again what the user has not moved; never under a pointer that is down, whose stroke would jump.
  refit() {
    if (this.fitted && !this.pointers.size) this.fit();
  }

  // Shows the whole sheet with its margin, in the middle unless the buttons would cover it.
  fit() {
    const { clientWidth, clientHeight } = this.root;
    const { left, right, top, bottom } = this.margin;
    const width = this.width + left + right;
    const height = this.height + top + bottom;
    const scaled = (below) => Math.min((clientWidth - 32) / width, (clientHeight - 32 - below) / height);
    const beside = clientWidth - BUTTONS.width - width * scaled(0); // where the sheet begins when it ends at the buttons
    const centred = (clientWidth - width * scaled(0)) / 2;
    const covered = beside < centred && (clientHeight + height * scaled(0)) / 2 > clientHeight - BUTTONS.height;
    const below = covered && beside < 16 && clientHeight > ROOM ? BUTTONS.height - 16 : 0;
    this.scale = scaled(below);
    this.smallest = this.scale / 2;
    this.fitted = true;
    this.x = (covered && beside >= 16 ? beside : (clientWidth - width * this.scale) / 2) + left * this.scale;
    this.y = (clientHeight - below - height * this.scale) / 2 + top * this.scale;
    this.place();
  }

  place() {
    this.sheet.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
    this.root.style.setProperty("--unscale", String(1 / this.scale));
    this.sizeRing();
  }

  zoom(factor, x = this.root.clientWidth / 2, y = this.root.clientHeight / 2) {
    const scale = Math.min(CLOSEST, Math.max(this.smallest, this.scale * factor));
    this.x = x - ((x - this.x) * scale) / this.scale;
    this.y = y - ((y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.fitted = false;
    this.place();
  }

  pan(x, y) {
    this.x += x;
    this.y += y;
    this.fitted = false;
    this.place();
  }

  local(event) {
    const box = this.root.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  spot([x, y]) {
    return { x: (x - this.x) / this.scale, y: (y - this.y) / this.scale };
  }

  press(event) {
    if (event.target.closest("button, input")) return;
    event.preventDefault();
    this.root.focus({ preventScroll: true });
    this.root.setPointerCapture(event.pointerId);
    this.pens ||= event.pointerType === "pen";
    this.pointers.set(event.pointerId, this.local(event));
    const moves = this.hand.moves() || event.button === 1 || (this.pens && event.pointerType === "touch");
    if (this.pointers.size > 1 || moves) {
      if (!this.panning) this.hand.cancel();
      this.panning = true;
      return;
    }
    this.hand.begin({ ...this.spot(this.local(event)), pressure: pressure(event), erase: event.altKey || event.button === 5 });
  }

  drag(event) {
    const place = this.local(event);
    this.cursor = this.spot(place);
    this.showRing(...place);
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    if (this.panning) {
      this.pinch(event.pointerId, before, place);
    } else {
      const between = event.getCoalescedEvents?.() || [];
      for (const each of between.length ? between : [event]) {
        this.hand.move({ ...this.spot(this.local(each)), pressure: pressure(each) });
      }
    }
    this.pointers.set(event.pointerId, place);
  }

  // Moves by one pointer; by two it zooms as well, about the one that rests.
  pinch(id, before, place) {
    const other = [...this.pointers].find(([each]) => each !== id)?.[1];
    if (!other) {
      this.pan(place[0] - before[0], place[1] - before[1]);
      return;
    }
    const apart = ([x, y]) => Math.hypot(x - other[0], y - other[1]) || 1;
    this.pan((place[0] - before[0]) / 2, (place[1] - before[1]) / 2);
    this.zoom(apart(place) / apart(before), (place[0] + other[0]) / 2, (place[1] + other[1]) / 2);
  }

  lift(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    if (!this.panning) this.hand.end();
    if (!this.pointers.size) this.panning = false;
    this.refit();
  }

  key(event) {
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const arrow = event.target === this.root && !event.ctrlKey && !event.metaKey && arrows[event.key];
    if (arrow) {
      const step = (STEP * (event.shiftKey ? 5 : 1)) / this.scale;
      if (this.hand.moves()) {
        this.pan(-arrow[0] * step * this.scale * 4, -arrow[1] * step * this.scale * 4);
      } else {
        this.cursor.x = Math.min(this.width, Math.max(0, this.cursor.x + arrow[0] * step));
        this.cursor.y = Math.min(this.height, Math.max(0, this.cursor.y + arrow[1] * step));
        if (this.down) this.hand.move({ ...this.cursor, pressure: 1 });
        this.showCursor();
      }
    } else if (event.target === this.root && (event.key === " " || event.key === "Enter")) {
      this.toggleDown();
    } else if (event.key === "Escape" && this.down) {
      this.down = false;
      this.hand.cancel();
      announce("Dropped.");
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  toggleDown() {
    if (this.hand.moves()) return;
    this.down = !this.down;
    if (this.down) this.hand.begin({ ...this.cursor, pressure: 1, erase: false });
    else this.hand.end();
    announce(this.down ? "Painting. Move with the arrow keys; Space ends the stroke." : "Stroke ended.");
  }

  showCursor() {
    this.showRing(this.x + this.cursor.x * this.scale, this.y + this.cursor.y * this.scale);
  }

  showRing(x, y) {
    this.ring.hidden = this.hand.moves();
    this.ring.style.left = `${x}px`;
    this.ring.style.top = `${y}px`;
    this.sizeRing();
  }

  sizeRing() {
    const size = Math.max(6, this.hand.size() * this.scale);
    this.ring.style.width = `${size}px`;
    this.ring.style.height = `${size}px`;
  }
}

function pressure(event) {
  return event.pointerType === "pen" && event.pressure ? 0.3 + 0.7 * event.pressure : 1;
}
