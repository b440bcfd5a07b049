// The connection to what shows the page: a host of MCP Apps, by JSON-RPC over postMessage, or `atelier studio`, by HTTP.

const PROTOCOL = "2026-01-26";
const METHOD_NOT_FOUND = -32601;

class CallError extends Error {}

function textOf(result) {
  return (result.content || []).filter((block) => block.type === "text").map((block) => block.text).join("\n");
}

// What both connections share. `heard` has the listeners of notifications by their method.
class Connection {
  constructor() {
    this.heard = new Map();
    this.capabilities = {};
    this.context = {};
  }

  on(method, listener) {
    this.heard.set(method, listener);
  }

  // Calls a tool of the server. A refusal is raised with its words.
  async call(name, given) {
    const result = await this.request("tools/call", { name, arguments: given });
    const text = textOf(result);
    if (result.isError) throw new CallError(text || "The call failed.");
    return { text, data: result.structuredContent || {} };
  }
}

class HostConnection extends Connection {
  constructor(host = window.parent) {
    super();
    this.host = host;
    this.last = 0;
    this.waiting = new Map();
    window.addEventListener("message", (event) => {
      if (event.source === this.host && event.data && event.data.jsonrpc === "2.0") this.receive(event.data);
    });
  }

  async open() {
    const answer = await this.request("ui/initialize", {
      appInfo: { name: "atelier-studio", version: "1" },
      appCapabilities: { availableDisplayModes: ["inline", "fullscreen"] },
      protocolVersion: PROTOCOL,
    });
    this.capabilities = answer.hostCapabilities || {};
    this.context = answer.hostContext || {};
    this.notify("ui/notifications/initialized", {});
  }

  request(method, params) {
    const id = ++this.last;
    this.send({ id, method, params });
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }

  notify(method, params) {
    this.send({ method, params });
  }

  send(message) {
    this.host.postMessage({ jsonrpc: "2.0", ...message }, "*");
  }

  receive(message) {
    if (message.method === undefined) {
      const waiting = this.waiting.get(message.id);
      this.waiting.delete(message.id);
      if (!waiting) return;
      if (message.error) waiting.reject(new CallError(message.error.message));
      else waiting.resolve(message.result);
    } else if (message.id === undefined) {
      if (message.method === "ui/notifications/host-context-changed") Object.assign(this.context, message.params);
      this.heard.get(message.method)?.(message.params);
    } else if (message.method === "ping" || message.method === "ui/resource-teardown") {
      this.send({ id: message.id, result: {} });
    } else {
      this.send({ id: message.id, error: { code: METHOD_NOT_FOUND, message: "This page does not know the method." } });
    }
  }

  async fullscreen() {
    const modes = this.context.availableDisplayModes || [];
    if (modes.includes("fullscreen") && this.context.displayMode !== "fullscreen") {
      const answer = await this.request("ui/request-display-mode", { mode: "fullscreen" });
      this.context.displayMode = answer.mode;
      this.heard.get("ui/notifications/host-context-changed")?.({});
    }
  }

  get canDownload() {
    return Boolean(this.capabilities.downloadFile);
  }

  async download(name, mimeType, blob) {
    const resource = { uri: `file:///${name}`, mimeType, blob };
    const answer = await this.request("ui/download-file", { contents: [{ type: "resource", resource }] });
    if (answer.isError) throw new CallError("The host did not save the file.");
  }

  get canOpenLinks() {
    return Boolean(this.capabilities.openLinks);
  }

  async openLink(url) {
    const answer = await this.request("ui/open-link", { url });
    if (answer.isError) throw new CallError("The host did not open the link.");
  }

  // Lets the model know what the user did here; it reads this with the user's next message.
  async tellModel(text) {
    if (!this.capabilities.updateModelContext) return;
    await this.request("ui/update-model-context", { content: [{ type: "text", text }] });
  }

  get canMessage() {
    return Boolean(this.capabilities.message);
  }

  async message(text) {
    const answer = await this.request("ui/message", { role: "user", content: [{ type: "text", text }] });
    if (answer.isError) throw new CallError("The host did not take the message.");
  }
}

// The page in a browser of its own. It has no model to talk to.
class LoopbackConnection extends Connection {
  canDownload = true;
  canOpenLinks = true;
  canMessage = false;

  async open() {}

  notify() {}

  async fullscreen() {}

  async tellModel() {}

  async request(method, params) {
    const answer = await fetch("call", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
    }).catch(() => {
      throw new CallError("The studio no longer runs. Start it again with: atelier studio");
    });
    const message = await answer.json();
    if (message.error) throw new CallError(message.error.message);
    return message.result;
  }

  async download(name, mimeType, base64) {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)); // a data: address has a limit
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([bytes], { type: mimeType }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  async openLink(url) {
    window.open(url, "_blank", "noopener");
  }
}

export function connection() {
  return window.parent === window ? new LoopbackConnection() : new HostConnection();
}
