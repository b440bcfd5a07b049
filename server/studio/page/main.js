// Starts the page: connects, follows the host's theme and size, and shows one view at a time.

import { announce, el, hideError, showError } from "./dom.js";
import { connection } from "./bridge.js";
import { Images, idsOf } from "./images.js";
import { gallery } from "./gallery.js";
import { viewer } from "./viewer.js";
import { painter } from "./painter.js";
import { compare } from "./compare.js";
import { create } from "./create.js";

const VIEWS = { gallery, viewer, painter, compare, create };
const INLINE_HEIGHT = 500; // pixels that hosts give a page within a chat
const PAINTER_HEIGHT = 720; // where the host says that it has room
const RESULT_DELAY = 400; // milliseconds in which a host that shows a call says so

class App {
  constructor() {
    this.host = connection();
    this.images = new Images(this.host);
    this.selection = new Set();
    this.search = "";
    this.past = [];
    this.place = document.getElementById("app");
    document.addEventListener("keydown", (event) => {
      const typing = event.target.closest?.("textarea, select, dialog, input[type=search], input[type=number]");
      const painting = this.current?.view === "painter"; // what is painted is not lost by a key
      if (event.key === "Escape" && !typing && !painting && this.past.length) this.back();
    });
  }

  show(view, ...given) {
    if (view === "gallery") this.past = [];
    else if (this.current) this.past.push({ ...this.current, root: this.place.firstChild, focused: document.activeElement });
    this.open({ view, given });
  }

  // A page that was left is shown as it was, unless images have come or gone; a painted mask stays in any case.
  back() {
    const before = this.past.pop() || { view: "gallery", given: [] };
    if (!before.root || (before.changes !== this.images.changes && before.view !== "painter")) {
      this.open(before);
      return;
    }
    this.current = before;
    hideError();
    this.place.replaceChildren(before.root);
    this.follow();
    before.focused?.focus();
  }

  open({ view, given }) {
    const first = !this.current;
    this.current = { view, given, changes: this.images.changes };
    hideError();
    this.place.replaceChildren(VIEWS[view](this, ...given));
    this.follow();
    if (!first) this.focusHeading();
  }

  focusHeading() {
    this.place.querySelector("h1")?.focus();
  }

  async start() {
    const { host } = this;
    host.on("ui/notifications/host-context-changed", () => this.follow());
    host.on("ui/notifications/tool-input", ({ arguments: given }) => this.wait(given?.prompt));
    host.on("ui/notifications/tool-cancelled", () => this.show("gallery"));
    host.on("ui/notifications/tool-result", (result) => this.showResult(result));
    await host.open();
    this.follow();
    if (host.context.toolInfo) this.wait();
    else setTimeout(() => this.current || this.waiting || this.show("gallery"), window.parent === window ? 0 : RESULT_DELAY);
  }

  // The host's colours, its theme, and the height that the page may have.
  follow() {
    const { theme, styles, displayMode, safeAreaInsets: safe, containerDimensions: room } = this.host.context;
    const root = document.documentElement;
    if (theme) root.dataset.theme = theme;
    for (const [name, value] of Object.entries(styles?.variables || {})) if (value) root.style.setProperty(name, value);
    for (const [side, pixels] of Object.entries(safe || {})) document.body.style.setProperty(`padding-${side}`, `${pixels}px`);
    const inline = window.parent !== window && displayMode !== "fullscreen";
    const most = room?.maxHeight && this.current?.view === "painter" ? PAINTER_HEIGHT : INLINE_HEIGHT;
    const height = room?.height ?? Math.min(room?.maxHeight ?? INLINE_HEIGHT, most);
    root.style.setProperty("--height", inline ? `${height}px` : "100dvh");
    if (inline && height !== this.height) this.host.notify("ui/notifications/size-changed", { height });
    this.height = inline ? height : undefined;
  }

  wait(prompt) {
    if (this.current) return;
    this.waiting = true;
    const text = prompt ? `“${prompt}” is being made…` : "Waiting for the result…";
    const open = el("button", { type: "button", text: "Show the gallery", onclick: () => this.show("gallery") });
    this.place.replaceChildren(el("section", { class: "view" }, el("div", { class: "empty" }, el("p", { text }), open)));
    announce(text);
  }

  // The result of the call that the host showed this page for.
  async showResult(result) {
    const text = (result.content || []).map((block) => block.text || "").join("\n");
    const data = result.structuredContent || {};
    if (result.isError) {
      this.show("gallery");
      showError(new Error(text));
      return;
    }
    const ids = data.pictures ? [] : idsOf({ data, text });
    if (ids.length > 1 || (ids.length && data.models)) this.show("compare", ids, data.models || []);
    else if (ids.length === 1) this.show("viewer", ids[0]);
    else this.show("gallery");
  }
}

new App().start().catch(showError);
