// What a user of the official JavaScript client does: prints one JSON object with what the client returned.
// Arguments: base URL, token, and the file of an image.

import fs from "node:fs";
import { createRequire } from "node:module";

const { default: OpenAI, toFile } = createRequire(process.env.OPENAI_CLIENT)("openai");
const [baseURL, apiKey, file] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const found = {};

const drawn = await client.images.generate({ model: "gpt-image-2.5-flare", prompt: "a fox", n: 2, size: "1024x1024" });
found.generated = drawn.data.map((image) => Buffer.from(image.b64_json, "base64").subarray(1, 4).toString());
found.usage = drawn.usage.total_tokens;

const image = await toFile(fs.createReadStream(file), "source.png", { type: "image/png" });
const edited = await client.images.edit({ model: "openai", prompt: "a hat", image, response_format: "url" });
found.url = edited.data[0].url;

const events = await client.images.generate({
  model: "gpt-image-2.5-flare", prompt: "a bear", stream: true, partial_images: 2,
});
found.events = [];
for await (const event of events) found.events.push([event.type, event.partial_image_index ?? null, !!event.b64_json]);

found.models = [];
for await (const model of client.models.list()) found.models.push(model.id);

const failure = async (call) => {
  try {
    await call();
  } catch (error) {
    return [error.constructor.name, error.status, error.code, error.param ?? null];
  }
};
found.model = await failure(() => client.images.generate({ model: "nope", prompt: "a fox" }));
found.option = await failure(() => client.images.generate({ model: "flux-2-pro", prompt: "a fox", input_fidelity: "high" }));
const stranger = new OpenAI({ baseURL, apiKey: "nonsense", maxRetries: 0 });
found.stranger = await failure(() => stranger.models.list());

console.log(JSON.stringify(found));
