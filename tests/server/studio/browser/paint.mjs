// Paints with the mouse and by touch, takes strokes back, saves the mask, and repaints.
// Arguments: the address of the studio, the prompt of the image to edit, and where to save the mask,
// the mask with soft edges, and the image.

import { ended, given, opened, painting, settled, stroke } from "./studio.mjs";

const [link, name, file, soft, whole] = given;
const found = {};
const page = await opened({ hasTouch: true });
await page.goto(link);
found.address = page.url();
await settled(page);
let box = await painting(page, name);

// how much of the mask is painted, of 128 by 128 places
const painted = () => page.evaluate(() => {
  const small = Object.assign(document.createElement("canvas"), { width: 128, height: 128 }).getContext("2d");
  small.drawImage(document.querySelector(".mask"), 0, 0, 128, 128);
  return small.getImageData(0, 0, 128, 128).data.filter((value, index) => index % 4 === 3 && value > 127).length;
});
const press = (label) => page.getByRole("button", { name: label, exact: true }).click();
const choose = (label) => page.getByRole("radio", { name: label }).check({ force: true });
const steps = (found.steps = {});
const step = async (label) => { steps[label] = await painted(); };

found.before = await page.locator(".cost").textContent();
found.unready = await page.getByRole("button", { name: /^Repaint/ }).isDisabled();
await stroke(page, box, [[0.1, 0.9], [0.9, 0.9]]);
await step("stroke");
await press("Undo");
await step("undone");
await press("Redo");
await step("redone");
await press("Invert");
await step("inverted");
await press("Undo");
await choose("Eraser");
await stroke(page, box, [[0.5, 0.9], [0.9, 0.9]]);
await step("erased");
await press("Clear");
await step("cleared");
await choose("Lasso");
await stroke(page, box, [[0.25, 0.25], [0.75, 0.25], [0.75, 0.5], [0.25, 0.5]]);
await step("lasso");

// the room changes under a stroke: the image waits with its new place until the pointer is up
await page.mouse.move(box.x + 0.5 * box.width, box.y + 0.8 * box.height);
await page.mouse.down();
await page.evaluate(() => { document.querySelector(".form").style.paddingBottom = "120px"; });
await page.waitForTimeout(100);
found.held = (await page.locator(".sheet > img").boundingBox()).width / box.width;
await page.mouse.up();
found.refitted = (await page.locator(".sheet > img").boundingBox()).width / box.width;
await page.evaluate(() => { document.querySelector(".form").style.paddingBottom = ""; });
await press("Undo");
await press("Fit");

// a finger paints, two fingers zoom and paint nothing
const session = await page.context().newCDPSession(page);
const touch = (type, ...places) => session.send("Input.dispatchTouchEvent", {
  type, touchPoints: places.map(([x, y], id) => ({ x: box.x + x * box.width, y: box.y + y * box.height, id })),
});
await choose("Brush");
await touch("touchStart", [0.3, 0.7]);
await touch("touchMove", [0.7, 0.7]);
await touch("touchEnd");
await step("finger");
await press("Undo");

// a pen that hardly presses paints a thin line, and from then on fingers move the image
const pen = (type, x, y) => session.send("Input.dispatchMouseEvent", {
  type, x: box.x + x * box.width, y: box.y + y * box.height, pointerType: "pen", force: 0.1, button: "left", buttons: 1, clickCount: 1,
});
await pen("mousePressed", 0.3, 0.7);
await pen("mouseMoved", 0.7, 0.7);
await pen("mouseReleased", 0.7, 0.7);
await step("pen");
await press("Undo");
await touch("touchStart", [0.3, 0.7]);
await touch("touchMove", [0.35, 0.7]);
await touch("touchEnd");
await step("palm");
await press("Fit");
await touch("touchStart", [0.45, 0.7]);
await touch("touchStart", [0.45, 0.7], [0.55, 0.7]);
await touch("touchMove", [0.3, 0.7], [0.7, 0.7]);
await touch("touchEnd");
await step("pinched");
found.zoomed = (await page.locator(".sheet > img").boundingBox()).width / box.width;
await press("Fit");
box = await page.locator(".sheet > img").boundingBox();

await page.getByLabel("What should be there?").fill("a full moon");
const saved = page.waitForEvent("download");
await press("Save the mask");
await (await saved).saveAs(file);
found.name = (await saved).suggestedFilename();
await page.getByLabel("Feather").fill("40");
const softened = page.waitForEvent("download");
await press("Save the mask");
await (await softened).saveAs(soft);
await page.getByLabel("Feather").fill("0");

await page.waitForFunction(() => /about \$/.test(document.querySelector(".act .primary").textContent));
found.button = await page.locator(".act .primary").textContent();
found.price = await page.locator(".cost").textContent();
found.models = await page.locator("#model option").allTextContents();
await page.locator(".act .primary").click();
await page.waitForSelector(".pair, .toast:not([hidden])");
found.title = await page.textContent("h1");
await settled(page);
await page.getByRole("slider").fill("20");
found.shown = await page.locator(".pair").evaluate((pair) => pair.style.getPropertyValue("--shown"));

await page.keyboard.press("Escape");
await page.waitForSelector(".sheet");
await step("kept");
await page.locator(".stage").focus();
await page.keyboard.press("Escape");
found.escaped = await page.textContent("h1");
await choose("Extend");
const { x, y, width, height } = await page.locator(".handle.right").boundingBox();
await page.mouse.move(x + width / 2, y + height / 2);
await page.mouse.down();
await page.mouse.move(x + width / 2 + 100, y + height / 2, { steps: 4 });
await page.mouse.up();
found.extended = await page.locator("[data-side=right]").inputValue();
found.handle = await page.locator(".handle.right").getAttribute("aria-valuenow");
await page.waitForFunction(() => document.querySelector(".cost").textContent.includes("outpaint"));
found.refused = await page.locator(".act .primary").isDisabled();

await press("Back");
const downloaded = page.waitForEvent("download");
await press("Download");
await (await downloaded).saveAs(whole);
await ended(found);
