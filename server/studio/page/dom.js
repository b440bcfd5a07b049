// Elements, icons, messages and a dialog. Nothing here writes HTML from text.

const SVG = "http://www.w3.org/2000/svg";

const ICONS = {
  back: "M15 5l-7 7 7 7",
  brush: "M4 20c3 0 5-1 5-4l8.5-9.5a2 2 0 0 0-3-3L6 13c-2 1-2 3-2 7z",
  close: "M6 6l12 12M18 6L6 18",
  compare: "M4 5h7v14H4zM13 5h7v14h-7z",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
  edits: "M6 4v9a3 3 0 0 0 3 3h9M14 12l4 4-4 4",
  erase: "M9 20h11M5 15l9-9 5 5-8 8H8z",
  fill: "M4 4h16v16H4z",
  fit: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  hand: "M8 12V6a1.5 1.5 0 0 1 3 0v5V4.500a1.5 1.5 0 0 1 3 0V11V6a1.5 1.5 0 0 1 3 0v8c0 4-2 7-6 7s-5-2-7-6l-1-2c1-1 3-1 4 1z",
  invert: "M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18",
  lasso: "M12 4c5 0 9 2 9 5.500S17 15 12 15s-9-2-9-5.500S7 4 12 4zM7 14.500c-2 1-2 4 0 4.500s3 1 2 3",
  minus: "M5 12h14",
  open: "M14 4h6v6M20 4l-9 9M18 14v6H4V6h6",
  plus: "M12 5v14M5 12h14",
  redo: "M15 5l5 5-5 5M20 10H9a5 5 0 0 0 0 10h3",
  slider: "M12 3v18M8 9l-3 3 3 3M16 9l3 3-3 3",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10 11v5M14 11v5",
  undo: "M9 5l-5 5 5 5M4 10h11a5 5 0 0 1 0 10h-3",
};

export function el(tag, given = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "text") node.textContent = value;
    else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

export function button(label, iconName, onclick, given = {}) {
  const { short, ...others } = given;
  const name = short ? { "aria-label": label, title: label } : {};
  return el("button", { type: "button", class: short ? "icon" : "", ...name, ...others, onclick },
    iconName && icon(iconName), short ? null : el("span", { text: label }));
}

// A spoken message that changes nothing on the screen.
export function announce(text) {
  document.getElementById("status").textContent = text;
}

export function showError(error) {
  const toast = document.getElementById("toast");
  const close = button("Close the message", "close", () => { toast.hidden = true; }, { short: true });
  toast.replaceChildren(el("span", { text: error.message || String(error) }), close);
  toast.hidden = false;
}

export function hideError() {
  document.getElementById("toast").hidden = true;
}

// Resolves to whether the user agreed.
export function confirmed(question, agree) {
  return new Promise((resolve) => {
    const dialog = el("dialog", { "aria-label": question },
      el("p", { text: question }),
      el("form", { method: "dialog", class: "row end" },
        el("button", { value: "no", text: "Cancel" }),
        el("button", { value: "yes", class: "danger", text: agree })));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

export function debounced(milliseconds, work) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), milliseconds);
  };
}

// Shows that work is under way on a button, keeps it from a second press, and reports a failure.
export async function busy(control, work) {
  if (control.getAttribute("aria-busy") === "true") return undefined;
  control.setAttribute("aria-busy", "true");
  hideError();
  try {
    return await work();
  } catch (error) {
    showError(error);
    return undefined;
  } finally {
    control.removeAttribute("aria-busy");
  }
}

export const usd = (amount) => (amount === undefined || amount === null ? "" : amount === 0 ? "free"
  : `$${amount >= 0.1 ? amount.toFixed(2) : amount.toPrecision(2).replace(/(\.\d\d)0+$/, "$1")}`);
