// Searches, compares, paints and extends with the keyboard alone. Argument: the address of the studio.

import { ended, given, opened, settled } from "./studio.mjs";

const [link] = given;
const found = {};
const page = await opened();
await page.goto(link);
await settled(page);

const focused = () => page.evaluate(() => {
  const { activeElement: at } = document;
  return at.getAttribute("aria-label") || at.labels?.[0]?.textContent || at.textContent;
});
async function tabTo(name) {
  for (let presses = 0; presses < 90; presses++) {
    if ((await focused()).match(name)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab does not reach ${name}`);
}
async function pressed(name, key = "Enter") {
  await tabTo(name);
  await page.keyboard.press(key);
}
const title = () => page.textContent("h1");
const shows = (text) => page.waitForFunction((wanted) => document.querySelector("h1")?.textContent === wanted, text);

await tabTo(/^Search prompts/);
await page.keyboard.type("hills");
await page.waitForFunction(() => document.querySelectorAll(".tile").length === 3);
found.hits = await page.locator(".tile .name").allTextContents();
await pressed(/^Select The same hills/, "Space");
await pressed(/^Select Hills at dawn/, "Space");
await pressed(/^Compare$/);
await shows("Compare 2");
await settled(page);
found.columns = await page.locator(".columns li").count();
await pressed(/^Slider$/);
found.focus = await focused();
await tabTo(/^How much/);
await page.keyboard.press("Home");
found.none = await page.getByRole("slider").inputValue();
for (let presses = 0; presses < 30; presses++) await page.keyboard.press("ArrowRight");
found.some = await page.getByRole("slider").inputValue();
await pressed(/^Back$/);
await shows("Studio");
await settled(page);

await pressed(/^Open: Terraced/);
await shows("Image");
await settled(page);
await pressed(/^Paint and edit/);
await shows("Edit");
await tabTo(/^Painting area/);
await page.keyboard.press("Space");
for (let presses = 0; presses < 12; presses++) await page.keyboard.press("Shift+ArrowRight");
await page.keyboard.press("Space");
found.said = await page.textContent("#status");
await page.keyboard.press("]");
await page.keyboard.press("l");
found.tool = await page.locator("input[name=tool]:checked").getAttribute("value");
await page.keyboard.press("Control+z");
found.undone = await page.getByRole("button", { name: "Undo" }).getAttribute("aria-disabled");
await page.keyboard.press("Control+Shift+z");
found.redone = await page.getByRole("button", { name: "Undo" }).getAttribute("aria-disabled");
await tabTo(/^What should be there/);
await page.keyboard.type("a red barn");
await page.waitForFunction(() => !document.querySelector(".act .primary").disabled);
await pressed(/^Repaint/);
await shows("Before and after");
await settled(page);
await page.keyboard.press("Escape");
await shows("Edit");

await tabTo(/^Painted part/);
await page.keyboard.press("ArrowRight");
await tabTo(/^Pixels to add, right/);
await page.keyboard.press("ArrowRight");
await page.keyboard.press("Shift+ArrowRight");
found.extended = await page.locator("[data-side=right]").inputValue();
found.title = await title();
await ended(found);
