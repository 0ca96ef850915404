/**
 * The four ways in which agent programs speak to a model over HTTP: how a request is read, and how an answer is
 * streamed. No more of each than real programs need; each keeps to its provider's public reference.
 */

type Json = Record<string, unknown>;
const list = (value: unknown): Json[] => (Array.isArray(value) ? (value as Json[]) : []);
const textOf = (content: unknown): string =>
  typeof content === 'string'
    ? content
    : list(content)
        .map((part) => (typeof part === 'string' ? part : String(part['text'] ?? '')))
        .join('\n');

export interface OfferedTool {
  name: string;
  /** Codex groups the tools of an MCP server. */
  namespace?: string;
  schema: Json;
}
/** What is said in a request, in order. */
export type Turn = { said: string } | { called: string };
export interface Ask {
  tools: OfferedTool[];
  turns: Turn[];
}
export interface Reply {
  text: string;
  call?: { id: string; tool: OfferedTool; args: Json };
  tokens: { input: number; output: number; cached: number };
  id: string;
  model: string;
}
/** Name of the event (where the dialect has names) and its data. */
export type StreamEvent = readonly [string | undefined, unknown];

export interface Dialect {
  serves(path: string): boolean;
  read(body: Json): Ask;
  stream(reply: Reply): StreamEvent[];
  failure(status: number, message: string): Json;
}

const anthropic: Dialect = {
  serves: (path) => path.endsWith('/messages'),
  read: (body) => ({
    tools: list(body['tools'])
      .filter((tool) => tool['input_schema'] !== undefined)
      .map((tool) => ({ name: String(tool['name']), schema: tool['input_schema'] as Json })),
    turns: list(body['messages']).flatMap((message) =>
      (typeof message['content'] === 'string'
        ? [{ type: 'text', text: message['content'] }]
        : list(message['content'])
      ).flatMap((part): Turn[] => {
        if (part['type'] === 'tool_use') return [{ called: String(part['name']) }];
        return part['type'] === 'text' && message['role'] === 'user' ? [{ said: String(part['text']) }] : [];
      }),
    ),
  }),
  stream: ({ text, call, tokens, id, model }) => {
    const usage = {
      input_tokens: tokens.input - tokens.cached,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: tokens.cached,
      output_tokens: tokens.output,
    };
    const blocks = [
      ...(text === '' ? [] : [{ open: { type: 'text', text: '' }, delta: { type: 'text_delta', text } }]),
      ...(call === undefined
        ? []
        : [
            {
              open: { type: 'tool_use', id: call.id, name: call.tool.name, input: {} },
              delta: { type: 'input_json_delta', partial_json: JSON.stringify(call.args) },
            },
          ]),
    ];
    const event = (type: string, more: Json): StreamEvent => [type, { type, ...more }];
    return [
      event('message_start', {
        message: {
          id,
          type: 'message',
          role: 'assistant',
          model,
          content: [],
          stop_reason: null,
          stop_sequence: null,
          usage: { ...usage, output_tokens: 1 },
        },
      }),
      ...blocks.flatMap(({ open, delta }, index) => [
        event('content_block_start', { index, content_block: open }),
        event('content_block_delta', { index, delta }),
        event('content_block_stop', { index }),
      ]),
      event('message_delta', {
        delta: { stop_reason: call === undefined ? 'end_turn' : 'tool_use', stop_sequence: null },
        usage,
      }),
      event('message_stop', {}),
    ];
  },
  failure: (status, message) => ({
    type: 'error',
    error: {
      type: status === 401 ? 'authentication_error' : status === 429 ? 'rate_limit_error' : 'api_error',
      message,
    },
  }),
};

const openAiFailure = (status: number, message: string): Json => ({
  error: {
    message,
    type: status === 429 ? 'rate_limit_error' : 'invalid_request_error',
    param: null,
    code: status === 401 ? 'invalid_api_key' : status === 429 ? 'rate_limit_exceeded' : null,
  },
});

const chat: Dialect = {
  serves: (path) => path.endsWith('/chat/completions'),
  read: (body) => ({
    tools: list(body['tools'])
      .map((tool) => tool['function'] as Json)
      .map((tool) => ({ name: String(tool['name']), schema: (tool['parameters'] ?? {}) as Json })),
    turns: list(body['messages']).flatMap((message): Turn[] => {
      if (message['role'] === 'assistant')
        return list(message['tool_calls']).map((call) => ({ called: String((call['function'] as Json)['name']) }));
      return message['role'] === 'user' ? [{ said: textOf(message['content']) }] : [];
    }),
  }),
  stream: ({ text, call, tokens, id, model }) => {
    const chunk = (delta: Json, finish: string | null = null): StreamEvent => [
      undefined,
      { id, object: 'chat.completion.chunk', created: 1, model, choices: [{ index: 0, delta, finish_reason: finish }] },
    ];
    return [
      chunk({ role: 'assistant', content: text }),
      ...(call === undefined
        ? []
        : [
            chunk({
              tool_calls: [
                {
                  index: 0,
                  id: call.id,
                  type: 'function',
                  function: { name: call.tool.name, arguments: JSON.stringify(call.args) },
                },
              ],
            }),
          ]),
      chunk({}, call === undefined ? 'stop' : 'tool_calls'),
      [
        undefined,
        {
          id,
          object: 'chat.completion.chunk',
          created: 1,
          model,
          choices: [],
          usage: {
            prompt_tokens: tokens.input,
            completion_tokens: tokens.output,
            total_tokens: tokens.input + tokens.output,
            prompt_tokens_details: { cached_tokens: tokens.cached },
          },
        },
      ],
      [undefined, '[DONE]'],
    ];
  },
  failure: openAiFailure,
};

function responsesTools(body: Json): OfferedTool[] {
  const flat = (tool: Json, namespace?: string): OfferedTool[] =>
    tool['type'] === 'namespace'
      ? list(tool['tools']).flatMap((inner) => flat(inner, String(tool['name'])))
      : [
          {
            name: String(tool['name']),
            namespace,
            schema: (tool['parameters'] ?? {}) as Json,
          },
        ];
  return [
    ...list(body['tools']),
    ...list(body['input'])
      .filter((item) => item['type'] === 'additional_tools')
      .flatMap((item) => list(item['tools'])),
  ].flatMap((tool) => flat(tool));
}

const responses: Dialect = {
  serves: (path) => path.endsWith('/responses'),
  read: (body) => ({
    tools: responsesTools(body),
    turns: list(body['input']).flatMap((item): Turn[] =>
      item['type'] === 'function_call'
        ? [{ called: String(item['name']) }]
        : item['role'] === 'user'
          ? [{ said: textOf(item['content']) }]
          : [],
    ),
  }),
  stream: ({ text, call, tokens, id, model }) => {
    const output: Json[] = [
      ...(text === ''
        ? []
        : [
            {
              type: 'message',
              id: `msg_${id}`,
              status: 'completed',
              role: 'assistant',
              content: [{ type: 'output_text', text, annotations: [] }],
            },
          ]),
      ...(call === undefined
        ? []
        : [
            {
              type: 'function_call',
              id: `fc_${id}`,
              call_id: call.id,
              status: 'completed',
              name: call.tool.name,
              namespace: call.tool.namespace,
              arguments: JSON.stringify(call.args),
            },
          ]),
    ];
    const begun = { id, object: 'response', created_at: 1, model, status: 'in_progress', output: [] };
    const usage = {
      input_tokens: tokens.input,
      input_tokens_details: { cached_tokens: tokens.cached },
      output_tokens: tokens.output,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: tokens.input + tokens.output,
    };
    const events: [string, Json][] = [
      ['response.created', { response: begun }],
      ...output.flatMap((item, index): [string, Json][] => [
        ['response.output_item.added', { output_index: index, item }],
        ['response.output_item.done', { output_index: index, item }],
      ]),
      ['response.completed', { response: { ...begun, status: 'completed', output, usage } }],
    ];
    return events.map(([type, more], index) => [type, { type, sequence_number: index, ...more }]);
  },
  failure: openAiFailure,
};

const gemini: Dialect = {
  serves: (path) => /:(?:stream)?generateContent$/i.test(path),
  read: (body) => ({
    tools: list(body['tools'])
      .flatMap((group) => list(group['functionDeclarations']))
      .map((tool) => ({
        name: String(tool['name']),
        schema: (tool['parametersJsonSchema'] ?? tool['parameters'] ?? {}) as Json,
      })),
    turns: list(body['contents']).flatMap((content) =>
      list(content['parts']).flatMap((part): Turn[] => {
        if (part['functionCall'] !== undefined) return [{ called: String((part['functionCall'] as Json)['name']) }];
        // What a hook says is put into the tool's answer.
        if (part['functionResponse'] !== undefined)
          return [{ said: JSON.stringify((part['functionResponse'] as Json)['response']) }];
        return content['role'] === 'user' && typeof part['text'] === 'string' ? [{ said: part['text'] }] : [];
      }),
    ),
  }),
  stream: ({ text, call, tokens, id, model }) => [
    [
      undefined,
      {
        candidates: [
          {
            index: 0,
            finishReason: 'STOP',
            content: {
              role: 'model',
              parts: [
                ...(text === '' ? [] : [{ text }]),
                ...(call === undefined
                  ? []
                  : [{ functionCall: { id: call.id, name: call.tool.name, args: call.args } }]),
              ],
            },
          },
        ],
        modelVersion: model,
        responseId: id,
        usageMetadata: {
          promptTokenCount: tokens.input,
          candidatesTokenCount: tokens.output,
          totalTokenCount: tokens.input + tokens.output,
          cachedContentTokenCount: tokens.cached,
        },
      },
    ],
  ],
  failure: (status, message) => ({
    error: {
      code: status,
      message,
      status: status === 401 ? 'UNAUTHENTICATED' : status === 429 ? 'RESOURCE_EXHAUSTED' : 'INTERNAL',
    },
  }),
};

export const dialects: readonly Dialect[] = [anthropic, chat, responses, gemini];
