// What both TypeScript clients do: list the tools, draw, edit, call with a mistake, get and complete a prompt. Reads what to connect to from stdin.
import { readFileSync } from "node:fs";

export async function run(Client, StdioClientTransport, StreamableHTTPClientTransport) {
  const ask = JSON.parse(readFileSync(0));
  const transport = ask.target.url
    ? new StreamableHTTPClientTransport(new URL(ask.target.url), { requestInit: { headers: ask.target.headers } })
    : new StdioClientTransport(ask.target);
  const client = new Client({ name: "typescript", version: "1" });
  await client.connect(transport);
  const tools = (await client.listTools()).tools.map((tool) => tool.name);
  const call = (name, given) => client.callTool({ name, arguments: given });
  const drawn = await call("generate_image", ask.draw);
  const edited = await call("edit_image", { ...ask.edit, image: drawn.structuredContent.images[0].id });
  const error = await call("generate_image", ask.wrong);
  const prompts = (await client.listPrompts()).prompts.map((prompt) => prompt.name);
  const prompt = await client.getPrompt({ name: "edit_plan", arguments: { image: "last", change: "make it night" } });
  const argument = { name: "model", value: "ske" };
  const { completion } = await client.complete({ ref: { type: "ref/prompt", name: "art_direct" }, argument });
  const text = (result) => result.content[0].text;
  const guidance = { prompts, prompt: prompt.messages[0].content.text, completed: completion.values };
  console.log(JSON.stringify({ tools, drawn: text(drawn), edited: text(edited), error: text(error), ...guidance }));
  await client.close();
}
