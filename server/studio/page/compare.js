// Images beside each other, or two of them below a line that is moved.

import { button, el, showError } from "./dom.js";
import { nameOf } from "./images.js";
import { caption } from "./gallery.js";
import { backBar } from "./viewer.js";

const WIDE = { 1: 1280, 2: 1280, 3: 1024, 4: 1024 };
const NARROW = 640;

function large(app, image, edge) {
  const img = el("img", { alt: nameOf(image), class: "loading", draggable: "false" });
  app.images.preview(image.id, edge).then((url) => {
    img.src = url;
    img.classList.remove("loading");
  }, showError);
  return img;
}

function beside(app, images, outcomes, leave) {
  const edge = WIDE[images.length] || NARROW;
  const failed = outcomes.filter((outcome) => outcome.error);
  return el("ul", { class: "columns", "data-count": String(images.length) },
    ...images.map((image) => {
      const outcome = outcomes.find((each) => each.images?.includes(image.id));
      const seconds = outcome?.seconds ? ` · ${outcome.seconds} s` : "";
      return el("li", {},
        el("button", { type: "button", class: "frame", "aria-label": `Open: ${caption(image)}, ${nameOf(image)}`, onclick: () => app.show("viewer", image.id) },
          large(app, image, edge)),
        el("div", { class: "row" },
          el("div", { class: "grow" }, el("p", { class: "name", text: caption(image) + seconds }), el("p", { class: "small clip", text: nameOf(image) })),
          images.length > 2 && button(`Leave out: ${caption(image)}`, "close", () => leave(image.id), { short: true })));
    }),
    ...failed.map((outcome) => el("li", { class: "failed" }, el("p", { class: "name", text: outcome.model }), el("p", { class: "small", text: outcome.error }))));
}

function beforeAfter(app, [before, after]) {
  const top = large(app, after, WIDE[2]);
  top.classList.add("after");
  const box = el("div", { class: "pair" }, large(app, before, WIDE[2]), top, el("div", { class: "divider", "aria-hidden": "true" }));
  if (after.width) box.style.setProperty("--ratio", String(after.width / after.height));
  const range = el("input", { type: "range", min: "0", max: "100", value: "50", "aria-label": "How much of the first image is shown", class: "reveal" });
  const reveal = () => box.style.setProperty("--shown", `${range.value}%`);
  range.addEventListener("input", reveal);
  reveal();
  const slide = (event) => {
    const { left, width } = box.getBoundingClientRect();
    range.value = String(Math.round((100 * (event.clientX - left)) / width));
    reveal();
  };
  box.addEventListener("pointerdown", (event) => {
    box.setPointerCapture(event.pointerId);
    slide(event);
  });
  box.addEventListener("pointermove", (event) => box.hasPointerCapture(event.pointerId) && slide(event));
  return el("div", { class: "reveal-view" }, el("div", { class: "pair-room" }, box),
    el("div", { class: "row ends" }, el("span", { class: "small", text: `Left: ${caption(before)}` }), range,
      el("span", { class: "small", text: `Right: ${caption(after)}` })));
}

// `outcomes` says what each model of a comparison came to.
export function compare(app, ids, outcomes = []) {
  const body = el("div", { class: "scroll" });
  const root = el("section", { class: "view", "aria-label": "Compare" });

  async function fill(sliding) {
    const images = await app.images.named(ids);
    const leave = (id) => app.show("compare", ids.filter((other) => other !== id), outcomes);
    const pair = images.length === 2;
    const edit = pair && images[1].parent === images[0].id;
    const shown = pair && (sliding ?? edit);
    const toggle = pair && button(shown ? "Side by side" : "Slider", shown ? "compare" : "slider", () => fill(!shown));
    const result = edit && button("Edit further", "brush", () => app.show("painter", images[1].id), { class: "primary" });
    const title = result ? "Before and after" : `Compare ${images.length}`;
    root.replaceChildren(backBar(app, title, el("div", { class: "row actions" }, toggle, result)), body);
    body.replaceChildren(shown ? beforeAfter(app, images) : beside(app, images, outcomes, leave));
    if (document.activeElement === document.body) (sliding === undefined ? root.querySelector("h1") : toggle)?.focus();
  }

  root.append(backBar(app, "Compare"), body);
  fill().catch(showError);
  return root;
}
