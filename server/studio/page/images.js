// The images of the caller: their facts, small copies and files, all through tools.

import { announce, confirmed, usd } from "./dom.js";

const MOST_PREVIEWS = 12; // of one call
const PARTS = [393216, 98304]; // bytes of a part of a file; some hosts pass on only the smaller ones

export class Images {
  constructor(host) {
    this.host = host;
    this.facts = new Map();
    this.shown = new Map(); // small copies by id and edge
    this.wanted = new Map(); // edge -> those that are not asked for yet
    this.partSize = PARTS[0];
    this.changes = 0; // images that were made or deleted here
  }

  async list(search, before) {
    const { data } = await this.host.call("studio_images", { search, ...(before ? { before } : {}) });
    return { found: this.keep(data.found), next: data.next };
  }

  // The facts of these images, without those that are gone.
  async named(ids) {
    const unknown = ids.filter((id) => !this.facts.has(id));
    if (unknown.length) this.keep((await this.host.call("studio_images", { ids: unknown })).data.found);
    return ids.map((id) => this.facts.get(id)).filter(Boolean);
  }

  keep(found) {
    for (const image of found) this.facts.set(image.id, image);
    return found;
  }

  // The images that this one was made from, the first one first.
  async ancestors(image) {
    const above = [];
    for (let id = image.parent; id && above.length < 12; id = above[0]?.parent) {
      const [parent] = await this.named([id]);
      if (!parent) break;
      above.unshift(parent);
    }
    return above;
  }

  // Those that were made from this one, the newest first.
  async children(image) {
    return this.keep((await this.host.call("studio_images", { parent: image.id })).data.found);
  }

  // A data: address of a small copy. Those wanted at the same time come with one call.
  preview(id, edge) {
    const key = `${id} ${edge}`;
    if (!this.shown.has(key)) {
      this.shown.set(key, new Promise((resolve, reject) => {
        if (!this.wanted.has(edge)) {
          this.wanted.set(edge, []);
          setTimeout(() => this.load(edge), 10);
        }
        this.wanted.get(edge).push({ id, resolve, reject });
      }));
      this.shown.get(key).catch(() => this.shown.delete(key));
    }
    return this.shown.get(key);
  }

  async load(edge) {
    const waiting = this.wanted.get(edge);
    this.wanted.delete(edge);
    while (waiting.length) {
      const some = waiting.splice(0, MOST_PREVIEWS);
      try {
        const { data } = await this.host.call("studio_previews", { ids: some.map(({ id }) => id), edge });
        for (const one of some) {
          const jpeg = data.previews[one.id];
          if (jpeg) one.resolve(`data:image/jpeg;base64,${jpeg}`);
          else if (jpeg === "") one.reject(new Error("This image cannot be shown."));
          else waiting.push(one);
        }
      } catch (error) {
        for (const one of some) one.reject(error);
      }
    }
  }

  async file(id) {
    let base64 = "";
    let url;
    let next = 0;
    while (true) {
      const { data: part } = await this.part(id, next);
      base64 += part.data;
      url ||= part.url;
      next = part.next;
      if (next === undefined) return { mime: part.mime, base64, url };
    }
  }

  async part(id, offset) {
    try {
      return await this.host.call("studio_file", { id, offset, limit: this.partSize });
    } catch (error) {
      if (this.partSize === PARTS[1]) throw error;
      this.partSize = PARTS[1];
      return this.part(id, offset);
    }
  }

  async remove(ids) {
    await this.host.call("studio_delete", { ids });
    for (const id of ids) this.facts.delete(id);
    this.changes++;
  }
}

const EXTENSIONS = { "image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/gif": "gif" };

export function fileName(id, mime) {
  return `${id}.${EXTENSIONS[mime] || "bin"}`;
}

export function nameOf(image) {
  return image.prompt || (image.operation ? image.operation.replace(/_/g, " ") : image.id);
}

// What a call would cost now, in USD: `about` and at `most`, both undefined where a price is not known. Nothing is sent
// to a vendor. Several models cost their sum.
export async function priceOf(app, { models, ...given }) {
  const calls = models ? models.map((model) => ({ ...given, model })) : [given];
  const answers = await Promise.all(calls.map((call) => app.host.call("estimate_cost", call)));
  return summed(answers.map(({ data }) => ({ about: data.total_usd, most: data.high_usd ?? data.total_usd })));
}

export function summed(prices) {
  if (!prices.length || prices.some(({ most }) => most === undefined)) return {};
  return { about: prices.reduce((sum, { about }) => sum + about, 0), most: prices.reduce((sum, { most }) => sum + most, 0) };
}

// A price as buttons and questions have it.
export function priceWords({ about, most }) {
  if (most === undefined) return "price not known";
  if (most === 0) return "free";
  return `about ${usd(about)}${usd(most) === usd(about) ? "" : `, at most ${usd(most)}`}`;
}

// Makes a paid call, and waits for it: one that still runs is collected by its job. `seen` is the price on the button
// that was pressed. The call says that the user confirmed it, so a price that is higher by now is asked about first.
// Returns undefined where the user declines.
export async function made(app, tool, { mask, ...given }, seen) {
  const now = await priceOf(app, given);
  const covered = seen && (now.most <= seen.most || usd(now.most) === usd(seen.most)); // as far as it is shown
  if (!covered && now.most !== 0
    && !(await confirmed(`The price is now: ${priceWords(now)}. The button said: ${priceWords(seen || {})}.`, "Go ahead"))) {
    return undefined;
  }
  announce("The image is being made. This takes 5 to 60 seconds.");
  const answer = await collected(app, await app.host.call(tool, { ...given, ...(mask ? { mask } : {}), confirm_cost: true }));
  for (const outcome of answer.data.models || []) if (outcome.job) await collectOutcome(app, answer, outcome);
  app.images.changes++;
  return answer;
}

async function collected(app, answer) {
  while (answer.data.status === "running" && answer.data.job) answer = await app.host.call("get_image", { id: answer.data.job });
  return answer;
}

// Adds the images of a model of a comparison that took longer than the others.
async function collectOutcome(app, { data }, outcome) {
  try {
    const rest = await collected(app, { data: { status: "running", job: outcome.job } });
    outcome.images = idsOf(rest);
    data.images = [...(data.images || []), ...rest.data.images];
  } catch (error) {
    outcome.error = error.message;
  }
}

// The ids of the images in an answer, also where a host passes its text alone.
export function idsOf({ data, text }) {
  const ids = (data.images || []).map((image) => image.id).filter(Boolean);
  return ids.length ? ids : [...new Set(text.match(/\bimg_[0-9a-z]{26}\b/g) || [])];
}
