// A new image from words, by one model or by several to choose from.

import { button, busy, debounced, el, showError, usd } from "./dom.js";
import { idsOf, made, priceWords, summed } from "./images.js";
import { backBar } from "./viewer.js";

const MOST_MODELS = 6; // of one comparison
const SHAPES = ["1:1", "3:2", "2:3", "16:9", "9:16"];

export function create(app) {
  const words = el("textarea", { rows: "4", id: "new-words", maxlength: "32000", placeholder: "A lighthouse at dusk, watercolour" });
  const models = el("div", { class: "choices", role: "group", "aria-label": "Models" });
  const shape = el("select", { id: "new-shape" }, el("option", { value: "", text: "Any" }),
    ...SHAPES.map((ratio) => el("option", { value: ratio, text: ratio })));
  const asked = () => ({
    ...(words.value.trim() ? { prompt: words.value.trim() } : {}), ...(shape.value ? { aspect_ratio: shape.value } : {}),
  });
  const cost = el("p", { class: "small cost", "aria-live": "polite" });
  const go = button("Make", null, () => busy(go, run), { class: "primary" });
  const prices = new Map();
  let usual; // the price without a choice
  let seen;

  const chosen = () => [...models.querySelectorAll("input:checked")].map((input) => input.value);

  function ready() {
    const names = chosen();
    seen = names.length ? summed(names.map((name) => prices.get(name))) : usual;
    cost.hidden = names.length > 0;
    for (const input of models.querySelectorAll("input:not(:checked)")) input.disabled = names.length >= MOST_MODELS;
    go.disabled = !words.value.trim();
    go.querySelector("span").textContent = `Make ${names.length > 1 ? `${names.length} to compare` : "it"}${seen ? ` · ${priceWords(seen)}` : ""}`;
  }

  async function load() {
    const turn = JSON.stringify(asked());
    const [{ data }, one] = await Promise.all([
      app.host.call("estimate_cost", { ...asked(), compare: true }), app.host.call("estimate_cost", asked())]);
    if (turn !== JSON.stringify(asked())) return;
    const before = chosen();
    const focused = document.activeElement.value;
    const typing = models.contains(document.activeElement);
    prices.clear();
    models.replaceChildren(...(data.models || []).map(({ model, total_usd: total, high_usd: high }) => {
      prices.set(model, { about: total, most: high ?? total });
      const check = el("input", { type: "checkbox", value: model });
      check.checked = before.includes(model);
      check.addEventListener("change", ready);
      return el("label", { class: "choice" }, check, el("span", { class: "grow", text: model }), el("span", { class: "small", text: usd(total) }));
    }));
    if (typing) models.querySelector(`[value="${CSS.escape(focused)}"]`)?.focus();
    usual = { about: one.data.total_usd, most: one.data.high_usd ?? one.data.total_usd };
    cost.textContent = one.data.model ? `Without a choice: ${one.data.provider}/${one.data.model}.` : "";
    ready();
  }

  async function run() {
    const names = chosen();
    const which = names.length > 1 ? { models: names } : names.length ? { model: names[0] } : {};
    const answer = await made(app, "generate_image", { ...asked(), ...which }, seen);
    if (!answer) {
      await load();
      return;
    }
    const ids = idsOf(answer);
    app.host.tellModel(`In the studio the user made ${ids.join(", ")} with the words “${words.value.trim()}”.`).catch(showError);
    if (names.length > 1) app.show("compare", ids, answer.data.models || []);
    else app.show("viewer", ids[0]);
  }

  const reprice = debounced(400, () => load().catch(showError));
  words.addEventListener("input", () => {
    ready();
    reprice();
  });
  shape.addEventListener("change", () => load().catch(showError));
  load().catch(showError);
  ready();
  return el("section", { class: "view", "aria-label": "New image" }, backBar(app, "New image"),
    el("div", { class: "scroll page" },
      el("label", { for: "new-words", text: "What should be in it?" }), words,
      el("div", { class: "row" }, el("label", { for: "new-shape", text: "Shape" }), el("div", { class: "short" }, shape)),
      el("h2", { text: "Models" }), el("p", { class: "small", text: `Choose several, up to ${MOST_MODELS}, to compare them side by side.` }), models),
    el("div", { class: "bar foot" }, el("div", { class: "grow" }, cost), go));
}
