// Everyday calls through the official TypeScript SDK, printed as one JSON document.
//
//     node scenarios.mjs <base_url> <api_key>
//
// The output is a list of `{"scenario", "result"}`. A result is `{"returned": ...}` with what the SDK gave, or
// `{"raised": ...}` with the error it threw, so that two servers can be compared by comparing two outputs.
// The SDK's own retries are off: a repeated request must not hide a difference.

import { Anthropic, AnthropicError, kept, raised } from './common.mjs';

const SONNET = 'claude-sonnet-5-5';
const OPUS = 'claude-opus-5-5';
const HAIKU = 'claude-haiku-5-5';

const WEATHER = {
  name: 'get_weather',
  description: 'The current weather in a city.',
  input_schema: {
    type: 'object',
    properties: { city: { type: 'string' }, unit: { type: 'string', enum: ['celsius', 'fahrenheit'] } },
    required: ['city'],
  },
};
const HELLO = [{ role: 'user', content: 'Say hello to the tower, in one sentence. 你好, grüß dich 👋' }];
const RIDDLE = [{ role: 'user', content: 'Is 2027 prime? Think it through.' }];
const WEATHER_QUESTION = [{ role: 'user', content: 'What is the weather in Lisbon?' }];

/** An answer read in one piece. */
async function whole(promise) {
  const { data, response, request_id } = await promise.withResponse();
  return {
    status: response.status,
    request_id,
    object_request_id: data._request_id,
    headers: kept(response.headers),
    body: data,
  };
}

/** The same request twice: the bare iterator, then the helper that accumulates. */
async function streamed(client, params) {
  const { data, response } = await client.messages.create({ ...params, stream: true }).withResponse();
  const events = [];
  for await (const event of data) events.push(event);

  const helper = client.messages.stream(params);
  const fired = [];
  for (const name of ['connect', 'text', 'inputJson', 'thinking', 'signature', 'contentBlock', 'message', 'end']) {
    helper.on(name, () => fired.push(name));
  }
  const kinds = [];
  const pieces = { text: '', thinking: '', partial_json: '' };
  for await (const event of helper) {
    kinds.push(event.type);
    for (const piece in pieces) pieces[piece] += event.delta?.[piece] ?? '';
  }
  const final = await helper.finalMessage();
  return {
    headers: kept(response.headers),
    events,
    helper: { headers: kept(helper.response.headers), request_id: helper.request_id, fired, kinds, pieces, final },
  };
}

function answers(content) {
  return content
    .filter((block) => block.type === 'tool_use')
    .map((block) => ({
      type: 'tool_result',
      tool_use_id: block.id,
      content: JSON.stringify({ celsius: 21, asked: block.input }),
    }));
}

const scenarios = {
  create: (client) => whole(client.messages.create({ model: SONNET, max_tokens: 256, messages: HELLO })),

  create_with_system_and_thinking: (client) =>
    whole(
      client.messages.create({
        model: SONNET,
        max_tokens: 2048,
        system: [{ type: 'text', text: 'You are a careful mathematician.', cache_control: { type: 'ephemeral' } }],
        thinking: { type: 'adaptive', display: 'summarized' },
        metadata: { user_id: 'scenario-user' },
        messages: RIDDLE,
      }),
    ),

  create_with_stop_sequence: (client) =>
    whole(
      client.messages.create({
        model: HAIKU,
        max_tokens: 8,
        stop_sequences: ['\n\nHuman:'],
        messages: HELLO,
        system: 'Be brief.',
      }),
    ),

  stream: (client) => streamed(client, { model: OPUS, max_tokens: 256, messages: HELLO }),

  thinking_stream: (client) =>
    streamed(client, {
      model: OPUS,
      max_tokens: 2048,
      thinking: { type: 'adaptive', display: 'summarized' },
      messages: RIDDLE,
    }),

  // Only the small model may be forced to use a tool: the larger ones of its generation answer 400.
  tools: async (client) => {
    const asked = await whole(
      client.messages.create({
        model: HAIKU,
        max_tokens: 512,
        tools: [WEATHER],
        tool_choice: { type: 'tool', name: 'get_weather' },
        messages: WEATHER_QUESTION,
      }),
    );
    const told = await whole(
      client.messages.create({
        model: HAIKU,
        max_tokens: 512,
        tools: [WEATHER],
        messages: [
          ...WEATHER_QUESTION,
          { role: 'assistant', content: asked.body.content },
          { role: 'user', content: answers(asked.body.content) },
        ],
      }),
    );
    return { asked, told };
  },

  tools_stream: async (client) => {
    const asked = await streamed(client, {
      model: HAIKU,
      max_tokens: 512,
      tools: [WEATHER],
      tool_choice: { type: 'any' },
      messages: WEATHER_QUESTION,
    });
    const content = asked.helper.final.content;
    const told = await streamed(client, {
      model: HAIKU,
      max_tokens: 512,
      tools: [WEATHER],
      messages: [
        ...WEATHER_QUESTION,
        { role: 'assistant', content },
        { role: 'user', content: answers(content) },
      ],
    });
    return { asked, told };
  },

  count_tokens: (client) =>
    whole(
      client.messages.countTokens({
        model: SONNET,
        system: 'You are terse.',
        tools: [WEATHER],
        messages: WEATHER_QUESTION,
      }),
    ),

  models_list: async (client) => {
    const { data: page, response } = await client.models.list({ limit: 2 }).withResponse();
    const all = [];
    // Walks every page, two models at a time: the query must survive the way.
    for await (const model of page) all.push(model);
    const { data, has_more, first_id, last_id } = page;
    return { headers: kept(response.headers), first_page: { data, has_more, first_id, last_id }, all };
  },

  models_retrieve: (client) => whole(client.models.retrieve(OPUS)),

  error_unknown_model: (client) =>
    whole(client.messages.create({ model: 'claude-nonesuch-1', max_tokens: 16, messages: HELLO })),

  error_unknown_model_stream: (client) =>
    streamed(client, { model: 'claude-nonesuch-1', max_tokens: 16, messages: HELLO }),

  error_unknown_model_retrieve: (client) => whole(client.models.retrieve('claude-nonesuch-1')),

  error_bad_key: (client) =>
    whole(
      client
        .withOptions({ apiKey: 'sk-ant-api03-not-a-key-anyone-was-given' })
        .messages.create({ model: SONNET, max_tokens: 16, messages: HELLO }),
    ),

  error_missing_field: (client) => whole(client.messages.create({ model: SONNET, max_tokens: 16 })),
};

async function run(scenario, client) {
  try {
    return { returned: await scenario(client) };
  } catch (error) {
    if (error instanceof AnthropicError) return { raised: raised(error) };
    throw error;
  }
}

const [baseURL, apiKey] = process.argv.slice(2);
const client = new Anthropic({ baseURL, apiKey, maxRetries: 0, timeout: 30_000 });
const results = [];
for (const [name, scenario] of Object.entries(scenarios)) {
  results.push({ scenario: name, result: await run(scenario, client) });
}
console.log(JSON.stringify(results, null, 1));
