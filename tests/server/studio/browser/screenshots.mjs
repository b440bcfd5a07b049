// Takes the pictures of the documentation. Arguments: the address of the studio, the prompt to edit, and a folder.

import { join } from "node:path";
import { browser, given, opened, painting, settled, stroke } from "./studio.mjs";

const [link, name, folder] = given;
const page = await opened({ deviceScaleFactor: 1.5, viewport: { width: 1120, height: 720 } });
const { origin } = new URL(link);
const take = async (file, from = page) => {
  await settled(from);
  await from.waitForTimeout(300);
  await from.screenshot({ path: join(folder, `studio-${file}.png`) });
};
const around = (x, y, radius) => Array.from({ length: 25 }, (_, at) => [
  x + radius * Math.cos((at * Math.PI) / 12), y + radius * Math.sin((at * Math.PI) / 12),
]);

await page.goto(link);
await take("gallery");
await page.emulateMedia({ colorScheme: "dark" });
await page.getByRole("button", { name: "Open: The same hills" }).click();
await take("dark");
await page.emulateMedia({ colorScheme: "light" });
await page.goto(origin);
await page.getByLabel("Search prompts").fill(name);
await page.waitForFunction(() => document.querySelectorAll(".tile").length === 3);
for (const box of await page.getByRole("checkbox").all()) await box.check();
await page.getByRole("button", { name: "Compare", exact: true }).click();
await take("compare");
await page.goto(origin);
await page.getByRole("button", { name: "Open: The same hills" }).click();
await page.getByRole("button", { name: "Before and after" }).click();
await take("before-after");
await page.goto(origin);
const box = await painting(page, name);
await page.getByRole("radio", { name: "Lasso" }).check({ force: true });
await stroke(page, box, around(0.68, 0.24, 0.13));
await page.locator("textarea").fill("a full moon instead of the sun");
await page.waitForFunction(() => /about \$/.test(document.querySelector(".act .primary").textContent));
await take("painter");

const phone = await opened({ deviceScaleFactor: 2, viewport: { width: 390, height: 780 }, hasTouch: true });
await phone.context().addCookies(await page.context().cookies());
await phone.goto(origin);
await settled(phone);
await painting(phone, name);
await phone.waitForFunction(() => /about \$/.test(document.querySelector(".act .primary").textContent));
await stroke(phone, await phone.locator(".sheet > img").boundingBox(), around(0.68, 0.24, 0.09));
await take("phone", phone);
await browser.close();
