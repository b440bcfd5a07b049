// Makes an image with two models, compares the two, and deletes them. Argument: the address of the studio.

import { ended, given, opened, settled } from "./studio.mjs";

const [link] = given;
const found = {};
const page = await opened();
await page.goto(link);
await settled(page);
const press = (name) => page.getByRole("button", { name, exact: true }).click();

await press("New image");
await page.getByLabel("What should be in it?").fill("a boat on a lake");
await page.getByLabel("sketch/sketch").check();
await page.getByLabel("Shape").selectOption("3:2");
await page.waitForFunction(() => document.querySelector(".choice input:checked"));
await page.getByLabel("openai/gpt-image-2.5-flare").check();
await page.waitForFunction(() => document.querySelector(".foot .primary").textContent.includes("at most"));
found.button = await page.locator(".foot .primary").textContent();

const choices = await page.locator(".choice input").all();
const compared = ["sketch/sketch", "openai/gpt-image-2.5-flare"];
for (const choice of choices) if (await choice.isEnabled()) await choice.check();
found.chosen = await page.locator(".choice input:checked").count();
for (const choice of choices) if (!compared.includes(await choice.inputValue())) await choice.uncheck();

// the price rises after it was shown: the press is not a consent to more
await page.route("**/call", async (route) => {
  const response = await route.fetch();
  const answer = await response.json();
  const data = answer.result.structuredContent;
  if (data?.high_usd) Object.assign(data, { total_usd: data.total_usd * 10, high_usd: data.high_usd * 10 });
  await route.fulfill({ response, json: answer });
});
await page.locator(".foot .primary").click();
found.risen = await page.locator("dialog p").textContent();
await press("Cancel");
await page.waitForFunction(() => !document.querySelector("[aria-busy=true]"));
found.declined = await page.textContent("h1");
await page.unrouteAll({ behavior: "wait" });
await page.locator(".foot .primary").click();
await page.waitForSelector(".columns, .toast:not([hidden])");
found.title = await page.textContent("h1");
await settled(page);
found.names = await page.locator(".columns .name").allTextContents();
await press("Back");
await press("Back");
await settled(page);
found.newest = (await page.locator(".tile .name").allTextContents()).slice(0, 2);
await page.getByRole("checkbox").nth(0).check();
await page.getByRole("checkbox").nth(1).check();
await press("Delete");
found.question = await page.locator("dialog p").textContent();
await page.locator("dialog").getByRole("button", { name: "Delete" }).click();
await page.waitForFunction(() => document.querySelector(".tile .name").textContent !== "a boat on a lake");
found.left = await page.locator(".tile").count();
await ended(found);
