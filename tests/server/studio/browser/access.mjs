// Runs axe-core over every view, in light and dark and at the width of a phone. Argument: the address of the studio.

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ended, given, opened, painting, settled, stroke } from "./studio.mjs";

const [link] = given;
const axe = readFileSync(join(dirname(process.env.AXE), "node_modules/axe-core/axe.min.js"), "utf8");
const serious = [];
const small = [];
const cut = [];
const views = [];
const page = await opened();
await page.goto(link);
const { origin } = new URL(link);

async function check(view) {
  await settled(page);
  const { violations } = await page.evaluate(`${axe}; axe.run({ resultTypes: ["violations"] })`);
  views.push(view);
  for (const { impact, id, nodes } of violations) {
    if (["serious", "critical"].includes(impact)) serious.push(`${view}: ${id}: ${nodes.map((node) => node.html).join(" ").slice(0, 300)}`);
  }
  small.push(...await page.evaluate((name) => [...document.querySelectorAll("button, select, textarea, label.check, .segments label, input[type=search]")]
    .filter((each) => each.checkVisibility() && !each.classList.contains("unseen"))
    .map((each) => [each, each.getBoundingClientRect()])
    .filter(([, box]) => box.height < 40 || box.width < 40)
    .map(([each, box]) => `${name}: ${each.outerHTML.slice(0, 80)} ${box.width}x${box.height}`), view));
  cut.push(...await page.evaluate((name) => {
    const shown = (from) => [...document.querySelectorAll(from)]
      .filter((each) => each.checkVisibility() && !each.classList.contains("unseen") && !each.closest(".toolbar, .sheet")) // these scroll
      .map((each) => [each.outerHTML.slice(0, 80), each.getBoundingClientRect()]);
    const beyond = shown("button, select, textarea, input, p, h1").filter(([, box]) => box.right > innerWidth + 1 || box.left < -1);
    const narrow = shown("textarea, .foot p, .form p").filter(([, box]) => box.width < 120);
    const form = shown(".form button, .form select, .form textarea, .foot button");
    const over = form.filter(([, a], at) => form.slice(at + 1).some(([, b]) =>
      Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1));
    return [...beyond, ...narrow, ...over].map(([html]) => `${name}: ${html}`);
  }, view));
}

for (const [kind, viewport, colorScheme] of [
  ["light", { width: 1180, height: 760 }, "light"], ["dark", { width: 1180, height: 760 }, "dark"], ["phone", { width: 390, height: 844 }, "light"],
  ["chat on a phone", { width: 390, height: 500 }, "light"],
]) {
  await page.setViewportSize(viewport);
  await page.emulateMedia({ colorScheme });
  await page.goto(origin);
  await settled(page);
  await page.getByRole("checkbox").first().check();
  await check(`${kind} gallery`);
  await page.getByRole("checkbox").nth(1).check();
  await page.getByRole("button", { name: "Compare", exact: true }).click();
  await check(`${kind} compare`);
  await page.getByRole("button", { name: "Slider" }).click();
  await check(`${kind} slider`);
  await page.getByRole("button", { name: "Back" }).click();
  await page.getByRole("button", { name: "New image" }).click();
  await page.waitForSelector(".choice");
  await check(`${kind} new image`);
  await page.getByRole("button", { name: "Back" }).click();
  await page.getByRole("button", { name: /^Open: The same hills/ }).click();
  await page.getByRole("button", { name: "Delete" }).click();
  await check(`${kind} question`);
  await page.getByRole("button", { name: "Cancel" }).click();
  await check(`${kind} image`);
  await page.getByRole("button", { name: "Full size" }).click();
  await page.waitForSelector("dialog img");
  await check(`${kind} full size`);
  await page.getByRole("button", { name: "Close", exact: true }).click();
  await page.getByRole("button", { name: "Back" }).click();
  const box = await painting(page, "Terraced");
  await stroke(page, box, [[0.2, 0.5], [0.8, 0.5]]);
  await check(`${kind} painter`);
  await page.getByRole("radio", { name: "Extend" }).check({ force: true });
  await check(`${kind} extend`);
}
await ended({ serious, small, cut, views });
