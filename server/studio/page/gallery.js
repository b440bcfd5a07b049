// The gallery: the newest images, found by the words of their prompts.

import { announce, button, busy, confirmed, debounced, el, icon, showError, usd } from "./dom.js";
import { nameOf } from "./images.js";

const THUMBNAIL = 320;

export function thumbnail(app, image, edge = THUMBNAIL) {
  const img = el("img", { alt: "", class: "loading", decoding: "async" });
  if (image.width) img.style.aspectRatio = `${image.width} / ${image.height}`;
  app.images.preview(image.id, edge).then((url) => {
    img.src = url;
    img.classList.remove("loading");
  }, () => img.classList.replace("loading", "broken"));
  return img;
}

export function caption(image) {
  const cost = usd(image.actual_usd);
  return [image.model, cost].filter(Boolean).join(" · ");
}

function tile(app, image, selection, onselect) {
  const name = nameOf(image);
  const check = el("input", { type: "checkbox", "aria-label": `Select ${name}` });
  check.checked = selection.has(image.id);
  check.addEventListener("change", () => onselect(image.id, check.checked));
  return el("li", { class: "tile", "data-id": image.id },
    el("button", { type: "button", class: "frame", "aria-label": `Open: ${name}`, onclick: () => app.show("viewer", image.id) },
      thumbnail(app, image)),
    el("label", { class: "check" }, check),
    image.parent && el("span", { class: "badge", title: "Made from another image" }, icon("edits"),
      el("span", { class: "unseen", text: "Made from another image" })),
    el("p", { class: "name", text: name }),
    el("p", { class: "small meta" }, el("span", { class: "clip", title: image.model, text: image.model?.split("/").at(-1) }),
      el("span", { text: usd(image.actual_usd) })));
}

export function gallery(app) {
  const selection = app.selection;
  const list = el("ul", { class: "grid", "aria-label": "Images" });
  const empty = el("div", { class: "empty", hidden: true });
  const more = button("Show more", null, () => busy(more, () => load(next)), { class: "more", hidden: true });
  const search = el("input", {
    type: "search", placeholder: "Search prompts", "aria-label": "Search prompts", value: app.search, enterkeyhint: "search",
  });
  let next;
  let latest = 0;

  async function load(before) {
    const turn = ++latest;
    list.setAttribute("aria-busy", "true");
    const page = await app.images.list(app.search, before).finally(() => list.removeAttribute("aria-busy"));
    if (turn !== latest) return;
    const tiles = page.found.map((image) => tile(app, image, selection, select));
    if (before) list.append(...tiles);
    else list.replaceChildren(...tiles);
    next = page.next;
    more.hidden = !next;
    empty.hidden = list.children.length > 0;
    empty.replaceChildren(el("p", { text: app.search ? "No prompt has these words." : "There are no images yet." }),
      app.search ? el("p", { class: "small", text: "Search for fewer or other words." })
        : button("Make the first one", "plus", () => app.show("create"), { class: "primary" }));
    announce(`${list.children.length} images${next ? ", and more" : ""}.`);
    if (before) tiles[0]?.querySelector("button").focus();
  }

  const chosen = el("div", { class: "bar selected", hidden: true });
  function select(id, on) {
    if (on) selection.add(id);
    else selection.delete(id);
    showSelection();
  }
  function showSelection() {
    chosen.hidden = selection.size === 0;
    const compare = button("Compare", "compare", () => app.show("compare", [...selection]),
      { class: "primary", disabled: selection.size < 2 });
    const remove = button("Delete", "trash", async () => {
      const count = selection.size === 1 ? "this image" : `these ${selection.size} images`;
      if (!(await confirmed(`Delete ${count} for good? What was paid is not paid back.`, "Delete"))) return;
      await busy(remove, async () => {
        await app.images.remove([...selection]);
        clear();
        await load();
      });
    });
    chosen.replaceChildren(el("span", { class: "grow", text: `${selection.size} selected` }), remove,
      button("Clear", null, () => clear()), compare);
  }
  function clear() {
    selection.clear();
    for (const check of list.querySelectorAll("input")) check.checked = false;
    showSelection();
  }

  const find = debounced(250, () => {
    app.search = search.value;
    load().catch(showError);
  });
  search.addEventListener("input", find);
  showSelection();
  load().catch(showError);
  return el("section", { class: "view", "aria-label": "Gallery" },
    el("header", { class: "bar" },
      el("h1", { text: "Studio", tabindex: "-1" }), el("div", { class: "search grow" }, search),
      button("New image", "plus", () => app.show("create"))),
    el("div", { class: "scroll" }, list, empty, more),
    chosen);
}
