// Every kind of reply through the official TypeScript SDK, printed as one JSON document.
//
//     node kinds.mjs <base_url> <base_url> <base_url> <kinds> <api_key>
//
// The kinds are JSON: `[{"name", "fields", "betas"}]`. Each is asked for in each of three ways: in one piece, as a
// stream, and with the helper that accumulates. Each way has a server of its own, all of one seed, so that all three
// get the same message.

import { Anthropic } from './common.mjs';

const QUESTION = [{ role: 'user', content: 'Something of this kind, please.' }];

async function threeWays(clients, kind, resource) {
  const params = { model: kind.model, max_tokens: 1024, messages: QUESTION, ...kind.fields };
  if (resource === 'beta') params.betas = kind.betas;
  const options = { headers: { 'x-sim-reply': kind.name } };
  const [whole, bare, helped] = clients.map((client) => (resource === 'beta' ? client.beta : client).messages);

  const message = await whole.create(params, options);
  const events = [];
  for await (const event of await bare.create({ ...params, stream: true }, options)) events.push(event);
  const helper = helped.stream(params, options);
  const kinds = [];
  for await (const event of helper) kinds.push(event.type);
  // The helper's own field, for structured outputs: nothing of it comes from the server.
  const { parsed_output: _, ...final } = await helper.finalMessage();
  return {
    name: kind.name,
    resource,
    whole: message,
    blocks: message.content.map((block) => block.type),
    events,
    kinds,
    final,
    request_ids: [message._request_id, helper.request_id],
  };
}

const [kinds, apiKey] = process.argv.slice(-2);
const baseURLs = process.argv.slice(2, -2);
const clients = baseURLs.map((baseURL) => new Anthropic({ baseURL, apiKey, maxRetries: 0, timeout: 30_000 }));
const results = [];
for (const kind of JSON.parse(kinds)) {
  // What is no beta must do with both.
  for (const resource of kind.betas.length ? ['beta'] : ['stable', 'beta']) {
    results.push(await threeWays(clients, kind, resource));
  }
}
console.log(JSON.stringify(results, null, 1));
