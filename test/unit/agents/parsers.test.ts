import { describe, expect, test } from 'vitest';
import { claude } from '../../../src/agents/claude.js';
import { codex } from '../../../src/agents/codex.js';
import { gemini } from '../../../src/agents/gemini.js';
import { opencode } from '../../../src/agents/opencode.js';
import { pi } from '../../../src/agents/pi.js';
import type { AgentAdapter, AgentEvent } from '../../../src/agents/index.js';
import { AgentWatch } from '../../../src/runner/agent/agent-watch.js';

const events = (adapter: AgentAdapter, ...lines: string[]): AgentEvent[] => {
  const parse = adapter.parser({ spec: { adapter: adapter.name } });
  return lines.flatMap((line) => parse(line, 'stdout') ?? []);
};
/** What is left of a run when its program has ended, as the runner sees it. */
function run(
  adapter: AgentAdapter,
  lines: readonly string[],
  usedBefore?: AgentWatch['usage'],
): { verdict: ReturnType<NonNullable<AgentAdapter['classify']>>; watch: AgentWatch; progress: number } {
  let progress = 0;
  const watch = new AgentWatch(adapter, {
    onProgress: () => (progress += 1),
    onTrouble: (_what, error) => {
      throw error;
    },
  });
  watch.begin({ spec: { adapter: adapter.name }, usedBefore });
  for (const line of lines) watch.line(line, 'stdout');
  return { verdict: adapter.classify?.({ code: 0, lastLines: [] }, watch.events), watch, progress };
}

describe('claude', () => {
  const init =
    '{"type":"system","subtype":"init","cwd":"/w","session_id":"169afbc0-1111","tools":["Bash"],"model":"m"}';
  const said = (id: string, content: string, model = 'claude') =>
    `{"type":"assistant","message":{"id":"${id}","model":"${model}","content":[${content}` +
    '],"usage":{"input_tokens":900,"cache_read_input_tokens":100,"output_tokens":1}},"session_id":"169afbc0-1111"}';
  const result = (more: string) => `{"duration_ms":458,"type":"result",${more},"session_id":"169afbc0-1111"}`;

  test('tells session, progress by words and tools, and what it used, corrected by the last line', () => {
    const { watch, verdict, progress } = run(claude, [
      init,
      said('msg_1', '{"type":"text","text":"Writing the file."}'),
      said('msg_1', '{"type":"tool_use","name":"Bash","input":{"command":"git status"}}'),
      '{"type":"user","message":{"role":"user","content":[{"type":"tool_result","content":"ok"}]}}',
    ]);
    expect([watch.session, watch.activity, progress]).toEqual(['169afbc0-1111', 'Bash: git status', 3]);
    expect(watch.usage).toMatchObject({ inputTokens: 1_000, cachedTokens: 100, turns: 1 });
    watch.line(
      result(
        '"subtype":"success","is_error":false,"num_turns":3,"result":"done","total_cost_usd":0.25,' +
          '"usage":{"input_tokens":10,"cache_creation_input_tokens":5,"cache_read_input_tokens":85,' +
          '"output_tokens":60}',
      ),
      'stdout',
    );
    expect(watch.usage).toEqual({ inputTokens: 100, outputTokens: 60, cachedTokens: 85, costUsd: 0.25, turns: 3 });
    expect(verdict).toBeUndefined();
  });

  test('is refused though its last line says success, and says what to do', () => {
    const { verdict, progress } = run(claude, [
      init,
      '{"type":"system","subtype":"api_retry","attempt":2,"max_retries":10,"retry_delay_ms":1215.3,' +
        '"error_status":401,"error":"authentication_failed","session_id":"169afbc0-1111"}',
      said('x', '{"type":"text","text":"Invalid API key"}', '<synthetic>'),
      result(
        '"subtype":"success","is_error":true,"api_error_status":401,"result":"Invalid API key · Please run /login"',
      ),
    ]);
    expect(verdict).toMatchObject({
      outcome: 'auth_failed',
      reason: expect.stringMatching(/Please run \/login.*ANTHROPIC_API_KEY/) as string,
    });
    expect(progress).toBe(0);
  });

  test('is rate-limited with the wait that it tells, until it gets on again', () => {
    const retry =
      '{"type":"system","subtype":"api_retry","attempt":1,"retry_delay_ms":2000,"error_status":429,' +
      '"error":"rate_limit"}';
    expect(run(claude, [init, retry]).verdict).toMatchObject({ outcome: 'rate_limited', retryAfterMs: 2_000 });
    expect(run(claude, [init, retry, said('m', '{"type":"text","text":"on"}')]).verdict).toBeUndefined();
  });

  test('waits for the end of a usage limit', () => {
    const at = Math.floor(Date.now() / 1_000) + 3_600;
    const { verdict } = run(claude, [
      result(`"subtype":"success","is_error":true,"result":"Claude AI usage limit reached|${at}"`),
    ]);
    expect(verdict?.outcome).toBe('rate_limited');
    expect(verdict?.retryAfterMs).toBeGreaterThan(3_500_000);
  });

  test('waits for the instant that its own event of a limit tells', () => {
    const at = Math.floor(Date.now() / 1_000) + 7_200;
    const event = (status: string): string =>
      `{"type":"rate_limit_event","rate_limit_info":{"status":"${status}","resetsAt":${at}` +
      ',"rateLimitType":"five_hour"}}';
    const end = result('"subtype":"success","is_error":true,"result":"You have hit your session limit"');
    const { verdict } = run(claude, [init, event('rejected'), end]);
    expect(verdict).toMatchObject({ outcome: 'rate_limited' });
    expect(verdict?.retryAfterMs).toBeGreaterThan(7_100_000);
    expect(run(claude, [init, event('allowed_warning'), end]).verdict?.retryAfterMs).toBeUndefined();
  });

  test('a refusal of the model is the agent’s failure, with its reason', () => {
    expect(
      run(claude, [
        result('"subtype":"success","is_error":false,"stop_reason":"refusal","result":"I will not do that"'),
      ]).verdict,
    ).toMatchObject({
      outcome: 'agent_failed',
      reason: expect.stringContaining('the model refuses the task: I will not') as string,
    });
  });
  test('retries against a dead provider are life, not progress', () => {
    expect(
      events(claude, '{"type":"system","subtype":"api_retry","attempt":3,"error_status":null,"error":"unknown"}'),
    ).toEqual([{ kind: 'life', activity: 'retries: unknown, try 3' }]);
  });
});

describe('codex', () => {
  const begin = [
    '{"type":"thread.started","thread_id":"01a203eb-1c72"}',
    '{"type":"turn.started"}',
    '{"type":"item.completed","item":{"id":"item_0","type":"error","message":"Model metadata for `fake-model` ' +
      'not found."}}',
  ];
  const completed =
    '{"type":"turn.completed","usage":{"input_tokens":3000,"cached_input_tokens":300,' +
    '"cache_write_input_tokens":0,"output_tokens":60,"reasoning_output_tokens":0}}';
  test('tells session, progress and usage; a warning is no failure', () => {
    const { watch, verdict, progress } = run(codex, [
      ...begin,
      '{"type":"item.completed","item":{"id":"item_1","type":"agent_message","text":"Writing the file."}}',
      '{"type":"item.started","item":{"id":"item_3","type":"command_execution","command":"/bin/bash -lc ' +
        'ls","status":"in_progress"}}',
      '{"type":"item.started","item":{"id":"item_4","type":"mcp_tool_call","server":"heartbead","tool":"done",' +
        '"status":"in_progress"}}',
      completed,
    ]);
    expect([watch.session, watch.activity, progress, verdict]).toEqual([
      '01a203eb-1c72',
      'heartbead: done',
      3,
      undefined,
    ]);
    expect(watch.usage).toEqual({ inputTokens: 3_000, outputTokens: 60, cachedTokens: 300, costUsd: 0, turns: 1 });
  });
  test('in a conversation that goes on, what was used before is not counted again', () => {
    const { watch } = run(codex, [...begin, completed], {
      inputTokens: 2_000,
      outputTokens: 20,
      cachedTokens: 200,
      costUsd: 0,
      turns: 2,
    });
    expect(watch.usage).toMatchObject({ inputTokens: 1_000, outputTokens: 40, cachedTokens: 100, turns: 1 });
  });
  test.each([
    [
      '401',
      '{"type":"error","message":"Reconnecting... 1/5 (unexpected status 401 Unauthorized: Missing bearer)"}',
      'auth_failed',
      undefined,
    ],
    [
      '429',
      '{"type":"turn.failed","error":{"message":"exceeded retry limit, last status: 429 Too Many Requests"}}',
      'rate_limited',
      undefined,
    ],
    [
      'a usage limit',
      '{"type":"turn.failed","error":{"message":"You\'ve hit your usage limit. Try again in 3 days 4 hours."}}',
      'rate_limited',
      273_600_000,
    ],
    [
      'anything else',
      '{"type":"turn.failed","error":{"message":"stream disconnected before completion"}}',
      'agent_failed',
      undefined,
    ],
  ])('%s', (_what, line, outcome, retryAfterMs) => {
    const { verdict } = run(codex, [...begin, line]);
    expect([verdict?.outcome, verdict?.retryAfterMs]).toEqual([outcome, retryAfterMs]);
  });
  test('waits in silence are life', () => {
    expect(events(codex, '{"type":"error","message":"Reconnecting... 2/5 (error sending request)"}')).toEqual([
      { kind: 'life', activity: 'Reconnecting... 2/5 (error sending request)' },
    ]);
  });
});

describe('opencode', () => {
  const line = (type: string, part: string) => `{"type":"${type}","timestamp":1,"sessionID":"ses_dfc1","part":${part}}`;
  const step = line(
    'step_finish',
    '{"reason":"stop","type":"step-finish","tokens":{"total":7537,"input":7417,"output":15,"reasoning":5,' +
      '"cache":{"write":0,"read":100}},"cost":0.5}',
  );
  test('tells its session once, and what each step used', () => {
    const { watch, verdict, progress } = run(opencode, [
      line('step_start', '{"type":"step-start"}'),
      line('tool_use', '{"type":"tool","tool":"bash","state":{"status":"completed","input":{"command":"make"}}}'),
      line('text', '{"type":"text","text":"done"}'),
      step,
      step,
    ]);
    expect([watch.session, watch.activity, progress, verdict]).toEqual(['ses_dfc1', 'done', 3, undefined]);
    expect(watch.usage).toEqual({ inputTokens: 15_034, outputTokens: 40, cachedTokens: 200, costUsd: 1, turns: 2 });
  });
  test.each([
    ['401', '"message":"no","statusCode":401,"isRetryable":false', 'auth_failed', undefined],
    [
      '429',
      '"message":"slow down","statusCode":429,"isRetryable":true,"responseHeaders":{"retry-after":"7"}',
      'rate_limited',
      7_000,
    ],
    ['no connection', '"message":"Unable to connect"', 'agent_failed', undefined],
  ])('%s', (_what, data, outcome, retryAfterMs) => {
    const { verdict } = run(opencode, [
      `{"type":"error","timestamp":1,"sessionID":"ses_dfc1","error":{"name":"APIError","data":{${data}}}}`,
    ]);
    expect([verdict?.outcome, verdict?.retryAfterMs]).toEqual([outcome, retryAfterMs]);
  });
});

describe('gemini', () => {
  const result = (more: string) =>
    `{"type":"result","timestamp":"t",${more}` +
    ',"stats":{"total_tokens":37034,"input_tokens":36974,"output_tokens":60,"cached":12,"duration_ms":303,' +
    '"tool_calls":2}}';
  test('tells session, progress and usage', () => {
    const { watch, verdict, progress } = run(gemini, [
      '{"type":"init","timestamp":"t","session_id":"2b902eb5-1","model":"gemini-2.5-flash"}',
      '{"type":"message","role":"user","content":"Do it"}',
      '{"type":"message","timestamp":"t","role":"assistant","content":"Writing.","delta":true}',
      '{"type":"tool_use","tool_name":"run_shell_command","tool_id":"r1","parameters":{"command":"ls"}}',
      '{"type":"tool_result","tool_id":"r1","status":"success","output":"x"}',
      result('"status":"success"'),
    ]);
    expect([watch.session, watch.activity, progress, verdict]).toEqual([
      '2b902eb5-1',
      'run_shell_command: ls',
      3,
      undefined,
    ]);
    expect(watch.usage).toMatchObject({ inputTokens: 36_974, outputTokens: 60, cachedTokens: 12 });
  });
  test('401 is no success', () => {
    expect(
      run(gemini, [
        result('"status":"error","error":{"type":"unknown","message":"[API Error: 401 API key not valid]"}'),
      ]).verdict,
    ).toMatchObject({ outcome: 'auth_failed', reason: expect.stringContaining('GEMINI_API_KEY') as string });
  });
  test('complains on stderr alone', () => {
    const parse = gemini.parser();
    expect(parse('Attempt 1 failed with status 429. Retrying with backoff...', 'stderr')).toMatchObject({
      kind: 'rate_limited',
    });
    expect(parse('Ripgrep is not available. Falling back to GrepTool.', 'stderr')).toBeUndefined();
    expect(parse('YOLO mode is enabled.', 'stdout')).toBeUndefined();
  });
});

describe('pi', () => {
  const end = (more: string) =>
    '{"type":"message_end","message":{"role":"assistant","content":[{"type":"text","text":"done"}],' +
    '"usage":{"input":1552,"output":20,"cacheRead":8,"cacheWrite":0,"cost":{"total":0.01}},' +
    `${more}}}`;
  test('tells session, progress and what each answer used', () => {
    const { watch, verdict } = run(pi, [
      '{"type":"session","version":3,"id":"01a203ee-d2fd","timestamp":"t","cwd":"/w"}',
      '{"type":"agent_start"}',
      '{"type":"tool_execution_start","toolCallId":"c","toolName":"write","args":{"path":"hello.txt"}}',
      end('"stopReason":"toolUse"'),
      end('"stopReason":"stop"'),
      '{"type":"agent_end","messages":[]}',
    ]);
    expect([watch.session, watch.activity, verdict]).toEqual(['01a203ee-d2fd', 'write: hello.txt', undefined]);
    expect(watch.usage).toEqual({ inputTokens: 3_120, outputTokens: 40, cachedTokens: 16, costUsd: 0.02, turns: 2 });
  });
  test.each([
    ['401', '401 no such key', 'auth_failed'],
    ['429', '429 slow down', 'rate_limited'],
    ['no connection', 'Connection error.', 'agent_failed'],
  ])('%s, though it ends with status 0', (_what, message, outcome) => {
    const { verdict, progress } = run(pi, [
      end(`"stopReason":"error","errorMessage":"${message}"`),
      '{"type":"agent_end","messages":[]}',
    ]);
    expect([verdict?.outcome, progress]).toEqual([outcome, 0]);
  });
  test('its own retries are no progress', () => {
    expect(
      events(
        pi,
        '{"type":"auto_retry_start","attempt":1,"maxAttempts":3,"delayMs":2000,"errorMessage":"429 slow down"}',
      ),
    ).toEqual([{ kind: 'rate_limited', text: '429 slow down', retryAfterMs: 2_000 }]);
    expect(
      events(pi, '{"type":"auto_retry_start","attempt":1,"delayMs":2000,"errorMessage":"Connection error."}'),
    ).toEqual([{ kind: 'life', activity: 'retries: Connection error.' }]);
  });
});

describe('the last word of a program that ends well', () => {
  const question = 'Tabs, or spaces?';
  const ways: [string, AgentAdapter, string[], string[]][] = [
    [
      'claude',
      claude,
      [`{"type":"result","subtype":"success","is_error":false,"result":"${question}","session_id":"s"}`],
      ['{"type":"result","subtype":"success","is_error":true,"result":"500"}'],
    ],
    [
      'codex',
      codex,
      [
        `{"type":"item.completed","item":{"id":"i","type":"agent_message","text":"${question}"}}`,
        '{"type":"turn.completed","usage":{}}',
      ],
      ['{"type":"turn.failed","error":{"message":"stream disconnected"}}'],
    ],
    [
      'opencode',
      opencode,
      [
        `{"type":"text","sessionID":"s","part":{"type":"text","text":"${question}"}}`,
        '{"type":"step_finish","sessionID":"s","part":{"reason":"stop","tokens":{}}}',
      ],
      ['{"type":"error","sessionID":"s","error":{"name":"APIError","data":{"message":"gone"}}}'],
    ],
    [
      'gemini',
      gemini,
      [
        '{"type":"message","role":"assistant","content":"Before a tool.","delta":true}',
        '{"type":"tool_use","tool_name":"t","parameters":{}}',
        '{"type":"message","role":"assistant","content":"Tabs, or ","delta":true}',
        '{"type":"message","role":"assistant","content":"spaces?","delta":true}',
        '{"type":"result","status":"success","stats":{}}',
      ],
      [],
    ],
    [
      'pi',
      pi,
      [
        '{"type":"message_end","message":{"role":"assistant","content":[{"type":"text","text":"Tabs, or "},' +
          '{"type":"text","text":"spaces?"}],"usage":{},"stopReason":"stop"}}',
      ],
      ['{"type":"message_end","message":{"role":"assistant","content":[],"stopReason":"error","errorMessage":"x"}}'],
    ],
  ];
  test.each(ways)('%s', (_name, adapter, good, bad) => {
    const ended = run(adapter, good).watch;
    expect(ended.said).toBe(question);
    expect(adapter.hasSpoken?.({ code: 0, lastLines: [] }, ended.events)).toBe(true);
    expect(adapter.hasSpoken?.({ code: 1, lastLines: [] }, ended.events)).toBe(false);
    expect(adapter.hasSpoken?.({ code: 0, lastLines: [] }, run(adapter, bad).watch.events)).toBe(false);
  });

  test('what it said before it did something is not its last word', () => {
    const tool = '{"type":"tool_use","sessionID":"s","part":{"type":"tool","tool":"bash","state":{"input":{}}}}';
    expect(run(opencode, [...(ways[2]?.[2] ?? []), tool]).watch.said).toBeUndefined();
  });

  test('another run of a program counts what it uses anew, and ends for itself', () => {
    const { watch } = run(claude, [
      '{"type":"result","subtype":"success","is_error":false,"result":"?","usage":{"output_tokens":3},"num_turns":1}',
    ]);
    watch.again();
    expect([watch.said, watch.events]).toEqual([undefined, []]);
    watch.line('{"type":"result","subtype":"success","usage":{"output_tokens":4},"num_turns":2}', 'stdout');
    expect(watch.usage).toMatchObject({ outputTokens: 7, turns: 3 });
  });
});

test.each([claude, codex, opencode, gemini, pi])('$name: noise means nothing and breaks nothing', (adapter) => {
  expect(
    events(
      adapter,
      '',
      'Warning: something',
      '{',
      '{"type":',
      '{}',
      'null',
      '[]',
      '{"type":7}',
      '{"type":"unheard-of","message":null}',
      '{"type":"assistant"}',
      '{"type":"item.completed"}',
      '{"type":"error"}',
      '{"type":"tool_use","part":null}',
    ).filter(({ kind }) => kind === 'session' || kind === 'auth_failed'),
  ).toEqual([]);
});
