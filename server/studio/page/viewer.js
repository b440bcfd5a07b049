// One image: large, with how it was made, what it was made from, and what can be done with it.

import { announce, button, busy, confirmed, el, showError, usd } from "./dom.js";
import { fileName, nameOf } from "./images.js";
import { thumbnail } from "./gallery.js";

const LARGE = 1280;

export function backBar(app, title, ...actions) {
  return el("header", { class: "bar" }, button("Back", "back", () => app.back(), { short: true }),
    el("h1", { class: "grow", text: title, tabindex: "-1" }), ...actions);
}

function facts(app, image) {
  const rows = {
    Model: image.model,
    Made: image.created_at && new Date(image.created_at).toLocaleString(app.host.context.locale),
    Size: image.width && `${image.width} × ${image.height}`,
    Cost: usd(image.actual_usd),
    Kind: image.operation && image.operation.replace(/_/g, " "),
    Id: image.id,
  };
  return el("dl", {}, ...Object.entries(rows).filter(([, value]) => value).flatMap(([name, value]) => [
    el("dt", { text: name }), el("dd", { text: value }),
  ]));
}

function relatives(app, image, title, others) {
  return others.length > 0 && el("div", {}, el("h2", { text: title }), el("ul", { class: "strip" },
    ...others.map((other) => el("li", {}, el("button", {
      type: "button", class: "frame", "aria-label": `Open: ${nameOf(other)}`, onclick: () => app.show("viewer", other.id),
    }, thumbnail(app, other, 128))))));
}

export function viewer(app, id) {
  const picture = el("div", { class: "picture" });
  const side = el("aside", { class: "side", "aria-label": "About this image" });
  const root = el("section", { class: "view" });

  async function fill() {
    const [image] = await app.images.named([id]);
    if (!image) throw new Error("This image is gone.");
    const img = el("img", { alt: nameOf(image), class: "loading" });
    if (image.width) img.style.aspectRatio = `${image.width} / ${image.height}`;
    picture.replaceChildren(img);
    app.images.preview(id, LARGE).then((url) => {
      img.src = url;
      img.classList.remove("loading");
    }, showError);
    root.setAttribute("aria-label", nameOf(image));

    const full = button("Full size", "open", () => busy(full, () => openFull(app, image)));
    const save = app.host.canDownload && button("Download", "download", () => busy(save, async () => {
      const file = await app.images.file(id);
      await app.host.download(fileName(id, file.mime), file.mime, file.base64);
      announce("Downloaded.");
    }));
    const remove = button("Delete", "trash", async () => {
      if (!(await confirmed("Delete this image for good? What was paid is not paid back.", "Delete"))) return;
      await busy(remove, async () => {
        await app.images.remove([id]);
        app.selection.delete(id);
        app.show("gallery");
      });
    });
    const mention = app.host.canMessage && button("Use in the chat", null,
      () => busy(mention, () => app.host.message(`Let us go on with the image ${id}.`)));
    const before = image.parent && button("Before and after", "slider",
      () => app.show("compare", [image.parent, id]), { class: "wide" });
    const [above, below] = await Promise.all([app.images.ancestors(image), app.images.children(image)]);
    side.replaceChildren(...[
      el("p", { class: "prompt", text: nameOf(image) }),
      el("div", { class: "row" },
        button("Paint and edit", "brush", () => app.show("painter", id), { class: "primary" }), before, full, save, mention, remove),
      relatives(app, image, "Made from", above),
      relatives(app, image, "Edits of it", below),
      facts(app, image),
    ].filter(Boolean));
  }

  fill().catch(showError);
  root.append(backBar(app, "Image"), el("div", { class: "split" }, picture, side));
  return root;
}

// Shows every pixel of the file; where it has a link, the browser can have it too.
async function openFull(app, image) {
  announce("Loading the whole image.");
  const file = await app.images.file(image.id);
  const img = el("img", { alt: nameOf(image), src: `data:${file.mime};base64,${file.base64}` });
  const close = button("Close", "close", () => dialog.close(), { short: true });
  const link = file.url && app.host.canOpenLinks
    && button("Open in the browser", "open", () => busy(link, () => app.host.openLink(file.url)));
  const dialog = el("dialog", { class: "full", "aria-label": nameOf(image) },
    el("div", { class: "row end" }, link || null, close),
    el("div", { class: "pan", tabindex: "0", role: "region", "aria-label": "The image in full size" }, img));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
