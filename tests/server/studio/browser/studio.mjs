// What the programs of this folder share: the browser, the page, and what went wrong on it.
// PLAYWRIGHT and AXE are the package.json of folders with these packages; the first argument is the browser.

import { createRequire } from "node:module";

const { chromium } = createRequire(process.env.PLAYWRIGHT)("playwright-core");
export const [executablePath, ...given] = process.argv.slice(2);

export const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] }); // it opens the test's pages alone
export const wrong = []; // what the console has, which includes what a policy forbade
export const addresses = new Set();

export async function opened(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1180, height: 760 }, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.on("console", (message) => message.type() === "error" && wrong.push(message.text()));
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("request", (request) => addresses.add(new URL(request.url()).origin));
  return page;
}

export const settled = (page) => page.waitForFunction(() => !document.querySelector("img.loading, [aria-busy=true]"));

export async function painting(page, name) {
  await page.getByRole("button", { name: `Open: ${name}` }).first().click();
  await page.getByRole("button", { name: "Paint and edit" }).click();
  await page.waitForFunction(() => document.querySelector(".sheet img")?.naturalWidth);
  return page.locator(".sheet > img").boundingBox();
}

export async function stroke(page, box, points) {
  const [first, ...rest] = points.map(([x, y]) => [box.x + x * box.width, box.y + y * box.height]);
  await page.mouse.move(...first);
  await page.mouse.down();
  for (const place of rest) await page.mouse.move(...place, { steps: 8 });
  await page.mouse.up();
}

export async function ended(found) {
  await browser.close();
  console.log(JSON.stringify({ ...found, wrong, addresses: [...addresses] }));
}
