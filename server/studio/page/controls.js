// Controls of the painter's toolbar: a choice of one, and a slider with its value.

import { el, icon } from "./dom.js";

export function radios(name, label, options, chosen, onchange, icons) {
  return el("div", { class: "segments", role: "radiogroup", "aria-label": label },
    ...Object.entries(options).map(([value, text]) => {
      const input = el("input", { type: "radio", name, value, class: "unseen", "aria-label": text });
      input.checked = value === chosen;
      input.addEventListener("change", () => onchange(value));
      return el("label", { title: text }, input, icons ? icon(value) : el("span", { text }));
    }));
}

export function slider(label, min, max, value, oninput, unit = "px") {
  const output = el("output", { text: `${value} ${unit}` });
  const input = el("input", { type: "range", min, max, value, "aria-label": label });
  input.addEventListener("input", () => {
    output.textContent = `${input.value} ${unit}`;
    oninput(Number(input.value));
  });
  return { root: el("label", { class: "slider" }, el("span", { text: label }), input, output), input, output };
}
