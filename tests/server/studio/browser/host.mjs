// A host of MCP Apps: the official AppBridge in a page, the official client over stdio, and the studio in a sandbox.
// APPS is the package.json of a folder with both. Arguments: the server's command and its environment, as JSON.

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";
import { ended, given, opened, settled, stroke } from "./studio.mjs";

const folder = dirname(process.env.APPS);
const require = createRequire(process.env.APPS);
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { Client } = await load("@modelcontextprotocol/client");
const { StdioClientTransport } = await load("@modelcontextprotocol/client/stdio");
const { build } = require("esbuild");

const UI = "io.modelcontextprotocol/ui";
const { command, environ, prompt } = JSON.parse(given[0]);
const found = {};

const extensions = { [UI]: { mimeTypes: ["text/html;profile=mcp-app"] } };
const client = new Client({ name: "host", version: "1" }, { capabilities: { extensions } });
await client.connect(new StdioClientTransport({ command: command[0], args: command.slice(1), env: environ, stderr: "ignore" }));
const { tools } = await client.listTools();
const uri = tools.find((tool) => tool.name === "generate_image")._meta.ui.resourceUri;
const [{ text: html, mimeType }] = (await client.readResource({ uri })).contents;
found.mime = mimeType;
const shown = html.replace("<head>", "<head><script>window.injected = true</script>"); // hosts put scripts of their own there
const result = await client.callTool({ name: "generate_image", arguments: { prompt, model: "gpt-image-2.5-flare", size: "1024x1024" } });
const [{ id }] = result.structuredContent.images;

// the page of the host: its policy is the strict one of the specification, which the sandbox inherits
const entry = `
  import { AppBridge, PostMessageTransport } from "@modelcontextprotocol/ext-apps/app-bridge";
  window.begin = async (html, result) => {
    const frame = Object.assign(document.createElement("iframe"), { width: 760, height: 500 });
    frame.setAttribute("sandbox", "allow-scripts");
    document.body.append(frame);
    const log = (window.log = { messages: [], contexts: [], downloads: [], links: [], modes: [], sizes: [] });
    const bridge = (window.bridge = new AppBridge(null, { name: "host", version: "1" },
      { serverTools: {}, openLinks: {}, downloadFile: {}, updateModelContext: { text: {} }, message: { text: {} } },
      { hostContext: { theme: "dark", displayMode: "inline", availableDisplayModes: ["inline", "fullscreen"],
        containerDimensions: { width: 760, maxHeight: 480 },
        toolInfo: { id: 1, tool: { name: "generate_image", inputSchema: { type: "object" } } } } }));
    bridge.oncalltool = (params) => window.callTool(params);
    bridge.onmessage = async (params) => { log.messages.push(params); return {}; };
    bridge.onupdatemodelcontext = async (params) => { log.contexts.push(params); return {}; };
    bridge.ondownloadfile = async (params) => { log.downloads.push(params); return {}; };
    bridge.onopenlink = async (params) => { log.links.push(params); return {}; };
    bridge.onrequestdisplaymode = async ({ mode }) => { log.modes.push(mode); frame.height = 680; return { mode }; };
    bridge.onsizechange = (size) => log.sizes.push(size);
    const ready = new Promise((resolve) => { bridge.oninitialized = resolve; });
    await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
    frame.srcdoc = html;
    await ready;
    log.app = [bridge.getAppVersion(), bridge.getAppCapabilities()];
    await bridge.sendToolInput({ arguments: { prompt: "a fox" } });
    await bridge.sendToolResult(result);
  };`;
const { outputFiles } = await build({
  stdin: { contents: entry, resolveDir: folder }, bundle: true, write: false, format: "iife", logLevel: "silent",
});
const POLICY = "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
  + "frame-src 'self'; connect-src 'none'; base-uri 'self'; object-src 'none'";
const web = createServer((request, response) => {
  const script = request.url === "/host.js";
  response.setHeader("Content-Security-Policy", POLICY);
  response.setHeader("Content-Type", script ? "text/javascript" : "text/html");
  response.end(script ? outputFiles[0].text : '<!doctype html><link rel="icon" href="data:,"><script src="host.js"></script><body>');
});
await new Promise((listening) => web.listen(0, "127.0.0.1", listening));

const page = await opened({ viewport: { width: 800, height: 720 } });
const called = [];
await page.exposeFunction("callTool", (params) => {
  called.push([params.name, params.arguments]);
  return client.callTool(params);
});
await page.goto(`http://127.0.0.1:${web.address().port}/`);
await page.evaluate(([html, result]) => window.begin(html, result), [shown, result]);
const studio = page.frameLocator("iframe");
const frame = page.frames()[1];
const reaches = (text) => frame.waitForFunction((wanted) => document.querySelector("h1")?.textContent === wanted, text);
const log = () => page.evaluate(() => window.log);

await reaches("Image");
await settled(frame);
found.injected = await frame.evaluate(() => window.injected);
found.opened = await studio.locator(".prompt").textContent();
found.theme = await frame.evaluate(() => getComputedStyle(document.documentElement).colorScheme);
await studio.getByRole("button", { name: "Download" }).click();
await page.waitForFunction(() => window.log.downloads.length);
await studio.getByRole("button", { name: "Use in the chat" }).click();
await page.waitForFunction(() => window.log.messages.length);
await page.evaluate(() => window.bridge.sendHostContextChange({ theme: "light" }));
await frame.waitForFunction(() => getComputedStyle(document.documentElement).colorScheme === "light");
found.themed = await frame.evaluate(() => getComputedStyle(document.documentElement).colorScheme);

await studio.getByRole("button", { name: "Paint and edit" }).click();
await frame.waitForFunction(() => document.querySelector(".sheet img")?.naturalWidth);
await page.waitForTimeout(300); // the frame has become larger
const box = await studio.locator(".sheet > img").boundingBox();
await stroke(page, box, [[0.2, 0.2], [0.6, 0.2]]);
await studio.getByRole("radio", { name: "Whole image" }).check({ force: true });
await studio.getByRole("radio", { name: "Painted part" }).check({ force: true });
await studio.locator("textarea").fill("a kite");
await studio.locator(".act .primary:not([disabled])").click();
await reaches("Before and after");
await page.waitForFunction(() => window.log.contexts.length);

found.teardown = await page.evaluate(() => window.bridge.teardownResource({}));
found.id = id;
found.log = await log();
found.called = called.map(([name]) => name);
found.edit = called.find(([name]) => name === "edit_image")[1];
found.edit.mask = found.edit.mask.slice(0, 40);
await client.close();
web.close();
await ended(found);
