import { Connection } from '@temporalio/client';
import { inject, test, expect } from 'vitest';
import { missingSearchAttributes } from '../../src/server/search-attributes.js';

test('the dev server of this run knows the search attributes', async () => {
  const { address, namespace } = inject('devServer');
  const connection = await Connection.connect({ address });
  expect(await missingSearchAttributes(connection, namespace)).toEqual([]);
  await connection.close();
});
