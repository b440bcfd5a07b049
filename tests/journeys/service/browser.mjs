// What a person does in a browser with links from a chat: prints one JSON object with what the pages showed.
// Arguments: the browser, the link of an image, that of the upload page, a file that is no image, and one that is.

import { createRequire } from "node:module";

const { chromium } = createRequire(process.env.PLAYWRIGHT)("playwright-core");
const [executablePath, imageLink, uploadLink, text, photo] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] }); // it opens pages of the test alone
const page = await browser.newPage();
page.setDefaultTimeout(20_000); // less than the test waits for this program
const found = { addresses: [] };
page.on("request", (request) => found.addresses.push(request.url()));

await page.goto(imageLink);
found.image = await page.evaluate(() => {
  const [image] = document.images;
  return [image.naturalWidth, image.naturalHeight];
});

const upload = async (file) => {
  await page.setInputFiles("input[type=file]", file);
  const answered = page.waitForResponse((response) => response.request().method() === "POST");
  await page.click("button");
  const status = (await answered).status();
  await page.waitForLoadState();
  return [status, await page.textContent("h1")];
};
await page.goto(uploadLink);
found.style = await page.evaluate(() => getComputedStyle(document.body).maxWidth);
found.text = await upload(text);
await page.goto(uploadLink);
found.photo = await upload(photo);
found.id = await page.textContent("code");
found.again = [(await page.goto(uploadLink)).status(), await page.textContent("p")];

const docs = new URL("/docs", uploadLink);
await page.goto(docs.href);
await page.waitForSelector("#operations-tag-images");
found.docs = await page.title();

await browser.close();
console.log(JSON.stringify(found));
