// What the scripts over the TypeScript SDK share: the SDK, and what an answer and an error look like in their output.
//
// `CLAUDE_TOWER_TEST_NODE_MODULES` names the folder the SDK was installed into; without it Node looks beside this file.

import { createRequire } from 'node:module';
import { join } from 'node:path';

const installed = process.env.CLAUDE_TOWER_TEST_NODE_MODULES;
const require = createRequire(installed ? join(installed, 'any.js') : import.meta.url);
export const { default: Anthropic, APIError, AnthropicError } = require('@anthropic-ai/sdk');

/** The response headers that mean something to a caller. */
export function kept(headers) {
  const names = ['content-type', 'request-id', 'retry-after', 'retry-after-ms', 'x-should-retry'];
  return Object.fromEntries(
    [...headers.entries()].filter(([name]) => names.includes(name) || name.startsWith('anthropic-')).sort(),
  );
}

/** All that a program can learn from an error. */
export function raised(error) {
  if (!(error instanceof APIError)) return { class: error.constructor.name, message: error.message };
  return {
    class: error.constructor.name,
    message: error.message,
    status: error.status ?? null,
    request_id: error.requestID ?? null,
    workspace_id: error.workspaceID ?? null,
    type: error.type,
    error_code: error.errorCode,
    details: error.details,
    body: error.error ?? null,
    headers: error.headers ? kept(error.headers) : null,
  };
}
