// The TypeScript SDK 2.x.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { run } from "./typescript.mjs";

await run(Client, StdioClientTransport, StreamableHTTPClientTransport);
