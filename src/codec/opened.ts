import { defaultPayloadConverter } from '@temporalio/common';
import type { Payload, PayloadCodec } from '@temporalio/common';
import { sealedWith } from './seal.js';

type Node = Record<string, unknown>;

/**
 * Opens every sealed payload inside an answer of the server, in place, and gives failures their words back: for what is
 * read past the SDK's own decoding, such as histories.
 * @throws KeysError when a key is missing.
 */
export async function opened<T>(answer: T, codecs: readonly PayloadCodec[]): Promise<T> {
  const sealed: { at: Node; key: string; payload: Payload }[] = [];
  const failures: Node[] = [];
  const visit = (value: unknown, at: Node | undefined, key: string): void => {
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return;
    const node = value as Node;
    if (at !== undefined && 'metadata' in node && sealedWith(node) !== undefined)
      return void sealed.push({ at, key, payload: node });
    if (node['encodedAttributes']) failures.push(node);
    for (const [name, inner] of Object.entries(node)) visit(inner, node, name);
  };
  visit(answer, undefined, '');
  for (const { at, key, payload } of sealed) {
    let payloads = [payload];
    for (const codec of codecs.toReversed()) payloads = await codec.decode(payloads);
    at[key] = payloads[0];
  }
  for (const failure of failures) {
    const said = defaultPayloadConverter.fromPayload<{ message?: string; stack_trace?: string }>(
      failure['encodedAttributes'] as Payload,
    );
    failure['message'] = said.message ?? '';
    failure['stackTrace'] = said.stack_trace ?? '';
  }
  return answer;
}
