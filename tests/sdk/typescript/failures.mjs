// Failures through the official TypeScript SDK, printed as one JSON document.
//
//     node failures.mjs <base_url> <calls> <api_key>
//
// The calls are JSON: `[{"fault", "way", "max_retries", "timeout", "spoils"}]`. The fault is what the simulator is
// asked to do, or empty if that is not decided here; the way is `whole`, `stream`, or `helper` for the one that
// accumulates. What spoils its connection has one of its own: it may still look good to the next call for a moment. The
// output is a list of the calls, each with `"attempts"`, `"events"`, and `"returned"` or `"raised"`.

import { Anthropic, raised } from './common.mjs';

const QUESTION = [{ role: 'user', content: 'Say hello to the tower, in one sentence. 你好, grüß dich 👋' }];
const PARAMS = { model: 'claude-sonnet-5-5', max_tokens: 64, messages: QUESTION };

const ways = {
  whole: (options) => client.messages.create(PARAMS, options),

  stream: async (options, events) => {
    const bare = await client.messages.create({ ...PARAMS, stream: true }, options);
    for await (const event of bare) events.push(event);
    return null;
  },

  helper: async (options, events) => {
    const helped = client.messages.stream(PARAMS, options);
    for await (const event of helped) events.push(event.type);
    return helped.finalMessage();
  },
};

async function run(call) {
  attempts = 0;
  const events = [];
  const options = {
    headers: {
      ...(call.fault ? { 'x-sim-fault': call.fault } : {}),
      ...(call.spoils ? { connection: 'close' } : {}),
    },
    maxRetries: call.max_retries,
    timeout: call.timeout * 1000,
  };
  let outcome;
  try {
    outcome = { returned: await ways[call.way](options, events) };
  } catch (error) {
    // The SDK lets errors of the connection and of the parser through.
    outcome = { raised: raised(error) };
  }
  return { ...call, attempts, events, ...outcome };
}

const [baseURL, calls, apiKey] = process.argv.slice(2);
let attempts = 0;
const counted = (...request) => {
  attempts += 1;
  return fetch(...request);
};
// What cannot be parsed is logged, too; here it is read from the error.
const client = new Anthropic({ baseURL, apiKey, fetch: counted, logLevel: 'off' });
const results = [];
for (const call of JSON.parse(calls)) results.push(await run(call));
console.log(JSON.stringify(results, null, 1));
